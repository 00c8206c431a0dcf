"""Thoughts, calls and control marks are taken out of an answer where that is unambiguous, and nowhere else."""

from __future__ import annotations

from typing import Any

import pytest
from asking import chat_request
from hypothesis import given, settings
from hypothesis import strategies as st

from factory.data.record import Message
from factory.models.reply.apart import Parts, mark_left, take_apart

EN = "Tides are caused by the pull of the moon."
ZH = "潮汐是由月球引起的。"
ASK = "Explain tides."
ABOUT = "How does DeepSeek-R1 mark its thoughts with <think>, and what is <|im_end|>?"


def apart(text: str, asked: str = ASK, **options: Any) -> Parts:
    return take_apart(text, chat_request(asked, **options))


def left(text: str, asked: str = ASK, **options: Any) -> str:
    return mark_left(text, chat_request(asked, **options))[1]


@pytest.mark.parametrize(
    ("text", "reasoning"),
    [
        ("<think>\nHm.\n</think>\n\n" + EN, "Hm."),
        ("<think>\n\n</think>\n\n" + EN, ""),
        ("<Think>Hm.</Think>\n" + EN, "Hm."),
        ('<think effort="high">Hm.</think>' + EN, "Hm."),
        ("< think >Hm.</ think >" + EN, "Hm."),
        ("<thinking>Hm.</thinking>\n\n" + EN, "Hm."),
        ("<think>Hm.</thinking>" + EN, "Hm."),
        ("<thought>Hm.</thought>" + EN, "Hm."),
        ("<reasoning>Hm.</reasoning>\n" + EN, "Hm."),
        ("<seed:think>Hm.</seed:think>" + EN, "Hm."),
        ("<antThinking>Hm.</antThinking>" + EN, "Hm."),
        ("<longcat_think>Hm.</longcat_think>" + EN, "Hm."),
        ("<mm:think>Hm.</mm:think>" + EN, "Hm."),
        ("<thinking_process>Hm.</thinking_process>" + EN, "Hm."),
        ("<chain_of_thought>Hm.</chain_of_thought>" + EN, "Hm."),
        ("Thinking...\nHm.\n...done thinking.\n\n" + EN, "Hm."),
        ('<details type="reasoning" done="true"><summary>Thought</summary>\nHm.\n</details>\n' + EN, "Hm."),
        (
            "Here are my reasoning steps:\nHm.\n[BEGIN FINAL RESPONSE]\n" + EN + "\n[END FINAL RESPONSE]",
            "Hm.",
        ),
        ("Hm.\n[BEGIN FINAL RESPONSE]\n" + EN + "\n<|end|>", "Hm."),
        ("[|assistant|]<think>Hm.</think>" + EN + "[|endofturn|]", "Hm."),
        ("<think>As in\n```\n</think>\n```\nHm.</think>" + EN, "As in\n```\n</think>\n```\nHm."),
        ("[THINK]Hm.[/THINK]" + EN, "Hm."),
        ("◁think▷Hm.◁/think▷" + EN, "Hm."),
        ("<|channel>thought\nHm.\n<channel|>" + EN + "<turn|>", "Hm."),
        ("<unused94>thought\nHm.<unused95>" + EN, "Hm."),
        ("<|START_THINKING|>Hm.<|END_THINKING|><|START_RESPONSE|>" + EN + "<|END_RESPONSE|>", "Hm."),
        (
            "<|begin_of_thought|>Hm.<|end_of_thought|>\n<|begin_of_solution|>" + EN + "<|end_of_solution|>",
            "Hm.",
        ),
        ("Here is my thought process:\nHm.\n\nHere is my response:\n" + EN, "Hm."),
        (
            "<|channel|>analysis<|message|>Hm.<|end|><|start|>assistant<|channel|>final<|message|>"
            + EN
            + "<|return|>",
            "Hm.",
        ),
        ("analysisHm.assistantfinal" + EN, "Hm."),
        ("<think>Hm.</think><answer>\n" + EN + "\n</answer>", "Hm."),
        ("<think>Hm.</think><response>" + EN + "</response>", "Hm."),
        ("<think>Hm.</think><|begin_of_box|>" + EN + "<|end_of_box|>", "Hm."),
        ("<answer>" + EN + "</answer>", ""),
        ("<think>One.</think><think>Two.</think>" + EN, "One.\n\nTwo."),
        ("Hm.\n</think>\n\n" + EN, "Hm."),
        ("Hm.</think>\n\n" + EN, "Hm."),
        ("Hm.\n </think>" + EN, "Hm."),
        ("so, the moon</think>" + EN, "so, the moon"),
        ("so, the moon </think> " + EN, "so, the moon"),
        ("Hm.[/THINK]" + EN, "Hm."),
        ("Draft.\n</think>\nNo.\n</think>\n" + EN, "Draft.\n</think>\nNo."),
        ("</think>\n\n" + EN, ""),
    ],
)
def test_a_thought_is_kept_apart(text: str, reasoning: str) -> None:
    assert (apart(text).text.strip(), apart(text).reasoning) == (EN, reasoning)
    assert left(apart(text).text) == ""


