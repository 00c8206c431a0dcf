"""Rows of other tools' shapes: read, and written again as they came."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from factory.data.formats import BadRow, records_from
from factory.data.formats.shapes import BadShape, write_source_row
from factory.data.formats.shapes.spelled import same
from factory.data.formats.values import plain
from factory.data.record import Event, Message, Record

ROWS = Path(__file__).parent / "shapes"
SHAPES = {
    "alpaca": "alpaca",
    "axolotl_dpo_chat": "preference",
    "axolotl_training_flags": "messages",
    "dolly": "alpaca",
    "kto": "prompt_completion",
    "kto_turns": "prompt_completion",
    "llamafactory_alpaca": "alpaca",
    "llamafactory_alpaca_preference": "preference",
    "llamafactory_images": "messages",
    "llamafactory_kto": "sharegpt",
    "llamafactory_kto_messages": "messages",
    "llamafactory_openai": "messages",
    "llamafactory_preference": "preference",
    "llamafactory_sharegpt": "sharegpt",
    "llamafactory_v1": "messages",
    "llamafactory_v1_preference": "preference",
    "llava": "sharegpt",
    "magpie": "sharegpt",
    "messages_reasoning": "messages",
    "ms_swift": "messages",
    "ms_swift_agent": "messages",
    "ms_swift_grounding": "messages",
    "ms_swift_kto": "messages",
    "ms_swift_preference": "messages",
    "ms_swift_query_response": "alpaca",
    "ms_swift_sharegpt": "ultrachat",
    "multimodal_parts": "messages",
    "nectar": "completions",
    "nemotron_v1": "prompt_completion",
    "nemotron_v2": "messages",
    "openai_preference": "openai_preference",
    "openai_tools": "messages",
    "pygmalion": "messages",
    "qwen_parts": "messages",
    "self_instruct": "alpaca",
    "sharegpt_plain": "sharegpt",
    "sharegpt_tools": "sharegpt",
    "smoltalk2": "messages",
    "trl_harmony": "messages",
    "trl_preference": "preference",
    "trl_preference_implicit": "preference",
    "trl_preference_turns": "preference",
    "trl_prompt_completion": "prompt_completion",
    "trl_prompt_completion_turns": "prompt_completion",
    "trl_prompt_only": "prompt_completion",
    "trl_stepwise": "alpaca",
    "trl_tools": "messages",
    "trl_tools_text": "messages",
    "trl_vision": "messages",
    "ultrachat": "messages",
    "ultrachat_data": "ultrachat",
    "ultrafeedback": "completions",
    "ultrafeedback_binarized": "preference",
}
"""The shape that each file is recognised as."""
REFUSED = {
    "ms_swift": {5: "no user turn"},
    "sharegpt_plain": {3: "starts with an assistant turn"},
}
"""The rows that are no record, by file and number."""


def rows_of(name: str) -> list[dict[str, Any]]:
    """The rows of a file; one with several instances once for each, as it is read and written."""
    rows = [json.loads(line) for line in (ROWS / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()]
    return [
        {**row, "instances": [one]} if "instances" in row else row
        for row in rows
        for one in row.get("instances", [None])
    ]


def good(name: str) -> list[tuple[dict[str, Any], Record]]:
    rows = rows_of(name)
    return [
        (row, record)
        for row, record in zip(rows, records_from(rows), strict=True)
        if isinstance(record, Record)
    ]


@pytest.mark.parametrize("name", SHAPES)
def test_a_row_is_written_again_as_it_came(name: str) -> None:
    for row, record in good(name):
        assert json.loads(record.form)["shape"] == SHAPES[name]
        lost: Counter[str] = Counter()
        assert same(write_source_row(record, lost), row)
        assert not lost


@pytest.mark.parametrize("name", SHAPES)
def test_only_rows_that_are_no_conversation_are_refused(name: str) -> None:
    refused = {row.line: row.reason for row in records_from(rows_of(name)) if isinstance(row, BadRow)}
    expected = REFUSED.get(name, {})
    assert refused.keys() == expected.keys()
    assert all(words in refused[line] for line, words in expected.items())


@pytest.mark.parametrize("name", SHAPES)
def test_what_is_kept_beside_a_row_is_small(name: str) -> None:
    """The form notes how a row is spelled; it is no second copy of the row."""
    for row, record in good(name):
        assert len(json.dumps(json.loads(record.form).get("odd", {}))) < 100, row


@pytest.mark.parametrize("name", SHAPES)
def test_a_new_answer_is_written_in_the_spelling_of_its_row_or_refused(name: str) -> None:
    refused: list[Record] = []
    for _, record in good(name):
        if record.messages[-1].role == "tool":
            continue
        new = record.with_output("entirely new", Event("01-respond", "respond"))
        try:
            row = write_source_row(new, Counter())
        except BadShape:
            refused.append(record)
            continue
        again = next(iter(records_from([row])))
        assert isinstance(again, Record), again
        assert (again.messages, again.tools) == (new.messages, new.tools)
        assert again.messages[-1] == Message("assistant", "entirely new")
    assert all(len(record.answers) > 1 for record in refused)  # a new answer is not one of two


@pytest.mark.parametrize("path", sorted((ROWS / "hostile").glob("*.jsonl")), ids=lambda path: path.stem)
def test_a_hostile_row_is_written_again_as_it_came_or_refused_in_one_sentence(path: Path) -> None:
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        try:
            row = json.loads(line)
        except ValueError:
            continue
        for shape in ("messages", "sharegpt", "preference", "prompt_completion", "alpaca"):
            (read,) = records_from([row], shape=shape)
            if isinstance(read, BadRow):
                assert "\n" not in read.reason
                assert read.reason
            else:
                assert same(write_source_row(read, Counter()), plain(row))


def test_a_record_without_a_form_is_written_as_messages() -> None:
    record = Record("1", (Message("user", "Hi"), Message("assistant", "Hello")), meta={"mine": 1})
    assert write_source_row(record, Counter()) == {
        "messages": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"}],
        "mine": 1,
    }


@pytest.mark.parametrize("form", ["[]", "{", "null", '{"shape": "none such"}', '{"shape": 3}', '{"odd": 3}'])
def test_a_form_that_is_none_is_as_no_form(form: str) -> None:
    record = Record("1", (Message("user", "Hi"), Message("assistant", "Hello")), form=form)
    assert list(write_source_row(record, Counter())) == ["messages"]


def test_labels_go_back_under_the_names_that_they_had_and_others_are_counted() -> None:
    row = {"instruction": "Hi", "language": "fr", "category": " chat ", "licence": "mit", "source": "web"}
    (record,) = records_from([row])
    assert isinstance(record, Record)
    assert (record.lang, record.task, record.license, record.source) == ("fr", "chat", "mit", "web")
    assert same(write_source_row(record, Counter()), row)
    changed = replace(record, task="poem")
    assert write_source_row(changed, Counter())["category"] == "poem"
