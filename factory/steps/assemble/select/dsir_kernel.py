"""The compiled loops of DSIR: hashed unigrams and bigrams of texts given as UTF-8 bytes. Importing it loads numba.

The published features number an n-gram by SHA-256 modulo the buckets. One text of a million rows has a hundred
n-grams, most bigrams once: a memory of those seen would grow with the set, so each is hashed anew, in 0.3 µs.
"""

from __future__ import annotations

import numpy as np
from numba import types
from numpy.typing import NDArray

from factory.statistics.arrays import Ints
from factory.statistics.compiled import compiled, compiled_at_once

Bytes = NDArray[np.uint8]
Words32 = NDArray[np.uint32]

SPACE, WORD, PUNCTUATION, SINGLE = range(4)
"""Classes of characters: a run of WORD or of PUNCTUATION is a token, and so is each SINGLE."""


def _primes(count: int) -> list[int]:
    found: list[int] = []
    at = 2
    while len(found) < count:
        if all(at % prime for prime in found):
            found.append(at)
        at += 1
    return found


def _root_bits(prime: int, root: int) -> int:
    """The first 32 bits behind the point of a square (2) or cube root (3), exactly (FIPS 180-4, 4.2.2 and 5.3.3)."""
    scaled = prime << (32 * root)
    low, high = 0, 1 << 40
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if middle**root <= scaled else (low, middle)
    return low & 0xFFFFFFFF


_ROUNDS: Words32 = np.array([_root_bits(prime, 3) for prime in _primes(64)], np.uint32)
_START: Words32 = np.array([_root_bits(prime, 2) for prime in _primes(8)], np.uint32)


@compiled
def _turned(x: np.uint32, by: int) -> np.uint32:
    return np.uint32((x >> np.uint32(by)) | (x << np.uint32(32 - by)))


@compiled
def _compress(state: Words32, block: Bytes, w: Words32) -> None:
    """One block of 64 bytes of SHA-256 (FIPS 180-4, 6.2.2)."""
    for t in range(16):
        w[t] = np.uint32(
            (np.uint32(block[4 * t]) << np.uint32(24))
            | (np.uint32(block[4 * t + 1]) << np.uint32(16))
            | (np.uint32(block[4 * t + 2]) << np.uint32(8))
            | np.uint32(block[4 * t + 3])
        )
    for t in range(16, 64):
        x, y = w[t - 15], w[t - 2]
        s0 = _turned(x, 7) ^ _turned(x, 18) ^ (x >> np.uint32(3))
        s1 = _turned(y, 17) ^ _turned(y, 19) ^ (y >> np.uint32(10))
        w[t] = np.uint32(w[t - 16] + s0 + w[t - 7] + s1)
    a, b, c, d, e, f, g, h = (
        state[0], state[1], state[2], state[3], state[4], state[5], state[6], state[7],
    )  # fmt: skip
    for t in range(64):
        s1 = _turned(e, 6) ^ _turned(e, 11) ^ _turned(e, 25)
        first = np.uint32(h + s1 + ((e & f) ^ (~e & g)) + _ROUNDS[t] + w[t])
        s0 = _turned(a, 2) ^ _turned(a, 13) ^ _turned(a, 22)
        second = np.uint32(s0 + ((a & b) ^ (a & c) ^ (b & c)))
        h, g, f, e, d, c, b, a = g, f, e, np.uint32(d + first), c, b, a, np.uint32(first + second)
    state[0] += a
    state[1] += b
    state[2] += c
    state[3] += d
    state[4] += e
    state[5] += f
    state[6] += g
    state[7] += h


@compiled
def _bucket(
    text: Bytes, a: int, b: int, c: int, d: int, buckets: int, state: Words32, block: Bytes, w: Words32
) -> int:
    """The SHA-256 of text[a:b], or of text[a:b], a space and text[c:d] where there is a second, modulo `buckets`."""
    state[:] = _START
    total = b - a
    if d > c:
        total += 1 + d - c
    at = 0
    for i in range(total):
        if i < b - a:
            block[at] = text[a + i]
        elif i == b - a:
            block[at] = 32
        else:
            block[at] = text[c + i - (b - a) - 1]
        at += 1
        if at == 64:
            _compress(state, block, w)
            at = 0
    block[at] = 0x80
    at += 1
    if at > 56:
        block[at:] = 0
        _compress(state, block, w)
        at = 0
    block[at:56] = 0
    bits = 8 * total
    for i in range(8):
        block[56 + i] = (bits >> (8 * (7 - i))) & 0xFF
    _compress(state, block, w)
    left = 0
    for i in range(8):
        left = ((left << 32) + int(state[i])) % buckets
    return left


@compiled_at_once(
    types.int64(
        types.uint8[::1], types.int64[::1], types.uint8[::1], types.int64, types.uint16[::1], types.int64[::1]
    )
)
def hash_grams(
    text: Bytes, ends: Ints, kinds: Bytes, buckets: int, grams: NDArray[np.uint16], counts: Ints
) -> int:
    """The buckets of the unigrams and bigrams of texts that lie one behind another, lower-cased.

    text: UTF-8; ends: the place behind each text, shape (rows,)
    kinds: the class of each code point, shape (0x110000,)
    grams: filled with the buckets, row after row; room for two for each byte
    counts: filled with how many each row has, shape (rows,)
    Returns how many there are.
    """
    state, block, w = np.empty(8, np.uint32), np.empty(64, np.uint8), np.empty(64, np.uint32)
    at = 0
    found = 0
    for row in range(len(ends)):
        begun = found
        before_a = before_b = 0
        start = -1  # of the run that is being read
        kind_of_run = SPACE
        end = ends[row]
        while at <= end:
            kind, size = SPACE, 1
            if at < end:
                lead = text[at]
                point = int(lead)
                if lead >= 0xF0:
                    size, point = 4, int(lead & 0x07)
                elif lead >= 0xE0:
                    size, point = 3, int(lead & 0x0F)
                elif lead >= 0xC0:
                    size, point = 2, int(lead & 0x1F)
                for i in range(1, size):
                    point = (point << 6) | int(text[at + i] & 0x3F)
                kind = int(kinds[point])
            if start >= 0 and (kind != kind_of_run or kind == SINGLE):
                grams[found] = _bucket(text, start, at, 0, 0, buckets, state, block, w)
                found += 1
                if before_b > before_a:
                    grams[found] = _bucket(text, before_a, before_b, start, at, buckets, state, block, w)
                    found += 1
                before_a, before_b, start = start, at, -1
            if start < 0 and kind != SPACE:
                start, kind_of_run = at, kind
            if at == end:
                break
            at += size
        counts[row] = found - begun
    return found
