"""How far two groups overlap: in the form of their answers, and in where their prompts lie."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from factory.data.text import word_count
from factory.statistics.arrays import Ints, Rows
from factory.statistics.interval import Interval, bootstrap, share_interval

COMPARED = 500
"""Rows of each of two groups whose nearest neighbours are looked at."""
_MARKS = (
    ("code", re.compile(r"^(?:```|~~~)|^(?:def|class|import|function|#include|SELECT)\b", re.MULTILINE)),
    ("list", re.compile(r"^\s*(?:[-*•]|\d+[.)、])\s+\S", re.MULTILINE)),
    ("heading", re.compile(r"^#{1,6} \S|^\*\*[^*\n]+\*\*:?$", re.MULTILINE)),
    ("table", re.compile(r"^\|.+\|$", re.MULTILINE)),
    ("formula", re.compile(r"\$[^$\n]+\$|\\\(|\\\[|\\frac|\\boxed|####\s*\S")),
    ("json", re.compile(r"^\s*[{\[].*[}\]]\s*$", re.DOTALL)),
)
_LENGTHS = (5, 50, 200, 600)
"""Words, or Chinese characters, that part lengths: a word or two, a sentence or two, a paragraph, a page, more."""


class Overlap(NamedTuple):
    """How far two groups overlap, from 0 (apart) to 1 (as one), with its 95 % interval."""

    share: float
    interval: Interval


def form_of(answer: str) -> str:
    """The form of an answer: the marks it has and how long it is, such as "code, list; to 200 words"."""
    marks = [name for name, pattern in _MARKS if pattern.search(answer)]
    words = word_count(answer)
    length = next((f"to {most}" for most in _LENGTHS if words <= most), f"over {_LENGTHS[-1]}")
    return f"{', '.join(marks) or 'plain'}; {length} words"


def form_overlap(one: Sequence[str], other: Sequence[str], groups: Ints, seed: int) -> Overlap:
    """What two groups' distributions over forms share: the sum over forms of the lesser of the two shares.

    one, other: the form of each row
    groups: the lineage of each row of both, first those of `one`
    """
    names = {name: at for at, name in enumerate(dict.fromkeys([*one, *other]))}
    codes = np.array([names[form] for form in (*one, *other)], np.int64)
    second = np.arange(len(codes)) >= len(one)

    def shared(rows: Ints) -> float | None:
        mine, theirs = rows[~second[rows]], rows[second[rows]]
        if not len(mine) or not len(theirs):
            return None
        shares = [np.bincount(codes[some], minlength=len(names)) / len(some) for some in (mine, theirs)]
        return float(np.minimum(*shares).sum())

    found = shared(np.arange(len(codes))) or 0.0
    sure = bootstrap(lambda rows: {"shared": shared(rows)}, groups, seed=seed).get("shared", (0.0, 1.0))
    return Overlap(found, sure)


def typical(forms: Sequence[str], most: int = 3) -> str:
    """The commonest forms, with their shares."""
    counts = Counter(forms)
    return ", ".join(f"{form} {number / len(forms):.0%}" for form, number in counts.most_common(most))


def place_overlap(one: Rows, other: Rows, lineages: Ints, random: np.random.Generator) -> Overlap:
    """How mixed two groups' prompts lie: of equally many rows of each, how often the nearest is the other group's.

    1 where the groups lie as one (half of the nearest are the other group's, as chance has it), 0 where each keeps to
    itself. A row of one's own lineage is not looked at.

    one, other: embeddings of length 1, shape (rows, dimensions)
    lineages: of both, first those of `one`

    Source: the nearest-neighbour statistic of two samples (Schilling, JASA 81 (1986) 799-806), as a share of its
    expectation where both are of one distribution.
    """
    size = min(len(one), len(other), COMPARED)
    mine = np.sort(random.permutation(len(one))[:size])
    theirs = np.sort(random.permutation(len(other))[:size])
    vectors = np.concatenate([one[mine], other[theirs]]).astype(np.float64)
    lineage = np.concatenate([lineages[: len(one)][mine], lineages[len(one) :][theirs]])
    near = vectors @ vectors.T
    near[lineage[:, None] == lineage] = -np.inf
    nearest = near.argmax(axis=1)
    known = np.isfinite(near.max(axis=1))
    second = np.arange(2 * size) >= size
    crossed = (second[nearest] != second)[known]
    # Of 2n - 1 others n are the other group's.
    expected = size / max(2 * size - 1, 1)
    low, high = share_interval(crossed.astype(np.float64), lineage[known]) or (0.0, 1.0)
    share = float(crossed.mean()) / expected if len(crossed) else 0.0
    return Overlap(min(1.0, share), (min(1.0, low / expected), min(1.0, high / expected)))
