"""Room for the loops of ROUGE-L: an empty bank for kept texts, and what a worker writes on."""

from __future__ import annotations

import numpy as np

from factory.statistics.arrays import Ints
from factory.statistics.rouge.layout import Bank, Work

EXACT = 64  # texts shorter than this share a bucket with their own length only, longer ones with 1 in 32 more
BITS = 8  # of a bitmap for a token, at least: fewer pass more pairs to the LCS, more take longer to compare


def buckets_of(lengths: Ints) -> Ints:
    """The bucket of each text of so many tokens."""
    shift = np.maximum(np.frexp(lengths.astype(float))[1] - EXACT.bit_length() + 1, 0)
    return np.asarray(EXACT // 2 * shift + (lengths >> shift), np.int64)


def empty_bank(lengths: Ints) -> Bank:
    """An empty bank for texts of these lengths, at least one."""
    bucket = buckets_of(lengths)
    return bank_with_room(bucket, np.bincount(bucket))


def bank_with_room(bucket: Ints, room: Ints) -> Bank:
    """An empty bank with room for so many texts in each bucket, for texts of the buckets `bucket`."""
    number = np.arange(len(room))
    shift = np.maximum(number // (EXACT // 2) - 1, 0)
    shortest = (number - EXACT // 2 * shift) << shift
    longest = shortest + (1 << shift) - 1
    width = 1 << np.frexp((longest * BITS - 1) // 64)[1].astype(np.int64)  # the power of two that holds them
    first = np.concatenate([[0], np.cumsum(room)])
    first_word = np.concatenate([[0], np.cumsum(room * width)])
    held = np.zeros(len(number), np.int64)
    kept = np.empty(first[-1], np.int64)
    words = np.empty(first_word[-1], np.uint64)
    return Bank(bucket, shortest, longest, held, first, kept, width, first_word, words)


def worker(bank: Bank, vocabulary: int) -> Work:
    """Room to compare texts of the lengths that `bank` was made for, of tokens below `vocabulary`."""
    from factory.statistics.rouge.kernel import BLOCK, GROUP

    longest = int(bank.longest[-1])
    return Work(
        bitmaps=np.zeros((GROUP, 2 * bank.width[-1]), np.uint64),
        counts=np.empty(BLOCK, np.int64),
        most=np.empty(GROUP, np.int64),
        indexed=np.zeros(GROUP, np.bool_),
        seen=np.zeros(vocabulary, np.int32),
        head=np.full((GROUP, vocabulary), -1, np.int32),
        times=np.zeros((GROUP, vocabulary), np.int32),
        link=np.empty((GROUP, longest), np.int32),
        place=np.empty((GROUP, longest), np.int32),
        masks=np.empty((GROUP, longest), np.uint64),
        state=np.empty(longest // 64 + 1, np.uint64),
        shared=np.empty(longest + 1, np.int32),
    )
