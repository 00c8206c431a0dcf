"""The step that chooses the final set."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np
from pydantic import Field

from factory.data.record import Drop
from factory.data.table import Table
from factory.data.text import shorten
from factory.step import Context, WholeSet
from factory.steps.assemble.select.quota import equal_quotas

SHOWN = 12
"""Values of the balanced field that are named."""
MOVED = 0.1
"""A change of the share of a language, a task or a source by so much is told."""


class Assemble(WholeSet):
    """Choose the final set: so many records, balanced over a field, best score first.

    Each value of `balance` gets an equal share of `size`; a value with fewer records gives all it has, and the
    others share the rest. Records that have no value are one group beside the others, or take what they leave, or
    are let go: `unlabelled` says which, and how many there are is told. Within a value the records with the highest
    `score` go first, and a missing score comes last; equals are taken by a draw that the seed decides, so that the
    head of a file is not preferred. Without a score the order of the set decides, unless `ties: drawn` says that all
    are equals then. The chosen records keep the order
    of the set. A record without an answer is not training data and is let go first.

    Before it chooses, the step says what each value gets, and how the shares of languages, tasks and sources move by
    that: topics taken for sources can make a set of one language.

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
    unlabelled: Literal["share", "rest", "drop"] = Field(
        "share",
        description="what records without a value of `balance` get: a share as a value of their own, the rest that "
        "the others leave, or nothing",
    )
    score: str = Field(
        "",
        description='the score that puts records first, such as "judge.quality"; empty: the only judge score '
        "where there is exactly one, else the order of the set",
    )
    ties: Literal["", "drawn", "order"] = Field(
        "",
        description="which of equals go first: drawn by the seed, or by the order of the set; empty: drawn where "
        "there is a score",
    )

    async def run(self, table: Table, context: Context) -> Table:
        """See `WholeSet.run`."""
        drops: dict[int, Drop] = {}
        for index, output in enumerate(table.texts("output")):
            if not output.strip():
                drops[index] = Drop(context.step, "no_answer", "it has no answer to train on")
        unanswered = len(drops)
        score = self._score_name(table, context)
        scores = table.scores(score) if score else np.full(len(table), np.nan)
        groups: dict[str, list[int]] = defaultdict(list)
        values = table.values(self.balance) if self.balance else [""] * len(table)
        for index, value in enumerate(values):
            if index not in drops:
                groups[value or ""].append(index)
        if self.balance and len(groups) == 1 and "" in groups:
            context.warn(f"{context.step}: no record has a {self.balance}, so there is nothing to balance")
        size = len(table) - unanswered if self.size is None else self.size
        quotas = self._quotas({group: len(members) for group, members in groups.items()}, size)
        ids = table.ids()
        # NaN sorts behind every number, so a missing score comes last; the sort is stable.
        first = [-value if np.isfinite(value) else np.inf for value in scores.tolist()]
        drawn = self.ties == "drawn" or (not self.ties and bool(np.isfinite(scores).any()))
        chosen: list[int] = []
        for group, members in groups.items():
            draws = {at: context.random("ties", ids[at]).random() if drawn else 0.0 for at in members}
            ranked = sorted(members, key=lambda at: (first[at], draws[at]))
            chosen += ranked[: quotas[group]]
            for rank, index in enumerate(ranked[quotas[group] :], start=quotas[group] + 1):
                drops[index] = self._not_chosen(
                    context, group, quotas[group], rank, len(members), score, scores[index]
                )
        if self.balance and set(groups) != {""} and len(chosen) < len(table) - unanswered:
            counts = {group: (len(members), quotas[group]) for group, members in groups.items()}
            self._tell(table, counts, [at for part in groups.values() for at in part], chosen, context)
        return table.drop(drops)

    def _quotas(self, counts: Mapping[str, int], size: int) -> dict[str, int]:
        """How many of each group, where "" stands for the records without a value."""
        if not self.balance or self.unlabelled == "share" or set(counts) == {""}:
            return equal_quotas(counts, size)
        quotas = equal_quotas({group: number for group, number in counts.items() if group}, size)
        left = size - sum(quotas.values()) if self.unlabelled == "rest" else 0
        return {**quotas, "": min(counts.get("", 0), left)}

    def _tell(
        self,
        table: Table,
        counts: Mapping[str, tuple[int, int]],
        before: Sequence[int],
        chosen: Sequence[int],
        context: Context,
    ) -> None:
        """Say what balancing does: to the groups, and to the other fields that people count sets by."""
        rows = sorted(counts.items(), key=lambda item: (-item[1][1], -item[1][0], item[0]))
        context.facts["strata"] = [
            {"value": group, "records": records, "chosen": quota} for group, (records, quota) in rows
        ]
        said = ", ".join(
            f"{shorten(group, 30) or '(none)'} {quota:,} of {records:,}"
            for group, (records, quota) in rows[:SHOWN]
        )
        said += f", and {len(rows) - SHOWN:,} more values" if len(rows) > SHOWN else ""
        context.tell(f"{context.step}: balanced over the {len(rows):,} values of {self.balance}: {said}")
        if "" in counts and len(counts) > 1:
            records, quota = counts[""]
            gets = {"share": "get a share of their own", "rest": "get the rest", "drop": "are let go"}
            context.tell(
                f"{context.step}: {records:,} of {len(before):,} records have no {self.balance} and "
                f"{gets[self.unlabelled]}, {quota:,} records: `unlabelled` says what becomes of them"
            )
        for field in ("lang", "task", "source"):
            values = table.values(field) if field != self.balance else []
            moved = _moved(values, before, chosen) if values else None
            if moved is not None:
                value, was, becomes = moved
                context.tell(
                    f"{context.step}: balancing {self.balance} takes {field} {shorten(value, 30) or '(none)'} from "
                    f"{was:.0%} to {becomes:.0%} of the set"
                )

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


def _moved(
    values: Sequence[str], before: Sequence[int], chosen: Sequence[int]
) -> tuple[str, float, float] | None:
    """The value whose share of the records moves most, and its shares; None where no share moves by `MOVED`."""
    if not chosen:
        return None
    had, has = (Counter(values[at] or "" for at in part) for part in (before, chosen))
    shares = {value: (had[value] / len(before), has[value] / len(chosen)) for value in had}
    value = max(shares, key=lambda name: (shares[name][1] - shares[name][0], name))
    was, becomes = shares[value]
    return (value, was, becomes) if becomes - was >= MOVED else None
