"""The compiled loops of `rouge_join`: a bitmap filter, then a bit-parallel LCS. Importing it loads numba.

Filter. Number the occurrences of each token in a text ("the#1", "the#2", ...), hash each to a bit: a text's
bitmap holds the parity of every bit. Texts of m and n tokens whose longest common subsequence (LCS) has l
tokens differ in at most m + n - 2 l such elements, so popcount(a xor b) <= m + n - 2 l is necessary. The two
halves of a bitmap, one xor the other, are the bitmap of half the width, so texts of different widths compare.

LCS. Hyyrö (2004), "Bit-parallel LCS-length computation revisited": one machine word holds 64 columns. Only
words that a token occurs in are visited, so memory stays linear in the length of the text.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numba
import numpy as np
from numba import types
from numba.extending import intrinsic

from factory.dedup.rouge_join import BLOCK, Bank, Floats, Ids, Ints, Words, Work

Function = TypeVar("Function", bound=Callable[..., Any])

SLACK = 1e-12  # more than F is off the real 2 l / (m + n): the filter loses no pair, and `fmeasure` decides


def compiled(function: Function) -> Function:
    """A function that only other compiled functions call."""
    return cast(Function, numba.njit(nogil=True)(function))


def compiled_at_once(signature: Any) -> Callable[[Function], Function]:
    """An entry point: compiled when this module is imported, and kept on disk where a folder is writable."""

    def compile_(function: Function) -> Function:
        try:
            result = numba.njit(signature, nogil=True, cache=True)(function)
        except Exception:  # no writable folder, a full disk, a spoilt cache: none is a reason to stop
            result = numba.njit(signature, nogil=True)(function)
        return cast(Function, result)

    return compile_


def _popcount(typing_context: Any, word: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.ctpop(arguments[0])

    return types.int64(types.uint64), generate


popcount = cast(Callable[[Any], int], intrinsic(_popcount))
"""Number of set bits of a uint64, by the processor's own instruction."""


@compiled
def fmeasure(lcs: int, m: int, n: int) -> float:
    """rouge-score's F, operation for operation, for a prediction of m tokens and a target of n."""
    precision = lcs / m
    recall = lcs / n
    return 2 * precision * recall / (precision + recall) if lcs > 0 else 0.0


@compiled
def allowance(m: int, bank: Bank, bucket: int, f: float) -> int:
    """How far a text of m tokens and one of `bucket` can differ if their F is f; -1 if it cannot be.

    F = 2 l / (m + n) gives m + n - 2 l = (m + n) (1 - F), and this is never below the difference in length.
    """
    most = int((m + bank.longest[bucket]) * (1.0 - f + SLACK))
    return most if most >= max(m - bank.longest[bucket], bank.shortest[bucket] - m) else -1


@compiled
def make_bitmaps(text: Ids, widest: int, seen: Ids, bitmaps: Words) -> None:
    """Parity bitmaps of `text` in 1, 2, 4, ... `widest` words; that of w words begins at bitmaps[w - 1]."""
    for word in range(widest):
        bitmaps[widest - 1 + word] = 0
    for token in text:
        h = np.uint64(token) * np.uint64(0x9E3779B97F4A7C15)
        h += np.uint64(seen[token]) * np.uint64(0xD1B54A32D192ED03)
        h = (h ^ (h >> np.uint64(29))) * np.uint64(0xBF58476D1CE4E5B9)
        h ^= h >> np.uint64(32)
        bitmaps[widest - 1 + int(np.int64(h >> np.uint64(6)) & (widest - 1))] ^= np.uint64(1) << (
            h & np.uint64(63)
        )
        seen[token] += 1
    for token in text:
        seen[token] = 0
    half = widest // 2
    while half > 0:
        for word in range(half):
            bitmaps[half - 1 + word] = bitmaps[2 * half - 1 + word] ^ bitmaps[3 * half - 1 + word]
        half //= 2


@compiled
def count_differences(words: Words, stride: int, bitmap: Words, most: int, counts: Ints) -> bool:
    """popcount(bitmap xor text) of len(counts) neighbours in a bucket; False if all are greater than `most`.

    words: the first word of every text, `stride` further the second word of every text, and so on
    counts: filled where the answer is True
    """
    for k in range(len(counts)):
        counts[k] = 0
    for word in range(len(bitmap)):
        plane = words[word * stride : word * stride + len(counts)]
        bits = bitmap[word]
        least = 1 << 60
        for k in range(len(counts)):
            count = counts[k] + popcount(plane[k] ^ bits)
            counts[k] = count
            least = min(least, count)
        if least > most:
            return False
    return True