@pytest.mark.parametrize(
    "text",
    [
        "<think>用户问潮汐。</think>" + ZH,
        "<思考>用户问潮汐。</思考>" + ZH,
        "【思考】用户问潮汐。【/思考】\n" + ZH,
        "用户问潮汐。</think>" + ZH,
        "用户问潮汐。\n</think>\n\n" + ZH,
        "<think>用户问潮汐。</think><回答>" + ZH + "</回答>",
    ],
)
def test_a_chinese_thought_is_kept_apart(text: str) -> None:
    assert apart(text, "解释潮汐。")[:2] == (ZH, "用户问潮汐。")


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("Sure.\n<think>Hm.</think>\n" + EN, "Sure.\n\n" + EN),
        ("Sure! <think>Hm.</think> " + EN, "Sure! " + EN),
        ("A first part.\n\n<think>Hm.</think>\n\nA second.", "A first part.\n\nA second."),
        ("A.\n<think>Hm.</think>\nB.\n<think>Ah.</think>\nC.", "A.\n\nB.\n\nC."),
    ],
)
def test_a_thought_behind_words_is_taken_out(text: str, answer: str) -> None:
    assert apart(text).text == answer
    assert apart(text).reasoning.startswith("Hm.")


@pytest.mark.parametrize("text", ["<think>Hm, so", "[THINK]Hm, so", "<|channel|>analysis<|message|>Hm, so"])
def test_a_thought_that_was_cut_is_all_reasoning(text: str) -> None:
    assert apart(text)[:2] == ("", "Hm, so")


@pytest.mark.parametrize(
    "end",
    [
        "<|im_end|>",
        "<|eot_id|>",
        "<|eom_id|>",
        "</s>",
        "<end_of_turn>",
        "<|endoftext|>",
        "<|end_of_text|>",
        "<|end|>",
        "<|return|>",
        "[/INST]",
        "<eos>",
        "<｜end▁of▁sentence｜>",
        "<|end▁of▁sentence|>",
        "<|END_OF_TURN_TOKEN|>",
        "<|eos|>",
        "[e~[",
        "<turn|>",
        "<eom>",
        "<|EOT|>",
        "[|endofturn|]",
        "<|endofresponse|>",
        "<|role_end|>",
        "<reserved_106>",
    ],
)
@pytest.mark.parametrize("before", ["", " ", "\n"])
def test_the_token_that_ends_a_turn_is_cut_off(end: str, before: str) -> None:
    assert apart(EN + before + end)[:4] == (EN, "", (), True)
    assert apart(EN + before + end + end + "\n").text == EN
    assert apart("```python\nprint(1)\n```" + end).text == "```python\nprint(1)\n```"


