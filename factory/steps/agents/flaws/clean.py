"""An instruction without what models put around one."""

from __future__ import annotations

import re

import orjson

_WHOLE_FENCE = re.compile(
    r"(`{3,}|~{3,})[ \t]*(?:text|txt|plaintext|plain|markdown|md|prompt)?[ \t]*\n(.*)\n[ \t]*\1",
    re.DOTALL,
)
_JSON_FENCE = re.compile(r"```json[ \t]*\n(\{.*\})\s*```", re.DOTALL)
_TAG = r"(?:instruction(?:-[0-9a-f]+)?|(?:(?:rewritten|new|revised|evolved)[ _-]?)?(?:prompt|instruction))"
_TAGS = re.compile(rf"\A<{_TAG}>|</{_TAG}>\Z", re.IGNORECASE)
_RULES = re.compile(r"\A(?:-{3,}|\*{3,}|_{3,})[ \t]*\n|\n[ \t]*(?:-{3,}|\*{3,}|_{3,})\Z")
_BULLET = re.compile(r"\A(?:[*•-]|1[.)])[ \t]+(?=[^\n]*\Z)")
_KEYS = re.compile(rf"(?:{_TAG}|指令|(?:改写|重写)后的指令)", re.IGNORECASE)
_QUOTES = {'"': '"', "“": "”", "「": "」", "『": "』", "«": "»"}
_KIND = r"(?:new|rewritten|revised|evolved|created|modified|updated|improved|more\ complex)"
_LABEL = re.compile(
    rf"""
    \A[\s#*_>]*                                      # what makes a label a heading or bold
    (?:(?:sure|certainly|of\ course)[!,.:]?\s+)?
    (?:here(?:'s|’s|\ is)\s+)?
    (?:(?:the|a|an|my|your)\s+)?
    (?:(?:{_KIND}\s+){{0,2}}(?:prompt|instruction)   # "New prompt:"
    |(?:好的[，,。！!]?\s*)?(?:以下是|这是|下面是)?
     (?:(?:改写|重写|修改|演化|进化|更新|创建|新建|新|全新)(?:后|过)?的?)*
     (?:提示词|提示|指令))                            # "改写后的指令："
    (?:[\s#*_]*[:：][*_]*|[ \t#*_]*(?=\n))          # a label ends in a colon, or is a line of its own
    \s*
    """,
    re.IGNORECASE | re.VERBOSE,
)


def clean_instruction(reply: str) -> str:
    """An instruction without what models put around one: a code fence, tags, quotes, a label ("New prompt:"), JSON.

    Each is taken away only where it is about the whole reply; cleaning again changes nothing.
    """
    text = reply.strip()
    while True:
        bare = _BULLET.sub("", _RULES.sub("", _TAGS.sub("", text)))
        cleaned = _unkey(_unquote(_unfence(_LABEL.sub("", bare)))).strip()
        if cleaned == text:
            return text
        text = cleaned


def _unkey(text: str) -> str:
    """The value of {"prompt": ...}, where a model answers in JSON that nobody asked for."""
    inside = _JSON_FENCE.fullmatch(text)
    if inside is None and not text.startswith("{"):
        return text
    try:
        held = orjson.loads(text if inside is None else inside[1])
    except orjson.JSONDecodeError:
        return text
    (key, value), *others = held.items() if held else [("", "")]
    return value if not others and isinstance(value, str) and _KEYS.fullmatch(key) else text


def _unfence(text: str) -> str:
    match = _WHOLE_FENCE.fullmatch(text)
    return match[2] if match and match[1] not in match[2] else text


def _unquote(text: str) -> str:
    closing = _QUOTES.get(text[:1])
    inner = text[1:-1]
    if closing and len(text) > 1 and text.endswith(closing) and text[0] not in inner and closing not in inner:
        return inner
    return text
