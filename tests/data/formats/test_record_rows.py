"""The lossless layout: what is written is read back as it was."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import orjson
import pytest
from any_record import records as any_record
from any_record import shows
from hypothesis import given
from hypothesis import strategies as st

from factory.data.formats.read import BadRow, read_records
from factory.data.formats.record_rows import is_record_row, read_record_row, record_row, record_text
from factory.data.formats.shapes import BadShape
from factory.data.formats.write import write_dataset, write_file
from factory.data.record import Drop, Event, Message, Record, Tag, new_record
from factory.errors import OutputError

WHOLE = Record(
    id="0123456789abcdef",
    messages=(
        Message("system", "简短回答"),
        Message("user", "一\n\n二"),
        Message("assistant", "答"),
        Message("user", "Translate\n\n鸟"),
        Message("assistant", "bird 🦉"),
    ),
    source="a file",
    lang="zh",
    task="翻译",
    tags=(Tag("translation", "it asks for one"), Tag("中文")),
    scores={"ifd": 0.5, "judge.quality": 4.0},
    notes={"judge.quality": "right", "perplexity": "there is no answer to score"},
    events=(Event("02-ifd", "ifd", "m", "en/x@1", ("aa", "bb"), ("parent",), 2),),
    dropped=Drop("03-x", "low_score", "why", {"score": 1.0}, True),
    meta={"column": [1, None, {"a": "b"}], "instruction": "an odd column"},
    input_chars=1,
)
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)


@pytest.mark.parametrize("name", ["rows.jsonl", "rows.jsonl.gz", "rows.json"])
def test_a_record_is_read_back_from_the_file_as_it_was(name: str, tmp_path: Path) -> None:
    plain = new_record("hello", output="there")
    write_file([WHOLE, plain], tmp_path / name, "records")
    assert list(read_records(tmp_path / name)) == [WHOLE, plain]


@given(
    TEXT.filter(shows),
    TEXT,
    TEXT,
    st.dictionaries(TEXT, st.floats(allow_nan=False, allow_infinity=False)),
)
def test_any_text_and_any_score_survives(
    question: str, material: str, answer: str, scores: dict[str, float]
) -> None:
    record = replace(new_record(question, input=material, output=answer, meta={"k": answer}), scores=scores)
    assert read_record_row(orjson.loads(orjson.dumps(record_row(record)))) == record


@pytest.mark.parametrize(
    "change",
    [
        {"messages": [{"role": "user"}]},
        {"messages": []},
        {"scores": {"ifd": "high"}},
        {"input": "something else"},
        {"events": [{"step": "x"}]},
        {"id": None},
        {"tags": [["a"]]},
        {"dropped": {"surprise": 1}},
    ],
)
def test_a_row_that_was_changed_by_hand_is_told_apart_and_not_lost(
    change: dict[str, object], tmp_path: Path
) -> None:
    row = {**record_row(WHOLE), **change}
    with pytest.raises(BadShape):
        read_record_row(row)
    path = tmp_path / "rows.jsonl"
    path.write_bytes(orjson.dumps(record_row(WHOLE)) + b"\n" + orjson.dumps(row) + b"\n")
    first, second = read_records(path)
    assert first == WHOLE
    assert isinstance(second, BadRow)
    assert second.line == 2


def test_a_training_set_is_not_made_of_records(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="there is no output format 'records'"):
        write_dataset([WHOLE], tmp_path / "set", ["records"])


OF_VERSION_1 = (
    b'{"record":1,"id":"0123456789abcdef","source":"a file","lang":"en","task":"math","messages":[{"role":"user",'
    b'"content":"Add\\n\\n2, 2"},{"role":"assistant","content":"4"}],"instruction":"Add","input":"2, 2",'
    b'"output":"4","tags":[{"name":"sums","explanation":""}],"scores":{"ifd":0.5},"notes":{},"events":[{"step":'
    b'"02-ifd","operation":"ifd","model":"m","prompt":"","calls":["aa"],"parents":[],"round":0}],"dropped":'
    b'{"step":"03-x","kind":"low","reason":"why","numbers":{"score":1.0},"failed":false},"meta":{"url":"u"}}'
)


def test_a_row_of_the_version_before_is_still_read(tmp_path: Path) -> None:
    (tmp_path / "old.jsonl").write_bytes(OF_VERSION_1)
    assert list(read_records(tmp_path / "old.jsonl")) == [
        Record(
            id="0123456789abcdef",
            messages=(Message("user", "Add\n\n2, 2"), Message("assistant", "4")),
            source="a file",
            lang="en",
            task="math",
            tags=(Tag("sums"),),
            scores={"ifd": 0.5},
            events=(Event("02-ifd", "ifd", "m", calls=("aa",)),),
            dropped=Drop("03-x", "low", "why", {"score": 1.0}),
            meta={"url": "u"},
            input_chars=4,
        )
    ]


def without_infinities(record: Record) -> Record:
    """The record without the numbers that no JSON holds."""

    def finite(numbers: Mapping[str, float]) -> dict[str, float]:
        return {name: number for name, number in numbers.items() if math.isfinite(number)}

    def turns(turns: tuple[Message, ...]) -> tuple[Message, ...]:
        return tuple(
            turn if turn.weight is None or math.isfinite(turn.weight) else turn._replace(weight=None)
            for turn in turns
        )

    drop = record.dropped
    return replace(
        record,
        messages=turns(record.messages),
        scores=finite(record.scores),
        answers=tuple(
            one._replace(turns=turns(one.turns), scores=finite(one.scores)) for one in record.answers
        ),
        dropped=drop and drop._replace(numbers=finite(drop.numbers)),
    )


@given(any_record())
def test_any_record_that_asks_something_is_read_back_from_its_row_as_it_was(record: Record) -> None:
    asked = record if record.last_user >= 0 else replace(record, messages=(Message("user", "?"),))
    given_id = without_infinities(replace(asked, id="r1"))
    for row in (record_row(given_id), {"record": record_text(given_id), "instruction": "for other tools"}):
        assert is_record_row(row)
        assert read_record_row(orjson.loads(orjson.dumps(row))) == given_id
