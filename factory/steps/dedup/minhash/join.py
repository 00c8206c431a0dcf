"""The greedy keep-first join of documents by the shingles that they share: MinHash finds, exact Jaccard decides."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from functools import lru_cache
from math import ceil, sqrt
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from factory.data.text import normal_form, rouge_tokens
from factory.errors import MissingDependency
from factory.models.installed import is_installed
from factory.steps.dedup.joins.signs import differ_in_signs_alone

Shingles = frozenset[str]

BLOCK = 256
"""Documents whose sketches are made at once."""
HELD = 2048
"""Documents whose shingles are kept at hand; those of others are made again where they are compared."""
SAMPLE = 1000
"""Documents that the recall is measured on."""
WANTED = 0.99
"""Least chance that two documents exactly as similar as the threshold are compared."""


class MinHashMatches(NamedTuple):
    """One entry for each document of the join.

    nearest: int64, the kept document that dropped this one, or -1 where it is kept
    jaccard: float64, its Jaccard similarity with that one, or NaN where it is kept
    spared: bool, True where it is kept, and one that differs from it in signs alone was found
    """

    nearest: NDArray[np.int64]
    jaccard: NDArray[np.float64]
    spared: NDArray[np.bool_]


class Recall(NamedTuple):
    """Of the documents of a sample that are too close to one kept before them, those that were dropped.

    close: how many are too close, by comparing the sample with every kept document
    found: how many of them were dropped
    """

    close: int
    found: int


class Document(NamedTuple):
    """What is compared of a text.

    texts: its instruction and its input, or the one text that it is
    parts: the shingles of each
    all: those of both parts together, which the search goes by; empty for a text that is close to nothing
    """

    texts: tuple[str, ...]
    parts: tuple[Shingles, ...]
    all: Shingles


class Bands(NamedTuple):
    """How a sketch is cut: documents are compared where one band of `rows` numbers is equal.

    chance: that two documents of the threshold's similarity are compared
    """

    bands: int
    rows: int
    chance: float


def shingles(text: str, size: int) -> Shingles:
    """All runs of `size` words of a text (`rouge_tokens`: each Chinese character is one), each once.

    A text of fewer words is one shingle; a text without words has none.
    """
    tokens = rouge_tokens(text)
    if len(tokens) <= size:
        return frozenset([" ".join(tokens)] if tokens else [])
    return frozenset(map(" ".join, zip(*(tokens[at:] for at in range(size)), strict=False)))


def jaccard(one: Shingles, other: Shingles) -> float:
    """Shared shingles over all shingles of two documents that have some."""
    shared = len(one & other)
    return shared / (len(one) + len(other) - shared)


def document(text: str, input: str, size: int) -> Document:
    """A text without an input as its shingles alone, any other as those of both.

    Of two parts one may have no words (an input of "+" or "?"): it is one shingle then, which no words are, so that
    it is close to the same signs alone.
    """
    own = shingles(text, size)
    if not input:
        return Document((text,), (own,), own)
    given = shingles(input, size)
    if not own and not given:
        return Document((text, input), (own, given), own)
    own, given = (
        frozenset(f"{kind} {shingle}" for shingle in found or [f"? {normal_form(part)}"])
        for kind, found, part in (("instruction", own, text), ("input", given, input))
    )
    return Document((text, input), (own, given), own | given)


def similarity(one: Document, other: Document) -> float:
    """The Jaccard similarity of two documents, of their least similar parts; 0 where one alone has an input.

    It is never above that of `Document.all`: what the search finds by that, it finds by this.
    """
    if len(one.parts) != len(other.parts):
        return 0.0
    return min(map(jaccard, one.parts, other.parts))


def differ_in_signs(one: Document, other: Document) -> bool:
    """Whether two documents are no duplicates, as a part of theirs differs in signs alone."""
    return any(map(differ_in_signs_alone, one.texts, other.texts))


def lsh_bands(threshold: float, num_perm: int) -> Bands:
    """The most rows to a band, and so the fewest comparisons, with which the chance at the threshold is 99%.

    Two documents of similarity s share a band with the chance 1 - (1 - s^rows)^bands. Candidates are compared
    in full, so that only what is missed counts, not what is compared in vain.
    """
    for rows in range(num_perm, 0, -1):
        bands = num_perm // rows
        chance = 1 - (1 - threshold**rows) ** bands
        if chance >= WANTED:
            return Bands(bands, rows, chance)
    return Bands(num_perm, 1, 1 - (1 - threshold) ** num_perm)


def require_rensa() -> None:
    """Tell at once, before anything is computed, that `rensa` is not there.

    Raises:
        MissingDependency: it is not installed.
    """
    if not is_installed("rensa"):
        raise MissingDependency("rensa is not installed, which finds near copies: pip install rensa")


def minhash_join(
    texts: Sequence[str],
    threshold: float,
    *,
    inputs: Sequence[str] = (),
    known: int = 0,
    size: int = 5,
    num_perm: int = 128,
    seed: int = 0,
) -> MinHashMatches:
    """Drop each document whose Jaccard similarity with an earlier kept one is greater than `threshold`.

    Where either has an input, that of their instructions and that of their inputs must both be. Two that differ
    in signs alone are never close. No document is
    dropped wrongly: the similarity is that of the shingles themselves. Some are missed, those whose sketch shares
    no band with that of a document they are close to, or is far from it. Of several close ones the closest is
    named, of equals the earliest. Memory beside the texts: for each kept one a sketch of 4 `num_perm` bytes and
    an entry for each band.

    Args:
        texts: the documents. One without words is close to nothing.
        inputs: what stands apart from each text, "" where nothing does; by default nowhere.
        known: the first so many documents, of a reference, are kept whatever they are close to.
        threshold: between 0 and 1, both excluded.
        size: words of a shingle.
        num_perm: numbers of a sketch, at most; more find more and cost more.
        seed: of the hash functions. The same seed gives the same matches.

    Raises:
        MissingDependency: `rensa` is not installed.

    Source: Broder (1997), On the resemblance and containment of documents.
    """
    require_rensa()
    from rensa import RMinHash, RMinHashLSH

    bands, rows, _ = lsh_bands(threshold, num_perm)
    index = RMinHashLSH(threshold, bands * rows, bands)
    of = _documents(texts, inputs, size)
    nearest = np.full(len(texts), -1, np.int64)
    nearness = np.full(len(texts), np.nan)
    spared = np.zeros(len(texts), np.bool_)
    kept: dict[int, RMinHash] = {}
    # In a templated set most candidates are far below the threshold, and their sketches say so: a sketch is 5
    # standard deviations off once in three million.
    least = threshold - 5 * sqrt(threshold * (1 - threshold) / (bands * rows))
    for start in range(0, len(texts), BLOCK):
        block = {at: of(at) for at in range(start, min(start + BLOCK, len(texts)))}
        block = {at: own for at, own in block.items() if own.all}
        sketches = RMinHash.from_token_sets([list(own.all) for own in block.values()], bands * rows, seed)
        for (at, own), sketch in zip(block.items(), sketches, strict=True):
            best, most = -1, threshold
            for other in sorted(index.query(sketch)) if at >= known else ():
                if sketch.jaccard(kept[other]) < least:
                    continue
                found = similarity(own, of(other))
                if found > most:
                    if differ_in_signs(own, of(other)):
                        spared[at] = True
                    else:
                        best, most = other, found
            if best < 0:
                index.insert(at, sketch)
                kept[at] = sketch
            else:
                nearest[at], nearness[at] = best, most
    return MinHashMatches(nearest, nearness, spared & (nearest < 0))


def measured_recall(
    texts: Sequence[str],
    matches: MinHashMatches,
    threshold: float,
    *,
    inputs: Sequence[str] = (),
    known: int = 0,
    size: int = 5,
    seed: int = 0,
) -> Recall:
    """What `minhash_join` found of a sample's duplicates, by comparing the sample with every kept document.

    Two documents closer than the threshold share one at least of any `n - ceil(threshold * n) + 1` of the first
    one's n shingles. Those that are rarest in the sample are looked for in every kept document.
    """
    of = _documents(texts, inputs, size)
    order = np.random.default_rng(seed).permutation(len(texts)).tolist()
    sample: dict[int, Document] = {}
    for at in order:
        if len(sample) == SAMPLE:
            break
        if at >= known and (own := of(at)).all:
            sample[at] = own
    often = Counter(shingle for own in sample.values() for shingle in own.all)
    holders: dict[str, list[int]] = {}
    for at, own in sample.items():
        rarest = sorted(own.all, key=lambda shingle: (often[shingle], shingle))
        for shingle in rarest[: len(rarest) - ceil(threshold * len(rarest)) + 1]:
            holders.setdefault(shingle, []).append(at)
    close: set[int] = set()
    for before in np.flatnonzero(matches.nearest < 0).tolist():
        own = of(before)
        asked = {at for shingle in own.all & holders.keys() for at in holders[shingle] if at > before}
        near = (at for at in asked - close if similarity(own, sample[at]) > threshold)
        close.update(at for at in near if not differ_in_signs(own, sample[at]))
    return Recall(len(close), int((matches.nearest[list(close)] >= 0).sum()))


def _documents(texts: Sequence[str], inputs: Sequence[str], size: int) -> Callable[[int], Document]:
    return lru_cache(HELD)(lambda at: document(texts[at], inputs[at] if inputs else "", size))