@compiled
def least_of_one(first: Words, a: int) -> int:
    """The least popcount(a xor text) of bitmaps of one word; several times as fast, as it stores nothing."""
    least = 64
    for k in range(len(first)):
        least = min(least, popcount(first[k] ^ a))
    return least


@compiled
def least_of_two(first: Words, second: Words, a: int, b: int) -> int:
    """The same for bitmaps of two words."""
    least = 128
    for k in range(len(first)):
        least = min(least, popcount(first[k] ^ a) + popcount(second[k] ^ b))
    return least


@compiled
def index_text(text: Ids, work: Work) -> None:
    """Where the tokens of `text` stand, for `lcs_length`; `work.head` must be -1 throughout."""
    nodes = 0
    for position in range(len(text) - 1, -1, -1):
        token = text[position]
        word = position >> 6
        node = work.head[token]
        if node < 0 or work.place[node] != word:
            work.link[nodes] = node
            work.place[nodes] = word
            work.masks[nodes] = 0
            work.head[token] = node = nodes
            nodes += 1
        work.masks[node] |= np.uint64(1) << np.uint64(position & 63)


@compiled
def lcs_length(text: Ids, other: Ids, work: Work) -> int:
    """Length of the longest common subsequence of the indexed `text` and `other`.

    A zero bit of the state is a column where the row of the table steps up. What the two share at their
    beginnings and ends belongs to some longest common subsequence and is not walked through.
    """
    ones = ~np.uint64(0)
    shortest = min(len(text), len(other))
    begin = 0
    while begin < shortest and text[begin] == other[begin]:
        begin += 1
    end = 0
    while end < shortest - begin and text[len(text) - 1 - end] == other[len(other) - 1 - end]:
        end += 1
    columns = len(text) - end
    words = (columns + 63) >> 6
    state = work.state
    for word in range(words):
        zeros = begin - 64 * word
        state[word] = ones if zeros <= 0 else np.uint64(0) if zeros >= 64 else ones << np.uint64(zeros)
    for row in range(begin, len(other) - end):
        node = work.head[other[row]]
        carry = False
        word = 0
        while node >= 0 or carry:
            if not carry:
                word = work.place[node]
            if word >= words:
                break
            match = np.uint64(0)
            if node >= 0 and work.place[node] == word:
                match = work.masks[node]
                node = work.link[node]
            old = state[word]
            step = old & match
            total = old + step + np.uint64(carry)
            carry = total < old or (carry and total == old)
            state[word] = total | (old - step)
            word += 1
    if columns & 63:
        state[words - 1] |= ones << np.uint64(columns & 63)
    length = end + 64 * words
    for word in range(words):
        length -= popcount(state[word])
    return length


@compiled
def find_slot(table: Ints, ids: Ids, offsets: Ints, i: int) -> int:
    """Where in the hash table a text with the tokens of text i stands, or would."""
    text = ids[offsets[i] : offsets[i + 1]]
    h = np.uint64(len(text))
    for token in text:
        h = (h ^ np.uint64(token)) * np.uint64(0x9E3779B97F4A7C15)
        h ^= h >> np.uint64(32)
    slot = int(np.int64(h) & (len(table) - 1))
    while table[slot] >= 0:
        other = ids[offsets[table[slot]] : offsets[table[slot] + 1]]
        same = 0
        while same < min(len(text), len(other)) and text[same] == other[same]:
            same += 1
        if same == len(text) == len(other):
            break
        slot = (slot + 1) & (len(table) - 1)
    return slot


@compiled
def keep(bank: Bank, i: int, bitmaps: Words) -> None:
    """Enter text i, whose bitmaps these are, into the bank."""
    bucket = bank.bucket[i]
    at = bank.held[bucket]
    stride = bank.first[bucket + 1] - bank.first[bucket]
    bank.kept[bank.first[bucket] + at] = i
    for word in range(bank.width[bucket]):
        bank.words[bank.first_word[bucket] + word * stride + at] = bitmaps[bank.width[bucket] - 1 + word]
    bank.held[bucket] = at + 1


@compiled
def count_before(kept: Ints, i: int) -> int:
    """How many of the ascending numbers `kept` are below i."""
    low, high = 0, len(kept) if i > 0 else 0
    while low < high:
        middle = (low + high) >> 1
        if kept[middle] < i:
            low = middle + 1
        else:
            high = middle
    return low


