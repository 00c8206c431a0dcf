"""The step that drops what says the same as a record kept before it."""

from __future__ import annotations

import asyncio
from typing import Literal

import numpy as np
from pydantic import Field

from factory.dedup.cosine_join import cosine_join
from factory.record import Drop
from factory.step import Context, EmbeddingModelName, WholeSet
from factory.table import Table
from factory.text import shorten


class DedupSemantic(WholeSet):
    """Drop a record whose meaning is too close to one kept before it.

    Keeps the first of each family, in the order of the set. Exact: each record meets every kept one, by
    FAISS's inner product of unit vectors. Drops when the cosine is greater than `threshold`. A blank text is
    never close to anything.

    What a cosine means depends on the embedding model. With the embedded one (multilingual e5-small),
    unrelated texts lie at about 0.80 and paraphrases above 0.94, whatever the language: hence the default.
    Embeddings are journalled, so none is computed twice.

    Example:
        - dedup_semantic: {threshold: 0.95}
    """

    name = "dedup_semantic"

    threshold: float = Field(0.95, ge=-1, le=1, description="largest cosine that two kept records may have")
    field: Literal["instruction", "prompt", "output", "both"] = Field(
        "prompt",
        description="the text compared: the instruction, the prompt (instruction and input), the output, or "
        "both (prompt and output)",
    )
    model: EmbeddingModelName = Field(
        "", description="the embedding model; by default the only one, else the embedded one"
    )

    async def run(self, table: Table, context: Context) -> Table:
        """See `WholeSet.run`."""
        texts = table.texts(self.field)
        written = [index for index, text in enumerate(texts) if text.strip()]
        if not written:
            return table
        embedded = await context.embedder(self.model).embed([texts[index] for index in written])
        vectors = np.zeros((len(texts), embedded.shape[1]), np.float32)
        vectors[written] = embedded
        matches = await asyncio.to_thread(cosine_join, vectors, self.threshold)
        ids = table.ids()
        drops = {}
        for index in (matches.nearest >= 0).nonzero()[0].tolist():
            kept, cosine = int(matches.nearest[index]), float(matches.cosine[index])
            reason = f"cosine {cosine:.3f} with {ids[kept]} ({shorten(texts[kept], 60)})"
            drops[index] = Drop(context.step, "same_meaning", reason, {"cosine": cosine})
        return table.drop(drops)
