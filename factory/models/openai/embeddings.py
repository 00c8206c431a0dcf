"""An embedding model behind an OpenAI-compatible server."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from factory.errors import RecordFailed, RunStopped
from factory.models.base import TransientFailure, Vectors
from factory.models.openai.endpoint import Endpoint
from factory.models.options import OpenAIEmbeddingOptions


class OpenAIEmbeddings:
    """Sends texts to `/embeddings` and scales what comes back to unit length."""

    def __init__(self, options: OpenAIEmbeddingOptions) -> None:
        self.identity = f"openai_embeddings:{options.model}"
        self.batch_size = options.batch_size
        self.concurrency = options.concurrency
        self._model = options.model
        self._endpoint = Endpoint(options.base_url, model=options.model, options=options)
        self._dimensions = 0

    async def embed(self, texts: Sequence[str]) -> Vectors:
        """One unit-length vector for each text, in order; `batch_size` texts to a request, one after another.

        Raises as `ChatProvider.send`, and
            TransientFailure: the number of vectors is not that of the texts, or one is not made of numbers.
            RecordFailed: a vector holds NaN, infinity or only zeros ("bad_embedding"): a similarity with it
                would be meaningless, and another try gives the same.
            RunStopped: the server changed the length of its vectors within the run.
        """
        parts = [
            await self._batch(texts[start : start + self.batch_size])
            for start in range(0, len(texts), self.batch_size)
        ]
        return np.concatenate(parts) if parts else np.empty((0, self._dimensions), dtype=np.float32)

    async def close(self) -> None:
        """Close every socket."""
        await self._endpoint.close()

    async def _batch(self, texts: Sequence[str]) -> Vectors:
        body = {"model": self._model, "input": list(texts), "encoding_format": "float"}
        vectors = _read(await self._endpoint.post("/embeddings", body), len(texts))
        self._dimensions = self._dimensions or vectors.shape[1]
        if vectors.shape[1] != self._dimensions:
            raise RunStopped(
                f"{self._endpoint.base_url} sent vectors of {vectors.shape[1]} numbers after vectors of "
                f"{self._dimensions}: is one model served under this name?"
            )
        with np.errstate(over="ignore"):  # a length beyond what a float holds is refused below
            norms = np.linalg.norm(vectors, axis=1, keepdims=True)
        for index in np.flatnonzero(~(np.isfinite(norms) & (norms > 0))).tolist():
            raise RecordFailed(
                "bad_embedding",
                f"the server embedded a text of {len(texts[index])} characters as no direction",
            )
        unit: Vectors = (vectors / norms).astype(np.float32)
        return unit


def _read(data: dict[str, Any], count: int) -> np.ndarray[Any, np.dtype[np.float64]]:
    rows = data.get("data")
    if not isinstance(rows, list) or len(rows) != count:
        got = len(rows) if isinstance(rows, list) else "no"
        raise TransientFailure(f"the server sent {got} vectors for {count} texts")
    try:
        ordered = sorted(rows, key=lambda row: row["index"])
        if [row["index"] for row in ordered] != list(range(count)):
            raise ValueError
        vectors = np.array([row["embedding"] for row in ordered], dtype=np.float64)
    except (TypeError, ValueError, LookupError):
        raise TransientFailure("the server sent vectors that cannot be read") from None
    if vectors.ndim != 2 or not vectors.shape[1]:
        raise TransientFailure("the server sent vectors that cannot be read")
    return vectors
