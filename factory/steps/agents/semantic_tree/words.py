"""Which content words a text has of another: by stem in English, by characters in Chinese."""

from __future__ import annotations

import functools
import re
from collections import Counter
from collections.abc import Callable, Iterable
from itertools import pairwise

from factory.data.text import rouge_tokens
from factory.steps.agents.flaws.stop_words import content_words

_HAN = re.compile("[\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff]")


def terms(text: str) -> set[str]:
    """The content words of a text as they are compared: English stems, single Han characters.

    Of a Chinese word of two characters and more that is a stop word, all of them: 比较 may be "rather", and alone it
    is "compare".
    """
    return _stems(_words(text))


def new_terms(text: str, than: str) -> set[str]:
    """The content words of `text` that `than` has not."""
    return terms(text) - _stems(rouge_tokens(than))


def more_often(text: str, than: str) -> list[str]:
    """The content words that stand more often in `text` than in `than`, as they are compared, in order."""
    found = Counter(map(_stem, _words(text)))
    return sorted(found - Counter(map(_stem, rouge_tokens(than))))


def share_held(wanted: str, text: str) -> float:
    """The share of the content words of `wanted` that `text` holds; 1 where it has none."""
    asked = terms(wanted)
    return len(asked & _stems(rouge_tokens(text))) / len(asked) if asked else 1.0


def holds(text: str, words: str) -> bool:
    """Whether a text holds all content words of `words`; of Chinese also its pairs of neighbours, at least half."""
    said = rouge_tokens(text)
    if not terms(words) <= _stems(said):
        return False
    pairs = _pairs(_words(words))
    # The characters alone may stand anywhere in a text; half of the pairs stay where a word is put between.
    return 2 * len(pairs & _pairs(said)) >= len(pairs)


def _words(text: str) -> list[str]:
    if found := content_words(text):
        return found
    characters = [token for token in rouge_tokens(text) if _HAN.fullmatch(token)]
    return characters if len(characters) > 1 else []


def _pairs(words: Iterable[str]) -> set[str]:
    return {one + other for one, other in pairwise(words) if _HAN.fullmatch(one) and _HAN.fullmatch(other)}


def _stems(words: Iterable[str]) -> set[str]:
    return {_stem(word) for word in words}


@functools.lru_cache(maxsize=65536)
def _stem(word: str) -> str:
    return _stemmer()(word) if word.isascii() else word


@functools.cache
def _stemmer() -> Callable[[str], str]:
    import snowballstemmer

    stem: Callable[[str], str] = snowballstemmer.stemmer("english").stemWord
    return stem