@pytest.mark.parametrize(
    "more",
    [
        "<|im_end|>\n<|im_start|>user\nAnd waves?<|im_end|>\n<|im_start|>assistant\nWind.",
        "<|eot_id|><|start_header_id|>user<|end_header_id|>\n\nAnd waves?",
        "<end_of_turn>\n<start_of_turn>user\nAnd waves?",
        "</s> [INST] And waves? [/INST] Wind.",
        "</s><s>[INST] And waves? [/INST] Wind.",
        "<|endoftext|>Human: And waves?",
        "<｜end▁of▁sentence｜><｜User｜>And waves?",
        "\n<|im_start|>user\nAnd waves?",
        "\n<|user|>\nAnd waves?",
    ],
)
def test_what_a_model_wrote_behind_its_turn_is_cut_off(more: str) -> None:
    assert apart(EN + more)[:4] == (EN, "", (), True)


@pytest.mark.parametrize(
    "head",
    [
        "<|im_start|>assistant\n",
        "<|start_header_id|>assistant<|end_header_id|>\n\n",
        "<bos>",
        "<s>",
        "[/INST] ",
    ],
)
def test_what_a_template_writes_before_an_answer_is_cut_off(head: str) -> None:
    assert apart(head + EN).text == EN


QUOTED = [
    "Use this:\n```python\ntext.split('</think>')[1]\n```\nand it works.",
    "Use this:\n~~~\n<think>\nhm\n</think>\nanswer<|im_end|>\n~~~\nand it works.",
    "The `</think>` tag ends it, and `<|im_end|>` the turn.",
    'The "</think>" tag ends it, and "<|im_end|>" the turn.',
    "Split at '</think>', then at '</s>'.",
    "用“</think>”结束思考，用「<|im_end|>」收尾。",
    "It costs <s>10</s> 5 dollars, not <s>20</s>",
    "f |> g <| h, and a[i] < b[j] in vector<thought>",
    "I think, and [see 1] for the reasoning.",
    "<details><summary>x</summary>y</details>",
]


@pytest.mark.parametrize("text", QUOTED)
@pytest.mark.parametrize("asked", [ASK, ABOUT])
def test_what_quotes_marks_stays(text: str, asked: str) -> None:
    assert apart(text, asked)[:4] == (text, "", (), False)
    assert left(text, asked) == ""


@pytest.mark.parametrize(
    "text",
    [
        "It closes with </think> in the text, and ends with <|im_end|>",
        "R1 writes its reasoning and ends with </think>\n\nThen the answer follows.",
        "It writes:\n<think>\nreason\n</think>\nanswer\nThat is all.",
        "Between <|im_start|> and <|im_end|> stands a turn.",
        "先写<think>，再写</think>，最后是<|im_end|>",
    ],
)
def test_an_answer_to_a_question_about_marks_may_hold_them(text: str) -> None:
    assert apart(text, ABOUT)[:4] == (text, "", (), False)
    assert left(text, ABOUT) == ""


def test_a_model_that_was_asked_about_marks_still_thinks_and_ends_its_turn() -> None:
    said = "<think>They ask about </think> tags.\n</think>\nIt uses `<think>`.<|im_end|>"
    assert apart(said, ABOUT).text == "It uses `<think>`."


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("Close it with </think> in the text.", "thought"),
        ("The moon pulls and <think> then what", "thought"),
        ("Sure.\n<think>Hm, and so on", "thought"),
        ("One <|foo_bar|> two.", "control"),
        ("It is so.</s> And more.", "control"),
        ("[TOOL_CALLS][{'name': 'a'}]", "call"),
        ('<|python_tag|>search("x")', "call"),
        ("<tool_call>\nsearch\n<arg_key>q</arg_key>\n</tool_call>", "call"),
        ("<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>function", "call"),
        ('<function=search>{"q": 1}</function>', "call"),
    ],
)
def test_a_mark_in_doubt_is_told(text: str, kind: str) -> None:
    assert apart(text).text == text
    assert left(text) == kind


def test_a_call_in_hermes_form_is_a_call() -> None:
    said = apart('Let me look.\n<tool_call>\n{"name": "search", "arguments": {"q": "tides"}}\n</tool_call>')
    assert said.text == "Let me look."
    assert [(call.name, call.arguments) for call in said.calls] == [("search", '{"q":"tides"}')]


