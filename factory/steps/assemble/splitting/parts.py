"""Assigning families to the parts of a set, so that each part is like the whole."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np

from factory.statistics.arrays import Ints


def wanted_rows(strata: Ints, sizes: Mapping[str, float]) -> Ints:
    """How many rows of each stratum each part is to have, shape (strata, parts); each row sums to the stratum's.

    Args:
        strata: the stratum of each row, from 0.
        sizes: of each part but the first: below 1 its share, else its rows; the first has what is left.

    What is left over by rounding goes to the largest remainders, so that the part as a whole has its size, too.

    Raises:
        ValueError: the sizes leave nothing for the first part.
    """
    counts = np.bincount(strata)
    rows = len(strata)
    wanted = np.zeros((len(counts), len(sizes)), np.int64)
    for part, size in enumerate(list(sizes.values())[1:], start=1):
        share = size if size < 1 else size / max(rows, 1)
        exact = counts * share
        wanted[:, part] = np.floor(exact)
        target = round(rows * share)
        left = max(0, target - int(wanted[:, part].sum()))
        order = np.argsort(-(exact - np.floor(exact)), kind="stable")
        wanted[order[:left], part] += 1
    wanted[:, 0] = counts - wanted[:, 1:].sum(axis=1)
    if wanted[:, 0].sum() <= 0:
        raise ValueError("the parts held out leave nothing to train on")
    while (short := wanted[:, 0] < 0).any():  # a stratum of a row or two cannot give to every part
        at = int(np.argmax(short))
        part = 1 + int(np.argmax(wanted[at, 1:]))
        wanted[at, part] -= 1
        wanted[at, 0] += 1
    return wanted


def assign(families: Ints, strata: Ints, wanted: Ints, keys: Ints) -> Ints:
    """The part of each row, shape (rows,): a family is of one part, and each part has what is wanted of each stratum.

    Families of several rows go first, the largest first, each to the part that lacks most, as a share of what it wants,
    of those that have room for it; to the first part where none has. Rows of their own then fill each stratum's parts
    up. Chance (`keys`) decides among equals. Where families leave no other way a part has more or fewer rows than
    wanted; never is a family cut.

    Args:
        families: the first row of each row's family.
        strata: from 0.
        wanted: shape (strata, parts), as `wanted_rows` gives it.
        keys: of each row a random number; that of a family's first row counts.
    """
    room = wanted.tolist()
    part_of = np.zeros(len(families), np.int64)
    sizes = np.bincount(families, minlength=len(families))
    several = np.flatnonzero(sizes > 1)
    order = several[np.lexsort((keys[several], -sizes[several]))]
    grouped = np.argsort(families, kind="stable")
    starts = np.concatenate([[0], np.cumsum(sizes)])[order].tolist()
    for start, size in zip(starts, sizes[order].tolist(), strict=True):
        rows = grouped[start : start + size]
        counts = Counter(strata[rows].tolist())
        best, most = 0, -1.0
        for part in range(wanted.shape[1]):
            fits = all(number <= room[stratum][part] for stratum, number in counts.items())
            if part and not fits and sum(room[stratum][part] for stratum in counts) < size:
                continue
            lack = sum(
                number * room[stratum][part] / max(int(wanted[stratum, part]), 1)
                for stratum, number in counts.items()
            )
            if lack > most + 1e-12:
                best, most = part, lack
        for stratum, number in counts.items():
            room[stratum][best] -= number
        part_of[rows] = best
    left = np.array(room, np.int64).reshape(wanted.shape)
    single = np.flatnonzero(sizes[families] == 1)
    single = single[np.lexsort((keys[single], strata[single]))]
    begin = 0
    for stratum, number in enumerate(np.bincount(strata[single], minlength=len(wanted)).tolist()):
        some = single[begin : begin + number]
        begin += number
        need = np.maximum(left[stratum, 1:], 0)
        ends = np.minimum(np.cumsum(need), number)
        for part, (start, end) in enumerate(
            zip([0, *ends[:-1].tolist()], ends.tolist(), strict=True), start=1
        ):
            part_of[some[start:end]] = part
    return part_of


def counts_by(part_of: Ints, strata: Ints, names: Sequence[str]) -> dict[str, list[int]]:
    """Rows of each stratum in each part, by the stratum's name."""
    parts = int(part_of.max()) + 1 if len(part_of) else 1
    table = np.zeros((len(names), parts), np.int64)
    np.add.at(table, (strata, part_of), 1)
    return {name: table[at].tolist() for at, name in enumerate(names)}
