"""The search index over benchmark items: their tokens, their distinctive n-grams, and the seeds of alignments.

Everything is a numpy array, since the search (`leak_kernel.scan`) is compiled. Three hash tables point into the
tokens of the items:

- `grams`: each n-gram that occurs in one item or one family of items only, for exact overlap and coverage;
- `seeds`: n-grams of 3 masked tokens, from which an edited copy is aligned with its item;
- `whole`: items and cores shorter than an n-gram, which must occur in full.

A core is the part of an item that asks (the question of a multiple-choice item, the docstring of a function). A
masked token stands for any number, and a wild token for a name: both may differ in an edited copy at no cost.
"""

from __future__ import annotations

import functools
import re
import unicodedata
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from factory.data.benchmark import Item
from factory.data.text import rouge_tokens
from factory.steps.dedup.leaks.families import families_of
from factory.steps.dedup.leaks.tokens import (
    ACCENT,
    DIGIT,
    LETTER,
    LINE_END,
    NUMBER,
    NUMERAL,
    UNSPACED,
    Alphabet,
    Codes,
    Flags,
    Grams,
    Ints,
    Items,
    Room,
    Words,
    fill_table,
    gram_hashes,
    tokenise_one,
)

LAST_CODE = 0x323B0  # first code point after the last script with letters
SEED = 3  # tokens of a seed: an edited copy must share so many in a row with its item to be aligned with it
COMMON_SEED = 30  # a seed that occurs in more items than this is a common phrase, and is left out
CORE = 16  # fewest tokens of a core: "which of the following is not a feature of ..." alone is no question
CORE_LINE = 8  # fewest tokens of a core that is searched as a line of its own
SURE = 2  # tokens subtracted from an item's length before its allowed edits are computed, so that short items get fewer
OTHER_NUMBERS = 1 / 2  # of the edits are left to a copy whose numbers are others: only its words tell it
FEW = 2  # edits that such a copy may have in any case
_ACCENTS = {chr(code) for code in range(0x300, 0x370)}
_NUMBER_WORDS = re.findall(
    r"\w+",
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen "
    "seventeen eighteen nineteen twenty thirty forty fifty sixty seventy eighty ninety hundred thousand million",
)
_CAPITALISED = re.compile(r"\b[A-Z][a-z]{2,}\b")
_MIDDLE = re.compile(r"(?<=[a-z,] )[A-Z][a-z]{2,}\b")
_LOWER_CASE = re.compile(r"\b[a-z]{3,}\b")
# Cyrillic letters that no eye tells from Latin ones (Unicode TR39), both cases alike, and the Greek omicron.
_LOOK_ALIKES = dict(zip("аеорсухіјѕһԁԛԝӏкмнтвο", "aeopcyxijshdqwlkmhtbo", strict=True))
_NUMERALS = "零〇一二三四五六七八九十百千万亿两萬億兩"


class Index(NamedTuple):
    """What `scan` searches with. An entry is a distinct token sequence; items of equal tokens share one.

    owners: for each entry the numbers of its items
    plain: the tokens of the entries
    masked: the same, with numbers masked and wild tokens marked
    grams: n-grams that occur in entries of one family only (`families.families_of`)
    seeds: n-grams of masked tokens that occur in few entries
    whole: short entries and short cores, each in full, with its number of tokens
    """

    owners: list[list[int]]
    alphabet: Alphabet
    plain: Items
    masked: Items
    grams: Grams
    seeds: Grams
    whole: Grams


@functools.cache
def alphabet() -> Alphabet:
    """The class of each code point (letter, digit, ...), and the letter it is compared as: lower case, no accent.

    Tokens made by it are those of `text.rouge_tokens` after NFKC, but for accents, for Cyrillic letters that look Latin
    (compared as these, in Russian too: both sides are) and for traditional characters (compared as simplified ones,
    one by one, by OpenCC's table).
    """
    kind = np.zeros(LAST_CODE, np.uint8)
    fold = np.arange(LAST_CODE, dtype=np.uint32)
    for code in range(LAST_CODE):
        if 0xD800 <= code < 0xE000:
            continue
        character = chr(code)
        folded = unicodedata.normalize("NFKC", character).lower()
        if len(folded) != 1:
            folded = character
        parts = unicodedata.normalize("NFD", folded)
        if len(parts) > 1 and all(accent in _ACCENTS for accent in parts[1:]):
            folded = parts[0]
        tokens = len(rouge_tokens(folded + folded))
        if tokens:
            kind[code] = UNSPACED if tokens == 2 else DIGIT if folded.isdecimal() else LETTER
            fold[code] = ord(_LOOK_ALIKES.get(folded, folded))
        elif len(character.splitlines()[0]) == 0:
            kind[code] = LINE_END
    simplified = np.arange(LAST_CODE, dtype=np.uint32)
    for traditional, simple in _simplified():
        simplified[traditional] = simple
    fold = simplified[fold]
    kind[[ord(accent) for accent in _ACCENTS]] = ACCENT
    for numeral in _NUMERALS:
        kind[ord(numeral)] = NUMERAL
    empty = Alphabet(kind, fold, np.zeros(2, np.uint64))
    hashes = [_tokens(word, empty)[0][0] for word in _NUMBER_WORDS]
    return Alphabet(kind, fold, _hash_set(hashes))


