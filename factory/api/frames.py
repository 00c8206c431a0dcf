"""A table of records as the frames that people work with: pandas, polars, Arrow, Hugging Face datasets."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import orjson

from factory.data.formats.carried import Kinds
from factory.data.table import Table
from factory.errors import MissingDependency

if TYPE_CHECKING:
    import datasets
    import pandas as pd
    import polars as pl
    import pyarrow as pa

_INT64 = 1 << 63


def as_arrow(table: Table, *, meta: bool = False) -> pa.Table:
    """All that is known of the records, as it lies in Parquet, and `row_id`; see `columns_of`."""
    columns = columns_of(table, meta=True)
    known = columns_of(table).keys() - {"row_id"}
    own = {name: columns[name] for name in columns if name == "row_id" or (meta and name not in known)}
    arrow = table.arrow
    for name, column in zip(own, arrow_of(table, own).columns, strict=True):
        while name in arrow.column_names:
            name = f"meta.{name}"
        arrow = arrow.append_column(name, column)
    return arrow


def as_pandas(table: Table, *, meta: bool = False) -> pd.DataFrame:
    """A pandas frame of `columns_of`; whole numbers with gaps are Int64.

    Raises:
        MissingDependency: pandas is not installed.
    """
    try:
        import pandas as pd
    except ImportError as error:
        raise _lacks("pandas") from error
    columns = columns_of(table, meta=meta)
    return pd.DataFrame(
        {
            name: pd.array(values, dtype="Int64") if _whole_numbers(values) else values
            for name, values in columns.items()
        }
    )


def as_polars(table: Table, *, meta: bool = False) -> pl.DataFrame:
    """A polars frame of `columns_of`, each column of one type (`arrow_of`).

    Raises:
        MissingDependency: polars is not installed.
    """
    try:
        import polars as pl
    except ImportError as error:
        raise _lacks("polars") from error
    return pl.DataFrame(arrow_of(table, columns_of(table, meta=meta)))


def as_datasets(table: Table, *, meta: bool = False) -> datasets.Dataset:
    """A Hugging Face data set of `columns_of`, each column of one type (`arrow_of`).

    Raises:
        MissingDependency: datasets is not installed.
    """
    try:
        import datasets
    except ImportError as error:
        raise _lacks("datasets") from error
    return datasets.Dataset(arrow_of(table, columns_of(table, meta=meta)))


def _lacks(package: str) -> MissingDependency:
    return MissingDependency(f"{package} is not installed: pip install 'sft-factory[{package}]'")


def columns_of(table: Table, *, meta: bool = False) -> dict[str, list[Any]]:
    """The records by column, one for each score, in which None is a score that is missing.

    `row_id` is the id that a row had in its source, where any had one.

    Args:
        meta: also a column for each of the user's own, None where a row has none; one whose name is taken is called
            meta.NAME.
    """
    own: list[dict[str, Any]] = [orjson.loads(text) for text in table.values("meta")]
    row_ids = [row.pop("id", None) for row in own]
    columns: dict[str, list[Any]] = {
        "id": table.ids(),
        **({"row_id": row_ids} if any(one is not None for one in row_ids) else {}),
        "instruction": table.texts("instruction"),
        "input": table.texts("input"),
        "output": table.texts("output"),
        "lang": table.values("lang"),
        "task": table.values("task"),
        "source": table.values("source"),
        "tags": [[tag["name"] for tag in tags] for tags in table.values("tags")],
    }
    for name in table.score_names():
        columns[name] = [None if value != value else value for value in table.scores(name).tolist()]
    drops = table.values("dropped")
    if any(drops) or not drops:  # where nothing was let go, one may ask for the reasons as well
        columns["dropped_by"] = [drop["step"] if drop else "" for drop in drops]
        columns["kind"] = [drop["kind"] if drop else "" for drop in drops]
        columns["reason"] = [drop["reason"] if drop else "" for drop in drops]
    if meta:
        for name in dict.fromkeys(name for row in own for name in row):
            column = name
            while column in columns:
                column = f"meta.{column}"
            columns[column] = [row.get(name) for row in own]
    return columns


def arrow_of(table: Table, columns: Mapping[str, Sequence[Any]]) -> pa.Table:
    """Columns of a table's records as Arrow, each of one type.

    What may be anything (the user's own columns) is of the type of all its values, or JSON text where they differ.
    """
    import pyarrow as pa

    known = {name: pa.float64() for name in table.score_names()} | {"tags": pa.list_(pa.string())}
    return pa.table(
        {
            name: pa.array(values, known[name]) if name in known else _of_one_type(values)
            for name, values in columns.items()
        }
    )


def _of_one_type(values: Sequence[Any]) -> pa.Array:
    import pyarrow as pa

    if any(isinstance(value, (list, dict)) for value in values):
        # Lists and mappings of several forms have no common type.
        with contextlib.suppress(pa.ArrowInvalid, pa.ArrowTypeError, OverflowError):
            return pa.array(values)
    kinds = Kinds()
    for value in values:
        kinds.see("", value)
    return pa.array([kinds.cell("", value) for value in values], kinds.type(""))


def _whole_numbers(values: Sequence[Any]) -> bool:
    """Whether a column is of whole numbers with gaps, which pandas would make decimal ones."""
    found = {type(value) for value in values if value is not None}
    return found == {int} and None in values and all(-_INT64 <= value < _INT64 for value in values if value)
