"""Rules about traces of machine translation, and texts and paragraphs in another language."""

from __future__ import annotations

import re
from collections.abc import Iterator

from factory.data.text import detect_language, word_count
from factory.statistics.flaws.language import language_flaw, may_change_language
from factory.steps.clean.rules.gates import Gated
from factory.steps.clean.rules.rule import Example, Found, Rule
from factory.steps.clean.rules.view import SAMPLE, Part
from factory.steps.judging.constraints.languages import language_of

_HAN = "\u3400-\u9fff"
# Keywords of programs that were translated, where a statement has them.
_STATEMENT = Gated(
    r"(?m)^[ \t]*(?:"
    r"(?:如果|若|而|当|虽然|尽管)\s?[^\n，。]{1,80}[:：{]\s*$"
    r"|(?:对于|为|为了)\s?[（(]?[^\n，。]{1,60}(?:在|中的|的|于)[^\n，。]{0,60}[:：{]\s*$"
    r"|(?:对于|为|而|如果|当)\s?[（(][^\n]{0,100}[;；=<>][^\n]{0,100}[)）]\s?\{?\s*$"
    r"|(?:别的|否则|其他|其它|除此以外|尝试|最后|埃利夫|} ?(?:别的|否则|其他))\s?[^\n，。]{0,40}[:：{]\s*$"
    r"|(?:返回|退货|回报|产量|打印|输出|导入|进口|从)\s?(?:真|假|无|空|[-\w\[\]().（）“”\"'，,+*/ ]{1,60})[;；]?\s*$"
    r"|(?:定义|函数|自定义|类|班级|公共|公开|私人|私有|静态|空白|无效|结构|整数|整型|字符串|主函数|让|变量"
    r"|常量)\s?[\w ]{0,40}\s?[（(][^\n]{0,80}[)）]\s?[:：{]?\s*$"
    r"|(?:类|班级|公共类|公开课|公共静态无效|使用命名空间)\s?\w{1,40}\s?[:：{;；]?\s*$"
    r"|[\w.]{1,40}\s?（[^\n（）]{0,80}）[;；:：]?\s*$"
    r"|(?:选择|更新|插入|删除|创建表)\s[^\n]{1,120}$"
    r")"
)
_PROGRAM = re.compile(
    r"[;{}]\s*$|^\s*(?:def|class|for|while|if|elif|else|import|from|return|print|function|var|let|const|public"
    r"|SELECT|FROM|WHERE|#include)\b"
    r"|\w\s?=\s?[\w\[\"'{(]|==|!=|<=|\+=|\.\w+\(|^\s*(?:#|//)\s?\S",
    re.MULTILINE,
)
_WIDE_CODE = Gated(
    r"\b(?:def|print|input|len|range|function|int|str|float|printf|println|append|System\.out\.\w+"
    r"|console\.log|return|if|for|while|echo|include|require|self\.\w+|\w+_\w+)\s?（[^\n（）]{0,120}）"
    r"|\b(?:print|printf|console\.log|echo|return|=)\s?\(?“[^”\n]{0,80}”|#include\s?[《〈]|(?:https?"
    r"|ftp)\s?：\s?//|(?m:^\s*(?:SELECT|FROM|WHERE|INSERT)\b[^\n]{1,200}；\s*$)"
)
_NAMES = Gated(
    r"(?:蟒蛇|巨蟒)(?:代码|程序|语言|编程|脚本|函数|中的|库|开发)|(?:使用|用|编写|在)(?:蟒蛇|巨蟒)(?:编写|实现|中|语言|来|创建|写)|爪哇(?:代码|程序|语言|脚本|编程"
    r"|类)|(?:使用|用)爪哇(?:编写|实现|脚本)"
    r"|(?:木星|朱庇特)笔记本|熊猫(?:数据框|库中|DataFrame)|海伯恩库|角度(?:框架|JS|js)|节点\.?(?:js|JS)|反应(?:组件|钩子|本机|js|JS)|弹簧(?:框架|引导"
    r"|靴)|瓶子框架|烧瓶(?:框架|应用|路由)|姜戈(?:框架|应用|模型)?项目"
    r"|(?:吉特|饭桶)(?:仓库|存储库|命令|集线器)|吉特哈布|码头工人(?:容器|镜像|文件)|库伯内特斯|张量流|火炬张量|你管(?:频道|视频)|油管频道|脸书页面[^，。]{0,4}API"
    r"|推特API|苹果脚本|鲁比语言|锈语言|斯威夫特语言|去语言|堆栈溢出网站"
    r"|聊天\s?GPT|开放人工智能(?:公司|的)|英伟达公司的?库达"
)
_LEFT = Gated(
    r"(?:【|\[|（)(?:译文|机翻|机器翻译|未翻译|译者注)(?:】|\]|）)|(?m:^\s*(?:译文|翻译结果|翻译如下|中文翻译|英文原文)\s?[:：])|\b(?:Translation"
    r"|Translated text)\s?[:：]\s*[\u3400-\u9fff]"
)
_ASKS_TRANSLATION = re.compile(r"(?i)translat|翻译|翻譯|译成|英文|中文|伪代码|pseudo")


