"""What the ROUGE-L step compares of each record."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Sequence
from typing import NamedTuple, Self

import numpy as np

from factory.data.table import Table
from factory.data.text import rouge_tokens
from factory.steps.dedup.joins.compared import Compared
from factory.steps.dedup.joins.differences import Difference, signature
from factory.steps.dedup.joins.forms import exact_form
from factory.steps.dedup.joins.signs import Signs, differ_in_signs_alone, number_signs


class Near(NamedTuple):
    """The record that one was dropped for, by number, and their ROUGE-L F."""

    kept: int
    f: float


class Rows(NamedTuple):
    """The records of the reference, then those of the set.

    words: the `rouge_tokens` of each text
    references: how many records the reference has
    """

    ids: list[str]
    texts: list[str]
    words: list[list[str]]
    inputs: list[str]
    tasks: list[str]
    references: int
    signs: Signs

    @classmethod
    def of(cls, tables: Sequence[Table], compared: Sequence[Compared]) -> Self:
        """The records of the reference's table, and of the set's, with what is compared of them."""
        texts = [text for one in compared for text in one.texts]
        words = list(map(rouge_tokens, texts))
        return cls(
            [id for table in tables for id in table.ids()],
            texts,
            words,
            [exact_form(text) if text else "" for one in compared for text in one.inputs],
            [task for table in tables for task in table.values("task")],
            len(tables[0]),
            number_signs(texts, words),
        )

    def tokens(self, index: int) -> list[str]:
        """The words compared; those of different inputs have nothing in common."""
        words = self.words[index]
        if not self.inputs[index]:
            return words
        mark = hashlib.blake2b(self.inputs[index].encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()
        return [f"{word} {mark}" for word in words]

    def groups(self, scope: str, guard: Sequence[Difference] = ()) -> list[list[int]]:
        """The records to be compared with each other, by task, or all; those of the reference come first.

        guard: those that differ in one of these are not compared
        """
        groups: defaultdict[object, list[int]] = defaultdict(list)
        for index, task in enumerate(self.tasks):
            groups[task if scope == "task" else "", signature(self.texts[index], guard)].append(index)
        return list(groups.values())

    def compared_by_words(self, one: int, other: int) -> bool:
        """Whether nothing but their words decides on these two."""
        same_input = self.inputs[one] == self.inputs[other]
        return same_input and not differ_in_signs_alone(self.texts[one], self.texts[other])

    def ambiguous(self) -> set[int]:
        """Those that differ from another in signs alone."""
        return set(np.asarray(self.signs.ambiguous()).tolist())
