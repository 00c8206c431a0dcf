"""Columns by name: those of every record, and the user's own among `meta`, read and written without making records."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import orjson

from factory.data.arrow import to_array

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from factory.data.table import Table

PLAIN = ("id", "source", "lang", "task", "license")
"""Columns that every record has, whatever its source."""
READ_AS = {"category": "task", "language": "lang", "licence": "license"}
"""Columns of a source that are read as a field of records (`shapes.source`), by what sources call them."""
SPLIT = "split"
"""The column that says which part a record is of: one of `SPLITS`."""
SPLITS = ("train", "validation", "test")
STAGE = "stage"
"""The column that says in which stage of training a record is seen, from 1."""
MARKS = "clean"
"""The column that names the rules of `clean` that marked a record, as a list."""
EXPERT = "expert"
"""The column that says which expert's set a record is of."""
_BATCH = 1 << 16
_NUMBER = re.compile(r"\s*[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,3})?\s*", re.ASCII)


def column_values(table: Table, name: str) -> list[Any]:
    """What each record has under a name: a plain column, else the user's own of that name; None where it has nothing.

    A plain column that is empty gives way to the user's own, and a name that a plain column was read from means that.
    """
    if name in READ_AS and not is_named(table, name):
        name = READ_AS[name]
    plain = table.values(name) if name in PLAIN else [None] * len(table)
    if not is_named(table, name) or (plain and all(plain)):
        return plain
    mark = orjson.dumps(name).decode()
    own = (
        orjson.loads(text).get(name) if mark in text else None for texts in _texts(table) for text in texts
    )
    return [one or other for one, other in zip(plain, own, strict=True)]


def is_named(table: Table, name: str) -> bool:
    """Whether the name may be one of the user's own columns: it stands in the text of any."""
    import pyarrow.compute as pc

    return bool(pc.any(pc.match_substring(table.arrow.column("meta"), orjson.dumps(name).decode())).as_py())


def labels_of(table: Table, name: str) -> list[str]:
    """`column_values` as texts, to group by: "" where there is nothing; a list or object as its JSON."""
    return [value if isinstance(value, str) else _label(value) for value in column_values(table, name)]


def has_column(table: Table, name: str) -> bool:
    """Whether any record has something under a name."""
    return any(value not in (None, "") for value in column_values(table, name))


def column_names(table: Table) -> list[str]:
    """The names that at least one record has something under, sorted."""
    own = {name for meta in _metas(table) for name in meta}
    return sorted(own | {name for name in PLAIN if any(table.values(name))})


def own_names(table: Table) -> list[str]:
    """The names of the user's own columns that any record has, in the order in which they first come."""
    return list(dict.fromkeys(name for meta in _metas(table) for name in meta))


def known_scores(table: Table, wanted: Sequence[str]) -> list[str]:
    """What rows can be ordered by: their scores, and the user's own columns that hold a number in any row.

    The columns are gone through only where a wanted one is no score.
    """
    scores = table.score_names()
    if set(wanted) <= set(scores):
        return scores
    own = {name for meta in _metas(table) for name, value in meta.items() if not math.isnan(_number(value))}
    return sorted(own.union(scores))


def score_values(table: Table, name: str) -> NDArray[np.float64]:
    """A score, else the user's own column of that name, as float64, shape (rows,); NaN where there is no finite number.

    A score of the record goes before a column that has its name.
    """
    import numpy as np

    scores = table.scores(name)
    if np.isnan(scores).all() and is_named(table, name):
        values = column_values(table, name)
        scores = np.fromiter(map(_number, values), np.float64, len(values))
    return np.where(np.isfinite(scores), scores, np.nan)


def _number(value: object) -> float:
    """A column's number, also where it is written as a text, as all of a CSV is; NaN where it is none."""
    if isinstance(value, str):
        return float(value) if _NUMBER.fullmatch(value) else math.nan
    return value if isinstance(value, int | float) and not isinstance(value, bool) else math.nan


def with_columns(table: Table, columns: Mapping[str, Sequence[Any]]) -> Table:
    """The table with the user's own columns of these names set to these values, one for each record.

    A value of None takes the column off the record.
    """
    import pyarrow as pa

    names = list(columns)
    at = 0
    chunks = []
    marks = [orjson.dumps(name).decode() for name in names if is_named(table, name)]
    for texts in _texts(table):
        written = []
        for text in texts:
            new = {name: columns[name][at] for name in names}
            at += 1
            set_ = {name: value for name, value in new.items() if value is not None}
            if any(mark in text for mark in marks):
                kept = {key: value for key, value in orjson.loads(text).items() if key not in new}
                written.append(orjson.dumps({**kept, **set_}).decode())
            elif set_:
                more = orjson.dumps(set_).decode()[1:]
                written.append(f"{text[:-1]}{',' if len(text) > 2 else ''}{more}")
            else:
                written.append(text)
        chunks.append(to_array(written, pa.large_string()))
    place = table.arrow.schema.get_field_index("meta")
    field = table.arrow.schema.field("meta")
    return type(table)(table.arrow.set_column(place, field, pa.chunked_array(chunks, field.type)))


def _texts(table: Table) -> Iterator[list[str]]:
    for batch in table.arrow.select(["meta"]).to_batches(max_chunksize=_BATCH):
        yield [text or "{}" for text in batch.column(0).to_pylist()]


def _metas(table: Table) -> Iterator[Mapping[str, Any]]:
    for texts in _texts(table):
        yield from map(orjson.loads, texts)


def _label(value: Any) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else orjson.dumps(value).decode()
