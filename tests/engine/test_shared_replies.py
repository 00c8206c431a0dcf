"""Two runs on one journal, replies of another server: which reply is used is what the journal holds."""

from __future__ import annotations

import asyncio
import errno
import itertools
import subprocess
import sys
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pytest
import yaml
from scripted_server import ScriptedServer, in_thread

import factory as sft
from factory.data.record import Message
from factory.engine.calls.chat import JournalledChat
from factory.engine.calls.embeddings import JournalledEmbeddings
from factory.engine.calls.usage import Gate, ModelUsage
from factory.engine.journal.journal import Journal
from factory.errors import RunStopped
from factory.models.base import ChatRequest, Reply, Sampling, TokenLogprobs, Usage, Vectors

COMMAND = [sys.executable, "-c", "from factory.cli.app import main; main()"]


def recipe(base_url: str, folder: Path, count: int, **model: Any) -> dict[str, Any]:
    rows = [{"instruction": f"Explain number {n}."} for n in range(count)]
    (folder / "seeds.jsonl").write_bytes(b"\n".join(map(orjson.dumps, rows)))
    teacher = {"provider": "openai", "base_url": base_url, "model": "scripted", "concurrency": 8, **model}
    return {
        "name": "shared",
        "models": {"teacher": teacher},
        "steps": [{"read": {"path": str(folder / "seeds.jsonl")}}, {"respond": {}}],
    }