def _translated(part: Part) -> Iterator[Found]:
    if part.ascii:
        return
    text = part.text
    if _ASKS_TRANSLATION.search(part.view.said[:3000]):
        return
    wide = _WIDE_CODE.search(text)
    statements = _STATEMENT.all_in(text) if "\n" in text or wide else []
    if statements:
        lines = [line for line in text.splitlines() if line.strip()]
        program = sum(_PROGRAM.search(line) is not None for line in lines)
        # Two translated statements in what is else a program, or many of them.
        if (
            (len(statements) >= 2 and program >= 1)
            or (wide and program >= 1)
            or (len(statements) >= 3 and len(statements) * 3 >= len(lines))
        ):
            yield Found(*statements[0].span(), f"a translated statement: {statements[0][0].strip()[:40]}")
            return
    if wide and (part.view.about_code or part.is_code or wide[0].startswith(("http", "ftp", "#"))):
        yield Found(*wide.span(), f"full-width signs in code: {wide[0].strip()[:40]}")
        return
    if (name := _NAMES.search(text)) is not None:
        yield Found(*name.span(), f"a translated name: {name[0]}")
        return
    if (left := _LEFT.search(text)) is not None:
        yield Found(*left.span(), f"left of a translation: {left[0].strip()[:20]}")


_COMMON: dict[str, str] = {
    "en": "the of and to in is that it for was on are as with be this have from or by not but you your can will"
    " they which how what why who when where do does i a an me my we he she his her if",
    "fr": "le la les des et est une dans pour que qui sur pas vous nous avec sont ce cette aux du au plus être "
    "il elle ne",
    "es": "el los las una que es por con para del se como más pero sus su al son está muy lo también fue ser "
    "este esta y",
    "de": "der die das und ist nicht ein eine mit für auf den dem von zu sie ich auch sich werden als bei wird "
    "sind es",
    "it": "il gli una che è per con del della sono non come più anche alla nel questo questa di delle dei si ed"
    " essere",
    "pt": "os uma que é por com para não do da em como mais mas ao são também você seu sua foi ser este isso dos das",
    "nl": "het een van en is dat niet voor met zijn op te die ook worden aan wordt deze als maar naar bij door",
    "id": "yang dan di untuk dengan dari ini adalah tidak dalam itu pada juga atau akan dapat oleh karena "
    "mereka saya",
    "vi": "là của và có không một cho được trong các những với người này để khi đã từ cũng như",
    "pl": "nie jest się na że do to jak co ale przez dla od są być oraz może tym jego które",
    "tr": "bir ve bu için ile da de olarak daha çok gibi olan ne en kadar sonra değil olduğu",
    "sv": "och det att är en som på för med inte av till har den jag om ett vi kan från",
}
"""Words that no text of some length in a language goes without."""
_COMMON_SETS = {code: frozenset(words.split()) for code, words in _COMMON.items()}
_ALL_COMMON = (
    frozenset().union(*(words for code, words in _COMMON_SETS.items() if code != "en")) - _COMMON_SETS["en"]
)
FEWEST = 15
"""Words in Latin letters that are enough to tell two of their languages apart."""
LEAST_SHARE = 0.12
"""Of the words of a text in a language so many are its common ones; of names and titles fewer."""
_LATIN = re.compile(r"[a-z\u00df-\u024f\u1e00-\u1eff]+")
_OTHER_LANGUAGE_TOPIC = re.compile(
    r"\b(?:french|spanish|german|italian|portuguese|latin|dutch|polish|swedish|danish|turkish|vietnamese"
    r"|indonesian|romanian"
    r"|language|languages|accent|pronounc\w+|phrase|lyrics|anthem|prayer|names?|recipe|lorem)\b"
    r"|法语|西班牙语|德语|意大利语|葡萄牙语|拉丁语|语言|外语",
    re.IGNORECASE,
)
_ONE_HAN = re.compile(f"[{_HAN}]")
_ADDRESS = re.compile(r"(?:https?://|www\.)\S+")
_ENGLISH_WORD = re.compile(r"[a-z]+(?:['’][a-z]+)?")


