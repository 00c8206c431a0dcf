"""Secrets as they may be shown: their shape, or the kind that they are."""

from __future__ import annotations

import re

from factory.steps.clean.rules.secrets.rules import FINDS

_SIGNS = ((re.compile(r"[a-z]"), "x"), (re.compile(r"[A-Z]"), "X"), (re.compile(r"\d"), "0"))
_OTHER_LETTER = re.compile(r"[^\W\d_a-zA-Z]")


def shape(text: str) -> str:
    """What a secret looks like and nothing of what it is: letters as x and X, digits as 0, other letters as 某."""
    for pattern, sign in _SIGNS:
        text = pattern.sub(sign, text)
    return _OTHER_LETTER.sub("某", text)


def covered(text: str) -> str:
    """A text with the shape of each secret in it; names of people stay, since finding them takes a model."""
    for find in FINDS.values():
        pieces, at = [], 0
        for start, end, _ in find(text):
            pieces += [text[at:start], shape(text[start:end])]
            at = end
        text = "".join([*pieces, text[at:]])
    return text
