"""Different spellings of one tag: what counts as the same name, and which name stays."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Hashable, Mapping
from typing import TypeVar

from factory.data.text import normal_form

Key = TypeVar("Key", bound=Hashable)

# "+" and "#" stay where they end a word: C, C++ and C# are three intentions.
_SPECIAL = re.compile(r"(?<![\w+#])[+#]+|[^\w+#]+|_+")
_HAN = "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
_HAN_SPACE = re.compile(rf"(?<=[{_HAN}]) | (?=[{_HAN}])")
_ENGLISH_WORD = re.compile(r"[a-z]{3,}")


def folded(tag: str) -> str:
    """The tag without case, in NFKC form, white space folded."""
    return normal_form(tag)


def plain_words(tag: str) -> str:
    """`folded`, with special characters as spaces, and no space beside a Han character: "Python编程"."""
    words = " ".join(_SPECIAL.sub(" ", folded(tag)).split())
    return _HAN_SPACE.sub("", words) or folded(tag)


def stemmed(tag: str) -> str:
    """`plain_words`, with each English word reduced to its stem (Porter2); other scripts have none."""
    return _ENGLISH_WORD.sub(lambda word: _stem(word[0]), plain_words(tag))


@functools.cache
def _stemmer() -> Callable[[str], str]:
    import snowballstemmer

    stem: Callable[[str], str] = snowballstemmer.stemmer("english").stemWord
    return stem


@functools.lru_cache(maxsize=1 << 16)
def _stem(word: str) -> str:
    return _stemmer()(word)


def most_used(counts: Mapping[str, int], names: list[str]) -> str:
    """The name that stays of several: the most used, then the shortest, then the first by its characters."""
    return min(names, key=lambda name: (-counts[name], len(name), name))


def merge_by_key(counts: Mapping[str, int], key: Callable[[str], Key]) -> dict[str, str]:
    """Bring names of the same key together under the most used of them: {name: the name that stays}.

    Names that stay as they are, are not in it. The result does not depend on the order of `counts`.
    """
    families: dict[Key, list[str]] = {}
    for name in counts:
        families.setdefault(key(name), []).append(name)
    merged: dict[str, str] = {}
    for names in families.values():
        if len(names) > 1:
            stays = most_used(counts, names)
            merged |= {name: stays for name in names if name != stays}
    return merged