def _wrong(part: Part) -> Iterator[Found]:
    messages = part.view.record.messages
    if part.turn == 0 or messages[part.turn - 1].role != "user":
        return
    asked, text = messages[part.turn - 1].content, part.prose
    if part.ascii and asked.isascii():
        found = _latin_language(part, text, asked)
    else:
        found = _by_script(part, text, asked) or (
            _latin_language(part, text, asked) if part.language == "en" else ""
        )
    if found and not (
        part.is_code or may_change_language(part.asked) or _OTHER_LANGUAGE_TOPIC.search(part.asked)
    ):
        yield Found(0, min(len(part.text), 80), found)


def _several_letters(word: str) -> bool:
    return len(word) > 1


def _by_script(part: Part, text: str, asked: str) -> str:
    """What is told of an answer in Chinese to English or the other way round, or of another script; or ""."""
    of_text, of_asked = part.language, detect_language(asked[:SAMPLE])
    flaw = language_flaw(text, asked, "it") if of_text != of_asked else None
    if flaw is None:
        return ""
    told = flaw.reason.removeprefix("it is ")
    if of_text == "en":
        # Names, codes and formulas are in Latin letters in any language.
        words = _ENGLISH_WORD.findall(_ADDRESS.sub(" ", text[:2000]).lower())
        common = sum(map(_COMMON_SETS["en"].__contains__, filter(_several_letters, words)))
        chinese = len(_ONE_HAN.findall(text[:2000])) >= 3 or any(mark in text for mark in "、“《，。")
        return told if len(words) >= 5 and common >= max(2, LEAST_SHARE * len(words)) and not chinese else ""
    if of_asked == "en":
        words = _ENGLISH_WORD.findall(asked[:2000].lower())
        common = sum(map(_COMMON_SETS["en"].__contains__, words))
        return told if common >= 1 and len(words) >= 3 and not _ONE_HAN.search(asked) else ""
    return told if word_count(text) >= 5 else ""


def _latin_language(part: Part, text: str, asked: str) -> str:
    """What is told of an answer in another language of Latin letters than that of the prompt; or ""."""
    head = text[:1500].lower()
    if any(len(_COMMON_SETS["en"].intersection(head[:size].split())) >= 6 for size in (400, 1500)):
        return ""  # as most are
    words = _LATIN.findall(head)
    if len(words) < FEWEST or sum(map(_ALL_COMMON.__contains__, words)) < LEAST_SHARE * len(words):
        return ""
    if sum(map(_COMMON_SETS["en"].__contains__, words)) >= LEAST_SHARE * len(words):
        return ""
    found = language_of(text)
    common = _COMMON_SETS.get(found)
    if common is None or found == "en" or sum(map(common.__contains__, words)) < LEAST_SHARE * len(words):
        return ""
    wanted = language_of(asked)
    several = len(_LATIN.findall(asked.lower())) >= 3
    told = (several or wanted == "zh") and wanted not in (found, "")
    return f"in {found}, and asked in {wanted}" if told else ""


_PARAGRAPH = re.compile(r"\n\s*\n|\n")
_SHORT_HAN, _SHORT_LATIN = 10, 8


def _mixed(part: Part) -> Iterator[Found]:
    text = part.prose
    if part.ascii or len(text) < 60 or part.view.about_code or part.is_code:
        return
    asked = part.asked if part.role == "assistant" else ""
    found = next(_paragraphs(part, text, asked), None)
    # Asked last, since it takes longest.
    if found is not None and not (
        may_change_language(asked) or _OTHER_LANGUAGE_TOPIC.search(asked) or may_change_language(text[:400])
    ):
        yield found


def _paragraphs(part: Part, text: str, asked: str) -> Iterator[Found]:
    whole = part.language
    if not whole or (part.role == "user" and part.view.record.input_chars):
        return
    at = 0
    for line in text.split("\n"):
        start, at = at, at + len(line) + 1
        if (line.isascii() and whole == "en") or len(line) < 12:
            continue
        if whole == "zh" and 2 * len(line.encode("ascii", "ignore")) < len(line):
            continue  # more than half of it is in no Latin letters
        line = _ADDRESS.sub(" ", line)
        found = detect_language(line)
        if found == "en" and len(_FUNCTION.findall(line)) < 2:
            continue  # names, titles, a statement
        if not found or found == whole or {found, whole} == {"zh", "ja"}:
            continue
        enough = (
            len(re.findall(f"[{_HAN}\u3041-\u30ff\uac00-\ud7af]", line)) >= _SHORT_HAN
            if found in ("zh", "ja", "ko")
            else len(re.findall(r"[^\W\d_]{2,}", line)) >= _SHORT_LATIN
        )
        if enough and not _QUOTED.match(line.strip()) and line.strip()[:30] not in asked:
            yield Found(start, start + len(line), f"a paragraph in {found}, the others in {whole}")
            return
    yield from _switched(part, text, whole)


