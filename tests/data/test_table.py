"""What goes into a table comes out of it, from memory and from disk, and a file is whole or not there."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from any_record import drops, finite, records
from hypothesis import given, settings
from hypothesis import strategies as st

from factory.data.at_rest import record_schema
from factory.data.record import Drop, Event, Record, Tag, new_record
from factory.data.table import BATCH, Table, write_records
from factory.data.text import call_text, turn_text
from factory.errors import OutputError

sets = st.lists(records(), max_size=6)
VIEWS: dict[str, Callable[[Record], str]] = {
    "instruction": lambda record: record.instruction,
    "input": lambda record: record.input,
    "prompt": lambda record: record.prompt,
    "output": lambda record: record.output,
    "both": lambda record: f"{record.prompt}\n{record.output}",
}


def numbered(count: int) -> list[Record]:
    return [new_record(f"第 {number} 题", output=str(number)) for number in range(count)]


@pytest.mark.slow
@settings(deadline=None)
@given(sets)
def test_records_come_back_from_arrow_and_from_parquet_as_they_were(originals: list[Record]) -> None:
    table = Table.from_records(originals)
    assert list(table.records()) == originals
    with tempfile.TemporaryDirectory() as folder:
        table.write(Path(folder) / "a.parquet")
        assert list(Table.read(Path(folder) / "a.parquet").records()) == originals


@pytest.mark.slow
@settings(deadline=None)
@given(sets, st.data())
def test_the_texts_of_a_table_are_the_views_of_its_records(
    originals: list[Record], data: st.DataObject
) -> None:
    table = Table.from_records(originals)
    at = data.draw(st.lists(st.integers(0, len(originals) - 1)) if originals else st.just([]))
    for chosen, rows in ((table, originals), (table.take(at), [originals[index] for index in at])):
        for field, view in VIEWS.items():
            assert chosen.texts(field) == [view(record) for record in rows]
        for field in ("instruction", "prompt", "both"):
            assert chosen.texts(field, compared=True) == [
                "\n".join(
                    [
                        *earlier_turns(record),
                        VIEWS[field](record),
                        *(calls(record) if field != "both" else []),
                    ]
                )
                for record in rows
            ]
        for field in ("input", "output"):
            assert chosen.texts(field, compared=True) == chosen.texts(field)


def earlier_turns(record: Record) -> list[str]:
    before = record.messages[: max(record.last_user, 0)]
    return [turn_text(message) for message in before if message.role != "system"]


def calls(record: Record) -> list[str]:
    return [call_text(call) for turn in record.messages[record.last_user + 1 :] for call in turn.calls]


def test_the_texts_of_a_part_of_an_arrow_table_are_those_of_that_part() -> None:
    rows = numbered(10)
    assert Table(Table.from_records(rows).arrow.slice(3, 4)).texts("output") == ["3", "4", "5", "6"]


@settings(deadline=None)
@given(st.lists(st.dictionaries(st.sampled_from("abc"), finite), max_size=6))
def test_a_score_is_nan_where_it_is_missing(all_scores: list[dict[str, float]]) -> None:
    table = Table.from_records([Record(str(at), (), scores=scores) for at, scores in enumerate(all_scores)])
    assert table.score_names() == sorted(set().union(*all_scores))
    for name in "abc":
        column = table.scores(name)
        assert column.dtype == np.float64
        expected = [scores.get(name, math.nan) for scores in all_scores]
        np.testing.assert_array_equal(column, np.array(expected, dtype=np.float64))


@pytest.mark.slow
@settings(deadline=None)
@given(sets, st.data())
def test_a_drop_marks_its_rows_and_leaves_every_other_as_it_was(
    originals: list[Record], data: st.DataObject
) -> None:
    at = st.integers(0, len(originals) - 1)
    marks = data.draw(st.dictionaries(at, drops, max_size=3) if originals else st.just({}))
    result = list(Table.from_records(originals).drop(marks).records())
    assert [record.dropped for record in result] == [
        marks.get(index, record.dropped) for index, record in enumerate(originals)
    ]
    assert [record.messages for record in result] == [record.messages for record in originals]


@pytest.mark.slow
@settings(deadline=None)
@given(sets)
def test_a_split_parts_the_living_from_the_dropped_in_their_order(originals: list[Record]) -> None:
    live, dropped = Table.from_records(originals).split()
    assert list(live.records()) == [record for record in originals if record.dropped is None]
    assert list(dropped.records()) == [record for record in originals if record.dropped is not None]


def test_take_gives_the_rows_asked_for_in_that_order_and_as_often() -> None:
    rows = numbered(4)
    table = Table.from_records(rows)
    assert list(table.take([3, 0, 3]).records()) == [rows[3], rows[0], rows[3]]
    assert list(table.take(np.array([1])).records()) == [rows[1]]
    assert list(table.take([]).records()) == []


def test_an_empty_table_is_a_table(tmp_path: Path) -> None:
    table = Table.from_records([])
    table.write(tmp_path / "empty.parquet")
    for empty in (
        table,
        Table.read(tmp_path / "empty.parquet"),
        table.drop({}),
        table.take([]),
        *table.split(),
    ):
        assert len(empty) == 0
        assert list(empty.records()) == empty.ids() == empty.score_names() == []
        assert all(empty.texts(field) == [] for field in VIEWS)
        assert empty.scores("judge.quality").shape == (0,)
        assert empty.arrow.schema == record_schema()


@pytest.mark.slow
@pytest.mark.parametrize("count", [BATCH - 1, BATCH, BATCH + 1, 2 * BATCH + 5])
def test_records_written_one_by_one_or_as_a_table_are_the_same_bytes(tmp_path: Path, count: int) -> None:
    rows = numbered(count)
    with write_records(tmp_path / "a" / "one.parquet") as writer:
        for row in rows:
            writer.write(row)
    assert writer.rows == count
    Table.from_records(rows).write(tmp_path / "whole.parquet")
    Table.read(tmp_path / "whole.parquet").write(tmp_path / "again.parquet")
    halves = Table.from_records(numbered(2 * count)).take(range(count))
    halves.write(tmp_path / "taken.parquet")
    first = (tmp_path / "a" / "one.parquet").read_bytes()
    for name in ("whole", "again", "taken"):
        assert (tmp_path / f"{name}.parquet").read_bytes() == first
    assert list(Table.read(tmp_path / "whole.parquet").records()) == rows


def write_and_break_off(path: Path, rows: list[Record], error: BaseException) -> None:
    with write_records(path) as writer:
        for row in rows:
            writer.write(row)
        raise error


@pytest.mark.slow
@pytest.mark.parametrize("count", [0, 1, BATCH + 1])
def test_a_writer_that_is_broken_off_leaves_no_file_behind(tmp_path: Path, count: int) -> None:
    path = tmp_path / "kept.parquet"
    with pytest.raises(KeyboardInterrupt):
        write_and_break_off(path, numbered(count), KeyboardInterrupt())
    assert list(tmp_path.iterdir()) == []


def test_a_writer_that_is_broken_off_leaves_the_file_that_was_there(tmp_path: Path) -> None:
    path = tmp_path / "kept.parquet"
    Table.from_records(numbered(3)).write(path)
    with pytest.raises(ValueError, match="broken"):
        write_and_break_off(path, numbered(BATCH), ValueError("broken"))
    assert len(Table.read(path)) == 3
    assert list(tmp_path.iterdir()) == [path]


def test_the_file_is_not_there_before_it_is_complete(tmp_path: Path) -> None:
    path = tmp_path / "kept.parquet"
    with write_records(path) as writer:
        for record in numbered(BATCH + 1):
            writer.write(record)
        assert not path.exists()
    assert [entry.name for entry in tmp_path.iterdir()] == ["kept.parquet"]


def test_a_writer_without_records_writes_an_empty_table(tmp_path: Path) -> None:
    with write_records(tmp_path / "none.parquet"):
        pass
    assert len(Table.read(tmp_path / "none.parquet")) == 0


@pytest.mark.parametrize("name", ["a file/kept.parquet", "a folder"])
def test_a_path_that_cannot_be_written_is_one_sentence_and_leaves_nothing(tmp_path: Path, name: str) -> None:
    (tmp_path / "a file").write_text("x")
    (tmp_path / "a folder").mkdir()
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(OutputError, match=r"cannot be written: .*: free some space, or name another"):
        Table.from_records(numbered(1)).write(tmp_path / name)
    assert sorted(tmp_path.rglob("*")) == before


def test_a_full_disk_is_one_sentence_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: int) -> None:
        raise OSError(28, "the disk is full")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OutputError, match="the disk is full"):
        Table.from_records(numbered(1)).write(tmp_path / "kept.parquet")
    assert list(tmp_path.iterdir()) == []


def test_a_lone_surrogate_becomes_the_replacement_character_and_moves_no_border() -> None:
    record = new_record("a\ud83d", input="\ud83d\ude00b", output="\udc00").with_tags(
        [Tag("t\ud800", "e\ud800")], Event("s", "o", calls=("\ud800",))
    )
    record = Record(
        **{**{f: getattr(record, f) for f in record.__slots__}, "meta": {"k\ud800": ["v\ud800", 1]}}
    )
    (back,) = Table.from_records([record.drop("s", "k", "r\ud800"), new_record("好")]).take([0]).records()
    assert (back.instruction, back.input, back.output) == ("a\ufffd", "\ufffd\ufffdb", "\ufffd")
    assert back.tags == (Tag("t\ufffd", "e\ufffd"),)
    assert back.events[0].calls == ("\ufffd",)
    assert back.meta == {"k\ufffd": ["v\ufffd", 1]}
    assert back.dropped == Drop("s", "k", "r\ufffd")


@pytest.mark.parametrize("value", [{1, 2}, 2**70, {1: "a"}, object()])
def test_meta_that_is_no_json_is_one_sentence_that_names_the_record(value: object) -> None:
    record = new_record("a", meta={"x": value})
    with pytest.raises(
        OutputError, match=f"record {record.id}: what its source carried along cannot be kept as JSON"
    ):
        Table.from_records([record])


def test_answers_may_hold_more_than_two_gibibytes_together() -> None:
    schema = record_schema()  # the offsets of a plain string column reach no further
    prose = "large_string"
    assert str(schema.field("messages").type.value_type.field("content").type) == prose
    assert str(schema.field("meta").type) == prose
    assert str(schema.field("notes").type.item_type) == prose
    assert str(schema.field("tags").type.value_type.field("explanation").type) == prose
    assert str(schema.field("dropped").type.field("reason").type) == prose


@pytest.mark.slow
@settings(deadline=None)
@given(sets, st.integers(1, 3))
def test_the_parts_of_a_table_have_its_texts(originals: list[Record], rows: int) -> None:
    table = Table.from_records(originals)
    for field in ("instruction", "output", "both"):
        assert [text for part in table.parts(rows) for text in part.texts(field)] == table.texts(field)


def test_a_copy_is_a_record_of_its_own_that_names_its_first() -> None:
    first = new_record("Why?", output="So.").with_event(Event("01-x", "made", parents=("seed",)))
    table = Table.from_records([new_record("Who?"), first])
    (copy,) = table.repeated([1], "05-mixture", 2).records()
    assert copy.id not in table.ids()
    assert replace(copy, id=first.id, events=first.events) == first
    assert copy.events == (*first.events, Event("05-mixture", "repeat", parents=(first.id,), round=2))
    assert table.with_rows(table.repeated([1], "05-mixture", 3)).ids()[2] != copy.id
    assert not len(table.repeated([], "05-mixture", 2))
