"""Pairs of answers in the formats of trainers, and back."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from step_context import process, scripted_context

from factory.data.formats import read_records, write_dataset, write_file
from factory.data.formats.layout_base import losers, prompt_and_answer
from factory.data.formats.shapes import write_source_row
from factory.data.record import Candidate, Media, Message, Record, ToolCall, new_record
from factory.steps.assemble.pair import Pair

ADD = {"type": "function", "function": {"name": "add", "parameters": {"type": "object"}}}


def answer(text: str, score: float, **of_turn: Any) -> Candidate:
    return Candidate((Message("assistant", text, **of_turn),), "teacher", {"judge.quality": score})


def paired(**changed: Any) -> Record:
    """A conversation of four answers: good is chosen, bad rejected."""
    answers = (answer("fine", 4), answer("bad", 1), answer("good", 5), answer("poor", 2))
    history = (Message("system", "用中文。"), Message("user", "Hi"), Message("assistant", "Hello"))
    made = new_record("Q", output="fine", history=history, lang="en")
    made = replace(made, **{"answers": answers, "chosen": 0, **changed})
    context, _ = scripted_context(lambda ask: "")
    (record,) = process(Pair(score="judge.quality"), made, context)
    assert record.dropped is None
    return record


def rows(record: Record, layout: str, folder: Path, **options: Any) -> list[dict[str, Any]]:
    write_file([record], folder / "rows.jsonl", layout, **options)
    found = map(json.loads, (folder / "rows.jsonl").read_text(encoding="utf-8").splitlines())
    return [{key: value for key, value in row.items() if key != "id"} for row in found]


ASKED = [
    {"role": "system", "content": "用中文。"},
    {"role": "user", "content": "Hi"},
    {"role": "assistant", "content": "Hello"},
    {"role": "user", "content": "Q"},
]
GOOD, BAD = {"role": "assistant", "content": "good"}, {"role": "assistant", "content": "bad"}
ROWS = {
    "preference": [{"prompt": ASKED, "chosen": [GOOD], "rejected": [BAD]}],
    "dpo": [{"messages": ASKED, "chosen": GOOD, "rejected": BAD}],
    "openai_preference": [
        {"input": {"messages": ASKED}, "preferred_output": [GOOD], "non_preferred_output": [BAD]}
    ],
    "kto": [
        {"prompt": ASKED, "completion": [BAD], "label": False},
        {"prompt": ASKED, "completion": [GOOD], "label": True},
    ],
}


@pytest.mark.parametrize("layout", ROWS)
def test_a_pair_is_one_row_and_the_other_answers_none(layout: str, tmp_path: Path) -> None:
    assert rows(paired(), layout, tmp_path) == ROWS[layout]
    written = write_file([paired()], tmp_path / "x.jsonl", layout)
    assert any("other answers 2" in sentence for sentence in written.told)


@pytest.mark.parametrize("layout", ["preference", "dpo", "openai_preference"])
def test_a_pair_comes_back_as_it_went_and_is_written_again_the_same(layout: str, tmp_path: Path) -> None:
    write_file([paired()], tmp_path / "rows.jsonl", layout)
    (back,) = read_records(tmp_path / "rows.jsonl")
    assert isinstance(back, Record)
    assert prompt_and_answer(back) == prompt_and_answer(paired())
    assert [one.turns for one in losers(back)] == [one.turns for one in losers(paired())]
    assert rows(back, layout, tmp_path) == ROWS[layout]


def test_a_row_that_was_read_is_written_with_the_pair_that_was_made() -> None:
    record = paired(form=json.dumps({"shape": "preference", "ask": "turns"}))
    lost: Counter[str] = Counter()
    row = write_source_row(record, lost)
    assert (row["chosen"][0]["content"], row["rejected"][0]["content"]) == ("good", "bad")
    assert lost == {"answers": 1}


def test_llama_factory_is_told_that_pairs_are_a_ranking(tmp_path: Path) -> None:
    write_dataset([paired()], tmp_path / "d", ["dpo", "preference", "openai_preference"])
    info = json.loads((tmp_path / "d" / "dataset_info.json").read_text())
    assert list(info) == ["dpo"]
    assert info["dpo"]["ranking"] is True
    assert info["dpo"]["formatting"] == "sharegpt"
    assert info["dpo"]["columns"] == {name: name for name in ("messages", "chosen", "rejected")}
    (row,) = rows(paired(), "dpo", tmp_path)
    tags = info["dpo"]["tags"]
    turns = row["messages"][1:]  # it takes a leading system turn off
    assert len(turns) % 2 == 1, "LLaMA-Factory leaves a ranking with an even number of turns out"
    assert [turn[tags["role_tag"]] for turn in turns] == [
        tags[f"{role}_tag"] for role in ("user", "assistant", "user")
    ]


def test_thoughts_stand_where_they_are_asked_for(tmp_path: Path) -> None:
    thinking = paired(answers=(answer("good", 5, reasoning="hm"), answer("bad", 1)))
    (row,) = rows(thinking, "dpo", tmp_path)
    assert row["chosen"] == {**GOOD, "reasoning_content": "hm"}
    (row,) = rows(thinking, "dpo", tmp_path, reasoning="think")
    assert row["chosen"]["content"] == "<think>\nhm\n</think>\n\ngood"
    (row,) = rows(thinking, "openai_preference", tmp_path)
    assert row["preferred_output"] == [GOOD]


def test_what_one_turn_cannot_hold_is_left_out_and_told(tmp_path: Path) -> None:
    call = answer("", 5, calls=(ToolCall("add", "{}"),))
    calling = paired(answers=(call, answer("bad", 1)))
    seen = Message("user", "Q", media=(Media("image", "a.png"),))
    seeing = paired(messages=(seen, Message("assistant", "fine")))
    for layout in ("dpo", "openai_preference"):
        written = write_file([paired(), calling, seeing], tmp_path / "x.jsonl", layout)
        assert written.rows == 1
        assert "2 records left out" in written.told[0]


@pytest.mark.slow
def test_datasets_loads_pairs_with_tools_and_without(tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets")
    made = [paired(), replace(paired(), tools=(ADD,), id="t")]
    write_dataset(made, tmp_path / "d", ["dpo", "openai_preference", "kto", "preference"])
    for name, count in (("dpo", 2), ("openai_preference", 2), ("kto", 4), ("preference", 2)):
        loaded = datasets.load_dataset(
            str(tmp_path / "d"), name, split="train", cache_dir=str(tmp_path / "c")
        )
        assert len(loaded) == count
    row = datasets.load_dataset(str(tmp_path / "d"), "dpo", split="train", cache_dir=str(tmp_path / "c"))[1]
    assert json.loads(row["tools"]) == [ADD]
    assert row["rejected"]["content"] == "bad"
