"""Thoughts in an export: cut at a budget, and written with and without."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from factory.data.record import Candidate, Message, Record, new_record
from factory.data.table import Table
from factory.data.text import estimate_tokens
from factory.step import Context
from factory.steps.files.export import Export
from factory.steps.files.thoughts.thoughts import NO_THINK, Thoughts, cut_thought

LONG = "First this. " * 20
PLAIN = new_record("Hi", output="Hello")


def thinking(thought: str, answer: str = "42") -> Record:
    turns = (Message("user", "Q"), Message("assistant", answer, thought))
    return Record(f"t{len(thought)}", turns, lang="en")


def test_a_long_thought_is_cut_at_the_end_of_a_sentence_and_the_answer_stays() -> None:
    written = Thoughts([thinking(LONG), thinking("Short."), PLAIN], tokens=20)
    long, short, plain = written
    assert long.messages[-1] == Message("assistant", "42", ("First this. " * 6).rstrip())
    assert (short, plain) == (thinking("Short."), PLAIN)
    assert written.counts() == {"thoughts": 2, "thoughts_cut": 1}
    assert written.told() == ["of 2 thoughts 50.0% (95 % interval 9.5% to 90.5%) were cut at about 20 tokens"]


def test_counts_are_those_of_one_time_through() -> None:
    written = Thoughts([thinking(LONG)], tokens=20)
    assert [*written] == [*written]
    assert written.counts()["thoughts"] == 1


def test_a_thought_of_the_chosen_answer_counts_once() -> None:
    turns = thinking(LONG).messages[1:]
    record = replace(thinking(LONG), answers=(Candidate(turns), Candidate(())), chosen=0)
    written = Thoughts([record], tokens=20)
    (made,) = written
    assert made.answers[0].turns == made.messages[1:]
    assert written.thoughts == 1


def test_chinese_thoughts_end_at_their_own_marks() -> None:
    assert cut_thought("先算六乘七。再检查一遍。最后写出答案。", 10) == "先算六乘七。再检查一遍。"


@given(st.text(max_size=200), st.integers(1, 60))
def test_a_cut_thought_begins_as_the_whole_one_and_fits(thought: str, tokens: int) -> None:
    short = cut_thought(thought, tokens)
    assert thought.startswith(short)
    assert estimate_tokens(short) <= tokens
    assert (short == thought) or estimate_tokens(thought) > tokens


def test_twins_are_told_apart_by_a_template_argument_and_their_ids() -> None:
    record = replace(thinking("Hm."), template_arguments={"mode": "a"})
    written = Thoughts([record, PLAIN], twins=True)
    loud, quiet, plain = written
    assert loud == replace(record, template_arguments={"mode": "a", "enable_thinking": True})
    assert quiet.id == record.id + NO_THINK
    assert quiet.messages[-1] == Message("assistant", "42")
    assert quiet.template_arguments == {"mode": "a", "enable_thinking": False}
    assert plain.template_arguments == {"enable_thinking": False}
    assert written.told() == [
        "1 of 2 records have thoughts and are written a second time without them (enable_thinking: false)"
    ]


def test_what_a_record_without_thoughts_says_itself_stands() -> None:
    own = replace(PLAIN, template_arguments={"enable_thinking": True})
    assert [*Thoughts([own], twins=True)] == [own]


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"twins": True, "formats": ["alpaca"]}, "told apart in alpaca"),
        ({"twins": True, "reasoning": "none"}, "choose one"),
    ],
)
def test_options_that_do_not_fit_are_refused(options: dict[str, Any], told: str) -> None:
    with pytest.raises(ValidationError, match=told):
        Export(**options)


def test_an_export_writes_twins_and_tells_what_it_did(tmp_path: Path) -> None:
    told: list[str] = []

    def nobody(name: str) -> Any:
        raise AssertionError("no model is asked")

    context = Context("05-export", 0, nobody, nobody, folder=tmp_path / "dataset", tell=told.append)
    step = Export(formats=("messages",), twins=True, reasoning_tokens=20, reasoning="think")
    asyncio.run(step.run(Table.from_records([thinking(LONG)]), context))
    lines = (tmp_path / "dataset" / "messages" / "train.jsonl").read_text().splitlines()
    loud, quiet = map(json.loads, lines)
    assert loud["messages"][1]["content"].endswith("First this.\n</think>\n\n42")
    assert quiet["messages"][1]["content"] == "42"
    assert [row["chat_template_kwargs"] for row in (loud, quiet)] == [
        {"enable_thinking": True},
        {"enable_thinking": False},
    ]
    assert len(told) == 2
    assert context.facts == {"thoughts": 1, "thoughts_cut": 1, "records_written_twice": 1}
