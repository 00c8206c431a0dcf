"""Magpie: a model that is shown the start of a user's turn writes instructions, and what is none is let go."""

from __future__ import annotations

import asyncio
import itertools
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from scripted_server import Say, ScriptedServer, in_thread
from step_context import Ask, ScriptedChat, scripted_context

import factory as sft
from factory.data.record import Record, new_record
from factory.data.table import Table
from factory.errors import RecordFailed
from factory.models.base import Reply
from factory.steps.agents.magpie import DRY_ROUNDS, Magpie

QUESTIONS = tuple(f"What is {number} and {number}?" for number in range(100))


def by_sample(ask: Ask) -> str:
    return QUESTIONS[ask.sample]


def run(
    step: Magpie, script: Callable[[Ask], str | Reply | Exception], *, limit: int | None = None
) -> tuple[list[Record], ScriptedChat, list[str], list[str]]:
    context, chat = scripted_context(script)
    told: list[str] = []
    warned: list[str] = []
    context = replace(context, limit=limit, tell=told.append, warn=warned.append)
    return list(asyncio.run(step.run(Table.from_records([]), context)).records()), chat, told, warned


def kinds(records: list[Record]) -> Counter[str]:
    return Counter("kept" if record.dropped is None else record.dropped.kind for record in records)


def test_the_model_is_shown_its_template_and_no_words() -> None:
    records, chat, told, warned = run(Magpie(size=3), by_sample)
    assert [record.instruction for record in records] == list(QUESTIONS[:3])
    assert {ask.text for ask in chat.asks} == {"<|user|>"}
    (ask, *_) = chat.asks
    assert (ask.temperature, ask.sampling.top_p, ask.sampling.stop) == (1.0, 1.0, ("<|end|>",))
    assert told == [
        "01-test: 3 instructions of 3 draws, 100.0% (95 % interval 43.9% to 100.0%) of those looked at"
    ]
    assert warned == []


def test_what_was_made_says_how() -> None:
    (record,), *_ = run(Magpie(size=1), by_sample)
    assert record.source == "magpie"
    (event,) = record.events
    assert (event.operation, event.model) == ("draw", "scripted")


def test_system_turns_take_turns_and_stay_out_of_the_conversation() -> None:
    records, chat, *_ = run(Magpie(size=4, system=("Cooking.", "数学。")), by_sample)
    assert [ask.text for ask in chat.asks] == [
        "<|system|>Cooking.<|end|><|user|>",
        "<|system|>数学。<|end|><|user|>",
    ] * 2
    assert [record.meta["magpie_system"] for record in records] == ["Cooking.", "数学。"] * 2
    assert all(record.system == "" for record in records)


def test_a_given_template_is_shown_as_it_stands() -> None:
    _, chat, *_ = run(Magpie(size=1, template="USER: "), by_sample)
    (ask,) = chat.asks
    assert (ask.text, ask.sampling.stop) == ("USER: ", ())


def test_each_flaw_is_let_go_with_its_kind_and_the_rest_is_drawn_anew() -> None:
    replies: list[str | Reply | Exception] = [
        "  ",
        Reply("How do I", finish_reason="length"),
        "Answer these questions:",
        "翻译下面的句子：",
        "What is the capital of France?",
        "what is the capital  of France?",
        "法国的首都是哪里？",
        RecordFailed("refused", "no"),
    ]
    script = itertools.chain(replies, (f"Why is number {n} odd?" for n in itertools.count()))
    records, *_ = run(Magpie(size=8, most_draws=40, language="en"), lambda ask: next(script))
    assert kinds(records) == {
        "kept": 8,
        "empty": 1,
        "truncated": 1,
        "unfinished": 2,
        "repeated": 1,
        "other_language": 1,
        "refused": 1,
        **({"beyond_size": kinds(records)["beyond_size"]} if kinds(records)["beyond_size"] else {}),
    }
    (repeated,) = (record for record in records if record.dropped and record.dropped.kind == "repeated")
    assert repeated.dropped is not None
    first = next(record for record in records if record.id == repeated.dropped.against)
    assert first.instruction == "What is the capital of France?"


