"""Cap the rounds of training on what models wrote, and keep real rows at a share."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import ClassVar

from pydantic import Field

from factory.data.record import Drop, Event, Record
from factory.data.rounds import ROUND, kept_round
from factory.data.table import Table
from factory.errors import RecipeError, RunStopped
from factory.statistics.interval import percent
from factory.step import Context, WholeSet, find_step

_JUDGE = tuple(
    f"factory.steps.{name}." for name in ("judging", "tags", "score", "dedup", "assemble", "files")
)
"""Where steps live whose models read records and write nothing into them."""


class SelfTrainingGuard(WholeSet):
    """Cap the rounds of generating, checking and choosing, and keep rows that no model wrote at a share.

    A model that is trained on answers of its own that a check let through gets better for a round or two; round after
    round it comes to believe what the check believes, and what the check does not know is lost. Two plain bounds hold
    against that: at most `max_rounds`, and at least `real_share` of rows that people wrote.

    The round of a record is that of its column `self_training_round`, plus 1 where a model wrote in it since: its
    answer or its instruction, by any step that writes (those that only grade, tag or score do not count). A row without
    the column is one of round 0, real, unless its source is one of `generated`, which makes it 1: nothing else tells
    that a model wrote a file. The step writes the column into each record, and `export` writes it with each row, so
    that the next run, which reads the set of this one, counts on. A row whose column holds no whole number is dropped
    ("unknown_round").

    Records beyond `max_rounds` are dropped ("too_many_rounds"). Of those that are left, as many written rows are
    dropped ("real_share") as are more than `real_share` allows: the highest rounds first, equals by a draw of the seed.
    Where a share is wanted and no row is real, the run stops here and says so; all that was made is in the run's
    folder. What was done is in the facts, and the rounds and the share of the set are in the card that `export` writes.

    Put it behind the steps that drop, so that the share holds of what is trained on.

    Source: arXiv 2510.16657 for what rounds with a verifier come to, and that real rows hold against it. The numbers
    of rounds and of the share are ours: choose them by a test set that no model wrote.

    Example:
        - self_training_guard: {max_rounds: 2, real_share: 0.2}
        - self_training_guard: {max_rounds: 1, real_share: 0, generated: [alpaca.jsonl]}
    """

    name: ClassVar[str] = "self_training_guard"

    max_rounds: int = Field(3, ge=0)
    """Most rounds of a record that is kept; 0 keeps rows that no model wrote."""
    real_share: float = Field(0.1, ge=0, le=1)
    """The least share of rows that no model wrote, of all that are kept; 0: none is asked for."""
    generated: tuple[str, ...] = ()
    """Sources (`source` of a record) whose rows a model wrote, where their file does not tell."""

    async def run(self, table: Table, context: Context) -> Table:
        """See `WholeSet.run`."""
        records = list(table.records())
        unknown = set(self.generated) - {record.source for record in records}
        if unknown and records:
            context.warn(f"{context.step}: no record is of the source {sorted(unknown)[0]!r} (`generated`)")
        rounds = [self._round(record, context) for record in records]
        drops = {
            at: Drop(
                context.step,
                "too_many_rounds",
                f"it went through {number} rounds of models that write; at most {self.max_rounds} are kept",
                {"round": float(number)},
            )
            if number is not None
            else Drop(context.step, "unknown_round", f"its column {ROUND} holds no round: write 0, 1, 2, ...")
            for at, number in enumerate(rounds)
            if number is None or number > self.max_rounds
        }
        real = [at for at, number in enumerate(rounds) if number == 0]
        written = [at for at in range(len(records)) if at not in drops and rounds[at] != 0]
        if written and not real and self.real_share:
            raise RunStopped(
                f"{context.step}: all {len(written):,} records were written by models, and `real_share` asks for "
                f"{self.real_share:.0%} that were not: read real rows beside them, or set `real_share: 0`"
            )
        surplus = self._surplus(records, rounds, written, len(real), context)
        for at in surplus:
            reason = (
                f"{len(written):,} records were written by models beside {len(real):,} real ones; with a share of "
                f"{self.real_share:.0%} real rows {len(written) - len(surplus):,} are kept"
            )
            drops[at] = Drop(context.step, "real_share", reason, {"round": float(rounds[at] or 0)})
        self._tell(rounds, drops, context)
        event = Event(context.step, self.name)
        told = [
            replace(
                record,
                meta=record.meta if number is None else {**record.meta, ROUND: number},
                events=(*record.events, event),
            )
            for record, number in zip(records, rounds, strict=True)
        ]
        return Table.from_records(told).drop(drops)

    def _round(self, record: Record, context: Context) -> int | None:
        """A record's round; None where its column says none."""
        kept = kept_round(record)
        if kept is None and record.meta.get(ROUND) is not None:
            context.count("rows_with_an_unknown_round")
            return None
        before = kept if kept is not None else int(record.source in self.generated)
        return before + was_written(record)

    def _surplus(
        self,
        records: Sequence[Record],
        rounds: Sequence[int | None],
        written: Sequence[int],
        real: int,
        context: Context,
    ) -> list[int]:
        """The written records that are too many beside so many real ones."""
        if not self.real_share or not written:
            return []
        # As many as leave the real ones their share; a rounding error must not cost a record.
        most = math.floor(real * (1 - self.real_share) / self.real_share + 1e-9)
        draws = {at: context.random("surplus", records[at].id).random() for at in written}
        order = sorted(written, key=lambda at: (rounds[at] or 0, draws[at], records[at].id))
        return sorted(order[most:])

    def _tell(self, rounds: Sequence[int | None], drops: Mapping[int, Drop], context: Context) -> None:
        came = Counter(number for number in rounds if number is not None)
        kept = Counter(number for at, number in enumerate(rounds) if at not in drops and number is not None)
        kinds = Counter(drop.kind for drop in drops.values())
        for kind in ("too_many_rounds", "real_share", "unknown_round"):
            context.count(f"dropped_{kind}", kinds[kind])
        total = kept.total()
        context.facts["rounds"] = [
            {"round": number, "came_in": came[number], "kept": kept[number]} for number in sorted(came)
        ]
        if not total:
            return
        share = kept[0] / total
        context.facts["real_share_of_what_is_kept"] = round(share, 4)
        let_go = "; ".join(f"{number:,} let go as {kind}" for kind, number in sorted(kinds.items()))
        context.tell(
            f"{context.step}: {percent(share)} of {total:,} records that are kept were written by no model "
            f"(at least {self.real_share:.0%} asked for), the highest round is {max(kept)} of at most "
            f"{self.max_rounds}{f'; {let_go}' if let_go else ''}"
        )


def was_written(record: Record) -> bool:
    """Whether a model wrote in a record since its round was last told."""
    since = 0
    for at, event in enumerate(record.events):
        if event.operation == SelfTrainingGuard.name:
            since = at + 1
    return any(event.model and _writes(event.step) for event in record.events[since:])


def _writes(step: str) -> bool:
    """Whether a step of this label writes records; of one that is not known, it is taken to."""
    try:
        return not find_step(step.split("-", 1)[-1]).__module__.startswith(_JUDGE)
    except RecipeError:
        return True
