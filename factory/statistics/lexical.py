"""How often texts repeat themselves: MTLD within a text, compression over a set."""

from __future__ import annotations

import gzip
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np

from factory.data.text import rouge_tokens
from factory.statistics.interval import Interval, mean_interval

FACTOR = 0.72
"""The type-token ratio at which a stretch of text is worn out."""
FEWEST_TOKENS = 50
"""Tokens of a text that MTLD is measured on, at least: of shorter ones it is mostly the unfinished stretch."""


def mtld(tokens: Sequence[str], factor: float = FACTOR) -> float | None:
    """The measure of textual lexical diversity: the mean stretch whose type-token ratio stays above `factor`.

    The text is read token by token; where the share of different tokens falls to the factor a stretch ends and the
    count begins anew. The unfinished last one counts as the part of the way that it has gone. Read forwards and
    backwards, and averaged. None where no token is said twice: nothing ever wears out.

    Source: McCarthy and Jarvis, Behavior Research Methods 42 (2010) 381-392.
    """
    forwards, backwards = _stretches(tokens, factor), _stretches(tokens[::-1], factor)
    if not forwards or not backwards:
        return None
    return len(tokens) * (1 / forwards + 1 / backwards) / 2


def _stretches(tokens: Sequence[str], factor: float) -> float:
    seen: set[str] = set()
    read, whole = 0, 0
    for token in tokens:
        seen.add(token)
        read += 1
        if len(seen) / read <= factor:
            seen.clear()
            read, whole = 0, whole + 1
    return whole + ((1 - len(seen) / read) / (1 - factor) if read else 0.0)


class TextDiversity(NamedTuple):
    """MTLD of the texts of a set.

    mean, interval: of the texts it is defined for, 95 %; None where there are too few
    texts: how many these are
    short: texts of fewer than `FEWEST_TOKENS` tokens, left out; unrepeated: those that say no token twice, as well
    """

    mean: float | None
    interval: Interval | None
    texts: int
    short: int
    unrepeated: int


def text_diversity(texts: Iterable[str]) -> TextDiversity:
    """The mean MTLD of texts, with its interval. Tokens are `rouge_tokens`: a Chinese character is one.

    Compare texts of one language: there are fewer different characters than words.
    """
    values: list[float] = []
    short = unrepeated = 0
    for text in texts:
        tokens = rouge_tokens(text)
        if len(tokens) < FEWEST_TOKENS:
            short += 1
            continue
        value = mtld(tokens)
        if value is None:
            unrepeated += 1
        else:
            values.append(value)
    mean = float(np.mean(values)) if values else None
    return TextDiversity(mean, mean_interval(values) if values else None, len(values), short, unrepeated)


def compression_ratio(texts: Iterable[str]) -> float | None:
    """How many times smaller gzip makes the texts, one a line, in UTF-8; None where there is nothing.

    The higher, the more they repeat each other; gzip looks back 32 KB only. A character of Chinese has three bytes
    that share much: compare sets of one language.

    Source: Shaib et al., Standardizing the Measurement of Text Diversity (arXiv 2403.00553).
    """
    whole = "\n".join(texts).encode("utf-8", "replace")
    return len(whole) / len(gzip.compress(whole, mtime=0)) if whole else None
