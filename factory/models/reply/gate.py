"""Whether a text may hold a mark, a label or a form that is none of its answer: most do not, and cost no more."""

from __future__ import annotations

import re

# How every mark begins, in lower case: few alternatives, told apart by their first character.
_GATE = re.compile(
    r"[<\[\]◁【][/ ]{0,2}(?:[|｜]|(?:[a-z]{2,12}[:_])?think|thought|tool_calls?[>\]]|turn\||s>|seed:|start_(?:of|fu)"
    r"|scratchpad|analysis>|solution|details|begin final|chain_of|cot>|reserved_|unused_token|0x"
    r"|reasoning|reflection|response|antthink|answer|inner_|invoke|inst\]|unused9|channel\||end_of_|eos[>\]]|eo[amht]>"
    r"|e~|~b|pad[>\]]|bos>|func|final|output|longcat_|minimax:|思|推|回|答|\[end)"
)
_WORDS = ("Here", "analysis", "Thinking...")


def may_hold_mark(text: str) -> bool:
    """Whether a text is worth a closer look: a fast test that every text with a mark passes."""
    if ("<" in text or "[" in text or "]~" in text or "◁" in text or "【" in text) and _GATE.search(
        text.lower()
    ) is not None:
        return True
    if "Ġ" in text or "▁" in text or "&lt;/think" in text or "\\u003c/think" in text:
        return True
    return text[:1] in "HTa \n" and text.lstrip().startswith(_WORDS)


def may_hold_label(text: str) -> bool:
    """Whether a text is worth a closer look: a fast test that every text with a label passes."""
    if "##" in text or text.lstrip()[:9] == "assistant":
        return True
    return (":" in text or "：" in text) and (
        "ssistant" in text
        or "ASSISTANT" in text
        or "User" in text
        or "USER" in text
        or "uman" in text
        or "HUMAN" in text
        or "助" in text
        or "用户" in text
        or "人类" in text
    )


_HEADS = ("AI", "Bot", "Chatbot", "```json", "```\n{")
_TAILS = ("user", "human", "用户", "用戶", "think")
_TURN = re.compile(r"\n[ \t]*(?:[Uu]ser|USER|[Hh]uman|用户|用戶)[ \t]*\n")


def may_hold_form(text: str) -> bool:
    """Whether a text is worth a closer look for what `forms` tells: a fast test that every such text passes."""
    # A single character is found many times faster than a word.
    head = text[:200]
    if head[:1] in ("{", "[", "【") or head.startswith(_HEADS) or "Thought" in head or "Thinking" in head:
        return True
    if "思考" in head or "\ufffd" in text or ("<" in text and "<unk>" in text.lower()):
        return True
    return text[-16:].rstrip().lower().endswith(_TAILS) or ("\n" in text and _TURN.search(text) is not None)


def may_hold_any(text: str) -> bool:
    """Whether a text is worth any closer look."""
    return may_hold_mark(text) or may_hold_label(text) or may_hold_form(text)
