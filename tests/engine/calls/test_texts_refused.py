"""A text that an embedding model does not take holds up no other."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest

from factory.engine.calls.embeddings import JournalledEmbeddings
from factory.engine.calls.usage import Gate, ModelUsage
from factory.engine.journal.journal import Journal
from factory.errors import RecordFailed, TextsFailed
from factory.models.base import Vectors
from factory.models.failures import Denied


class Refusing:
    """An embedding provider that refuses each batch with a text that `refuses`; `asked` keeps the batches."""

    identity = "refusing"
    batch_size = 8

    def __init__(self, refuses: Callable[[str], bool], kind: str = "context_length") -> None:
        self.refuses = refuses
        self.kind = kind
        self.asked: list[list[str]] = []

    async def embed(self, texts: Sequence[str]) -> Vectors:
        self.asked.append(list(texts))
        if any(map(self.refuses, texts)):
            raise RecordFailed(self.kind, "it is too long")
        return np.array([[len(text), 1] for text in texts], dtype=np.float32)

    async def close(self) -> None:
        pass


def embed(provider: Refusing, journal: Journal, *texts: str) -> Vectors:
    return asyncio.run(JournalledEmbeddings("e", provider, journal, ModelUsage(), Gate()).embed(texts))


def test_the_texts_to_blame_are_named_and_the_others_are_journalled(tmp_path: Path) -> None:
    texts = ["x" * length for length in (3, 900, 5, 4, 901, 6, 7, 8, 9, 10, 900)]
    journal, provider = Journal(tmp_path / "j.db"), Refusing(lambda text: len(text) >= 900)
    try:
        with pytest.raises(TextsFailed, match=r"^it is too long \(so with 3 of 11 texts\)$") as caught:
            embed(provider, journal, *texts)
        assert sorted(caught.value.failed) == [1, 4, 10]
        assert (
            {error.kind for error in caught.value.failed.values()}
            == {caught.value.kind}
            == {"context_length"}
        )
        others = [text for text in texts if len(text) < 900]
        again = Refusing(lambda text: True)
        assert embed(again, journal, *others)[:, 0].tolist() == [len(text) for text in others]
        assert again.asked == []
    finally:
        journal.close()
    assert len(provider.asked) <= 2 + 2 * 2 * 3, "a batch is halved, not asked text by text"


def test_a_server_that_takes_no_text_at_all_is_not_asked_for_each(tmp_path: Path) -> None:
    journal, provider = Journal(tmp_path / "j.db"), Refusing(lambda text: True, "bad_request")
    try:
        with pytest.raises(RecordFailed, match=r"^it is too long$"):
            embed(provider, journal, *(f"text {number}" for number in range(800)))
    finally:
        journal.close()
    assert len(provider.asked) <= 5


def test_a_server_that_fails_is_not_taken_for_a_text_that_is_at_fault(tmp_path: Path) -> None:
    journal, provider = Journal(tmp_path / "j.db"), Refusing(lambda text: True, "call_failed")
    try:
        with pytest.raises(RecordFailed) as caught:
            embed(provider, journal, "a", "b", "c")
    finally:
        journal.close()
    assert not isinstance(caught.value, TextsFailed)
    assert len(provider.asked) == 1


class Denying(Refusing):
    """Denies where the other refuses."""

    async def embed(self, texts: Sequence[str]) -> Vectors:
        try:
            return await super().embed(texts)
        except RecordFailed:
            raise Denied("the server is not for you", "not this text") from None


@pytest.mark.parametrize("poison", [0, 7, 12])
def test_a_text_that_is_denied_holds_up_no_other_even_where_it_is_the_first(
    tmp_path: Path, poison: int
) -> None:
    texts = [f"text {number}" for number in range(20)]
    journal, provider = Journal(tmp_path / "j.db"), Denying(lambda text: text == texts[poison])
    try:
        with pytest.raises(TextsFailed, match="not this text") as caught:
            embed(provider, journal, *texts)
        assert sorted(caught.value.failed) == [poison]
    finally:
        journal.close()


@pytest.mark.parametrize("count", [1, 3, 800])
def test_a_server_that_denies_every_text_stops_the_run_with_its_sentence(tmp_path: Path, count: int) -> None:
    journal, provider = Journal(tmp_path / "j.db"), Denying(lambda text: True)
    try:
        with pytest.raises(Denied, match="the server is not for you"):
            embed(provider, journal, *(f"text {number}" for number in range(count)))
    finally:
        journal.close()
    assert len(provider.asked) <= 5
