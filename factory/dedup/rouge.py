"""The step that drops what repeats, word for word, a record kept before it."""

from __future__ import annotations

import asyncio
from typing import Literal

from pydantic import Field

from factory.dedup.rouge_join import rouge_join
from factory.record import Drop
from factory.step import Context, WholeSet
from factory.table import Table
from factory.text import rouge_tokens, shorten


class DedupRouge(WholeSet):
    """Drop a record whose text is too close, word for word, to one kept before it.

    Keeps the first of each family, in the order of the set. Exact: the result is that of comparing every pair
    with rouge-score, without doing so. Chinese counts too: each character is a word. A text without any word
    is never close to anything.

    Similarity: ROUGE-L F-measure (Lin, 2004) over `text.rouge_tokens`. Drops when it is greater than
    `threshold`, as Self-Instruct does (arXiv 2212.10560).

    Example:
        - dedup_rouge: {threshold: 0.7}
    """

    name = "dedup_rouge"

    threshold: float = Field(0.7, gt=0, le=1, description="largest ROUGE-L F that two kept records may have")
    field: Literal["instruction", "prompt", "output", "both"] = Field(
        "instruction",
        description="the text compared: the instruction, the prompt (instruction and input), the output, or "
        "both (prompt and output)",
    )

    async def run(self, table: Table, context: Context) -> Table:
        """See `WholeSet.run`."""
        texts = table.texts(self.field)
        matches = await asyncio.to_thread(
            lambda: rouge_join([rouge_tokens(text) for text in texts], self.threshold)
        )
        ids = table.ids()
        drops = {}
        for index in (matches.nearest >= 0).nonzero()[0].tolist():
            kept, f = int(matches.nearest[index]), float(matches.f[index])
            reason = f"ROUGE-L {f:.2f} with {ids[kept]} ({shorten(texts[kept], 60)})"
            drops[index] = Drop(context.step, "near_duplicate", reason, {"rouge_l": f})
        return table.drop(drops)
