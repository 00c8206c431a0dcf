"""Stages of training, and the table that they make of a set: rows in order, and those that come again as copies."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from factory.data.arrow import to_array
from factory.data.record import Event, Record, record_id
from factory.data.table import Table
from factory.data.user_columns import STAGE, with_columns
from factory.statistics.arrays import Ints

AGAIN = "repeat"
"""The operation in the history of a record that repeats an earlier stage's."""
TRAINERS = {
    "TRL, Unsloth": 'train_sampling_strategy="sequential" (transformers 5; before it the sampler is overridden)',
    "LLaMA-Factory": "disable_shuffling: true",
    "Axolotl": "curriculum_sampling: true, shuffle_merged_datasets: false",
    "torchtune": "shuffle: false",
}
"""What keeps the order of a file's rows, by trainer; each shuffles them otherwise."""


@dataclass(frozen=True, slots=True)
class Stage:
    """One stage of training.

    name: what it is of, for a person
    rows: row numbers of the set, in the order in which they are seen
    again: whether each was seen in an earlier stage, shape (rows,)
    facts: what else the plan says of it
    """

    name: str
    rows: Ints
    again: np.ndarray[Any, np.dtype[np.bool_]]
    facts: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        name: str,
        rows: Ints,
        again: Ints,
        random: np.random.Generator | None,
        facts: Mapping[str, Any] | None = None,
    ) -> Stage:
        """A stage of these rows and of those that come again, mixed by `random`, or as they stand."""
        both = np.concatenate([rows, again]).astype(np.int64)
        flags = np.repeat([False, True], [len(rows), len(again)])
        if random is not None:
            order = random.permutation(len(both))
            both, flags = both[order], flags[order]
        return cls(name, both, flags, facts or {})


def staged(table: Table, stages: Sequence[Stage], rest: Ints, step: str) -> Table:
    """The table with its rows in the order of the stages, each carrying its stage; the `rest` comes last, as it is.

    A row that comes again is a record of its own: the same conversation under another id, its history naming the
    record that it repeats.
    """
    copies: list[Record] = []
    places: list[int] = []
    start = 0
    for number, stage in enumerate(stages, start=1):
        repeated = np.flatnonzero(stage.again)
        # A row may come again more than once in one stage, where few rows are to fill a large share.
        seen: dict[str, int] = {}
        for place, record in zip(repeated.tolist(), table.take(stage.rows[repeated]).records(), strict=True):
            time = seen[record.id] = seen.get(record.id, 0) + 1
            copies.append(_again(record, number, time, step))
            places.append(start + place)
        start += len(stage.rows)
    whole = table.take(np.concatenate([*(stage.rows for stage in stages), rest]).astype(np.int64))
    if copies:
        whole = _with_copies(whole, copies, places)
    stage_of: list[int | None] = [
        number for number, stage in enumerate(stages, start=1) for _ in range(len(stage.rows))
    ]
    return with_columns(whole, {STAGE: [*stage_of, *[None] * len(rest)]})


def _with_copies(table: Table, copies: Sequence[Record], places: Sequence[int]) -> Table:
    """The table with the copies' ids and histories at these places, where all else is theirs already."""
    import pyarrow as pa

    made = Table.from_records(copies).arrow
    indices = np.arange(len(table))
    indices[places] = len(table) + np.arange(len(copies))
    arrow = table.arrow
    for name in ("id", "events"):
        column = pa.concat_arrays([*arrow.column(name).chunks, *made.column(name).chunks])
        at = arrow.schema.get_field_index(name)
        arrow = arrow.set_column(at, arrow.schema.field(at), column.take(to_array(indices, pa.int64())))
    return Table(arrow)


def _again(record: Record, stage: int, time: int, step: str) -> Record:
    event = Event(step, AGAIN, parents=(record.id,))
    name = step.split("-", 1)[-1]
    lineage = (name, AGAIN, str(stage), str(time), record.id)
    return replace(record, id=record_id(record.messages, *lineage), events=(*record.events, event))
