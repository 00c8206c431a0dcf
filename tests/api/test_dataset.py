"""The notebook face: lazy, shows itself, runs inside a running loop, leaves as frames and files."""

from __future__ import annotations

import asyncio
import csv
from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson
import pytest
from scripted_server import Say, ScriptedServer, echo

import factory as sft
from factory.data.record import Record, new_record
from factory.errors import InputError, RecipeError

ROWS = [
    {"instruction": "Name three rivers of Europe.", "output": "Danube, Rhine, Loire.", "lang": "en"},
    {"instruction": "Name three rivers in Europe.", "output": "Volga, Po, Ebro.", "lang": "en"},
    {"instruction": "什么是光合作用？", "output": "植物把光变成糖。", "lang": "zh"},
]


@pytest.fixture(autouse=True)
def own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Journals land in the test's folder."""
    monkeypatch.chdir(tmp_path)


def teacher(server: ScriptedServer) -> Any:
    return sft.model("openai", base_url=server.base_url, model="scripted")


@pytest.mark.slow
def test_a_step_only_writes_itself_down_until_run_is_called(server: ScriptedServer) -> None:
    dataset = sft.load(ROWS).tag(model=teacher(server)).dedup_rouge(threshold=0.7)
    assert "pending: tag -> dedup_rouge" in repr(dataset)
    assert "pending" in dataset._repr_html_()
    assert server.requests == []
    done = dataset.run()
    assert len(server.requests) == 3
    assert "2 records, 1 dropped" in repr(done)
    assert done.pending == dataset.pending == ()
    assert dataset.run() is done


def test_what_needs_the_records_runs_what_is_pending_once(server: ScriptedServer) -> None:
    dataset = sft.load(ROWS).tag(model=teacher(server))
    assert len(dataset) == 3
    assert [record.lang for record in dataset] == ["en", "en", "zh"]
    assert dataset[2].tags
    assert dataset[-1] == dataset[2]
    assert len(server.requests) == 3
    with pytest.raises(IndexError, match="has 3 records"):
        dataset[3]


def test_the_journal_serves_the_next_dataset(server: ScriptedServer) -> None:
    sft.load(ROWS).tag(model=teacher(server)).run()
    again = sft.load(ROWS).tag(model=teacher(server)).run()
    assert len(server.requests) == 3
    assert again.progress is not None
    assert again.progress.replayed == 3


def test_what_was_let_go_is_kept_with_its_reason() -> None:
    done = sft.load([*ROWS, {"input": "no instruction", "output": "x"}]).dedup_rouge().run()
    kinds = {record.dropped.kind: record.dropped.reason for record in done.dropped if record.dropped}
    assert set(kinds) == {"bad_row", "near_duplicate"}
    assert "ROUGE-L 0.80" in kinds["near_duplicate"]
    assert "near_duplicate" in repr(done.dropped)


def test_a_strict_load_raises_at_the_first_bad_row() -> None:
    with pytest.raises(InputError, match=":4"):
        sft.load([*ROWS, {"input": "no instruction"}], strict=True)


@pytest.mark.slow
def test_it_works_inside_a_running_event_loop_as_in_a_notebook(
    server: ScriptedServer, tmp_path: Path
) -> None:
    (tmp_path / "rows.jsonl").write_bytes(b"\n".join(map(orjson.dumps, ROWS)))
    recipe = {
        "name": "notebook",
        "models": {"m": {"provider": "openai", "base_url": server.base_url, "model": "scripted"}},
        "steps": [{"read": {"path": "rows.jsonl"}}, {"tag": {}}],
    }

    async def cell() -> tuple[int, int]:
        return len(sft.load(ROWS).tag(model=teacher(server))), sft.run(recipe).kept

    assert asyncio.run(cell()) == (3, 3)


@pytest.mark.slow
def test_an_error_inside_a_running_loop_is_the_same_error() -> None:
    async def cell() -> None:
        sft.load(ROWS).tag(model=sft.model("openai", base_url="http://127.0.0.1:9/v1", model="m")).run()

    with pytest.raises(sft.FactoryError, match=r"127\.0\.0\.1:9"):
        asyncio.run(cell())