_QUOTED = re.compile(r"[\"“「『《>（(\[【*_]|.{0,40}[:：]\s?[\"“「『]|https?:|\d{1,2}[.)、]\s?[\"“《A-Z]")
# A clause of the other language in the midst of a sentence: not a name, a term or a quotation.
_ENGLISH_IN_CHINESE = re.compile(
    rf"(?<=[{_HAN}，。、])\s?(?:[A-Za-z][a-z']{{0,15}}[ ,]){{9,40}}[A-Za-z][a-z']{{0,15}}\s?(?=[{_HAN}，。、.])"
)
_SHORTEST_CLAUSE = 19
"""Characters of nine letters and blanks, and one more letter."""
_CHINESE_IN_ENGLISH = re.compile(rf"(?<=[a-z] )[{_HAN}]{{2,40}}(?:[，、。]?[{_HAN}]{{1,40}})?(?= ?[a-z,.])")
_FUNCTION = re.compile(r"\b(?:the|is|are|was|to|of|and|that|it|you|can|will|with|for|this|have)\b")
_HAN_FUNCTION = re.compile("的|了|是|在|和|我|你|不|这|有|也|把|被|与|但|会|能|将|可以|因为|所以")
_FOREIGN = re.compile("[\u3041-\u30ff\uac00-\ud7af\u0400-\u04ff\u0600-\u06ff\u0e00-\u0e7f]{2,}")


def _switched(part: Part, text: str, whole: str) -> Iterator[Found]:
    if part.role != "assistant":
        return
    if whole == "zh" and len(text.encode("ascii", "ignore")) >= _SHORTEST_CLAUSE:
        for match in _ENGLISH_IN_CHINESE.finditer(text):
            if len(_FUNCTION.findall(match[0])) >= 3:
                yield Found(*match.span(), "a clause in English in the midst of Chinese")
                return
    elif whole == "en" and not part.ascii:
        for match in _CHINESE_IN_ENGLISH.finditer(text):
            if _HAN_FUNCTION.search(match[0]) or len(match[0]) > 12:
                yield Found(*match.span(), "Chinese in the midst of an English sentence")
                return


RULES = (
    Rule(
        "machine_translation",
        "text",
        "Traces of machine translation: translated statements of programs, full-width signs in code, translated"
        " names.",
        _translated,
        languages=("zh",),
        examples=(
            Example("def f(n):\n    如果 n == 0：\n        返回 1\n    返回 n * f(n - 1)", True),
            Example("用 Python 打印：print（“你好”）", True, asked="写一段代码。"),
            Example("如果明天下雨，我们就不去了。\n否则我们去公园。", False),
            Example("def f(n):\n    # 返回阶乘\n    return n", False),
        ),
    ),
    Rule(
        "wrong_language",
        "text",
        "An answer in another language than its prompt, where none was asked for.",
        _wrong,
        roles=("assistant",),
        examples=(
            Example("Because rivers carry salt into the sea all the time.", True, asked="海水为什么是咸的？"),
            Example("因为河流一直把盐带进大海。", True, asked="Why is the sea so salty?"),
            Example("因为河流带来盐。", False, asked="海水为什么是咸的？"),
            Example("Bonjour.", False, asked="How do you say hello in French?"),
        ),
    ),
    Rule(
        "mixed_language",
        "text",
        "A paragraph, or a clause in a sentence, in another language than the rest; code and formulas apart.",
        _mixed,
        roles=("user", "assistant"),
        examples=(
            Example(
                "海水是咸的，因为河流把盐分带进了大海。\n"
                "The water then leaves the sea again, and the salt will stay there for a long time.\n这就是原因。",
                True,
            ),
            Example(
                "The sea is salty since rivers bring salt.\n河流把岩石里的盐分带进了大海，盐就留在海里。\n"
                "That is the reason why it is so, and it will stay so.",
                True,
            ),
            Example(
                "海水是咸的，因为河流把盐分（mineral salts）带进了大海，年复一年都是如此，没有停过。", False
            ),
            Example(
                "Salt is called 盐 in China, and is as old as the sea that it comes from, or so they say.",
                False,
            ),
        ),
    ),
)
