"""The step that drops the same text: equal but for case, spacing, width and the marks that end a phrase."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
from pydantic import Field

from factory.data.record import IN_REFERENCE, Drop
from factory.data.references import TAKES, reference_files
from factory.data.table import Table
from factory.data.text import shorten
from factory.step import Context, WholeSet
from factory.steps.dedup.joins.equal import BLOCK, digests, first_equal
from factory.steps.dedup.joins.reference import Known

if TYPE_CHECKING:
    from numpy.typing import NDArray


class DedupExact(WholeSet):
    """Drop a record whose text is the same as that of one kept before it.

    Keeps the first of each family, in the order of the set. Texts are the same where their Unicode NFKC forms
    are, whatever the case, the width of characters (Ａ and A), the style of quotes and dashes, the marks that end or
    part phrases (`.` `,` `;` `:` `!` `?`, their forms in other scripts, ¿ and ¡ before a word), and the white space,
    which counts between words alone: "born ?" is "born?", and "5 % ,or" is "5%, or". All other signs count: C is not
    C#, -5 is not 5, x² is not x2, f(x) is not f x; and so does a mark where it is such a sign: 3.5 is not 35, 10:30 not
    1030, 5! not 5, a != b not a = b. A blank text is the same as none. Earlier turns of a conversation count as part of
    its prompt, a system turn does not.

    Code is compared as any text: programs that differ by indentation, white space or case alone are the same.

    It misses whatever differs by one word, a number, a typing error, a bracket or another sign, and what is inserted
    before or after: `dedup_rouge` finds those in short texts, `dedup_minhash` in long ones, `dedup_semantic`
    paraphrases. Takes seconds for a million records, so it may well go before the others.

    With `reference`, a record with the text of one of an earlier release, run or file is dropped as well.

    Source: normalisation form KC and case folding, Unicode Standard Annex 15.

    Example:
        - dedup_exact: {field: both, reference: release-1.jsonl}
    """

    name = "dedup_exact"

    field: Literal["instruction", "prompt", "output", "both"] = Field(
        "prompt",
        description="the text compared: the instruction, the prompt (instruction and input), each with the tools "
        "that the answer calls, the output, or "
        "both (prompt and output, each the same)",
    )
    reference: str | tuple[str, ...] = Field(
        (), description=f"records that count as kept before all others: {TAKES}"
    )

    def inputs(self) -> Sequence[Path]:
        """See `Step.inputs`."""
        return reference_files(self.reference)

    async def run(self, table: Table, context: Context) -> Table:
        """See `WholeSet.run`."""
        reference = Known.read(self.reference, context)
        drops = await asyncio.to_thread(lambda: dict(self._drops(table, reference, context)))
        return table.drop(drops)

    def _drops(self, table: Table, reference: Known, context: Context) -> Iterator[tuple[int, Drop]]:
        known, step = len(reference), context.step
        own = digests(table, self.field)
        context.count("records_without_text", int((~own.any(axis=1)).sum()))
        first = first_equal(np.concatenate([digests(reference.table, self.field), own]))
        again = known + np.flatnonzero(first[known:] < np.arange(known, len(first)))
        kept = np.unique(first[again])
        reasons = {
            **dict(self._reasons(reference.table, kept[kept < known], 0, reference.where)),
            **dict(self._reasons(table, kept[kept >= known], known, lambda row: "")),
        }
        for at in again.tolist():
            same = int(first[at])
            id, reason = reasons[same]
            numbers = IN_REFERENCE if same < known else {}
            yield at - known, Drop(step, "exact_duplicate", reason, numbers, against=id)

    def _reasons(
        self, table: Table, kept: NDArray[np.int64], start: int, where: Callable[[int], str]
    ) -> Iterator[tuple[int, tuple[str, str]]]:
        """Of each of these rows its id, and what is said of an equal text; `start` is the table's first row."""
        field = "prompt" if self.field == "both" else self.field
        for at in range(0, len(kept), BLOCK):
            rows = kept[at : at + BLOCK]
            some = table.take(rows - start)
            for row, id, text in zip(
                rows.tolist(), some.ids(), some.texts(field, compared=True), strict=True
            ):
                yield row, (id, f"identical with {id}{where(row)} ({shorten(text, 60)})")