@compiled
def nearest_kept(
    bank: Bank, work: Work, ids: Ids, offsets: Ints, i: int, buckets: tuple[int, int], since: int, f: float
) -> tuple[int, float]:
    """Of the texts kept in these buckets, those before text `since` apart, the one of highest F with text i.

    Returns its number and F if that is above `f`, else -1 and `f`. Texts of like length come first, because a
    high F found early narrows the rest.
    """
    text = ids[offsets[i] : offsets[i + 1]]
    low, high = buckets
    own = bank.bucket[i]
    best = -1
    indexed = False
    for turn in range(high - low + 1):
        bucket = own + turn if turn <= high - own else high - turn
        most = allowance(len(text), bank, bucket, f)
        if most < 0:
            continue
        kept = bank.kept[bank.first[bucket] : bank.first[bucket] + bank.held[bucket]]
        stride = bank.first[bucket + 1] - bank.first[bucket]
        bitmap = work.bitmaps[bank.width[bucket] - 1 : 2 * bank.width[bucket] - 1]
        for at in range(count_before(kept, since), len(kept), BLOCK):
            counts = work.counts[: min(BLOCK, len(kept) - at)]
            words = bank.words[bank.first_word[bucket] + at :]
            if len(bitmap) == 1:
                if least_of_one(words[: len(counts)], bitmap[0]) > most:
                    continue
            elif len(bitmap) == 2:
                second = words[stride : stride + len(counts)]
                if least_of_two(words[: len(counts)], second, bitmap[0], bitmap[1]) > most:
                    continue
            if not count_differences(words, stride, bitmap, most, counts):
                continue
            if not indexed:
                index_text(text, work)
                indexed = True
            for k in range(len(counts)):
                if counts[k] > most:
                    continue
                j = kept[at + k]
                other = ids[offsets[j] : offsets[j + 1]]
                value = fmeasure(lcs_length(text, other, work), len(text), len(other))
                if value > f or (value == f and j < best):
                    best = j
                    f = value
                    most = allowance(len(text), bank, bucket, f)
    if indexed:
        for token in text:
            work.head[token] = -1
    return best, f


_ints, _ids, _words, _floats = types.int64[::1], types.int32[::1], types.uint64[::1], types.float64[::1]
_bank = types.NamedTuple([_ints] * 8 + [_words], Bank)  # type: ignore[no-untyped-call]
_work = types.NamedTuple([_ints, _words, _ints] + [_ids] * 4 + [_words] * 2, Work)  # type: ignore[no-untyped-call]


@compiled_at_once(types.void(_bank, _work, _ids, _ints, types.int64, types.float64, _ints, _floats))
def greedy_join(
    bank: Bank,
    work: Work,
    ids: Ids,
    offsets: Ints,
    references: int,
    threshold: float,
    nearest: Ints,
    f: Floats,
) -> None:
    """Greedy keep-first over texts ids[offsets[i]:offsets[i + 1]]; the first `references` are kept unseen.

    threshold: below 1
    nearest, f: on entry -1 and NaN; filled, for a dropped text, with the kept text of highest F (the earliest
    of equals) and that F
    """
    for i in range(len(offsets) - 1):
        m = offsets[i + 1] - offsets[i]
        if m == 0:
            continue
        slot = find_slot(work.table, ids, offsets, i)
        twin = work.table[slot]  # the same tokens: the kept text that has them, else the last one dropped
        if twin >= 0 and nearest[twin] < 0:
            if i >= references:
                nearest[i] = twin
                f[i] = 1.0
            continue
        work.table[slot] = i
        low = high = bank.bucket[i]
        if i < references:
            make_bitmaps(ids[offsets[i] : offsets[i + 1]], bank.width[high], work.seen, work.bitmaps)
            keep(bank, i, work.bitmaps)
            continue
        if twin >= 0:  # what was kept before the twin was dropped is known
            nearest[i] = nearest[twin]
        bound = f[twin] if twin >= 0 else threshold
        while low > 1 and allowance(m, bank, low - 1, bound) >= 0:
            low -= 1
        while high + 1 < len(bank.held) and allowance(m, bank, high + 1, bound) >= 0:
            high += 1
        make_bitmaps(ids[offsets[i] : offsets[i + 1]], bank.width[high], work.seen, work.bitmaps)
        best, bound = nearest_kept(bank, work, ids, offsets, i, (low, high), twin, bound)
        if best >= 0:
            nearest[i] = best
        if nearest[i] >= 0:
            f[i] = bound
        else:
            keep(bank, i, work.bitmaps)
