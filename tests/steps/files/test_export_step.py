"""The export step: the records that live, as training data, in the formats asked for."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from factory.data.record import Drop, Message, Record, ToolCall, new_record
from factory.data.table import Table
from factory.errors import OutputError
from factory.step import Context
from factory.steps.files.export import Export


def export(step: Export, records: Sequence[Record], folder: Path | None) -> tuple[list[Record], list[str]]:
    """The set after the step, and its warnings."""
    warnings: list[str] = []

    def nobody(name: str) -> object:
        raise AssertionError("export asks no model")

    context = Context("09-export", 0, nobody, nobody, folder, warnings.append)  # type: ignore[arg-type]
    result = asyncio.run(step.run(Table.from_records(records), context))
    return list(result.records()), warnings


def answers(path: Path) -> list[str]:
    lines = path.read_text(encoding="utf-8").splitlines()
    return [json.loads(line)["messages"][-1]["content"] for line in lines]


def test_every_format_asked_for_is_a_folder_beside_one_card(tmp_path: Path) -> None:
    formats = ("messages", "alpaca", "sharegpt", "parquet")
    records = [new_record("写诗", output="春眠不觉晓"), new_record("b", output="c")]
    result, warnings = export(Export(formats=formats), records, tmp_path / "dataset")
    assert (result, warnings) == (records, [])
    for name in formats:
        assert list((tmp_path / "dataset" / name).iterdir())
    assert (tmp_path / "dataset" / "README.md").is_file()
    assert answers(tmp_path / "dataset" / "messages" / "train.jsonl") == ["春眠不觉晓", "c"]


def test_a_record_without_an_answer_is_let_go_and_not_written(tmp_path: Path) -> None:
    records = [new_record("a"), new_record("b", output="yes"), new_record("c", output=" \n")]
    result, _ = export(Export(), records, tmp_path / "dataset")
    gone = Drop("09-export", "no_answer", "it has no answer to train on")
    assert [record.dropped for record in result] == [gone, None, gone]
    assert answers(tmp_path / "dataset" / "messages" / "train.jsonl") == ["yes"]


def test_a_record_that_was_let_go_before_is_not_written_and_keeps_its_reason(tmp_path: Path) -> None:
    dropped = new_record("a", output="no").drop("03-judge", "low", "2 of 5")
    result, _ = export(Export(), [dropped, new_record("b", output="yes"), new_record("c")], tmp_path / "d")
    assert result[0] == dropped
    assert answers(tmp_path / "d" / "messages" / "train.jsonl") == ["yes"]


@pytest.mark.parametrize("records", [[], [new_record("a")]])
def test_where_nothing_is_left_nothing_is_written_and_a_warning_says_so(
    tmp_path: Path, records: list[Record]
) -> None:
    result, warnings = export(Export(), records, tmp_path / "dataset")
    assert len(result) == len(records)
    assert warnings == [f"09-export: {'nothing is left to write' if records else 'no record came in'}"]
    assert not (tmp_path / "dataset").exists()


def test_outside_a_run_there_is_no_folder_to_write_to() -> None:
    with pytest.raises(OutputError, match="09-export: there is no run's folder to write to; use save"):
        export(Export(), [new_record("a", output="b")], None)


@pytest.mark.parametrize("formats", [[], ["mesages"], "messages", ["csv"]])
def test_formats_that_do_not_exist_are_refused(formats: object) -> None:
    with pytest.raises(ValueError, match="formats"):
        Export.model_validate({"formats": formats})


def test_a_folder_of_other_files_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(OutputError, match="holds files that are not an earlier export"):
        export(Export(), [new_record("a", output="b")], tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


TOOL = {"type": "function", "function": {"name": "add", "parameters": {"type": "object"}}}


def called(n: int) -> Record:
    """A record whose answer needed a tool."""
    record = new_record(f"{n} plus {n}?", output=str(2 * n), source="tools")
    asked, answer = record.messages
    turns = (
        asked,
        Message("assistant", "", "I shall add.", (ToolCall("add", f'{{"a": {n}}}', "c1"),), weight=0.0),
        Message("tool", str(2 * n), call_id="c1", name="add"),
        answer,
    )
    return replace(record, id=f"t{n}", messages=turns, tools=(TOOL,))


@pytest.mark.slow
def test_what_a_format_cannot_hold_is_told_with_its_count(tmp_path: Path) -> None:
    records = [new_record("a", output="b"), called(1), called(2)]
    _, warnings = export(Export(formats=("messages", "sharegpt", "alpaca")), records, tmp_path / "d")
    assert warnings == [
        "09-export: sharegpt: not carried: call ids 4, names 2, reasoning 2, weight 2",
        "09-export: alpaca: 2 records left out: tools, which alpaca cannot hold 2",
    ]


@pytest.mark.parametrize(
    ("reasoning", "content", "field", "told"),
    [
        ("field", "4", "so", []),
        ("think", "<think>\nso\n</think>\n\n4", None, []),
        ("none", "4", None, ["09-export: messages: not carried: reasoning 1"]),
    ],
)
def test_reasoning_is_a_field_in_tags_or_left_out_as_asked(
    tmp_path: Path, reasoning: str, content: str, field: str | None, told: list[str]
) -> None:
    record = new_record("2+2?")
    record = replace(record, messages=(*record.messages, Message("assistant", "4", "so")))
    step = Export.model_validate({"formats": ["messages"], "reasoning": reasoning})
    _, warnings = export(step, [record], tmp_path / "d")
    (line,) = (tmp_path / "d/messages/train.jsonl").read_text().splitlines()
    turn = json.loads(line)["messages"][1]
    assert (turn["content"], turn.get("reasoning_content"), warnings) == (content, field, told)


def test_columns_that_are_asked_for_travel_with_each_row(tmp_path: Path) -> None:
    records = [
        replace(
            new_record("a", output="b", source="s"), license="mit", meta={"id": "u1", "url": "x", "n": 1}
        ),
        replace(new_record("c", output="d", source="s"), meta={"id": 2, "n": 0.5, "messages": [1]}),
    ]
    step = Export(formats=("messages",), carry=("license", "source", "id", "url", "n", "messages", "nothing"))
    _, warnings = export(step, records, tmp_path / "d")
    first, second = map(json.loads, (tmp_path / "d/messages/train.jsonl").read_text().splitlines())
    names = ("license", "source", "meta.id", "url", "n", "meta.messages", "nothing")
    assert [first[name] for name in names] == ["mit", "s", '"u1"', "x", 1.0, None, None]
    assert [second[name] for name in names] == [None, "s", "2", None, 0.5, "[1]", None]
    assert list(first) == list(second)
    assert warnings == ["09-export: carry: no record has 'nothing': its column is empty"]


def test_records_of_which_nothing_is_to_be_learned_are_told(tmp_path: Path) -> None:
    learned, not_learned = new_record("a", output="yes"), new_record("b", output="no")
    turns = (*not_learned.messages[:-1], not_learned.messages[-1]._replace(weight=0.0))
    records = [learned, replace(not_learned, messages=turns)]
    _, warnings = export(Export(formats=("messages",)), records, tmp_path / "d")
    (warning,) = warnings
    assert "in 1 of 2 records all that the assistant says has the weight 0" in warning
