"""Repair one, repair all: a mend decided on one row, shown on all rows that have the same fault, and applied."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from pydantic import ValidationError

from factory.data.record import Event, Record
from factory.errors import RecipeError
from factory.steps.clean.cleaning.mending import mended
from factory.steps.clean.cleaning.own import as_rule
from factory.steps.clean.profiles.profile import OwnRule
from factory.steps.clean.rules.registry import rules, rules_named
from factory.steps.clean.rules.rule import AnyRule

REPAIR = "repair"
"""What the history of a repaired record says; and the name of a find-and-replace."""
AROUND = 60


class Change(NamedTuple):
    """A text that a repair changes: the record, the turn and which text of it, and the part that differs.

    before, after: the part with up to 60 characters around it
    """

    id: str
    place: str
    turn: int
    role: str
    where: str
    before: str
    after: str


@dataclass(frozen=True, slots=True)
class Preview:
    """What a repair would do: rows that were looked at, those that it changes, and some of the changes."""

    rows: int
    changed: int
    changes: Sequence[Change] = field(default=())


def repair_rules(
    names: Sequence[str] = (),
    *,
    find: str = "",
    regex: str = "",
    replace: str | None = None,
    ignore_case: bool = False,
    roles: Sequence[str] = ("system", "user", "assistant"),
) -> list[AnyRule]:
    """The rules of a repair: those of these names (or groups) that have a certain mend, or one find-and-replace.

    Raises:
        RecipeError: there is no such rule, it has no certain mend, the pattern is wrong, or both or neither are given.
    """
    if bool(names) == bool(find or regex):
        raise RecipeError(
            "a repair takes rules that mend, or words to find and what stands in their place: give one of them"
        )
    if names:
        named = list(dict.fromkeys(one for name in names for one in rules_named(name)))
        able = [rules()[one] for one in named if rules()[one].mends]
        if not able:
            can = ", ".join(name for name, rule in rules().items() if rule.mends)
            raise RecipeError(f"{', '.join(names)} has no certain mend; {can} have one")
        return able
    if replace is None:
        raise RecipeError("say what stands in place of what is found: `replace`, which may be empty")
    try:
        own = OwnRule.model_validate(
            {
                "name": REPAIR,
                "find": find,
                "regex": regex,
                "replace": replace,
                "ignore_case": ignore_case,
                "roles": tuple(roles),
            }
        )
    except ValidationError as error:
        said = str(error.errors(include_url=False, include_context=False)[0]["msg"])
        raise RecipeError(f"the repair: {said.removeprefix('Value error, ')}") from None
    return [as_rule(own)]


def repaired(records: Iterable[Record], repair: Sequence[AnyRule], event: Event) -> Iterator[Record]:
    """The records, mended where the repair has something to mend; the others as they are."""
    for record in records:
        yield mended(record, repair, {}, event)[0]


def preview(records: Iterable[Record], repair: Sequence[AnyRule], show: int = 20) -> Preview:
    """What the repair would change, and the first `show` changes; nothing is changed."""
    rows = changed = 0
    changes: list[Change] = []
    event = Event("", REPAIR)
    for record in records:
        rows += 1
        after, names = mended(record, repair, {}, event)
        if not names:
            continue
        changed += 1
        if len(changes) < show:
            changes += list(changes_of(record, after))[: show - len(changes)]
    return Preview(rows, changed, changes)


def changes_of(before: Record, after: Record) -> Iterator[Change]:
    """The texts in which a record and its repaired form differ."""
    for number, (was, now) in enumerate(zip(before.messages, after.messages, strict=True)):
        texts = [("content", was.content, now.content), ("reasoning", was.reasoning, now.reasoning)]
        texts += [
            (f"call{at}", one.arguments, other.arguments)
            for at, (one, other) in enumerate(zip(was.calls, now.calls, strict=True))
        ]
        for where, one, other in texts:
            if one != other:
                start, end = _changed(one, other)
                first = max(0, start - AROUND)
                yield Change(
                    before.id,
                    before.place,
                    number,
                    was.role,
                    where,
                    one[first : min(len(one), len(one) - end + AROUND)],
                    other[first : min(len(other), len(other) - end + AROUND)],
                )


def _changed(one: str, other: str) -> tuple[int, int]:
    """How many characters two texts share at their begin, and behind that at their end."""
    most = min(len(one), len(other))
    start = next((at for at in range(most) if one[at] != other[at]), most)
    end = next((at for at in range(most - start) if one[-1 - at] != other[-1 - at]), most - start)
    return start, end
