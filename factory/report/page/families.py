"""Families of duplicates as a page shows them: the largest by each cause, with what was dropped from them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from factory.data.at_rest import read_drop
from factory.data.record import Drop, Record
from factory.report.duplicate_families import CAUSES, Family, families, how_near, largest_by_cause
from factory.report.page.markup import Html, h, join, language
from factory.report.plain import clip, count, named
from factory.report.run_files.lookup import Lookup, batches
from factory.report.run_files.rows import dropped_files

FAMILIES = 5
"""Families shown of each cause."""
MEMBERS = 3
"""Dropped records shown of each family."""
CHARACTERS = 400


def families_section(folder: Path) -> Html:
    """A card for each cause of duplicates, with its largest families; nothing where none was dropped."""
    drops = [drop for path in dropped_files(folder) for drop in _drops(path)]
    found = families(drops)
    unknown = sum(not drop.against for _, drop in drops)
    untold = (
        h(
            "p",
            f"Of {count(unknown)} duplicates an older version of factory did not note what they repeat: the "
            "reason of each, in dropped.parquet, says it in words.",
            class_="lead",
        )
        if unknown
        else join()
    )
    if not found:
        return untold
    shown = largest_by_cause(found, FAMILIES)
    named = {family.kept for largest in shown.values() for family in largest}
    for kind, largest in shown.items():
        named |= {id for family in largest for id, _ in family.members(kind)[:MEMBERS]}
    records = Lookup(folder).by_id(named)
    causes = sum((Counter(family.causes) for family in found), Counter[str]())
    cards = [
        h(
            "div",
            h("h3", f"{CAUSES[kind]}: {count(causes[kind])} dropped"),
            *(_family(family, kind, records) for family in largest),
            class_="card",
        )
        for kind, largest in shown.items()
    ]
    number = f"{count(len(found))} {'families' if len(found) > 1 else 'family'}"
    lead = f"{number}: one record of each is kept, {count(causes.total())} were dropped for it. The largest:"
    return join(h("p", lead, class_="lead"), untold, *cards)


def _drops(path: Path) -> Iterator[tuple[str, Drop]]:
    """The duplicates among what was let go, without reading the records themselves."""
    for _, batch in batches(path, ["id", "dropped"]):
        for id, drop in zip(batch.column("id").to_pylist(), batch.column("dropped").to_pylist(), strict=True):
            if drop["kind"] in CAUSES:
                yield id, read_drop(drop)


def _family(family: Family, kind: str, records: dict[str, Record]) -> Html:
    number = family.causes[kind]
    members = family.members(kind)[:MEMBERS]
    rows = [
        h(
            "tr",
            h("td", "kept", class_="soft"),
            _text(records.get(family.kept)),
            h("td", _name(family.kept, records), class_="mono"),
        )
    ]
    for id, drop in members:
        said = h("td", how_near(drop, family.kept), class_="soft", dir="auto")
        rows.append(h("tr", said, _text(records.get(id)), h("td", _name(id, records), class_="mono")))
    if number > len(members):
        more = f"and {count(number - len(members))} more"
        rows.append(h("tr", h("td"), h("td", more, class_="soft"), h("td")))
    return h("div", h("table", h("tbody", *rows)), class_="scroll")


def _name(id: str, records: dict[str, Record]) -> str:
    return named(records[id]) if id in records else id


def _text(record: Record | None) -> Html:
    """What a record asks and answers; one that the run does not hold is of a reference file."""
    if record is None:
        return h("td", "not among the records of this run: of a reference file", class_="soft")
    answer = h("div", clip(record.output, CHARACTERS), class_="soft", dir="auto") if record.output else join()
    asked = h("div", clip(record.prompt, CHARACTERS), dir="auto")
    return h("td", asked, answer, lang=language(record.lang))
