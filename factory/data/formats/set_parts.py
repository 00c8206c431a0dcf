"""The parts of a data set, a file each: what is trained on, validated on and tested on, stages, and experts' sets."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from factory.data.record import Record
from factory.data.user_columns import EXPERT, SPLIT, SPLITS, STAGE

TRAIN = "train"
PART = re.compile(r"train|validation|test|stage_\d{1,4}|expert_\w{1,80}")
"""What a part is called: as its split in `datasets`, and as its file."""
MANY = 1000
"""Parts of a set, at most."""


def part_name(record: Record) -> str:
    """The part that a record's columns `split`, `stage` and `expert` put it in; "train" without any.

    Held-out records are in their own part whatever their stage. A column of the user's own that holds something else
    is no part.
    """
    meta = record.meta
    split = meta.get(SPLIT)
    if split in SPLITS[1:]:
        return str(split)
    expert = meta.get(EXPERT)
    if isinstance(expert, str) and expert.strip():
        return f"expert_{slug(expert)}"
    stage = meta.get(STAGE)
    if isinstance(stage, int) and not isinstance(stage, bool) and 0 < stage <= MANY:
        return f"stage_{stage}"
    return TRAIN


def slug(name: str) -> str:
    """A name as a part of a file's name: letters, digits and "_", of any language, at most 60."""
    return re.sub(r"\W+", "_", name).strip("_")[:60] or "unnamed"


def part_names(records: Iterable[Record]) -> list[str]:
    """The parts that records are in: stages in their order, experts, then train, validation and test."""
    found = {part_name(record) for record in records}
    return sorted(found, key=_place)


def _place(part: str) -> tuple[int, int, str]:
    if part in SPLITS:
        return 2, SPLITS.index(part), part
    stage = part.removeprefix("stage_")
    return (0, int(stage), part) if stage.isdigit() else (1, 0, part)


@dataclass(frozen=True, slots=True)
class InPart:
    """The records of one part, each time that they are gone through; all of them where there is no other part."""

    records: Iterable[Record]
    part: str

    def __iter__(self) -> Iterator[Record]:
        return (record for record in self.records if part_name(record) == self.part)
