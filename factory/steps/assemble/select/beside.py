"""What a choice is beside random ones and the longest: lengths, scores, tasks, tags, distances.

A method that chooses by a measure differs in it from chance, always: that is no finding. What counts is a measure that
it does not choose by, held against random draws of the same size.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np

from factory.statistics.arrays import Ints, Rows
from factory.statistics.novelsum import novelsum
from factory.statistics.vendi import centred, vendi_score
from factory.steps.assemble.select.pool import Pool

SAMPLE = 2000
"""Rows that a mean distance is taken over, at most."""
LEVEL = 0.05
"""How often any of the comparisons of a table may call chance a difference."""
SHOWN = 4
SPREAD = 1000
"""Rows of a choice that NovelSum and the Vendi score are taken over, at most: evenly spaced, in the order of the ids,
so that a choice and a random draw are measured alike."""

MEASURES: Mapping[str, int] = MappingProxyType(
    {
        "length": 0,
        "score": 1,
        "tasks": 1,
        "tags": 1,
        "tags_each": 0,
        "nearest": 1,
        "reach": -1,
        "novelsum": 1,
        "vendi": 1,
    }
)
"""What is measured, and whether more of it (1) or less (-1) is wanted; 0: neither.

length: tokens of an answer, on average
score: the mean score
tasks: how many tasks there are, were they equally frequent (the exponential of the entropy)
tags: the share of the pool's tags that a chosen row has (the coverage of InsTag, arXiv 2308.07074)
tags_each: tags of a row, on average (its complexity)
nearest: cosine distance of a chosen row to the nearest other chosen one, on average
reach: cosine distance of a row of the pool to the nearest chosen one, on average
novelsum: how far the chosen rows lie from each other, the nearest counting most (arXiv 2502.17184), without density
vendi: how many different things the chosen rows are, their mean taken off (arXiv 2210.02410)
"""


class Band(NamedTuple):
    """What random draws came to in a measure: their mean, and where one more would lie.

    low, high: the prediction interval of one more draw (Student's t), so wide that of all comparisons of a table
        together one in twenty tables holds a false one
    """

    mean: float
    low: float
    high: float


class Measured(NamedTuple):
    """A choice and its measures; one that could not be had is absent."""

    rows: Ints
    values: Mapping[str, float]


def measure(pool: Pool, rows: Ints, sample: Ints) -> Measured:
    """All measures of a choice that the pool's columns allow.

    sample: rows of the pool that `reach` is taken over
    """
    values = {"length": float(pool.lengths[rows].mean())}
    if pool.score is not None:
        values["score"] = float(pool.score[rows].mean())
    tasks = Counter(pool.tasks[row] for row in rows.tolist())
    if any(pool.tasks):
        shares = np.array(list(tasks.values())) / len(rows)
        values["tasks"] = float(np.exp(-(shares * np.log(shares)).sum()))
    if pool.tags is not None and len(pool.tags.tags):
        tags = pool.tags.take(rows)
        values["tags"] = len(np.unique(tags.tags)) / len(np.unique(pool.tags.tags))
        values["tags_each"] = len(tags.tags) / len(rows)
    if pool.vectors is not None and len(rows) > 1:
        chosen = pool.vectors[rows]
        asked = np.arange(len(rows))[:: max(1, len(rows) // SAMPLE)]
        values["nearest"] = float(1 - _closest(chosen[asked], chosen, asked).mean())
        values["reach"] = float(1 - _closest(pool.vectors[sample], chosen).mean())
        some = np.sort(rows)[:: -(-len(rows) // SPREAD)]
        values["novelsum"] = novelsum(pool.vectors[some])
        values["vendi"] = vendi_score(centred(pool.vectors[some]))
    return Measured(rows, values)


def _closest(
    asked: Rows, chosen: Rows, own: Ints | None = None
) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """Of each asked row the highest cosine with a chosen one, its own place among them left out."""
    best = np.empty(len(asked))
    step = max(1, 20_000_000 // max(1, len(chosen)))
    for start in range(0, len(asked), step):
        cosines = asked[start : start + step] @ chosen.T
        if own is not None:
            part = own[start : start + step]
            cosines[np.arange(len(part)), part] = -np.inf
        best[start : start + step] = cosines.max(axis=1)
    return np.minimum(best, 1)


def sample_of(pool: Pool) -> Ints:
    """The rows of the pool that `reach` is taken over: evenly spaced, in the order of the ids, so as good as drawn."""
    return np.arange(len(pool))[:: max(1, len(pool) // SAMPLE)]


def bands(draws: Sequence[Measured], comparisons: int) -> dict[str, Band]:
    """Where one more random draw would lie, for each measure.

    comparisons: how many numbers are held against the bands
    """
    from scipy.special import stdtrit

    count = len(draws)
    quantile = float(stdtrit(count - 1, 1 - LEVEL / 2 / max(1, comparisons)))
    found = {}
    for name in draws[0].values:
        values = np.array([draw.values[name] for draw in draws])
        half = quantile * float(values.std(ddof=1)) * float(np.sqrt(1 + 1 / count))
        found[name] = Band(float(values.mean()), float(values.mean()) - half, float(values.mean()) + half)
    return found


def beyond_chance(
    measured: Measured, by: frozenset[str], found: Mapping[str, Band]
) -> list[tuple[str, bool]]:
    """The measures in which a choice lies outside the band, and whether that is the wanted side.

    by: those that it chooses by; they are left out, and so are those of which neither more nor less is wanted
    """
    outside = []
    for name, value in measured.values.items():
        if name in by or name not in found or not MEASURES[name]:
            continue
        band = found[name]
        slack = 1e-9 + 1e-6 * abs(band.mean)
        if value < band.low - slack or value > band.high + slack:
            outside.append((name, (value > band.mean) == (MEASURES[name] > 0)))
    return outside


def shares(values: Sequence[str], rows: Ints) -> str:
    """The shares of the most frequent values among these rows, in words; "" where none has one."""
    counts = Counter(values[row] or "(none)" for row in rows.tolist())
    if set(counts) <= {"(none)"}:
        return ""
    ranked = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    said = [f"{name[:30]} {number / len(rows):.0%}" for name, number in ranked[:SHOWN]]
    return ", ".join(said) + (f", {len(ranked) - SHOWN} more" if len(ranked) > SHOWN else "")


def rounded(value: float) -> float:
    """To four digits, as tables tell it."""
    return float(f"{value:.4g}")


def as_row(name: str, values: Mapping[str, float], columns: Sequence[str]) -> dict[str, Any]:
    """A row of a table, in the order of the columns."""
    return {"pick": name, **{column: rounded(values[column]) for column in columns if column in values}}
