"""Why a record is in the result, or is not: its way from the seed, with all that was said about it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

from factory.data.record import Event, Record
from factory.data.text import shorten, turn_text
from factory.report.as_text import AsText, printed
from factory.report.plain import clip, count, named, visible
from factory.report.run_files.lookup import Lookup
from factory.report.run_files.manifest import read_manifest
from factory.steps.agents.semantic_tree.tree import tree_of
from factory.steps.judging.constraints.registry import BadConstraint
from factory.steps.judging.constraints.stated import stated_constraints

if TYPE_CHECKING:
    from rich.console import Console

ANCESTOR_CHARACTERS = 400
TEXT_CHARACTERS = 4000
MOST_DESCENDANTS = 12
MOST_CALLS = 4
MOST_NODES, TREE_CHARACTERS = 100, 200
KEY_CHARACTERS = 8
"""How much of a journal key is shown: enough to find it."""


@dataclass(frozen=True, slots=True, repr=False)
class Explanation(AsText):
    """A record, what became of it, and its relatives.

    against: the record that it lost against, where the run has it
    journal: the file that keeps the run's replies
    kept: it is in the result
    finished: the run came to its end; before that a record may be neither kept nor dropped
    ancestors: by id, those the run still has
    descendants: all records made from it, as they ended
    """

    folder: Path
    record: Record
    kept: bool
    finished: bool
    ancestors: Mapping[str, Record]
    descendants: tuple[Record, ...]
    against: Record | None = None
    journal: str = ""

    def as_text(self) -> str:
        """What `factory why` prints."""
        return printed(lambda console: print_explanation(self, console))

    @property
    def verdict(self) -> str:
        """What became of the record, in one line."""
        drop = self.record.dropped
        if drop is not None:
            numbers = ", ".join(f"{visible(name)} {value:g}" for name, value in drop.numbers.items())
            what = "could not be processed in" if drop.failed else "dropped by"
            return f"{what} {visible(drop.step)}: {visible(drop.kind)}: {shorten(drop.reason, 2000)}" + (
                f" ({numbers})" if numbers else ""
            )
        if not self.finished:
            return "not decided: the run has not come to its end"
        return (
            "kept: it is in dataset/" if self.kept else "not in the result itself, only what was made from it"
        )


def explain(folder: Path, wanted: str) -> Explanation:
    """Find a record of a finished or stopped run and all that tells why it is there or gone.

    `wanted` is its id, the id its row had in the source, or the beginning of its id (from 4 characters).

    Raises:
        InputError: there is no such run or record, or several records fit.
    """
    manifest = read_manifest(folder)
    finished = manifest.status == "finished"
    lookup = Lookup(folder)
    record = lookup.find(wanted)
    parents = {parent for event in record.events for parent in event.parents}
    lost = record.dropped.against if record.dropped is not None else ""
    return Explanation(
        folder=folder,
        record=record,
        kept=finished and lookup.lives(record.id),
        finished=finished,
        ancestors=lookup.by_id(parents),
        descendants=tuple(lookup.made_from(record.id)),
        against=lookup.by_id({lost}).get(lost) if lost else None,
        journal=manifest.journal,
    )


def history(record: Record) -> list[tuple[Event, str]]:
    """A record's events, each with the id of the record after it. The first of a seed is the seed itself."""
    ids = [event.parents[0] for event in record.events if event.parents]
    after = iter([*ids[1:], record.id])
    at = ids[0] if ids else record.id
    stages = []
    for event in record.events:
        if event.parents:
            at = next(after)
        stages.append((event, at))
    return stages


def seed_id(record: Record) -> str:
    """The id of the record that a source made and this one goes back to."""
    return next((event.parents[0] for event in record.events if event.parents), record.id)


def print_explanation(
    explanation: Explanation, console: Console, servers: Mapping[str, str] = MappingProxyType({})
) -> None:
    """Print an explanation. Text from data is shown as text, never obeyed by rich or the terminal.

    servers: the addresses that gave the replies, by journal key, where they are known
    """
    from rich.padding import Padding
    from rich.text import Text

    record = explanation.record
    style = "green" if explanation.kept else "red" if record.dropped else "yellow"
    console.print(Text.assemble("record ", (visible(named(record)), "bold")), soft_wrap=True)
    console.print(Text(explanation.verdict, style))
    for title, lines in _sections(explanation, servers):
        console.print()
        console.print(Text(title, "bold"))
        for depth, line, line_style in lines:
            console.print(Padding(Text(line, line_style), (0, 0, 0, 2 * depth), expand=False))


Line = tuple[int, str, str]
"""Depth, text that is safe to show, style."""


