"""Writing data sets: what is written is what is read back, by us and by `datasets`."""

from __future__ import annotations

import csv
import errno
import gzip
import json
import os
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from any_record import shows
from hypothesis import given, settings
from hypothesis import strategies as st

from factory.data.formats import read_records, write_dataset, write_file
from factory.data.formats.card import MARK
from factory.data.formats.json_traps import CHUNK, JsonTraps
from factory.data.record import Event, Message, Record, Tag, new_record
from factory.errors import OutputError

LAYOUTS = ("alpaca", "sharegpt", "messages", "parquet")
"""Those that hold any plain conversation."""

said = st.text(min_size=1, max_size=40).filter(shows)


@st.composite
def records(draw: st.DrawFn, turns: int = 2) -> list[Record]:
    made = []
    for number in range(draw(st.integers(1, 4))):
        history = [Message("system", draw(said))] if draw(st.booleans()) else []
        for _ in range(draw(st.integers(0, turns))):
            history += [Message("user", draw(said)), Message("assistant", draw(said))]
        made.append(
            new_record(
                draw(said),
                input=draw(st.one_of(st.just(""), said)),
                output=draw(said),
                history=history,
                source="s",
                occurrence=number,
                lang="zh",
                task="t",
            )
        )
    return made


def back(path: Path) -> list[Record]:
    rows = list(read_records(path))
    assert all(isinstance(row, Record) for row in rows), rows
    return [row for row in rows if isinstance(row, Record)]


def simple(*outputs: str) -> list[Record]:
    return [new_record(f"Question {n}", output=text, occurrence=n) for n, text in enumerate(outputs)]


@pytest.mark.slow
@settings(deadline=None)
@given(records())
def test_any_conversation_comes_back_from_every_file_as_it_was(made: list[Record]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        for name in ("a.jsonl", "a.json.gz", "a.csv", "a.parquet"):
            path = Path(folder) / name
            assert write_file(made, path, csv_safe=False).rows == len(made)
            assert [record.messages for record in back(path)] == [record.messages for record in made]
        for layout in ("alpaca", "sharegpt", "messages"):
            path = Path(folder) / f"{layout}.jsonl.gz"
            write_file(made, path, layout)
            assert [record.messages for record in back(path)] == [record.messages for record in made]


@pytest.mark.slow
@settings(deadline=None)
@given(records())
def test_parquet_keeps_the_input_language_task_and_source(made: list[Record]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.parquet"
        write_file(made, path)
        for old, new in zip(made, back(path), strict=True):
            assert (new.input, new.lang, new.task, new.source) == (old.input, old.lang, old.task, old.source)
            assert new.meta["id"] == old.id


def test_every_row_of_a_file_has_the_same_keys(tmp_path: Path) -> None:
    made = [
        *simple("a"),
        new_record("b", output="c", history=[Message("system", "s"), *simple("x")[0].messages]),
    ]
    write_dataset(made, tmp_path / "d", LAYOUTS)
    for layout in ("alpaca", "sharegpt", "messages"):
        lines = (tmp_path / "d" / layout / "train.jsonl").read_text(encoding="utf-8").splitlines()
        assert len({tuple(json.loads(line)) for line in lines}) == 1
    row = json.loads((tmp_path / "d/alpaca/train.jsonl").read_text(encoding="utf-8").splitlines()[1])
    assert row["history"] == [["Question 0", "x"]]
    assert row["system"] == "s"


def test_single_turns_have_the_classical_alpaca_columns(tmp_path: Path) -> None:
    write_file([new_record("写诗", input="春", output="好")], tmp_path / "a.jsonl", "alpaca")
    text = (tmp_path / "a.jsonl").read_text(encoding="utf-8")
    assert list(json.loads(text)) == ["id", "instruction", "input", "output"]
    assert "写诗" in text


def test_the_same_records_give_the_same_bytes(tmp_path: Path) -> None:
    made = simple("a", "b")
    first = write_dataset(made, tmp_path / "a", LAYOUTS)
    second = write_dataset(iter(made), tmp_path / "b", LAYOUTS)
    assert [file.sha256 for file in first] == [file.sha256 for file in second]
    assert (
        write_file(made, tmp_path / "a.jsonl.gz").sha256 == write_file(made, tmp_path / "b.jsonl.gz").sha256
    )


def test_lone_surrogates_become_replacement_characters_and_are_counted(tmp_path: Path) -> None:
    made = [new_record("cut \ud83d", input="\ud83d\ude00", output="fine")]
    for layout in ("alpaca", "parquet"):
        name = "a.parquet" if layout == "parquet" else "a.jsonl"
        assert write_file(made, tmp_path / name, layout).replaced == 1
        (record,) = back(tmp_path / name)
        assert (record.instruction, record.input) == ("cut \ufffd", "😀")


def test_a_record_without_an_answer_is_a_mistake_of_the_caller(tmp_path: Path) -> None:
    for record in (new_record("a"), new_record("a", output=" "), new_record(" ", output="a")):
        with pytest.raises(ValueError, match="cannot be exported"):
            write_dataset([record], tmp_path / "d", ["alpaca"])
    assert not (tmp_path / "d").exists()


def test_what_cannot_be_written_gives_one_sentence(tmp_path: Path) -> None:
    roles = ("user", "assistant", "tool", "assistant")
    tool = Record(id="1", messages=tuple(Message(role, "x") for role in roles))
    write_dataset([tool], tmp_path / "d", ["sharegpt", "messages", "parquet"])
    for made, formats, words in (
        ([tool], ["alpaca"], "which alpaca cannot hold"),
        ([], ["alpaca"], "no record to write"),
        (simple("a"), ["alpacca"], "did you mean alpaca"),
        (simple("a"), [], "no format"),
    ):
        with pytest.raises(OutputError, match=words):
            write_dataset(made, tmp_path / "e", formats)
    for name, layout, words in (
        ("a.txt", None, "does not tell"),
        ("a.parquet.gz", None, "does not tell"),
        ("a.csv", "messages", "holds alpaca, source rows"),
        ("a.jsonl", "parquet", "not parquet"),
    ):
        with pytest.raises(OutputError, match=words):
            write_file(simple("a"), tmp_path / name, layout)
    assert {path.name for path in tmp_path.iterdir()} == {"d"}


def test_a_folder_of_other_files_is_not_written_over(tmp_path: Path) -> None:
    (tmp_path / "alpaca").mkdir()
    (tmp_path / "alpaca" / "train.jsonl").write_text("mine")
    with pytest.raises(OutputError, match="not an earlier export"):
        write_dataset(simple("a"), tmp_path, ["alpaca"])
    assert (tmp_path / "alpaca" / "train.jsonl").read_text() == "mine"


def test_an_earlier_export_is_replaced_and_its_other_formats_removed(tmp_path: Path) -> None:
    write_dataset(simple("2024-01-01"), tmp_path / "d", LAYOUTS)
    (tmp_path / "d" / "notes").mkdir()
    write_dataset(simple("b"), tmp_path / "d", ["messages"])
    names = {str(path.relative_to(tmp_path / "d")) for path in (tmp_path / "d").rglob("*")}
    assert names == {"README.md", "dataset_info.json", "messages", "messages/train.jsonl", "notes"}
    assert MARK in (tmp_path / "d" / "README.md").read_text()


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EROFS])
def test_a_full_or_read_only_disk_leaves_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    path = tmp_path / "a.parquet"
    write_file(simple("old"), path)

    def full(_: int) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OutputError, match=r"cannot be written: .*(full|read-only)"):
        write_file(simple("new"), path)
    monkeypatch.undo()
    assert back(path)[0].output == "old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.parquet"]


