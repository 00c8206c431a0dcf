"""A model is offered a record's tools; its calls come back as calls, its reasoning beside its answer."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from scripted_server import Say, ScriptedServer
from step_context import process, scripted_context

from factory.data.record import Media, Message, Record, ToolCall, new_record
from factory.engine.calls.chat import JournalledChat
from factory.engine.calls.usage import Gate, ModelUsage
from factory.engine.journal.journal import Journal
from factory.errors import RecordFailed
from factory.models.base import Reply
from factory.models.openai.chat import OpenAIChat
from factory.models.options import OpenAIOptions
from factory.step import Context
from factory.steps.agents.evolve import Evolve
from factory.steps.agents.respond import Respond

ADD: dict[str, Any] = {"name": "add", "parameters": {"type": "object", "properties": {"a": {}, "b": {}}}}
CALLED = Reply("", "tool_calls", reasoning="Use the tool.", calls=(ToolCall("add", '{"a": 2}', "c1"),))


def offered(record: Record) -> Record:
    return replace(record, tools=(ADD,), template_arguments={"enable_thinking": True})


def respond(record: Record, server: ScriptedServer, journal: Path) -> Record:
    """`record` as respond answers it, of the scripted server."""

    async def answer() -> Record:
        provider = OpenAIChat(OpenAIOptions(base_url=server.base_url, model="scripted"))
        kept = Journal(journal)
        chat = JournalledChat("m", provider, kept, ModelUsage(), Gate())
        context = Context("01-respond", 0, lambda name: chat, lambda name: pytest.fail("no embedder"))
        try:
            (made,) = [made async for made in Respond(system=False).process(record, context)]
            return made
        finally:
            await provider.close()
            kept.close()

    return asyncio.run(answer())


def test_a_round_of_tools_goes_from_question_to_call_to_answer(
    server: ScriptedServer, tmp_path: Path
) -> None:
    def script(request: dict[str, Any]) -> Say:
        if request["messages"][-1]["role"] == "tool":
            return Say("The sum is 4.", reasoning="The tool says 4.")
        return Say(None, "I must add.", "tool_calls", calls=(("add", '{"a": 2, "b": 2}'),))

    server.script = script
    asked = offered(new_record("What is 2+2?"))
    called = respond(asked, server, tmp_path / "j.db")
    assert called.dropped is None
    call = ToolCall("add", '{"a": 2, "b": 2}', "made-0")
    assert called.messages[-1] == Message("assistant", "", "I must add.", (call,))
    assert server.requests[0]["tools"] == [{"type": "function", "function": ADD}]
    assert server.requests[0]["chat_template_kwargs"] == {"enable_thinking": True}

    waiting = replace(called, messages=(*called.messages, Message("tool", "4", call_id="made-0")))
    answered = respond(waiting, server, tmp_path / "j.db")
    assert answered.dropped is None
    assert answered.messages[-1] == Message("assistant", "The sum is 4.", "The tool says 4.")
    assert answered.messages[:-1] == waiting.messages
    assert server.requests[1]["messages"] == [
        {"role": "user", "content": "What is 2+2?"},
        {
            "role": "assistant",
            "content": "",
            "tool_calls": [
                {
                    "id": "made-0",
                    "type": "function",
                    "function": {"name": "add", "arguments": '{"a": 2, "b": 2}'},
                }
            ],
        },
        {"role": "tool", "content": "4", "tool_call_id": "made-0"},
    ], "what it thought before is not sent back"

    again = respond(asked, server, tmp_path / "j.db")
    assert again.messages == called.messages
    assert len(server.requests) == 2, "the calls came from the journal"


def test_a_picture_of_the_question_is_sent_with_it(server: ScriptedServer, tmp_path: Path) -> None:
    shown = (Media("image", "data:image/png;base64,AA=="),)
    record = replace(new_record("?"), messages=(Message("user", "What is this?", media=shown),))
    assert respond(record, server, tmp_path / "j.db").answered
    (said,) = server.requests[0]["messages"]
    assert [part["type"] for part in said["content"]] == ["image_url", "text"]


def test_a_picture_that_is_a_file_of_this_machine_sets_the_record_aside(
    server: ScriptedServer, tmp_path: Path
) -> None:
    shown = (Media("image", "/etc/passwd"),)
    record = replace(new_record("?"), messages=(Message("user", "What is this?", media=shown),))
    with pytest.raises(RecordFailed, match="/etc/passwd is no web address"):
        respond(record, server, tmp_path / "j.db")
    assert server.requests == []


def test_a_call_where_no_tool_was_offered_fails_its_record_by_its_own_reason() -> None:
    context, _ = scripted_context(lambda ask: CALLED)
    with pytest.raises(RecordFailed, match="'add'") as caught:
        process(Respond(), new_record("2+2?"), context)
    assert caught.value.kind == "called_a_tool"


def test_a_call_that_the_token_limit_cut_is_cut_even_where_cut_answers_are_kept() -> None:
    context, _ = scripted_context(lambda ask: replace(CALLED, finish_reason="length"))
    with pytest.raises(RecordFailed, match="while it called a tool: raise max_tokens") as caught:
        process(Respond(allow_truncated=True), offered(new_record("2+2?")), context)
    assert caught.value.kind == "truncated"


def test_an_evolved_instruction_is_answered_with_the_tools_of_its_seed() -> None:
    def script(ask: Any) -> Reply:
        return CALLED if ask.tools else Reply("Add two and three, and show each step of the sum.")

    context, chat = scripted_context(script)
    steps = Evolve(rounds=1, check_gain=False, keep_parents=False)
    (child,) = process(steps, offered(new_record("2+3?")), context)
    assert child.dropped is None
    assert child.messages[-1] == Message("assistant", "", CALLED.reasoning, CALLED.calls)
    assert [ask.tools for ask in chat.asks] == [(), (ADD,)]
    assert chat.asks[-1].template_arguments == {"enable_thinking": True}


def test_an_evolved_instruction_whose_answer_calls_a_tool_out_of_nowhere_is_let_go() -> None:
    replies = iter([Reply("Add two and three, and show each step of the sum."), CALLED])
    context, _ = scripted_context(lambda ask: next(replies))
    steps = Evolve(rounds=1, check_gain=False, keep_parents=False)
    (child,) = process(steps, new_record("2+3?"), context)
    assert child.dropped is not None
    assert child.dropped.kind == "called_a_tool"


def test_the_words_of_a_turn_are_evolved_and_its_picture_stays_with_the_child() -> None:
    shown = (Media("image", "https://example.org/a.png"),)
    seed = replace(new_record("?"), messages=(Message("user", "What is this?", media=shown),))
    evolved = "What is this, and which two parts of it are older?"
    context, chat = scripted_context(lambda ask: "The roof." if ask.text == evolved else evolved)
    (child,) = process(Evolve(rounds=1, check_gain=False, keep_parents=False), seed, context)
    assert child.dropped is None
    evolving, answering = chat.asks
    assert "example.org" not in repr(evolving.messages)
    assert answering.messages[-1] == child.messages[0]
    assert child.messages[0].media == shown
    assert child.scores["evolve.added_words"] == 8