def test_chinese_is_kept_where_chinese_is_asked_for() -> None:
    replies = iter(["法国的首都是哪里？", "What is it?", "写一首关于春天的诗。"])
    records, *_ = run(Magpie(size=2, most_draws=3, language="zh"), lambda ask: next(replies))
    assert [record.instruction for record in records if record.dropped is None] == [
        "法国的首都是哪里？",
        "写一首关于春天的诗。",
    ]


def test_a_model_that_says_the_same_each_time_ends_the_step_and_is_told() -> None:
    records, _, _, (warning,) = run(Magpie(size=10, most_draws=10_000), lambda ask: "Hello?")
    assert kinds(records)["kept"] == 1
    assert f"10 were asked for, and it ended after {DRY_ROUNDS} rounds that brought nothing new" in warning
    assert len(records) < 10_000


def test_the_most_draws_end_the_step_and_are_told() -> None:
    records, _, _, (warning,) = run(
        Magpie(size=10, most_draws=12), lambda ask: "Hello?" if ask.sample % 2 else ""
    )
    assert len(records) == 12
    assert "1 instructions of 12 draws (empty 6, repeated 5)" in warning
    assert "it ended after 12 draws (`most_draws`)" in warning


def test_no_more_is_made_than_the_run_takes() -> None:
    records, *_ = run(Magpie(size=50), by_sample, limit=2)
    assert kinds(records) == {"kept": 2}


def test_records_that_come_in_pass_untouched() -> None:
    context, _ = scripted_context(by_sample)
    seed = new_record("Seed.", output="Yes.")
    table = asyncio.run(Magpie(size=1).run(Table.from_records([seed]), context))
    assert next(table.records()) == seed
    assert len(table) == 2


@given(
    st.lists(st.sampled_from(["", "A?", "B?", "C:", "D?", "E?"]), min_size=1, max_size=30), st.integers(1, 6)
)
def test_kept_is_drawn_less_let_go_and_never_above_the_size(script: list[str], size: int) -> None:
    records, chat, *_ = run(Magpie(size=size), lambda ask: script[ask.sample % len(script)])
    assert len(records) == len(chat.asks) <= 3 * size
    kept = [record.instruction for record in records if record.dropped is None]
    assert len(kept) == len(set(kept)) <= size
    assert len({record.id for record in records}) == len(records)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"template": "User: ", "system": "x"}, "write the system turn into it"),
        ({"system": ("a", " ")}, "a system turn is blank"),
        ({"size": 0}, "greater than or equal to 1"),
    ],
)
def test_options_that_cannot_be_are_refused(options: dict[str, object], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        Magpie(**options)  # type: ignore[arg-type]


@pytest.mark.slow
def test_a_run_begins_with_it_and_a_replay_asks_nothing(tmp_path: Path) -> None:
    def complete(request: dict[str, object]) -> Say:
        choice = {"index": 0, "text": f"What is {request['seed']}?", "finish_reason": "stop"}
        return Say(body={"choices": [choice], "usage": {"prompt_tokens": 3, "completion_tokens": 4}})

    with in_thread(ScriptedServer(complete=complete)) as server:
        recipe = {
            "name": "m",
            "models": {"teacher": {"provider": "openai", "base_url": server.base_url, "model": "scripted"}},
            "steps": [
                {"magpie": {"model": "teacher", "size": 5, "template": "USER: "}},
                {"respond": {"model": "teacher"}},
                {"export": {"formats": ["messages"]}},
            ],
        }
        outputs = []
        for number in (1, 2):
            result = sft.run(recipe, out=tmp_path / str(number), journal=tmp_path / "journal.db")
            assert result.manifest["status"] == "finished"
            (written,) = (tmp_path / str(number)).rglob("messages/*.jsonl")
            outputs.append(written.read_bytes())
            assert len(server.requests) == 10
    assert outputs[0] == outputs[1]
    assert outputs[0].count(b"\n") == 5
