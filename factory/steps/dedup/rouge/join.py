"""The exact ROUGE-L greedy keep-first join: which texts are too close, word for word, to one kept before.

The loops that it runs, and the data that they work on, are in `statistics.rouge`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import chain, count
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from factory.statistics.arrays import Floats, Ids, Ints
from factory.statistics.rouge.layout import Bank, Join, Work
from factory.statistics.rouge.room import empty_bank, worker
from factory.steps.dedup.joins.signs import Signs, no_signs

SMALLEST, LARGEST = 64, 4096  # block of texts that all workers take on before one thread settles it


class RougeMatches(NamedTuple):
    """One entry for each row of the join.

    nearest: int64, the kept row that dropped this one, or -1 where it is kept
    f: float64, its ROUGE-L F with that row, or NaN where it is kept
    in_reference: bool, True where `nearest` counts the rows of the reference
    """

    nearest: Ints
    f: Floats
    in_reference: NDArray[np.bool_]


def rouge_join(
    tokens: Sequence[Sequence[str]],
    threshold: float,
    *,
    reference: Sequence[Sequence[str]] = (),
    signs: Signs | None = None,
    workers: int = 1,
) -> RougeMatches:
    """Drop each row whose ROUGE-L F with a reference row or an earlier kept row is greater than `threshold`.

    Exact: the outcome is that of comparing every pair with rouge-score 0.1.2, down to its floating point
    (prediction = the row, target = the kept one; F is the same the other way round). Where several kept rows
    are that close, the one of highest F is named, of equals the earliest, references first. A row without
    tokens has F = 0 with every row: it is kept and drops none.

    signs: of the reference rows and the rows, which pairs differ in signs alone and so are never close; by default
        none does. Rows of the same tokens have the same letters.

    Memory grows with the number of tokens, time about as rows^1.7. Runs in `workers` threads without holding
    the GIL; the outcome does not depend on how many.

    Source: ROUGE-L, Lin (2004); the rule, Self-Instruct (arXiv 2212.10560).

    Raises:
        ValueError: `threshold` is not between 0 and 1, or there is not one worker at least.
    """
    if not 0 <= threshold <= 1:
        raise ValueError(f"the threshold is a ROUGE-L F between 0 and 1, given {threshold}")
    if workers < 1:
        raise ValueError(f"at least one worker is needed, given {workers}")
    texts, vocabulary = encode([*reference, *tokens], signs)
    join = _begin(texts, threshold)
    if threshold < 1 and len(join.f):
        bank = empty_bank(np.diff(texts.offsets))
        with ThreadPoolExecutor(workers) as pool:
            _join_all(join, bank, [worker(bank, vocabulary) for _ in range(workers)], len(reference), pool)
    return as_matches(join.nearest, join.f, len(reference))


def as_matches(nearest: Ints, f: Floats, references: int) -> RougeMatches:
    """The matches of the rows that come after so many references, which count as rows before them."""
    nearest, f = nearest[references:].copy(), f[references:].copy()
    f[nearest < 0] = np.nan
    in_reference = (nearest >= 0) & (nearest < references)
    nearest[nearest >= references] -= references
    return RougeMatches(nearest, f, in_reference)


def rouge_join_block(
    kept: Texts, rows: Texts, known: Floats, decide: bool, *, threshold: float, vocabulary: int
) -> tuple[Ints, Floats]:
    """One part of the join of a set that is cut into blocks: find texts nearer than what is known of `rows`.

    Args:
        kept: kept texts that come before all of `rows`, and after all that the rows were compared with so far.
        rows: a block of texts.
        known: the highest F of each row with a text kept before `kept`, or NaN where none is too close.
        decide: whether `kept` is the last before the block, so that the block itself is joined.

    Returns:
        For each row, the text of highest F where it is higher than what is known, or -1: its place among
        `kept`, or that among `rows` plus the number of `kept`; and that F.
    """
    # One text without tokens stands for what is known; it is close to nothing.
    before = Texts(np.empty(0, np.int32), np.zeros(2, np.int64), no_signs(1))
    texts = _concatenate([before, kept, rows])
    join = _begin(texts, threshold)
    first = len(join.f) - len(known)
    nearest, f = join.nearest[first:], join.f[first:]
    nearest[~np.isnan(known)] = 0
    f[:] = np.where(np.isnan(known), threshold, known)
    bank = empty_bank(np.diff(texts.offsets))
    work = worker(bank, vocabulary)
    if decide:
        with ThreadPoolExecutor(1) as pool:
            _join_all(join, bank, [work], first, pool)
    else:
        _compare(join, bank, work, first)
    nearest[f == known] = 0  # a reference with the same tokens as an earlier one
    return np.maximum(nearest - 1, -1), f


def _begin(texts: Texts, threshold: float) -> Join:
    """The texts, with nothing known of any."""
    rows = len(texts.offsets) - 1
    return Join(
        texts.ids,
        texts.offsets,
        table=np.full(1 << (2 * rows).bit_length(), -1, np.int64),
        twin=np.full(rows, -1, np.int64),
        nearest=np.full(rows, -1, np.int64),
        f=np.full(rows, float(threshold)),
        letters=texts.signs.letters,
        forms=texts.signs.forms,
    )


def _join_all(join: Join, bank: Bank, works: list[Work], references: int, pool: ThreadPoolExecutor) -> None:
    """Block by block: all workers compare its texts with those kept before it, then one settles the block."""
    from factory.statistics.rouge.kernel import find_twins, keep_reference, search, settle

    rows = len(join.twin)
    size = min(max(rows // 64, SMALLEST), LARGEST)
    wanted = np.empty(size, np.int64)
    keep_reference(bank, works[0], join, references)
    for start in range(references, rows, size):
        stop = min(start + size, rows)
        some = wanted[: find_twins(join, start, stop, wanted)]
        some = some[np.argsort(bank.bucket[some], kind="stable")]
        list(pool.map(lambda at: search(bank, works[at], join, some, at, len(works)), range(len(works))))  # noqa: B023
        settle(bank, works[0], join, start, stop)


def _compare(join: Join, bank: Bank, work: Work, references: int) -> None:
    """Compare the texts after the references with them alone."""
    from factory.statistics.rouge.kernel import find_twins, keep_reference, search

    keep_reference(bank, work, join, references)
    wanted = np.empty(len(join.f), np.int64)
    some = wanted[: find_twins(join, references, len(join.f), wanted)]
    some = some[join.f[some] < 1]
    search(bank, work, join, some[np.argsort(bank.bucket[some], kind="stable")], 0, 1)
    again = np.flatnonzero(join.twin >= references)
    join.nearest[again], join.f[again] = join.nearest[join.twin[again]], join.f[join.twin[again]]


class Texts(NamedTuple):
    """Texts as the numbers of their tokens, text i at ids[offsets[i]:offsets[i + 1]], and their signs."""

    ids: Ids
    offsets: Ints
    signs: Signs

    def take(self, rows: Ints) -> Texts:
        """Some of them."""
        lengths = np.diff(self.offsets)[rows]
        offsets = np.concatenate([[0], np.cumsum(lengths)])
        at = np.arange(offsets[-1]) + np.repeat(self.offsets[rows] - offsets[:-1], lengths)
        return Texts(self.ids[at], offsets, self.signs.take(rows))


def _concatenate(parts: Sequence[Texts]) -> Texts:
    """All of them, one after the other."""
    lengths = np.concatenate([np.diff(part.offsets) for part in parts])
    return Texts(
        np.concatenate([part.ids for part in parts]),
        np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64),
        Signs(*map(np.concatenate, zip(*(part.signs for part in parts), strict=True))),
    )


def encode(rows: Sequence[Sequence[str]], signs: Signs | None = None) -> tuple[Texts, int]:
    """Tokens as numbers in order of first sight, and how many there are."""
    offsets = np.zeros(len(rows) + 1, np.int64)
    np.cumsum(np.fromiter(map(len, rows), np.int64, len(rows)), out=offsets[1:])
    number: defaultdict[str, int] = defaultdict(count().__next__)
    ids = np.fromiter(map(number.__getitem__, chain.from_iterable(rows)), np.int32, offsets[-1])
    return Texts(ids, offsets, signs or no_signs(len(rows))), len(number)
