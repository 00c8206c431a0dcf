"""Families of duplicates: each kept record with all that was dropped as too near to it, and why."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from factory.data.record import Drop, Record

CAUSES = {
    "exact_duplicate": "The same text",
    "near_duplicate": "Nearly the same words (ROUGE-L)",
    "shingle_duplicate": "Mostly the same passages (shingles)",
    "same_meaning": "The same meaning (embeddings)",
}
"""The kinds of drop that name the record kept in its place, in words."""

_MEASURES = {"rouge_l": "ROUGE-L {:.2f}", "jaccard": "Jaccard {:.2f}", "cosine": "cosine {:.3f}"}
"""How near two records are, by the name of the number of a drop, as a sentence says it."""


class Family(NamedTuple):
    """A kept record and what was dropped in its favour.

    kept: its id; that of a record of a reference file, where the duplicates are of one
    dropped: ids of the dropped, in the order of the drops, with why each was dropped
    causes: how many were dropped by each kind of drop
    """

    kept: str
    dropped: tuple[tuple[str, Drop], ...]
    causes: Mapping[str, int]

    @property
    def size(self) -> int:
        """The dropped and the kept one."""
        return len(self.dropped) + 1

    def members(self, kind: str) -> list[tuple[str, Drop]]:
        """Those dropped by this kind of drop."""
        return [(id, drop) for id, drop in self.dropped if drop.kind == kind]


def duplicate_families(dropped: Iterable[Record]) -> list[Family]:
    """The families of dropped records. See `families`."""
    return families((record.id, record.dropped) for record in dropped if record.dropped is not None)


def families(dropped: Iterable[tuple[str, Drop]]) -> list[Family]:
    """The families of the dropped, the largest first; what was dropped for another reason is in none.

    A drop names the kept record (`Drop.against`). What an older run dropped names none, and is in no family. Where
    the record kept by one step is itself dropped by a later one, its family joins that one's.

    Args:
        dropped: the id of each record that was let go, and why.
    """
    drops: list[tuple[str, Drop]] = []
    nearest: dict[str, str] = {}
    for id, drop in dropped:
        if drop.kind in CAUSES and drop.against:
            drops.append((id, drop))
            if drop.against != id:  # a record that was read twice has the id of the one that is kept
                nearest[id] = drop.against
    members: dict[str, list[tuple[str, Drop]]] = {}
    for id, drop in drops:
        members.setdefault(_root(id, nearest), []).append((id, drop))
    found = [
        Family(kept, tuple(own), dict(sorted(Counter(drop.kind for _, drop in own).items())))
        for kept, own in members.items()
    ]
    return sorted(found, key=lambda family: -family.size)


def largest_by_cause(found: Sequence[Family], most: int) -> dict[str, list[Family]]:
    """For each kind of drop, in the order of `CAUSES`, the families that lost most records by it."""
    return {
        kind: sorted(having, key=lambda family: -family.causes[kind])[:most]
        for kind in CAUSES
        if (having := [family for family in found if kind in family.causes])
    }


def how_near(drop: Drop, kept: str) -> str:
    """How near a dropped record was, and to which, where that one was itself dropped for `kept` later."""
    said = [form.format(drop.numbers[name]) for name, form in _MEASURES.items() if name in drop.numbers]
    how = said[0] if said else "identical"
    return how if drop.against == kept else f"{how} with {drop.against}, dropped later"


def _root(id: str, nearest: Mapping[str, str]) -> str:
    seen = {id}
    while (id := nearest.get(id, id)) in nearest and id not in seen:
        seen.add(id)
    return id
