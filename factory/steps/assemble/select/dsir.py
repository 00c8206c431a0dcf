"""DSIR: rows drawn so that their words are spread as those of the target are."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from factory.data.text import UNSPACED
from factory.statistics.arrays import Floats, Ints

BUCKETS = 10_000
"""Buckets that n-grams are hashed into, as published."""
SMALL = 1e-8
"""What is added to a share before its logarithm is taken, as in the authors' code."""
PRIOR = 10.0
"""With it, a thousand of 30,000 rows lay nearer to the whole of a benchmark than without and, but for one case, than
random ones, whether the target was all of MT-Bench, GSM8K or Chinese seed tasks, ten items or one."""
RANDOM_DRAWS = 5
"""Random draws that the draw's divergence from the target is held against."""
_BATCH = 1 << 24
"""Bytes of text hashed at a time."""

Buckets = NDArray[np.uint16]


class Grams(NamedTuple):
    """The hashed n-grams of texts, two bytes each: those of row i are `buckets[starts[i] : starts[i + 1]]`.

    buckets: shape (n-grams of all rows,)
    starts: shape (rows + 1,)
    """

    buckets: Buckets
    starts: Ints

    @property
    def tokens(self) -> Ints:
        """How many tokens each row has, shape (rows,): of n tokens there are n unigrams and n - 1 bigrams."""
        return (np.diff(self.starts) + 1) // 2

    def shares(self) -> Floats:
        """The share of all n-grams that falls to each bucket, shape (BUCKETS,).

        Raises:
            ValueError: there is no n-gram.
        """
        if not len(self.buckets):
            raise ValueError("the texts hold no word")
        counts = np.bincount(self.buckets, minlength=BUCKETS)
        shares: Floats = counts / counts.sum()
        return shares


def hashed_grams(texts: Sequence[str]) -> Grams:
    """The unigrams and bigrams of each text, numbered by SHA-256 modulo `BUCKETS`.

    Tokens are NLTK's WordPunct, lower-cased: runs of letters, digits and underscores, and runs of other signs; but
    each character of a script written without spaces (Han, kana, Thai, ...) is a token of its own, since a run of
    them is a sentence. A text without such characters has exactly the published features.

    Memory is that of the texts at most: four bytes a token.
    """
    from factory.steps.assemble.select.dsir_kernel import hash_grams

    kinds = _kinds()
    found: list[Buckets] = []
    counts: list[Ints] = []
    for joined, ends in _batches(texts):
        text = np.frombuffer(joined or bytearray(1), np.uint8)
        grams = np.empty(2 * len(joined) + 2, np.uint16)
        of_rows = np.empty(len(ends), np.int64)
        number = hash_grams(text, ends, kinds, BUCKETS, grams, of_rows)
        found.append(grams[:number].copy())
        counts.append(of_rows)
    starts = np.concatenate([np.zeros(1, np.int64), *counts]).cumsum()
    return Grams(np.concatenate([np.zeros(0, np.uint16), *found]), starts)


def joined(parts: Sequence[Grams]) -> Grams:
    """The n-grams of texts that were hashed in parts, in order."""
    counts = [np.diff(part.starts) for part in parts]
    starts = np.concatenate([np.zeros(1, np.int64), *counts]).cumsum()
    return Grams(np.concatenate([part.buckets for part in parts]), starts)


def log_weights(pool: Grams, target: Grams, prior: float = 0.0) -> Floats:
    """The logarithm of each row's importance weight, shape (rows,): how much likelier it is under the target.

    log w = sum over its n-grams of log(target share + 1e-8) - log(pool share + 1e-8), as published, where `prior` is 0.

    prior: n-grams, spread as those of the pool, that are added to the target's, for each one it has. A small target
        has few of the n-grams of its own language: without a prior each of the others counts -9 or so, whatever it is,
        and the rows of a word or two win. With one, what the target does not tell of is about as likely as in the pool
        (a Dirichlet prior).

    Raises:
        ValueError: the target, or the pool, holds no word.
    """
    wanted, raw = target.shares(), pool.shares()
    wanted = (wanted + prior * raw) / (1 + prior)
    differ = np.log(wanted + SMALL) - np.log(raw + SMALL)
    sums = np.concatenate([[0.0], np.cumsum(differ[pool.buckets])])
    weights: Floats = sums[pool.starts[1:]] - sums[pool.starts[:-1]]
    return weights


