"""The table beside a choice: several methods, random draws, and the longest, all of one size."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from factory.steps.assemble.select.beside import (
    MEASURES,
    Band,
    Measured,
    as_row,
    bands,
    beyond_chance,
    measure,
    rounded,
    sample_of,
    shares,
)
from factory.steps.assemble.select.plain import choose_longest, choose_random
from factory.steps.assemble.select.pool import Choice, Method, Pool

_RANDOM = Method(choose_random, "")
_LONGEST = Method(choose_longest, "", by=frozenset({"length"}))
_NEITHER = {name for name, wanted in MEASURES.items() if not wanted}
_NAMES = {
    "tags_each": "tags of a row",
    "nearest": "distance within",
    "reach": "distance to the pool",
    "novelsum": "NovelSum",
    "vendi": "Vendi score",
}


@dataclass(frozen=True, slots=True)
class Picked:
    """What a method chose, and the seconds that took."""

    name: str
    method: Method
    choice: Choice
    seconds: float


def timed(name: str, method: Method, choose: Callable[[Method, str], Choice]) -> Picked:
    """Choose, by the clock."""
    began = time.perf_counter()
    choice = choose(method, name)
    return Picked(name, method, choice, time.perf_counter() - began)


@dataclass(frozen=True, slots=True)
class Comparison:
    """Choices and their measures, with the bands of random draws.

    picked: by name, the longest among them
    draws: how many random draws the bands are of
    drawn_rows: rows of a draw, on average: with a budget of tokens not those of the choice
    """

    pool: Pool
    picked: Mapping[str, Picked]
    measured: Mapping[str, Measured]
    bands: Mapping[str, Band]
    draws: int
    drawn_rows: float

    def rows(self) -> list[dict[str, Any]]:
        """The table, one row for each choice, then the random ones: their mean, and where chance lies."""
        columns = [name for name in MEASURES if any(name in one.values for one in self.measured.values())]
        first = next(iter(self.picked))
        found = []
        for name, one in self.picked.items():
            row = {"rows": len(one.choice.rows), **as_row(name, self.measured[name].values, columns)}
            row = {"pick": name, **row, f"shared with {first}": rounded(self._shared(name, first))}
            row["shared with longest"] = rounded(self._shared(name, "longest"))
            row["languages"] = shares(self.pool.languages, one.choice.rows)
            row["most frequent tasks"] = shares(self.pool.tasks, one.choice.rows)
            row["seconds"] = rounded(one.seconds)
            found.append(row)
        for edge in ("mean", "low", "high"):
            label = f"random, {self.draws} draws" if edge == "mean" else f"random, {edge}"
            values = {name: float(getattr(band, edge)) for name, band in self.bands.items()}
            row = as_row(label, values, columns)
            if edge == "mean":
                row["rows"] = round(self.drawn_rows)
                # Of any rows, those of a choice are so many.
                for other in (first, "longest"):
                    row[f"shared with {other}"] = rounded(
                        len(self.picked[other].choice.rows) / len(self.pool)
                    )
            found.append(row)
        everyone = np.arange(len(self.pool))
        found.append(
            {
                "pick": "all",
                "rows": len(self.pool),
                **as_row("all", self.of_pool, columns),
                "languages": shares(self.pool.languages, everyone),
                "most frequent tasks": shares(self.pool.tasks, everyone),
            }
        )
        keys = list(dict.fromkeys(key for row in found for key in row))
        return [{key: row.get(key, "") for key in keys} for row in found]

    def overlaps(self) -> list[dict[str, Any]]:
        """What share of the rows of each choice each other one has, a row for each choice."""
        return [
            {"pick": name, **{other: rounded(self._shared(name, other)) for other in self.picked}}
            for name in self.picked
        ]

    @property
    def of_pool(self) -> Mapping[str, float]:
        """The measures of the whole pool that do not depend on how many rows there are."""
        values = {"length": float(self.pool.lengths.mean())}
        if self.pool.score is not None:
            values["score"] = float(self.pool.score.mean())
        return values

    def findings(self) -> Iterator[tuple[str, list[tuple[str, bool]]]]:
        """Of each choice, the measures that it does not choose by and that lie beyond chance (`beyond_chance`)."""
        for name, one in self.picked.items():
            yield name, beyond_chance(self.measured[name], one.method.by, self.bands)

    def sentences(self) -> Iterator[str]:
        """What the table says, a sentence for each choice; never more than it can."""
        for name, outside in self.findings():
            if name == "random":
                continue
            one = self.picked[name]
            ahead = [self._said(name, measure) for measure, wanted in outside if wanted]
            behind = [self._said(name, measure) for measure, wanted in outside if not wanted]
            if not set(self.bands) - one.method.by - _NEITHER:
                yield f"{name}: nothing that it does not choose by could be measured, so nothing tells it from chance"
            elif not ahead and not behind:
                yield (
                    f"{name}: what it does not choose by lies within the random draws: nothing here tells it from "
                    "chance"
                )
            if ahead:
                yield f"{name}: ahead of random draws in what it does not choose by: {', '.join(ahead)}"
            if behind:
                yield f"{name}: behind random draws in what it does not choose by: {', '.join(behind)}"

    def _said(self, name: str, measure: str) -> str:
        value, band = self.measured[name].values[measure], self.bands[measure]
        return f"{_NAMES.get(measure, measure)} {value:.3g} (random {band.low:.3g} to {band.high:.3g})"

    def _shared(self, name: str, other: str) -> float:
        rows = self.picked[name].choice.rows
        return len(np.intersect1d(rows, self.picked[other].choice.rows)) / max(1, len(rows))


def compare(
    pool: Pool, picked: Sequence[Picked], choose: Callable[[Method, str], Choice], draws: int
) -> Comparison:
    """Hold choices against the longest and random draws, made by the same `choose`.

    choose: makes the choice of a method; its second argument names the draw
    """
    everything = {one.name: one for one in picked}
    if "longest" not in everything:
        everything["longest"] = timed("longest", _LONGEST, choose)
    sample = sample_of(pool)
    drawn = [measure(pool, choose(_RANDOM, f"draw {number}").rows, sample) for number in range(draws)]
    measured = {name: measure(pool, one.choice.rows, sample) for name, one in everything.items()}
    held = sum(
        name not in one.method.by and MEASURES[name] != 0
        for one in everything.values()
        for name in drawn[0].values
    )
    return Comparison(
        pool,
        everything,
        measured,
        bands(drawn, held),
        draws,
        float(np.mean([len(one.rows) for one in drawn])),
    )
