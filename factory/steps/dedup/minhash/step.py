"""The step that drops a near copy of a document kept before it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from pydantic import Field

from factory.data.record import IN_REFERENCE, Drop
from factory.data.references import TAKES, reference_files
from factory.data.table import Table
from factory.data.text import shorten
from factory.statistics.interval import percent, wilson
from factory.step import Context, WholeSet
from factory.steps.dedup.joins.compared import Compared
from factory.steps.dedup.joins.reference import Known
from factory.steps.dedup.minhash.join import lsh_bands, measured_recall, minhash_join, require_rensa


class DedupMinHash(WholeSet):
    """Drop a long text that shares most of its passages with one kept before it.

    For documents of hundreds of words and more, in a prompt or, with `field: output`, in an answer, for which
    ROUGE-L costs too much; in instructions and other short texts `dedup_rouge` is exact and as fast. Keeps the
    first of each family, in the order of the set.

    Similarity: Jaccard, the runs of `shingle` words that two texts share over all that they have. Each Chinese
    character is a word, so that a run of 5 is two or three Chinese words. Drops when it is greater than
    `threshold`. Texts of fewer words than `shingle` are close only where they are the same. Texts of the same letters
    and digits are close only where the signs between them are the same too, as `dedup_rouge` says. A text without
    words is never close to anything, and counted; by `both`, so is one whose prompt has none. Earlier turns of a
    conversation stand before its last one, a system turn apart.

    By the prompt, a record with an input is close to another where both their instructions and their inputs are: one
    instruction for two inputs stays twice, and so does one input under two instructions.

    MinHash finds what to compare (Broder, 1997; over training sets, Lee et al., arXiv 2107.06499), and the
    shingles themselves decide: nothing is dropped wrongly, and some are missed. The step tells which share of
    the duplicates in a sample of your own data it found. It misses, whatever the sketch, a copy with one word
    in ten replaced here and there (each breaks 5 runs), and a part of a longer text. The same seed and data
    give the same result.

    With `reference`, a record too close to one of an earlier release, run or file is dropped as well.

    Example:
        - dedup_minhash: {threshold: 0.8, field: output}
    """

    name = "dedup_minhash"

    threshold: float = Field(
        0.8, gt=0, lt=1, description="largest Jaccard similarity of shingles that two kept records may have"
    )
    field: Literal["instruction", "prompt", "output", "both"] = Field(
        "prompt",
        description="the text compared: the instruction, the prompt (the instruction, and the input apart), each "
        "with the tools that the answer calls, the output, or both (prompt and output)",
    )
    reference: str | tuple[str, ...] = Field(
        (), description=f"records that count as kept before all others: {TAKES}"
    )
    shingle: int = Field(5, ge=1, le=50, description="words of a shingle")
    num_perm: int = Field(
        128,
        ge=16,
        le=4096,
        description="numbers of a sketch: more find more near the threshold, and cost more",
    )
    seed: int | None = Field(
        None,
        ge=0,
        lt=1 << 32,
        description="seed of the hash functions and of the sample; by default the run's",
    )

    def inputs(self) -> Sequence[Path]:
        """See `Step.inputs`."""
        return reference_files(self.reference)

    def check_ready(self) -> None:
        """See `Step.check_ready`."""
        require_rensa()

    async def run(self, table: Table, context: Context) -> Table:
        """See `WholeSet.run`.

        Raises:
            MissingDependency: `rensa` is not installed.
        """
        reference = Known.read(self.reference, context)
        compared = Compared.of(table, self.field)
        compared.tell(context)
        before = Compared.of(reference.table, self.field)
        texts, inputs = before.texts + compared.texts, before.inputs + compared.inputs
        ids = reference.table.ids() + table.ids()
        drops = await asyncio.to_thread(self._drops, texts, inputs, ids, reference, context)
        return table.drop(drops)

    def _drops(
        self, texts: list[str], inputs: list[str], ids: list[str], reference: Known, context: Context
    ) -> dict[int, Drop]:
        known = len(reference)
        seed = context.seed % (1 << 32) if self.seed is None else self.seed
        matches = minhash_join(
            texts,
            self.threshold,
            inputs=inputs,
            known=known,
            size=self.shingle,
            num_perm=self.num_perm,
            seed=seed,
        )
        context.count("kept_for_their_signs", int(matches.spared.sum()))
        recall = measured_recall(
            texts, matches, self.threshold, inputs=inputs, known=known, size=self.shingle, seed=seed
        )
        bands, rows, chance = lsh_bands(self.threshold, self.num_perm)
        context.facts["search"] = {"bands": bands, "rows": rows, "chance_at_threshold": round(chance, 4)}
        context.facts["recall_in_a_sample"] = {"duplicates": recall.close, "found": recall.found}
        found = (
            f"{recall.found:,} of the {recall.close:,} duplicates, "
            f"{percent(recall.found / recall.close, wilson(recall.found, recall.close))},"
            if recall.close
            else "no duplicate"
        )
        say = context.tell if recall.found == recall.close else context.warn
        say(
            f"{context.step}: the search found {found} in a sample of at most 1,000 records, which were compared "
            "with all"
        )
        drops = {}
        for at in (matches.nearest >= 0).nonzero()[0].tolist():
            kept, similarity = int(matches.nearest[at]), float(matches.jaccard[at])
            where = reference.where(kept) if kept < known else ""
            reason = f"Jaccard {similarity:.2f} with {ids[kept]}{where} ({shorten(texts[kept], 60)})"
            numbers = {"jaccard": similarity, **(IN_REFERENCE if kept < known else {})}
            drops[at - known] = Drop(context.step, "shingle_duplicate", reason, numbers, against=ids[kept])
        return drops
