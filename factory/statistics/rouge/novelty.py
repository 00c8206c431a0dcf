"""An index of texts that says, while it grows, whether another is too close to one of them, word for word."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from factory.data.text import rouge_tokens
from factory.statistics.arrays import Ints
from factory.statistics.rouge.layout import Bank, Join
from factory.statistics.rouge.room import bank_with_room, buckets_of, worker

KERNEL = "factory.statistics.rouge.kernel"
"""The loops that it runs; see `load_loops`."""


class Near(NamedTuple):
    """The text of an index that another is nearest to: its number, from 0 in the order added, and their ROUGE-L F."""

    number: int
    f: float


class NoveltyIndex:
    """Texts, in the order added, and which of them a new one is too close to.

    Exact: what `nearest` gives is what comparing with every text by rouge-score 0.1.2 over `rouge_tokens` gives, down
    to its floating point, so that Chinese counts too. A text without tokens is close to nothing.

    Keeps up with a stream: adding is amortised constant time, and a look at 52,000 instructions takes a fraction of
    a millisecond (`tests/bench/bench_novelty.py`). Memory grows with the number of tokens added. What was only
    looked for leaves nothing behind.

    Source: ROUGE-L, Lin (2004); the rule that a new instruction is below 0.7 with all before it, Self-Instruct
    (arXiv 2212.10560).

    Example:
        >>> index = NoveltyIndex(["Write a poem about the sea."])
        >>> index.nearest("Write a poem about the sky.", 0.7)
        Near(number=0, f=0.8333333333333334)
    """

    def __init__(self, texts: Iterable[str] = ()) -> None:
        self._numbers: dict[str, int] = {}
        self._texts = 0
        self._longest = 0
        self._join = _room_for(1, 1)
        self._bank = bank_with_room(np.zeros(1, np.int64), np.zeros(1, np.int64))
        self._vocabulary = 1
        self._work = worker(self._bank, self._vocabulary)
        for text in texts:
            self.add(text)

    def __len__(self) -> int:
        """How many texts were added."""
        return self._texts

    def nearest(self, text: str, threshold: float) -> Near | None:
        """The text whose ROUGE-L F with this one is highest, and `threshold` at least; None where there is none.

        Of equals it is the first added.

        Raises:
            ValueError: `threshold` is not above 0, or is above 1.
        """
        if not 0 < threshold <= 1:
            raise ValueError(f"the threshold is a ROUGE-L F above 0 and at most 1, given {threshold}")
        words = rouge_tokens(text)
        # 2 l / (m + n) is below 2 n / m: too long to be close, and no room need be made for it.
        if not words or threshold * len(words) > 2 * self._longest:
            return None
        from factory.statistics.rouge.kernel import search

        self._write(words, np.nextafter(threshold, 0.0))
        search(self._bank, self._work, self._join, np.array([self._texts]), 0, 1)
        number = int(self._join.nearest[self._texts])
        return Near(number, float(self._join.f[self._texts])) if number >= 0 else None

    def add(self, text: str) -> int:
        """Add a text, close to another or not; gives its number."""
        words = rouge_tokens(text)
        self._numbers |= self._write(words, np.nextafter(1.0, 0.0))
        number = self._texts
        if words:
            from factory.statistics.rouge.kernel import settle

            bucket = int(self._bank.bucket[number])
            if self._bank.held[bucket] == self._bank.first[bucket + 1] - self._bank.first[bucket]:
                self._bank = _grown(self._bank, bucket)
            settle(self._bank, self._work, self._join, number, number + 1)
        self._longest = max(self._longest, len(words))
        self._texts += 1
        return number

    def _write(self, words: list[str], f: float) -> dict[str, int]:
        """Put a text behind all that were added, where nothing but an F above `f` is close to it.

        Gives the numbers of its words that no text added has.
        """
        known, fresh = self._numbers, dict[str, int]()
        ids = [
            known[word] if word in known else fresh.setdefault(word, len(known) + len(fresh))
            for word in words
        ]
        number = self._texts
        start = int(self._join.offsets[number])
        if number + 1 >= len(self._join.f) or start + len(ids) > len(self._join.ids):
            self._join = _room_for(2 * number + 2, 2 * (start + len(ids)), self._join)
            bucket = np.zeros(len(self._join.f), np.int64)
            bucket[:number] = self._bank.bucket[:number]
            self._bank = self._bank._replace(bucket=bucket)
        join = self._join
        join.ids[start : start + len(ids)] = ids
        join.offsets[number + 1] = start + len(ids)
        join.nearest[number], join.f[number] = -1, f
        bucket_of_it = self._bank.bucket[number] = int(buckets_of(np.array([len(ids)]))[0])
        wider = bucket_of_it >= len(self._bank.held)
        if wider:
            self._bank = _grown(self._bank, bucket_of_it)
        if wider or len(known) + len(fresh) > self._vocabulary:
            self._vocabulary = max(self._vocabulary, 2 * (len(known) + len(fresh)))
            self._work = worker(self._bank, self._vocabulary)
        return fresh


def _room_for(texts: int, tokens: int, old: Join | None = None) -> Join:
    """Room for so many texts of so many tokens in all, with those of `old` in it."""

    def room(kept: Ints | None, size: int, fill: int) -> Ints:
        new = np.full(size, fill, np.int64)
        if kept is not None:
            new[: len(kept)] = kept
        return new

    ids = np.empty(tokens, np.int32)
    f = np.zeros(texts)
    if old is not None:
        ids, f = np.resize(old.ids, tokens), np.resize(old.f, texts)
    return Join(
        ids,
        offsets=room(old and old.offsets, texts + 1, 0),
        table=np.empty(0, np.int64),
        twin=np.full(texts, -1, np.int64),
        nearest=room(old and old.nearest, texts, -1),
        f=f,
        letters=np.zeros(texts, np.int32),
        forms=np.zeros(texts, np.int32),
    )


def _grown(bank: Bank, bucket: int) -> Bank:
    """The bank with twice the room in each bucket, and for one text at least in this one."""
    held = np.zeros(max(len(bank.held), bucket + 1), np.int64)
    held[: len(bank.held)] = bank.held
    room = 2 * held
    room[bucket] = max(room[bucket], 1)
    new = bank_with_room(bank.bucket, room)
    new.held[:] = held
    for at in np.flatnonzero(held).tolist():
        new.kept[new.first[at] :][: held[at]] = bank.kept[bank.first[at] :][: held[at]]
        _planes(new, at)[:, : held[at]] = _planes(bank, at)[:, : held[at]]
    return new


def _planes(bank: Bank, bucket: int) -> np.ndarray[tuple[int, int], np.dtype[np.uint64]]:
    """The bitmaps of a bucket, shape (words, room)."""
    words = bank.words[bank.first_word[bucket] : bank.first_word[bucket + 1]]
    return words.reshape(int(bank.width[bucket]), -1)
