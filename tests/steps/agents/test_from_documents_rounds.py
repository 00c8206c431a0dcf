"""Facts are shown with their words; a set that is filled is asked for other questions each round."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from typing import Any

import pytest
from made_documents import Reader, between, manual_chunk, run
from step_context import Ask, scripted_context

from factory.data.table import Table
from factory.steps.agents.from_documents import FromDocuments
from factory.steps.agents.grounding.kinds import KINDS

ONE = {"single_fact": 1.0}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("chinese", [False, True])
def test_the_writer_is_shown_the_words_that_state_each_fact(kind: Any, chinese: bool) -> None:
    chunks = [manual_chunk(number, chinese=chinese) for number in range(2)]
    done = run(FromDocuments(kinds={kind: 1.0}, per_chunk=1), Reader(), chunks)
    written = [ask for ask in done.asks if "<facts" in ask.text]
    assert len(written) == 2
    for ask in written:
        for line in between("facts", ask.text).splitlines():
            statement = line[2:].split("（“" if chinese else ' ("')[0]
            assert line == (
                f"- {statement}（“{statement}”）" if chinese else f'- {statement} ("{statement}")'
            )


def test_words_over_several_lines_are_shown_on_one() -> None:
    text = " It is cleaned\nevery\n\n9 days."
    own = [{"statement": "So it is.", "quote": "It is cleaned every 9 days.", "entities": []}]
    done = run(
        FromDocuments(kinds=ONE, per_chunk=1), Reader(facts=lambda passage: own), [manual_chunk(1, more=text)]
    )
    (facts,) = {between("facts", ask.text) for ask in done.asks if "<facts" in ask.text}
    assert facts == '- So it is. ("It is cleaned every 9 days.")'


def test_each_round_of_filling_asks_for_questions_that_no_other_has_asked_for() -> None:
    chunks = [manual_chunk(number) for number in range(3)]
    step = FromDocuments(kinds=ONE, per_chunk=2)

    def samples(seed: int, earlier: Table | None) -> set[int]:
        context, chat = scripted_context(Reader(), step="03-from_documents", seed=seed)
        asyncio.run(step.run(Table.from_records(chunks), replace(context, earlier=earlier)))
        assert {ask.sample for ask in chat.asks if "<facts" not in ask.text} == {0}  # facts are replayed
        return {ask.sample for ask in chat.asks if "<facts" in ask.text}

    none = Table.from_records([])
    rounds = [samples(0, None), samples(11, none), samples(12, none)]
    assert [len(found) for found in rounds] == [2, 2, 2]
    assert len(set.union(*rounds)) == 6
    assert samples(11, none) == rounds[1]


@pytest.mark.parametrize(
    ("listed", "words"),
    [
        ([], "the model lists no fact"),
        (["It flies."], "of the one fact that the model lists none has words"),
        (["It flies.", "It swims."], "of the 2 facts that the model lists none has words"),
    ],
)
def test_a_chunk_without_facts_tells_whether_any_were_listed(listed: list[str], words: str) -> None:
    own = [{"statement": one, "quote": one, "entities": []} for one in listed]
    done = run(FromDocuments(kinds=ONE, per_chunk=1), Reader(facts=lambda passage: own), [manual_chunk(1)])
    (chunk,) = done.chunks
    assert chunk.dropped is not None
    assert chunk.dropped.reason.startswith(words)


@pytest.mark.parametrize(("where", "kept"), [("own", 0), ("other", 1)])
def test_what_an_answer_that_declines_adds_is_held_to_its_own_passage(where: str, kept: int) -> None:
    reader = Reader()

    def judged(ask: Ask) -> str:
        if ask.schema is None or "declines" not in ask.schema.model_fields:
            return reader(ask)
        subject = "pump" if "valve" in between("question", ask.text) else "valve"
        passage = "own" if f"Orrin {subject}" not in between("passage", ask.text) else "other"
        return json.dumps({"reason": "so", "passage_answers": False, "declines": passage != where})

    chunks = [manual_chunk(0), manual_chunk(1)]
    done = run(FromDocuments(kinds={"unanswerable": 1.0}, per_chunk=1), judged, chunks)
    assert len(done.made) == 2
    assert len(done.kept) == 2 * kept
    assert set(done.dropped) == (set() if kept else {"not_declined"})
    asked = [ask for ask in done.asks if ask.schema and "declines" in ask.schema.model_fields]
    assert (len(asked) > 2) == bool(kept)  # of the nearest passage too, unless the first has let it go
