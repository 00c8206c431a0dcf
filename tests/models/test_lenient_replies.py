"""Replies that are nearly what was asked for: read where that needs no guess, else told in one sentence."""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Callable
from contextlib import suppress
from itertools import pairwise
from typing import Any

import orjson
import pytest
from asking import chat_request
from hypothesis import assume, given
from hypothesis import strategies as st
from scripted_server import HTML, Say, ScriptedServer

from factory.data.record import ToolCall
from factory.errors import RecordFailed, RunStopped
from factory.models.base import Reply
from factory.models.failures import TransientFailure
from factory.models.openai import endpoint
from factory.models.openai.body import Unreadable, read_json, unpacked
from factory.models.openai.chat import OpenAIChat
from factory.models.openai.connection import TooLong
from factory.models.options import OpenAIOptions

pytestmark = pytest.mark.anyio

TEXT = "Tides come of the moon 🌙 and the sun."


@pytest.fixture(autouse=True)
def no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(endpoint, "PAGE_SECONDS", 0.0)


def completion(text: str = TEXT, **beside: Any) -> dict[str, Any]:
    choice = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
    return {"choices": [choice], "usage": {"prompt_tokens": 3, "completion_tokens": 5}, **beside}


PLAIN = orjson.dumps(completion())


def chunk(finish: str | None = None, **delta: Any) -> str:
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    return f"data: {json.dumps({'object': 'chat.completion.chunk', 'choices': [choice]})}\n\n"


USAGE = 'data: {"choices": [], "usage": {"prompt_tokens": 3, "completion_tokens": 5}}\n\n'
STREAM = (
    chunk(role="assistant", content="")
    + chunk(content="Tides come of ")
    + ": keep-alive\n\n"
    + chunk(content="the moon 🌙 and the sun.")
    + chunk("stop")
    + USAGE
    + "data: [DONE]\n\n"
)


async def send(server: ScriptedServer, *bodies: bytes | str | Say, times: int = 1) -> Reply:
    """The last of some calls of one provider; the server gives these bodies, the last of them again and again."""
    left = [body if isinstance(body, Say) else Say(body=body) for body in bodies]
    server.script = lambda _: left.pop(0) if len(left) > 1 else left[0]
    provider = OpenAIChat(OpenAIOptions(base_url=server.base_url, model="scripted"))
    try:
        for _ in range(times):
            reply = await provider.send(chat_request("Why are there tides?", temperature=0.0, max_tokens=50))
        return reply
    finally:
        await provider.close()


def packed(body: bytes, coding: str, pack: Callable[[bytes], bytes]) -> Say:
    return Say(body=pack(body), headers={"Content-Encoding": coding})


@pytest.mark.parametrize(
    "said",
    [
        PLAIN,
        b" \n\r\n  \n" + PLAIN,
        b"\xef\xbb\xbf" + PLAIN,
        b"\xef\xbb\xbf\r\n" + PLAIN,
        b"\xff\xfe" + PLAIN.decode().encode("utf-16-le"),
        orjson.dumps(completion(score=0)).replace(b'"score":0', b'"score":NaN'),
        orjson.dumps(completion(score=0)).replace(b'"score":0', b'"score":[-Infinity,Infinity]'),
        orjson.dumps(completion(note="x")).replace(b'"note":"x"', b'"note":"\\ud83d"'),
        packed(PLAIN, "gzip", gzip.compress),
        packed(PLAIN, "deflate", zlib.compress),
        gzip.compress(b"\xef\xbb\xbf" + PLAIN),
        STREAM,
        "\n" + STREAM.replace("\n", "\r\n"),
        "\ufeff" + STREAM,
        ": comment\n\nevent: message\n" + STREAM,
        b": WORKING\n\n: WORKING\r\n\r\n" + PLAIN,
        "data:" + PLAIN.decode() + "\n\ndata: [DONE]\n\n",
        STREAM.removesuffix("data: [DONE]\n\n"),
        STREAM.replace('"finish_reason": "stop"', '"finish_reason": null'),
        packed(STREAM.encode(), "gzip", gzip.compress),
    ],
    ids=[
        "plain", "white space", "a mark", "a mark and a line", "UTF-16", "NaN", "infinities", "half a character",
        "gzip", "deflate", "gzip unnamed", "events", "events of CRLF", "events behind a mark", "comments first",
        "comments before JSON",
        "one event", "events without DONE", "events without a finish", "packed events",
    ],
)  # fmt: skip
async def test_a_reply_that_is_nearly_json_is_read(server: ScriptedServer, said: bytes | str | Say) -> None:
    reply = await send(server, said)
    assert reply.text == TEXT
    assert (reply.usage.prompt_tokens, reply.usage.completion_tokens) == (3, 5)
    assert len(server.requests) == 1
    assert server.headers[0]["Accept-Encoding"] == "identity"


