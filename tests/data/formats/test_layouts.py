"""The formats of trainers: what each makes of tools, reasoning, pictures and several answers."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from any_record import records as any_record
from hypothesis import given
from hypothesis import strategies as st

from factory.data.formats import read_records, write_dataset, write_file
from factory.data.formats.json_traps import CHUNK, JsonTraps
from factory.data.formats.layouts import FILE_LAYOUTS
from factory.data.formats.mended import mended
from factory.data.record import Candidate, Media, Message, Record, ToolCall, new_record
from factory.errors import OutputError

ADD = {"type": "function", "function": {"name": "add", "parameters": {"type": "object"}}}
PLAIN = new_record("What is it?", output="Nothing.")
CALLING = Record(
    "c1",
    (
        Message("system", "Be brief."),
        Message("user", "1+1 和 2+2?"),
        Message("assistant", "", "two sums", (ToolCall("add", '{"a":1}', "k1"), ToolCall("add", "{}"))),
        Message("tool", "2", call_id="k1", name="add"),
        Message("tool", "4"),
        Message("assistant", "2 and 4", "easy", weight=1),
    ),
    tools=(ADD,),
    template_arguments={"enable_thinking": True, "mode": ["a"]},
)
SEEING = Record(
    "s1",
    (Message("user", "What is  here?", media=(Media("image", "a.png", 8),)), Message("assistant", "A cat.")),
)


def answered(*answers: Candidate, chosen: int = -1) -> Record:
    """A question with several answers."""
    asked = Message("user", "Q")
    end = answers[chosen].turns if chosen >= 0 else ()
    return Record("a1", (asked, *end), answers=answers, chosen=chosen)


def answer(text: str, **known: Any) -> Candidate:
    return Candidate((Message("assistant", text),), **known)


def rows(made: Sequence[Record], layout: str, folder: Path, **options: Any) -> list[dict[str, Any]]:
    """What is written, and without an id."""
    write_file(made, folder / "rows.jsonl", layout, **options)
    found = [json.loads(line) for line in (folder / "rows.jsonl").read_text(encoding="utf-8").splitlines()]
    return [{key: value for key, value in row.items() if key != "id"} for row in found]


CALLS = [
    {"id": "k1", "type": "function", "function": {"name": "add", "arguments": '{"a":1}'}},
    {"type": "function", "function": {"name": "add", "arguments": "{}"}},
]


def test_plain_records_are_written_as_ever(tmp_path: Path) -> None:
    made = [
        new_record("写诗", input="春", output="好", source="s", lang="zh"),
        new_record("a", output="b", history=[Message("system", "s")], source="s", lang="en", task="t"),
    ]
    folder = tmp_path / "d"
    write_dataset(made, folder, ["alpaca", "sharegpt", "messages"])
    assert {
        name: (folder / name / "train.jsonl").read_text() for name in ("alpaca", "sharegpt", "messages")
    } == {
        "alpaca": '{"id":"35033f5f907042d1","instruction":"写诗","input":"春","output":"好","system":""}\n'
        '{"id":"63d561bcf015bec3","instruction":"a","input":"","output":"b","system":"s"}\n',
        "sharegpt": '{"id":"35033f5f907042d1","conversations":[{"from":"human","value":"写诗\\n\\n春"},'
        '{"from":"gpt","value":"好"}]}\n{"id":"63d561bcf015bec3","conversations":[{"from":"system","value":"s"},'
        '{"from":"human","value":"a"},{"from":"gpt","value":"b"}]}\n',
        "messages": '{"id":"35033f5f907042d1","messages":[{"role":"user","content":"写诗\\n\\n春"},'
        '{"role":"assistant","content":"好"}]}\n{"id":"63d561bcf015bec3","messages":[{"role":"system","content":"s"},'
        '{"role":"user","content":"a"},{"role":"assistant","content":"b"}]}\n',
    }


def test_messages_hold_calls_answers_tools_and_template_arguments(tmp_path: Path) -> None:
    plain, calling = rows([PLAIN, CALLING], "messages", tmp_path)
    assert list(plain) == list(calling) == ["messages", "tools", "chat_template_kwargs"]
    assert (plain["tools"], plain["chat_template_kwargs"]) == (None, {})
    assert json.loads(calling["tools"]) == [ADD]
    assert calling["chat_template_kwargs"] == {"enable_thinking": True, "mode": '["a"]'}
    assert calling["messages"][2:] == [
        {"role": "assistant", "content": "", "reasoning_content": "two sums", "tool_calls": CALLS},
        {"role": "tool", "content": "2", "tool_call_id": "k1", "name": "add"},
        {"role": "tool", "content": "4"},
        {"role": "assistant", "content": "2 and 4", "reasoning_content": "easy", "weight": 1},
    ]


def test_openai_rows_have_its_keys_alone_and_an_id_for_each_call(tmp_path: Path) -> None:
    (row,) = rows([CALLING], "openai", tmp_path)
    assert row["tools"] == [ADD]
    assert set(row) == {"messages", "tools"}
    assert [call["id"] for call in row["messages"][2]["tool_calls"]] == ["k1", "call_2_1"]
    assert [turn["tool_call_id"] for turn in row["messages"][3:5]] == ["k1", "call_2_1"]
    assert row["messages"][5] == {"role": "assistant", "content": "2 and 4", "weight": 1}
    written = write_file([CALLING], tmp_path / "x.jsonl", "openai")
    assert written.told == ["openai: not carried: reasoning 2, template arguments 2"]
    assert "id" not in json.loads((tmp_path / "x.jsonl").read_text())


def test_sharegpt_holds_calls_as_turns_and_pictures_as_marks(tmp_path: Path) -> None:
    calling, seeing = rows([CALLING, SEEING], "sharegpt", tmp_path)
    assert calling["conversations"][2:4] == [
        {
            "from": "function_call",
            "value": '[{"name":"add","arguments":{"a":1}},{"name":"add","arguments":{}}]',
        },
        {"from": "observation", "value": "2"},
    ]
    assert seeing["conversations"][0]["value"] == "What is <image> here?"
    assert (seeing["images"], calling["images"], seeing["tools"]) == (["a.png"], [], "")


def test_where_one_record_shows_something_every_content_is_a_list_of_parts(tmp_path: Path) -> None:
    plain, seeing = rows([PLAIN, SEEING], "messages", tmp_path)
    assert plain["messages"][0]["content"] == [{"type": "text", "text": "What is it?"}]
    assert seeing["messages"][0]["content"] == [
        {"type": "text", "text": "What is "},
        {"type": "image_url", "image_url": {"url": "a.png"}},
        {"type": "text", "text": " here?"},
    ]


def test_a_pair_is_the_chosen_answer_and_each_that_lost(tmp_path: Path) -> None:
    best, worst = answer("good", scores={"r": 2.0}), answer("bad", scores={"r": 1.0})
    tied = answer("as good", scores={"r": 2.0})
    pairs = rows([answered(worst, best, tied, chosen=1)], "preference", tmp_path)
    assert pairs == [
        {
            "prompt": [{"role": "user", "content": "Q"}],
            "chosen": [{"role": "assistant", "content": "good"}],
            "rejected": [{"role": "assistant", "content": "bad"}],
        }
    ]
    written = write_file([PLAIN, answered(best, worst, chosen=0)], tmp_path / "x.jsonl", "preference")
    assert (written.rows, written.told) == (
        1,
        ["preference: 1 record left out: no answer that lost against a chosen one 1"],
    )


def test_kto_has_a_row_for_each_answer_with_a_label(tmp_path: Path) -> None:
    good, bad = answer("good", verdicts={"label": "true"}), answer("bad", verdicts={"label": "false"})
    found = rows([answered(good, bad, answer("?"))], "kto", tmp_path)
    assert [(row["completion"][0]["content"], row["label"]) for row in found] == [
        ("good", True),
        ("bad", False),
    ]
    assert all(row["prompt"] == [{"role": "user", "content": "Q"}] for row in found)


def test_prompt_completion_splits_before_all_that_was_answered(tmp_path: Path) -> None:
    (row,) = rows([CALLING], "prompt_completion", tmp_path)
    assert [turn["role"] for turn in row["prompt"]] == ["system", "user"]
    assert [turn["role"] for turn in row["completion"]] == ["assistant", "tool", "tool", "assistant"]


@pytest.mark.parametrize("layout", ["preference", "kto"])
def test_a_format_that_can_hold_no_record_is_refused_with_the_reason(layout: str, tmp_path: Path) -> None:
    with pytest.raises(OutputError, match=rf"{layout} can hold none of the 1 records: no answer"):
        write_dataset([PLAIN], tmp_path / "d", [layout])
    assert not (tmp_path / "d").exists()


def test_a_parquet_file_of_records_is_read_back_as_it_was_and_has_columns_for_others(tmp_path: Path) -> None:
    import pyarrow.parquet as pq

    scored = replace(
        PLAIN, scores={"ifd": 0.5}, meta={"id": 7, "url": "u"}, license="mit", form='{"shape":"x"}'
    )
    made = [scored, CALLING, SEEING, answered(answer("x"), answer("y"), chosen=0)]
    write_file(made, tmp_path / "a.parquet", "records")
    assert list(read_records(tmp_path / "a.parquet")) == made
    table = pq.ParquetFile(tmp_path / "a.parquet").read().to_pylist()
    first = {name: table[0][name] for name in ("output", "score.ifd", "meta.id", "url", "license")}
    assert first == {"output": "Nothing.", "score.ifd": 0.5, "meta.id": 7, "url": "u", "license": "mit"}


def test_a_key_that_comes_after_the_first_chunk_springs_the_trap() -> None:
    for early in ({"tools": None}, {}):
        traps = JsonTraps()
        traps.see({"a": "x", **early}, CHUNK + 1)
        traps.see({"a": "y", **early}, 10)
        assert not traps.sprung
        traps.see({"a": "y", "tools": "[]"}, 10)
        assert traps.sprung


def test_lone_surrogates_are_mended_and_counted_wherever_they_are() -> None:
    bad = "\ud83d"
    turn = Message(
        "assistant",
        "\ud83d\ude00 x",
        bad,
        (ToolCall(bad, bad, bad),),
        bad,
        bad,
        None,
        (Media("image", bad, 3, {bad: bad}),),
        {bad: bad},
    )
    record = Record("r", (Message("user", "q"), turn), tools=({"name": bad},), meta={"k": [bad]}, license=bad)
    clean, replaced = mended(record)
    assert replaced == 15
    assert clean.messages[1].media[0].at == 2
    assert mended(clean) == (clean, 0)


@pytest.mark.slow
@given(any_record(), st.sampled_from(("field", "think", "none")))
def test_any_record_with_a_request_is_written_or_left_out_with_a_count(
    record: Record, reasoning: Any
) -> None:
    import tempfile

    record = replace(record, messages=(Message("user", "?"), *record.messages, Message("user", "!")))
    with tempfile.TemporaryDirectory() as folder:
        for layout in FILE_LAYOUTS:
            path = Path(folder) / ("a.parquet" if layout == "parquet" else "a.jsonl")
            with contextlib.suppress(OutputError):  # where it can hold neither
                written = write_file(
                    [PLAIN, record], path, layout, reasoning=reasoning, carry=["license", "x"]
                )
                held = 2 - sum(written.left_out.values())
                assert written.rows >= held > 0


@pytest.mark.slow
@pytest.mark.parametrize("parquet", [True, False])
def test_datasets_loads_a_folder_that_has_tool_rows_and_plain_rows(tmp_path: Path, parquet: bool) -> None:
    datasets = pytest.importorskip("datasets")
    pair = replace(answered(answer("x"), answer("y"), chosen=0), tools=(ADD,))
    formats = ["messages", "sharegpt", "alpaca", "openai", "preference", "prompt_completion", "source"]
    made = [PLAIN, CALLING, SEEING, pair, replace(PLAIN, id="p2")]
    written = write_dataset(made, tmp_path / "d", formats + ["parquet"] * parquet, carry=["license"])
    assert any(sentence.startswith("alpaca: 3 records left out") for sentence in written.told)

    def load(name: str) -> list[dict[str, Any]]:
        folder, cache = str(tmp_path / "d"), str(tmp_path / "cache")
        return list(datasets.load_dataset(folder, name, split="train", cache_dir=cache))

    for name, count in (("messages", 5), ("sharegpt", 5), ("alpaca", 2), ("openai", 5), ("preference", 1)):
        assert len(load(name)) == count
    calling = load("messages")[1]
    assert calling["messages"][2]["tool_calls"][0]["function"]["arguments"] == '{"a":1}'
    assert json.loads(calling["tools"]) == [ADD]
    assert calling["messages"][1]["content"][0]["text"] == "1+1 和 2+2?"
    assert load("messages")[0]["messages"][0]["tool_calls"] is None


@pytest.mark.parametrize("name", ["claude_code_session", "codex_session", "pi_session", "oasst_messages"])
def test_a_file_whose_rows_are_one_conversation_comes_back_line_for_line(name: str, tmp_path: Path) -> None:
    came = Path(__file__).parent / "shapes" / f"{name}.jsonl"
    records = [row for row in read_records(came) if isinstance(row, Record)]
    write_file(records, tmp_path / "again.jsonl", "source")
    before, after = (
        [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
        for path in (came, tmp_path / "again.jsonl")
    )
    assert after == before
