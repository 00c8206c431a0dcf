"""Records from what a notebook holds: lists, data frames, Arrow tables, Hugging Face data sets.

The libraries are recognised by the object's own module and never imported here, so that none is needed.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from factory.data.formats.arrow_rows import arrow_rows
from factory.data.formats.columns import documents_of_rows
from factory.data.formats.raw import RawRow
from factory.data.formats.read import BadRow, records_of
from factory.data.record import Record
from factory.errors import FactoryError, InputError, MissingDependency


def records_from(
    obj: object, source: str = "memory", *, shape: str | None = None, limit: int | None = None
) -> Iterator[Record | BadRow]:
    """The records of a Python object, in its order, with a `BadRow` for each row that is not one.

    Args:
        obj: an iterable of mappings or of `Record`s (which pass as they are), a pandas or polars data frame,
            an Arrow table, or a `datasets` Dataset; of a DatasetDict, its only split or its "train" split.
        source: where rows come from that have no `source` column.
        shape: one of `shapes.SHAPES`; by default what the first good rows are.
        limit: give at most this many records.

    Raises:
        InputError: the object is of another kind, holds no row, or none of its rows has a known shape.
    """
    return records_of(_rows(obj, source), source, source, shape=shape, limit=limit)


def hub_records(named: str, *, shape: str | None = None, text: str = "") -> Iterator[Record | BadRow]:
    """The records of the data set that "hf:org/name", "hf://org/name" or "hf:org/name@tag" stands for.

    Raises:
        MissingDependency, InputError: as `read_hub`.
    """
    name, _, revision = named.removeprefix("hf:").removeprefix("//").partition("@")
    return read_hub(name, revision=revision or None, shape=shape, text=text)


def read_hub(
    name: str,
    *,
    config: str | None = None,
    split: str | None = None,
    revision: str | None = None,
    shape: str | None = None,
    limit: int | None = None,
    text: str = "",
) -> Iterator[Record | BadRow]:
    """The records of a Hugging Face data set, or of a local folder that `datasets.load_dataset` can load.

    With `limit` the data set is streamed, so that only what is read is fetched. No code of a data set is run.

    Args:
        text: the column that holds the text of a document; each row is one then

    Raises:
        MissingDependency: the `datasets` package is not installed.
        InputError: there is no such data set, configuration or split, or it cannot be loaded.
    """
    try:
        import datasets
    except ImportError as error:
        raise MissingDependency(
            f"reading {name} takes the datasets package: pip install 'sft-factory[datasets]'"
        ) from error
    try:
        loaded = datasets.load_dataset(
            name, config, split=split, revision=revision, streaming=limit is not None
        )
    except Exception as error:
        raise _hub_error(name, error) from error
    if text:
        return _guarded(name, itertools.islice(documents_of_rows(_rows(loaded, name), text, name), limit))
    return _guarded(name, records_from(loaded, name, shape=shape, limit=limit))


def _guarded(name: str, rows: Iterator[Record | BadRow]) -> Iterator[Record | BadRow]:
    """Streamed rows are fetched as they are asked for, and may fail then."""
    try:
        yield from rows
    except FactoryError:
        raise
    except Exception as error:
        raise _hub_error(name, error) from error


def _hub_error(name: str, error: Exception) -> InputError:
    """The sentence for any error of a loader: they raise whatever their file format's library raises."""
    text = (str(error) or type(error).__name__).splitlines()[0].rstrip(".")
    return InputError(f"{name} cannot be loaded: {text}; check the name, the configuration and the split")


def _rows(obj: Any, source: str) -> Iterator[RawRow]:
    package = type(obj).__module__.partition(".")[0]
    kind = type(obj).__name__
    if package == "pyarrow" and hasattr(obj, "to_batches"):
        return arrow_rows(obj.to_batches())
    if package == "polars" and kind == "LazyFrame":
        obj = obj.collect()
    if package == "polars" and hasattr(obj, "iter_rows"):
        return _numbered(obj.iter_rows(named=True))
    if package == "pandas" and hasattr(obj, "itertuples") and hasattr(obj, "columns"):
        names = [str(name) for name in obj.columns]
        return _numbered(dict(zip(names, row, strict=True)) for row in obj.itertuples(index=False, name=None))
    if package == "datasets" and isinstance(obj, Mapping):
        if len(obj) != 1 and "train" not in obj:
            raise InputError(f"{source} has the splits {', '.join(map(str, obj))}: choose one of them")
        return _numbered(obj["train"] if "train" in obj else next(iter(obj.values())))
    if isinstance(obj, Iterable) and not isinstance(obj, str | bytes | bytearray | Mapping):
        return _numbered(obj)
    raise InputError(
        f"{source}: records cannot be read from an object of type {kind}: give a list of dicts or of "
        "records, a pandas or polars data frame, an Arrow table or a datasets Dataset"
    )


def _numbered(rows: Iterable[Any]) -> Iterator[RawRow]:
    return (RawRow(place, row) for place, row in enumerate(rows, 1))
