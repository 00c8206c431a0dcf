"""An embedding model behind an OpenAI-compatible server."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np

from factory.data.text import shorten
from factory.errors import RecordFailed, RunStopped
from factory.models.base import Vectors
from factory.models.failures import TransientFailure
from factory.models.openai.connection import MOST_BYTES
from factory.models.openai.endpoint import Endpoint
from factory.models.options import OpenAIEmbeddingOptions

_VECTOR_BYTES = 256 << 10
"""Bytes that one vector may have in a reply: 10,000 numbers as JSON."""

Matrix: TypeAlias = "np.ndarray[Any, np.dtype[np.float64]]"


class OpenAIEmbeddings:
    """Sends texts to `/embeddings` and scales what comes back to unit length."""

    def __init__(self, options: OpenAIEmbeddingOptions) -> None:
        self.identity = f"openai_embeddings:{options.model}"
        self.batch_size = options.batch_size
        self.concurrency = options.concurrency
        self._model = options.model
        self._endpoint = Endpoint(
            options.base_url,
            model=options.model,
            options=options,
            most_bytes=max(MOST_BYTES, options.batch_size * _VECTOR_BYTES),
        )
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


def _read(data: dict[str, Any], count: int) -> Matrix:
    """The vectors of a reply, in the order of the texts: by `index`, or as they come where none has one.

    A vector is a list of numbers, or the base64 text of 32-bit floats that some servers send whatever they are
    asked for.
    """
    rows = data.get("data")
    if not isinstance(rows, list) or len(rows) != count:
        got = len(rows) if isinstance(rows, list) else "no"
        raise TransientFailure(f"the server sent {got} vectors for {count} texts")
    if not all(isinstance(row, dict) and "embedding" in row for row in rows):
        raise TransientFailure("the server sent vectors that cannot be read: they lack `embedding`")
    indices = [row.get("index") for row in rows]
    if any(index is not None for index in indices):
        if not all(type(index) is int for index in indices) or sorted(indices) != list(range(count)):
            raise TransientFailure(
                f"the server numbers its {count} vectors {shorten(str(indices), 40)}, not 0 to {count - 1}"
            )
        rows = sorted(rows, key=lambda row: row["index"])
    try:
        read = [_vector(row["embedding"]) for row in rows]
    except (TypeError, ValueError):
        raise TransientFailure(
            "the server sent vectors that are neither numbers nor base64 of them"
        ) from None
    lengths = sorted({len(vector) for vector in read})
    if len(lengths) > 1:
        raise TransientFailure(
            f"the server sent vectors of {lengths[0]} and of {lengths[-1]} numbers in one reply"
        )
    if not lengths[0]:
        raise TransientFailure("the server sent empty vectors")
    return np.stack(read)


def _vector(embedding: Any) -> Matrix:
    if isinstance(embedding, str):
        return np.frombuffer(base64.b64decode(embedding, validate=True), dtype="<f4").astype(np.float64)
    vector = np.array(embedding)
    numbers = vector.dtype.kind in "fiu" or (
        vector.dtype.kind == "O" and all(one is None or isinstance(one, int | float) for one in embedding)
    )
    if not isinstance(embedding, list) or vector.ndim != 1 or (embedding and not numbers):
        raise ValueError
    return vector.astype(np.float64)
