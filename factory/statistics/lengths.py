"""How the scores that a step gives go with the length of the answers: the best-known fault of judges and of IFD."""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from factory.data.record import Record
from factory.data.text import word_count

FACT = "spearman_with_answer_length"
"""The fact of a step that tells it: for each score a rank correlation, None where it is not defined."""


@dataclass(slots=True)
class ScoreLengths:
    """Scores that a step gave, each with the words of the answer it was given for."""

    _found: dict[str, tuple[array[float], array[float]]] = field(default_factory=dict)

    def note(self, before: Record, after: Record) -> None:
        """Remember the scores that a step gave a record; without an answer there is no length."""
        # By identity: a score that was given again may be the same number.
        given = [name for name, value in after.scores.items() if value is not before.scores.get(name)]
        self.note_scores(after, given)

    def note_scores(self, record: Record, names: Sequence[str]) -> None:
        """Remember the scores of these names that a record has."""
        words = word_count(record.output) if names and record.output else 0
        for name in names if words else ():
            if name in record.scores:
                values, lengths = self._found.setdefault(name, (array("d"), array("d")))
                values.append(record.scores[name])
                lengths.append(words)

    def facts(self) -> dict[str, Any]:
        """`FACT` by score, and nothing where no score was given."""
        from factory.statistics.correlation import spearman

        told = {name: spearman(*columns) for name, columns in sorted(self._found.items())}
        rounded = {name: None if rho is None else round(rho, 4) for name, rho in told.items()}
        return {FACT: rounded} if rounded else {}
