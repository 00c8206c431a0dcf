"""The plan of a schedule: what each stage holds, for a program and for a person, and what keeps a file's order."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import orjson

from factory.data.text import shorten
from factory.step import Context
from factory.steps.assemble.scheduling.stages import TRAINERS, Stage

SHOWN = 8


def tell_plan(method: str, stages: Sequence[Stage], rest: int, *, ordered: bool, context: Context) -> None:
    """Hand the plan out as `plan.json`, count it, and say it.

    rest: rows that are in no stage
    ordered: whether the order of a file's rows matters
    """
    plan = [
        {
            "stage": at,
            "name": stage.name,
            "rows": len(stage.rows),
            "seen_before": int(stage.again.sum()),
            **stage.facts,
        }
        for at, stage in enumerate(stages, start=1)
    ]
    context.facts["stages"] = plan
    context.count("rows_that_come_again", sum(int(stage.again.sum()) for stage in stages))
    context.files["plan.json"] = as_json(
        {
            "method": method,
            "stages": plan,
            "order_within_a_file": "matters" if ordered else "drawn; shuffling it changes nothing",
            "keeps_the_order_of_rows": TRAINERS,
        }
    )
    again = [
        f"stage {at} ({shorten(stage.name, 30)}) {len(stage.rows):,} rows"
        + (f", {int(stage.again.sum()):,} of them again" if stage.again.any() else "")
        for at, stage in enumerate(stages[:SHOWN], start=1)
    ]
    more = f", and {len(stages) - SHOWN:,} more stages" if len(stages) > SHOWN else ""
    context.tell(
        f"{context.step}: {'; '.join(again)}{more}" + (f"; held out or let go {rest:,}" if rest else "")
    )
    short = [
        f"stage {at} ({shorten(stage.name, 30)}) {int(stage.again.sum()):,} of {stage.facts['asked']:,}"
        for at, stage in enumerate(stages, start=1)
        if stage.facts.get("asked", 0) > stage.again.sum()
    ]
    if short:
        more = f", and {len(short) - SHOWN:,} more stages" if len(short) > SHOWN else ""
        context.warn(
            f"{context.step}: fewer rows come again than asked for, since the earlier sets have no more, and none "
            f"comes twice in a stage: {', '.join(short[:SHOWN])}{more}"
        )
    settings = "; ".join(f"{name}: {how}" for name, how in TRAINERS.items())
    if ordered:
        context.warn(f"{context.step}: trainers shuffle the rows of a file unless told not to: {settings}")
    else:
        context.tell(
            f"{context.step}: train on one stage's file after the other: given all at once, trainers shuffle them "
            "together"
        )


def as_json(value: Any) -> str:
    """A value as indented JSON with a line's end."""
    return orjson.dumps(value, option=orjson.OPT_INDENT_2).decode() + "\n"
