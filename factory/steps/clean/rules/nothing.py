"""Rules about turns that say nothing: "noinput", "n/a", blanks, placeholders where an answer was to stand."""

from __future__ import annotations

import re
from collections.abc import Iterator

from factory.data.record import INPUT_SEPARATOR
from factory.statistics.flaws.placeholders import placeholder
from factory.steps.clean.rules.gates import Topic
from factory.steps.clean.rules.rule import Example, Found, Rule
from factory.steps.clean.rules.view import Part

_NO_INPUT = (
    r"no?i?n?put|no[\s_-]?(?:additional\s+|further\s+|specific\s+)?(?:input|context|data|text)s?(?:\s+(?:is\s+"
    r"|was\s+)?(?:required|needed|provided"
    r"|given|necessary|available))?|input\s*[:=]?\s*(?:none|n/?a|null|nil)|n\s?/\s?a\.?|none|null|nil|nan"
    r"|not\s+(?:applicable|required|needed|available)"
    r"|没有输入|無輸入|无(?:需|须)?(?:任何)?输入(?:内容)?|不需要输入|输入[:：]?\s?无|无|空|不适用|暂无|没有(?:提供)?(?:输入|内容)"
)
_NO_OUTPUT = (
    r"no[\s_-]?(?:output|input|response|answer|reply)(?:\s+(?:is\s+|was\s+)?(?:required|needed|provided|given"
    r"|necessary|available))?"
    r"|n\s?/\s?a|null|nil|nan|undefined|not\s+(?:applicable|available)|tbd|todo|to be (?:done|added"
    r"|determined)|lorem ipsum.{0,60}"
    r"|没有(?:输出|输入|回答)|无(?:需|须)?(?:输出|输入)|無(?:需)?(?:輸出|輸入)|不适用|暂无(?:回答|内容|数据)?|待补充|待定|无回答|略"
)
# "<noinput>", "`<No Input>`", "&lt;无输入&gt;".
_OPEN, _CLOSE = r"[\s\"'“”‘’`*<\[({（【〈《-]*(?:&lt;)?\s*", r"\s*(?:&gt;)?[\s\"'“”‘’`*>\])}）】〉》.。!-]*"
_INPUT = re.compile(rf"{_OPEN}(?:{_NO_INPUT}){_CLOSE}", re.IGNORECASE)
_OUTPUT = re.compile(rf"{_OPEN}(?:{_NO_OUTPUT}){_CLOSE}", re.IGNORECASE)
_MARKED = re.compile(
    r"(?:<|&lt;|\[)\s?(?:no[\s_-]?(?:input|output)|无输入|无输出|没有输入|没有输出|空输入)\s?(?:>|&gt;|\])",
    re.IGNORECASE,
)
_BARE = re.compile(r"\s*(?:none|null|nil|无|空|暂无|nan|略)[.。]?\s*", re.IGNORECASE)
_ASKS_FOR_IT = re.compile(
    r"\b(?:null|nan|none|n/a|nil|undefined|not applicable|placeholder|lorem|if (?:there (?:is|are) )?(?:no"
    r"|none)|if not)\b|空值|无效|不适用|没有则|如无"
    r"|\b(?:translate|synonym|abbreviat|acronym|stands? for)\w*|翻译|缩写",
    re.IGNORECASE,
)
_QUESTION = re.compile(
    r"[?？]\s*\Z|\b(?:which|what|how many|any|are there|is there|find|identify|list|extract)\b"
    r"|哪|多少|几|有没有|是否|找出|提取",
    re.IGNORECASE,
)


def _nothing(part: Part) -> Iterator[Found]:
    text = part.text
    if len(text) > 120:
        if _MARKED.search(text[:40]) and not _ASKS_FOR_IT.search(part.asked):
            yield Found(*_span(_MARKED, text), "a mark of an empty field")
        return
    turn = part.view.record.messages[part.turn]
    if turn.calls or turn.media:
        return
    if turn.is_empty:
        if part.turn == len(part.view.record.messages) - 1:
            yield Found(0, len(text), "the answer is empty")
        return
    if _OUTPUT.fullmatch(text) or _MARKED.match(text.lstrip()):
        bare = _BARE.fullmatch(text) is not None
        if (bare and (_QUESTION.search(part.asked) or part.view.about_code)) or (
            _ASKS_FOR_IT.search(part.asked) and not _MARKED.search(text)
        ):
            return
        yield Found(0, len(text), text.strip()[:40])
    elif (
        not any(letter.isalnum() for letter in text)
        and text.strip()
        in {
            "...",
            "…",
            "……",
            "-",
            "--",
            "—",
            ".",
            "。",
            "/",
            "\\",
            "_",
        }
        and not re.search(
            r"(?i)punctuation|symbol|operator|mark|sign|character|emoji|morse|标点|符号|运算符|字符",
            part.asked,
        )
    ):
        yield Found(0, len(text), "the answer is a mark alone")


def _span(pattern: re.Pattern[str], text: str) -> tuple[int, int]:
    match = pattern.search(text)
    assert match is not None
    return match.span()