def _simplified() -> Iterator[tuple[int, int]]:
    """Each traditional character, and the simplified one that stands for it."""
    from opencc import OpenCC

    characters = [chr(code) for code in (*range(0x3400, 0x4DC0), *range(0x4E00, 0xA000))]
    converted = OpenCC("t2s").convert("\n".join(characters)).split("\n")
    for character, simple in zip(characters, converted, strict=True):
        if simple != character and len(simple) == 1 and ord(simple) < LAST_CODE:
            yield ord(character), ord(simple)


def _hash_set(hashes: Sequence[int]) -> Words:
    table = np.zeros(256, np.uint64)
    for key in hashes:
        slot = (int(key) >> 1) & 255
        while table[slot]:
            slot = (slot + 1) & 255
        table[slot] = key
    return table


def code_points(texts: Sequence[str]) -> tuple[Codes, Ints]:
    """The code points of all texts, concatenated; text i is codes[offsets[i]:offsets[i + 1]]."""
    offsets = np.zeros(len(texts) + 1, np.int64)
    np.cumsum([len(text) for text in texts], out=offsets[1:])
    # A bytearray, because the compiled code takes no read-only array.
    codes = np.frombuffer(bytearray("".join(texts).encode("utf-32-le", "surrogatepass")), np.uint32)
    return codes, offsets


def make_room(longest: int, items: int = 0, tokens: int = 0, most: int = 0) -> Room:
    """Work arrays of the search, allocated once.

    Args:
        longest: characters of the longest text.
        items, tokens: number of entries, and of their tokens.
        most: most edits that an entry may have.
    """

    def ints(size: int) -> Ints:
        return np.zeros(size, np.int64)

    width = 3 * most + 8
    return Room(
        np.zeros(longest, np.uint64), ints(longest), ints(longest), ints(longest + 1),
        np.zeros(longest, np.uint64), ints(longest), ints(longest), np.zeros(longest, np.uint64), ints(2 * tokens + 1),
        ints(items), np.full(items, -1), ints(2 * items), ints(items), ints(items), ints(items), ints(items),
        ints(2 * items), ints(2 * items), np.full(tokens, -1), np.full(tokens, -1),
        ints(width), ints(width), ints(width), ints(width),
    )  # fmt: skip


def _tokens(text: str, letters: Alphabet) -> tuple[Words, Words, Room]:
    """The tokens of a text, its masked tokens, and the work arrays that hold their positions."""
    codes, _ = code_points([text])
    room = make_room(len(codes))
    count, masked, _ = tokenise_one(codes, letters, room)
    return room.tokens[:count], room.masked[:masked], room


