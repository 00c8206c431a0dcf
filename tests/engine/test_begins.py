"""A whole-set step that makes records of nothing stands first: in a recipe, an estimate, a notebook, on a file."""

from __future__ import annotations

import asyncio
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import pytest
from pydantic import Field
from scripted_server import ScriptedServer, in_thread
from typer.testing import CliRunner

import factory as sft
from factory import step as step_module
from factory.cli.app import app
from factory.data.record import Record, new_record
from factory.data.table import Table
from factory.engine.plan.estimate import bounds
from factory.engine.plan.rehearsal import dry_run
from factory.engine.progress import StepProgress
from factory.errors import FactoryError
from factory.models.base import Sampling
from factory.recipe.recipe import Recipe, build_recipe
from factory.step import ChatModelName, Context, WholeSet


class Count(WholeSet):
    """Make one numbered question after another."""

    name = "count_up"

    model: ChatModelName = Field("", description="the model")
    size: int = Field(5, description="how many")
    whole: bool = Field(True, description="makes them of nothing")

    def begins(self) -> bool:
        return self.whole

    def expected(self) -> int:
        return self.size

    async def run(self, table: Table, context: Context) -> Table:
        made = []
        for number in range(self.size):
            made.append(await self._one(number, context))
            context.made(len(made))
        return Table.from_records([*table.records(), *made])

    async def rehearse_once(self, context: Context) -> Record:
        for number in range(self.size):
            made = await self._one(number, context)
        return made

    async def _one(self, number: int, context: Context) -> Record:
        seed = new_record("Count.", lang="en")
        answer, event = await context.ask(
            self.model, "deita/complexity", seed, Sampling(1.0, 10), sample=number, instruction="Count."
        )
        return new_record(f"Number {number}? {answer.text}", lang="en").with_event(event)


@pytest.fixture(autouse=True)
def installed(monkeypatch: pytest.MonkeyPatch) -> None:
    entries = {
        **step_module._entry_points(),
        "count_up": EntryPoint("count_up", f"{__name__}:Count", step_module.STEP_GROUP),
    }
    monkeypatch.setattr(step_module, "_entry_points", lambda: entries)
    step_module.find_step.cache_clear()


def recipe(url: str = "http://127.0.0.1:1/v1", size: int = 5, **more: Any) -> Recipe:
    teacher = {"provider": "openai", "base_url": url, "model": "scripted", "price": {"input": 1}}
    steps = [{"count_up": {"size": size, **more}}, {"respond": {}}]
    return build_recipe({"name": "begun", "models": {"teacher": teacher}, "steps": steps}, "begun")


@pytest.mark.slow
def test_a_recipe_may_begin_with_it_and_no_file_is_read(tmp_path: Path) -> None:
    with in_thread(ScriptedServer()) as server:
        result = sft.run(recipe(server.base_url), out=tmp_path / "run", journal=tmp_path / "journal.db")
    made, answered, _ = result.facts.steps
    assert (made.entered, made.made, made.passed, answered.entered) == (0, 5, 5, 5)
    assert result.facts.records == 5 == result.kept


def test_with_a_limit_it_makes_no_more_and_what_it_makes_all_the_same_is_told(tmp_path: Path) -> None:
    with in_thread(ScriptedServer()) as server:
        result = sft.run(recipe(server.base_url), out=tmp_path / "run", journal=tmp_path / "j.db", limit=2)
    assert result.kept == 2
    assert result.facts.notices == ("01-count_up: 3 more records were made than the run takes; left out",)


def test_one_that_needs_records_is_refused_as_any_other() -> None:
    with pytest.raises(
        FactoryError, match=r"the first step must bring records in \(`read`\), not `count_up`"
    ):
        recipe(whole=False)


@pytest.mark.parametrize(("limit", "records"), [(None, 1000), (3, 3)])
def test_an_estimate_counts_its_calls_once_and_those_behind_it_for_all_that_it_makes(
    limit: int | None, records: int
) -> None:
    made = recipe(size=1000)
    plan = asyncio.run(dry_run(made, limit))
    told = bounds(made, plan)
    assert (told.records, told.calls) == (records, 1000 + records)
    count, respond = plan.steps
    assert (count.once["teacher"].calls, respond.once["teacher"].calls) == (1000, records)
    assert not count.asked
    assert len(count.prompts) == 1  # a thousand alike
    assert told.cost == pytest.approx(told.prompt_tokens / 1e6)
    assert "Counted on the first" not in "".join(told.lines())


def test_behind_a_source_it_is_counted_once_whatever_comes_in(tmp_path: Path) -> None:
    (tmp_path / "rows.jsonl").write_text('{"instruction": "Why?"}\n' * 200)
    made = recipe()
    data = {**made.data, "steps": [{"read": {"path": str(tmp_path / "rows.jsonl")}}, *made.data["steps"]]}
    told = bounds(made, asyncio.run(dry_run(build_recipe(data))))
    assert (told.records, told.calls) == (205, 5 + 205)


def test_the_command_tells_what_it_would_make(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("begun.yaml").write_text(recipe().to_yaml())
    told = CliRunner().invoke(app, ["run", "begun.yaml", "--dry-run"]).output
    assert "begun: at most 5 records made of nothing, seed 0" in told
    assert "asks teacher, at most 5 calls\n" in told


def test_it_begins_a_dataset_and_is_applied_to_no_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with in_thread(ScriptedServer()) as server:
        teacher = sft.model("openai", base_url=server.base_url, model="scripted")
        made = sft.begin("count_up", size=2, model=teacher).run(journal=tmp_path / "j.db")
        assert [record.instruction[:8] for record in made] == ["Number 0", "Number 1"]
        words = ["apply", "count_up", "--size", "2", "--model", f"openai:scripted@{server.base_url}"]
        done = CliRunner().invoke(app, [*words, "--out", "out.jsonl"])
    assert "01-count_up: 0 in, 2 out" in done.output
    assert len(Path("out.jsonl").read_text().splitlines()) == 2


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["dedup_exact"], "dedup_exact works on records: name the files"),
        (["count_up", "--no-whole"], "count_up works on records: name the files"),
        (["count_up", "--limit", "3"], "--limit takes the first records of files, and none is named"),
    ],
)
def test_a_step_that_needs_records_says_so_where_no_file_is_named(words: list[str], sentence: str) -> None:
    done = CliRunner().invoke(app, ["apply", *words])
    assert sentence in (done.output + str(done.exception))


def test_who_watches_sees_how_many_it_has_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[int, int | None, bool]] = []
    note = StepProgress.note_made

    def noted(progress: StepProgress, records: int) -> None:
        note(progress, records)
        seen.append((progress.done, progress.total, progress.begins))

    monkeypatch.setattr(StepProgress, "note_made", noted)
    with in_thread(ScriptedServer()) as server:
        sft.run(recipe(server.base_url, size=3), out=tmp_path / "run", journal=tmp_path / "j.db")
    assert seen == [(1, 3, True), (2, 3, True), (3, 3, True)]