@pytest.mark.slow
def test_two_runs_at_once_over_a_server_that_answers_differently_have_the_rows_of_the_journal(
    server: ScriptedServer, tmp_path: Path
) -> None:
    numbers = itertools.count()
    both_ask = asyncio.Event()

    async def script(_: dict[str, Any]) -> str:
        if server.in_flight > 8:  # more than one run may send at a time
            both_ask.set()
        await asyncio.wait_for(both_ask.wait(), 100)
        await asyncio.sleep(0.03)
        return f"Answer number {next(numbers)}, for this once."

    server.script = script
    data = recipe(server.base_url, tmp_path, 60)
    (tmp_path / "recipe.yaml").write_text(yaml.safe_dump(data))
    command = [*COMMAND, "run", "recipe.yaml", "--journal", "journal.db", "--out"]
    runs = [
        subprocess.Popen([*command, name], cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        for name in ("one", "two")
    ]
    ends = [process.communicate(timeout=120)[1] for process in runs]
    assert [process.returncode for process in runs] == [0, 0], ends
    asked = len(server.requests)
    replay = sft.run(data, out=tmp_path / "replay", journal=tmp_path / "journal.db")
    assert len(server.requests) == asked
    wanted = [record.output for record in replay.table().records()]
    both = 0
    for name in ("one", "two"):
        rows = (tmp_path / name / "dataset" / "messages" / "train.jsonl").read_bytes().splitlines()
        assert [orjson.loads(row)["messages"][-1]["content"] for row in rows] == wanted
        manifest = orjson.loads((tmp_path / name / "manifest.json").read_bytes())
        told = [warning for warning in manifest["warnings"] if "another process at the same time" in warning]
        both += sum(int(warning.split(": ")[1].split(" ")[0]) for warning in told)
    print(f"{asked} calls for 60 rows, {both} paid for twice")
    assert both > 0


class Provider:
    """Answers, scores and embeds as no other instance does, once all of them were asked."""

    identity = "test:model"
    concurrency = batch_size = 8
    sends_samples = True
    waiting: asyncio.Barrier

    def __init__(self, number: int) -> None:
        self.number = number

    async def send(self, request: ChatRequest) -> Reply:
        await self.waiting.wait()
        return Reply(f"answer {self.number}", "stop", Usage(1, 1))

    async def send_samples(self, requests: Sequence[ChatRequest]) -> list[Reply]:
        await self.waiting.wait()
        return [Reply(f"answer {self.number}", "stop", Usage(1, 1)) for _ in requests]

    async def score_text(self, text: str) -> TokenLogprobs:
        await self.waiting.wait()
        return TokenLogprobs(("a",), (-float(self.number),), Usage(1, 1))

    async def embed(self, texts: Sequence[str]) -> Vectors:
        await self.waiting.wait()
        return np.eye(4, dtype=np.float32)[[self.number] * len(texts)]

    async def close(self) -> None:
        return None


SAID = [Message("user", "hi")]
WAYS: dict[str, Callable[[JournalledChat, JournalledEmbeddings], Awaitable[Any]]] = {
    "a reply": lambda chat, _: chat.ask(SAID, Sampling(0.7, 100)),
    "samples": lambda chat, _: chat.ask_many(SAID, Sampling(0.7, 100), n=3),
    "greedy samples": lambda chat, _: chat.ask_many(SAID, Sampling(0.0, 100), n=3),
    "a score": lambda chat, _: chat.score_text("hi"),
    "vectors": lambda _, embedder: embedder.embed(["hi", "ho"]),
}


@pytest.mark.parametrize("way", WAYS)
def test_whatever_is_asked_twice_at_once_both_have_what_is_stored(way: str, tmp_path: Path) -> None:
    async def both() -> list[str]:
        Provider.waiting = asyncio.Barrier(2)
        journals = [Journal(tmp_path / "journal.db") for _ in range(2)]
        asked = []
        for number, journal in enumerate(journals):
            provider, usage = Provider(number), ModelUsage()
            chat = JournalledChat("m", provider, journal, usage, Gate())
            embedder = JournalledEmbeddings("e", provider, journal, usage, Gate())
            asked.append(WAYS[way](chat, embedder))
        found = await asyncio.gather(*asked)
        assert sum(journal.twice for journal in journals) > 0
        # A third finds what both have.
        chat = JournalledChat("m", Provider(3), journals[0], ModelUsage(), Gate())
        embedder = JournalledEmbeddings("e", Provider(3), journals[0], ModelUsage(), Gate())
        found.append(await WAYS[way](chat, embedder))
        for journal in journals:
            journal.close()
        return [plain(one) for one in found]

    one, other, replayed = asyncio.run(both())
    assert one == other == replayed


def plain(found: Any) -> str:
    """What was found, without whether it was replayed."""
    return str(found).replace("replayed=True", "replayed=False")


@pytest.mark.slow
def test_replies_of_another_server_are_told_by_the_manifest_and_why_and_can_be_forgotten(
    server: ScriptedServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)

    def factory(*arguments: str) -> str:
        done = subprocess.run([*COMMAND, *arguments], capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stderr
        return done.stdout

    data = recipe(server.base_url, tmp_path, 4)
    sft.run(data, out="mock", journal="journal.db")
    with in_thread(ScriptedServer(lambda request: "The real answer.")) as real:
        data = recipe(real.base_url, tmp_path, 6)
        result = sft.run(data, out="real", journal="journal.db")
        shown = real.base_url
        facts = result.manifest["models"]["teacher"]
        assert (facts["server"], facts["replayed_from"]) == (shown, {server.base_url: 4})
        assert (facts["calls"], facts["replayed"]) == (2, 4)
        ids = [record.id for record in result.table().records()]
        assert f"at {server.base_url}" in " ".join(factory("why", ids[0], "real").split())
        assert f"at {shown}" in " ".join(factory("why", ids[-1], "real").split())
        stats = [line.split() for line in factory("journal", "stats", "--journal", "journal.db").splitlines()]
        assert sorted((line[2], line[-1]) for line in stats[2:]) == [("2", shown), ("4", server.base_url)]
        told = factory("journal", "prune", "--server", server.base_url, "--yes", "--journal", "journal.db")
        assert "4 replies removed" in told
        again = sft.run(data, out="real", journal="journal.db")
        assert "replayed_from" not in again.manifest["models"]["teacher"]
        assert {record.output for record in again.table().records()} == {"The real answer."}
        exported = factory("journal", "export", "--journal", "journal.db").splitlines()
        assert {orjson.loads(line)["server"] for line in exported} == {shown}


@pytest.mark.slow
def test_an_address_that_gave_nothing_is_refused_with_the_nearest(
    server: ScriptedServer, tmp_path: Path
) -> None:
    sft.run(recipe(server.base_url, tmp_path, 1), out=tmp_path / "run", journal=tmp_path / "journal.db")
    done = subprocess.run(
        [*COMMAND, "journal", "prune", "--server", server.base_url + "x", "--journal", "journal.db"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 2
    assert f"did you mean {server.base_url!r}?" in done.stderr


def test_one_reply_that_cannot_be_kept_lets_no_further_call_out(
    server: ScriptedServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(journal: Journal, rows: list[Any]) -> list[bytes]:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Journal, "_commit", full)
    server.delay = 0.01
    data = recipe(server.base_url, tmp_path, 200, concurrency=3)
    with pytest.raises(RunStopped, match="the disk is full"):
        sft.run(data, out=tmp_path / "run", journal=tmp_path / "journal.db")
    assert len(server.requests) <= 2 * 3
