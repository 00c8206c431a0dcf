"""Assigning families to the parts of a set, so that each part is like the whole."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np

from factory.statistics.arrays import Ints


def wanted_rows(strata: Ints, sizes: Mapping[str, float], random: np.random.Generator) -> Ints:
    """How many rows of each stratum each part is to have, shape (strata, parts); each row sums to the stratum's.

    Args:
        strata: the stratum of each row, from 0.
        sizes: of each part but the first: below 1 its share, else its rows; the first has what is left.
        random: decides among equal remainders, so that of many strata of one row no part has the first ones.

    What is left over by rounding goes to the largest remainders of strata that have rows left, so that the part as a
    whole has its size, too.

    Raises:
        ValueError: the sizes leave nothing for the first part.
    """
    counts = np.bincount(strata)
    shares = [size if size < 1 else size / max(len(strata), 1) for size in list(sizes.values())[1:]]
    exact = counts[:, None] * np.array([0.0, *shares])
    wanted = np.floor(exact).astype(np.int64)
    spare = counts - wanted.sum(axis=1)
    for part, share in enumerate(shares, start=1):
        rest = exact[:, part] - wanted[:, part]
        left = round(len(strata) * share) - int(wanted[:, part].sum())
        while left > 0 and spare.any():
            order = np.lexsort((random.permutation(len(counts)), -rest))
            given = order[spare[order] > 0][:left]
            wanted[given, part] += 1
            spare[given] -= 1
            left -= len(given)
    wanted[:, 0] = spare
    if spare.sum() <= 0:
        raise ValueError("the parts held out leave nothing to train on")
    return np.asarray(wanted, np.int64)


def drawn_by_id(ids: Sequence[str], seed: int) -> Ints:
    """A random number for each row that hangs on its id and the seed alone, not on the row's place, shape (rows,)."""
    key = seed.to_bytes(8, "little")
    drawn = b"".join(hashlib.blake2b(id.encode(), digest_size=8, key=key).digest() for id in ids)
    return np.frombuffer(drawn, "<i8").astype(np.int64)


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
        keys: of each row a random number; the lowest of a family's rows counts.
    """
    room = wanted.tolist()
    part_of = np.zeros(len(families), np.int64)
    sizes = np.bincount(families, minlength=len(families))
    several = np.flatnonzero(sizes > 1)
    lowest = np.full(len(families), np.iinfo(np.int64).max)
    np.minimum.at(lowest, families, keys)
    order = several[np.lexsort((lowest[several], -sizes[several]))]
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