def _no_input(part: Part) -> Iterator[Found]:
    text, chars = part.text, 0
    if part.turn == part.view.record.last_user:
        chars = part.view.record.input_chars
    start = len(text) - chars
    if 0 < chars < 60 and _INPUT.fullmatch(text, start):
        start -= len(INPUT_SEPARATOR)
        if not _ASKS_FOR_IT.search(text[:start]):
            yield Found(start, len(text), text[start:].strip(), "" if text[:start].strip() else None)
        return
    for match in _MARKED.finditer(text):
        yield Found(*match.span(), match[0])
        return
    last = text.rstrip().rfind("\n")
    if (
        last >= 0
        and len(text) - last < 60
        and _INPUT.fullmatch(text, last + 1)
        and not _BARE.fullmatch(text, last + 1)
    ):
        yield Found(last + 1, len(text), text[last + 1 :].strip())
    elif len(text) < 40 and (_OUTPUT.fullmatch(text) or not text.strip()) and not part.view.has_media:
        yield Found(0, len(text), "the prompt says nothing")


def _placeholders(part: Part) -> Iterator[Found]:
    left = placeholder(part.text, part.asked)
    if left and not part.view.about_code:
        at = part.text.find(left)
        yield Found(at, at + len(left), left[:60])


_MATERIAL = (
    r"(?:images?|pictures?|photo(?:graph)?s?|paintings?|drawings?|graphs?|charts?|figures?|diagrams?"
    r"|illustrations?|screenshots?"
    r"|videos?|audio|sounds?|songs?|music(?:al)?|clips?|gifs?|icons?|logos?|posters?|maps?|sketch(?:es)?"
    r"|animations?|artworks?"
    r"|links?|urls?|websites?|articles?|essays?|passages?|documents?|reports?|data ?sets?|data|tables?|files?"
    r"|poems?|story|stories"
    r"|lyrics|transcripts?|paragraphs?|reviews?|e-?mails?|letters?|descriptions?|texts?|insert|attach(?:ed"
    r"|ment)?|provided)"
)
_ZH_MATERIAL = (
    "(?:图|照片|视频|音频|录音|歌曲|链接|网址|文章|短文|段落"
    "|文档|文件|报告|数据|表格|诗|故事|信件|邮件|描述|插入|附上|附件|已提供)"
)
_STAND_IN = re.compile(
    rf"(?:\w[\w ]{{0,20}}[:：]\s*)?(?:(?:[\[<(（【〈《]|&lt;)\s?(?=[^\[\]<>()（）【】]{{0,60}}(?:\b{_MATERIAL}\b"
    rf"|{_ZH_MATERIAL}))"
    r"[^\[\]<>()（）【】\n=;{}]{2,100}(?:[\]>)）】〉》]|&gt;)[\s.。]*){1,4}"
    rf"|(?:attach(?:ed)?|insert|upload(?:ed)?|enclosed)\s+(?:the\s+|an?\s+)?{_MATERIAL}[.!]?|(?:附上?的?|插入|已附"
    rf"|上传的?){_ZH_MATERIAL}片?",
    re.IGNORECASE,
)
_MAKES_FORMS = Topic(
    r"\b(?:templates?|placeholders?|forms?|mad libs?|tags?|html|xml|brackets?|syntax|markdown|usage|command"
    r"|regex|latex|fill|stage directions?|caption)\b|模板|占位|填空|表单|标签|括号|命令|语法"
)


def _stand_ins(part: Part) -> Iterator[Found]:
    text, view = part.text, part.view
    if view.has_media or not part.whole:
        return
    if part.role == "user":
        chars = view.record.input_chars if part.turn == view.record.last_user else 0
        start = len(text) - chars if chars else text.rstrip().rfind("\n") + 1
        if not start:
            return
    elif len(text) <= 200:
        start = 0
    else:
        return
    given = text[start:].strip()
    if 4 <= len(given) <= 200 and _STAND_IN.fullmatch(given) and not _MAKES_FORMS.found(view.said[:20_000]):
        yield Found(start, len(text), given[:60])


RULES = (
    Rule(
        "stand_in",
        "text",
        "Brackets that stand for a picture, a link or a text which is not there ([Image of a cat], <link to art"
        "icle>).",
        _stand_ins,
        roles=("user", "assistant"),
        examples=(
            Example("Describe it.\n\n[Image of a cat]", True),
            Example("[插入图片]", True, asked="画一只猫。"),
            Example("Sort it.\n\n[3, 1, 2]", False),
            Example("（图中的）猫很可爱。", False, asked="猫可爱吗？"),
        ),
    ),
    Rule(
        "no_answer",
        "text",
        'An answer that says nothing: "<nooutput>", "n/a", none at all, a mark alone.',
        _nothing,
        roles=("assistant",),
        examples=(
            Example("<nooutput>", True, asked="Draw a house."),
            Example("无输出", True, asked="画一座房子。"),
            Example("None of them.", False, asked="Which of these are prime?"),
            Example("不适用于儿童。", False, asked="这种药适合谁？"),
        ),
    ),
    Rule(
        "no_input",
        "text",
        'An input that says there is none: "<noinput>", "n/a", 无输入.',
        _no_input,
        roles=("user",),
        mends=True,
        examples=(
            Example("Name a fruit.\n\n<noinput>", True),
            Example("说出一种水果。\n\n&lt;无输入&gt;", True),
            Example("What does n/a stand for?", False),
            Example("没有输入设备的电脑能用吗？", False),
        ),
    ),
    Rule(
        "placeholder",
        "text",
        'A placeholder where an answer was to stand ("[Your answer here]").',
        _placeholders,
        roles=("assistant",),
        triggers=("here", "your", "answer", "response", "此处", "你的", "您的", "答案", "回答", "内容"),
        examples=(
            Example("[Your answer here]", True, asked="Why is the sea salty?"),
            Example("【此处填写答案】", True, asked="海水为什么是咸的？"),
            Example("Dear [Your name],", False, asked="Write a letter."),
            Example("[1] is the first item.", False, asked="What is it?"),
        ),
    ),
)
