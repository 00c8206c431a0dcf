"""Answers of stop words and signs alone that are answers all the same: options, yes and no, signs asked for."""

from __future__ import annotations

import re

from factory.data.text import rouge_tokens

# One of them alone settles a question: how many, which, where, whether.
_SETTLING = re.compile(
    r"no|not|both|all|few|most|more|some|same|once|now|here|there|again|up|down|on|off|in|out|above|below|before|after"
    r"|under|over"
)
# With one of them in front, the rest may be stop words: "No, it is not.", "Both of them."
_OPENING = re.compile(r"no|not|both|all|same|most")
_SHORT_REPLY = re.compile(
    r"(?:yes |no |not )?(?:it|he|she|they|we|you|i|that|this|these|those|there|both|all)"
    r" (?:is|are|am|was|were|do|does|did|has|have|had|can|will|should)(?: not| t)?"
)
_POLAR_QUESTION = re.compile(
    r"(?:^|[.!?,:;\n]\s*)(?:is|are|am|was|were|do|does|did|has|have|had|can|could|will|would|should|may|must|isn't"
    r"|aren't|don't|doesn't|didn't)\s|\b(?:yes|true|whether)\b",
    re.IGNORECASE,
)
_LETTER = re.compile(r"[A-Za-z]")
_JOINING = frozenset({"and", "or", "both"})
# An option by its mark: a capital that is no word where it stands, "(a)", "b." or "c)" at the beginning.
_MARKED_OPTION = re.compile(
    r"(?<=[\W_])(?:[A-HJ-Z])(?![A-Za-z0-9'’])|(?<=[\u4e00-\u9fff])[A-Z](?![A-Za-z0-9'’])"
    r"|[(（\[【][A-Za-z][)）\]】]|\A[^\w]*[A-Za-z]\s*[.)）:：、](?=\s|\Z)"
)
_CAPITALS = re.compile(r"[A-Z]{2,}(?:[ _][A-Z]{2,}){0,2}")

_ZH_POLAR = re.compile(
    r"(?:那|都|也|还|還|就|就是|很|太|更|应该|應該|可能|已经|已經|必须|不是|我|我们|他|她|它|这|那个|这个)*"
    r"(?:不|没|沒|没有|沒有)?"
    r"(?:是|对|對|有|没有|沒有|会|會|能|能够|可以|可|可能|要|应该|應該|必须|已经|已經|在|同|无|無|不|没|沒"
    r"|一样|一樣|一个|一個|一种|一些|上|下|中|里|裡)"
    r"(?:的|了|吧|啊|呢|呀|哦|嘛|啦|哎|过|過)*"
)
_PIECES = re.compile(r"[^\w\s]+")

