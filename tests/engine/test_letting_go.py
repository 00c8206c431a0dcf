"""A stop on request: what a model in this process computes is left, what a server was asked is waited for."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

import pytest

from factory.data.record import Message, Record
from factory.data.table import Table
from factory.engine.calls import pool
from factory.engine.execute import Execution
from factory.engine.journal.journal import Journal
from factory.errors import RunInterrupted
from factory.models.base import ChatRequest, Reply, Sampling
from factory.models.failures import LetGo
from factory.models.options import OpenAIOptions
from factory.step import Context, WholeSet

pytestmark = pytest.mark.anyio


class Slow:
    """A provider that answers when it is told to.

    here: computes in this process
    """

    concurrency = 8

    def __init__(self, *, here: bool) -> None:
        self.identity = f"slow:{here}"
        self.asked = 0
        self.begun = asyncio.Event()
        self.go_on = asyncio.Event()
        self.gone = False
        if here:
            self.let_go = self._let_go

    def _let_go(self) -> int:
        self.gone = True
        self.go_on.set()
        return self.asked

    async def send(self, request: ChatRequest) -> Reply:
        self.asked += 1
        self.begun.set()
        await self.go_on.wait()
        if self.gone:
            raise LetGo
        return Reply("done")

    async def close(self) -> None:
        pass


class AskEach(WholeSet):
    """Ask each of some models once."""

    name: ClassVar[str] = "ask_each"
    names: tuple[str, ...]

    async def run(self, table: Table, context: Context) -> Table:
        said = [Message("user", "Who are you?")]
        await asyncio.gather(*(context.chat(name).ask(said, Sampling(0, 9)) for name in self.names))
        return table


async def stopped(providers: Sequence[Slow], folder: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """What is told when a run is stopped that has asked all of them; those in no process of ours answer then."""
    made = dict(zip("ab", providers, strict=False))
    options = {name: OpenAIOptions(model=name) for name in made}
    monkeypatch.setattr(pool, "chat_provider", lambda options, servers: made[options.model])
    journal = Journal(folder / "j.db")
    execution = Execution([AskEach(names=tuple(made))], options, 0, journal, folder / "steps")
    running = asyncio.create_task(
        execution.run(Table.from_records([Record("0", (Message("user", "hello"),))]))
    )
    for provider in providers:
        await provider.begun.wait()
    execution.stop()
    await asyncio.sleep(0)
    for provider in providers:
        provider.go_on.set()
    with pytest.raises(RunInterrupted):
        await running
    journal.close()
    return execution.progress.stopping


async def test_a_model_in_this_process_is_not_waited_for_and_nothing_is_told_of_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = Slow(here=True)
    assert await stopped([here], tmp_path, monkeypatch) == ""
    assert here.gone


async def test_a_server_that_was_asked_beside_it_is_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here, there = Slow(here=True), Slow(here=False)
    said = await stopped([here, there], tmp_path, monkeypatch)
    assert "replies in flight are waited for first: 1, for 60 seconds" in said
    assert here.gone
    assert Journal(tmp_path / "j.db").knows("chat", there.identity)
