"""A checklist: criteria with weights that a good answer to one instruction meets, and where a record keeps it.

The record keeps it in the column `checklist` of its row, so that every format carries it: a list of {"criterion": ...,
"weight": 1 to 10, "harder": true or false} in order.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Annotated, Any, NamedTuple

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, create_model

from factory.data.record import Record
from factory.data.text import is_blank, normal_form, shorten
from factory.errors import RecordFailed

COLUMN = "checklist"
MOST_WEIGHT = 10
_CHARACTERS = 400
"""Bound of a criterion where the server keeps to the schema."""


def _worded(text: str) -> str:
    if is_blank(text):
        raise ValueError("must have words")
    return " ".join(text.split())


class CriterionReply(BaseModel):
    """One criterion as a model writes it."""

    model_config = ConfigDict(extra="forbid")

    criterion: Annotated[str, AfterValidator(_worded), Field(json_schema_extra={"maxLength": _CHARACTERS})]
    weight: Annotated[int, Field(ge=1, le=MOST_WEIGHT, strict=True)]


class ChecklistReply(BaseModel):
    """What a model replies that writes criteria."""

    model_config = ConfigDict(extra="forbid")

    criteria: Annotated[list[CriterionReply], Field(min_length=1)]


@functools.lru_cache(maxsize=64)
def checklist_schema(most: int) -> type[ChecklistReply]:
    """The schema of a reply of 1 to `most` criteria. More are tolerated on reading.

    A small model that is held to a list without an end says the same criterion until its tokens are spent.
    """
    bound = Field(min_length=1, json_schema_extra={"maxItems": most})
    return create_model("BoundedChecklist", __base__=ChecklistReply, criteria=(list[CriterionReply], bound))


class Criterion(NamedTuple):
    """One thing that an answer does or does not.

    weight: 1 to 10
    harder: it was found by comparing two answers
    """

    text: str
    weight: int
    harder: bool = False


class _Kept(CriterionReply):
    harder: bool = False


def checklist_of(record: Record) -> tuple[Criterion, ...]:
    """The checklist that a record keeps; none where it has no such column.

    Raises:
        RecordFailed: the column holds something else ("bad_checklist").
    """
    column = record.meta.get(COLUMN)
    if column is None:
        return ()
    try:
        if not isinstance(column, Sequence) or isinstance(column, str) or not column:
            raise ValueError("is no list of criteria")
        kept = [_Kept.model_validate(one) for one in column]
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        what = f"{'.'.join(map(str, first['loc']))}: {first['msg']}"
    except ValueError as error:
        what = str(error)
    else:
        return tuple(Criterion(one.criterion, one.weight, one.harder) for one in kept)
    raise RecordFailed(
        "bad_checklist",
        f'the column checklist {shorten(what, 120)}: write it as [{{"criterion": "...", "weight": 1 to 10}}], or leave '
        "it out",
    )


def with_checklist(record: Record, criteria: Sequence[Criterion]) -> Record:
    """The record with this checklist in its column."""
    column: list[dict[str, Any]] = [
        {"criterion": one.text, "weight": one.weight, "harder": one.harder} for one in criteria
    ]
    return replace(record, meta={**record.meta, COLUMN: column})


def joined(lists: Iterable[Iterable[Criterion]]) -> tuple[list[Criterion], int]:
    """The criteria of several lists in order, each once, and how many said what one before them says."""
    kept: dict[str, Criterion] = {}
    number = 0
    for one in (criterion for criteria in lists for criterion in criteria):
        number += 1
        kept.setdefault(normal_form(one.text), one)
    return list(kept.values()), number - len(kept)


def numbered(criteria: Iterable[Criterion], *, weights: bool = False) -> str:
    """Criteria as a prompt shows them: a number and a criterion a line, with their weights or without."""
    return "\n".join(
        f"{number}. {one.text}" + (f" ({one.weight})" if weights else "")
        for number, one in enumerate(criteria, start=1)
    )
