"""What `clean` found, for people: counts and shares by rule, examples, and which groups of rows lose how much.

Reads the tally that the step keeps among its facts: plain JSON of a manifest, so anything may be missing in it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from factory.data.text import shorten
from factory.report.plain import counts, visible
from factory.statistics.interval import Interval, difference_interval, wilson

NAMED = 3
"""Languages and sources of a rule that are told; the others are counted."""
CHARACTERS = 60
FEWEST = 20
"""Rows of a group whose loss is held against the others'."""
MOST_GROUPS = 12
KINDS = ("language", "source", "task")


class RuleRow(NamedTuple):
    """What one rule found. interval: of the share, where the rows are a sample."""

    name: str
    group: str
    action: str
    rows: int
    share: float
    interval: Interval | None
    found: int
    mended: int
    languages: Mapping[str, int]
    sources: Mapping[str, int]
    finds: str
    examples: Sequence[Mapping[str, Any]]


class GroupRow(NamedTuple):
    """How much of a group is lost: rows, those lost, the share with Wilson's interval, and the same of all others.

    more: it loses more than the others, and the interval of the difference does not hold 0
    """

    kind: str
    name: str
    rows: int
    lost: int
    share: float
    interval: Interval
    others: float
    more: bool


def rule_rows(tally: Mapping[str, Any]) -> list[RuleRow]:
    """The rules that found something, those with the most rows first."""
    rows = max(1, int(tally.get("rows", 0)))
    sampled = tally.get("sampled_of") is not None
    found = [
        RuleRow(
            name,
            rule["group"],
            rule["action"],
            rule["rows"],
            rule["rows"] / rows,
            wilson(rule["rows"], rows) if sampled else None,
            rule["found"],
            rule["mended"],
            rule["languages"],
            rule["sources"],
            rule["finds"],
            rule["examples"],
        )
        for name, rule in tally.get("rules", {}).items()
        if rule["rows"]
    ]
    return sorted(found, key=lambda row: (-row.rows, row.name))


def group_rows(tally: Mapping[str, Any]) -> list[GroupRow]:
    """The largest groups of each kind that has several, with what each loses; nothing where no row is lost."""
    shown = []
    for kind in KINDS:
        groups = tally.get("groups", {}).get(kind, {})
        total, lost = (sum(numbers[at] for numbers in groups.values()) for at in (0, 1))
        if len(groups) < 2 or not lost:
            continue
        largest = sorted(groups.items(), key=lambda item: (-item[1][0], item[0]))[:MOST_GROUPS]
        for name, (rows, gone) in largest:
            share, sure = gone / rows, wilson(gone, rows)
            rest, gone_there = total - rows, lost - gone
            others, of_others = gone_there / max(1, rest), wilson(gone_there, rest)
            apart = difference_interval(share, sure, others, of_others)
            more = rows >= FEWEST and rest >= FEWEST and apart[0] > 0
            shown.append(GroupRow(kind, name, rows, gone, share, sure, others, more))
    return shown


def lost_means(tally: Mapping[str, Any]) -> str:
    """What "lost" is in this tally."""
    if tally.get("loses") == "dropped":
        return "rows that were dropped"
    return "rows that the profile `strict` would drop"


def headline(tally: Mapping[str, Any]) -> str:
    """How many rows were looked at, and what became of them."""
    rows, faulty = tally.get("rows", 0), tally.get("faulty", 0)
    share = f"{faulty / rows:.1%}" if rows else "none"
    if (of := tally.get("sampled_of")) is not None and rows:
        low, high = wilson(faulty, rows)
        share += f", 95 % interval {low:.1%} to {high:.1%}"
        told = f"a sample of {rows:,} of {of:,} rows"
    else:
        told = f"{rows:,} rows"
    done = [f"{tally[name]:,} {name}" for name in ("mended", "marked", "dropped") if tally.get(name)]
    return f"{told}: {faulty:,} have a fault by a rule ({share})" + (f"; {', '.join(done)}" if done else "")


def cleaning_lines(tally: Mapping[str, Any], examples: int = 5) -> Iterator[str]:
    """The tally as lines for a terminal; of each rule so many examples."""
    yield headline(tally)
    rows = rule_rows(tally)
    if rows:
        cells: list[tuple[str, ...]] = [("rule", "rows", "share", "action", "languages", "sources")]
        cells += [
            (
                row.name,
                f"{row.rows:,}",
                _share(row.share, row.interval),
                row.action,
                _few(row.languages),
                _few(row.sources),
            )
            for row in rows
        ]
        yield from _table(cells, right=(1, 2))
    for row in rows if examples else ():
        yield f"{row.name}: {visible(row.finds)}"
        for shown in row.examples[:examples]:
            yield f"    {example_line(shown)}"
    groups = group_rows(tally)
    if groups:
        yield f"What each group loses ({lost_means(tally)}); * more than the others, and not by chance:"
        cells = [("group", "rows", "lost", "share", "others")]
        cells += [
            (
                f"{row.kind} {visible(shorten(row.name, 40))}",
                f"{row.rows:,}",
                f"{row.lost:,}",
                _share(row.share, row.interval),
                f"{row.others:.1%}" + (" *" if row.more else ""),
            )
            for row in groups
        ]
        yield from _table(cells, right=(1, 2))
    for name, told in sorted(tally.get("raised", {}).items()):
        yield f"the rule {visible(name)} failed on {told['rows']:,} rows: {visible(told['why'])}"
    quiet = [name for name, rule in tally.get("rules", {}).items() if not rule["rows"]]
    if quiet:
        yield f"found nothing: {visible(', '.join(quiet))}"


def example_line(shown: Mapping[str, Any]) -> str:
    """An example on one line: where it stands, and the fault between ⟦ and ⟧."""
    place = shown.get("place") or shown.get("id", "")
    note = shown.get("note", "")
    if "fault" not in shown:
        return visible(f"{place}  {note}")
    before, fault, after = (_flat(shown.get(key, "")) for key in ("before", "fault", "after"))
    # Each part by itself, so that what is invisible in a fault is written out.
    text = f"…{before[-CHARACTERS:]}⟦{fault[: 2 * CHARACTERS]}⟧{after[:CHARACTERS]}…"
    told = f"  ({visible(shorten(note, 60))})" if note and _flat(note) not in fault else ""
    return f"{visible(str(place))}  {shown.get('role', '')}: {text}{told}"


def _flat(text: str) -> str:
    return visible(text).replace("\n", "⏎").replace("\t", "⇥")


def _few(named: Mapping[str, int]) -> str:
    ordered = sorted(named.items(), key=lambda item: (-item[1], item[0]))
    told = counts({shorten(name, 24): number for name, number in ordered[:NAMED]})
    return told + (f" and {len(ordered) - NAMED:,} more" if len(ordered) > NAMED else "")


def _share(share: float, interval: Interval | None) -> str:
    return f"{share:.1%}" + (f" ({interval[0]:.1%} to {interval[1]:.1%})" if interval is not None else "")


def _table(cells: Sequence[Sequence[str]], right: Sequence[int]) -> Iterator[str]:
    widths = [max(len(row[at]) for row in cells) for at in range(len(cells[0]))]
    for row in cells:
        padded = [
            cell.rjust(width) if at in right else cell.ljust(width)
            for at, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        yield f"    {'  '.join(padded).rstrip()}"
