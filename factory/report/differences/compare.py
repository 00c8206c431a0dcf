"""Compares two versions of a set: which rows are the same, changed, gone or new, and why."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from factory.data.record import Record
from factory.data.text import shorten
from factory.report.differences.version import Key, Version, known_of, parents_of, said_of, title

TOGETHER = 1024
"""Rows that are fetched from a version's table at once; one alone costs as much."""


class Row(NamedTuple):
    """One row that differs.

    id: of the record, in the version that has it (of a changed one, in the second)
    title: the beginning of what it asks
    why: a sentence
    changed: of a changed row, what each part was and is
    """

    id: str
    title: str
    why: str
    changed: Mapping[str, tuple[Any, Any]] = {}


@dataclass(slots=True)
class Differences:
    """What two versions differ by; `first` is `same` + changed + gone, `second` is `same` + changed + added.

    by: how rows were found again: by their id, the id of their source, or what they say
    reasons: for "gone" and "added", how many rows by their kind of reason
    parts: how many of the changed rows changed in each part
    passed_over: what one version alone carries, which is a file or a release: no row counts as changed by it
    examples: for "gone", "added" and "changed" some rows, in the order of the set
    """

    first: int
    second: int
    same: int = 0
    changed: int = 0
    gone: int = 0
    added: int = 0
    by: Counter[str] = field(default_factory=Counter)
    reasons: dict[str, Counter[str]] = field(default_factory=lambda: {"gone": Counter(), "added": Counter()})
    parts: Counter[str] = field(default_factory=Counter)
    passed_over: list[str] = field(default_factory=list)
    examples: dict[str, list[Row]] = field(default_factory=lambda: {"gone": [], "added": [], "changed": []})

    def to_json(self) -> dict[str, Any]:
        """As plain JSON."""
        return {
            "rows": {"first": self.first, "second": self.second},
            "same": self.same,
            "changed": self.changed,
            "gone": self.gone,
            "added": self.added,
            "matched_by": dict(self.by),
            "why_gone": dict(self.reasons["gone"].most_common()),
            "why_added": dict(self.reasons["added"].most_common()),
            "changed_parts": dict(self.parts.most_common()),
            "not_compared": self.passed_over,
            "examples": {
                kind: [
                    {
                        "id": row.id,
                        "title": row.title,
                        "why": row.why,
                        **({"changed": {k: list(v) for k, v in row.changed.items()}} if row.changed else {}),
                    }
                    for row in rows
                ]
                for kind, rows in self.examples.items()
            },
        }


def compare(first: Version, second: Version, examples: int = 3) -> Differences:
    """What became of the first version's rows in the second.

    A row is found again by its id, else by the id that its source gave it (where no two rows have the same), else by
    what it says. Rows that say the same several times are paired one to one, so that the counts add up.

    Args:
        examples: rows of each kind that are given whole
    """
    found = Differences(len(first), len(second))
    carried, carries = first.carries, second.carries
    names = carried | carries if first.is_run and second.is_run else carried & carries
    found.passed_over = sorted((carried | carries) - names)
    alone, new = bytearray(b"\1" * len(first)), bytearray(b"\1" * len(second))
    differ: list[tuple[int, int, list[str]]] = []
    for a, b, how in _pairs(first.keys, second.keys):
        alone[a] = new[b] = 0
        found.by[how] += 1
        was, now = first.keys[a], second.keys[b]
        parts = was.known_otherwise(now, names)
        if was.said == now.said and not parts:
            found.same += 1
        elif was.said == now.said and len(differ) >= examples:
            found.changed += 1
            found.parts.update(parts)
        else:
            found.changed += 1
            differ.append((a, b, parts))
    _tell_changed(found, first, second, differ, examples)
    gone, added = _marked(alone), _marked(new)
    found.gone, found.added = len(gone), len(added)
    _tell(found, "gone", first, gone, _why_absent(second), examples)
    _tell(found, "added", second, added, _why_added(first), examples)
    return found


def _tell_changed(
    found: Differences,
    first: Version,
    second: Version,
    differ: Sequence[tuple[int, int, list[str]]],
    examples: int,
) -> None:
    """Count the parts that changed, and keep some of the rows.

    Args:
        differ: of each pair its rows, and what changed of what is known of it
    """
    for a, b, parts in differ:
        texts = first.keys[a].said_otherwise(second.keys[b])
        found.parts.update([*texts, *parts])
        if len(found.examples["changed"]) < examples:
            (one,), (other,) = first.records([a]), second.records([b])
            said, says = said_of(one), said_of(other)
            had, has = known_of(one), known_of(other)
            changed: dict[str, tuple[Any, Any]] = {part: (said[part], says[part]) for part in texts}
            changed |= {name: (had.get(name), has.get(name)) for name in parts}
            found.examples["changed"].append(Row(other.id, title(other), _done(one, other), changed))


