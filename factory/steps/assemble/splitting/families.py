"""Families: rows that must stay in one part of a set, since one tells what another holds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from factory.data.arrow import to_numbers
from factory.data.table import Table
from factory.statistics.arrays import Ints


def ancestors(table: Table) -> tuple[Ints, Ints]:
    """Each row with what it was made from: (row, number of the ancestor), shape (links,) each.

    An ancestor is a row of the table, by its number, or a record that is not in it, by a number from the table's
    length on: two rows of one seed share it, whether the seed is there or not. All parents of all events count.
    """
    import pyarrow as pa

    rows = np.arange(len(table))
    ids = table.arrow.column("id").combine_chunks()
    events = table.arrow.column("events").combine_chunks()
    if not len(table) or events.null_count == len(events):
        return rows[:0], rows[:0]
    made = events.flatten()
    row_of_event = np.repeat(rows, np.diff(to_numbers(events.offsets)))
    parents = made.field("parents")
    keys = parents.flatten()
    if not len(keys):
        return rows[:0], rows[:0]
    counts = np.diff(to_numbers(parents.offsets))
    row_of_parent = np.repeat(row_of_event, counts)
    # The ids come first, so that the codes of what is in the table are below those of what is not.
    codes = pa.concat_arrays([ids.cast(keys.type), keys]).dictionary_encode().indices
    codes = to_numbers(codes).astype(np.int64)
    first_row = np.zeros(int(codes.max()) + 1, np.int64)
    first_row[:] = np.arange(len(first_row)) + len(table)
    own = codes[: len(table)]
    first_row[own[::-1]] = rows[::-1]
    return row_of_parent, first_row[codes[len(table) :]]


def same_value(values: Sequence[Any]) -> tuple[Ints, Ints]:
    """Each row but the first of a value with the first row that has it; None and "" are no value."""
    first: dict[Any, int] = {}
    one, other = [], []
    for row, value in enumerate(values):
        if value is None or value == "":
            continue
        seen = first.setdefault(value, row)
        if seen != row:
            one.append(row)
            other.append(seen)
    return np.array(one, np.int64), np.array(other, np.int64)


def join_families(rows: int, links: Sequence[tuple[Ints, Ints]]) -> Ints:
    """The family of each row, as the number of its first row: the connected components of the links.

    A link may name what is no row, from `rows` on; it joins rows and is none itself.
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    one = np.concatenate([np.zeros(0, np.int64), *(link[0] for link in links)])
    other = np.concatenate([np.zeros(0, np.int64), *(link[1] for link in links)])
    if not len(one):
        return np.arange(rows)
    size = max(rows, int(one.max()) + 1, int(other.max()) + 1)
    graph = coo_array((np.ones(len(one), np.int8), (one, other)), shape=(size, size))
    _, component = connected_components(graph, directed=False)
    component = component[:rows]
    first = np.full(int(component.max()) + 1 if rows else 0, rows, np.int64)
    np.minimum.at(first, component, np.arange(rows))
    return np.asarray(first[component], np.int64)
