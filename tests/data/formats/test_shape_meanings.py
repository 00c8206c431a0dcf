"""What rows with tools, thoughts, weights, media and several answers mean as records."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from factory.data.formats import BadRow, read_records, records_from
from factory.data.formats.shapes import write_source_row
from factory.data.record import Candidate, Media, Message, Record, ToolCall

ROWS = Path(__file__).parent / "shapes"


def one(row: dict[str, Any], shape: str | None = None) -> Record:
    (record,) = records_from([row], shape=shape)
    assert isinstance(record, Record), record
    return record


def record(name: str, number: int) -> Record:
    lines = (ROWS / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()
    return one(json.loads(lines[number - 1]))


def chat(*turns: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": "Hi"}, *turns], **more}


def test_parallel_calls_keep_their_ids_and_the_bytes_of_their_arguments() -> None:
    first = record("openai_tools", 1)
    assert first.messages[2] == Message(
        "assistant",
        "",
        calls=(
            ToolCall("tide_at", '{"harbour": "Northpier", "hour": 9}', "call_a1"),
            ToolCall("tide_at", '{"harbour":"Southpier","hour":9}', "call_a2"),
        ),
    )
    assert [(turn.role, turn.call_id, turn.content) for turn in first.messages[3:5]] == [
        ("tool", "call_a2", "1.4"),
        ("tool", "call_a1", "2.1"),
    ]
    assert [tool["function"]["name"] for tool in first.tools] == ["tide_at"]
    assert first.meta == {"parallel_tool_calls": True}


def test_a_conversation_may_end_with_a_call() -> None:
    second = record("openai_tools", 2)
    assert second.answered
    assert second.messages[-1].calls[0].id == "call_b2"


def test_openai_weights_names_refusals_and_old_calls_have_their_fields() -> None:
    weighed = record("openai_tools", 3)
    assert [turn.weight for turn in weighed.messages] == [None, None, 0.0, None, 1.0]
    assert [turn.role for turn in weighed.messages] == ["system", "user", "assistant", "user", "assistant"]
    assert [turn.name for turn in weighed.messages] == ["", "guest_1", "", "guest_2", ""]
    assert record("openai_tools", 4).messages[1].content.startswith("I can't write a letter")
    old = record("openai_tools", 5)
    assert old.messages[2].calls == (ToolCall("bake_time", '{"grams": 700, "oven": {"celsius": 220}}'),)
    assert (old.messages[3].role, old.messages[3].name) == ("tool", "bake_time")
    assert old.tools[0]["name"] == "bake_time"


def test_arguments_that_are_an_object_become_compact_text() -> None:
    trl = record("trl_tools", 1)
    assert trl.messages[1].calls == (ToolCall("set_lamp", '{"lamp":"desk","on":true,"level":0.5}'),)
    assert dict(record("trl_tools", 2).template_arguments) == {"enable_thinking": False}
    assert record("trl_tools_text", 1).tools == record("trl_preference_turns", 3).tools


def test_sharegpt_turns_of_calls_and_observations_are_calls_and_answers() -> None:
    first, second = record("llamafactory_sharegpt", 1), record("llamafactory_sharegpt", 2)
    assert [turn.role for turn in first.messages] == ["system", "user", "assistant", "tool", "assistant"]
    assert first.messages[2].calls == (ToolCall("tide_at", '{"harbour": "Northpier"}'),)
    assert [call.arguments for call in second.messages[1].calls] == [
        '{"stop": "东门站"}',
        '{"stop": "西门站"}',
    ]
    assert first.system == "You know the harbours."
    assert first.tools[0]["name"] == "tide_at"
    text_in_text = record("sharegpt_tools", 4)
    call = next(turn.calls[0] for turn in text_in_text.messages if turn.calls)
    assert isinstance(json.loads(call.arguments), dict)


def test_a_thought_in_the_text_or_in_a_key_is_reasoning() -> None:
    smol = record("smoltalk2", 1)
    assert smol.messages[-1].reasoning == "5 + 1 is 6, so 3 divides it: 3 times 17."
    assert smol.output == "No: 51 is 3 times 17."
    assert smol.template_arguments["enable_thinking"] is True
    assert record("smoltalk2", 5).messages[-1] == Message("assistant", "Hello!")
    for number, thought in ((1, "9.90 is larger than 9.11."), (2, "想了一下,没有别的。"), (4, "Greet.")):
        assert record("messages_reasoning", number).messages[1].reasoning == thought
    assert record("llamafactory_alpaca", 4).messages[-1] == Message("assistant", "25", "5 times 5")


def test_training_flags_are_weights() -> None:
    assert [turn.weight for turn in record("axolotl_training_flags", 1).messages] == [0, 0, 1, 0, 0]
    assert [turn.weight for turn in record("ms_swift", 2).messages] == [None, 0, None, 1]
    assert [turn.weight for turn in record("llamafactory_v1", 2).messages] == [0, 0, 1, 0, 0.5]


def test_pictures_stand_where_their_marks_or_parts_stood() -> None:
    marked = record("llamafactory_images", 1)
    assert marked.messages[0].content == "What is this?"
    assert [(m.kind, m.uri, m.at) for m in marked.messages[0].media] == [
        ("image", "pictures/lighthouse.jpg", 0)
    ]
    assert [(m.uri, m.at) for m in marked.messages[2].media] == [("pictures/buoy.jpg", len("And this?"))]
    parts = record("trl_vision", 2)
    assert parts.messages[0].content == "和有什么不同?"
    assert [(m.uri, m.at) for m in parts.messages[0].media] == [
        ("pictures/left.png", 0),
        ("pictures/right.png", 1),
    ]
    assert record("trl_vision", 3).messages[0].media[0].uri == "pictures/sign.png"
    assert record("llava", 1).messages[0].media[0].uri == "pictures/pier.jpg"
    address = record("multimodal_parts", 1).messages[0].media
    assert [(m.kind, m.uri, m.at) for m in address] == [
        ("image", "https://example.com/pier.jpg", len("What is in this picture?"))
    ]
    sound = record("multimodal_parts", 3).messages[0].media[0]
    assert (sound.kind, sound.uri[:22]) == ("audio", "data:audio/wav;base64,")


@pytest.mark.parametrize(
    ("name", "number", "prompt", "chosen", "rejected"),
    [
        ("trl_preference", 1, "The sky at noon is", " blue.", " plaid."),
        ("trl_preference_turns", 1, "Give me a two-word greeting.", "Good morning.", "Hi."),
        ("trl_preference_implicit", 1, "Name a prime.", "7", "9"),
        ("llamafactory_preference", 1, "Give me a synonym of big.", "Large.", "Small."),
        ("llamafactory_alpaca_preference", 3, "Add.\n\n1 and 2", "3", "12"),
        ("llamafactory_v1_preference", 1, "Name a river.", "The Danube.", "Mont Blanc."),
        ("axolotl_dpo_chat", 3, "Say hi.", "Hi.", "No."),
        ("openai_preference", 2, "推荐一种茶。", "试试龙井,清香不涩。", "茶。"),
        (
            "ultrafeedback_binarized",
            1,
            "Name three metals.",
            "Iron, copper and tin.",
            "Iron, wood and glass.",
        ),
    ],
)
def test_a_preference_has_two_answers_and_ends_with_the_chosen_one(
    name: str, number: int, prompt: str, chosen: str, rejected: str
) -> None:
    read = record(name, number)
    assert (read.prompt, read.output) == (prompt, chosen)
    assert [answer.text for answer in read.answers] == [chosen, rejected]
    assert read.chosen == 0
    assert not {"chosen", "rejected"} & set(read.meta)


def test_the_scores_of_a_preference_belong_to_its_answers() -> None:
    read = record("ultrafeedback_binarized", 1)
    assert [answer.scores for answer in read.answers] == [{"score": 8.5}, {"score": 4.0}]
    assert set(read.meta) == {"prompt_id"}


def test_a_chosen_answer_may_call_tools_on_the_way() -> None:
    read = record("trl_preference_turns", 3)
    assert [turn.role for turn in read.answers[0].turns] == ["assistant", "tool", "assistant"]
    assert read.answers[1].turns == (Message("assistant", "I guess 3 m."),)


@pytest.mark.parametrize(
    "name", ["kto", "kto_turns", "llamafactory_kto", "llamafactory_kto_messages", "ms_swift_kto"]
)
def test_an_answer_labelled_false_does_not_end_its_conversation(name: str) -> None:
    good, bad = record(name, 1), record(name, 2)
    assert (good.chosen, good.answered) == (0, True)
    assert good.answers == (Candidate(good.messages[-1:], verdicts={"label": "true"}),)
    assert (bad.chosen, bad.messages[-1].role) == (-1, "user")
    assert bad.answers[0].verdicts == {"label": "false"}


@pytest.mark.parametrize("label", [0, 1, "true", None, 0.5])
def test_a_label_that_is_neither_true_nor_false_is_a_column_of_the_users(label: object) -> None:
    read = one({"prompt": "Hi", "completion": "Hello", "label": label})
    assert (read.answers, read.meta) == ((), {"label": label})


def test_prompts_and_completions_of_turns_are_one_conversation() -> None:
    assert [turn.role for turn in record("trl_prompt_completion_turns", 3).messages] == [
        "user",
        "assistant",
        "tool",
        "assistant",
    ]
    begun = record("trl_prompt_completion_turns", 5)
    assert [turn.content for turn in begun.messages] == ["Finish: Row, row", "Row, row", " your boat."]
    assert not record("trl_prompt_only", 1).answered
    assert record("nemotron_v1", 3).output == "Ghent."


def told(rows: list[dict[str, Any]], tmp_path: Path) -> list[str]:
    path = tmp_path / "pool.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    said: list[str] = []
    assert not [row for row in read_records(path, tell=said.append) if isinstance(row, BadRow)]
    return [sentence.removeprefix(f"{path}: ") for sentence in said]


def calls(*calls: dict[str, Any]) -> dict[str, Any]:
    return {"role": "assistant", "content": None, "tool_calls": list(calls)}


def call(arguments: str = "{}", id: str = "c1", name: str = "f") -> dict[str, Any]:
    return {"id": id, "type": "function", "function": {"name": name, "arguments": arguments}}


END = {"role": "assistant", "content": "ok"}
FOUND = {"role": "tool", "content": "x", "tool_call_id": "c1"}
LOST = {"role": "tool", "content": "x", "tool_call_id": "c9"}


@pytest.mark.parametrize(
    ("row", "words"),
    [
        (chat({"role": "user", "content": "there?"}, END), "two user turns in a row"),
        (chat(END, {"role": "assistant", "content": "more"}), "two assistant turns in a row"),
        (chat({"role": "system", "content": "late"}, END), "a system turn in the middle"),
        (chat(calls(call()), LOST, END), "an answer to a call that is not there"),
        (chat(END, LOST, END), "an answer to a call that is not there"),
        (chat(calls(call()), END), "a call that no tool answers"),
        (chat(calls(call(), call()), FOUND, END), "a call id that two calls have"),
        (chat(calls(call("{harbour: x}")), FOUND, END), "a call whose arguments are no JSON object"),
        (chat(calls(call(name="")), FOUND, END), "a call without a name"),
        (chat({**END, "weight": "yes"}), "a weight that is no number"),
        (chat({**END, "weight": 2}), "a weight that is not between 0 and 1"),
        (chat(END, tools="not json"), "tools that are no list of schemas"),
        (
            chat(END, images=["a.png", "b.png"]),
            "an address of an image that leads to nothing beside the file",
        ),
        ({"prompt": "Hi", "chosen": "a", "rejected": "a"}, "a chosen answer that equals its rejected one"),
        ({"prompt": "Hi", "chosen": "a", "rejected": ""}, "a rejected answer that is empty"),
    ],
)
def test_what_is_odd_is_kept_and_told_once_with_its_count(
    row: dict[str, Any], words: str, tmp_path: Path
) -> None:
    assert told([row], tmp_path) == [f"{words} in 1 row (kept as it is)"]
    assert told([row] * 12, tmp_path) == [f"{words} in 12 rows (kept as they are)"]
    assert write_source_row(one(row), Counter()) == row


@pytest.mark.parametrize(
    ("mark", "weight"),
    [
        ({"weight": "0"}, 0.0),
        ({"weight": " 0.5 "}, 0.5),
        ({"weight": False}, 0.0),
        ({"loss": "false"}, 0.0),
        ({"loss": 0}, 0.0),
        ({"train": "True"}, 1.0),
        ({"training": 1}, 1.0),
    ],
)
def test_a_turn_that_is_not_to_be_learnt_is_so_however_it_is_written(
    mark: dict[str, Any], weight: float, tmp_path: Path
) -> None:
    row = chat({**END, **mark})
    assert one(row).messages[-1].weight == weight
    words = "a weight that is written as text, and read as its number in 1 row (kept as it is)"
    assert (words in told([row], tmp_path)) is isinstance(next(iter(mark.values())), str)
    assert any("between 0 and 1" in sentence for sentence in told([row], tmp_path)) is (weight == 0.5)
    assert write_source_row(one(row), Counter()) == row


def test_plain_rows_are_read_without_a_word(tmp_path: Path) -> None:
    assert told([chat(END)] * 3, tmp_path) == []


def test_ten_thousand_turns_are_one_conversation() -> None:
    turns = [{"role": ("user", "assistant")[at % 2], "content": str(at)} for at in range(10_000)]
    read = one({"messages": turns})
    assert len(read.messages) == 10_000
    assert write_source_row(read, Counter()) == {"messages": turns}


def test_only_names_below_the_files_own_folder_are_looked_for(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    (folder / "pictures").mkdir(parents=True)
    (folder / "pictures" / "a.png").write_bytes(b"")
    (folder / "out").symlink_to(tmp_path)
    (folder / "broken.png").symlink_to(tmp_path / "nothing")
    for uri in (
        "pictures/a.png",
        "broken.png",
        "../nothing.png",
        "out/nothing.png",
        "/nothing.png",
        "https://example.com/nothing.png",
        "data:image/png;base64,AA==",
        "a\0b",
        "x" * 5000,
    ):
        assert told([chat(END, images=[uri])], folder) == [], uri
    (absent,) = told([chat(END, images=["pictures/b.png"])], folder)
    assert "leads to nothing" in absent


def test_media_that_do_not_match_their_marks_stay_with_the_row(tmp_path: Path) -> None:
    row = {"messages": [{"role": "user", "content": "<image><image>?"}, END], "images": ["a.png"]}
    assert told([row], tmp_path) == [
        "images that are more or fewer than their places in the turns in 1 row (kept as it is)"
    ]
    assert one(row).meta == {"images": ["a.png"]}
    assert one(row).messages[0] == Message("user", "<image><image>?")


def test_a_mark_that_is_a_word_is_no_picture() -> None:
    row = {"messages": [{"role": "user", "content": "What does <image> mean?"}, END]}
    assert one(row).messages[0] == Message("user", "What does <image> mean?")


def test_keys_of_a_turn_that_are_not_ours_are_in_its_extra() -> None:
    read = one(chat({**END, "emotion": "glad", "ids": [1, {"a": None}]}))
    assert read.messages[1].extra == {"emotion": "glad", "ids": [1, {"a": None}]}


@pytest.mark.parametrize(
    "name",
    ["id", "tags", "scores", "dropped", "meta", "events", "record", "answers", "tools", "form", "license"],
)
@pytest.mark.parametrize("value", [3, {"x": 1}, [1, [2]], None, True])
def test_a_column_named_like_a_field_of_ours_with_another_meaning_is_the_users(name: str, value: Any) -> None:
    if (name, value) == ("tools", {"x": 1}):
        pytest.skip("one schema of a tool")
    for row in (
        {"instruction": "Hi", "output": "Hello"},
        chat(END),
        {"prompt": "Hi", "chosen": "a", "rejected": "b"},
    ):
        read = one({**row, name: value})
        assert read.meta == {name: value}
        assert not read.scores
        assert read.dropped is None
        assert write_source_row(read, Counter()) == {**row, name: value}


def test_a_column_of_messages_that_are_no_turns_is_the_users() -> None:
    row = {"instruction": "Hi", "output": "Hello", "messages": "three"}
    assert one(row).meta == {"messages": "three"}


def test_an_empty_media_of_a_part_keeps_how_it_was_spelled() -> None:
    parts = [{"type": "image", "image": "a.png", "max_pixels": 9}, {"type": "text", "text": "?"}]
    read = one({"messages": [{"role": "user", "content": parts}, END]})
    assert read.messages[0].media == (
        Media("image", "a.png", 0, {"part": {"type": "image", "max_pixels": 9}, "under": ["image"]}),
    )
