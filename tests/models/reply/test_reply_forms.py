"""What surrounds an answer without a mark is taken off, and what makes an answer none is told."""

from __future__ import annotations

import pytest
from asking import chat_request

from factory.data.prompt import load_prompt
from factory.data.record import Message
from factory.models.base import Usage
from factory.models.reply.gate import may_hold_any
from factory.models.reply.noted import KINDS, told
from factory.models.reply.read import read_again, read_reply, unusable

EN = "Tides are caused by the pull of the moon."
ZH = "潮汐是由月球引起的。"
ASK = chat_request("Explain tides.")
SHIPPED = [load_prompt("respond/answer", language).render() for language in ("en", "zh")]
"""The turns that `respond` puts before a conversation."""


@pytest.mark.parametrize(
    ("text", "answer", "reasoning", "noted"),
    [
        (EN + " /no_think", EN, "", "switch"),
        (EN + "\n/think\n", EN, "", "switch"),
        ("【思考过程】\n用户问潮汐。\n【回答】\n" + ZH, ZH, "用户问潮汐。", "heading"),
        ("【思考】用户问潮汐。【答案】：" + ZH, ZH, "用户问潮汐。", "heading"),
        ("思考：用户问潮汐。\n\n回答：" + ZH, ZH, "用户问潮汐。", "heading"),
        ("**Thinking:** Hm.\n\n**Answer:** " + EN, EN, "Hm.", "heading"),
        ("Thought: Hm.\nFinal Answer: " + EN, EN, "Hm.", "heading"),
        ("<analysis>Hm.</analysis>\n" + EN, EN, "Hm.", ""),
        ("AI: " + EN, EN, "", "label"),
        ("Bot：" + EN, EN, "", "label"),
        (EN + "\nUser", EN, "", "next_turn"),
        (EN + "\n\nHuman\n", EN, "", "next_turn"),
        (ZH + "\n用户", ZH, "", "next_turn"),
        (EN + "\nuser\nWhat else?\nassistant\nThe sun.", EN, "", "next_turn"),
        (f'{{"answer": "{EN}"}}', EN, "", "wrapper"),
        (f'```json\n{{"response": "{EN}"}}\n```', EN, "", "wrapper"),
        (f'{{"回答": "{ZH}"}}', ZH, "", "wrapper"),
        ("Assistant: " + EN, EN, "", "label"),
        (EN + "\nUser: What else?\nAssistant: The sun.", EN, "", "next_turn"),
        ("<|im_start|>assistant\n" + EN + "<|im_end|>", EN, "", "end_mark template"),
        (EN + "<|im_end|>\n<|im_start|>user\nMore?", EN, "", "behind_end"),
        ("<answer>" + EN + "</answer>", EN, "", "wrapper"),
    ],
)
def test_what_surrounds_an_answer_is_taken_off_and_noted(
    text: str, answer: str, reasoning: str, noted: str
) -> None:
    reply = read_reply(text, "stop", ASK)
    assert (reply.text.strip(), reply.reasoning, sorted(reply.noted)) == (answer, reasoning, noted.split())
    assert set(reply.noted) <= set(KINDS)
    assert unusable(reply, ASK) is None
    assert read_again(reply, ASK) is reply
    for before in SHIPPED:
        request = chat_request((*before, *ASK.messages))
        assert read_reply(text, "stop", request) == reply


