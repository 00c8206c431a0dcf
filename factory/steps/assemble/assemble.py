"""The step that chooses the final set."""

from __future__ import annotations

from collections import defaultdict
from typing import Literal

import numpy as np
from pydantic import Field

from factory.data.record import Drop
from factory.data.table import Table
from factory.step import Context, WholeSet
from factory.steps.assemble.select.quota import equal_quotas


class Assemble(WholeSet):
    """Choose the final set: so many records, balanced over a field, best score first.

    Each value of `balance` gets an equal share of `size`; a value with fewer records gives all it has, and the
    others share the rest. Within a value the records with the highest `score` go first; a missing score comes
    last, and among equals the order of the set decides. The chosen records keep the order of the set. A record
    without an answer is not training data and is let go first.

    Example:
        - assemble: {size: 1000, balance: task, score: judge.quality}
    """

    name = "assemble"

    size: int | None = Field(
        None, ge=1, description="number of records to choose; none: all that have an answer"
    )
    balance: Literal["", "task", "lang", "source"] = Field(
        "", description="the field whose values get equal shares"
    )
    score: str = Field(
        "",
        description='the score that puts records first, such as "judge.quality"; empty: the only judge score '
        "where there is exactly one, else the order of the set",
    )

    async def run(self, table: Table, context: Context) -> Table:
        """See `WholeSet.run`."""
        drops: dict[int, Drop] = {}
        for index, output in enumerate(table.texts("output")):
            if not output.strip():
                drops[index] = Drop(context.step, "no_answer", "it has no answer to train on")
        score = self._score_name(table, context)
        scores = table.scores(score) if score else np.full(len(table), np.nan)
        groups: dict[str, list[int]] = defaultdict(list)
        values = table.values(self.balance) if self.balance else [""] * len(table)
        for index, value in enumerate(values):
            if index not in drops:
                groups[value or ""].append(index)
        if self.balance and len(groups) == 1 and "" in groups:
            context.warn(f"{context.step}: no record has a {self.balance}, so there is nothing to balance")
        if self.size is not None:
            quotas = equal_quotas({group: len(members) for group, members in groups.items()}, self.size)
            for group, members in groups.items():
                # NaN sorts behind every number, so a missing score comes last; the sort is stable.
                ranked = sorted(members, key=lambda at: -scores[at] if np.isfinite(scores[at]) else np.inf)
                for rank, index in enumerate(ranked[quotas[group] :], start=quotas[group] + 1):
                    drops[index] = self._not_chosen(
                        context, group, quotas[group], rank, len(members), score, scores[index]
                    )
        return table.drop(drops)

    def _score_name(self, table: Table, context: Context) -> str:
        names = table.score_names()
        if self.score:
            if self.score not in names and len(table):
                context.warn(
                    f"{context.step}: no record has the score {self.score!r} "
                    f"(there are: {', '.join(names) or 'none'}); the order of the set decides"
                )
            return self.score
        judged = [name for name in names if name.startswith("judge.")]
        return judged[0] if len(judged) == 1 else ""

    def _not_chosen(
        self, context: Context, group: str, quota: int, rank: int, members: int, score: str, value: float
    ) -> Drop:
        within = f" of {self.balance} {group or '(none)'}" if self.balance else ""
        by = ""
        numbers: dict[str, float] = {"rank": rank, "quota": quota}
        if score:
            by = f" by {score} ({value:g})" if np.isfinite(value) else f" by {score} (missing)"
            if np.isfinite(value):
                numbers[score] = float(value)
        return Drop(
            context.step,
            "not_chosen",
            f"number {rank} of {members}{within}{by}; {quota} were wanted",
            numbers,
        )