# What is asked for is a word, so that any word is an answer.
_ASKS_FOR_A_WORD = re.compile(
    r"\b(?:which|what|one|a|the|single|missing|right|correct|another|stop|function)\s+(?:\w+\s+)?(?:word|letter|article|token"
    r"|keyword|term)\b|\b(?:prepositions?|pronouns?|conjunctions?|adverbs?|(?:in)?definite\s+articles?|auxiliar\w+"
    r"|opposite|antonyms?|synonyms?|translat\w+|translation|blanks?|fill\s+in|spell\w*|logical|logic\s+gates?"
    r"|abbreviat\w+|acronyms?)\b|_{2,}|\bin\s+(?:english|chinese)\b"
    r"|(?:什么|哪个|哪一个|一个|个|单个)[词詞字]|翻译|翻譯|填空|[反近同][义義]|[介代连副量助虚][词詞]|英文|英语|中文是|读作|拼音|____",
    re.IGNORECASE,
)
# What is asked for is a wording: a text changed, or a part of it found.
_ASKS_FOR_A_WORDING = re.compile(
    r"\b(?:re(?:write|word|phrase|verse|arrange|order|place|state)\w*|paraphras\w+|chang(?:e|ing)|convert\w*|edit|correct"
    r"|punctuat\w*|shorten\w*|transform\w*|find|identify|extract|pick\s+out|rhym\w+|quot(?:e|ation)|title|song|lyrics"
    r"|caption|motto|slogan|question)\b|改|转换|轉換|变成|找出|提取|指出|识别|反转|倒|押韵|陈述|歌名|标题|口号",
    re.IGNORECASE,
)
_ASKS_FOR_A_SIGN = re.compile(
    r"\b(?:emojis?|emoticons?|smileys?|(?:smil|happy|sad|wink|laugh|cry|frown|angry|kiss)\w*\s+faces?|symbols?"
    r"|signs?(?!\s+(?:of|that|up|in|off)\b)|operators?|punctuat\w*|marks?|(?<!main )(?<!fictional )characters?"
    r"|brackets?|parenthes[ei]s|ascii|unicode|regex\w*|regular expressions?|code|expressions?|outputs?|prints?|returns?"
    r"|arrows?|currenc\w+|compar\w+|greater|less|larger|smaller|blanks?|fill|tick|check|draw|icons?|keys?|lists?|sets?)\b"
    r"|_{2,}|表情|符号|符號|标点|標點|运算符|運算符|字符|括号|括號|箭头|箭頭|代码|代碼|正则|表达式|输出|輸出|电码|密码|打[√勾叉×]"
    r"|判断|判斷|对错|比较|比較|大小|大于|小于|填|图案|颜文字|画|用.{0,4}(?:图|符)",
    re.IGNORECASE,
)
_OFFERS = re.compile(
    r"\bor\b|[/|｜]|还是|還是|或|\b(?:choose|pick|select|which|either)\b|选|選|哪", re.IGNORECASE
)


def is_short_answer(answer: str, instruction: str = "") -> bool:
    """Whether `answer`, of stop words and signs alone, still answers.

    It does where it is an option by its letter ("D", "(a)", "A and C"), settles a question of yes or no, how many
    or which ("No.", "Both of them", 是, 没有), is written in capitals as abbreviations and keywords are ("WHO", "NOT
    IN"), or is what `instruction` asks for: a word, a sign, one of the things that it offers.
    """
    words = rouge_tokens(answer)
    if not words:
        return bool(answer.strip(" \t\r\n`")) and _asked_sign(answer, instruction)
    if _is_option(answer, words) or _settles(answer, words, instruction):
        return True
    if _ASKS_FOR_A_WORDING.search(instruction) and len(words) <= 12:
        return True
    if _ASKS_FOR_A_WORD.search(instruction) and (len(words) <= 2 or len("".join(words)) <= 4):
        return True
    return bool(_OFFERS.search(instruction)) and _runs_through(words, rouge_tokens(instruction))


def _is_option(answer: str, words: list[str]) -> bool:
    letters = [word for word in words if _LETTER.fullmatch(word)]
    if letters and all(
        word in letters or word in _JOINING or word in ("和", "与", "與", "或") for word in words
    ):
        return True
    return _MARKED_OPTION.search(answer) is not None


def _settles(answer: str, words: list[str], instruction: str) -> bool:
    if _OPENING.fullmatch(words[0]) or (len(words) == 1 and _SETTLING.fullmatch(words[0])):
        return True
    if _CAPITALS.fullmatch(" ".join(_PIECES.sub(" ", answer).split())):
        return True
    if _POLAR_QUESTION.search(instruction) and _SHORT_REPLY.fullmatch(" ".join(words)):
        return True
    pieces = [piece for part in _PIECES.split(answer) if (piece := "".join(part.split()))]
    return bool(pieces) and len(pieces[0]) <= 20 and _ZH_POLAR.fullmatch(pieces[0]) is not None


def _asked_sign(answer: str, instruction: str) -> bool:
    if _ASKS_FOR_A_SIGN.search(instruction):
        return True
    # A sign that the instruction shows, such as one of "< or >?" or the stars of a rating.
    signs = set(answer) - set(" \t\r\n")
    return signs <= set(instruction) - set(".,;:!?…-—。，；：！？、\"'“”")


def _runs_through(words: list[str], asked: list[str]) -> bool:
    """Whether the words stand in a row in what was asked."""
    size = len(words)
    return size <= 4 and any(asked[at : at + size] == words for at in range(len(asked) - size + 1))
