"""Persona Hub with a scripted model: personas from texts, from each other and from files, and their tasks."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_tasks import SEEDS, SEEDS_ZH, new_task, obey_the_laws, run
from scripted_server import ScriptedServer, in_thread
from step_context import Ask, Script

import factory as sft
from factory.data.formats.reference import reference_rows
from factory.data.record import Record, new_record
from factory.engine.plan.rehearsal import dry_run
from factory.errors import FactoryError, RecordFailed
from factory.models.base import Reply
from factory.recipe.recipe import build_recipe
from factory.steps.agents.persona import PersonaTasks

TRADES = ("beekeeper", "surveyor", "midwife", "locksmith", "glazier", "ferryman", "cartographer", "florist")
Said = str | Reply | Exception


def inside(ask: Ask, tag: str) -> str:
    return ask.text.split(f"<{tag}>\n")[-1].split(f"\n</{tag}>")[0]


def describe(text: str) -> str:
    """A person for each text, unlike those for others."""
    number = sum(map(ord, text))
    if any("\u4e00" <= letter <= "\u9fff" for letter in text):
        return f"一位养蜂{number}年、正准备搬家的{chr(0x4E00 + number % 500)}{chr(0x5200 + number % 300)}匠。"
    return f"A {TRADES[number % 8]} with {number} maps, {number + 1} keys and debt number {number + 2}."


def script(
    behind: Callable[[str], Said] = describe,
    related: Callable[[str], Said] = describe,
    task: Callable[[int], Said] = new_task,
    answer: Said = "A sound answer about it.",
) -> Script:
    """Who stands behind each text, who is close to each, the task of each call by its number, every answer."""

    def reply(ask: Ask) -> Said:
        system = ask.messages[0].content
        if "<persona>" in system:
            return task(ask.sample)
        if "<text>" not in system:
            return answer
        return (related if "close relation" in system else behind)(inside(ask, "text"))

    return reply


def test_each_text_gives_a_persona_and_each_persona_sets_tasks_in_turn() -> None:
    done = run(PersonaTasks(size=6), script())
    assert [record.instruction for record in done.kept] == [new_task(n) for n in range(6)]
    by_id = {record.id: record for record in SEEDS}
    for record in done.kept:
        made = next(event for event in record.events if event.parents)
        (parent,) = made.parents
        seed = by_id[parent]
        assert record.meta["persona"] == describe(f"{seed.prompt}\n{seed.output}")
        assert [event.operation for event in record.events] == ["from_text", "instruction", "answer"]
        assert (record.source, record.lang, record.output) == ("seeds", "en", "A sound answer about it.")
    used = [record.meta["persona"] for record in done.kept]
    assert len(set(used[:4])) == 4
    assert used[4:] == used[:2]
    rows = done.tables["personas"]
    assert {row["of"] for row in rows} == set(by_id)
    assert {row["dropped"] for row in rows} == {""}
    assert done.facts["personas"] == 4


def test_somebody_close_to_each_persona_is_added_as_often_as_asked() -> None:
    done = run(PersonaTasks(size=12, relations=2, answer=False), script())
    rows = done.tables["personas"]
    assert [row["relation"] for row in rows] == [0] * 4 + [1] * 4 + [2] * 4
    assert rows[4]["persona"] == describe(rows[0]["persona"])
    assert rows[8]["of"] == rows[0]["of"] == SEEDS[0].id
    longest = max(done.kept, key=lambda record: len(record.events))
    assert [event.operation for event in longest.events] == ["from_text", "related", "related", "instruction"]


def test_a_person_that_came_up_before_is_left_out_and_kept_in_the_list() -> None:
    done = run(PersonaTasks(size=4, answer=False), script(behind=lambda text: "A glazier who cuts glass."))
    assert [row["dropped"] for row in done.tables["personas"]] == ["", *["near_duplicate"] * 3]
    assert "ROUGE-L 1.00 with A glazier who cuts glass." in done.tables["personas"][1]["reason"]
    assert done.facts["personas_dropped"] == {"near_duplicate": 3}
    assert {record.meta["persona"] for record in done.made} == {"A glazier who cuts glass."}


@pytest.mark.parametrize(
    ("said", "kind"),
    [
        ("", "empty"),
        (Reply("A glazier who", "length"), "truncated"),
        ("I'm sorry, but I cannot help with that.", "refusal"),
        ("一位正在切玻璃的师傅。", "other_language"),
        ("A baker in a village bakery who teaches apprentices how rye dough differs.", "template_leak"),
        ("A glazier who cuts glass. </text>", "template_leak"),
        (RecordFailed("timeout", "no answer in time"), "timeout"),
    ],
)
def test_where_no_persona_comes_of_any_text_it_says_why_and_what_would_do(said: Said, kind: str) -> None:
    with pytest.raises(FactoryError, match=rf"from 4 texts \({kind} 4\): name a stronger `model`"):
        run(PersonaTasks(size=1), script(behind=lambda text: said))


@pytest.mark.parametrize(
    ("said", "kind"),
    [
        ("", "empty"),
        (Reply("Tell how", "length"), "truncated"),
        ("As an AI language model, I cannot do that.", "refusal"),
        ("请告诉我怎么切玻璃才不会裂。", "other_language"),
        ("What only somebody with this knowledge, trade or worry would ask for.", "template_leak"),
        ("Why is the sea salty?", "near_duplicate"),
        ("Say it: " + "and then again the same thing " * 20, "repetition"),
        (RecordFailed("timeout", "no answer in time"), "timeout"),
    ],
)
def test_what_a_task_is_let_go_for(said: Said, kind: str) -> None:
    done = run(PersonaTasks(size=1, calls=1, patience=1), script(task=lambda number: said))
    assert done.kinds == {kind: 1}
    assert done.made[0].meta["persona"]
    assert done.made[0].events[-1].operation == "instruction"


@pytest.mark.parametrize("answer", ["Sorry, I can't assist with that.", Reply("Because", "length")])
def test_an_answer_that_is_none_lets_its_task_go(answer: Said) -> None:
    done = run(PersonaTasks(size=1, calls=1, patience=1), script(answer=answer))
    assert set(done.kinds) <= {"refusal", "truncated"}
    assert not done.kept


def test_chinese_texts_give_chinese_personas_and_tasks() -> None:
    done = run(
        PersonaTasks(size=3, kind="math", answer=False),
        script(task=lambda number: new_task(number, chinese=True)),
        SEEDS_ZH,
    )
    assert len(done.kept) == 3
    assert {record.events[0].prompt for record in done.kept} == {"zh/persona/from_text@1"}
    assert {record.events[1].prompt for record in done.kept} == {"zh/persona/math@1"}


@pytest.mark.parametrize("kind", ["instruction", "math", "reasoning"])
def test_each_kind_has_its_prompt(kind: Any) -> None:
    done = run(PersonaTasks(size=1, kind=kind, answer=False), script())
    assert done.kept[0].events[1].prompt == f"en/persona/{kind}@1"


def test_of_more_texts_than_tasks_may_be_asked_for_only_as_many_are_asked_about() -> None:
    done = run(PersonaTasks(size=1, overask=2, answer=False), script(), [*SEEDS, new_record("", lang="en")])
    assert len(done.tables["personas"]) == 2
    assert done.facts["texts_not_asked_about"] == 3


def test_a_long_text_is_cut_and_counted() -> None:
    done = run(
        PersonaTasks(size=1, answer=False),
        script(behind=lambda text: describe(text[:50])),
        [new_record("why " * 2000, lang="en")],
    )
    assert done.facts["texts_cut"] == 1
    assert len(inside(done.asks[0], "text")) == 4000


def written(folder: Path, *rows: object) -> Path:
    path = folder / "people.jsonl"
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    return path


def read(path: Path) -> Any:
    return reference_rows(path, warn=lambda sentence: None)


def test_personas_of_a_file_need_no_records_and_no_question(tmp_path: Path) -> None:
    path = written(
        tmp_path,
        {"persona": "A glazier who cuts glass."},
        {"persona": "一位切玻璃的师傅。"},
        {"x": 1},
        {"persona": "A florist who", "dropped": "truncated"},
    )
    done = run(
        PersonaTasks(size=4, personas=str(path), answer=False),
        lambda ask: new_task(ask.sample, chinese="师傅" in inside(ask, "persona")),
        [],
        read_rows=read,
    )
    assert {(record.meta["persona"], record.lang) for record in done.kept} == {
        ("A glazier who cuts glass.", "en"),
        ("一位切玻璃的师傅。", "zh"),
    }
    assert {record.source for record in done.kept} == {"people"}
    assert all(len(record.events) == 1 for record in done.kept)
    assert done.facts["rows_without_persona"] == 1
    assert done.facts["personas_left_out_before"] == 1


def test_a_file_without_personas_says_how_to_write_one(tmp_path: Path) -> None:
    path = written(tmp_path, {"people": "A glazier."})
    with pytest.raises(
        FactoryError, match=r"no row of .*people.jsonl has a text under `persona`: write one a line"
    ):
        run(PersonaTasks(size=1, personas=str(path)), script(), [], read_rows=read)


@pytest.mark.parametrize("seeds", [[], [new_record("", lang="en")]])
def test_without_a_text_it_says_what_would_do(seeds: list[Record]) -> None:
    with pytest.raises(FactoryError, match=r"no record that comes in has an instruction .*or name a file of"):
        run(PersonaTasks(), script(), seeds)


@pytest.mark.slow
@settings(max_examples=40)
@given(
    st.lists(
        st.sampled_from([*map(new_task, range(6)), "Why is the sea salty?", "", "请切玻璃。"]), min_size=1
    ),
    st.integers(1, 8),
    st.integers(0, 2),
)
def test_the_laws(tasks: list[str], size: int, relations: int) -> None:
    step = PersonaTasks(size=size, relations=relations, calls=3, patience=2)
    obey_the_laws(step, script(task=lambda number: tasks[number % len(tasks)]))


def the_recipe(url: str, first: list[dict[str, Any]], **options: Any) -> Any:
    models = {"m": {"provider": "openai", "base_url": url, "model": "scripted"}}
    return build_recipe(
        {"name": "people", "models": models, "steps": [*first, {"persona": options}]}, "people"
    )


def test_an_estimate_counts_personas_for_each_record_and_tasks_once() -> None:
    recipe = the_recipe("http://127.0.0.1:1/v1", [{"read": {"path": "factory:seeds"}}], size=10, relations=2)
    plan = asyncio.run(dry_run(recipe, 5))
    assert plan.steps[1].asked["m"].calls == 5 * 3
    assert plan.steps[1].once["m"].calls == 10 * 4 * 2


def kept(folder: Path) -> list[bytes]:
    return [(folder / "steps/02-persona" / name).read_bytes() for name in ("kept.parquet", "personas.jsonl")]


@pytest.mark.slow
def test_a_runs_personas_are_a_file_for_the_next_and_neither_replay_nor_order_changes_them(
    tmp_path: Path,
) -> None:
    delays = random.Random(0)

    async def teacher(request: dict[str, Any]) -> str:
        await asyncio.sleep(delays.random() / 50)
        system, said = request["messages"][0]["content"], request["messages"][-1]["content"]
        if "<text>" in system:
            return describe(said.split("<text>\n")[-1].split("\n</text>")[0])
        if "<persona>" in system:
            return new_task(sum(map(ord, said)), chinese="匠" in said)
        return "A sound answer about it."

    with in_thread(ScriptedServer(teacher)) as server:
        first = the_recipe(server.base_url, [{"read": {"path": "factory:seeds"}}], size=8)
        result = sft.run(first, out=tmp_path / "a", journal=tmp_path / "j.db")
        asked = len(server.requests)
        again = sft.run(first, out=tmp_path / "b", journal=tmp_path / "j.db")
        assert len(server.requests) == asked
        anew = sft.run(first, out=tmp_path / "c", journal=tmp_path / "other.db")
        assert kept(result.folder) == kept(again.folder) == kept(anew.folder)
        people = str(result.folder / "steps/02-persona/personas.jsonl")
        more = the_recipe(server.base_url, [], size=4, personas=people)
        made = sft.run(more, out=tmp_path / "d", journal=tmp_path / "j.db")
        few = sft.run(more, out=tmp_path / "e", journal=tmp_path / "j.db", limit=2)
    assert (made.kept, few.kept) == (4, 2)
    assert {record.lang for record in made.table().records()} <= {"en", "zh"}