def test_llama_factory_is_told_every_key_in_use(tmp_path: Path) -> None:
    made = [new_record("b", output="c", history=[Message("system", "s"), *simple("x")[0].messages])]
    write_dataset(made, tmp_path / "d", LAYOUTS)
    info = json.loads((tmp_path / "d" / "dataset_info.json").read_text())
    assert list(info) == ["alpaca", "sharegpt", "messages"]
    columns = {"prompt": "instruction", "query": "input", "response": "output", "system": "system"}
    assert info["alpaca"]["columns"] == {**columns, "history": "history"}
    for layout in ("sharegpt", "messages"):
        entry = info[layout]
        (line,) = (tmp_path / "d" / entry["file_name"]).read_text().splitlines()
        turns = json.loads(line)[entry["columns"]["messages"]]
        tags = entry["tags"]
        assert len(tags) == 7
        used = [turn[tags["role_tag"]] for turn in turns]
        pair = [tags["user_tag"], tags["assistant_tag"]]
        assert used == [tags["system_tag"], *pair, *pair]


@settings(deadline=None)
@given(
    st.text(alphabet="0123456789-:TZ+. ", max_size=26)
    | st.from_regex(
        r"\A(19|20)\d\d-[01]\d-[0-2]\d([T ][0-2]\d(:[0-5]\d(:[0-5]\d(\.\d{1,9})?)?)?)?(Z|[+-]0\d:?\d\d)?\Z"
    )
)
def test_whatever_arrow_takes_for_a_date_springs_the_trap(text: str) -> None:
    import io

    import pyarrow as pa
    import pyarrow.json as paj

    line = json.dumps({"a": text}).encode() + b"\n"
    traps = JsonTraps()
    traps.see({"a": text}, len(line))
    if pa.types.is_temporal(paj.read_json(io.BytesIO(line)).schema.field("a").type):
        assert traps.sprung


def test_one_other_text_in_each_chunk_disarms_the_date_trap() -> None:
    traps = JsonTraps()
    for row, size in (("2024-01-01", 10), ("", 10), ("2024-01-01", CHUNK)):
        traps.see({"a": [{"b": row}]}, size)
    assert not traps.sprung
    traps.see({"a": [{"b": "2024-01-01"}]}, 10)
    assert traps.sprung


