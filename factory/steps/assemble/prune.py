"""The step that prunes rows by what a training run's log says of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import ClassVar, Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from factory.data.named_files import named_files
from factory.data.record import Record
from factory.data.table import Table
from factory.data.training_log import read_trajectories
from factory.errors import InputError
from factory.statistics.arrays import Floats
from factory.statistics.interval import percent, wilson
from factory.statistics.training.trajectories import (
    ALPHA,
    FATES,
    LEARNED_LOSS,
    Fate,
    Fates,
    fates,
    smoothed,
    window,
)
from factory.step import Context, WholeSet
from factory.steps.option_types import OneOrSeveral

Flags = NDArray[np.bool_]
LOST = 0.5
"""Share of a log's ids that no record has from which on it is another set's log."""


class Prune(WholeSet):
    """Prune rows by their losses over the epochs of a training run: the easy, the never learned, the forgotten.

    `log` is a file that the trainer wrote (`factory follow` says how): a row {"id", "losses": [one an epoch]} for each
    record, and for `by: el2n` also "el2n": [...], the length of the error vector averaged over the tokens.

    With `keep` the hardest share of the rows stays, by the score smoothed over the epochs: an exponential moving
    average, the newest epoch weighing `alpha`, plus `variation` times its moving deviation. `offset` leaves out the
    very hardest, which are often wrong. Train some epochs on all, prune, train on, log all rows again and prune anew:
    what was pruned may return.

    `let_go` names what else goes: `never_learned`, whose loss was above `learned_loss` at each epoch (ln 2: a token has
    probability one half, as a geometric mean), `forgotten`, learned once and not at the end, `learned`, known at the
    end. The scores "prune.score", "prune.forgettings" and "prune.first_learned" (the epoch; none where it
    never was) are kept on each record.

    A record that the log does not have is kept, and counted; so is an id of the log that no record has. A log with a
    missing epoch is refused.

    Source: NLU on Data Diets (arXiv 2306.03208): half of the rows at full accuracy on its tasks; EL2N, arXiv
    2107.07075; forgetting, arXiv 1812.05159. None of it says that a model trained on your rows is as good.

    Example:
        - prune: {log: losses.jsonl, keep: 0.5, offset: 0.05}
        - prune: {log: losses.jsonl, let_go: [never_learned]}
    """

    name: ClassVar[str] = "prune"

    log: str = Field(min_length=1, description='a file of rows {"id", "losses": [one for each epoch]}')
    by: Literal["losses", "el2n"] = Field("losses", description="the column of the log that `keep` goes by")
    keep: float | None = Field(
        None, gt=0, le=1, description="share of the rows to keep, the hardest; none: all"
    )
    offset: float = Field(0.0, ge=0, lt=1, description="share of the very hardest to leave out")
    alpha: float = Field(ALPHA, gt=0, le=1, description="weight of the newest epoch in the moving average")
    variation: float = Field(
        0.0, ge=0, description="how much of the moving deviation is added to the average"
    )
    let_go: OneOrSeveral[Fate] = Field(
        (), description="what else is let go: learned, forgotten, never_learned"
    )
    learned_loss: float = Field(
        LEARNED_LOSS, gt=0, description="at most this loss a row is learned, nats a token"
    )

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.keep is None and not self.let_go:
            raise ValueError("nothing is pruned: give `keep`, or `let_go`")
        if self.keep is not None and self.keep + self.offset > 1:
            raise ValueError(
                f"`keep` {self.keep:g} and `offset` {self.offset:g} are more than all rows together"
            )
        if self.keep is None and self.offset:
            raise ValueError("`offset` leaves out the hardest of what `keep` keeps: give `keep`")
        return self

    def inputs(self) -> Sequence[Path]:
        """See `Step.inputs`."""
        return named_files(self.log)

    async def run(self, table: Table, context: Context) -> Table:
        """See `WholeSet.run`.

        Raises:
            InputError: the log lacks an epoch or a column, or is another set's.
        """
        if not len(table):
            return table
        losses: dict[str, list[float]] = {}
        scores: dict[str, list[float]] = {}
        for path in self.inputs():
            _add(losses, read_trajectories(path, context.read_rows(path), "losses"), path)
            if self.keep is not None:
                _add(scores, read_trajectories(path, context.read_rows(path), self.by), path)
        names = _names(table, losses)
        rows = np.array([at for at, name in enumerate(names) if name in losses], np.int64)
        self._check_ids(names, losses, len(rows), context)
        own = np.array([losses[names[at]] for at in rows.tolist()], np.float64)
        fate = fates(own, self.learned_loss)
        score = None
        kept = np.ones(len(rows), np.bool_)
        if self.keep is not None:
            score = smoothed(
                np.array([scores[names[at]] for at in rows.tolist()], np.float64), self.alpha, self.variation
            )
            kept = window(score, self.keep, self.offset)
        self._tell(fate, kept, own.shape[1], len(table) - len(rows), context)
        place = {at: row for row, at in enumerate(rows.tolist())}
        return Table.from_records(
            self._pruned(record, place.get(at), fate, score, kept, context)
            for at, record in enumerate(table.records())
        )

    def _check_ids(
        self, names: Sequence[str], losses: dict[str, list[float]], known: int, context: Context
    ) -> None:
        unknown = len(losses) - len(set(names) & losses.keys())
        if not known or unknown > LOST * len(losses):
            raise InputError(
                f"{self.log}: {unknown:,} of its {len(losses):,} ids are of no record of this set: log the column `id` "
                "that export writes, of the same set"
            )
        context.count("ids_of_the_log_without_record", unknown)
        context.count("records_not_in_the_log", len(names) - known)
        if unknown or known < len(names):
            context.warn(
                f"{context.step}: {unknown:,} ids of the log are of no record, and {len(names) - known:,} records are "
                "not in the log and are kept"
            )

    def _tell(self, found: Fates, kept: Flags, epochs: int, unlogged: int, context: Context) -> None:
        counts = np.bincount(found.fate, minlength=len(FATES)).tolist()
        context.facts["fates"] = dict(zip(FATES, counts, strict=True))
        context.facts["epochs"] = epochs
        said = ", ".join(
            f"{name.replace('_', ' ')} {percent(number / len(found.fate), wilson(number, len(found.fate)))}"
            for name, number in zip(FATES, counts, strict=True)
        )
        context.tell(f"{context.step}: over {epochs} epochs of {len(found.fate):,} rows: {said}")
        if self.keep is not None:
            context.tell(
                f"{context.step}: keeps {int(kept.sum()):,} of {len(kept):,} rows by {self.by}, the hardest but for "
                f"{round(self.offset * len(kept)):,}"
            )
        if epochs < 2:
            context.warn(
                f"{context.step}: the log has one epoch: nothing can be told of forgetting, nor smoothed"
            )

    def _pruned(
        self,
        record: Record,
        row: int | None,
        found: Fates,
        score: Floats | None,
        kept: Flags,
        context: Context,
    ) -> Record:
        if row is None:
            return record
        scores = {
            **record.scores,
            "prune.forgettings": float(found.forgettings[row]),
        }
        if found.first[row]:
            scores["prune.first_learned"] = float(found.first[row])
        if score is not None:
            scores["prune.score"] = float(score[row])
        record = replace(record, scores=scores).with_event(context.event("prune"))
        fate = FATES[found.fate[row]]
        numbers = {name: value for name, value in scores.items() if name.startswith("prune.")}
        if fate in self.let_go:
            drop = context.drop(fate, f"it was {fate.replace('_', ' ')} at the last epoch", numbers)
            return replace(record, dropped=drop)
        if not kept[row]:
            why = f"its {self.by} ({numbers['prune.score']:.3f}) is not in the share that is kept"
            return replace(record, dropped=context.drop("pruned", why, numbers))
        return record


def _names(table: Table, logged: dict[str, list[float]]) -> list[str]:
    """What each record is called in the log: its id, else the user's own `id`."""
    ids = table.ids()
    if any(id in logged for id in ids):
        return ids
    own = [record.meta.get("id") for record in table.records()]
    return [id if value is None else str(value) for id, value in zip(ids, own, strict=True)]


def _add(found: dict[str, list[float]], more: dict[str, list[float]], path: Path) -> None:
    """Put what another file of the log says to what the files before it said.

    Raises:
        InputError: a row is in two files, or they have not as many epochs.
    """
    twice = next((id for id in more if id in found), None)
    if twice is not None:
        raise InputError(f"{path}: {twice} is in another file of the log already: write one row for each id")
    if found and more:
        epochs, others = len(next(iter(more.values()))), len(next(iter(found.values())))
        if epochs != others:
            raise InputError(
                f"{path}: its rows have {epochs} epochs and those of the files before it {others}: log every row at "
                "each epoch"
            )
    found |= more
