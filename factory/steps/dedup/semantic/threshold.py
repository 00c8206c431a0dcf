"""What cosines mean on a person's own data: how near the nearest texts are, and pairs near a few thresholds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from factory.data.text import shorten
from factory.statistics.arrays import Floats, Ints, Rows
from factory.steps.dedup.semantic.join import with_direction

THRESHOLDS = (0.80, 0.85, 0.90, 0.95)
"""Thresholds shown where the model's cosines reach that far."""
QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99)
FALLBACK = (0.5, 0.75, 0.9, 0.97)
"""Quantiles whose cosines are shown instead, for a model whose cosines lie elsewhere."""
EXAMPLES = 3
"""Pairs shown at a threshold, at most, on either side of it."""
NEAR = 0.02
"""How far from a threshold a pair may be that is shown for it."""
STEP = 0.02
"""Width of a bar of the histogram."""
BAR = 40
"""Characters of the longest bar."""
SHOWN = 90
"""Characters of a text that is shown."""


class Neighbours(NamedTuple):
    """Of each text the nearest other one.

    nearest: int64, its position, or -1 for a text whose vector has no direction
    cosine: float64, NaN for such a text
    """

    nearest: Ints
    cosine: Floats


class Pair(NamedTuple):
    """Two texts and their cosine."""

    cosine: float
    first: str
    second: str


class Level(NamedTuple):
    """A threshold: the share of the texts that have a neighbour above it, and pairs just above and below."""

    threshold: float
    share: float
    above: tuple[Pair, ...]
    below: tuple[Pair, ...]


@dataclass(frozen=True, slots=True)
class SimilarityProfile:
    """How near texts lie to their nearest neighbours.

    texts: how many were compared
    same: how many of them have a neighbour whose text is the same
    quantiles: (share, cosine): that share of the texts has no neighbour nearer than this
    histogram: (lower end of the bar, texts)
    levels: what a few thresholds would mean
    """

    texts: int
    same: int
    quantiles: tuple[tuple[float, float], ...]
    histogram: tuple[tuple[float, int], ...]
    levels: tuple[Level, ...]

    def lines(self) -> list[str]:
        """The profile in words, for a terminal."""
        lines = [f"nearest neighbours of {self.texts:,} texts; {self.same:,} have one with the same text"]
        lines += ["", "cosine with the nearest neighbour"]
        lines += [f"  {share:>4.0%} of the texts at most {cosine:.3f}" for share, cosine in self.quantiles]
        most = max((number for _, number in self.histogram), default=0)
        lines.append("")
        for start, number in self.histogram:
            bar = "#" * max(round(BAR * number / most), 1 if number else 0)
            lines.append(f"  {start:.2f}  {bar.ljust(BAR)} {number:,}")
        for level in self.levels:
            lines += ["", f"threshold {level.threshold:.3f}: {level.share:.1%} have a neighbour above it"]
            for said, pairs in (("above", level.above), ("below", level.below)):
                for pair in pairs:
                    lines.append(f"  {said} {pair.cosine:.3f}  {shorten(pair.first, SHOWN)}")
                    lines.append(f"{' ' * 15}{shorten(pair.second, SHOWN)}")
            if not level.above and not level.below:
                lines.append(f"  no pair within {NEAR:g} of it")
        return lines


def nearest_neighbours(vectors: Rows) -> Neighbours:
    """Of each row the other one with the largest cosine, by FAISS's exact `IndexFlatIP`.

    Args:
        vectors: shape (rows, dimensions), float32, rows of any length.
    """
    import faiss

    nearest = np.full(len(vectors), -1, np.int64)
    cosine = np.full(len(vectors), np.nan)
    rows = with_direction(vectors)
    if len(rows) > 1:
        part = vectors[rows].astype(np.float64)
        unit = (part / np.linalg.norm(part, axis=1, keepdims=True)).astype(np.float32)
        index = faiss.IndexFlatIP(unit.shape[1])
        index.add(unit)
        found, at = index.search(unit, 2)
        # Itself comes first, but for a row that has equals.
        other = (at[:, 0] == np.arange(len(rows))).astype(np.int64)
        nearest[rows] = rows[np.take_along_axis(at, other[:, None], 1)[:, 0]]
        cosine[rows] = np.clip(np.take_along_axis(found, other[:, None], 1)[:, 0], -1, 1)
    return Neighbours(nearest, cosine)


def similarity_profile(
    texts: Sequence[str], vectors: Rows, thresholds: Sequence[float] = ()
) -> SimilarityProfile:
    """How near these texts lie to their nearest neighbours, so that a person can choose a threshold.

    Args:
        texts: no two of one record; blank ones are best left out.
        vectors: their embeddings, shape (texts, dimensions), float32.
        thresholds: those to show; by default 0.80 to 0.95, or quantiles where few of them lie within the
            cosines that there are.
    """
    near = nearest_neighbours(vectors)
    rows = np.flatnonzero(near.nearest >= 0)
    cosine = near.cosine[rows]
    if not len(rows):
        return SimilarityProfile(len(rows), 0, (), (), ())
    levels = sorted(thresholds) or _levels(cosine)
    low = np.floor(cosine.min() / STEP)
    bins = np.minimum(np.floor(cosine / STEP + 1e-6), round(1 / STEP) - 1) - low
    counts = np.bincount(np.maximum(bins, 0).astype(np.int64))
    return SimilarityProfile(
        texts=len(rows),
        same=sum(texts[row] == texts[near.nearest[row]] for row in rows.tolist()),
        quantiles=tuple((q, float(np.quantile(cosine, q))) for q in QUANTILES),
        histogram=tuple((float((low + at) * STEP), number) for at, number in enumerate(counts.tolist())),
        levels=tuple(_level(level, texts, rows, near) for level in levels),
    )


def _levels(cosine: Floats) -> list[float]:
    """The usual thresholds where most of them part the texts, else those at some quantiles."""
    parting = [level for level in THRESHOLDS if cosine.min() < level < cosine.max()]
    if len(parting) * 2 > len(THRESHOLDS):
        return list(THRESHOLDS)
    return sorted({round(float(np.quantile(cosine, q)), 3) for q in FALLBACK})


def _level(threshold: float, texts: Sequence[str], rows: Ints, near: Neighbours) -> Level:
    cosine = near.cosine[rows]
    pairs: dict[tuple[int, int], float] = {}
    for place in np.argsort(np.abs(cosine - threshold), kind="stable").tolist():
        if abs(cosine[place] - threshold) > NEAR:
            break
        row, other = int(rows[place]), int(near.nearest[rows[place]])
        if texts[row] != texts[other]:
            pairs.setdefault((min(row, other), max(row, other)), float(cosine[place]))
    said = [Pair(value, texts[one], texts[other]) for (one, other), value in pairs.items()]
    return Level(
        threshold,
        float((cosine > threshold).mean()),
        tuple([pair for pair in said if pair.cosine > threshold][:EXAMPLES]),
        tuple([pair for pair in said if pair.cosine <= threshold][:EXAMPLES]),
    )
