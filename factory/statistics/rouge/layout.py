"""The layout of the data that the ROUGE-L join works on: the texts, those kept, the room of a worker."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from factory.statistics.arrays import Floats, Ids, Ints, Words

IdRows = NDArray[np.int32]  # shape (GROUP, ...), as is
Bitmaps = NDArray[np.uint64]


class Bank(NamedTuple):
    """The kept texts by bucket of length, in their order; a bucket has room for all texts of its lengths."""

    bucket: Ints  # of each text
    shortest: Ints  # length in the bucket
    longest: Ints
    held: Ints  # texts in the bucket so far
    first: Ints  # of the bucket's texts in `kept`; one entry more than buckets
    kept: Ints  # text numbers
    width: Ints  # words of a bitmap
    first_word: (
        Ints  # of the bucket's bitmaps in `words`: the first words of its texts, the second words, ...
    )
    words: Words


class Join(NamedTuple):
    """The texts, the references first, and what is known of each."""

    ids: Ids
    offsets: Ints
    table: Ints  # a hash table of text numbers by tokens
    twin: Ints  # an earlier text with the same tokens and signs, or -1
    nearest: Ints  # the kept text of highest F so far, or -1
    f: Floats  # its F, or the threshold: what another must exceed
    letters: Ids  # texts of the same letters ...
    forms: Ids  # ... and other signs are never close


class Work(NamedTuple):
    """Room of one worker, for a group of texts of the length of the longest.

    An indexed text has, from head[token] through `link`, the words that the token is in and its bits there.
    """

    bitmaps: Bitmaps
    counts: Ints
    most: Ints
    indexed: NDArray[np.bool_]
    seen: Ids
    head: IdRows
    times: IdRows
    link: IdRows
    place: IdRows
    masks: Bitmaps
    state: Words
    shared: Ids
