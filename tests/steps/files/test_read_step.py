"""The read step: files in, records out, every bad row set aside with its place."""

from __future__ import annotations

import bz2
import gzip
import json
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from factory.data.named_files import SHIPPED
from factory.data.record import Record, new_record
from factory.errors import InputError
from factory.step import Context
from factory.steps.files.read import Read


def nobody(name: str) -> object:
    raise AssertionError("read asks no model")


CONTEXT = Context("01-read", 0, nobody, nobody)  # type: ignore[arg-type]


def rows(*instructions: str) -> str:
    return "".join(json.dumps({"instruction": text, "output": "好"}) + "\n" for text in instructions)


def write(path: Path, text: str) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return str(path)


def read(*paths: str, **options: object) -> list[Record]:
    step = Read.model_validate({"path": paths[0] if len(paths) == 1 else paths, **options})
    return list(step.records(CONTEXT))


def ids_are_unique(records: Sequence[Record]) -> bool:
    return len({record.id for record in records}) == len(records)


def test_a_row_is_a_record_whose_source_is_the_files_name(tmp_path: Path) -> None:
    (record,) = read(write(tmp_path / "种子.jsonl", rows("写一首诗")))
    assert replace(record, form="") == new_record("写一首诗", output="好", source="种子", lang="zh")


def test_a_bad_row_is_set_aside_with_its_file_and_line_and_the_others_go_on(tmp_path: Path) -> None:
    path = write(tmp_path / "a.jsonl", rows("one") + "\n{not json}\n" + rows("two") + '["no object"]\n')
    good, bad, also_good, also_bad = read(path)
    assert [good.instruction, also_good.instruction] == ["one", "two"]
    assert good.dropped is also_good.dropped is None
    for record, line in ((bad, 3), (also_bad, 5)):
        assert record.dropped is not None
        assert (record.dropped.step, record.dropped.kind, record.dropped.failed) == (
            "01-read",
            "bad_row",
            True,
        )
        assert record.dropped.reason.startswith(f"{path}:{line}: ")
        assert "\n" not in record.dropped.reason
        assert record.dropped.numbers == {"line": line}
    assert bad.prompt == "{not json}"


def test_equal_bad_rows_and_equal_good_rows_have_ids_of_their_own(tmp_path: Path) -> None:
    path = write(tmp_path / "a.jsonl", (rows("one") + "{not json}\n") * 3)
    records = read(path)
    assert len(records) == 6
    assert ids_are_unique(records)
    assert [record.id for record in records] == [record.id for record in read(path)]


def test_files_are_read_in_the_order_they_are_named(tmp_path: Path) -> None:
    b, a = write(tmp_path / "b.jsonl", rows("1")), write(tmp_path / "a.csv", "instruction,output\n2,x\n")
    assert [(record.instruction, record.source) for record in read(b, a)] == [("1", "b"), ("2", "a")]


def test_files_of_one_name_are_several_sources_however_often_they_are_named(tmp_path: Path) -> None:
    paths = [write(tmp_path / folder / "pool.jsonl", rows("same")) for folder in ("a", "x/b", "y/b")]
    records = read(*paths, paths[0], paths[0])
    assert [record.source for record in records] == ["pool", "b/pool", "b/pool (2)", "a/pool", "a/pool (2)"]
    assert ids_are_unique(records)


def test_files_of_one_name_in_the_current_folder_are_several_sources(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "pool.jsonl", rows("same"))
    write(tmp_path / "pool.csv", "instruction,output\nsame,好\n")
    records = read("pool.jsonl", "pool.csv")
    assert [record.source for record in records] == ["pool", "pool (2)"]
    assert ids_are_unique(records)


def test_the_shipped_seeds_are_read_by_their_name() -> None:
    step = Read(path="factory:seeds")
    records = list(step.records(CONTEXT))
    assert step.expected() == len(records) > 50
    assert step.inputs() == [SHIPPED["factory:seeds"]]
    assert {record.source for record in records} == {"seeds"}
    assert all(record.dropped is None for record in records)
    assert ids_are_unique(records)


