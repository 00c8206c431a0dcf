"""A mixture that is to be full goes back to the steps that make records, round by round, and replays ask nothing."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import AsyncIterator
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import pytest
from pydantic import Field
from scripted_server import ScriptedServer, in_thread

import factory as sft
from factory import step as step_module
from factory.data.record import Record, new_record
from factory.data.table import Table
from factory.engine.run import RunResult
from factory.errors import FactoryError
from factory.models.base import Sampling
from factory.recipe.recipe import build_recipe
from factory.step import ChatModelName, Context, PerRecord, WholeSet


class Vary(PerRecord):
    """Give a record on, and one more that the model makes of it."""

    name = "vary"

    model: ChatModelName = Field("", description="the model")
    temperature: float = Field(1.0, description="temperature")

    async def process(self, record: Record, context: Context) -> AsyncIterator[Record]:
        yield record
        answer, event = await context.ask(
            self.model, "deita/complexity", record, Sampling(self.temperature, 20), instruction=record.prompt
        )
        child = record.child(f"{record.prompt}: {answer.text}", event, output="It is so.")
        if "0" in answer.text[-12:]:
            yield child.drop(context.step, "unlucky", "the reply ends with a 0")
        else:
            yield child


class Answer(WholeSet):
    """Make one more of each record that comes in, in its language: so it matters which do."""

    name = "one_more"

    model: ChatModelName = Field("", description="the model")

    async def run(self, table: Table, context: Context) -> Table:
        earlier = [] if context.earlier is None else [r.instruction for r in context.earlier.records()]
        context.facts["earlier"] = sorted(earlier)
        made = []
        for record in table.records():
            answer, event = await context.ask(
                self.model, "deita/complexity", record, Sampling(1.0, 20), instruction=record.prompt
            )
            made.append(record.child(f"{record.prompt}: {answer.text}", event, output="It is so."))
        return Table.from_records([*table.records(), *made])


class Write(WholeSet):
    """Make so many records of nothing, in Chinese."""

    name = "write_some"

    model: ChatModelName = Field("", description="the model")
    size: int = Field(4, description="how many")

    def begins(self) -> bool:
        return True

    def expected(self) -> int:
        return self.size

    async def run(self, table: Table, context: Context) -> Table:
        made = []
        for number in range(self.size if context.limit is None else min(self.size, context.limit)):
            seed = new_record("写。", lang="zh")
            answer, event = await context.ask(
                self.model, "deita/complexity", seed, Sampling(1.0, 20), sample=number, instruction="写。"
            )
            made.append(new_record(f"写 {answer.text}？", output="好。", lang="zh").with_event(event))
        context.files["plan.txt"] = str(len(made))
        context.count("calls", len(made))
        return Table.from_records([*table.records(), *made])


@pytest.fixture(autouse=True)
def installed(monkeypatch: pytest.MonkeyPatch) -> None:
    entries = {
        **step_module._entry_points(),
        "vary": EntryPoint("vary", f"{__name__}:Vary", step_module.STEP_GROUP),
        "write_some": EntryPoint("write_some", f"{__name__}:Write", step_module.STEP_GROUP),
        "one_more": EntryPoint("one_more", f"{__name__}:Answer", step_module.STEP_GROUP),
    }
    monkeypatch.setattr(step_module, "_entry_points", lambda: entries)
    step_module.find_step.cache_clear()


def rows(path: Path, en: int = 20, zh: int = 4) -> str:
    path.write_text(
        "".join(
            json.dumps({"instruction": f"{lang} {at}", "output": "Yes.", "lang": lang}) + "\n"
            for lang, number in (("en", en), ("zh", zh))
            for at in range(number)
        )
    )
    return str(path)


def run(
    tmp_path: Path, url: str, *steps: dict[str, Any], out: str = "run", limit: int | None = None, **mix: Any
) -> RunResult:
    teacher = {"provider": "openai", "base_url": url, "model": "scripted"}
    shares = {"by": "lang", "shares": {"en": 0.5, "zh": 0.5}, "size": 40, "until": "full", **mix}
    recipe = build_recipe(
        {
            "name": "filled",
            "models": {"teacher": teacher},
            "steps": [{"read": {"path": str(tmp_path / "rows.jsonl")}}, *steps, {"mixture": shares}],
        }
    )
    return sft.run(recipe, out=tmp_path / out, journal=tmp_path / "journal.db", limit=limit)


@pytest.mark.slow
def test_a_short_group_is_filled_from_the_seeds_that_led_to_it_and_each_round_is_told(tmp_path: Path) -> None:
    rows(tmp_path / "rows.jsonl")
    with in_thread(ScriptedServer()) as server:
        result = run(tmp_path, server.base_url, {"vary": {}})
    kept = list(result.table().records())
    assert Counter(record.lang for record in kept) == {"en": 20, "zh": 20}
    assert not any(event.operation == "repeat" for record in kept for event in record.events)
    assert len({record.id for record in kept}) == 40
    filling = next(step for step in result.facts.steps if step.label.endswith("mixture")).facts["filling"]
    assert filling[-1]["still_missing"] == {}
    assert sum(one["filled"] for one in filling) == 20 - 4 - sum(
        record.lang == "zh" for record in first_children(tmp_path)
    )
    said = " ".join(result.facts.notices)
    assert "03-mixture: about" in said
    assert "going back to 02-vary" in said
    assert "filling, round 1: 4 made," in said
    # Of the English seeds none was asked again.
    vary = next(step for step in result.facts.steps if step.label == "02-vary")
    assert vary.entered == 24 + 4 * len(filling)
    assert vary.entered == vary.made


def first_children(tmp_path: Path) -> list[Record]:
    """The children of the first pass: as a run without filling has them."""
    result = run(tmp_path, "http://127.0.0.1:1/v1", {"vary": {}}, out="plain", until="once", size=None)
    return [
        r
        for r in [*result.table().records(), *result.dropped_table().records()]
        if r.events and r.events[-1].parents and (r.dropped is None or r.dropped.kind != "unlucky")
    ]


@pytest.mark.slow
def test_the_same_recipe_again_asks_nothing_and_gives_the_same_bytes(tmp_path: Path) -> None:
    rows(tmp_path / "rows.jsonl")
    with in_thread(ScriptedServer()) as server:
        first = run(tmp_path, server.base_url, {"vary": {}}, {"dedup_exact": {}})
        calls = len(server.requests)
        again = run(tmp_path, server.base_url, {"vary": {}}, {"dedup_exact": {}}, out="again")
        assert len(server.requests) == calls
    for place in ("steps/04-mixture/kept.parquet", "dropped.parquet", "dataset/train.jsonl"):
        one, two = first.folder / place, again.folder / place
        if one.exists():
            assert one.read_bytes() == two.read_bytes()
    assert first.facts.steps == again.facts.steps or [s.label for s in first.facts.steps]


@pytest.mark.slow
def test_a_border_between_sees_all_records_and_lets_near_copies_go(tmp_path: Path) -> None:
    rows(tmp_path / "rows.jsonl")
    with in_thread(ScriptedServer(lambda body: "always the same reply")) as server:
        result = run(tmp_path, server.base_url, {"vary": {}}, {"dedup_exact": {"field": "instruction"}})
    assert Counter(record.lang for record in result.table().records())["zh"] <= 4 * 5
    assert any("dry" in said for said in result.facts.notices)
    assert any("still lacking" in said for said in result.facts.warnings)
    dedup = next(step for step in result.facts.steps if step.label == "03-dedup_exact")
    assert dedup.entered == dedup.passed + sum(dedup.dropped.values())


@pytest.mark.slow
def test_greedy_decoding_gives_the_same_again_so_it_is_dry_after_two_rounds(tmp_path: Path) -> None:
    rows(tmp_path / "rows.jsonl")
    with in_thread(ScriptedServer()) as server:
        result = run(tmp_path, server.base_url, {"vary": {"temperature": 0}})
        assert len(server.requests) == 24
    facts = next(step for step in result.facts.steps if step.label.endswith("mixture")).facts
    assert [one["filled"] for one in facts["filling"]] == [0, 0]
    assert any("is repeated" in said or "are repeated" in said for said in result.facts.notices)


@pytest.mark.slow
def test_a_step_that_makes_records_of_nothing_makes_no_more_than_is_missing(tmp_path: Path) -> None:
    rows(tmp_path / "rows.jsonl", zh=3)
    with in_thread(ScriptedServer()) as server:
        result = run(tmp_path, server.base_url, {"write_some": {}}, {"dedup_exact": {}}, size=20)
        assert len(server.requests) == 4 + 3
        run(tmp_path, server.base_url, {"write_some": {}}, {"dedup_exact": {}}, size=20, out="again")
        assert len(server.requests) == 7
    assert Counter(record.lang for record in result.table().records()) == {"en": 10, "zh": 10}
    write = next(step for step in result.facts.steps if step.label == "02-write_some")
    assert (write.entered, write.made, write.passed) == (23, 7, 30)
    assert write.facts == {"calls": 4, "filling_round_1": {"calls": 3}}
    folder = result.folder / "steps" / "02-write_some"
    assert (folder / "plan.txt").read_text() == "4"
    assert (folder / "round-1-plan.txt").read_text() == "3"


@pytest.mark.slow
def test_what_a_whole_set_step_makes_goes_through_the_stream_behind_it(tmp_path: Path) -> None:
    rows(tmp_path / "rows.jsonl", zh=0)
    with in_thread(ScriptedServer()) as server:
        result = run(tmp_path, server.base_url, {"write_some": {"size": 2}}, {"vary": {}}, size=16)
    kept = list(result.table().records())
    assert Counter(record.lang for record in kept)["zh"] == 8
    vary = next(step for step in result.facts.steps if step.label == "03-vary")
    assert vary.entered == vary.made
    assert any("going back to 02-write_some, 03-vary" in said for said in result.facts.notices)


@pytest.mark.slow
def test_a_whole_set_step_works_again_on_what_led_to_a_short_group_and_knows_what_it_made(
    tmp_path: Path,
) -> None:
    rows(tmp_path / "rows.jsonl")
    with in_thread(ScriptedServer()) as server:
        result = run(tmp_path, server.base_url, {"one_more": {}}, size=40)
        # The 24 rows at first, then the 4 that are in Chinese, until 20 are.
        assert len(server.requests) == 24 + 3 * 4
    assert Counter(record.lang for record in result.table().records()) == {"en": 20, "zh": 20}
    facts = next(step for step in result.facts.steps if step.label == "02-one_more").facts
    assert [len(facts["earlier"]), *(len(facts[f"filling_round_{n}"]["earlier"]) for n in (1, 2, 3))] == [
        0,
        24,
        28,
        32,
    ]


@pytest.mark.slow
def test_what_one_of_two_steps_makes_goes_through_the_other(tmp_path: Path) -> None:
    rows(tmp_path / "rows.jsonl", zh=2)
    with in_thread(ScriptedServer()) as server:
        result = run(tmp_path, server.base_url, {"write_some": {"size": 2}}, {"one_more": {}}, size=24)
    facts = next(step for step in result.facts.steps if step.label.endswith("mixture")).facts["filling"]
    assert all(one["made"] == one["came_through"] for one in facts)
    assert Counter(record.lang for record in result.table().records())["zh"] == 12


@pytest.mark.slow
def test_tasks_invented_in_a_round_differ_from_those_of_the_rounds_before(tmp_path: Path) -> None:
    rows(tmp_path / "rows.jsonl", en=8, zh=0)

    def always(body: dict[str, Any]) -> str:
        return "1. Tell how copper, saffron and glass are won.\n2. Name three birds that swim in winter."

    with in_thread(ScriptedServer(always)) as server:
        invent = {"invent": {"size": 2, "answer": False}}
        made = run(tmp_path, server.base_url, invent, {"respond": {}}, shares={"en": 1.0}, size=40, epochs=10)
    told = [record.instruction for record in made.table().records() if record.source.startswith("rows")]
    assert told.count("Name three birds that swim in winter.") == told.count("en 0")
    assert any("near_duplicate" in said for said in made.facts.warnings)


def test_a_dataset_in_a_notebook_is_filled_as_a_run_is(tmp_path: Path) -> None:
    rows(tmp_path / "rows.jsonl")
    with in_thread(ScriptedServer()) as server:
        teacher = sft.model("openai", base_url=server.base_url, model="scripted")
        mixed = (
            sft.load(str(tmp_path / "rows.jsonl"))
            .then("vary", model=teacher)
            .mixture(by="lang", shares={"en": 0.5, "zh": 0.5}, size=20, until="full")
            .run(journal=tmp_path / "j.db")
        )
    assert Counter(record.lang for record in mixed) == {"en": 10, "zh": 10}


def test_where_no_step_makes_records_it_says_so_and_repeats(tmp_path: Path) -> None:
    rows(tmp_path / "rows.jsonl")
    result = run(tmp_path, "http://127.0.0.1:1/v1")
    assert any("no step before this one makes records" in said for said in result.facts.warnings)
    assert Counter(record.lang for record in result.table().records()) == {"en": 20, "zh": 16}


@pytest.mark.slow
def test_a_trial_with_a_limit_fills_nothing(tmp_path: Path) -> None:
    rows(tmp_path / "rows.jsonl", en=2, zh=20)
    with in_thread(ScriptedServer()) as server:
        result = run(tmp_path, server.base_url, {"vary": {}}, limit=4)
        assert len(server.requests) == 4
    assert any("--limit" in said for said in result.facts.notices)


@pytest.mark.slow
def test_a_group_without_a_record_is_looked_for_and_told_where_none_comes(tmp_path: Path) -> None:
    rows(tmp_path / "rows.jsonl", zh=0)
    with in_thread(ScriptedServer()) as server, pytest.raises(FactoryError, match="no record has lang 'zh'"):
        run(tmp_path, server.base_url, {"vary": {}})
