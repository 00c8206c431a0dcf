"""Benchmark items as people leak them: planted in other rows, word for word or lightly edited, by a seed."""

from __future__ import annotations

import random
import re
from collections.abc import Container, Sequence

NAMES = ("Maria", "Tom", "Aisha", "Wei", "Olga", "Pedro", "Nina", "Kofi", "Yuki", "Lars")
WORDS = (
    "really",
    "quite",
    "also",
    "then",
    "often",
    "simple",
    "small",
    "other",
    "new",
    "large",
    "final",
    "several",
)
_NUMBER = re.compile(r"\d+")
_NAME = re.compile(r"(?<=[a-z,] )[A-Z][a-z]{2,}\b")
_FIRST = re.compile(r"^[A-Z][a-z]{2,}(?=['’]s | has | is | was | had )")
_WORD = re.compile(r"[^\W\d_]+")


def lightly_edited(text: str, chance: random.Random, words: Container[str], entry_point: str = "") -> str:
    """`text` with other numbers, other names, one or two words inserted or replaced, and other case or spacing.

    words: ordinary ones in lower case, which are nobody's name
    """
    text = _NUMBER.sub(lambda match: str(int(match[0][:6]) + chance.randint(1, 40)), text)
    names = sorted({match[0] for find in (_NAME, _FIRST) for match in find.finditer(text)})
    names = [name for name in names if name.lower() not in words]
    for name, other in zip(names, chance.sample(NAMES, len(NAMES)), strict=False):
        text = re.sub(rf"\b{name}\b", other, text)
    if entry_point and chance.random() < 0.5:
        text = text.replace(entry_point, chance.choice(("solve", "task", "my_function")))
    for _ in range(chance.randint(1, 2)):
        at = chance.choice(list(_WORD.finditer(text)))
        word = chance.choice(WORDS)
        replaced = chance.random() < 0.5
        text = (
            text[: at.start()]
            + word
            + ("" if replaced else " ")
            + text[at.end() if replaced else at.start() :]
        )
    match chance.randrange(4):
        case 0:
            text = text.lower()
        case 1:
            text = text.upper()
        case 2:
            text = re.sub(r"[,.!?;:'\"]", "", text)
        case _:
            text = re.sub(r"\s+", lambda match: chance.choice((" ", "  ", "\n", "\n\n")), text)
    return text


def planted(text: str, row: Sequence[str], chance: random.Random) -> list[str]:
    """A record (instruction, output) that holds `text`: as its instruction, within it, or in its output."""
    instruction, output = row
    match chance.randrange(4):
        case 0:
            return [text, output]
        case 1:
            return [f"Please help me with this task.\n\n{text}\n\nThink step by step.", output]
        case 2:
            return [f"{instruction}\n{text}", output]
        case _:
            return [instruction, f"{output}\n\nA similar problem: {text}"]
