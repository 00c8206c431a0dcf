"""The compiled loops of `rouge_join`: a bitmap filter before the LCS. Importing it loads numba.

Filter. Number the occurrences of each token in a text ("the#1", "the#2", ...), hash each to a bit: a text's
bitmap holds the parity of every bit. Texts of m and n tokens whose longest common subsequence (LCS) has l
tokens differ in at most m + n - 2 l such elements, so popcount(a xor b) <= m + n - 2 l is necessary. The two
halves of a bitmap, one xor the other, are the bitmap of half the width, so texts of different widths compare.

Four texts of like length are compared with the kept ones together, so that each bitmap read serves all four.

LCS. Hyyrö (2004), "Bit-parallel LCS-length computation revisited": one machine word holds 64 columns. Only
words that a token occurs in are visited, so memory stays linear in the length of the text. It is given up as
soon as it cannot be long enough. Texts m and n long with an LCS of l or more leave out m - l of the one and
n - l of the other, so that token i of the second is matched with one of the tokens i - (n - l) to i + (m - l)
of the first: no other is looked at. And what the rows so far have in common, with what the rest shares with
the text as a bag of words, is never less than the LCS.

All that is compiled is in this file, because what numba keeps on disk is made anew when this file changes, and
only then.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import numpy as np
from numba import types
from numba.extending import intrinsic

from factory.statistics.arrays import Ids, Ints, Words
from factory.statistics.compiled import compiled, compiled_at_once
from factory.statistics.rouge.layout import Bank, Bitmaps, Join, Work

SLACK = 1e-12  # more than F is off the real 2 l / (m + n): the filter loses no pair, and `fmeasure` decides
GROUP = 4  # texts compared with the kept ones together
BLOCK = 512  # kept texts compared with a group in one go: they stay in the first-level cache
ROWS = 32  # walked through by the LCS before its bound is looked at again


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
def least_of_one(first: Words, bits: Bitmaps) -> tuple[int, int, int, int]:
    """The least popcount(bitmap xor text) of each of four bitmaps of one word; stores nothing, so is fast."""
    a, b, c, d = bits[0, 0], bits[1, 0], bits[2, 0], bits[3, 0]
    least_a = least_b = least_c = least_d = 64
    for k in range(len(first)):
        x = first[k]
        least_a = min(least_a, popcount(x ^ a))
        least_b = min(least_b, popcount(x ^ b))
        least_c = min(least_c, popcount(x ^ c))
        least_d = min(least_d, popcount(x ^ d))
    return least_a, least_b, least_c, least_d


@compiled
def least_of_two(first: Words, second: Words, bits: Bitmaps) -> tuple[int, int, int, int]:
    """The same for bitmaps of two words."""
    a, b, c, d = bits[0, 1], bits[1, 1], bits[2, 1], bits[3, 1]
    a2, b2, c2, d2 = bits[0, 2], bits[1, 2], bits[2, 2], bits[3, 2]
    least_a = least_b = least_c = least_d = 128
    for k in range(len(first)):
        x, y = first[k], second[k]
        least_a = min(least_a, popcount(x ^ a) + popcount(y ^ a2))
        least_b = min(least_b, popcount(x ^ b) + popcount(y ^ b2))
        least_c = min(least_c, popcount(x ^ c) + popcount(y ^ c2))
        least_d = min(least_d, popcount(x ^ d) + popcount(y ^ d2))
    return least_a, least_b, least_c, least_d


@compiled
def least_of_four(
    first: Words, second: Words, third: Words, fourth: Words, bits: Bitmaps, w: int
) -> tuple[int, int, int, int]:
    """The same for the first four words of wider bitmaps, which begin at bits[:, w]."""
    a, b, c, d = bits[0, w], bits[1, w], bits[2, w], bits[3, w]
    a2, b2, c2, d2 = bits[0, w + 1], bits[1, w + 1], bits[2, w + 1], bits[3, w + 1]
    a3, b3, c3, d3 = bits[0, w + 2], bits[1, w + 2], bits[2, w + 2], bits[3, w + 2]
    a4, b4, c4, d4 = bits[0, w + 3], bits[1, w + 3], bits[2, w + 3], bits[3, w + 3]
    least_a = least_b = least_c = least_d = 256
    for k in range(len(first)):
        x, y, z, v = first[k], second[k], third[k], fourth[k]
        least_a = min(least_a, popcount(x ^ a) + popcount(y ^ a2) + popcount(z ^ a3) + popcount(v ^ a4))
        least_b = min(least_b, popcount(x ^ b) + popcount(y ^ b2) + popcount(z ^ b3) + popcount(v ^ b4))
        least_c = min(least_c, popcount(x ^ c) + popcount(y ^ c2) + popcount(z ^ c3) + popcount(v ^ c4))
        least_d = min(least_d, popcount(x ^ d) + popcount(y ^ d2) + popcount(z ^ d3) + popcount(v ^ d4))
    return least_a, least_b, least_c, least_d


@compiled
def index_text(text: Ids, head: Ids, count: Ids, link: Ids, place: Ids, masks: Words) -> None:
    """Where the tokens of `text` stand: from head[token] through `link`, the words and the bits there.

    head: of the vocabulary's length, -1 throughout
    count: of the vocabulary's length, 0 throughout; filled with how often the text has each token
    """
    nodes = 0
    for position in range(len(text) - 1, -1, -1):
        token = text[position]
        word = position >> 6
        node = head[token]
        if node < 0 or place[node] != word:
            link[nodes] = node
            place[nodes] = word
            masks[nodes] = 0
            head[token] = node = nodes
            nodes += 1
        masks[node] |= np.uint64(1) << np.uint64(position & 63)
        count[token] += 1


@compiled
def forget_text(text: Ids, head: Ids, count: Ids) -> None:
    """Undo `index_text`."""
    for token in text:
        head[token] = -1
        count[token] = 0


@compiled
def count_shared(other: Ids, count: Ids, shared: Ids) -> int:
    """Tokens, with their repeats, that other[row:] and the indexed text share, as shared[row]; the first of them."""
    total = 0
    shared[len(other)] = 0
    for row in range(len(other) - 1, -1, -1):
        token = other[row]
        if count[token] > 0:
            total += 1
        count[token] -= 1
        shared[row] = total
    for token in other:
        count[token] += 1
    return total


@compiled
def short_lcs(columns: int, ids: Ids, begin: int, end: int, head: Ids, masks: Words) -> int:
    """Length of the longest common subsequence of ids[begin:end] and an indexed text of at most 64 tokens."""
    state = ~np.uint64(0)
    for at in range(begin, end):
        node = head[ids[at]]
        if node >= 0:
            step = state & masks[node]
            state = (state + step) | (state - step)
    if columns < 64:
        state |= ~np.uint64(0) << np.uint64(columns)
    return 64 - popcount(state)


@compiled
def long_lcs(
    least: int,
    text: Ids,
    other: Ids,
    head: Ids,
    count: Ids,
    link: Ids,
    place: Ids,
    masks: Words,
    state: Words,
    shared: Ids,
) -> int:
    """Length of the longest common subsequence of the indexed `text` and `other`, or less than `least` if that is more.

    A zero bit of the state is a column where the row of the table steps up. What the two share at their
    beginnings and ends belongs to some longest common subsequence and is not walked through.
    """
    ones = ~np.uint64(0)
    shortest = min(len(text), len(other))
    if shortest < least:
        return 0
    begin = 0
    while begin < shortest and text[begin] == other[begin]:
        begin += 1
    end = 0
    while end < shortest - begin and text[len(text) - 1 - end] == other[len(other) - 1 - end]:
        end += 1
    columns = len(text) - end
    words = (columns + 63) >> 6
    if count_shared(other, count, shared) < least:
        return 0
    for word in range(words):
        zeros = begin - 64 * word
        state[word] = ones if zeros <= 0 else np.uint64(0) if zeros >= 64 else ones << np.uint64(zeros)
    for row in range(begin, len(other) - end):
        if (row - begin) % ROWS == 0:
            length = 64 * words + shared[row]
            for word in range(words):
                length -= popcount(state[word])
            if length < least:
                return 0
        lowest = max(row - (len(other) - least), 0) >> 6
        highest = (row + len(text) - least) >> 6
        node = head[other[row]]
        while node >= 0 and place[node] < lowest:
            node = link[node]
        carry = False
        word = 0
        while node >= 0 or carry:
            if not carry:
                word = place[node]
                if word > highest:
                    break
            if word >= words:
                break
            match = np.uint64(0)
            if node >= 0 and place[node] == word:
                match = masks[node]
                node = link[node]
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
def find_slot(join: Join, i: int) -> int:
    """Where in the hash table a text with the tokens and signs of text i stands, or would."""
    table, ids, offsets = join.table, join.ids, join.offsets
    text = ids[offsets[i] : offsets[i + 1]]
    h = np.uint64(len(text)) ^ (np.uint64(join.forms[i]) << np.uint64(32))
    for token in text:
        h = (h ^ np.uint64(token)) * np.uint64(0x9E3779B97F4A7C15)
        h ^= h >> np.uint64(32)
    slot = int(np.int64(h) & (len(table) - 1))
    while table[slot] >= 0:
        other = ids[offsets[table[slot]] : offsets[table[slot] + 1]]
        same = 0
        while same < min(len(text), len(other)) and text[same] == other[same]:
            same += 1
        if same == len(text) == len(other) and join.forms[i] == join.forms[table[slot]]:
            break
        slot = (slot + 1) & (len(table) - 1)
    return slot


@compiled
def keep(bank: Bank, work: Work, join: Join, i: int) -> None:
    """Enter text i into the bank."""
    bucket = bank.bucket[i]
    bitmaps = work.bitmaps[0]
    text = join.ids[join.offsets[i] : join.offsets[i + 1]]
    make_bitmaps(text, bank.width[bucket], work.seen, bitmaps)
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
def lcs_needed(m: int, n: int, f: float, tie: bool) -> int:
    """The least LCS with which texts of m and n tokens have an F above `f`, or also that F where `tie`."""
    lcs = max(1, int(f * (m + n) / 2) - 1)
    while lcs <= min(m, n):
        value = fmeasure(lcs, m, n)
        if value > f or (tie and value == f):
            break
        lcs += 1
    return lcs


@compiled
def verify(bank: Bank, work: Work, join: Join, i: int, row: int, bucket: int, at: int, most: int) -> int:
    """Compare text i with the neighbours in the bucket from `at` whose `work.counts` are at most `most`.

    row: the place of text i in its group
    Returns how far a text of this bucket may differ to be closer still.
    """
    text = join.ids[join.offsets[i] : join.offsets[i + 1]]
    head, masks = work.head[row], work.masks[row]
    m = len(text)
    for k in range(min(BLOCK, bank.held[bucket] - at)):
        if work.counts[k] > most:
            continue
        j = bank.kept[bank.first[bucket] + at + k]
        if join.letters[i] == join.letters[j] and join.forms[i] != join.forms[j]:
            continue
        begin, end = join.offsets[j], join.offsets[j + 1]
        if not work.indexed[row]:
            index_text(text, head, work.times[row], work.link[row], work.place[row], masks)
            work.indexed[row] = True
        if m <= 64:
            lcs = short_lcs(m, join.ids, begin, end, head, masks)
        else:
            least = lcs_needed(m, end - begin, join.f[i], j < join.nearest[i])
            lcs = long_lcs(
                least,
                text,
                join.ids[begin:end],
                head,
                work.times[row],
                work.link[row],
                work.place[row],
                masks,
                work.state,
                work.shared,
            )
        f = fmeasure(lcs, m, end - begin)
        if f > join.f[i] or (f == join.f[i] and j < join.nearest[i]):
            join.nearest[i] = j
            join.f[i] = f
            most = allowance(m, bank, bucket, f)
    return most


@compiled
def search_group(bank: Bank, work: Work, join: Join, rows: Ints, since: int) -> None:
    """Find the nearest of the texts kept, those before text `since` apart, for each of at most GROUP texts.

    Texts of like length come first, because a high F found early narrows the rest.
    """
    own = low = high = bank.bucket[rows[0]]
    for i in rows:
        m = join.offsets[i + 1] - join.offsets[i]
        low, high = min(low, bank.bucket[i]), max(high, bank.bucket[i])
        while low > 1 and allowance(m, bank, low - 1, join.f[i]) >= 0:
            low -= 1
        while high + 1 < len(bank.held) and allowance(m, bank, high + 1, join.f[i]) >= 0:
            high += 1
    for row in range(len(rows)):
        text = join.ids[join.offsets[rows[row]] : join.offsets[rows[row] + 1]]
        make_bitmaps(text, bank.width[high], work.seen, work.bitmaps[row])
        work.indexed[row] = False
    for turn in range(high - low + 1):
        bucket = own + turn if turn <= high - own else high - turn
        last = bank.first[bucket] + bank.held[bucket] - 1
        if bank.held[bucket] == 0 or bank.kept[last] < since:
            continue
        kept = bank.kept[bank.first[bucket] : last + 1]
        begin = count_before(kept, since)
        possible = False
        for row in range(len(rows)):
            m = join.offsets[rows[row] + 1] - join.offsets[rows[row]]
            work.most[row] = allowance(m, bank, bucket, join.f[rows[row]])
            possible |= work.most[row] >= 0
        if not possible:
            continue
        width = bank.width[bucket]
        stride = bank.first[bucket + 1] - bank.first[bucket]
        bits = work.bitmaps
        w = width - 1  # where bitmaps of this width begin
        for at in range(begin, len(kept), BLOCK):
            length = min(BLOCK, len(kept) - at)
            words = bank.words[bank.first_word[bucket] + at :]
            second = words[stride : stride + length]
            if width == 1:
                least = least_of_one(words[:length], bits)
            elif width == 2:
                least = least_of_two(words[:length], second, bits)
            else:
                third, fourth = words[2 * stride :], words[3 * stride :]
                least = least_of_four(words[:length], second, third, fourth, bits, w)
            for row in range(len(rows)):
                most = work.most[row]
                if least[row] <= most and count_differences(
                    words, stride, bits[row, w : w + width], most, work.counts[:length]
                ):
                    work.most[row] = verify(bank, work, join, rows[row], row, bucket, at, most)
    for row in range(len(rows)):
        if work.indexed[row]:
            text = join.ids[join.offsets[rows[row]] : join.offsets[rows[row] + 1]]
            forget_text(text, work.head[row], work.times[row])


_ints, _ids, _words, _floats = types.int64[::1], types.int32[::1], types.uint64[::1], types.float64[::1]
_bank = types.NamedTuple([_ints] * 8 + [_words], Bank)  # type: ignore[no-untyped-call]
_join = types.NamedTuple([_ids] + [_ints] * 4 + [_floats, _ids, _ids], Join)  # type: ignore[no-untyped-call]
_work = types.NamedTuple(  # type: ignore[no-untyped-call]
    [types.uint64[:, ::1], _ints, _ints, types.boolean[::1], _ids]
    + [types.int32[:, ::1]] * 4
    + [types.uint64[:, ::1], _words, _ids],
    Work,
)


@compiled_at_once(types.void(_bank, _work, _join, types.int64))
def keep_reference(bank: Bank, work: Work, join: Join, references: int) -> None:
    """Enter the first `references` texts into the bank, of those with the same tokens and signs the first."""
    for i in range(references):
        if join.offsets[i] == join.offsets[i + 1]:
            continue
        slot = find_slot(join, i)
        if join.table[slot] < 0:
            join.table[slot] = i
            keep(bank, work, join, i)


@compiled_at_once(types.int64(_join, types.int64, types.int64, _ints))
def find_twins(join: Join, start: int, stop: int, wanted: Ints) -> int:
    """What is known of the texts from `start` to `stop` from texts with the same tokens and signs.

    wanted: filled with the texts to be compared with those kept before `start`
    Returns how many these are.
    """
    number = 0
    for i in range(start, stop):
        if join.offsets[i] == join.offsets[i + 1]:
            continue
        slot = find_slot(join, i)
        twin = join.table[slot]  # the kept text with these, else the first or the last one dropped
        join.twin[i] = twin
        if twin >= start:
            continue
        if twin >= 0:
            dropped = join.nearest[twin] >= 0
            join.nearest[i] = join.nearest[twin] if dropped else twin
            join.f[i] = join.f[twin] if dropped else 1.0
        if twin < 0 or dropped:
            join.table[slot] = i
            wanted[number] = i
            number += 1
    return number


@compiled_at_once(types.void(_bank, _work, _join, _ints, types.int64, types.int64))
def search(bank: Bank, work: Work, join: Join, wanted: Ints, worker: int, workers: int) -> None:
    """Find the nearest kept text of each of the texts `wanted`: of every group the one in `workers` is done here.

    wanted: in an order that puts texts of like length together
    """
    for at in range(worker * GROUP, len(wanted), workers * GROUP):
        rows = wanted[at : at + GROUP]
        since = len(join.twin)
        for i in rows:  # what was kept before the twin was dropped is known
            since = min(since, max(join.twin[i], 0))
        search_group(bank, work, join, rows, since)


@compiled_at_once(types.void(_bank, _work, _join, types.int64, types.int64))
def settle(bank: Bank, work: Work, join: Join, start: int, stop: int) -> None:
    """Decide on the texts from `start` to `stop`, compared with those kept before `start`, one by one."""
    rows = np.empty(1, np.int64)
    for i in range(start, stop):
        if join.offsets[i] == join.offsets[i + 1]:
            continue
        since = start
        twin = join.twin[i]
        if twin >= start:
            dropped = join.nearest[twin] >= 0
            join.nearest[i] = join.nearest[twin] if dropped else twin
            join.f[i] = join.f[twin] if dropped else 1.0
            since = twin
        if join.f[i] < 1.0:
            rows[0] = i
            search_group(bank, work, join, rows, since)
            if join.nearest[i] < 0:
                keep(bank, work, join, i)
