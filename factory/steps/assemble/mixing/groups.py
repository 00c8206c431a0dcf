"""The groups of a table's rows: the values of a field, of a column that the source carried, or of a score in ranges."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import orjson

from factory.data.arrow import to_numbers
from factory.data.table import Table
from factory.data.user_columns import READ_AS, is_named, known_scores, own_names, score_values
from factory.errors import RunStopped, nearest
from factory.statistics.arrays import Floats, Ints
from factory.steps.assemble.select.expression import Expression

FIELDS = ("task", "lang", "source", "license")
MOST_VALUES = 12
"""A score with more different values than this has no groups of its own: it wants `cuts`."""
BETWEEN = " / "
FEW = 20
"""So many groups at most are never told to be too many for the rows."""


@dataclass(frozen=True, slots=True)
class Groups:
    """names: of the groups, sorted, "" among them where rows have no value; of: the group of each row, shape (rows,)"""

    names: tuple[str, ...]
    of: Ints

    def counts(self, weights: Ints | None = None) -> dict[str, int]:
        """Rows, or the sum of their weights, of each group."""
        sums = np.bincount(self.of, weights, minlength=len(self.names))
        return {name: round(float(number)) for name, number in zip(self.names, sums, strict=True)}


def groups_of(table: Table, by: Sequence[str], cuts: Sequence[float], where: str) -> Groups:
    """The group of each row.

    by: one column or several, whose values then stand with " / " between them: a field of records, a column of
        `meta`, or a score or sum of scores
    cuts: where the ranges of a score begin
    where: the step, for what is said

    Raises:
        RunStopped: there is no such column, or a score has too many values to be groups.
    """
    names, of = _column(table, by[0], cuts, where)
    for one in by[1:]:
        others, of_other = _column(table, one, cuts, where)
        both, of = np.unique(of * len(others) + of_other, return_inverse=True)
        pairs = [(names[at // len(others)], others[at % len(others)]) for at in both.tolist()]
        names = ["" if "" in pair else BETWEEN.join(pair) for pair in pairs]
    different, number = np.unique(np.array(names, dtype=object), return_inverse=True)
    return Groups(tuple(different.tolist()), number.astype(np.int64)[of.reshape(-1)])


def too_many(groups: int, rows: int, by: str) -> str:
    """What a person should know where groups are nearly as many as rows, as by an id: "" where they are not."""
    if groups <= FEW or groups * 2 <= rows:
        return ""
    return (
        f"{by} has {groups:,} values for {rows:,} records, fewer than two a group: name a column with few values, such "
        "as task or source, unless that is what is meant"
    )


def _column(table: Table, by: str, cuts: Sequence[float], where: str) -> tuple[list[str], Ints]:
    """The different values of a column, and the place of each row's value among them."""
    if by in READ_AS and not is_named(table, by):
        by = READ_AS[by]
    if by not in FIELDS:
        return _coded(_values(table, by, cuts, where))
    coded = table.arrow.column(by).combine_chunks().dictionary_encode(null_encoding="encode")
    names = [value or "" for value in coded.dictionary.to_pylist()]
    return names, to_numbers(coded.indices).astype(np.int64)


def _coded(values: Sequence[str]) -> tuple[list[str], Ints]:
    number: dict[str, int] = {}
    of = np.fromiter((number.setdefault(value, len(number)) for value in values), np.int64, len(values))
    return list(number), of


def _values(table: Table, by: str, cuts: Sequence[float], where: str) -> list[str]:
    metas = table.values("meta")
    key = by.removeprefix("meta.").encode()
    if not cuts and any(key in meta.encode() for meta in metas):
        key_text = by.removeprefix("meta.")
        read = (orjson.loads(meta).get(key_text) if key_text in meta else None for meta in metas)
        values = [
            "" if value is None else value if isinstance(value, str) else _written(value) for value in read
        ]
        if any(values):
            return values
    try:
        score = Expression.parse(by)
    except ValueError:
        score = None
    known = known_scores(table, () if score is None else score.names)
    lacking = [name for name in score.names if name not in known] if score is not None else [by]
    if score is None or lacking:
        names = list(dict.fromkeys([*FIELDS, *own_names(table), *known]))
        raise RunStopped(
            f"{where}: no record has {lacking[0]!r} of `by: {by}`: it is none of {', '.join(FIELDS)}, no column of the "
            f"source and no score{nearest(lacking[0], names)}"
        )
    return _ranges(score.values(lambda name: score_values(table, name)), cuts, by, where)


def _written(value: object) -> str:
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS).decode()


def _ranges(values: Floats, cuts: Sequence[float], by: str, where: str) -> list[str]:
    known = ~np.isnan(values)
    if not cuts:
        different = np.unique(values[known])
        if len(different) > MOST_VALUES:
            raise RunStopped(
                f"{where}: {by} has {len(different):,} different values: say with `cuts` where its ranges begin, "
                "such as "
                f"`cuts: [{np.median(different):.3g}]`"
            )
        return [f"{value:g}" if there else "" for value, there in zip(values.tolist(), known, strict=True)]
    return [name if there else "" for name, there in zip(_named(values, cuts), known, strict=True)]


def _named(values: Floats, cuts: Sequence[float]) -> list[str]:
    names = range_names(cuts)
    return [names[at] for at in np.searchsorted(np.asarray(cuts), values, side="right").tolist()]


def range_names(cuts: Sequence[float]) -> list[str]:
    """What the ranges of a score are called: "< 3", "3 to < 4", ">= 4"; without cuts there is none."""
    if not cuts:
        return []
    between = [f"{low:g} to < {high:g}" for low, high in itertools.pairwise(cuts)]
    return [f"< {cuts[0]:g}", *between, f">= {cuts[-1]:g}"]
