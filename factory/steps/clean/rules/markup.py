"""Rules about markup that was left behind: HTML entities and tags, escapes written out."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator

from factory.steps.clean.rules.gates import Topic
from factory.steps.clean.rules.rule import Example, Found, Rule
from factory.steps.clean.rules.view import Part

# "&quot;", and as translators break it: "& quot;", "＆＃39；".
_ENTITY = re.compile(
    r"[&＆]\s?(?:amp[;；]\s?)?(?:(?P<name>amp|lt|gt|quot|apos|nbsp|ldquo|rdquo|lsquo|rsquo|mdash|ndash|hellip"
    r"|copy|reg|trade|deg"
    r"|times|divide|bull|middot|laquo|raquo|euro|pound|cent|eacute|egrave|agrave|ccedil|uuml|ouml|auml|szlig|ntilde)"
    r"|[#＃](?:(?P<number>\d{1,7})|[xX](?P<hex>[0-9a-fA-F]{1,6})))\s?[;；]",
    re.IGNORECASE,
)
_RAW_TAG = re.compile(r"</?[a-zA-Z][\w-]{0,20}(?:\s[^<>\n]{0,200})?/?>")
_ESCAPED_TAG = re.compile(r"&lt;/?[\w\u4e00-\u9fff]")
_SPEAKS = Topic(
    r"\b(?:entit(?:y|ies)|escap(?:e|ed|es|ing)|unescap\w*|encod(?:e|ed|es|ing)|decod\w*|sanitiz\w*"
    r"|character references?|xss)\b"
    r"|转义|轉義|实体|實體|字符引用|编码|解码",
)
_QUERY = re.compile(r"[?&][\w%-]{1,40}=[^\s]{0,200}$")
_FENCED_MARKUP = re.compile(r"(?i)html|xml|jsx|tsx|vue|php|svg|svelte|erb|jinja|htm")


def _entities(part: Part) -> Iterator[Found]:
    text = part.text
    if not _ENTITY.search(text):
        return
    speaks = _SPEAKS.found(part.view.said[:20_000]) or _SPEAKS.found(part.prose[:20_000])
    if speaks:
        return
    # Of a page that was escaped whole no tag is left; where signs are spoken of, one or two are.
    escaped = _ESCAPED_TAG.search(text) is not None or "quot;" in text or "#39;" in text
    raw = part.view.about_markup and (_RAW_TAG.search(text) is not None or not escaped)
    for match in _ENTITY.finditer(text):
        if raw or _in_markup(part, match.start()):
            continue
        # "?a=1&copy;" is an address that names a parameter, "A & lt;" with a blank no entity of a word.
        if match["name"] and _QUERY.search(text[max(0, match.start() - 240) : match.start()]):
            continue
        yield Found(*match.span(), match[0], _unescaped(match))


def _in_markup(part: Part, at: int) -> bool:
    """Whether this place is in code that is markup: there an entity is how a sign is written."""
    for start, end, info, _ in part.fences:
        if start <= at < end:
            return bool(_FENCED_MARKUP.match(info)) or _RAW_TAG.search(part.text[start:end]) is not None
    return any(start <= at < end for start, end in part.code_spans)


def _unescaped(match: re.Match[str]) -> str | None:
    if match["name"]:
        found = html.unescape(f"&{match['name'].lower()};")
    else:
        number = int(match["number"]) if match["number"] else int(match["hex"], 16)
        found = html.unescape(f"&#{number};")
    if found == "\xa0":
        return " "
    return found if len(found) == 1 and (found.isprintable() or found in "\t\n") else None


_TAG = re.compile(
    r"</?(?:p|br|div|span|font|b|i|em|strong|center|h[1-6]|ul|ol|li|table|tbody|thead|tr|td|th|a|img|script"
    r"|style|iframe|blockquote"
    r"|hr|big|small|section|article|header|footer|nav|input|button|form|label|body|head|html|meta|link"
    r"|noscript|figure"
    r"|figcaption|o:p|tt)(?:\s[^<>\n]{0,200}=[^<>\n]{0,200})?\s?/?>",
    re.IGNORECASE,
)
_LAYOUT = Topic(
    r"\b(?:fonts?|bold\w*|italic\w*|underlin\w*|highlight\w*|colou?rs?|formatt?\w*|embed\w*|styles?|web"
    r"|applications?|charts?)\b"
    r"|粗体|加粗|斜体|字体|颜色|格式|排版",
)
_TABLE_LINE = re.compile(r"^\s*\|.*\|\s*$")


def _tags(part: Part) -> Iterator[Found]:
    if part.view.about_markup or part.view.about_code or _LAYOUT.found(part.view.said[:20_000]):
        return
    text = part.prose
    if "<!doctype" in part.lower or "<html" in part.lower:
        return
    for match in _TAG.finditer(text):
        tag = match[0].lower()
        if tag.startswith(("<br", "</br")):
            # In a table of Markdown there is no other line break.
            start = text.rfind("\n", 0, match.start()) + 1
            end = text.find("\n", match.end())
            if _TABLE_LINE.match(text[start : end if end >= 0 else len(text)]):
                continue
        yield Found(*match.span(), match[0])


_ESCAPE = re.compile(
    r"(?<![\\\w:/.%])\\(?:n|r\\n|t|u[0-9a-fA-F]{4})|(?<=[\w.,!?:;)。，！？：；）])\\(?:n|r\\n|t|u[0-9a-fA-F]{4})"
)
_PATH = re.compile(r"(?i)\b[a-z]:\\|\\\\\w+\\|\\(?:users|windows|program|system32|temp|new|nginx)\b")
_COMMAND = re.compile(
    r"\\(?:nabla|neq?|nu|not|notin|tau|theta|times|text\w*|tan|to|top|triangle|tilde|nonumber|newline"
    r"|newcommand|ni|natural|unit\w*|uparrow)\b"
)
_UNESCAPE = {"\\n": "\n", "\\r\\n": "\n", "\\t": "\t"}


def _escapes(part: Part) -> Iterator[Found]:
    if (
        part.view.about_code
        or part.view.about_markup
        or part.is_code
        or _SPEAKS.found(part.view.said[:20_000])
    ):
        return
    text = part.prose
    found = [match for match in _ESCAPE.finditer(text) if not _COMMAND.match(text, match.start())]
    if not found or _PATH.search(text):
        return
    # One may be spoken of; several, or one between two sentences, is a line break that was written out.
    sure = len(found) > 1
    if not sure and not re.match(r"\\n(?:\\n|\s?[A-Z\d\u4e00-\u9fff-])", text[found[0].start() :]):
        return
    for match in found:
        if match[0].startswith("\\u"):
            code = int(match[0][2:], 16)
            whole = chr(code) if not 0xD800 <= code <= 0xDFFF and chr(code).isprintable() else None
        else:
            whole = _UNESCAPE[match[0]]
        yield Found(*match.span(), match[0], whole if sure else None)


RULES = (
    Rule(
        "html_entities",
        "text",
        "Signs written as HTML entities (&quot;, &#39;) where no markup is the matter.",
        _entities,
        where=("content", "reasoning"),
        triggers=("&", "＆"),
        mends=True,
        examples=(
            Example("It&#39;s &quot;free&quot;.", True),
            Example("&lt;html&gt;你好&lt;/html&gt;", True),
            Example("AT&T and R&D; 5 & 6.", False),
            Example("In HTML you write &lt; to escape <.", False),
        ),
    ),
    Rule(
        "html_tags",
        "text",
        "HTML tags in prose, where no page and no code is the matter.",
        _tags,
        triggers=("<",),
        examples=(
            Example("<p>Bees make honey.</p>", True),
            Example("第一行<br>第二行", True),
            Example("If a<b and b>c, then a<c.", False),
            Example("The tag <p> opens a paragraph.", False, asked="What does an HTML tag do?"),
        ),
    ),
    Rule(
        "literal_escapes",
        "text",
        "Line breaks, tabs and characters written out as \\n, \\t, \\u4f60, where no code is the matter.",
        _escapes,
        triggers=("\\n", "\\t", "\\u", "\\r"),
        mends=True,
        examples=(
            Example("Dear Ann,\\n\\nThank you.\\nTom", True),
            Example("第一点\\n第二点\\n第三点", True),
            Example("Open C:\\new\\notes.txt.", False),
            Example("The gradient is \\nabla f and \\theta is small.", False),
        ),
    ),
)
