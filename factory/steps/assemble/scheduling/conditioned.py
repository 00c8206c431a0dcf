"""C-RLFT: the quality of a record's source as the condition that it is learned under, and as its weight."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Literal, TypeAlias

from factory.data.record import Event, Message, Record

Place: TypeAlias = Literal["template", "system", "column"]
CONDITION = "condition"
"""The column, and the template's argument, that holds a record's condition."""


def conditioned(
    records: Iterable[Record],
    conditions: Iterable[str],
    weights: Mapping[str, float],
    place: Place,
    event: Event,
) -> Iterator[Record]:
    """Each record under its condition, what the assistant says weighing as much as its source is worth.

    A turn that is not to be learned (weight 0) stays so; one that weighs already weighs both. A record without a
    condition ("") stays as it is.

    Source: OpenChat, C-RLFT (arXiv 2309.11235): two sources, of weight 1 and 0.1, told apart by the role's prefix;
    the best condition is the one asked for in use.
    """
    for record, condition in zip(records, conditions, strict=True):
        if not condition:
            yield record
            continue
        weight = weights[condition]
        messages = tuple(
            turn._replace(weight=weight * (1.0 if turn.weight is None else turn.weight))
            if turn.role == "assistant"
            else turn
            for turn in record.messages
        )
        arguments = dict(record.template_arguments)
        if place == "template":
            arguments[CONDITION] = condition
        elif place == "system":
            messages = _with_system(messages, condition)
        yield replace(
            record,
            messages=messages,
            template_arguments=arguments,
            meta={**record.meta, CONDITION: condition},
            events=(*record.events, event),
        )


def _with_system(messages: tuple[Message, ...], condition: str) -> tuple[Message, ...]:
    if messages and messages[0].role == "system":
        first = messages[0]
        return (first._replace(content=f"{condition}\n\n{first.content}"), *messages[1:])
    return (Message("system", condition), *messages)