def test_a_list_that_stays_empty_for_a_chunk_springs_the_trap_when_filled() -> None:
    traps = JsonTraps()
    traps.see({"a": []}, CHUNK + 1)
    traps.see({"a": []}, 10)
    assert not traps.sprung
    traps.see({"a": [["x", "y"]]}, 10)
    assert traps.sprung


def load(folder: Path, cache: Path, *config: str) -> list[dict[str, Any]]:
    datasets = pytest.importorskip("datasets")
    return list(datasets.load_dataset(str(folder), *config, split="train", cache_dir=str(cache)))


DATES = ("2024-01-01", "2024-02-29")


@pytest.mark.slow
@pytest.mark.parametrize(
    "outputs", [DATES, ("1", "2"), ("null", "[]"), ("[]", '{"a": 1}'), ("a\u2028b", "🌸")]
)
@pytest.mark.parametrize("first", LAYOUTS)
def test_datasets_loads_every_format_unchanged(tmp_path: Path, outputs: Sequence[str], first: str) -> None:
    made = [
        replace(record, scores={"ifd": 0.5} if n else {}, tags=(Tag("x"),) if n else ())
        for n, record in enumerate(simple(*outputs))
    ]
    write_dataset(made, tmp_path / "d", [first, *LAYOUTS])
    by_name = {name: load(tmp_path / "d", tmp_path / "cache", name) for name in LAYOUTS}
    assert load(tmp_path / "d", tmp_path / "cache") == by_name[first]
    assert [row["output"] for row in by_name["alpaca"]] == list(outputs)
    assert [row["conversations"][1]["value"] for row in by_name["sharegpt"]] == list(outputs)
    assert [row["messages"][1]["content"] for row in by_name["messages"]] == list(outputs)
    assert [row["score.ifd"] for row in by_name["parquet"]] == [None, 0.5]
    assert [row["tags"] for row in by_name["parquet"]] == [[], ["x"]]


@pytest.mark.slow
@pytest.mark.parametrize("late", ["history", "text"])
def test_datasets_loads_what_changes_after_its_first_chunk(tmp_path: Path, late: str) -> None:
    filler = simple(*["2024-01-01" if late == "text" else "x"] * 11)
    filler = [
        replace(r, messages=(Message("user", f"{n}" * (1 << 20)), r.messages[1]))
        for n, r in enumerate(filler)
    ]
    history = simple("earlier")[0].messages if late == "history" else ()
    made = [*filler, new_record("last", output="words", history=history)]
    written = write_dataset(made, tmp_path / "d", ["alpaca"])
    assert [file.path.parent.name for file in written][:2] == ["alpaca", "alpaca_parquet"]
    rows = load(tmp_path / "d", tmp_path / "cache")
    assert [row["output"] for row in rows] == [record.output for record in made]
    assert rows[-1].get("history", []) == ([["Question 0", "earlier"]] if history else [])


@pytest.mark.slow
def test_the_card_says_what_the_set_is(tmp_path: Path) -> None:
    hub = pytest.importorskip("huggingface_hub")
    made = [
        replace(record, lang="zh-CN", events=(Event("1", "respond", model="m"),)) for record in simple("a")
    ]
    write_dataset([*made, replace(simple("b")[0], lang="[evil: yaml")], tmp_path / "d", ["alpaca"])
    data = hub.DatasetCard.load(tmp_path / "d" / "README.md").data
    assert data.language == ["zh"]
    assert data.size_categories == ["n<1K"]
    assert data.tags == ["sft", "synthetic"]


def test_packed_files_are_gzip(tmp_path: Path) -> None:
    write_file(simple("a"), tmp_path / "a.jsonl.gz")
    assert (
        json.loads(gzip.decompress((tmp_path / "a.jsonl.gz").read_bytes()))["messages"][1]["content"] == "a"
    )


def test_a_negative_number_and_white_space_are_no_formula(tmp_path: Path) -> None:
    cells = ["-5", "+1,000.5", "-3.2e-4", "-50%", "\r\n", "\t", "-5+cmd|x", "-x", "+", "\t=1"]
    made = [new_record("Compute.", output=cell) for cell in cells]
    written = write_file(made, tmp_path / "a.csv")
    with (tmp_path / "a.csv").open(newline="") as file:
        read = [row["output"] for row in csv.DictReader(file)]
    assert read == [*cells[:6], *(f"'{cell}" for cell in cells[6:])]
    assert written.guarded == 4


@pytest.mark.parametrize("name", ["set.ndjson", "set.NDJSON", "set.ndjson.gz"])
def test_ndjson_is_another_name_of_jsonl(tmp_path: Path, name: str) -> None:
    made = [new_record("Name a river.", output="The Rhine.")]
    write_file(made, tmp_path / name)
    write_file(made, tmp_path / "set.jsonl")
    opened = gzip.open if name.endswith(".gz") else open
    with opened(tmp_path / name, "rb") as file:
        assert file.read() == (tmp_path / "set.jsonl").read_bytes()
    assert [record.output for record in read_records(tmp_path / name)] == ["The Rhine."]
