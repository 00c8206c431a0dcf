"""Families of near-identical benchmark items, such as those of two versions of one benchmark."""

from __future__ import annotations

import numpy as np

from factory.steps.dedup.leaks.tokens import Ints, Items, gram_hashes

GRAM = 3  # tokens in a row that two items are compared by, numbers masked
SHARED = 0.7  # share of the shorter item's n-grams from which on two are of one family
FEWEST = 6  # n-grams of the shorter item
NEXT = 16  # of the items with an n-gram each is compared with so many that follow it
PHRASE = 1000  # an n-gram that more items have is a phrase, and joins none


def families_of(items: Items) -> Ints:
    """The family of each entry, as the number of its first entry.

    Two entries are of one family where the one has `SHARED` of the other's distinct n-grams of `GRAM` masked
    tokens: the same question with other numbers, a few other words, more choices. So words that two versions of a
    benchmark share are the item's own, and words that different items share are not.

    Args:
        items: masked tokens.
    """
    size = len(items.first) - 1
    family = np.arange(size)
    places = np.flatnonzero(np.arange(len(items.item_of)) + GRAM <= items.first[items.item_of + 1])
    if not len(places):
        return family
    keys = np.zeros(len(places), np.uint64)
    gram_hashes(items.tokens, places, GRAM, keys)
    owners = items.item_of[places]
    order = np.lexsort((owners, keys))
    keys, owners = keys[order], owners[order]
    fresh = np.concatenate([[True], (keys[1:] != keys[:-1]) | (owners[1:] != owners[:-1])])
    keys, owners = keys[fresh], owners[fresh]
    counts = np.bincount(owners, minlength=size)
    begin = np.flatnonzero(np.concatenate([[True], keys[1:] != keys[:-1]]))
    many = np.diff(np.concatenate([begin, [len(keys)]])) > PHRASE
    if many.any():
        rare = ~np.repeat(many, np.diff(np.concatenate([begin, [len(keys)]])))
        keys, owners = keys[rare], owners[rare]
    pairs = [
        owners[:-step][same] * size + owners[step:][same]
        for step in range(1, min(NEXT, len(keys) - 1) + 1)
        for same in [keys[:-step] == keys[step:]]
    ]
    both, shared = np.unique(np.concatenate([*pairs, np.zeros(0, np.int64)]), return_counts=True)
    one, other = both // size, both % size
    fewer = np.minimum(counts[one], counts[other])
    near = (shared >= SHARED * fewer) & (fewer >= FEWEST)
    for a, b in zip(one[near].tolist(), other[near].tolist(), strict=True):
        a, b = _root(family, a), _root(family, b)
        family[max(a, b)] = min(a, b)
    for at in range(size):
        family[at] = _root(family, at)
    return family


def _root(family: Ints, at: int) -> int:
    while family[at] != at:
        family[at] = family[family[at]]
        at = int(family[at])
    return at