def build_index(items: Sequence[Item], ngram: int, edits: float, shortest: int) -> Index:
    """Build the index of these items.

    Args:
        ngram: tokens of the n-grams that coverage is counted by; a shorter item is searched in full.
        edits: share of an item's tokens that an edited copy may differ by. Wild tokens do not count.
        shortest: fewest such tokens of an item for which edited copies are searched.
    """
    letters = alphabet()
    texts: dict[bytes, int] = {}
    owners: list[list[int]] = []
    plain: list[Words] = []
    masked: list[Words] = []
    cores: list[tuple[int, int]] = []
    lines: list[tuple[int, int]] = []
    masked_cores: list[tuple[int, int]] = []
    wild: list[Flags] = []
    values: list[Words] = []
    names = _proper_names(items)
    for number, item in enumerate(items):
        tokens, mask, room = _tokens(item.text, letters)
        at = texts.setdefault(tokens.tobytes(), len(owners))
        if at < len(owners):
            owners[at].append(number)
            continue
        owners.append([number])
        plain.append(tokens.copy())
        masked.append(mask.copy())
        cores.append(_within(item.core, room.starts[: len(tokens)], CORE))
        lines.append(_within(item.core, room.starts[: len(tokens)], CORE_LINE))
        masked_cores.append(_within(item.core, room.masked_starts[: len(mask)], CORE))
        wild.append(_wild(item, names, room.masked_starts[: len(mask)]))
        values.append(room.values[: len(mask)].copy())
    exact, exact_items = _items(plain, cores)
    loose, loose_items = _items(masked, masked_cores)
    families = families_of(loose)
    grams = _own_grams(exact, ngram, exact_items, families)
    loose.wild[:] = np.concatenate([*wild, np.zeros(0, np.uint8)])
    loose.values[:] = np.concatenate([*values, np.zeros(0, np.uint64)])
    firm = np.concatenate([[0], np.cumsum(loose.wild == 0)])
    sizes = firm[_ends(loose)] - firm[_starts(loose)]
    loose.most[:] = np.where(sizes >= shortest, ((sizes - SURE) * edits + 1e-9).astype(np.int64), -1)
    worded = np.concatenate([[0], np.cumsum((loose.wild == 0) & (loose.tokens != NUMBER))])
    words = worded[_ends(loose)] - worded[_starts(loose)]
    few = np.maximum(words * OTHER_NUMBERS * edits, FEW)
    few = np.minimum(few, np.maximum(words - SURE, 0) * edits)
    loose.loose[:] = np.where(words >= shortest, (few + 1e-9).astype(np.int64), -1)
    whole = _whole(exact, ngram, np.asarray(lines, np.int64).reshape(-1, 2), families)
    return Index(owners, letters, exact, loose, grams, _seeds(loose, loose_items), whole)


def _within(core: tuple[int, int], starts: Ints, least: int) -> tuple[int, int]:
    """The token range of a core, from its character range; (0, 0) where it has fewer than `least` tokens."""
    begin, end = np.searchsorted(starts, core)
    return (int(begin), int(end)) if end - begin >= least else (0, 0)


def _items(tokens: Sequence[Words], cores: Sequence[tuple[int, int]]) -> tuple[Items, Ints]:
    """The entries' tokens, concatenated, and for each token the number of its entry."""
    first = np.zeros(len(tokens) + 1, np.int64)
    np.cumsum([len(part) for part in tokens], out=first[1:])
    item_of = np.repeat(np.arange(len(tokens)), np.diff(first))
    joined = np.concatenate([*tokens, np.zeros(0, np.uint64)])
    core = np.asarray(cores, np.int64).reshape(-1)
    none, loose = np.full(2 * len(tokens), -1), np.full(2 * len(tokens), -1)
    own, wild = np.zeros(2 * len(tokens), np.int64), np.zeros(len(joined), np.uint8)
    return Items(
        first, item_of, joined, core, own, none, loose, wild, np.zeros(len(joined), np.uint64)
    ), item_of


def _starts(items: Items) -> Ints:
    """Token positions at which each entry and its core begin, alternating."""
    return np.stack([items.first[:-1], items.first[:-1] + items.core[::2]], axis=1).ravel()


def _ends(items: Items) -> Ints:
    """Token positions at which each entry and its core end, alternating."""
    return np.stack([items.first[1:], items.first[:-1] + items.core[1::2]], axis=1).ravel()


def _proper_names(items: Sequence[Item]) -> set[str]:
    """Words taken as proper names: never in lower case, or within sentences more than twice as often capitalised."""
    lower: Counter[str] = Counter()
    middle: Counter[str] = Counter()
    capitalised: set[str] = set()
    for item in items:
        lower.update(_LOWER_CASE.findall(item.text))
        middle.update(_MIDDLE.findall(item.text))
        capitalised.update(_CAPITALISED.findall(item.text))
    return {word for word in capitalised if middle[word] > 2 * lower[word.lower()] or not lower[word.lower()]}


def _wild(item: Item, names: set[str], starts: Ints) -> Flags:
    """Flags of the wild tokens: proper names, and the name of the function to be written."""
    wild = np.zeros(len(starts), np.uint8)
    spans = [match.span() for match in _CAPITALISED.finditer(item.text) if match[0] in names]
    if item.function:
        spans += [match.span() for match in re.finditer(rf"\b{re.escape(item.function)}\b", item.text)]
    for begin, end in spans:
        wild[np.searchsorted(starts, begin) : np.searchsorted(starts, end)] = 1
    return wild


def _grams_at(items: Items, size: int, item_of: Ints) -> tuple[Words, Ints]:
    """Hashes of all n-grams within entries, sorted, and the token position of each."""
    places = np.flatnonzero(np.arange(len(item_of)) + size <= items.first[item_of + 1])
    keys = np.zeros(len(places), np.uint64)
    gram_hashes(items.tokens, places, size, keys)
    order = np.argsort(keys, kind="stable")
    return keys[order], places[order]


