"""Keep the records with the highest scores, so many of them, and say how far that is a choice by length."""

from __future__ import annotations

import math
from typing import Literal, Self

import numpy as np
from pydantic import Field, model_validator

from factory.data.record import Drop
from factory.data.table import Table
from factory.data.text import word_count
from factory.errors import nearest
from factory.statistics.agreement import top_overlap
from factory.statistics.correlation import spearman
from factory.statistics.interval import correlation_interval, percent, wilson
from factory.step import Context, WholeSet


class KeepTop(WholeSet):
    """Keep the records with the highest scores: a share of the set, or so many.

    A share is counted over all records that come in, rounded down, at least one (Superfiltering's own code takes
    it of 52,002, whatever the set). Equals are taken by a draw that the seed decides, so that the head of a file is
    not preferred; those kept stay in the order of the set. A record without the score cannot be ranked and is set
    aside ("no_score"), never taken for a low one.

    Warns with the rank correlation of score and answer length, and how many of the picks the longest answers
    would be too: a score that is mostly length had better be named so. Always compare with a random choice and
    with the longest answers.

    Source: Cherry LLM (arXiv 2308.12032; its code's 5 percent is 6 of the records below 1) and Superfiltering
    (arXiv 2402.00530), which keep the top 5 to 15 percent by IFD of those below 1.

    Example:
        - ifd: {model: weak, keep: "< 1"}
        - keep_top: {score: ifd, share: 0.1}
    """

    name = "keep_top"

    score: str = Field(min_length=1, description='the score that ranks, such as "ifd"')
    share: float | None = Field(None, gt=0, le=1, description="share of the records to keep; this or `count`")
    count: int | None = Field(None, ge=1, description="number of records to keep; this or `share`")
    order: Literal["highest", "lowest"] = Field("highest", description="which end of the ranking is kept")
    ties: Literal["drawn", "order"] = Field(
        "drawn", description="which of equal scores go first: drawn by the seed, or by the order of the set"
    )

    @model_validator(mode="after")
    def _one_size(self) -> Self:
        if (self.share is None) == (self.count is None):
            raise ValueError("give either `share` or `count`")
        return self

    async def run(self, table: Table, context: Context) -> Table:
        """See `WholeSet.run`."""
        if not len(table):
            return table
        scores = table.scores(self.score)
        if self.score not in table.score_names():
            context.warn(
                f"{context.step}: no record has the score {self.score!r}{nearest(self.score, table.score_names())}"
            )
        # A share of 0.29 of 100 records is 29, and as a binary fraction a little less.
        size = (
            self.count
            if self.count is not None
            else max(1, math.floor(len(table) * (self.share or 0) + 1e-9))
        )
        self._tell_length(table, context, size)
        sign = -1 if self.order == "highest" else 1
        drawn = self.ties == "drawn"
        draws = np.array([context.random("ties", id).random() if drawn else 0.0 for id in table.ids()])
        order = np.lexsort((draws, sign * scores)).tolist()
        ranked = [at for at in order if not np.isnan(scores[at])]
        unscored = np.flatnonzero(np.isnan(scores)).tolist()
        drops = {}
        for at, record in zip(unscored, table.take(unscored).records(), strict=True):
            why = record.lacking.get(self.score)
            reason = f"{self.score} is missing{f': {why.reason}' if why else ''}"
            drops[at] = Drop(context.step, "no_score", reason, failed=True)
        for rank, at in enumerate(ranked[size:], start=size + 1):
            reason = f"number {rank} of {len(ranked)} by {self.score} ({scores[at]:g}); {size} were wanted"
            drops[at] = Drop(context.step, "not_top", reason, {"rank": rank, self.score: float(scores[at])})
        return table.drop(drops)

    def _tell_length(self, table: Table, context: Context, size: int) -> None:
        scores = table.scores(self.score)
        lengths = np.array([word_count(text) for text in table.texts("output")], dtype=np.float64)
        ranked = scores if self.order == "highest" else -scores
        rho = spearman(scores, lengths)
        rows = int((~np.isnan(scores)).sum())
        if rho is None:
            return
        overlap, chance = top_overlap(ranked, lengths, min(1.0, size / rows))
        low, high = correlation_interval(rho, rows)
        picks = max(1, min(size, rows))
        context.tell(
            f"{context.step}: {self.score} and the answer's length in words correlate at {rho:+.2f} (Spearman, "
            f"{rows:,} records, 95 % interval {low:+.2f} to {high:+.2f}); the longest answers share "
            f"{percent(overlap, wilson(overlap * picks, picks), 0)} of the picks, by chance {chance:.0%}"
        )
