"""Pairs of records that are close, by words, passages or meaning: found within a set, and exactly across a border."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from math import ceil
from typing import Literal, NamedTuple, TypeAlias

import numpy as np

from factory.data.table import Table
from factory.models.embed_texts import embed_texts
from factory.statistics.arrays import Floats, Ints, Rows
from factory.statistics.loops import load_loops
from factory.step import Context
from factory.steps.dedup.joins.compared import Compared, texts_and_inputs
from factory.steps.dedup.joins.forms import exact_form
from factory.steps.dedup.minhash.join import (
    Document,
    differ_in_signs,
    document,
    minhash_join,
    require_rensa,
    similarity,
)
from factory.steps.dedup.rouge import rows as rouge_rows
from factory.steps.dedup.rouge.join import encode, rouge_join, rouge_join_block
from factory.steps.dedup.semantic.join import best_axes, cosine_join, cosine_join_block, with_direction

By: TypeAlias = Literal["rouge", "minhash", "semantic"]
THRESHOLDS: dict[By, float] = {"rouge": 0.7, "minhash": 0.8, "semantic": 0.95}
"""Above these two records are close, as the steps that drop duplicates have it."""
MEASURES: dict[By, str] = {"rouge": "ROUGE-L", "minhash": "Jaccard", "semantic": "cosine"}


class Pairs(NamedTuple):
    """Pairs of rows that are close, and how close. Shape (pairs,) each."""

    one: Ints
    other: Ints
    near: Floats


class Close(ABC):
    """Which of a set's records are close to each other, by one measure."""

    @abstractmethod
    def within(self) -> Pairs:
        """Each row that a keep-first join drops, with the closest row that it keeps.

        Not all close pairs: two that are dropped, or one that is close to several kept, are named once.
        """

    def in_families(self, most: int) -> tuple[Pairs, int]:
        """`within`, and each row that lost against the same one as others before it, with the closest of those others.

        Of three rows that are close to each other two lose against the first: here these two are a pair as well, where
        they are close. `most` rows are held against others in this way; returns how many were not.
        """
        found = self.within()
        families: dict[int, list[int]] = {}
        for one, kept in zip(found.one.tolist(), found.other.tolist(), strict=True):
            families.setdefault(kept, []).append(one)
        more, left, missed = [found], most, 0
        for lost in families.values():
            rows = np.array(sorted(lost), np.int64)
            for at in range(1, len(rows)):
                if left:
                    more.append(self.across(rows[:at], rows[at : at + 1]))
                    left -= 1
                else:
                    missed += 1
        return Pairs(*map(np.concatenate, zip(*more, strict=True))), missed

    @abstractmethod
    def across(self, held: Ints, others: Ints) -> Pairs:
        """Each of `others` that is close to one of `held`, with the closest of them: exact, none is missed."""


async def close_by(by: By, table: Table, field: str, threshold: float, model: str, context: Context) -> Close:
    """What is compared of a table's records, ready to be asked.

    Raises:
        MissingDependency: `minhash` without rensa.
        TextsFailed: `semantic`, and no text can be embedded.
    """
    if by == "semantic":
        texts, inputs = texts_and_inputs(table, field)
        written = [at for at, text in enumerate(texts) if text.strip()]
        vectors = np.zeros((len(texts), 1), np.float32)
        if written:
            embedded = await embed_texts(context.embedder(model), [texts[at] for at in written])
            vectors = np.zeros((len(texts), embedded.vectors.shape[1]), np.float32)
            vectors[written] = np.nan_to_num(embedded.vectors)
            context.count("records_without_embedding", len(embedded.failed))
        return ByMeaning(vectors, [exact_form(text) if text else "" for text in inputs], threshold)
    compared = Compared.of(table, field)
    compared.tell(context)
    if by == "minhash":
        require_rensa()
        return ByPassages(compared.texts, compared.inputs, threshold, context.seed % (1 << 32))
    load_loops("factory.statistics.rouge.kernel", context.tell)
    empty = Table.from_records([])
    return ByWords(
        rouge_rows.Rows.of((empty, table), (Compared.of(empty, field), compared)),
        threshold,
    )


class ByWords(Close):
    """ROUGE-L over words; see `dedup_rouge`."""

    def __init__(self, rows: rouge_rows.Rows, threshold: float) -> None:
        self._rows, self._threshold = rows, threshold
        self._tokens = [rows.tokens(at) for at in range(len(rows.ids))]
        self._texts, self._vocabulary = encode(self._tokens, rows.signs)

    def within(self) -> Pairs:
        """See `Close.within`."""
        found = rouge_join(self._tokens, self._threshold, signs=self._rows.signs)
        one = np.flatnonzero(found.nearest >= 0)
        return Pairs(one, found.nearest[one], found.f[one])

    def across(self, held: Ints, others: Ints) -> Pairs:
        """See `Close.across`."""
        # A text without words is close to nothing, and is left out by the join itself.
        nearest, f = rouge_join_block(
            self._texts.take(held),
            self._texts.take(others),
            np.full(len(others), np.nan),
            False,
            threshold=self._threshold,
            vocabulary=self._vocabulary,
        )
        at = np.flatnonzero(nearest >= 0)
        return Pairs(others[at], held[nearest[at]], f[at])