def test_a_call_in_harmony_form_is_a_call() -> None:
    said = apart(
        "<|channel|>analysis<|message|>Hm.<|end|><|start|>assistant<|channel|>commentary to=functions.search"
        ' <|constrain|>json<|message|>{"q": 1}<|call|>'
    )
    assert (said.text, said.reasoning, said.calls[0][:2]) == ("", "Hm.", ("search", '{"q": 1}'))


@pytest.mark.parametrize(
    ("asked", "text"),
    [
        ("Put the result in <answer></answer> tags.", "<answer>4</answer>"),
        ("Give <reasoning> and then <answer>.", "<reasoning>two and two</reasoning><answer>4</answer>"),
        ("Call tools as <tool_call>{...}</tool_call>.", '<tool_call>{"name":"s","arguments":{}}</tool_call>'),
    ],
)
def test_a_form_that_was_asked_for_stays(asked: str, text: str) -> None:
    assert apart(text, asked).text == text
    assert left(text, asked) == ""


def test_what_stood_in_a_system_turn_as_the_form_of_thoughts_is_a_thought() -> None:
    turns = (
        Message("system", "Think in <think></think> first, answer in <answer></answer>."),
        Message("user", ASK),
    )
    assert take_apart("<think>Hm.</think>" + EN, chat_request(turns))[:2] == (EN, "Hm.")


@pytest.mark.parametrize(
    ("text", "json"),
    [
        (
            '<think>a {"score": 1}</think>{"reason": "uses <think> tags</think> x", "score": 4}',
            '{"reason": "uses <think> tags</think> x", "score": 4}',
        ),
        (
            'so {"score": 2} maybe </think> {"reason": "has </think> in it"}',
            '{"reason": "has </think> in it"}',
        ),
        (
            '{"reason": "<think>a</think> and <|im_end|> and </think>"}<|im_end|>',
            '{"reason": "<think>a</think> and <|im_end|> and </think>"}',
        ),
        ('Here: {"reason": "uses <think>a</think>"}', 'Here: {"reason": "uses <think>a</think>"}'),
        ('{"score": 4}<|im_end|>\n<|im_start|>user {"score": 1}', '{"score": 4}'),
    ],
)
def test_json_behind_thoughts_keeps_what_its_strings_say(text: str, json: str) -> None:
    assert apart(text, schema={"type": "object"}).text == json


PIECES = st.sampled_from(
    [
        "<think>", "</think>", "<thinking>", "</thinking>", "<reasoning>", "</reasoning>", "[THINK]", "[/THINK]",
        "◁think▷",
        "◁/think▷", "<|im_end|>", "<|im_start|>", "user\n", "assistant\n", "</s>", "<s>", "[INST]", "[/INST]",
        "<answer>",
        "</answer>", "<tool_call>", "</tool_call>", '{"name": "a", "arguments": {}}', "<|channel|>", "analysis",
        "final",
        "<|message|>", "<|end|>", "<|start|>", "`", "```\n", '"', "“", "”", "\n", "\n\n", " ", "a", "The end.",
        "潮汐。", "<|x|>",
        "Here is my thought process:", "Here is my response:", "assistantfinal", "<|begin_of_box|>", "<bos>",
    ]
)  # fmt: skip


@pytest.mark.slow
@settings(deadline=None, max_examples=400)
@given(st.lists(PIECES, max_size=14), st.sampled_from([ASK, ABOUT, "写一首诗"]))
def test_what_was_taken_apart_is_taken_apart_no_further(pieces: list[str], asked: str) -> None:
    once = apart("".join(pieces), asked)
    request = chat_request(asked)
    assert take_apart(once.text, request, thought=bool(once.reasoning)).text == once.text


@given(st.lists(PIECES, max_size=14))
def test_no_word_is_made_up_and_none_moved(pieces: list[str]) -> None:
    text = "".join(pieces)
    letters = iter(text)
    assert all(letter in letters for letter in apart(text).text if not letter.isspace())


@given(st.text(alphabet=st.characters(exclude_characters="<>[]◁▷【】|｜"), max_size=200))
def test_a_text_without_marks_is_its_own_answer(text: str) -> None:
    if not text.lstrip().startswith(("Here", "analysis")):
        assert apart(text)[:4] == (text, "", (), False)
