"""The labels of plain templates are taken off an answer, and so are the turns that it goes on with."""

from __future__ import annotations

import pytest
from asking import chat_request
from hypothesis import given
from hypothesis import strategies as st

from factory.data.record import Message
from factory.models.base import ChatRequest, Sampling
from factory.models.reply.labels import without_labels
from factory.models.reply.read import read_again, read_reply, unusable

EN = "Tides are caused by the pull of the moon."
ASK = chat_request("Explain tides.")


@pytest.mark.parametrize(
    "head",
    [
        "Assistant: ",
        "ASSISTANT: ",
        "assistant\n\n",
        "### Response:\n",
        "### Assistant: ",
        "助手：",
        "### 回答：\n",
        "Below is an instruction that describes a task.\n\n### Instruction:\nExplain tides.\n\n### Response:\n",
    ],
)
def test_the_label_of_an_answer_is_taken_off(head: str) -> None:
    assert without_labels(head + EN, ASK) == (EN, False)


@pytest.mark.parametrize(
    "rest",
    [
        "\n\n### Instruction:\nWhat else?\n\n### Response:\nThe sun.",
        "\nUSER: What else?\nASSISTANT: The sun.",
        "\n\nHuman: What else?\n\nAssistant: The sun.",
        "\nUser: What else?\nAI: The sun.",
        "\n用户：还有吗？\n助手：太阳。",
        "\n### Human: What else?\n### Assistant: The sun.",
        "\n\nUser:",
        "\n### Instruction:\n",
    ],
)
def test_the_turns_that_an_answer_goes_on_with_are_cut(rest: str) -> None:
    assert without_labels(EN + rest, ASK) == (EN, True)
    assert read_reply(EN + rest, "length", ASK).finish_reason == "stop"
    assert read_again(read_reply(EN + rest, "stop", None), ASK).text == EN


@pytest.mark.parametrize(
    ("text", "asked"),
    [
        ("User: Hi.\nAssistant: Hello.\nUser: Bye.\nAssistant: Bye.", "Write a short dialogue."),
        ("Assistant: Hello.", "Continue:\nUser: Hi."),
        ("Assistant: a person who helps.", "Define the word assistant."),
        ("### Response:\nFour.", "Fill in this form:\n### Response:"),
        ("用户：你好。\n助手：你好。", "写一段对话。"),
        (EN + "\nUser: x\nAssistant: y", "Write a prompt with two examples."),
        (EN + "\n```\nUser: x\nAssistant: y\n```", "Explain tides."),
        ("Roles:\n- Admin\n- User: reads\n- Guest", "List the roles."),
        ("The Assistant: a film of 2019.", "Explain tides."),
        ("Human: x\nDog: y", "Explain tides."),
    ],
)
def test_what_was_asked_for_or_means_something_else_stays(text: str, asked: str) -> None:
    assert without_labels(text, chat_request(asked)) == (text, False)


def test_a_system_turn_that_speaks_of_an_assistant_asks_for_none() -> None:
    turns = (Message("system", "You are a helpful assistant."), Message("user", "Explain tides."))
    assert without_labels("Assistant: " + EN, chat_request(turns)) == (EN, False)


def test_json_is_left_as_it_is() -> None:
    asked = chat_request("Explain tides.", schema={"type": "object"})
    assert without_labels("### Response:\n{}", asked) == ("### Response:\n{}", False)


def test_a_user_turn_that_a_model_writes_keeps_its_labels() -> None:
    turn = "Continue this:\nUser: Hi.\nAssistant: Hello."
    written = ChatRequest((), Sampling(1.0, 64), opening="<|im_start|>user\n")
    assert without_labels(turn, written) == (turn, False)


@given(
    st.lists(
        st.sampled_from([EN, "\n", "User: ", "Assistant: ", "### Response:\n", "```", "助手："]), max_size=12
    )
)
def test_a_text_read_so_is_part_of_what_was_said(pieces: list[str]) -> None:
    text = "".join(pieces)
    assert without_labels(text, ASK)[0] in text


@pytest.mark.parametrize("text", ["Tides <0x0A> come.", "TidesĠcomeĠof the moon.", "Tides▁come▁of▁it."])
def test_tokens_that_were_not_turned_into_text_are_no_answer(text: str) -> None:
    reason = unusable(read_reply(text, "stop", ASK), ASK)
    assert reason is not None
    assert reason.kind == "control_marks"
    asked = chat_request("How does a tokenizer write a space?")
    assert unusable(read_reply(text, "stop", asked), asked) is None


@pytest.mark.parametrize("text", ["Ġunju is June; ĠUNJU too.", "▁▂▃▅▇", "snake▁case once", "0x0A is ten."])
def test_letters_and_bars_that_look_like_tokens_are_text(text: str) -> None:
    assert unusable(read_reply(text, "stop", ASK), ASK) is None


@pytest.mark.parametrize(
    "text", ["&lt;think&gt;Hm.&lt;/think&gt;" + EN, r"\u003cthink\u003eHm.\u003c/think\u003e" + EN]
)
def test_an_answer_that_was_escaped_with_its_thoughts_is_let_go(text: str) -> None:
    reason = unusable(read_reply(text, "stop", ASK), ASK)
    assert reason is not None
    assert reason.kind == "control_marks"
