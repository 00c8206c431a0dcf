"""s1: hard rows of every domain, the long ones most likely."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from factory.statistics.arrays import Floats, Ints

SOLVED = 0.5
"""A score above it says that a reference model solved the row."""


class Unsolved(NamedTuple):
    """What reference models leave.

    rows: those that none of them solves
    solved: how many one of them solves
    unknown: rows of which a model's verdict is missing while no other solved them
    """

    rows: Ints
    solved: int
    unknown: Ints


def unsolved(verdicts: Sequence[Floats]) -> Unsolved:
    """The rows that no reference model solves: what one of them can do teaches little.

    verdicts: of each model, shape (rows,): above `SOLVED` it solved the row, NaN where nobody knows
    """
    table = np.stack(verdicts)
    solved = (table > SOLVED).any(axis=0)
    unknown = np.isnan(table).any(axis=0) & ~solved
    return Unsolved(np.flatnonzero(~solved & ~unknown), int(solved.sum()), np.flatnonzero(unknown))


def sample_by_domain(domains: Sequence[str], lengths: Ints, size: int, random: np.random.Generator) -> Ints:
    """Draw a domain, each as likely as the others, and in it a row with weight 2^-rank, the longest first; and again.

    Of the domain's k-th longest row that is left the weight is 2^-k: half of the draws take the longest. A domain
    without rows is drawn no more. Equal lengths are ranked by the order of the rows.

    Args:
        domains: of each row; lengths: of its answer, in tokens, shape (rows,).

    Returns:
        So many rows, at most all, each once, in the order in which they were drawn.

    Source: s1: Simple test-time scaling (arXiv 2501.19393), section 2.2. Its last 300 draws weight the domains by how
        often benchmarks hold them, and rows of some sources are taken beforehand: neither is done here.
    """
    ranked: dict[str, list[int]] = defaultdict(list)
    for row in np.argsort(lengths, kind="stable").tolist():  # the longest last, where taking it out is cheap
        ranked[domains[row]].append(row)
    left = sorted(ranked)
    chosen: list[int] = []
    while left and len(chosen) < size:
        at = int(random.integers(len(left)))
        rows = ranked[left[at]]
        chosen.append(rows.pop(-1 - _rank(len(rows), float(random.random()))))
        if not rows:
            left.pop(at)
    return np.array(chosen, np.int64)


def _rank(rows: int, drawn: float) -> int:
    """The rank, from 0, that a number drawn from 0 to 1 stands for, where rank k has the weight 2^-k."""
    within = drawn * (1 - 0.5 ** min(rows, 64))
    return min(rows - 1, int(-math.log2(1 - within)))
