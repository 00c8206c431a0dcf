"""Rows that hold several examples or several answers, and columns that look like answers and are not read as ones."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson
import pytest

from factory.data.formats.read import read_records
from factory.data.formats.read_files import count_records
from factory.data.record import Record
from factory.steps.assemble.pair import Pair


def read(folder: Path, *rows: dict[str, Any]) -> tuple[list[Record], list[str]]:
    """The records of a file of these rows, and what is told of them."""
    path, told = folder / "rows.jsonl", list[str]()
    path.write_bytes(b"\n".join(map(orjson.dumps, rows)))
    records = [row for row in read_records(path, tell=told.append) if isinstance(row, Record)]
    assert count_records([path]) == len(records)
    return records, [one.removeprefix(f"{path}: ") for one in told]


PLURALS = {
    "id": "seed_task_0",
    "instruction": "Give the plural.",
    "instances": [{"input": "mouse", "output": "mice"}, {"input": "box", "output": "boxes"}],
}
ONE = {"instruction": "Say hi.", "instances": [{"input": "", "output": "Hi."}]}


def test_each_instance_of_a_task_is_a_record_of_its_own(tmp_path: Path) -> None:
    records, told = read(tmp_path, PLURALS, ONE)
    assert [(one.instruction, one.input, one.output) for one in records] == [
        ("Give the plural.", "mouse", "mice"),
        ("Give the plural.", "box", "boxes"),
        ("Say hi.", "", "Hi."),
    ]
    assert [one.meta for one in records] == [{"id": "seed_task_0"}, {"id": "seed_task_0"}, {}]
    assert len({one.id for one in records}) == 3
    assert told == [
        "several instances, each of which is read as a record of its own, in 1 row (kept as it is)"
    ]
    assert records[2].id == read(tmp_path, ONE)[0][0].id == read(tmp_path, {**ONE, "id": 7})[0][0].id


ITEM = {"response": "Rivers bring salt.", "model": "small-1", "overall_score": 8.5, "critique": "Right."}
FEEDBACK = {
    "instruction": "Why is the sea salty?",
    "completions": [ITEM, {"response": "It is.", "model": "small-2", "overall_score": 2, "critique": "No."}],
}


def test_completions_are_answers_with_their_models_and_scores(tmp_path: Path) -> None:
    (record,), told = read(tmp_path, FEEDBACK)
    assert [(one.text, one.model, one.scores) for one in record.answers] == [
        ("Rivers bring salt.", "small-1", {"overall_score": 8.5}),
        ("It is.", "small-2", {"overall_score": 2.0}),
    ]
    assert record.answers[0].turns[0].extra == {"critique": "Right."}
    assert (record.chosen, record.output, record.meta) == (-1, "", {})
    assert told == [
        "several answers of which none is chosen, as `pair` does by their scores, in 1 row (kept as it is)"
    ]


def test_the_advice_is_true(tmp_path: Path) -> None:
    from step_context import process, scripted_context

    (record,), _ = read(tmp_path, FEEDBACK)
    context, _ = scripted_context(lambda ask: "")
    (made,) = process(Pair(score="overall_score"), record, context)
    assert (made.output, made.chosen, made.dropped) == ("Rivers bring salt.", 0, None)


@pytest.mark.parametrize(
    "row",
    [
        {"prompt": "Hi", "completions": ["Hello", "Ho"]},  # TRL's stepwise rows: parts of one answer
        {"prompt": "Hi", "completions": []},
        {"prompt": "Hi", "answers": {"text": ["Hello"], "answer_start": [1]}},  # SQuAD: words of a text
        {"prompt": "Hi", "answers": [{"start": 3}]},
        {"prompt": "Hi", "completion": "Hello", "answers": [{"answer": "Ho", "rank": 1}]},
    ],
)
def test_lists_of_something_else_are_columns_of_the_users(row: dict[str, Any], tmp_path: Path) -> None:
    (record,), _ = read(tmp_path, row)
    assert record.answers == ()
    assert set(record.meta) <= {"completions", "answers"}


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("solution", "Rivers."),
        ("model_answer", "Rivers."),
        ("Gold-Response", ["Rivers."]),
        ("参考答案", "河流。"),
        ("generations", ["Rivers.", "Rain."]),
        ("target", "Rivers."),
    ],
)
def test_a_column_that_looks_like_an_answer_is_told_once_where_none_is_read(
    column: str, value: object, tmp_path: Path
) -> None:
    row = {"instruction": "Why is the sea salty?", column: value}
    records, told = read(tmp_path, row, row)
    assert [(one.output, one.meta) for one in records] == [("", {column: value})] * 2
    words = f"no answer, and a column {column!r} that is not read as one (name it 'output'),"
    assert told == [f"{words} in 2 rows (kept as they are)"]
    assert read(tmp_path, {"instruction": "Why?", "output": "Rivers."})[1] == [], "named so it is read"


@pytest.mark.parametrize(
    "more",
    [
        {"output": "Rivers.", "solution": "Rain."},
        {"solution": " "},
        {"solution": None},
        {"difficulty": "easy", "answerable": True, "output_tokens": 7},
    ],
)
def test_nothing_is_told_where_there_is_an_answer_or_nothing_that_may_be_one(
    more: dict[str, Any], tmp_path: Path
) -> None:
    assert read(tmp_path, {"instruction": "Why is the sea salty?", **more})[1] == []