async def test_half_a_character_in_the_answer_is_mended_and_told(
    server: ScriptedServer, caplog: pytest.LogCaptureFixture
) -> None:
    reply = await send(server, orjson.dumps(completion("x")).replace(b'"x"', b'"moon \\ud83d"'), times=2)
    assert reply.text == "moon \ufffd"
    assert len([record for record in caplog.records if "half a character" in record.getMessage()]) == 1


@pytest.mark.parametrize(
    ("pieces", "text"),
    [
        (["Tides", "Tides come", "Tides come of the moon."], "Tides come of the moon."),
        (["", "T", "Ti", "Tides", "Tides", "Tides"], "Tides"),
        ([TEXT + " So it is.", TEXT + " So it is. And that is all."], TEXT + " So it is. And that is all."),
        (["Ha", "Haha"], "HaHaha"),
        (["ha", "ha", "ha"], "hahaha"),
        (["-", "--", "-", "---"], "-------"),
    ],
)
async def test_events_that_hold_all_that_was_said_so_far_are_not_joined(
    server: ScriptedServer, pieces: list[str], text: str
) -> None:
    stream = "".join(chunk(content=piece, reasoning_content=piece) for piece in pieces) + chunk("stop")
    reply = await send(server, stream)
    assert (reply.text, reply.reasoning) == (text, text)


async def test_a_stream_that_never_says_how_it_ended_is_noted_and_cut_where_it_has_all_its_tokens(
    server: ScriptedServer,
) -> None:
    def usage(tokens: int) -> str:
        return USAGE.replace("5", str(tokens))

    for tokens, end in ((5, "stop"), (50, "length")):
        reply = await send(server, chunk(content=TEXT) + usage(tokens) + "data: [DONE]\n\n")
        assert (reply.text, reply.finish_reason, reply.noted) == (TEXT, end, ("end_not_told",))


async def test_pieces_of_calls_and_thoughts_are_joined(server: ScriptedServer) -> None:
    function = {"name": "search", "arguments": '{"q": '}
    stream = (
        chunk(reasoning_content="First, ")
        + chunk(reasoning_content="look.")
        + chunk(tool_calls=[{"index": 0, "id": "a", "function": function}])
        + chunk(tool_calls=[{"index": 0, "function": {"arguments": '"tides"}'}}])
        + chunk(tool_calls=[{"index": 1, "id": "b", "function": {"name": "stop", "arguments": "{}"}}])
        + chunk("tool_calls")
        + "data: [DONE]\n\n"
    )
    reply = await send(server, stream)
    assert reply.reasoning == "First, look."
    assert reply.calls == (ToolCall("search", '{"q": "tides"}', "a"), ToolCall("stop", "{}", "b"))


@pytest.mark.parametrize(
    "said",
    [
        STREAM[: STREAM.index(chunk("stop"))],
        STREAM[: STREAM.index("the moon")],
        "data: [DONE]\n\n",
        ": nothing\n\n",
        "data: 5\n\n",
        PLAIN[:-20],
        "[1]",
        b'{"choices": "\xff\xff"}',
        b"\x1f\x8b\x08broken",
        gzip.compress(PLAIN)[:50],
        packed(PLAIN, "br", lambda body: b"\x0b\x02\x80{}\x03"),
    ],
)
async def test_a_reply_that_is_not_whole_is_a_mishap(server: ScriptedServer, said: bytes | str | Say) -> None:
    with pytest.raises(TransientFailure):
        await send(server, said)
    assert len(server.requests) == 1


