"""DEITA's choice: the highest scored first, each that is not too close to one chosen before."""

from __future__ import annotations

import numpy as np

from factory.statistics.arrays import Ints, Rows
from factory.steps.assemble.select.plain import highest_first
from factory.steps.assemble.select.pool import Choice, Pool, Settings

BLOCK = 1024


def first_apart(vectors: Rows, order: Ints, threshold: float, size: int) -> tuple[Ints, int]:
    """In this order the rows whose cosine with each row taken before is not above `threshold`, `size` at most.

    Gives also how many rows were passed over.
    """
    taken = np.zeros(min(size, len(order)), np.int64)
    count = passed = 0
    for start in range(0, len(order), BLOCK):
        block = order[start : start + BLOCK]
        part = vectors[block]
        close = np.zeros(len(block), bool)
        if count:
            close = (part @ vectors[taken[:count]].T).max(axis=1) > threshold
        within = part @ part.T > threshold
        for local, row in enumerate(block.tolist()):
            if close[local]:
                passed += 1
                continue
            taken[count] = row
            count += 1
            if count == len(taken):
                return taken, passed
            close |= within[local]
    return taken[:count], passed


def choose_repr_filter(pool: Pool, size: int, random: np.random.Generator, settings: Settings) -> Choice:
    """The highest scored rows, but those whose cosine with a chosen one is above `threshold`.

    Fewer than `size`, where no more rows are that far apart. The authors' threshold of 0.9 is that of states of their
    7B model: of another embedder other cosines are near.

    Source: DEITA, Repr Filter (arXiv 2312.15685), section 2.4.
    """
    rows, passed = first_apart(pool.known_vectors, highest_first(pool.known_score), settings.threshold, size)
    why = (
        f"no other row lies apart from all chosen ones at `threshold` {settings.threshold:g}; raise it to have more"
        if len(rows) < size
        else ""
    )
    return Choice(rows, {"passed_over_as_too_close": passed}, why)
