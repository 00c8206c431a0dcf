"""The step that chooses the final set."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Literal

import numpy as np
from pydantic import Field

from factory.data.record import Drop
from factory.data.table import Table
from factory.data.text import shorten
from factory.step import Context, WholeSet
from factory.steps.assemble.mixing.groups import too_many
from factory.steps.assemble.select.moved import MOVED, moved
from factory.steps.assemble.select.quota import equal_quotas

SHOWN = 12
"""Values of the balanced field that are named."""


class Assemble(WholeSet):
    """Choose the final set: so many records, balanced over a field, best score first.

    Each value of `balance` gets an equal share of `size`; a value with fewer records gives all it has, and the
    others share the rest. Records that have no value are one group beside the others, or take what they leave, or
    are let go: `unlabelled` says which, and how many there are is told. Within a value the records with the highest
    `score` go first, and a missing score comes last; equals are taken by a draw that the seed decides, so that the
    head of a file is not preferred. Without a score the order of the set decides, unless `ties: drawn` says that all
    are equals then. The chosen records keep the order
    of the set. A record without an answer is not training data and is let go first.

    Other shares than equal ones, in rows or tokens, repeats, and filling a short group are the step `mixture`'s.

    Before it chooses, the step says what each value gets, and how the shares of languages, tasks and sources move by
    that: topics taken for sources can make a set of one language. Of the records that come in the same is told before a
    run's first call, and by `--dry-run`.

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

    def foretells(self) -> bool:
        """Whether something can be told beforehand: without a size or a field nothing is moved."""
        return bool(self.balance) and (self.size is not None or self.unlabelled == "drop")

    def foretell(self, incoming: Table) -> Iterator[str]:
        """What would be chosen of the records as they come in; which go first is not known, so shares have bounds."""
        values = [value or "" for value in incoming.values(self.balance)] if self.balance else []
        counts = Counter(values)
        if not set(counts) - {""}:
            yield (
                f"none has a {self.balance}: what balancing moves is known when the steps before it have run"
            )
            return
        size = len(values) if self.size is None else self.size
        quotas = self._quotas(counts, size)
        rows = _ranked({group: (number, quotas[group]) for group, number in counts.items()})
        if sum(quotas.values()) == len(values):
            yield (
                f"all {len(values):,} would be chosen; where the steps before it make more than {size:,}, an equal "
                f"share of each of the {len(rows):,} values of {self.balance} is {size // len(rows):,}"
            )
            return
        yield (
            f"balancing over the {len(rows):,} values of {self.balance} would choose: {_listed(rows)}; the steps "
            "before it may drop and add some"
        )
        for field in ("lang", "task", "source"):
            move = None if field == self.balance else _will_move(incoming.values(field), values, quotas)
            if move is not None:
                value, was, (low, high) = move
                becomes = (
                    f"{low:.0%}" if f"{low:.0%}" == f"{high:.0%}" else f"between {low:.0%} and {high:.0%}"
                )
                yield (
                    f"balancing {self.balance} would take {field} {shorten(value, 30) or '(none)'} from {was:.0%} to "
                    f"{becomes} of the set"
                )

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
        rows = _ranked(counts)
        context.facts["strata"] = [
            {"value": group, "records": records, "chosen": quota} for group, (records, quota) in rows
        ]
        context.tell(
            f"{context.step}: balanced over the {len(rows):,} values of {self.balance}: {_listed(rows)}"
        )
        if many := too_many(len(rows), len(before), self.balance):
            context.warn(f"{context.step}: {many}")
        if "" in counts and len(counts) > 1:
            records, quota = counts[""]
            gets = {"share": "get a share of their own", "rest": "get the rest", "drop": "are let go"}
            context.tell(
                f"{context.step}: {records:,} of {len(before):,} records have no {self.balance} and "
                f"{gets[self.unlabelled]}, {quota:,} records: `unlabelled` says what becomes of them"
            )
        for field in ("lang", "task", "source"):
            values = table.values(field) if field != self.balance else []
            found = moved(values, before, chosen) if values else None
            if found is not None:
                value, was, becomes = found
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


def _ranked(counts: Mapping[str, tuple[int, int]]) -> list[tuple[str, tuple[int, int]]]:
    """Of each value its records and how many are chosen, the most chosen first."""
    return sorted(counts.items(), key=lambda item: (-item[1][1], -item[1][0], item[0]))


def _listed(rows: Sequence[tuple[str, tuple[int, int]]]) -> str:
    said = ", ".join(
        f"{shorten(group, 30) or '(none)'} {quota:,} of {records:,}"
        for group, (records, quota) in rows[:SHOWN]
    )
    return said + (f", and {len(rows) - SHOWN:,} more values" if len(rows) > SHOWN else "")


def _will_move(
    values: Sequence[str], groups: Sequence[str], quotas: Mapping[str, int]
) -> tuple[str, float, tuple[float, float]] | None:
    """The value whose share must grow most, its share, and the least and most that it can become.

    None where no share must grow by `MOVED`, whichever records are chosen of each group.
    """
    size = sum(quotas.values())
    if not size:
        return None
    both = Counter((value or "", group) for value, group in zip(values, groups, strict=True))
    of_group, of_value = Counter(groups), Counter(value or "" for value in values)
    least: Counter[str] = Counter()
    most: Counter[str] = Counter()
    for (value, group), number in both.items():
        least[value] += max(0, quotas[group] - (of_group[group] - number))
        most[value] += min(quotas[group], number)
    value = max(of_value, key=lambda name: (least[name] / size - of_value[name] / len(values), name))
    was = of_value[value] / len(values)
    if least[value] / size - was < MOVED:
        return None
    return value, was, (least[value] / size, most[value] / size)
