"""Rules about single characters: broken encodings, controls and invisible ones, white space, widths."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator

from factory.steps.clean.rules.gates import Gated
from factory.steps.clean.rules.rule import Example, Found, Rule
from factory.steps.clean.rules.view import Part

# UTF-8 read as Windows-1252 or Latin-1 begins with one of these; read as GBK with one of the second line.
_LATIN_BROKEN = re.compile(
    r"[ÂÃâåæçèéêïðÐÑØÙ][\u0080-\u00bf\u0152\u0153\u0160\u0161\u0178\u017d\u017e\u0192\u02c6\u02dc\u2013-\u203a"
    r"\u20ac\u2122]"
)
_GBK_BROKEN = re.compile(
    "锟斤拷|烫烫烫|屯屯屯|锘縗?|鈥[橀檚檛滄渙濇湞欐槸\ue000-\uf8ff]|銆[佸倐]|锛[屽岀屸]|浣犲ソ|涓€|鐨勪|锟\\?|鏄[竴剧]|鎴戜|杩欎?|\ufffd"
)
_ABOUT_CODES = re.compile(
    r"\b(?:mojibake|utf-?8|gbk|gb18030|latin-?1|windows-1252|unicode|encoding|replacement character)\b|乱码|亂碼|编码",
    re.IGNORECASE,
)


def _mojibake(part: Part) -> Iterator[Found]:
    text = part.text
    if part.ascii:
        return
    latin = any(mark in text for mark in _BROKEN_FIRST) and _LATIN_BROKEN.search(text) is not None
    broken = _GBK_BROKEN.search(text)
    if not latin and broken is None:
        return
    if _ABOUT_CODES.search(part.view.said[:20_000]) or _ABOUT_CODES.search(text[:20_000]):
        return
    if latin:
        yield from _mended_lines(text)
    for match in _GBK_BROKEN.finditer(text):
        yield Found(*match.span(), "U+FFFD" if match[0] == "\ufffd" else match[0])


_BROKEN_FIRST = "ÂÃâåæçèéêïðÐÑØÙ"


def _mended_lines(text: str) -> Iterator[Found]:
    """The lines that ftfy reads as text in a wrong encoding, each with what it was."""
    import ftfy

    at = 0
    for line in text.splitlines(keepends=True):
        if _LATIN_BROKEN.search(line):
            body = line.rstrip("\r\n\x85\u2028\u2029")
            fixed = ftfy.fix_encoding(body) if len(body) < _LONGEST_LINE else body
            if fixed != body and not _LATIN_BROKEN.search(fixed):
                start, end = _changed(body, fixed)
                yield Found(
                    at + start,
                    at + len(body) - end,
                    body[start : len(body) - end],
                    fixed[start : len(fixed) - end],
                )
        at += len(line)


_LONGEST_LINE = 20_000


def _changed(one: str, other: str) -> tuple[int, int]:
    """How many characters two texts share at their begin, and behind that at their end."""
    most = min(len(one), len(other))
    start = next((at for at in range(most) if one[at] != other[at]), most)
    end = next((at for at in range(most - start) if one[-1 - at] != other[-1 - at]), most - start)
    return start, end


_CONTROL = re.compile(
    "\x1b\\[[0-9;]{0,20}[A-Za-z]"
    "|[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\xad\u200b-\u200f\u202a-\u202e\u2028\u2029\u2060-\u2069\ufeff\ufff9-"
    "\ufffb"
    "\ue000-\uf8ff\ud800-\udfff\U000e0000-\U000e007f]"
)
_JOINERS = "\u200c\u200d"
_DIRECTION = frozenset("\u200e\u200f\u061c\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
# Scripts in which a joiner shapes letters, and emoji.
_JOINED = re.compile(
    "[\u0600-\u07ff\u08a0-\u08ff\u0900-\u0dff\u0e00-\u0eff\u0f00-\u109f\u1780-\u17ff\u1800-\u18af\ufb50-\ufdff"
    "\ufe70-\ufeff"
    "\u2190-\u2bff\ufe0f\U0001f000-\U0001faff\U0001f3fb-\U0001f3ff\u0590-\u05ff]"
)
_RIGHT_TO_LEFT = re.compile("[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufefc]")
_TAG_FLAG = "\U0001f3f4"


def _control(part: Part) -> Iterator[Found]:
    text = part.text
    if text.replace("\n", "").replace("\t", "").isprintable():  # as most texts are, and it is fast
        return
    for match in _CONTROL.finditer(text):
        mark = match[0]
        name = f"U+{ord(mark):04X}" if len(mark) == 1 else "an escape of a terminal"
        if mark in _JOINERS:
            beside = text[max(0, match.start() - 1) : match.start()] + text[match.end() : match.end() + 1]
            if _JOINED.search(beside):
                continue
        elif mark in _DIRECTION:
            if _RIGHT_TO_LEFT.search(text):
                continue
        elif "\U000e0000" <= mark <= "\U000e007f" and _TAG_FLAG in text:
            continue
        if "\ue000" <= mark <= "\uf8ff" or "\ud800" <= mark <= "\udfff":
            yield Found(*match.span(), name)  # what stood there cannot be told
        elif mark in "\u2028\u2029\x85\x0b\x0c":
            yield Found(*match.span(), name, "\n")
        elif mark == "\x00" or "\x80" <= mark <= "\x9f":
            yield Found(*match.span(), name, "" if mark == "\x00" else None)
        else:
            yield Found(*match.span(), name, "")


_ODD_BLANK = re.compile("[\xa0\u2000-\u200a\u202f\u205f]")
_INNER = re.compile(r"\r\n?|\n{4,}|(?<=\S)[ \t]{3,80}(?=\n)|[\xa0\u2000-\u200a\u202f\u205f]")


def _whitespace(part: Part) -> Iterator[Found]:
    text = part.text
    if not text or text.isspace() or not part.whole:
        return
    spans = part.code_spans
    bare = text.strip(" \t\r\n")
    head = len(text) - len(text.lstrip(" \t\r\n"))
    if head and (part.role == "assistant" or head > 1):
        # Of indented code the first line keeps its place.
        last = text.rfind("\n", 0, head) + 1
        kept = text[last:head] if last and "\n" in bare else ""
        if head > len(kept):
            yield Found(0, head, "around the text", kept)
    if head + len(bare) < len(text):
        yield Found(head + len(bare), len(text), "around the text", "")
    if (
        "  \n" not in text
        and "\t\n" not in text
        and "\r" not in text
        and "\n\n\n\n" not in text
        and (part.ascii or not _ODD_BLANK.search(text))
    ):
        return
    inner = head, head + len(bare)
    for match in _INNER.finditer(text, *inner):
        mark = match[0]
        if mark[0] in "\r\n":
            replacement, note = ("\n", "carriage return") if mark[0] == "\r" else ("\n\n\n", "empty lines")
        elif mark[0] in " \t":
            replacement, note = "", "at the end of a line"
        else:
            if part.view.record.lang == "fr" or text[match.end() : match.end() + 1] in "»:;!?%€":
                continue
            replacement, note = " ", f"U+{ord(mark[0]):04X}"
        if mark[0] != "\r" and any(start <= match.start() < end for start, end in spans):
            continue
        yield Found(*match.span(), note, replacement)


_HAN = "\u3400-\u4dbf\u4e00-\u9fff"
_WIDE = Gated("[\uff10-\uff19\uff21-\uff3a\uff41-\uff5a]+")
_HALF_KANA = Gated("[\uff66-\uff9d]+")
_NARROW_MARK = Gated(
    rf"(?<=[{_HAN}])[,;!?](?=\s?[{_HAN}])|(?<=[{_HAN}]):(?=[{_HAN}])|(?<=[{_HAN}])\.(?=[{_HAN}])",
    gate=rf"[{_HAN}][,;!?:.]\s?[{_HAN}]",
)
_WIDE_MARK = re.compile(rf"(?<=[{_HAN}])[，；！？：。]")
_ANY_HAN = re.compile(f"[{_HAN}]")
_WIDE_IN_LATIN = re.compile(r"(?<=[A-Za-z]{2})[，。；！？：](?=\s?[A-Za-z]{2})")
_ANY_WIDTH = Gated(
    rf"[\uff10-\uff19\uff21-\uff3a\uff41-\uff5a\uff66-\uff9d]|[A-Za-z][，。；！？：]\s?[A-Za-z]|[{_HAN}][,;!?:.]\s?[{_HAN}]"
)


def _widths(part: Part) -> Iterator[Found]:
    if part.ascii:
        return
    text = part.prose
    if not _ANY_WIDTH.may_hold(part.prose_bytes):
        return  # as most do
    for match in _WIDE.find_all(part):
        yield Found(*match.span(), f"wide {match[0][:20]}", unicodedata.normalize("NFKC", match[0]))
    for match in _HALF_KANA.find_all(part):
        yield Found(*match.span(), "half-width kana")
    if part.is_code:
        return
    if part.language == "en" and not _ANY_HAN.search(text):
        for match in _WIDE_IN_LATIN.finditer(text):
            yield Found(*match.span(), f"{match[0]} between English words")
    narrow = _NARROW_MARK.find_all(part)
    if narrow and _WIDE_MARK.search(text):
        for match in narrow:
            yield Found(*match.span(), f"{match[0]} among full-width marks")


RULES = (
    Rule(
        "mojibake",
        "text",
        "Text that was read in a wrong encoding (â€™, Ã©, 锟斤拷), and replacement characters.",
        _mojibake,
        where=("content", "reasoning"),
        mends=True,
        examples=(
            Example("Itâ€™s a cafÃ©.", True),
            Example("第一章 锟斤拷锟斤拷", True),
            Example("Âge, château, naïve: São Paulo.", False),
            Example("锟是一个汉字。", False),
        ),
    ),
    Rule(
        "control_characters",
        "text",
        "Control, zero-width, direction and private characters, where no script or emoji needs them.",
        _control,
        where=("content", "reasoning"),
        mends=True,
        examples=(
            Example("Hello\u200b wor\x08ld", True),
            Example("\ufeff你好\u200b世界", True),
            Example("Family: 👨\u200d👩\u200d👧.", False),
            Example("می\u200cخواهم", False),
        ),
    ),
    Rule(
        "whitespace",
        "text",
        "White space around a text, in runs at the ends of lines and of empty lines, and of odd kinds.",
        _whitespace,
        mends=True,
        examples=(
            Example("An answer. \n\n", True),
            Example("一\n\n\n\n\n二", True),
            Example("A line.  \nA Markdown break.", False),
            Example("一\n\n二", False),
        ),
    ),
    Rule(
        "width_mix",
        "text",
        "Full- and half-width forms mixed: wide letters and digits, half-width marks among full-width ones.",
        _widths,
        mends=True,
        examples=(
            Example("共有１２３个ＡＢＣ。", True),
            Example("你好,世界。今天很好，对吧？", True),
            Example("版本是3.5，用 Python 写成。", False),
            Example("Hello, world: 你好，世界。", False),
        ),
    ),
)