def _own_grams(items: Items, size: int, item_of: Ints, families: Ints) -> Grams:
    """The n-grams that occur in entries of one family only, each at its first position in each of them.

    Also fills `items.own`: how many tokens of each entry, and of its core, lie in such n-grams.
    """
    keys, places = _grams_at(items, size, item_of)
    if not len(keys):
        return _table(size, keys, places, places, places)
    begin = np.flatnonzero(np.concatenate([[True], keys[1:] != keys[:-1]]))
    family = families[item_of[places]]
    alone = np.minimum.reduceat(family, begin) == np.maximum.reduceat(family, begin)
    # Of one entry's positions, which lie in order, the first.
    first = np.concatenate([[True], (keys[1:] != keys[:-1]) | (item_of[places[1:]] != item_of[places[:-1]])])
    first &= np.repeat(alone, np.diff(np.concatenate([begin, [len(keys)]])))
    keys, places = keys[first], places[first]
    inside = np.zeros(len(item_of) + size, bool)
    for step in range(size):
        inside[places + step] = True
    owned = np.concatenate([[0], np.cumsum(inside[: len(item_of)])])
    items.own[:] = owned[_ends(items)] - owned[_starts(items)]
    begin = np.flatnonzero(np.concatenate([[True], keys[1:] != keys[:-1]])) if len(keys) else np.zeros(0, int)
    count = np.diff(np.concatenate([begin, [len(keys)]])).astype(np.int64)
    return _table(size, keys[begin], begin, count, places)


def _seeds(items: Items, item_of: Ints) -> Grams:
    """The n-grams of `SEED` tokens that occur at most `COMMON_SEED` times, with all their positions."""
    keys, places = _grams_at(items, SEED, item_of)
    if not len(keys):
        return _table(SEED, keys, places, places, places)
    begin = np.flatnonzero(np.concatenate([[True], keys[1:] != keys[:-1]]))
    count = np.diff(np.concatenate([begin, [len(keys)]]))
    rare = count <= COMMON_SEED
    return _table(SEED, keys[begin[rare]], begin[rare], count[rare], places)


def _whole(items: Items, size: int, cores: Ints, families: Ints) -> Grams:
    """Entries shorter than an n-gram, and cores shorter than `CORE`, each in full.

    One that entries of several families have is left out; of a family, the first entry stands for all.

    Args:
        cores: token range of each entry's core; empty where it has none.
    """
    lengths = np.diff(items.first)
    short = np.flatnonzero((lengths > 2) & (lengths < size))
    of_cores = cores[:, 1] - cores[:, 0]
    cored = np.flatnonzero((of_cores > 0) & (of_cores < CORE))
    first = np.concatenate([items.first[short], items.first[cored] + cores[cored, 0]])
    counts = np.concatenate([lengths[short], of_cores[cored]])
    keys = np.zeros(len(first), np.uint64)
    for at, (begin, count) in enumerate(zip(first.tolist(), counts.tolist(), strict=True)):
        keys[at] = _hash(items.tokens[begin : begin + count])
    family = families[np.concatenate([short, cored])]
    _, once, which = np.unique(keys, return_index=True, return_inverse=True)
    shared = np.zeros(len(once), bool)
    shared[which[family != family[once][which]]] = True
    once = once[~shared]
    return _table(max(size, CORE) - 1, keys[once], np.arange(len(once)), counts[once], first[once])


def _hash(tokens: Words) -> np.uint64:
    key = np.zeros(1, np.uint64)
    gram_hashes(tokens, np.zeros(1, np.int64), len(tokens), key)
    return np.uint64(key[0])


def _table(size: int, keys: Words, first: Ints, count: Ints, places: Ints) -> Grams:
    """A hash table with open addressing: for each key its positions, places[first : first + count]."""
    room = 1 << max(4, (2 * len(keys)).bit_length())
    bitmap = np.zeros(max(1, room // 4), np.uint64)  # 16 bits for each slot
    table = np.zeros(room, np.uint64)
    slots = np.zeros(len(keys), np.int64)
    fill_table(np.ascontiguousarray(keys), slots, bitmap, table, np.arange(len(keys)))
    firsts, counts = np.zeros(room, np.int64), np.zeros(room, np.int64)
    firsts[slots], counts[slots] = first, count
    return Grams(np.asarray([size]), bitmap, table, firsts, counts, np.ascontiguousarray(places))