async def test_an_error_in_a_stream_is_that_error(server: ScriptedServer) -> None:
    with pytest.raises(TransientFailure, match="upstream broke"):
        await send(server, 'data: {"error": {"message": "upstream broke", "code": 502}}\n\n')


@pytest.mark.parametrize(
    "told", ['{"message": "upstream broke"}', '{"error": {"message": "upstream broke"}}']
)
async def test_an_error_event_ends_a_stream_whatever_came_before_it(
    server: ScriptedServer, told: str
) -> None:
    half = STREAM[: STREAM.index(chunk("stop"))]
    with pytest.raises(TransientFailure, match="upstream broke"):
        await send(server, f"{half}event: error\ndata: {told}\n\ndata: [DONE]\n\n")


async def test_an_event_of_another_name_is_data_like_any(server: ScriptedServer) -> None:
    assert (await send(server, f"event: ping\ndata: {{}}\n\nevent: message\n{STREAM}")).text == TEXT


@pytest.mark.parametrize("first", [HTML, Say(body=b""), Say(body=b" \n"), Say(body="starting up ...")])
async def test_a_first_reply_that_is_a_page_or_empty_is_asked_for_once_more(
    server: ScriptedServer, first: Say
) -> None:
    assert (await send(server, first, PLAIN)).text == TEXT
    assert len(server.requests) == 2
    server.requests.clear()
    with pytest.raises(RunStopped, match=r"right base_url, and is /v1 missing"):
        await send(server, first)
    assert len(server.requests) == 2


async def test_a_refusal_is_read_leniently_too(server: ScriptedServer) -> None:
    words = {"error": {"message": "the words are these"}}
    for body in (b"\xef\xbb\xbf" + orjson.dumps(words), gzip.compress(orjson.dumps(words))):
        with pytest.raises(RecordFailed, match=r"refused the request: the words are these$"):
            await send(server, Say(status=400, body=body))


@pytest.mark.slow
async def test_a_reply_beyond_any_length_fails_its_record(server: ScriptedServer) -> None:
    bomb = gzip.compress(bytes(65 << 20), 1)
    with pytest.raises(RecordFailed, match="more than 64 MiB") as caught:
        await send(server, bomb)
    assert caught.value.kind == "bad_reply"


@given(st.binary(), st.sampled_from(["", "gzip", "deflate", "br", "gzip, deflate", "identity"]))
def test_any_bytes_are_read_or_refused_in_a_sentence(body: bytes, coding: str) -> None:
    with suppress(Unreadable, TooLong):
        value, _ = read_json(unpacked({"content-encoding": coding}, body, 1 << 20))
        assert orjson.loads(orjson.dumps(value)) == value


@given(st.binary(max_size=5000), st.integers(0, 5000))
def test_what_is_packed_unpacks_to_itself_or_is_too_long(body: bytes, most: int) -> None:
    for coding, pack in (("gzip", gzip.compress), ("deflate", zlib.compress)):
        if len(body) <= most:
            assert unpacked({"content-encoding": coding}, pack(body), most) == body
        elif not pack(body).lstrip().startswith((b"{", b"[")):
            with pytest.raises(TooLong):
                unpacked({"content-encoding": coding}, pack(body), most)


@given(st.lists(st.text(min_size=1), min_size=1), st.booleans())
def test_any_text_cut_into_any_pieces_is_joined(pieces: list[str], done: bool) -> None:
    safe = [piece.encode("utf-8", "replace").decode() for piece in pieces]
    assume(not all(later.startswith(earlier) for earlier, later in pairwise(safe)) or len(set(safe)) == 1)
    stream = "".join(chunk(content=piece) for piece in safe) + chunk("stop") + "data: [DONE]\n\n" * done
    joined, forgiven = read_json(stream.encode())
    assert joined["choices"][0]["message"]["content"] == "".join(safe)
    assert "event stream" in forgiven
