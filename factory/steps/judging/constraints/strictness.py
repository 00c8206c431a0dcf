"""IFEval's two ways to read an answer: strictly as it stands, and loosely, without what models put around one.

Source: IFEval (arXiv 2311.07911), section 2.2: strict, and loose over eight transformations.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from factory.data.text import is_blank
from factory.steps.judging.constraints.constraint import AnswerText, Checked


def loose_variants(text: str) -> Iterator[str]:
    """The eight variants of an answer, itself first: without asterisks, without its first line, its last, or both."""
    lines = text.split("\n")
    whole = (
        text,
        "\n".join(lines[1:]).strip(),
        "\n".join(lines[:-1]).strip(),
        "\n".join(lines[1:-1]).strip(),
    )
    for variant in whole:
        yield variant
        yield variant.replace("*", "")


@dataclass(slots=True)
class Variants:
    """An answer and, once they are asked for, its seven loose variants that say something and differ from it."""

    text: str
    strict: AnswerText = field(init=False)
    blank: bool = field(init=False)
    _loose: list[AnswerText] | None = field(init=False, default=None)

    def __post_init__(self) -> None:
        self.strict = AnswerText(self.text)
        self.blank = is_blank(self.text)

    def loose(self) -> list[AnswerText]:
        """Those other than the answer itself."""
        if self._loose is None:
            others = dict.fromkeys(loose_variants(self.text))
            others.pop(self.text)
            self._loose = [AnswerText(text) for text in others if not is_blank(text)]
        return self._loose


def follows(constraint: Checked, answer: Variants, *, loose: bool = False) -> bool:
    """Whether the answer meets the constraint; with `loose`, whether one of its variants does. An empty answer never.

    Raises:
        CannotCheck: that cannot be decided.
    """
    if answer.blank:
        return False
    if constraint.check(answer.strict):
        return True
    return loose and any(constraint.check(variant) for variant in answer.loose())
