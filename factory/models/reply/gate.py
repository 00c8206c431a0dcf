"""Whether a text may hold a mark of a model or of a chat template at all: most do not, and cost no more than this."""

from __future__ import annotations

import re

# How every mark begins, in lower case: few alternatives, told apart by their first character.
_GATE = re.compile(
    r"[<\[\]◁【][/ ]{0,2}(?:[|｜]|(?:[a-z]{2,12}[:_])?think|thought|tool_calls?[>\]]|turn\||s>|seed:|start_(?:of|fu)"
    r"|scratchpad|solution|details|begin final|chain_of|cot>|reserved_|unused_token|0x"
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
