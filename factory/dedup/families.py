"""Families of duplicates: each kept record with all that was dropped as too near to it, and why."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from factory.record import Drop, Record

KINDS = ("exact_duplicate", "near_duplicate", "shingle_duplicate", "same_meaning")
"""The kinds of drop that name the record kept in its place."""

# "ROUGE-L 0.86 with 0123456789abcdef (Write a ...)": the text of the kept record stands behind its id.
_KEPT = re.compile(r"\bwith (\S+)")


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


def duplicate_families(dropped: Iterable[Record]) -> list[Family]:
    """The families of dropped records. See `families`."""
    return families((record.id, record.dropped) for record in dropped if record.dropped is not None)


def families(dropped: Iterable[tuple[str, Drop]]) -> list[Family]:
    """The families of the dropped, the largest first; what was dropped for another reason is in none.

    Where the record kept by one step is itself dropped by a later one, its family joins that one's.

    Args:
        dropped: the id of each record that was let go, and why.
    """
    drops: dict[str, Drop] = {}
    nearest: dict[str, str] = {}
    for id, drop in dropped:
        if drop.kind not in KINDS:
            continue
        kept = _KEPT.search(drop.reason)
        if kept is not None and kept[1] != id:
            drops[id] = drop
            nearest[id] = kept[1]
    members: dict[str, list[str]] = {}
    for id in drops:
        members.setdefault(_root(id, nearest), []).append(id)
    found = [
        Family(
            kept,
            tuple((id, drops[id]) for id in ids),
            dict(sorted(Counter(drops[id].kind for id in ids).items())),
        )
        for kept, ids in members.items()
    ]
    return sorted(found, key=lambda family: -family.size)


def _root(id: str, nearest: Mapping[str, str]) -> str:
    seen = {id}
    while (id := nearest.get(id, id)) in nearest and id not in seen:
        seen.add(id)
    return id
