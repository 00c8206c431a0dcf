"""The embeddings of a set's texts, those left out that a model does not take."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from factory.errors import RecordFailed, TextsFailed
from factory.models.base import EmbeddingModel

if TYPE_CHECKING:
    from factory.models.base import Vectors


class Embedded(NamedTuple):
    """The embeddings of texts.

    vectors: one row for each text, of NaN where it has none
    failed: by a text's number, why it has none: it is too long for the model, a filter refused it
    """

    vectors: Vectors
    failed: Mapping[int, RecordFailed]

    @property
    def taken(self) -> list[int]:
        """The numbers of the texts that have an embedding."""
        return [at for at in range(len(self.vectors)) if at not in self.failed]


async def embed_texts(embedder: EmbeddingModel, texts: Sequence[str]) -> Embedded:
    """Embed what can be embedded.

    Raises:
        TextsFailed: none of the texts can be.
    """
    try:
        return Embedded(await embedder.embed(texts), {})
    except TextsFailed as error:
        failed = error.failed
        if len(failed) == len(texts):
            raise
    taken = [at for at in range(len(texts)) if at not in failed]
    some = await embedder.embed([texts[at] for at in taken])  # by now they lie in the journal
    vectors = np.full((len(texts), some.shape[1]), np.nan, np.float32)
    vectors[taken] = some
    return Embedded(vectors, failed)