def test_it_leaves_as_pandas_polars_and_arrow_with_a_column_for_each_score(server: ScriptedServer) -> None:
    server.script = lambda request: "no score" if "Volga" in str(request) else echo(request)
    done = sft.load(ROWS).judge(model=teacher(server)).run()
    frame = done.to_pandas()
    assert list(frame["instruction"]) == [row["instruction"] for row in ROWS]
    assert frame["judge.quality"].isna().tolist() == [False, True, False]
    assert done.to_polars()["judge.quality"].null_count() == 1
    assert done.to_arrow().num_rows == 3
    assert "reason" in sft.load([*ROWS, {"output": "x"}]).dropped.to_pandas()


@pytest.mark.slow
def test_frames_tables_and_records_come_in_again(tmp_path: Path) -> None:
    import datasets
    import pandas as pd
    import polars as pl

    texts = [row["instruction"] for row in ROWS]
    for source in (
        ROWS,
        pd.DataFrame(ROWS),
        pl.DataFrame(ROWS),
        datasets.Dataset.from_list(ROWS),
        list(sft.load(ROWS)),
    ):
        assert [record.instruction for record in sft.load(source)] == texts
    saved = sft.load(ROWS).save(tmp_path / "rows.parquet")
    assert [record.output for record in sft.load(saved)] == [row["output"] for row in ROWS]


@pytest.mark.parametrize("name", ["set.jsonl", "set.json", "set.csv", "set.parquet", "set.jsonl.gz"])
def test_a_saved_file_loads_to_the_same_texts(tmp_path: Path, name: str) -> None:
    path = sft.load(ROWS).save(tmp_path / name)
    assert [(r.instruction, r.output) for r in sft.load(path)] == [
        (r["instruction"], r["output"]) for r in ROWS
    ]


def test_a_saved_json_file_keeps_tags_and_tasks_unless_told_otherwise(tmp_path: Path) -> None:
    rows = [
        {**ROWS[0], "tags": [{"tag": "river", "explanation": "asks for one"}], "task": "open_qa"},
        ROWS[1],
    ]
    dataset = sft.load(rows)
    assert dataset.annotations() == ["tags", "task"]
    again = sft.load(dataset.save(tmp_path / "set.jsonl"))
    assert [replace(record, form="") for record in again] == [replace(record, form="") for record in dataset]
    first, _ = sft.load(dataset.save(tmp_path / "plain.jsonl", format="messages"))
    assert (first.tags, first.task) == ((), "")


def test_a_wrong_step_option_or_model_is_named_with_the_nearest() -> None:
    dataset = sft.load(ROWS)
    with pytest.raises(AttributeError, match="did you mean 'dedup_rouge'"):
        dataset.dedup_ruge()
    with pytest.raises(RecipeError, match="did you mean 'threshold'"):
        dataset.dedup_rouge(treshold=0.5)
    with pytest.raises(RecipeError, match="no chat model 'teacher'"):
        dataset.tag(model="teacher")
    with pytest.raises(RecipeError, match="is not a chat model"):
        dataset.tag(model=sft.model("local_embeddings"))
    with pytest.raises(RecipeError, match="did you mean 'base_url'"):
        sft.model("openai", model="m", bas_url="http://127.0.0.1/v1")
    with pytest.raises(RecipeError, match="provider"):
        sft.model("opnai")
    with pytest.raises(AttributeError, match=r"factory\.load"):
        dataset.read(path="x")


def test_hostile_text_is_escaped_where_a_dataset_shows_itself() -> None:
    shown = sft.load([{"instruction": "<script>alert('x')</script>\x1b[2J", "output": "<b>"}])
    assert "<script>" not in shown._repr_html_()
    assert "\x1b" not in repr(shown)


def test_steps_are_offered_for_completion_and_carry_their_manual() -> None:
    dataset = sft.load(ROWS)
    assert {"evolve", "dedup_rouge", "judge"} <= set(dir(dataset))
    assert "Self-Instruct" in (dataset.dedup_rouge.__doc__ or "")


def test_the_steps_of_a_long_chain_keep_their_numbers_over_runs() -> None:
    first = sft.load(ROWS).dedup_rouge().run()
    second = first.assemble(size=1).run()
    steps = sorted(record.dropped.step for record in second.dropped if record.dropped)
    assert steps == ["01-dedup_rouge", "02-assemble"]


def test_a_langchain_model_instance_serves_as_a_model() -> None:
    from langchain_core.language_models.fake_chat_models import FakeListChatModel

    model = FakeListChatModel(responses=["A clear and careful answer."])
    done = sft.load([{"instruction": "Why is the sky blue?"}]).respond(model=model).run()
    assert done[0].output == "A clear and careful answer."


