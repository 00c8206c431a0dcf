"""From the tags that were given to those that stay: a table that can be read, edited by hand and applied again."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from factory.data.record import Tag
from factory.data.text import shorten
from factory.errors import InputError
from factory.steps.tags.tag_sets.rules import stemmed


class MapRow(NamedTuple):
    """One given tag.

    final: the name that stays; "" where the tag was dropped
    rule: what was done to it, in order ("stem, semantic"); "" where it stayed as it was
    records: how many have it
    """

    raw: str
    final: str
    rule: str = ""
    records: int = 0


@dataclass(frozen=True, slots=True)
class TagMap:
    """Given tags and what becomes of them: {raw: final}, where "" means dropped; no final is renamed again."""

    finals: Mapping[str, str]
    _by_stem: Mapping[str, str]

    @classmethod
    def of(cls, rows: Iterable[MapRow]) -> TagMap:
        """The map of these rows. A spelling that is in none of them is looked up by its stem.

        A final tag that another row renames or drops goes where that row says: to rename a whole family, one
        edits the row of its name alone.

        Raises:
            ValueError: tags are renamed in a circle.
        """
        rows = _followed(list(rows))
        by_stem: dict[str, str] = {}
        # Where several raw tags share a stem, the most used of them speaks for it.
        for row in sorted(rows, key=lambda row: (-row.records, row.raw)):
            by_stem.setdefault(stemmed(row.raw), row.final)
        for row in rows:
            if row.final:
                by_stem.setdefault(stemmed(row.final), row.final)
        finals = {row.final: row.final for row in rows if row.final} | {row.raw: row.final for row in rows}
        return cls(finals, by_stem)

    @classmethod
    def read(cls, rows: Iterable[tuple[int, Mapping[str, Any]]], file: str) -> TagMap:
        """The map of a file's rows, each with its line; a row is an object of `raw` and `final`.

        Raises:
            InputError: a row is not such an object, two rows say different things of one tag, or rows rename
                tags in a circle.
        """
        read: dict[str, MapRow] = {}
        lines: dict[str, int] = {}
        for line, row in rows:
            raw, final = row.get("raw"), row.get("final")
            if not isinstance(raw, str) or not raw.strip() or not isinstance(final, str):
                raise InputError(
                    f'{file}:{line}: a row of a tag map says {{"raw": "a tag", "final": "the tag that stays"}}, '
                    'with "" for a tag that goes'
                )
            final, count = " ".join(final.split()), row.get("records")
            if raw in read and read[raw].final != final:
                raise InputError(
                    f"{file}:{line}: {shorten(raw, 60)!r} stands in line {lines[raw]} too, "
                    "with another final tag: keep one of the two rows"
                )
            read[raw] = MapRow(raw, final, "", count if isinstance(count, int) else 0)
            lines.setdefault(raw, line)
        try:
            return cls.of(read.values())
        except ValueError as error:
            raise InputError(f"{file}: {error}") from error

    def names(self) -> list[str]:
        """The tags that stay, sorted: the map as a closed vocabulary."""
        return sorted({final for final in self.finals.values() if final})

    def final(self, raw: str) -> str | None:
        """The tag that stays for a given one, "" where it is dropped, None where the map does not know it."""
        known = self.finals.get(raw)
        if known is None:
            known = self._by_stem.get(stemmed(raw))
        return known


def _followed(rows: list[MapRow]) -> list[MapRow]:
    """The rows with each final tag followed through the rows that rename it."""
    renames = {row.raw: row.final for row in rows if row.raw != row.final}
    ends: dict[str, str] = {}
    for raw in renames:
        way: dict[str, None] = {}
        at = raw
        while at in renames and at not in ends:
            if at in way:
                circle = shorten(" -> ".join(map(repr, [*way, at])), 200)
                raise ValueError(f"tags are renamed in a circle, {circle}: let one of them stay as it is")
            way[at] = None
            at = renames[at]
        ends |= dict.fromkeys(way, ends.get(at, at))
    return [row._replace(final=ends.get(row.raw, row.final)) for row in rows]


def renamed(tags: Iterable[Tag], finals: Mapping[str, str]) -> tuple[Tag, ...]:
    """The tags under their final names, each once, with the explanation of the first; dropped ones left out."""
    kept: dict[str, Tag] = {}
    for tag in tags:
        final = finals.get(tag.name, tag.name)
        if final.strip():
            kept.setdefault(final, Tag(final, tag.explanation))
    return tuple(kept.values())
