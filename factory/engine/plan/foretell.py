"""What whole-set steps will do to the records, as far as those that come in show it before anybody was asked."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Iterator, Sequence
from typing import NoReturn, Protocol, runtime_checkable

from factory.data.formats.reference import reference_records, reference_rows
from factory.data.record import Message, Record
from factory.data.table import Table
from factory.errors import FactoryError
from factory.step import Context, Source, Step

MOST = 200_000
"""Records that are read for it: some ten seconds, beside the hours that so many calls take."""


@runtime_checkable
class Foretelling(Protocol):
    """A whole-set step that can tell beforehand what it will do."""

    def foretells(self) -> bool:
        """Whether `foretell` has something to say, so that the records are read for it."""
        ...

    def foretell(self, incoming: Table) -> Iterator[str]:
        """What the step would do to the records as they come in, as the ends of sentences that begin with them.

        Steps before it may drop and add records. Of the records there are the fields alone, no text.
        """
        ...


def foretold(
    steps: Sequence[Step],
    labels: Sequence[str],
    seed: int,
    *,
    start: Table | None = None,
    limit: int | None = None,
    always: bool = False,
) -> list[str]:
    """What the steps that can tell it say of the records that come in, one sentence each.

    Without `always` those alone that stand behind a step that asks a model: what others do is told soon anyway. Nothing
    where the records cannot be read, which the run itself tells. Asks nobody.

    start: the records that come in, where the first step is no source
    """
    asks = itertools.accumulate(map(_asks, steps), lambda before, own: before or own, initial=False)
    telling = [
        (label, step)
        for label, step, before in zip(labels, steps, asks, strict=False)
        if isinstance(step, Foretelling) and step.foretells() and (before or always)
    ]
    if not telling:
        return []
    try:
        records = _incoming(steps, labels, seed) if start is None else start.records()
        few = Table.from_records(map(_without_text, itertools.islice(records, limit or MOST + 1)))
    except FactoryError:
        return []
    if not len(few):
        return []
    if len(few) > MOST:
        later = f"more than {MOST:,} records come in: what it will do is told when it begins"
        return [f"{label}: {later}" for label, _ in telling]
    return [
        f"{label}: of the records that come in, {said}"
        for label, step in telling
        for said in step.foretell(few)
    ]


def _asks(step: Step) -> bool:
    return any(True for kind in ("chat", "embedding") for _ in step.models_of(kind))


def _incoming(steps: Sequence[Step], labels: Sequence[str], seed: int) -> Iterator[Record]:
    for label, step in zip(labels, steps, strict=True):
        if isinstance(step, Source):
            context = Context(
                label,
                seed,
                _no_model,
                _no_model,
                read_records=functools.partial(reference_records, warn=_silent),
                read_rows=functools.partial(reference_rows, warn=_silent),
            )
            yield from (record for record in step.records(context) if record.dropped is None)


def _without_text(record: Record) -> Record:
    """What is told is of a record's fields, and many records are held at a time."""
    return record.but(messages=(Message("user", ""),), input_chars=0, meta={}, events=())


def _no_model(name: str) -> NoReturn:
    raise FactoryError("no model is asked before the run begins")


def _silent(sentence: str) -> None:
    """The run says it when it comes to it."""
