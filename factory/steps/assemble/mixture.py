"""The step that mixes groups of records to target shares."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Iterator, Sequence
from typing import ClassVar, Literal, Self

import numpy as np
from pydantic import Field, field_validator, model_validator

from factory.data.lacking import Lacking
from factory.data.record import Drop
from factory.data.table import Table
from factory.data.text import estimate_tokens, shorten
from factory.errors import nearest
from factory.statistics.arrays import Ints
from factory.statistics.mixing.repeats import FRESH_EPOCHS
from factory.step import Context, WholeSet
from factory.steps.assemble.mixing.draw import order_of, passes, scores_of
from factory.steps.assemble.mixing.groups import FIELDS, Groups, groups_of, range_names, too_many
from factory.steps.assemble.mixing.shares import NEAR, give, in_rows
from factory.steps.assemble.mixing.targets import RULES, Bound, Rule, ShareRule
from factory.steps.assemble.mixing.telling import SHOWN, Outcome, Read, Telling, outcome_of, ratios
from factory.steps.assemble.select.expression import SumOfScores
from factory.steps.assemble.select.moved import moved
from factory.steps.option_types import OneOrSeveral

AT_ONCE = 20_000
"""Records whose texts are read at a time."""
Flags = np.ndarray[tuple[int], np.dtype[np.bool_]]


class Mixture(WholeSet):
    """Mix groups of records (tasks, languages, sources, ...) to target shares, in rows or tokens.

    The groups are the values of `by`: a field, a column of the source, a score or a sum of scores in ranges (`cuts`),
    or several of these together. The `shares` are given for each group, or are

    - proportional: as the groups come in
    - temperature: these, raised to 1 / `temperature` (mT5): 1 keeps them, more brings them closer to each other
    - capped: in proportion to the groups' sizes, of which none counts for more than `cap` (T5, arXiv 1910.10683)
    - balanced: equal

    and each is kept between `minimum` and `maximum`. Within a group the records with the highest `score` go first;
    without one, and among equals, the seed draws. A group that has less than its share is told, and repeated: so many
    `epochs` of it at the most. What repeats are worth beside new rows is told by the data-constrained scaling law
    (arXiv 2305.16264), which finds up to four epochs nearly as good as new ones. A copy is a record of its own behind
    the others, whose history names the first: deduplicate before this step, not after it. What a group cannot give
    even so is left out, or comes from the others, or shrinks the set (`short`).

    `until: full` goes back to the steps of the recipe that make records, before any is repeated: round by round, with
    other random draws, on the records that led to a short group, until it is full or `dry_rounds` rounds have each
    brought less than a tenth of what was missing. Each round's yield is told.

    A record of a group that is to have no share, without a value of `by` or without an answer is let go, and counted.
    For equal shares of the best records, without repeats, there is `assemble`.

    Example:
        - mixture: {by: task, shares: {math: 0.3, code: 0.3, chat: 0.4}, size: 10000}
        - mixture: {by: lang, shares: temperature, temperature: 2, size: 2000000, unit: tokens}
        - mixture: {by: source, shares: {dolly: 0.6, mine: 0.4}, size: 1000, until: full}
    """

    name: ClassVar[str] = "mixture"

    by: OneOrSeveral[str] = Field(
        min_length=1,
        description="what the groups are: task, lang, source, license, a column of the source, a score or a sum of "
        "scores; several stand for all their combinations",
    )
    shares: ShareRule = Field(
        "proportional", description="the share of each group, as numbers that sum to 1, or a rule"
    )
    size: int | None = Field(
        None, ge=1, description="rows or tokens in all; none: as many as keep the shares without a repeat"
    )
    unit: Literal["rows", "tokens"] = Field(
        "rows", description="what shares and size count: rows, or tokens of prompts and answers (estimated)"
    )
    temperature: float = Field(
        2.0, ge=1, le=1000, description="how much `shares: temperature` evens out; 1 not at all"
    )
    cap: int | None = Field(
        None, ge=1, description="rows or tokens that a group counts for in `shares: capped`"
    )
    minimum: Bound = Field(0.0, description="smallest share of every group, or of some by name")
    maximum: Bound = Field(1.0, description="largest share of every group, or of some by name")
    epochs: float = Field(
        float(FRESH_EPOCHS),
        ge=1,
        le=100,
        description="a group is taken so often at the most; 1 repeats nothing",
    )
    short: Literal["leave", "spread", "shrink"] = Field(
        "leave",
        description="what becomes of what a group cannot give: it is left out, spread over the others, or the set "
        "shrinks until the shares hold",
    )
    until: Literal["once", "full"] = Field(
        "once", description="full goes back to the steps that make records until no group is short, or dry"
    )
    dry_rounds: int = Field(
        2, ge=1, le=20, description="rounds in a row that bring little, after which it ends"
    )
    cuts: tuple[float, ...] = Field((), description="where the ranges of a score begin, rising")
    score: SumOfScores = Field(
        "", description="a score, or a sum of scores, whose highest go first; empty: the seed draws"
    )

    @field_validator("shares", mode="before")
    @classmethod
    def _a_rule_or_numbers(cls, value: object) -> object:
        if isinstance(value, str) and value not in RULES:
            raise ValueError(
                f"{shorten(value, 40)!r} is no rule of shares{nearest(value, RULES)}; give numbers as "
                "`shares: {math: 0.3, chat: 0.7}`"
            )
        for group, share in value.items() if isinstance(value, dict) else ():
            if isinstance(share, str) and share.strip().endswith("%"):
                raise ValueError(
                    f"`shares` of {shorten(str(group), 40)!r} is {shorten(share, 20)}: write 0.3 for 30%"
                )
        return value

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if any(not one.strip() for one in self.by):
            raise ValueError("`by` has an empty name: say what the groups are, such as `by: task`")
        if isinstance(self.shares, dict) and abs(math.fsum(self.shares.values()) - 100) <= 1:
            raise ValueError(f"`shares` sum to 100, not to 1; with the same ratios: {ratios(self.shares)}")
        for name in ("shares", "minimum", "maximum"):
            value = getattr(self, name)
            named = value if isinstance(value, dict) else {"": value} if isinstance(value, float) else {}
            for group, share in named.items():
                if not 0 <= share <= 1:
                    of = f" of {shorten(group, 40)!r}" if group else ""
                    raise ValueError(f"`{name}`{of} is {share:g}: a share lies from 0 to 1")
        if isinstance(self.shares, dict):
            if not any(self.shares.values()):
                raise ValueError("`shares` gives no group a share above 0")
            total = math.fsum(self.shares.values())
            if abs(total - 1) > NEAR:
                raise ValueError(
                    f"`shares` sum to {total:g}, not to 1; with the same ratios: {ratios(self.shares)}"
                )
        if (self.shares == "capped") != (self.cap is not None):
            raise ValueError("`cap` and `shares: capped` go together: give both, or neither")
        if self.shares != "temperature" and "temperature" in self.model_fields_set:
            raise ValueError("`temperature` is for `shares: temperature`: set that, or leave it out")
        least, most = self.minimum, self.maximum
        for name, bound in (("minimum", least), ("maximum", most)):
            for group in bound if isinstance(bound, dict) else ():
                if isinstance(self.shares, dict) and group not in self.shares:
                    raise ValueError(
                        f"`{name}` names the group {group!r}, which has no share{nearest(group, list(self.shares))}"
                    )
        if isinstance(least, dict) and math.fsum(least.values()) > 1 + NEAR:
            raise ValueError(f"the shares of `minimum` sum to {math.fsum(least.values()):g}, more than 1")
        if list(self.cuts) != sorted(set(self.cuts)):
            raise ValueError("`cuts` must rise: each is where the next range begins")
        if self.cuts and len(self.by) != 1:
            raise ValueError("`cuts` are of one score: give one `by`")
        if self.cuts and self.by[0] in FIELDS:
            raise ValueError(f"`cuts` are of a score, and {self.by[0]} is none")
        if self.until == "full" and self.size is None:
            raise ValueError("`until: full` needs a `size` to be filled")
        return self

    def fills(self) -> bool:
        """Whether the engine is to go back to the steps before, as long as `lacking` says that something is."""
        return self.until == "full"

    def lacking(self, table: Table, context: Context) -> Lacking:
        """What short groups lack, before any record is repeated.

        Raises:
            RunStopped: as `run`, but that a group without a record may be filled yet.
        """
        read = self._read(table, context, filling=True)
        groups, given = read.groups, read.given
        short, missing = given.short, {}
        for group, lack in short.items():
            mean = 1.0
            if read.tokens is not None:
                at = groups.names.index(group) if group in groups.names else -1
                own = read.tokens[read.usable & (groups.of == at)]
                own = own if len(own) else read.tokens
                mean = float(own.mean()) if len(own) else 1.0
            missing[group] = max(1, math.ceil(lack / max(mean, 1.0) - 1e-6))
        wanted = np.array([name in short for name in groups.names], bool)
        rows = np.flatnonzero(wanted[groups.of]) if len(groups.names) else np.zeros(0, np.int64)
        if any(group not in groups.names for group in short):
            rows = np.arange(len(table))  # any record may lead to a group that has none
        return Lacking(missing, rows.tolist(), self.dry_rounds)

    async def run(self, table: Table, context: Context) -> Table:
        """See `WholeSet.run`.

        Raises:
            RunStopped: there is no such column, a group that is to have a share has no record, or the bounds cannot be
                held.
        """
        if not len(table):
            return table
        return await asyncio.to_thread(self._mixed, table, context)

    def _mixed(self, table: Table, context: Context) -> Table:
        read = self._read(table, context, filling=False)
        groups, given = read.groups, read.given
        scores = scores_of(table, self.score, context) if self.score else None
        # In the order of the ids, so that the order of the file does not matter.
        ids = np.array(table.ids(), dtype=object)
        by_id = np.argsort(ids, kind="stable")
        of_rows = groups.of[by_id]
        takes = dict(given.taken)
        if read.tokens is None:
            room = {group: int(self.epochs * given.there[group] + NEAR) for group in takes}
            takes = {group: float(rows) for group, rows in in_rows(takes, room).items()}
        copies: dict[int, list[Ints]] = {}
        chosen = np.zeros(len(table), bool)
        outcome = []
        for number, group in enumerate(groups.names):
            members = by_id[of_rows == number]
            members = members[read.usable[members]]
            if group not in takes:
                continue
            seed = context.random("mixture", group).getrandbits(64)
            order = order_of(members, scores, np.random.default_rng(seed))
            taken = passes(order, read.tokens, takes[group])
            if taken:
                chosen[taken[0]] = True
            for epoch, rows in enumerate(taken[1:], start=2):
                copies.setdefault(epoch, []).append(rows)
            outcome.append(outcome_of(group, read, taken))
        outcome += [outcome_of(group, read, []) for group in given.shares if group not in groups.names]
        self._tell(table, read, outcome, np.flatnonzero(chosen), context)
        drops = self._drops(read, chosen, context)
        result = table.drop(drops)
        return result.with_rows(
            *(
                table.repeated(np.sort(np.concatenate(rows)), context.step, epoch)
                for epoch, rows in sorted(copies.items())
            )
        )

    def _read(self, table: Table, context: Context, *, filling: bool) -> Read:
        groups = (
            groups_of(table, self.by, self.cuts, context.step)
            if len(table)
            else Groups((), np.zeros(0, np.int64))
        )
        answered = np.zeros(len(table), bool)
        tokens = np.zeros(len(table), np.int64) if self.unit == "tokens" else None
        at = 0
        for part in table.parts(AT_ONCE):  # the texts of a million records take more room than the records
            outputs = part.texts("output")
            here = slice(at, at := at + len(part))
            answered[here] = [bool(text.strip()) for text in outputs]
            if tokens is not None:
                prompts = part.texts("prompt")
                tokens[here] = [
                    estimate_tokens(one) + estimate_tokens(two)
                    for one, two in zip(prompts, outputs, strict=True)
                ]
        weights = answered.astype(np.int64) if tokens is None else np.where(answered, tokens, 0)
        rows, there = groups.counts(), groups.counts(weights)
        there = {group: number for group, number in there.items() if group}
        rule = Rule(
            self.shares, self.temperature, self.cap, self.minimum, self.maximum, range_names(self.cuts)
        )
        shares = rule.of(there, rows, " / ".join(self.by), context.step, filling=filling)
        for group in shares:
            there.setdefault(group, 0)
        given = give(
            shares,
            {group: there[group] for group in shares},
            self.size,
            1.0 if filling else self.epochs,
            "leave" if filling else self.short,
        )
        to_have = np.array([name in shares for name in groups.names], bool)
        grouped = to_have[groups.of] if len(groups.names) else np.zeros(len(table), bool)
        return Read(groups, rows, given, answered, answered & grouped, tokens)

    def _drops(self, read: Read, chosen: Flags, context: Context) -> dict[int, Drop]:
        groups = read.groups
        step, by = context.step, " / ".join(self.by)
        there = groups.counts(read.usable.astype(np.int64))
        picked = groups.counts(chosen.astype(np.int64))
        which = f"the highest by {self.score}" if self.score else "drawn"
        without = Drop(step, "no_group", f"it has no {by}")
        unanswered = Drop(step, "no_answer", "it has no answer to train on")
        no_share = [
            Drop(step, "no_share", f"{by} {shorten(name, 40)!r} is to have no share") for name in groups.names
        ]
        others = [
            Drop(
                step,
                "not_chosen",
                f"not among the {picked[name]:,} that are {which} of the {there[name]:,} with {by} "
                f"{shorten(name, 40)!r}",
                {"chosen": float(picked[name]), "of": float(there[name])},
            )
            for name in groups.names
        ]
        drops: dict[int, Drop] = {}
        for row in np.flatnonzero(~chosen).tolist():
            at = int(groups.of[row])
            if not groups.names[at]:
                drops[row] = without
            elif not read.answered[row]:
                drops[row] = unanswered
            else:
                drops[row] = others[at] if read.usable[row] else no_share[at]
        for kind in ("no_group", "no_share", "no_answer"):
            context.count(kind, sum(drop.kind == kind for drop in drops.values()))
        return drops

    def _tell(
        self, table: Table, read: Read, outcome: Sequence[Outcome], chosen: Ints, context: Context
    ) -> None:
        context.count("short_groups", len(read.given.short))
        told = Telling(" / ".join(self.by), self.unit, self.size, self.short, outcome)
        context.facts["mixture"] = told.facts()
        context.tell(f"{context.step}: {told.mixed()}")
        if many := too_many(len(read.groups.names), len(table), told.by):
            context.warn(f"{context.step}: {many}")
        for sentence in told.shortages():
            context.warn(f"{context.step}: {sentence}")
        for sentence in told.repeats():
            context.tell(f"{context.step}: {sentence}")
        if told.too_often():
            context.warn(f"{context.step}: {told.too_often()}")
        named = np.array([bool(name) for name in read.groups.names], bool)
        grouped = named[read.groups.of] if len(named) else np.zeros(len(table), bool)
        for kind, rows in (
            (f"without {told.by}", int((read.answered & ~grouped).sum())),
            ("of a group without a share", int((read.answered & grouped & ~read.usable).sum())),
            ("without an answer", int((~read.answered).sum())),
        ):
            if rows:
                context.tell(f"{context.step}: {rows:,} of {len(table):,} records are {kind}, and are let go")
        before = np.flatnonzero(read.usable).tolist()
        for field in ("lang", "task", "source"):
            values = table.values(field) if (field,) != self.by else []
            found = moved(values, before, chosen.tolist()) if values and before else None
            if found is not None:
                value, was, becomes = found
                context.tell(
                    f"{context.step}: mixing by {told.by} takes {field} {shorten(value, 30) or '(none)'} from "
                    f"{was:.0%} to {becomes:.0%} of the set, repeats apart"
                )

    def foretells(self) -> bool:
        """Whether something can be told beforehand: of given shares of a field, or that more may be asked."""
        return self.until == "full" or (
            len(self.by) == 1 and self.by[0] in FIELDS and isinstance(self.shares, dict)
        )

    def foretell(self, incoming: Table) -> Iterator[str]:
        """Which groups that are to have a share no record has as yet, and that filling is not in an estimate."""
        if len(self.by) == 1 and self.by[0] in FIELDS and isinstance(self.shares, dict):
            there = set(incoming.values(self.by[0]))
            lacking = [group for group, share in self.shares.items() if share and group not in there]
            if lacking:
                shown = ", ".join(repr(shorten(group, 30)) for group in lacking[:SHOWN])
                yield f"none has {self.by[0]} {shown}, which `shares` names: steps before must make such records"
        if self.until == "full":
            yield (
                "some may be worked on again to fill short groups (`until: full`): what that asks is in no estimate; "
                "`budget` bounds it"
            )