def _sections(explanation: Explanation, servers: Mapping[str, str]) -> Iterator[tuple[str, list[Line]]]:
    record = explanation.record
    yield "history", list(_history(explanation, servers))
    if (winner := explanation.against) is not None:
        yield "lost against", [(1, visible(named(winner)), ""), (2, shorten(winner.prompt, 400), "dim")]
    yield "text", list(_texts(record))
    if (tree := tree_of(record)) is not None:
        yield (
            f"semantic tree: {count(len(tree))} nodes, {count(len(tree.added))} added",
            [(1, visible(line[:TREE_CHARACTERS]), "") for line in tree.lines(most=MOST_NODES)],
        )
    if record.tags:
        yield (
            "tags",
            [
                (1, visible(tag.name) + (f": {shorten(tag.explanation, 400)}" if tag.explanation else ""), "")
                for tag in record.tags
            ],
        )
    if asked := list(_constraints(record)):
        yield "constraints", asked
    if record.scores or record.lacking:
        names = [*record.scores, *(name for name in record.lacking if name not in record.scores)]
        yield "scores", [(1, _score(record, name), "") for name in names]
    if explanation.descendants:
        yield (
            f"made from it: {count(len(explanation.descendants))}",
            list(_descendants(explanation.descendants)),
        )


def _history(explanation: Explanation, servers: Mapping[str, str]) -> Iterator[Line]:
    record = explanation.record
    first = seed_id(record)
    seed = record if first == record.id else explanation.ancestors.get(first)
    about = seed if seed is not None else record
    facts = [about.source and f"from {about.source}", about.lang, about.task]
    if "id" in about.meta:
        facts.insert(1, f"row {about.meta['id']}")
    origin = ", ".join(shorten(str(fact), 200) for fact in facts if fact)
    yield 1, f"seed {visible(first)}  {origin}".rstrip(), ""
    yield 2, _ancestor_text(seed), "dim"
    for event, id in history(record):
        yield 1, _event(event, servers), ""
        if event.parents:
            others = f" (with {', '.join(map(visible, event.parents[1:]))})" if len(event.parents) > 1 else ""
            if id == record.id:
                yield 2, f"made {visible(id)}, this record{others}", "dim"
            else:
                yield 2, f"made {visible(id)}{others}: {_ancestor_text(explanation.ancestors.get(id))}", "dim"


def _ancestor_text(record: Record | None) -> str:
    if record is None:
        return "(its text is not in this run's files)"
    return shorten(record.prompt, ANCESTOR_CHARACTERS) or "(empty)"


def _event(event: Event, servers: Mapping[str, str]) -> str:
    parts = [f"{visible(event.step)}  {visible(event.operation)}"]
    if event.round:
        parts.append(f"round {event.round}")
    if event.prompt:
        parts.append(f"prompt {visible(event.prompt)}")
    if event.model:
        given = sorted({servers[key] for key in event.calls if key in servers})
        parts.append(f"model {visible(event.model)}" + (f" at {visible(', '.join(given))}" if given else ""))
    if event.calls:
        keys = ", ".join(visible(key[:KEY_CHARACTERS]) for key in event.calls[:MOST_CALLS])
        more = f" and {count(len(event.calls) - MOST_CALLS)} more" if len(event.calls) > MOST_CALLS else ""
        parts.append(f"{'call' if len(event.calls) == 1 else 'calls'} {keys}{more}")
    return ", ".join(parts)


def _texts(record: Record) -> Iterator[Line]:
    earlier = record.messages[: max(record.last_user, 0)]
    turns = [(turn.role, turn_text(turn)) for turn in earlier]
    turns += [("instruction", record.instruction), ("input", record.input), ("output", record.output)]
    for name, text in turns:
        if text or name == "output":
            yield 1, visible(name), "dim"
            yield 2, clip(text, TEXT_CHARACTERS) or "(none)", ""


def _constraints(record: Record) -> Iterator[Line]:
    """The constraints on the answer in order, and whether it meets them."""
    try:
        stated = stated_constraints(record)
    except BadConstraint as error:
        yield 1, visible(str(error)), "red"
        return
    for number, one in enumerate(stated, start=1):
        met = {True: "met", False: "not met", None: "no verdict" if one.found else "not verified"}[
            one.satisfied
        ]
        yield 1, f"{number}. {shorten(one.words(record.language), 400)}", ""
        found = f" (found: {shorten(one.found, 400)})" if one.found else ""
        yield 2, f"{visible(one.constraint.kind)}: {met}{found}", "dim"


def _score(record: Record, name: str) -> str:
    value, note = f"{record.scores.get(name, 0):g}", record.notes.get(name, "")
    if name not in record.scores:
        why = record.lacking[name]
        value, note = f"missing ({visible(why.kind)})" if why.kind else "missing", why.reason
    return f"{visible(name)} {value}" + (f": {shorten(note, 1000)}" if note else "")


def _descendants(records: Sequence[Record]) -> Iterator[Line]:
    for record in records[:MOST_DESCENDANTS]:
        made = next((event for event in reversed(record.events) if event.parents), None)
        how = visible(made.operation) + (f", round {made.round}" if made.round else "") if made else ""
        fate = f"dropped by {record.dropped.step}: {record.dropped.kind}" if record.dropped else "lives"
        yield 1, f"{visible(record.id)}  {how}: {visible(fate)}", ""
        yield 2, shorten(record.prompt, 160), "dim"
    if len(records) > MOST_DESCENDANTS:
        yield 1, f"and {count(len(records) - MOST_DESCENDANTS)} more", "dim"
