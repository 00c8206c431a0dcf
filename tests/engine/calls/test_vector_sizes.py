"""One model has vectors of one size, in the journal and anew."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from factory.engine.calls.embeddings import JournalledEmbeddings
from factory.engine.calls.usage import Gate, ModelUsage
from factory.engine.journal.journal import Journal
from factory.errors import RunStopped
from factory.models.base import Vectors


class Sized:
    """An embedding provider of vectors of `size` numbers."""

    identity = "sized"
    batch_size = 8

    def __init__(self, size: int) -> None:
        self.size = size

    async def embed(self, texts: Sequence[str]) -> Vectors:
        return np.eye(1, self.size, dtype=np.float32).repeat(len(texts), axis=0)

    async def close(self) -> None:
        pass


def test_a_model_that_changed_the_size_of_its_vectors_stops_the_run_with_a_sentence(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "j.db")

    async def embed(size: int, texts: Sequence[str]) -> Vectors:
        return await JournalledEmbeddings("e", Sized(size), journal, ModelUsage(), Gate()).embed(texts)

    try:
        assert asyncio.run(embed(2, ["a", "b"])).shape == (2, 2)
        assert asyncio.run(embed(3, ["c"])).shape == (1, 3)
        with pytest.raises(RunStopped, match="vectors of 2 and 3 numbers"):
            asyncio.run(embed(3, ["a", "c", "d"]))
    finally:
        journal.close()
