"""Texts as hashed tokens, and hash tables of their n-grams, in compiled loops. Importing it loads numba.

Texts are arrays of code points, tokens are 64-bit hashes, so that no Python string is made on the way.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import types
from numpy.typing import NDArray

from factory.statistics.compiled import compiled, compiled_at_once

Ints = NDArray[np.int64]
Words = NDArray[np.uint64]
Codes = NDArray[np.uint32]
Flags = NDArray[np.uint8]

SEPARATOR, LETTER, DIGIT, UNSPACED, NUMERAL, LINE_END, ACCENT = range(7)
"""Kinds of character. UNSPACED: a token of its own; NUMERAL: the same, and a number (Chinese).
ACCENT: a character of its own that belongs to the letter before it."""

NUMBER = np.uint64(0x6E756D626572)  # the masked token of every number
FACTOR = np.uint64(0x9E3779B97F4A7C15)  # of the rolling hash
UNDERSCORE = ord("_")
BY_WORDS, BY_EDITS, BY_WHOLE = range(3)


class Alphabet(NamedTuple):
    """What each code point is.

    kind: one of the kinds above
    fold: the code point that stands for it (lower case, half width, no accent)
    numbers: a hash table of the hashes of number words, 0 where empty
    """

    kind: Flags
    fold: Codes
    numbers: Words


class Grams(NamedTuple):
    """A hash table of n-grams, with a bitmap in front of it that answers most questions.

    size: tokens of an n-gram, in an array of one
    keys: their hashes, 0 where the slot is empty
    first, counts: of the n-gram's places in `places`
    places: token numbers, over all items
    """

    size: Ints
    bitmap: Words
    keys: Words
    first: Ints
    counts: Ints
    places: Ints


class Items(NamedTuple):
    """The texts to protect, as tokens; item i holds tokens first[i]:first[i + 1].

    core: of each item, the tokens that give it away by themselves, two numbers; equal where there are none
    own: how many tokens of the whole, and of the core, lie in n-grams that no item of another family has
    most: how many edits the whole, and the core, may differ by; -1 where edits are not looked at
    loose: the same where numbers may be any
    wild: 1 for a token that may be left out or replaced without counting as an edit: a name
    values: of masked tokens that are numbers which number, 0 elsewhere
    """

    first: Ints
    item_of: Ints
    tokens: Words
    core: Ints
    own: Ints
    most: Ints
    loose: Ints
    wild: Flags
    values: Words


class Room(NamedTuple):
    """Room to work in: for the tokens of one text, for the state of each item, for the state of each token.

    hits: which lineage has which n-gram, as `place << 32 | lineage`, with repetitions
    """

    tokens: Words
    starts: Ints
    ends: Ints
    lines: Ints
    masked: Words
    masked_starts: Ints
    masked_ends: Ints
    values: Words
    hits: Ints
    touched: Ints
    stamp: Ints
    cover: Ints
    run: Ints
    run_text: Ints
    run_item: Ints
    until: Ints
    diagonal: Ints
    pending: Ints
    covered: Ints
    seen: Ints
    row: Ints
    start: Ints
    above: Ints
    above_start: Ints


@compiled
def mix(h: np.uint64) -> np.uint64:
    """A number of 64 bits, every bit of which depends on every bit of `h`."""
    h = (h ^ (h >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    h = (h ^ (h >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return h ^ (h >> np.uint64(31)) | np.uint64(1)


@compiled
def holds(table: Words, key: np.uint64) -> bool:
    """Whether a hash table of non-zero keys holds this one."""
    slot = np.int64(key >> np.uint64(1)) & (len(table) - 1)
    while table[slot] != 0:
        if table[slot] == key:
            return True
        slot = (slot + 1) & (len(table) - 1)
    return False


@compiled
def tokenise(codes: Codes, alphabet: Alphabet, room: Room) -> tuple[int, int, int]:
    """Tokens of a text into `room`, as they are and with numbers masked; how many, and the lines' ends.

    A token is a run of letters and digits, or one character of a script without spaces. In the masked tokens
    every number, in digits or words or within a word, is one and the same, and `values` tells which it is; several
    numbers in a row are one, and so is `a_name_like_this`.
    """
    count = masked = lines = 0
    at = 0
    open_line = False
    while at < len(codes):
        code = codes[at]
        kind = alphabet.kind[code] if code < len(alphabet.kind) else np.uint8(0)
        if kind in (SEPARATOR, LINE_END, ACCENT):
            if kind == LINE_END and open_line:
                room.lines[lines] = count
                lines += 1
                open_line = False
            at += 1
            continue
        start = at
        h = np.uint64(alphabet.fold[code]) * FACTOR
        loose = NUMBER if kind == DIGIT else h
        at += 1
        number = kind in (DIGIT, NUMERAL)
        if kind in (LETTER, DIGIT):
            while at < len(codes):
                code = codes[at]
                kind = alphabet.kind[code] if code < len(alphabet.kind) else np.uint8(0)
                if kind == ACCENT:
                    at += 1
                    continue
                if kind not in (LETTER, DIGIT):
                    break
                if kind == LETTER:
                    number = False
                    loose = (loose ^ (loose >> np.uint64(29)) ^ np.uint64(alphabet.fold[code])) * FACTOR
                elif not number and alphabet.kind[codes[at - 1]] == LETTER:
                    loose = (loose ^ NUMBER) * FACTOR
                h = (h ^ (h >> np.uint64(29)) ^ np.uint64(alphabet.fold[code])) * FACTOR
                at += 1
        h = mix(h)
        room.tokens[count] = h
        room.starts[count] = start
        room.ends[count] = at
        count += 1
        open_line = True
        loose = mix(loose)
        if masked > 0 and start == room.masked_ends[masked - 1] + 1 and codes[start - 1] == UNDERSCORE:
            room.masked[masked - 1] = mix(room.masked[masked - 1] * FACTOR + loose)
            room.masked_ends[masked - 1] = at
            continue
        value = np.uint64(0)
        if number or holds(alphabet.numbers, h):
            joins = masked > 0 and room.masked[masked - 1] == NUMBER
            value = room.values[masked - 1] if joins else NUMBER
            for place in range(start, at):  # of 1,000 and 1000 the same
                code = codes[place]
                value = (value ^ (value >> np.uint64(29)) ^ np.uint64(alphabet.fold[code])) * FACTOR
            if joins:
                room.values[masked - 1] = value
                room.masked_ends[masked - 1] = at
                continue
            loose = NUMBER
        room.values[masked] = value
        room.masked[masked] = loose
        room.masked_starts[masked] = start
        room.masked_ends[masked] = at
        masked += 1
    if open_line:
        room.lines[lines] = count
        lines += 1
    return count, masked, lines


@compiled
def slot_of(grams: Grams, key: np.uint64) -> np.int64:
    """Where an n-gram of this hash stands in the table, or -1."""
    bit = (key >> np.uint64(1)) & np.uint64(64 * len(grams.bitmap) - 1)
    if not (grams.bitmap[np.int64(bit >> np.uint64(6))] >> (bit & np.uint64(63))) & np.uint64(1):
        return np.int64(-1)
    slot = np.int64(key >> np.uint64(20)) & (len(grams.keys) - 1)
    while grams.keys[slot] != 0:
        if grams.keys[slot] == key:
            return slot
        slot = (slot + 1) & (len(grams.keys) - 1)
    return np.int64(-1)


@compiled
def hash_of(tokens: Words) -> np.uint64:
    """The hash of these tokens in a row, as the rolling hash comes to it."""
    g = np.uint64(0)
    for token in tokens:
        g = g * FACTOR + token
    return mix(g)


@compiled
def power(size: int) -> np.uint64:
    """FACTOR to the power of `size`."""
    result = np.uint64(1)
    for _ in range(size):
        result *= FACTOR
    return result


ints_type, words_type, codes_type, flags_type = (
    types.int64[::1],
    types.uint64[::1],
    types.uint32[::1],
    types.uint8[::1],
)
alphabet_type = types.NamedTuple([flags_type, codes_type, words_type], Alphabet)  # type: ignore[no-untyped-call]
grams_type = types.NamedTuple([ints_type, words_type, words_type] + [ints_type] * 3, Grams)  # type: ignore[no-untyped-call]
items_type = types.NamedTuple(  # type: ignore[no-untyped-call]
    [ints_type, ints_type, words_type] + [ints_type] * 4 + [flags_type, words_type], Items
)
room_type = types.NamedTuple(  # type: ignore[no-untyped-call]
    [words_type, ints_type, ints_type, ints_type, words_type, ints_type, ints_type, words_type]
    + [ints_type] * 16,
    Room,
)


_three = types.UniTuple(types.int64, 3)  # type: ignore[no-untyped-call]


@compiled_at_once(_three(codes_type, alphabet_type, room_type))
def tokenise_one(codes: Codes, alphabet: Alphabet, room: Room) -> tuple[int, int, int]:
    """`tokenise`, for the items."""
    return tokenise(codes, alphabet, room)


@compiled_at_once(types.void(words_type, ints_type, words_type, words_type, ints_type))
def fill_table(keys: Words, slots: Ints, bitmap: Words, table: Words, order: Ints) -> None:
    """Enter different keys into a hash table and its bitmap; slots[i] becomes the slot of keys[order[i]]."""
    for i in range(len(order)):
        key = keys[order[i]]
        bit = (key >> np.uint64(1)) & np.uint64(64 * len(bitmap) - 1)
        bitmap[np.int64(bit >> np.uint64(6))] |= np.uint64(1) << (bit & np.uint64(63))
        slot = np.int64(key >> np.uint64(20)) & (len(table) - 1)
        while table[slot] != 0:
            slot = (slot + 1) & (len(table) - 1)
        table[slot] = key
        slots[i] = slot


@compiled_at_once(types.void(words_type, ints_type, types.int64, words_type))
def gram_hashes(tokens: Words, firsts: Ints, size: int, keys: Words) -> None:
    """The hash of the `size` tokens (0: of all of them) that begin at each of `firsts` into `keys`."""
    for i in range(len(firsts) - (size == 0)):
        end = firsts[i] + size if size else firsts[i + 1]
        keys[i] = hash_of(tokens[firsts[i] : end])