def gumbel_top(weights: Floats, size: int, random: np.random.Generator) -> Ints:
    """So many different rows, each drawn with a chance as its weight, one after another: Gumbel top-k.

    weights: logarithms, shape (rows,); a row of minus infinity is never drawn
    Returns the rows from the first drawn on, fewer where fewer can be drawn.

    Source: Kool et al. (arXiv 1903.06059); DSIR draws so.
    """
    noisy = weights + random.gumbel(size=len(weights))
    order = np.argsort(-noisy, kind="stable")[: min(size, int(np.isfinite(weights).sum()))]
    return order.astype(np.int64)


class Drawn(NamedTuple):
    """What DSIR drew.

    rows: from the first drawn on
    weights: the logarithm of each pool row's weight, shape (rows of the pool,)
    wordless: rows without a word, which cannot be drawn
    divergence: KL divergence (nats) of the target's n-gram shares from those of what was drawn
    at_random: the mean of the same over `RANDOM_DRAWS` random draws of as many rows; None where nothing was drawn
    nearest_at_random: the least of them
    """

    rows: Ints
    weights: Floats
    wordless: int
    divergence: float | None
    at_random: float | None
    nearest_at_random: float = float("inf")


def dsir(pool: Grams, target: Grams, size: int, random: np.random.Generator, prior: float = PRIOR) -> Drawn:
    """Draw rows of the pool without replacement, by importance weights of hashed n-grams.

    Two things are otherwise than in the published program, which is made for texts cut to one length and for large
    targets: it leaves out texts of fewer than 100 tokens, which are most rows of instruction data, and here every row
    with a word can be drawn; and it has no `prior` (see `log_weights`).

    Raises:
        ValueError: the target, or the pool, holds no word.

    Source: Xie et al., Data Selection for Language Models via Importance Resampling (arXiv 2302.03169).
    """
    weights = log_weights(pool, target, prior)
    wordless = pool.starts[1:] == pool.starts[:-1]
    weights[wordless] = -np.inf
    rows = gumbel_top(weights, size, random)
    if not len(rows):
        return Drawn(rows, weights, int(wordless.sum()), None, None)
    of_target, alike = target.shares(), np.where(wordless, -np.inf, 0.0)

    def divergence(drawn: Ints) -> float:
        return kl_divergence(of_target, taken(pool, drawn).shares())

    chance = [divergence(gumbel_top(alike, size, random)) for _ in range(RANDOM_DRAWS)]
    return Drawn(rows, weights, int(wordless.sum()), divergence(rows), float(np.mean(chance)), min(chance))


def taken(grams: Grams, rows: Ints) -> Grams:
    """The n-grams of some rows, in that order."""
    counts = np.diff(grams.starts)[rows]
    starts = np.concatenate([[0], np.cumsum(counts)])
    places = np.arange(starts[-1]) + np.repeat(grams.starts[rows] - starts[:-1], counts)
    return Grams(grams.buckets[places], starts)


def kl_divergence(first: Floats, second: Floats) -> float:
    """KL(first || second) of two sets of shares, in nats, `SMALL` added to each as in the weights."""
    p, q = first + SMALL, second + SMALL
    p, q = p / p.sum(), q / q.sum()
    return float((p * np.log(p / q)).sum())


def _batches(texts: Sequence[str]) -> Iterator[tuple[bytearray, Ints]]:
    """The texts lower-cased, as UTF-8 one behind another, and where each ends."""
    parts: list[bytes] = []
    size = 0
    for text in texts:
        part = text.lower().encode("utf-8", "replace")
        parts.append(part)
        size += len(part)
        if size >= _BATCH:
            yield bytearray().join(parts), np.cumsum([len(part) for part in parts], dtype=np.int64)
            parts, size = [], 0
    if parts:
        yield bytearray().join(parts), np.cumsum([len(part) for part in parts], dtype=np.int64)


@functools.cache
def _kinds() -> NDArray[np.uint8]:
    """The class of each code point, as `dsir_kernel` names them."""
    from factory.steps.assemble.select.dsir_kernel import PUNCTUATION, SINGLE, SPACE, WORD

    kinds = np.full(0x110000, PUNCTUATION, np.uint8)
    every = "".join(map(chr, (*range(0xD800), *range(0xE000, 0x110000))))
    for pattern, kind in ((r"\w", WORD), (r"\s", SPACE), (f"[{UNSPACED}]", SINGLE)):
        kinds[[ord(letter) for letter in re.findall(pattern, every)]] = kind
    return kinds
