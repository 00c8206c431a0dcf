"""Several servers of one model share the load; one that is down is passed over and tried again."""

from __future__ import annotations

import asyncio

import pytest
from asking import chat_request

from factory.models.base import ChatRequest, Reply
from factory.models.failures import Denied, Unreachable
from factory.models.openai import balanced
from factory.models.openai.balanced import BalancedChat

pytestmark = pytest.mark.anyio
REQUEST = chat_request("hi")


class Server:
    """Answers, or is down."""

    identity = "openai:m"
    concurrency = 8

    def __init__(self, name: str) -> None:
        self.name = name
        self.down = False
        self.asked = 0
        self.closed = False

    async def send(self, request: ChatRequest) -> Reply:
        self.asked += 1
        await asyncio.sleep(0.001)
        if self.down:
            raise Unreachable(f"nothing answers at {self.name}")
        return Reply(self.name)

    async def close(self) -> None:
        self.closed = True


async def test_the_load_is_shared_evenly() -> None:
    servers = [Server("a"), Server("b"), Server("c")]
    chat = BalancedChat(servers)
    await asyncio.gather(*(chat.send(REQUEST) for _ in range(30)))
    assert [server.asked for server in servers] == [10, 10, 10]
    await chat.close()
    assert all(server.closed for server in servers)


async def test_a_server_that_is_down_costs_one_try_and_no_reply() -> None:
    servers = [Server("a"), Server("b")]
    servers[0].down = True
    chat = BalancedChat(servers)
    replies = [await chat.send(REQUEST) for _ in range(20)]
    assert {reply.text for reply in replies} == {"b"}
    assert servers[0].asked == 1


async def test_a_server_that_comes_back_is_used_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(balanced, "REST_SECONDS", 0.0)
    servers = [Server("a"), Server("b")]
    servers[0].down = True
    chat = BalancedChat(servers)
    await chat.send(REQUEST)
    servers[0].down = False
    await asyncio.gather(*(chat.send(REQUEST) for _ in range(10)))
    assert servers[0].asked > 2


async def test_with_all_of_them_down_the_caller_is_told_and_may_try_again() -> None:
    servers = [Server("a"), Server("b")]
    for server in servers:
        server.down = True
    chat = BalancedChat(servers)
    with pytest.raises(Unreachable):
        await chat.send(REQUEST)
    servers[1].down = False
    assert (await chat.send(REQUEST)).text == "b"


class Denier(Server):
    """Denies every call, or those that hold a word."""

    def __init__(self, name: str, word: str = "") -> None:
        super().__init__(name)
        self.word = word

    async def send(self, request: ChatRequest) -> Reply:
        self.asked += 1
        await asyncio.sleep(0.001)
        if self.word in request.messages[-1].content:
            raise Denied(f"{self.name} has no such model", "the server refused the request")
        return Reply(self.name)


async def test_a_server_that_denies_what_another_answers_is_passed_over() -> None:
    servers = [Denier("a"), Server("b")]
    replies = [await BalancedChat(servers).send(REQUEST)]
    chat = BalancedChat(servers)
    replies += [await chat.send(REQUEST) for _ in range(20)]
    assert {reply.text for reply in replies} == {"b"}
    assert servers[0].asked == 2


async def test_a_request_that_all_of_them_deny_is_denied_and_the_others_go_on() -> None:
    servers = [Denier("a", "poison"), Denier("b", "poison")]
    chat = BalancedChat(servers)
    with pytest.raises(Denied):
        await chat.send(chat_request("poison"))
    replies = await asyncio.gather(*(chat.send(REQUEST) for _ in range(10)))
    assert {reply.text for reply in replies} == {"a", "b"}
