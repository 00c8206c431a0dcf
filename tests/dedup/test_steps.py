"""The duplicate steps over a set: what they drop, in which order, and what they say of it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import pytest
from numpy.typing import NDArray

from factory.dedup.rouge import DedupRouge
from factory.dedup.semantic import DedupSemantic
from factory.record import Drop, Record, new_record
from factory.step import Context, WholeSet
from factory.table import Table

ANGLES = {
    "How do I sort a list?": 0,
    "What is the way to sort a list?": 10,
    "How does one sort?": 20,
    "怎样给列表排序？": 5,
    "Name a river.": 80,
    "说出一条河。": 85,
    "Name a mountain.": 120,
}
"""Texts and the direction, in degrees, that the scripted embedder gives them."""


@dataclass
class ScriptedEmbedder:
    """An `EmbeddingModel` in the plane; `asked` keeps what it was asked."""

    name: str = "scripted"
    asked: list[str] = field(default_factory=list)

    async def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """One direction for each text; both parts of a pair count as its first line."""
        assert all(text.strip() for text in texts), "servers refuse a blank text"
        self.asked.extend(texts)
        angles = np.radians([ANGLES[text.splitlines()[0]] for text in texts])
        return np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)


def run(step: WholeSet, records: Sequence[Record], embedder: ScriptedEmbedder | None = None) -> list[Record]:
    """The set after the step."""

    def nobody(name: str) -> object:
        raise AssertionError("this step asks no such model")

    def embedding_model(name: str) -> object:
        return embedder if embedder is not None else nobody(name)

    context = Context("03-dedup", 0, get_chat=nobody, get_embedder=embedding_model)  # type: ignore[arg-type]
    result = asyncio.run(step.run(Table.from_records(records), context))
    return list(result.records())


def asked(*instructions: str) -> list[Record]:
    return [new_record(text, occurrence=at) for at, text in enumerate(instructions)]


def kept(records: Sequence[Record]) -> list[int]:
    return [at for at, record in enumerate(records) if record.dropped is None]


def test_a_word_for_word_duplicate_is_dropped_with_the_record_it_repeats() -> None:
    records = asked(
        "Write a short poem about the sea.",
        "Name three rivers.",
        "Write a short poem about the moon.",
    )
    result = run(DedupRouge(threshold=0.7), records)
    assert kept(result) == [0, 1]
    assert result[2].dropped == Drop(
        "03-dedup",
        "near_duplicate",
        f"ROUGE-L 0.86 with {records[0].id} (Write a short poem about the sea.)",
        {"rouge_l": pytest.approx(6 / 7)},
    )
    assert [record.id for record in result] == [record.id for record in records]


def test_a_chinese_duplicate_is_dropped_character_by_character() -> None:
    records = asked("请写一首关于大海的短诗。", "请说出三条河流的名字。", "请写一首关于月亮的短诗。")
    result = run(DedupRouge(threshold=0.7), records)
    assert kept(result) == [0, 1]
    assert result[2].dropped is not None
    assert records[0].id in result[2].dropped.reason
    assert "请写一首关于大海的短诗。" in result[2].dropped.reason
    assert result[2].dropped.numbers["rouge_l"] == pytest.approx(9 / 11)


@pytest.mark.parametrize("step", [DedupRouge(), DedupSemantic()])
def test_the_first_of_equal_records_is_kept_whatever_comes_between(step: WholeSet) -> None:
    records = asked("Name a river.", "How do I sort a list?", "Name a river.", "Name a river.")
    result = run(step, records, ScriptedEmbedder())
    assert kept(result) == [0, 1]
    assert all(records[0].id in result[at].dropped.reason for at in (2, 3))  # type: ignore[union-attr]


def test_a_dropped_record_drops_no_other() -> None:
    """10 degrees lie between neighbours: the second is too close to the first, the third to the second alone."""
    records = asked("How do I sort a list?", "What is the way to sort a list?", "How does one sort?")
    result = run(DedupSemantic(threshold=0.96), records, ScriptedEmbedder())
    assert kept(result) == [0, 2]


def test_the_same_meaning_is_dropped_across_languages() -> None:
    records = asked(
        "How do I sort a list?", "怎样给列表排序？", "Name a river.", "说出一条河。", "Name a mountain."
    )
    result = run(DedupSemantic(threshold=0.95), records, ScriptedEmbedder())
    assert kept(result) == [0, 2, 4]
    assert result[3].dropped == Drop(
        "03-dedup",
        "same_meaning",
        f"cosine 0.996 with {records[2].id} (Name a river.)",
        {"cosine": pytest.approx(np.cos(np.radians(5)))},
    )


def test_the_field_says_which_text_is_compared() -> None:
    records = [
        new_record("Name a river.", input="a", output="How do I sort a list?"),
        new_record("Name a river.", input="b", output="Name a mountain."),
        new_record("Name a mountain.", input="b", output="How do I sort a list?"),
    ]
    for field_name, expected in (
        ("instruction", [0, 2]),
        ("prompt", [0, 2]),
        ("output", [0, 1]),
        ("both", [0, 2]),
    ):
        embedder = ScriptedEmbedder()
        result = run(DedupSemantic(threshold=0.95, field=field_name), records, embedder)  # type: ignore[arg-type]
        assert kept(result) == expected
        assert embedder.asked == Table.from_records(records).texts(field_name)


@pytest.mark.parametrize("step", [DedupRouge(field="output"), DedupSemantic(field="output")])
def test_records_that_wait_for_an_answer_are_not_duplicates_of_each_other(step: WholeSet) -> None:
    records = [
        new_record("a"),
        new_record("b", output="Name a river."),
        new_record("c"),
        new_record("d", output=" \n"),
        new_record("e", output="Name a river."),
    ]
    assert kept(run(step, records, ScriptedEmbedder())) == [0, 1, 2, 3]


@pytest.mark.parametrize("step", [DedupRouge(), DedupSemantic()])
def test_an_empty_set_stays_empty_and_asks_no_model(step: WholeSet) -> None:
    assert run(step, []) == []


def test_a_set_of_blank_texts_asks_no_model() -> None:
    assert kept(run(DedupSemantic(field="output"), asked("a", "b"))) == [0, 1]


@pytest.mark.parametrize("step", [DedupRouge(), DedupSemantic()])
def test_a_long_or_hostile_text_is_one_short_line_in_the_reason(step: WholeSet) -> None:
    text = "Name a river.\n\x1b[31m" + "长" * 500
    result = run(step, asked(text, text), ScriptedEmbedder())
    assert result[1].dropped is not None
    assert result[1].dropped.reason.isprintable()
    assert len(result[1].dropped.reason) < 120


@pytest.mark.parametrize("step", [DedupRouge(), DedupSemantic()])
def test_a_second_pass_over_what_was_kept_drops_nothing(step: WholeSet) -> None:
    records = asked(*ANGLES, *ANGLES)
    first = [record for record in run(step, records, ScriptedEmbedder()) if record.dropped is None]
    assert 1 < len(first) < len(records)
    assert run(step, first, ScriptedEmbedder()) == first