def test_an_empty_list_and_an_unreadable_object_are_said() -> None:
    with pytest.raises(InputError):
        sft.load([])
    with pytest.raises(InputError):
        sft.load(42)


def test_records_made_by_hand_flow_like_any_other() -> None:
    record = new_record("Say hi.", output="Hi.")
    assert isinstance(record, Record)
    assert [r.id for r in sft.load([record]).dedup_rouge()] == [record.id]


@pytest.mark.slow
def test_progress_is_shown_while_it_runs_where_it_is_asked_for(
    server: ScriptedServer, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("factory.report.terminal.live.LINE_SECONDS", 0.01)
    monkeypatch.setattr("factory.report.terminal.live.REFRESH_SECONDS", 0.01)
    # The first reply leaves a second, busy machine or not, in which a line can tell of it.
    server.script = lambda request: Say("Fine.", delay=0.1 if "Name 0" in str(request["messages"]) else 1.5)
    asked = sft.load([{"instruction": f"Name {n} fish."} for n in range(3)])
    asked.respond(model=teacher(server)).run(show_progress=True)
    shown = capsys.readouterr().err
    assert "01-respond" in shown
    assert "in flight" in shown
    assert "req/s" in shown
    asked.respond(model=teacher(server)).run()
    assert capsys.readouterr().err == ""


def test_a_slice_is_a_dataset_and_a_name_is_a_column() -> None:
    dataset = sft.load(ROWS)
    some = dataset[:2]
    assert [record.instruction for record in some] == [row["instruction"] for row in ROWS[:2]]
    assert [record.lang for record in dataset[::-1]] == ["zh", "en", "en"]
    assert len(dataset[7:]) == 0
    assert dataset["lang"] == ["en", "en", "zh"]
    assert dataset["tags"] == [[], [], []]
    assert len(some.dedup_rouge(threshold=0.7)) == 1
    with pytest.raises(KeyError, match="there is no column 'langs'; did you mean 'lang'"):
        dataset["langs"]
    with pytest.raises(TypeError, match=r"not for a list: .*to_pandas"):
        dataset[[0, 2]]  # type: ignore[call-overload]


def test_the_reasons_of_what_was_let_go_stand_under_their_own_name() -> None:
    shown = repr(sft.load([*ROWS, {"output": "x"}]).dropped)
    assert "why" in shown
    assert "bad_row: " in shown


def test_choices_are_drawn_side_by_side_and_nothing_is_dropped() -> None:
    rows = [
        {"instruction": f"Name {n} rivers.", "output": "river " * n, "task": f"task {n % 2}"}
        for n in range(9)
    ]
    dataset = sft.load(rows)
    found = dataset.compare_selections(["longest", "s1"], size=3)
    assert [row["pick"] for row in found.rows][:2] == ["longest", "s1"]
    assert [row["pick"] for row in found.overlaps] == ["longest", "s1"]
    assert "longest" in repr(found)
    assert '<rect class="band"' in found._repr_html_()
    assert len(dataset) == 9
    with pytest.raises(RecipeError):
        dataset.compare_selections(["wisest"], size=3)


@pytest.mark.parametrize("made", [False, True])
def test_a_csv_file_keeps_the_users_id_and_columns_and_tells_what_it_has_no_place_for(
    tmp_path: Path, made: bool
) -> None:
    rows = [
        {"id": f"u{at}", "instruction": f"q {at}", "output": "a", "topic": "geo", "n": at} for at in (1, 2)
    ]
    records = [replace(record, scores={"judge.quality": 4.0}) for record in sft.load(rows)]
    if made:  # a record that no row stands for
        records.append(new_record("q 3", output="a", meta={"id": "u3", "topic": "geo"}))
    path = tmp_path / "rows.csv"
    with pytest.warns(UserWarning, match=r"no place for scores: end the name in .jsonl or .parquet"):
        sft.load(records).save(path)
    with path.open(newline="") as file:
        written = list(csv.DictReader(file))
    assert [row["meta.id" if made else "id"] for row in written] == ["u1", "u2", *(["u3"] if made else [])]
    assert {row["topic"] for row in written} == {"geo"}
    assert [row["n"] for row in written[:2]] == ["1", "2"]