def _tell(
    found: Differences,
    kind: str,
    version: Version,
    rows: Sequence[int],
    why: Callable[[Record], tuple[str, str]],
    examples: int,
) -> None:
    """Count the reasons of rows that are in one version alone, and keep some of them: one of each reason first."""
    firsts: list[Row] = []
    others: list[Row] = []
    for start in range(0, len(rows), TOGETHER):
        for record in version.records(rows[start : start + TOGETHER]):
            reason, sentence = why(record)
            new = reason not in found.reasons[kind]
            found.reasons[kind][reason] += 1
            kept = firsts if new else others
            if len(kept) < examples:
                kept.append(Row(record.id, title(record), sentence))
    found.examples[kind] = (firsts + others)[:examples]


def _pairs(first: Sequence[Key], second: Sequence[Key]) -> Iterator[tuple[int, int, str]]:
    """Rows of both that are one, and what they were found by; each row is in one pair at most."""
    left, right = bytearray(b"\1" * len(first)), bytearray(b"\1" * len(second))

    def paired(how: str, one: Callable[[Key], Any], other: Callable[[Key], Any], once: bool) -> Iterator[Any]:
        """Rows whose values are equal, in their order; with `once` those that no other row shares."""
        ours, theirs = _rows_by(one, first, left), _rows_by(other, second, right)
        for value, rows in ours.items():
            others = theirs.get(value, ())
            if not value or (once and (len(rows) > 1 or len(others) > 1)):
                continue
            for a, b in zip(rows, others, strict=False):
                left[a] = right[b] = 0
                yield a, b, how

    both = (lambda key: (key.id, key.said), lambda key: (key.id, key.said))
    yield from paired("id", *both, False)  # of rows with one id those that say the same
    yield from paired("id", lambda key: key.id, lambda key: key.id, False)
    for one, other in ((_own, _id), (_id, _own), (_own, _own)):
        yield from paired("the source's id", one, other, True)
    yield from paired("what it says", lambda key: key.said, lambda key: key.said, False)


def _own(key: Key) -> str:
    return key.own


def _id(key: Key) -> str:
    return key.id


def _rows_by(
    value: Callable[[Key], Any], keys: Sequence[Key], marked: bytearray
) -> dict[Any, tuple[int, ...]]:
    """The marked rows of each value; most values have one row, and a tuple of one is small."""
    found: dict[Any, tuple[int, ...]] = {}
    several: defaultdict[Any, list[int]] = defaultdict(list)
    for row in _marked(marked):
        of = value(keys[row])
        if of in found:
            several[of].append(row)
        else:
            found[of] = (row,)
    for of, rows in several.items():
        found[of] += tuple(rows)
    return found


def _marked(rows: bytearray) -> list[int]:
    return [row for row, mark in enumerate(rows) if mark]


def _why_absent(version: Version) -> Callable[[Record], tuple[str, str]]:
    """Why a record is not in this version: its drop, that of a record it was made from, or that it never was."""

    def why(record: Record) -> tuple[str, str]:
        for id in (record.id, str(record.meta.get("id", ""))):
            if gone := version.dropped.get(id):
                return f"{gone.drop.step} {gone.drop.kind}", f"{gone.drop.step}: {gone.drop.reason}"
        for parent in reversed(parents_of(record)):
            if gone := version.dropped.get(parent):
                said = f"it was made from {parent}, which {gone.drop.step} dropped: {gone.drop.reason}"
                return f"{gone.drop.step} {gone.drop.kind} of what it was made from", said
        if not version.is_run:
            return "not told", f"{version.name} is no run's folder, which alone tells what was dropped"
        if parents_of(record):
            return "not made", "nothing made it there"
        return "not read", f"no file that {version.name} read has it"

    return why


def _why_added(first: Version) -> Callable[[Record], tuple[str, str]]:
    """Why a record is in the second version alone: what let it go in the first, or what made or read it."""
    absent = _why_absent(first)

    def why(record: Record) -> tuple[str, str]:
        reason, sentence = absent(record)
        if reason not in ("not made", "not told", "not read"):
            return f"{reason} before", f"the first version let it go: {sentence}"
        if made := _maker(record):
            return f"made by {made}", f"made by {made} from {parents_of(record)[-1]}"
        if reason == "not told":
            return "new", f"not in {first.name}"
        return (
            f"read from {shorten(record.source, 60)}",
            f"read from {record.source}, which {first.name} did not read",
        )

    return why


def _maker(record: Record) -> str:
    made = [event for event in record.events if event.parents]
    return f"{made[-1].step} {made[-1].operation}" if made else ""


def _done(was: Record, now: Record) -> str:
    """What was done to the row in the second version alone."""
    known = Counter((event.step.split("-", 1)[-1], event.operation) for event in was.events)
    new = []
    for event in now.events:
        step = (event.step.split("-", 1)[-1], event.operation)
        if known[step]:
            known[step] -= 1
        else:
            new.append(f"{event.step} {event.operation}" if event.operation != step[0] else event.step)
    return ", ".join(dict.fromkeys(new))
