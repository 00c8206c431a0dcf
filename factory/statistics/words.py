"""Lengths, languages, and how often words repeat themselves."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np

from factory.data.text import detect_language, rouge_tokens, word_count


def distinct_n(texts: Iterable[str], n: int) -> float | None:
    """The share of different n-grams among all n-grams of the texts; None where there is none.

    Tokens are `rouge_tokens`, so that a Chinese character is one; no n-gram runs over the end of a text. The
    measure falls as a set grows: compare sets of one size, or even samples of them.

    Source: Li et al., A Diversity-Promoting Objective Function (arXiv 1510.03055).
    """
    if n < 1:
        raise ValueError("n is at least 1")
    places: dict[str, int] = {}
    numbers: list[int] = []
    lengths: list[int] = []
    for text in texts:
        tokens = rouge_tokens(text)
        numbers.extend(places.setdefault(token, len(places)) for token in tokens)
        lengths.append(len(tokens))
    tokens_of = np.array(numbers, np.int64)
    # Where an n-gram may begin: at least n tokens before the end of its text.
    left = np.concatenate([np.arange(length, 0, -1) for length in lengths] or [np.zeros(0, np.int64)])
    starts = np.flatnonzero(left >= n)
    if not len(starts):
        return None
    # Numbering the different (n-1)-grams keeps each key below 2^63, whatever n is.
    grams = tokens_of[starts]
    for shift in range(1, n):
        _, grams = np.unique(grams, return_inverse=True)
        grams = grams * len(places) + tokens_of[starts + shift]
    return len(np.unique(grams)) / len(starts)


class Spread(NamedTuple):
    """Numbers at a glance: how many, their mean, standard deviation, smallest, quartiles, largest."""

    values: int
    mean: float
    deviation: float
    smallest: float
    lower: float
    median: float
    upper: float
    largest: float


def spread(values: Sequence[float]) -> Spread | None:
    """The mean and the spread of numbers; None where there are none."""
    if not len(values):
        return None
    array = np.asarray(values, np.float64)
    return Spread(
        len(array),
        float(array.mean()),
        float(array.std()),
        *np.quantile(array, [0, 0.25, 0.5, 0.75, 1]).tolist(),
    )


def lengths(texts: Iterable[str]) -> Spread | None:
    """The spread of the lengths of the texts that are not blank, in words (Chinese: characters)."""
    return spread([word_count(text) for text in texts if text.strip()])


def language_mix(texts: Iterable[str], given: Iterable[str] | None = None) -> Counter[str]:
    """How many texts are in each language: the given one, else the guess by script, else "unknown"."""
    if given is None:
        return Counter(detect_language(text) or "unknown" for text in texts)
    pairs = zip(texts, given, strict=True)
    return Counter(language or detect_language(text) or "unknown" for text, language in pairs)
