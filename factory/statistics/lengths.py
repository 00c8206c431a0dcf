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
INTERVALS = "interval_of_spearman_with_answer_length"
"""The fact that holds its 95 % interval (Fisher's z), for each score whose correlation is defined."""


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
        """`FACT` and `INTERVALS` by score, and nothing where no score was given."""
        from factory.statistics.correlation import spearman
        from factory.statistics.interval import correlation_interval

        told: dict[str, float | None] = {}
        sure: dict[str, list[float]] = {}
        for name, columns in sorted(self._found.items()):
            rho = spearman(*columns)
            told[name] = None if rho is None else round(rho, 4)
            if rho is not None:
                edges = correlation_interval(rho, len(columns[0]))
                sure[name] = [round(edge, 4) for edge in edges]
        return {**({FACT: told} if told else {}), **({INTERVALS: sure} if sure else {})}
