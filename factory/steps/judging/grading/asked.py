"""Which records a judge is asked about: those that a screen marked or a score tells, and a sample of the others."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Literal

from factory.data.record import Record
from factory.data.text import shorten
from factory.data.user_columns import MARKS
from factory.errors import RecipeError
from factory.statistics.interval import percent, wilson
from factory.step import Context
from factory.steps.keep import Condition

FACT = "only"
"""The fact that tells of it: records, those with a verdict and those that fail `keep`, by why they were asked about."""
Why = Literal["only", "sample", ""]
_OR = re.compile(r"\s+or\s+|\s*\|\s*")
_NAME = re.compile(r"[a-z][a-z0-9_]{0,59}")
_SCORE = re.compile(r"([^\s<>=]+)\s*((?:[<>]=?|==).*)")


@dataclass(frozen=True, slots=True)
class Only:
    """Marks of `clean`, and conditions on scores, of which one is enough.

    marks: names of rules
    scores: names of scores with what they meet
    """

    marks: tuple[str, ...]
    scores: tuple[tuple[str, Condition], ...]

    @classmethod
    def parse(cls, text: str) -> Only:
        """Read names of rules and conditions on scores, joined by "or": "harm_screen or judge.quality < 3".

        Raises:
            ValueError: a part is neither.
        """
        marks, scores = [], []
        for part in _OR.split(text.strip()):
            condition = _SCORE.fullmatch(part)
            if condition:
                scores.append((condition[1], Condition.parse(condition[2])))
            elif _NAME.fullmatch(part):
                marks.append(part)
            else:
                raise ValueError(
                    f"{shorten(part, 40)!r} is neither a rule of `clean`, such as harm_screen, nor a condition on a "
                    "score, such as 'judge.quality < 3'; several are joined by 'or'"
                )
        return cls(tuple(marks), tuple(scores))

    def holds(self, record: Record) -> bool:
        """Whether the record was marked by one of the rules, or one of its scores meets a condition."""
        found = record.meta.get(MARKS)
        if isinstance(found, list) and any(mark in found for mark in self.marks):
            return True
        return any(
            name in record.scores and condition.holds(record.scores[name]) for name, condition in self.scores
        )


def why_asked(only: Only | None, sample: float, record: Record, context: Context) -> Why:
    """Why the judge is asked about a record; "" where it is not. Counts it."""
    why: Why = "only"
    if only is not None and not only.holds(record):
        why = "sample" if context.random("sample", record.id).random() < sample else ""
    if only is not None:
        _tally(context, why or "not_asked")["records"] += 1
    return why


def note_outcome(why: Why, judged: Record, score: str, context: Context) -> None:
    """Count what came of a record that was asked about."""
    told = _tally(context, why)
    told["judged"] += score in judged.scores
    told["failed"] += judged.dropped is not None and score in judged.scores


def tell_asked(only: Only, context: Context, decides: bool) -> None:
    """Tell how many were asked about, and, where the judge decides, what the screen misses by the sample."""
    told = context.facts.get(FACT)
    if told is None:
        return
    by = {
        why: told.get(why, {"records": 0, "judged": 0, "failed": 0})
        for why in ("only", "sample", "not_asked")
    }
    rows = sum(one["records"] for one in by.values())
    if not by["only"]["records"]:
        names = " or ".join([*only.marks, *(f"{name} {condition}" for name, condition in only.scores)])
        context.warn(
            f"{context.step}: none of {rows:,} records meets `only` ({names}): a rule of `clean` marks records where "
            "its action is `mark`"
        )
    context.tell(
        f"{context.step}: of {rows:,} records {by['only']['records']:,} meet `only` and are judged, of the others "
        f"{by['sample']['records']:,} drawn by lot; {by['not_asked']['records']:,} are not asked about, and kept"
    )
    for why, who in (("only", "that meet `only`"), ("sample", "drawn from the others")) if decides else ():
        one = by[why]
        if one["judged"]:
            share = one["failed"] / one["judged"]
            said = percent(share, wilson(one["failed"], one["judged"]))
            context.tell(f"{context.step}: of {one['judged']:,} records {who} the judge lets {said} go")


def _tally(context: Context, why: str) -> dict[str, int]:
    facts: dict[str, Any] = context.facts.setdefault(FACT, {})
    found: dict[str, int] = facts.setdefault(why, {"records": 0, "judged": 0, "failed": 0})
    return found


def parse_only(text: str) -> Only | None:
    """What `only` says; None where it says nothing. Raises RecipeError: it is neither a rule nor a condition."""
    try:
        return Only.parse(text) if text.strip() else None
    except ValueError as error:
        raise RecipeError(f"only: {error}") from None
