"""A text is embedded once by a model: within a call, by callers at the same time, and in every later run."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from factory.engine.calls.embeddings import JournalledEmbeddings
from factory.engine.calls.usage import Gate, ModelUsage
from factory.engine.journal.journal import Journal
from factory.models.base import Vectors

TEXTS = ["a river", "一条河", "a river", "", "a mountain", "山"]


class Counting:
    """An embedding provider that keeps what it computed; the first `failures` batches fail."""

    batch_size = 2

    def __init__(self, identity: str = "counting", failures: int = 0) -> None:
        self.identity = identity
        self.computed: list[str] = []
        self.failures = failures

    async def embed(self, texts: Sequence[str]) -> Vectors:
        await asyncio.sleep(0.001)
        if self.failures:
            self.failures -= 1
            raise ValueError("no vectors")
        self.computed += texts
        return np.array([[len(text), ord(text[0]) if text else 0] for text in texts], dtype=np.float32)

    async def close(self) -> None:
        pass


def model(provider: Counting, journal: Journal) -> JournalledEmbeddings:
    return JournalledEmbeddings("e", provider, journal, ModelUsage(), Gate())


def test_a_second_run_over_the_same_texts_computes_nothing(tmp_path: Path) -> None:
    found = []
    for expected in (5, 0):
        journal, provider = Journal(tmp_path / "j.db"), Counting()
        try:
            embeddings = model(provider, journal)
            found.append(asyncio.run(embeddings.embed(TEXTS)))
        finally:
            journal.close()
        assert len(provider.computed) == len(set(provider.computed)) == expected
        assert embeddings.usage.replayed == 5 - expected
    np.testing.assert_array_equal(found[0], found[1])
    np.testing.assert_array_equal(found[0][0], found[0][2])


def test_a_new_text_alone_is_computed_and_another_model_computes_its_own(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "j.db")
    try:
        asyncio.run(model(Counting(), journal).embed(TEXTS))
        again, other = Counting(), Counting("other")
        asyncio.run(model(again, journal).embed([*TEXTS, "new"]))
        asyncio.run(model(other, journal).embed(TEXTS))
    finally:
        journal.close()
    assert again.computed == ["new"]
    assert sorted(other.computed) == sorted(set(TEXTS))


def test_callers_at_the_same_time_compute_a_text_once(tmp_path: Path) -> None:
    journal, provider = Journal(tmp_path / "j.db"), Counting()

    async def together() -> list[Vectors]:
        embeddings = model(provider, journal)
        done = await asyncio.gather(
            *(embeddings.embed(texts) for texts in (TEXTS, TEXTS[::-1], TEXTS[:2], [*TEXTS, "new"]))
        )
        assert not embeddings.in_flight
        return list(done)

    try:
        first, backwards, some, more = asyncio.run(together())
    finally:
        journal.close()
    assert len(provider.computed) == len(set(provider.computed)) == 6
    np.testing.assert_array_equal(first, backwards[::-1])
    np.testing.assert_array_equal(first[:2], some)
    np.testing.assert_array_equal(first, more[:-1])


@pytest.mark.parametrize("cancelled", [False, True])
def test_who_waits_for_a_caller_that_fails_asks_for_itself(tmp_path: Path, cancelled: bool) -> None:
    journal, provider = Journal(tmp_path / "j.db"), Counting(failures=0 if cancelled else 1)

    async def together() -> Vectors:
        embeddings = model(provider, journal)
        first = asyncio.create_task(embeddings.embed(["a river"]))
        await asyncio.sleep(0)
        second = asyncio.create_task(embeddings.embed(["a river", "a mountain"]))
        await asyncio.sleep(0)
        if cancelled:
            first.cancel()
        with pytest.raises(asyncio.CancelledError if cancelled else ValueError):
            await first
        assert not second.done()
        return await second

    try:
        vectors = asyncio.run(together())
    finally:
        journal.close()
    assert vectors[:, 0].tolist() == [7, 10]


@pytest.mark.parametrize("failures", [0, 1])
def test_the_texts_at_work_are_counted_until_their_request_is_through(tmp_path: Path, failures: int) -> None:
    journal, seen = Journal(tmp_path / "j.db"), []

    class Looking(Counting):
        async def embed(self, texts: Sequence[str]) -> Vectors:
            usage = embeddings.usage
            seen.append((usage.embedded, usage.to_embed))
            return await super().embed(texts)

    async def twice() -> None:
        await asyncio.gather(
            embeddings.embed(TEXTS), embeddings.embed(["", "new", "山"]), return_exceptions=True
        )

    embeddings = model(Looking(failures=0), journal)
    try:
        asyncio.run(embeddings.embed(["山"]))
        seen.clear()
        embeddings = model(Looking(failures=failures), journal)
        asyncio.run(twice())
    finally:
        journal.close()
    assert (embeddings.usage.embedded, embeddings.usage.to_embed) == (0, 0)
    if not failures:
        assert seen[0] == (1, 5), "one is in the journal"
        assert max(seen)[1] == 8
        assert all(done < asked for done, asked in seen)
