"""A reply that is no answer says why, by the first reason that holds; counts that cannot be are estimated."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from asking import chat_request
from hypothesis import given
from hypothesis import strategies as st

from factory.data.record import ToolCall
from factory.errors import RecordFailed
from factory.models.base import Reply, Usage
from factory.models.failures import TransientFailure
from factory.models.openai.completion import read_completion, read_usage
from factory.models.reply.read import Refused, is_mishap, read_again, read_reply, unusable
from factory.models.reply.usage import MOST_COMPLETION, believable, token_count

HALF = "The first reason is the moon, which"
CALL = ToolCall("search", "{}", "c1")
TOOL = {"name": "search", "parameters": {}}
FOUR = {"type": "text", "text": "Four."}


def why(text: str = "", end: object = "stop", *, asked: Any = None, **options: Any) -> tuple[str, str]:
    """The kind and the words with which a reply is let go; "" where it is an answer, cut or empty."""
    request = asked or chat_request("Explain tides.", max_tokens=64)
    try:
        reason = unusable(read_reply(text, end, request, **options), request)
    except Refused as refusal:
        reason = refusal
    return ("", "") if reason is None else (reason.kind, str(reason))


@pytest.mark.parametrize(
    "end", ["content_filter", "SAFETY", "sensitive", "guardrail_intervened", "RECITATION"]
)
@pytest.mark.parametrize("text", ["", HALF])
def test_what_a_filter_cut_or_withheld_is_refused(end: str, text: str) -> None:
    assert why(text, end)[0] == "refused"
    assert why(text, end, reasoning="Hm.", calls=(CALL,))[0] == "refused"


@pytest.mark.parametrize("text", ["", HALF])
def test_a_refusal_beside_the_answer_is_refused_in_its_words(text: str) -> None:
    assert why(text, "stop", refusal="I can't help.") == (
        "refused",
        "the model refused to answer: I can't help.",
    )
    assert why(text, "refusal")[0] == "refused"


@pytest.mark.parametrize("end", ["error", "abort", "network_error", "MALFORMED_FUNCTION_CALL", "OTHER"])
def test_what_broke_off_is_tried_again(end: str) -> None:
    with pytest.raises(TransientFailure, match=end):
        read_reply(HALF, end, None)
    assert is_mishap(Reply(HALF, end))


@pytest.mark.parametrize(
    ("text", "reasoning", "words"),
    [
        ("<think>Hm, so", "", "while it was still thinking"),
        ("", "Hm, so", "while it was still thinking"),
        ("\u200b\n", "Hm, so", "while it was still thinking"),
        ("Sure.\n<think>Hm, so", "", "while it was still thinking"),
        ("", "", "before its first word"),
    ],
)
def test_what_was_cut_before_its_answer_is_cut_and_says_what_to_do(
    text: str, reasoning: str, words: str
) -> None:
    kind, said = why(text, "MAX_TOKENS", reasoning=reasoning, usage=Usage(5, 1234))
    assert kind == "truncated"
    assert said.startswith("cut at 1,234 tokens")
    assert words in said
    assert said.endswith("raise max_tokens")
    assert "cut at 64 tokens" in why(text, "length", reasoning=reasoning)[1], (
        "the limit, where nothing was counted"
    )


def test_half_an_answer_is_told_as_cut_and_whole_ones_as_whole() -> None:
    request = chat_request("Explain tides.")
    assert read_reply(HALF, "MAX_TOKENS", request).finish_reason == "length"
    assert why(HALF, "max_tokens")[0] == ""  # it is each step's to say what a cut answer is to it
    for end in (None, "", "stop", "END_TURN", "eos", "COMPLETE"):
        assert read_reply(HALF, end, request).finish_reason == "stop"
        assert why(HALF, end)[0] == ""


def test_an_answer_whose_end_is_there_was_not_cut() -> None:
    said = read_reply("Four.<|im_end|>\n<|im_start|>user\nAnd five", "length", None)
    assert (said.text, said.finish_reason) == ("Four.", "stop")


def test_an_answer_in_which_the_server_saw_a_loop_is_let_go() -> None:
    assert why(HALF * 9, "repetition_truncation")[0] == "repetition"


def test_an_end_that_nobody_knows_is_named_and_never_whole() -> None:
    kind, said = why(HALF, "flux_state")
    assert kind == "unknown_end"
    assert "'flux_state'" in said


def test_calls_are_whole_where_tools_were_offered_alone() -> None:
    offered = chat_request("Explain tides.", tools=(TOOL,))
    assert why("", "tool_calls", asked=offered, calls=(CALL,))[0] == ""
    assert why("", "stop", asked=offered, calls=(CALL,))[0] == ""
    assert why("", "tool_calls", calls=(CALL,)) == (
        "called_a_tool",
        "the answer calls 'search', and no tool was offered",
    )
    assert why("Words.", "stop", calls=(CALL,))[0] == "called_a_tool"
    assert why(HALF, "tool_calls", asked=offered)[0] == "called_a_tool", "no call is in it"
    assert why("", "length", asked=offered, calls=(CALL,))[0] == "truncated"
    text = '<tool_call>{"name": "search", "arguments": {}}</tool_call>'
    assert why(text, asked=offered)[0] == ""
    assert why(text)[0] == "called_a_tool"
    assert why("[TOOL_CALLS]search", asked=offered)[0] == "called_a_tool"


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (ToolCall("serach", "{}"), "calls 'serach', which is not among the tools offered"),
        (ToolCall("search", '{"q": "ti'), "which is no JSON object"),
        (ToolCall("search", '"tides"'), "which is no JSON object"),
        (ToolCall("search", "[1]"), "which is no JSON object"),
    ],
)
def test_a_call_that_cannot_be_carried_out_is_no_answer(call: ToolCall, words: str) -> None:
    for tool in (TOOL, {"type": "function", "function": TOOL}):
        kind, said = why("", "tool_calls", asked=chat_request("Tides?", tools=(tool,)), calls=(CALL, call))
        assert kind == "broken_call"
        assert words in said


def test_a_call_without_arguments_is_one_and_so_is_that_of_a_tool_which_has_no_name() -> None:
    assert why(
        "", "tool_calls", asked=chat_request("Tides?", tools=(TOOL,)), calls=(ToolCall("search", ""),)
    ) == ("", "")
    asked = chat_request("Tides?", tools=({"type": "web_search"},))
    assert why("", "tool_calls", asked=asked, calls=(ToolCall("web_search", "{}"),)) == ("", "")


def test_thoughts_alone_are_no_answer_and_nothing_at_all_is_an_empty_one() -> None:
    assert why("<think>Hm.</think>")[0] == "only_reasoning"
    assert why("", reasoning="Hm.")[0] == "only_reasoning"
    assert why("")[0] == ""


def test_marks_that_cannot_be_taken_out_let_an_answer_go() -> None:
    assert why("Close it with </think> in the text.")[0] == "control_marks"
    assert why("One <|foo_bar|> two.")[0] == "control_marks"


@pytest.mark.parametrize(
    "message",
    [
        {"content": [{"type": "thinking", "thinking": [{"type": "text", "text": "Hm."}]}, FOUR]},
        {"content": [{"type": "reasoning", "text": "Hm."}, {"type": "output_text", "text": "Four."}]},
        {"content": ["Fo", {"type": "text", "text": "ur."}], "reasoning": "Hm."},
        {"content": {"type": "text", "text": {"value": "Four."}}, "reasoning": "Hm."},
        {"content": [FOUR, {"type": "reference", "reference_ids": [1]}], "reasoning": "Hm."},
        {"content": "Four.", "reasoning": "Hm."},
        {"content": "Four.", "reasoning_details": [{"type": "reasoning.text", "text": "Hm."}]},
        {"content": "Four.", "reasoning_content": "Hm.", "reasoning": "Hm."},
        {"content": "<think>Hm.</think>Four.", "reasoning_content": None},
    ],
)  # fmt: skip
def test_reasoning_is_read_wherever_a_server_puts_it(message: dict[str, Any]) -> None:
    reply = read_completion({"choices": [{"message": message, "finish_reason": "stop"}]})
    assert (reply.text, reply.reasoning) == ("Four.", "Hm.")


@pytest.mark.parametrize(
    ("message", "kind"),
    [
        ({"content": [FOUR, {"type": "image_url", "image_url": {"url": "data:x"}}]}, "image_url"),
        ({"content": [FOUR, {"type": "tool_use", "name": "f", "input": {}}]}, "tool_use"),
        ({"content": [FOUR, 5]}, "int"),
        ({"content": 5}, "int"),
        ({"content": "Four.", "images": [{"image_url": {"url": "data:x"}}]}, "images"),
        ({"content": None, "audio": {"transcript": "Four."}}, "audio"),
    ],
)
def test_an_answer_that_is_not_text_alone_is_let_go_and_not_halved(
    message: dict[str, Any], kind: str
) -> None:
    with pytest.raises(RecordFailed, match=kind) as caught:
        read_completion({"choices": [{"message": message, "finish_reason": "stop"}]})
    assert caught.value.kind == "bad_reply"


@pytest.mark.parametrize("end", [None, "stop"])
def test_a_choice_that_holds_an_error_is_half_an_answer(end: str | None) -> None:
    choice = {"message": {"content": "Fo"}, "finish_reason": end, "error": {"code": 502, "message": "gone"}}
    with pytest.raises(TransientFailure, match="gone"):
        read_completion({"choices": [choice]})


def test_a_choice_that_a_filter_cut_is_refused_whatever_end_it_names() -> None:
    choice: dict[str, Any] = {"message": {"content": "Fo"}, "finish_reason": "stop"}
    choice["content_filter_results"] = {"hate": {"filtered": False}, "violence": {"filtered": False}}
    assert read_completion({"choices": [choice]}).text == "Fo"
    choice["content_filter_results"]["hate"]["filtered"] = True
    with pytest.raises(RecordFailed, match="content filter"):
        read_completion({"choices": [choice]})


def test_a_completion_without_text_is_a_mishap_where_nothing_was_generated_alone() -> None:
    data: dict[str, Any] = {"choices": [{"message": {"content": None}, "finish_reason": "stop"}]}
    with pytest.raises(TransientFailure, match="without text"):
        read_completion(data)
    assert read_completion({**data, "usage": {"completion_tokens": 1}}).text == ""
    data["choices"][0]["finish_reason"] = "length"
    assert read_completion(data).finish_reason == "length"


@given(
    st.sampled_from(["<think>a</think>b", "b<|im_end|>", "<think>a", "b", "", "<answer>b</answer>"]),
    st.sampled_from(["stop", "STOP", "length", "MAX_TOKENS", "SAFETY", "flux", "tool_calls", "repetition"]),
    st.sampled_from(["", "Hm."]),
)
def test_a_stored_reply_is_read_as_a_new_one_and_then_stays(text: str, end: str, reasoning: str) -> None:
    request = chat_request("Explain tides.")
    old = read_again(Reply(text, end, reasoning=reasoning), request)
    if end == "SAFETY":
        reason = unusable(old, request)
        assert reason is not None
        assert reason.kind == why(text, end)[0] == "refused"
        return
    new = read_reply(text, end, request, reasoning=reasoning)
    assert old == new
    assert read_again(new, request) is new


@pytest.mark.parametrize(
    ("told", "count"),
    [
        (10, 10), (7.0, 7), ("10", 10), ("7.0", 7), (None, 0), ("many", 0), (True, 0), ([3], 0), (float("nan"), 0),
        (float("inf"), 0), (-5, -5), ("-5", -5), ("1e3", 1000),
    ],
)  # fmt: skip
def test_a_count_is_a_number_however_it_is_told(told: object, count: int) -> None:
    assert token_count(told) == count
    assert read_usage({"usage": {"prompt_tokens": told}}) == Usage(count, 0)


@pytest.mark.parametrize("usage", [None, [], "10", {}, {"prompt_tokens": None}])
def test_usage_that_is_not_there_counts_nothing(usage: object) -> None:
    assert read_usage({"usage": usage}) == Usage()


@given(st.integers(-(10**30), 10**30) | st.floats(), st.integers(-(10**30), 10**30) | st.floats())
def test_no_count_makes_a_budget_shrink_or_explode(prompt: float, completion: float) -> None:
    told = Usage(token_count(prompt), token_count(completion))
    (reply,), problem = believable([Reply("潮汐" * 10, usage=told)], chat_request("Explain tides."))
    assert 0 <= reply.usage.completion_tokens <= MOST_COMPLETION + 1000
    assert 0 <= reply.usage.prompt_tokens <= MOST_COMPLETION
    assert (problem == "") == (reply.usage == told)


def test_a_count_that_can_be_is_left_alone() -> None:
    reply = Reply("Four.", usage=Usage(90_000, 60_000), reasoning="")
    assert believable([reply], chat_request("?")) == ([reply], "")
    long = replace(reply, usage=Usage(900_000, 10))
    assert believable([long], chat_request("word " * 1_000_000)) == ([long], "")
