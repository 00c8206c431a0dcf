"""Which content words a text has of another: by stem in English, by character pairs in Chinese."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable
from itertools import pairwise

from factory.steps.agents.flaws.stop_words import content_words

_HAN = re.compile("[\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff]")


def terms(text: str) -> set[str]:
    """The content words of a text as they are compared: English stems, single Han characters."""
    return {_stem(word) for word in content_words(text)}


def new_terms(text: str, than: str) -> set[str]:
    """The content words of `text` that `than` has not; of Chinese those whose characters it has not all."""
    return terms(text) - terms(than)


def share_held(wanted: str, text: str) -> float:
    """The share of the content words of `wanted` that `text` holds; 1 where it has none."""
    asked = terms(wanted)
    return len(asked & terms(text)) / len(asked) if asked else 1.0


def holds(text: str, words: str) -> bool:
    """Whether a text holds all content words of `words`; of Chinese also its pairs of neighbours, at least half."""
    if not terms(words) <= terms(text):
        return False
    pairs = _pairs(content_words(words))
    if not pairs:
        return True
    # The characters alone may stand anywhere in a text; half of the pairs stay where a word is put between.
    return 2 * len(pairs & _pairs(content_words(text))) >= len(pairs)


def _pairs(words: Iterable[str]) -> set[str]:
    return {one + other for one, other in pairwise(words) if _HAN.fullmatch(one) and _HAN.fullmatch(other)}


@functools.lru_cache(maxsize=65536)
def _stem(word: str) -> str:
    return _stemmer()(word) if word.isascii() else word


@functools.cache
def _stemmer() -> functools.partial[str]:
    import snowballstemmer

    return functools.partial(snowballstemmer.stemmer("english").stemWord)