class ByPassages(Close):
    """Jaccard similarity of shingles; see `dedup_minhash`."""

    def __init__(
        self, texts: list[str], inputs: list[str], threshold: float, seed: int, shingle: int = 5
    ) -> None:
        self._texts, self._inputs, self._threshold = texts, inputs, threshold
        self._seed, self._shingle = seed, shingle

    def within(self) -> Pairs:
        """See `Close.within`; MinHash may miss some, which `across` then finds."""
        found = minhash_join(
            self._texts, self._threshold, inputs=self._inputs, size=self._shingle, seed=self._seed
        )
        one = np.flatnonzero(found.nearest >= 0)
        return Pairs(one, found.nearest[one], found.jaccard[one])

    def across(self, held: Ints, others: Ints) -> Pairs:
        """See `Close.across`.

        Two documents closer than the threshold share one at least of any n - ceil(threshold n) + 1 of the n shingles of
        either: those that are rarest among `held` are looked for in all others.
        """
        documents = {at: own for at in held.tolist() if (own := self._document(at)).all}
        often = Counter(shingle for own in documents.values() for shingle in own.all)
        holders: dict[str, list[int]] = {}
        for at, own in documents.items():
            rarest = sorted(own.all, key=lambda shingle: (often[shingle], shingle))
            for shingle in rarest[: len(rarest) - ceil(self._threshold * len(rarest)) + 1]:
                holders.setdefault(shingle, []).append(at)
        found: list[tuple[int, int, float]] = []
        for at in others.tolist():
            own = self._document(at)
            best, most = -1, self._threshold
            for other in sorted({one for shingle in own.all & holders.keys() for one in holders[shingle]}):
                near = similarity(own, documents[other])
                if near > most and not differ_in_signs(own, documents[other]):
                    best, most = other, near
            if best >= 0:
                found.append((at, best, most))
        return _pairs(found)

    def _document(self, at: int) -> Document:
        return document(self._texts[at], self._inputs[at], self._shingle)


class ByMeaning(Close):
    """Cosine of embeddings, among records of the same input; see `dedup_semantic`."""

    def __init__(self, vectors: Rows, inputs: list[str], threshold: float) -> None:
        self._vectors, self._threshold = vectors, threshold
        groups: dict[str, int] = {}
        self._group = np.array([groups.setdefault(one, len(groups)) for one in inputs], np.int64)

    def within(self) -> Pairs:
        """See `Close.within`."""
        return self._by_group(np.arange(len(self._vectors)), None)

    def across(self, held: Ints, others: Ints) -> Pairs:
        """See `Close.across`."""
        return self._by_group(others, held)

    def _by_group(self, rows: Ints, held: Ints | None) -> Pairs:
        found: list[Pairs] = []
        for group in np.unique(self._group[rows]).tolist():
            own = rows[self._group[rows] == group]
            if held is None:
                if len(own) < 2:
                    continue
                matches = cosine_join(self._vectors[own], self._threshold)
                at = np.flatnonzero(matches.nearest >= 0)
                found.append(Pairs(own[at], own[matches.nearest[at]], matches.cosine[at]))
                continue
            known = held[self._group[held] == group]
            own, known = self._directed(own), self._directed(known)
            if not len(own) or not len(known):
                continue
            near = np.concatenate([known, own])
            axes = best_axes(self._vectors[near], np.arange(len(near)), self._threshold)
            nearest, cosine = cosine_join_block(
                self._vectors[known],
                self._vectors[own],
                np.full(len(own), np.nan),
                False,
                threshold=self._threshold,
                axes=axes,
            )
            at = np.flatnonzero(nearest >= 0)
            found.append(Pairs(own[at], known[nearest[at]], cosine[at]))
        return Pairs(*map(np.concatenate, zip(*(found or [_pairs([])]), strict=True)))

    def _directed(self, rows: Ints) -> Ints:
        return rows[with_direction(self._vectors[rows])]


def _pairs(found: list[tuple[int, int, float]]) -> Pairs:
    return Pairs(
        np.array([one for one, _, _ in found], np.int64),
        np.array([other for _, other, _ in found], np.int64),
        np.array([near for _, _, near in found], np.float64),
    )