def test_a_home_folder_is_understood(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    write(tmp_path / "a.jsonl", rows("one"))
    assert [record.instruction for record in read("~/a.jsonl")] == ["one"]


def test_the_rows_of_json_lines_are_counted_ahead(tmp_path: Path) -> None:
    path = write(tmp_path / "a.jsonl", "\ufeff" + rows("1") + "\n  \n" + rows("2") + "{bad}")
    packed = tmp_path / "b.jsonl.gz"
    packed.write_bytes(gzip.compress(rows("3", "4").encode()))
    assert Read(path=(path, str(packed))).expected() == 5
    assert len(read(path, str(packed))) == 5


LOG = [
    {
        "type": "user",
        "sessionId": session,
        "uuid": f"{session}{at}",
        "message": {"role": "user", "content": f"Q{at}?"},
    }
    for session in ("one", "two")
    for at in range(3)
]


def files_of(folder: Path, turns: list[dict[str, str]]) -> dict[str, int]:
    """A file of every format, by its name, with how many rows it has."""
    import pyarrow as pa
    import pyarrow.feather as feather
    import pyarrow.parquet as pq

    folder.mkdir()
    table = pa.Table.from_pylist(turns)
    csv_text = "instruction,output\n" + "".join(f'"{row["instruction"]}\n",x\n' for row in turns)
    (folder / "a.csv").write_text(csv_text)
    (folder / "b.csv.gz").write_bytes(gzip.compress(csv_text.encode()))
    (folder / "c.json").write_text(json.dumps(turns, indent=1))
    (folder / "d.json").write_text(json.dumps({name: [row[name] for row in turns] for name in turns[0]}))
    (folder / "e.jsonl").write_text("".join(json.dumps(row) for row in turns) + "\n")
    pq.write_table(table, folder / "f.parquet")
    feather.write_feather(table, folder / "g.feather")
    (folder / "h.jsonl.bz2").write_bytes(
        bz2.compress("".join(json.dumps(row) + "\n" for row in turns).encode())
    )
    return {path.name: len(turns) for path in folder.iterdir()}


@pytest.mark.slow
@settings(deadline=None, max_examples=10)
@given(st.integers(1, 150))
def test_the_rows_of_every_format_are_counted_ahead(number: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        made = Path(folder) / "in"
        turns = [{"instruction": f"Q{at}?", "output": "x"} for at in range(number)]
        for name, count in files_of(made, turns).items():
            step = Read(path=str(made / name))
            assert (name, step.expected()) == (name, count)
            assert len(list(step.records(CONTEXT))) == count
        assert Read(path=str(made / "*.csv*")).expected() == 2 * number


def test_rows_that_are_one_conversation_count_once(tmp_path: Path) -> None:
    path = write(tmp_path / "log.jsonl", "".join(json.dumps(row) + "\n" for row in LOG))
    assert Read(path=path).expected() == len(read(path)) == 2


@pytest.mark.parametrize("other", ["damaged.json", "absent.jsonl", "damaged.csv.gz"])
def test_what_cannot_be_counted_is_unknown(tmp_path: Path, other: str) -> None:
    path = write(tmp_path / "a.jsonl", rows("1"))
    write(tmp_path / "damaged.json", "[{")
    text = "instruction,output\n" + "".join(f"{at},x\n" for at in range(9999))
    (tmp_path / "damaged.csv.gz").write_bytes(gzip.compress(text.encode())[:-500])
    assert Read(path=(path, str(tmp_path / other))).expected() is None


def test_the_inputs_are_the_files_that_are_there(tmp_path: Path) -> None:
    path = write(tmp_path / "a.jsonl", rows("1"))
    assert Read(path=(path, str(tmp_path / "absent.jsonl"))).inputs() == [Path(path)]


def test_the_format_and_the_shape_may_be_told(tmp_path: Path) -> None:
    turns = {"conversations": [{"from": "human", "value": "你好"}, {"from": "gpt", "value": "你好！"}]}
    path = write(tmp_path / "no ending", json.dumps([turns], ensure_ascii=False, indent=1) + "\n")
    (record,) = read(path, format="json", shape="sharegpt")
    assert (record.instruction, record.output) == ("你好", "你好！")
    with pytest.raises(InputError, match="the name does not tell its format"):
        read(path)


def test_a_file_that_is_not_there_is_one_sentence_with_the_nearest_name(tmp_path: Path) -> None:
    write(tmp_path / "seeds.jsonl", rows("1"))
    with pytest.raises(InputError, match=r"sedes\.jsonl does not exist: did you mean .*seeds\.jsonl\?"):
        read(str(tmp_path / "sedes.jsonl"))


@pytest.mark.parametrize("path", ["", [], ["a.jsonl", ""], 5, None, {"a": 1}])
def test_a_path_that_is_none_is_refused(path: object) -> None:
    with pytest.raises(ValueError, match="path"):
        Read.model_validate({"path": path})