@pytest.mark.parametrize(
    ("text", "asked"),
    [
        ("Turn it off with /no_think", "How do I make Qwen3 not think?"),
        ("思考：三加四。\n回答：七。", "请先写思考，再写回答。"),
        ("Thought: a noun.\nAnswer: yes.", "Is 'thought' a noun? Use the format Thought, Answer."),
        ("AI: the study of machines that learn.", "What is AI?"),
        ("The roles are:\n\nAdmin.\nUser", "Which roles are there for users?"),
        ("Roles:\nAdmin\nUser", "What can one be here?"),
        ("Roles:\n\nAdmin\n\nUser", "What can one be here?"),
        ('{"answer": "Four."}', "Give JSON with the answer."),
        ('{"answer": "Four.", "why": "2 + 2"}', "Add 2 and 2."),
        ('{"city": "Berlin"}', "Which city?"),
        ('{"answer": 4}', "Add 2 and 2."),
        ('{"answer": "Four."}', 'Add 2 and 2. Write {"answer": ...}.'),
        ("[draw(x=1)]", "Write a Python list with one call of draw."),
        ("Dear [Your Name],\nthank you.", "Write a letter."),
        ("Thought: x\nAction: look", "Write a ReAct trace."),
        ("The sign is \ufffd.", "What is U+FFFD in Unicode?"),
        ("It stands as `<unk>` there.", "What stands there?"),
        ("A [link](x) and a list: [a, b]", "Explain tides."),
        ("Action: the film begins with a chase.", "Explain tides."),
    ],
)
def test_what_was_asked_for_or_means_something_else_stays(text: str, asked: str) -> None:
    request = chat_request(asked)
    reply = read_reply(text, "stop", request)
    assert (reply.text, reply.reasoning, reply.noted) == (text, "", ())
    assert unusable(reply, request) is None


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ('[search(q="tides")]', "called_a_tool"),
        ("[search(q=…)]", "called_a_tool"),
        ("[get(a=1, b='x'), put(c=2)]", "called_a_tool"),
        ("Thought: I need to look.\nAction: search\nAction Input: tides", "called_a_tool"),
        ("Question: x\nThought: Hm.\nAction: search[tides]\nObservation: none", "called_a_tool"),
        ("Tides <unk> the moon.", "control_marks"),
        ("潮汐是由月\ufffd引起的。", "control_marks"),
    ],
)
def test_what_is_no_answer_though_no_mark_says_so_is_let_go(text: str, kind: str) -> None:
    failure = unusable(read_reply(text, "stop", ASK), ASK)
    assert failure is not None
    assert failure.kind == kind
    for before in SHIPPED:
        request = chat_request((*before, *ASK.messages))
        assert unusable(read_reply(text, "stop", request), request) is not None


def test_what_a_system_turn_asks_for_in_json_stays_json() -> None:
    turns = (Message("system", "Always reply in JSON."), Message("user", "Explain tides."))
    assert read_reply(f'{{"answer": "{EN}"}}', "stop", chat_request(turns)).noted == ()


def test_json_that_a_schema_asks_for_is_left_as_it_is() -> None:
    asked = chat_request("Explain tides.", schema={"type": "object"})
    assert read_reply('{"answer": "x"}', "stop", asked).text == '{"answer": "x"}'


def test_half_a_character_at_the_limit_is_taken_off_a_reply_that_was_cut() -> None:
    reply = read_reply("潮汐\ufffd", "length", ASK)
    assert (reply.text, reply.finish_reason, reply.noted) == ("潮汐", "length", ("half_character",))


def test_a_reply_whose_end_nobody_told_is_whole_unless_it_has_all_its_tokens() -> None:
    request = chat_request("Explain tides.", max_tokens=10)
    whole = read_reply(EN, None, request, usage=Usage(5, 9))
    cut = read_reply(EN, None, request, usage=Usage(5, 10))
    assert [(reply.finish_reason, reply.noted) for reply in (whole, cut)] == [
        ("stop", ("end_not_told",)),
        ("length", ("end_not_told",)),
    ]


@pytest.mark.parametrize(
    "text", [EN * 20, ZH * 50, "The tides:\n- one\n- two", "That is why.\n\n```python\nx = 1\n```"]
)
def test_a_plain_answer_is_not_looked_at_any_closer(text: str) -> None:
    assert not may_hold_any(text)


def test_what_was_noted_is_told_with_its_numbers() -> None:
    assert told({"next_turn": 2, "label": 1200}) == (
        "1,200 x a label before the answer; 2 x turns that the model wrote for the user"
    )
