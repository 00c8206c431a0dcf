"""Every drop of a duplicate names, in a field, the record that is kept in its place."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from factory.data.record import Drop, Record, new_record
from factory.data.table import Table
from factory.report.duplicate_families import CAUSES, duplicate_families, families, how_near
from factory.step import Context, WholeSet
from factory.steps.dedup.exact import DedupExact
from factory.steps.dedup.minhash.step import DedupMinHash
from factory.steps.dedup.rouge.step import DedupRouge
from factory.steps.dedup.semantic.step import DedupSemantic

WORDS = ("name", "a", "river", "lake", "Name", "river.", "河", "说出")
STEPS: tuple[WholeSet, ...] = (
    DedupExact(reference="known.jsonl"),
    DedupRouge(reference="known.jsonl", threshold=0.6),
    DedupRouge(reference="known.jsonl", threshold=0.8, scope="task"),
    DedupMinHash(field="prompt", shingle=1, threshold=0.5),
    DedupSemantic(threshold=0.9),
)
texts = st.lists(st.sampled_from(WORDS), max_size=5).map(" ".join)
records = st.lists(
    st.builds(new_record, texts, task=st.sampled_from(["", "fact"]), source=st.uuids().map(str)), max_size=12
)


class Counted:
    """An `EmbeddingModel`: how often a text has each word."""

    name = "counted"

    async def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Of each text the counts, as a vector of length 1."""
        rows = np.array([[text.split().count(word) for word in WORDS] for text in texts], np.float32)
        return rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-9).astype(np.float32)


def context(known: Sequence[Record] = ()) -> Context:
    return Context(
        "02-dedup",
        0,
        get_chat=lambda name: None,  # type: ignore[arg-type, return-value]
        get_embedder=lambda name: Counted(),
        read_records=lambda path: iter(known),
    )


def run(step: WholeSet, rows: Sequence[Record], known: Sequence[Record]) -> list[Record]:
    return list(asyncio.run(step.run(Table.from_records(rows), context(known))).records())


def as_the_sentence_says(drop: Drop) -> Drop:
    """The drop, against the record whose id stands in its sentence, which is how families were found before."""
    named = re.search(r"\bwith (\S+)", drop.reason)
    return drop._replace(against=named[1] if named else "")


@pytest.mark.slow
@pytest.mark.parametrize("step", STEPS, ids=lambda step: f"{step.name}-{getattr(step, 'scope', '')}")
@given(rows=records, known=records)
@settings(max_examples=40, deadline=None)
def test_what_a_record_lost_against_is_kept_or_one_of_the_reference(
    step: WholeSet, rows: list[Record], known: list[Record]
) -> None:
    result = run(step, rows, known)
    lives = {record.id for record in result if record.dropped is None}
    for record in result:
        if record.dropped is not None:
            in_reference = record.dropped.numbers.get("in_reference") == 1
            assert record.dropped.against in ({one.id for one in known} if in_reference else lives)


@pytest.mark.slow
@given(rows=records, known=records)
@settings(max_examples=40, deadline=None)
def test_the_families_of_a_whole_run_are_those_that_the_sentences_tell(
    rows: list[Record], known: list[Record]
) -> None:
    dropped: list[Record] = []
    for step in STEPS:
        result = run(step, rows, known)
        dropped += [record for record in result if record.dropped is not None]
        rows = [record for record in result if record.dropped is None]
    told = [(record.id, as_the_sentence_says(record.dropped)) for record in dropped if record.dropped]
    assert duplicate_families(dropped) == families(told)


@pytest.mark.slow
@given(rows=records, known=records)
@settings(max_examples=25, deadline=None)
def test_how_near_a_duplicate_was_is_told_from_its_numbers_as_its_sentence_tells_it(
    rows: list[Record], known: list[Record]
) -> None:
    for step in STEPS:
        for record in run(step, rows, known):
            if (drop := record.dropped) is not None:
                assert drop.kind in CAUSES
                assert how_near(drop, drop.against) == drop.reason.partition(" with ")[0]
                assert (
                    how_near(drop, "x")
                    == f"{how_near(drop, drop.against)} with {drop.against}, dropped later"
                )


@pytest.mark.parametrize("step", STEPS, ids=lambda step: f"{step.name}-{getattr(step, 'scope', '')}")
def test_records_without_a_text_are_compared_with_nothing_and_counted(step: WholeSet) -> None:
    rows = [new_record(text, occurrence=at) for at, text in enumerate(["", " ", "name a river", ""])]
    handed = context()
    result = asyncio.run(step.run(Table.from_records(rows), handed))
    assert [record.dropped for record in result.records()] == [None] * 4
    assert handed.facts["records_without_text"] == 3
