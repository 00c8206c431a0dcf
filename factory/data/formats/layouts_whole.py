"""Layouts that keep what no trainer asks for: records (lossless) and source (as the rows came).

records     everything, so that a record is read back as it was (see `record_rows`). In Parquet the columns of the
            layout parquet and the user's own, for any tool, beside a column `record` that holds everything
source      each row in the shape and spelling that it was read in, with its own columns
"""

from __future__ import annotations

from collections import Counter

from factory.data.formats.grouped import many_rows
from factory.data.formats.layout_base import Asked, Columns, Held, Layout, Row
from factory.data.formats.layouts_chat import Flat
from factory.data.formats.record_rows import record_row, record_text
from factory.data.formats.shapes import BadShape
from factory.data.formats.shapes.registry import shape_named
from factory.data.formats.shapes.source import form_of, write_source_row
from factory.data.record import Record


class Records(Layout):
    """Everything, as one object of JSON."""

    name = "records"
    has_id = False
    has_columns = False

    def rows(self, record: Record, held: Held, asked: Asked, lost: Counter[str]) -> list[Row]:
        """See `Layout.rows`."""
        return [record_row(record)]

    def columns(self, held: Held, asked: Asked) -> Columns:
        """See `Layout.columns`."""
        raise TypeError("records are no table; `FlatRecords` are")


class FlatRecords(Flat):
    """Everything as JSON text, beside the columns that other tools read."""

    name = "records"

    def rows(self, record: Record, held: Held, asked: Asked, lost: Counter[str]) -> list[Row]:
        """See `Layout.rows`."""
        (row,) = super().rows(record, held, asked, Counter())
        return [{**row, "record": record_text(record)}]

    def columns(self, held: Held, asked: Asked) -> Columns:
        """See `Layout.columns`."""
        import pyarrow as pa

        return [*super().columns(held, asked), ("record", pa.string())]


class Source(Layout):
    """Each row in the shape that it was read in."""

    name = "source"
    has_columns = False
    wants_answer = False
    about = "each row in the shape and spelling that it was read in, with its own columns"
    has_id = False

    def refuses(self, record: Record, asked: Asked) -> str:
        """See `Layout.refuses`."""
        try:
            write_source_row(record, Counter())
        except BadShape as error:
            return str(error)
        return ""

    def rows(self, record: Record, held: Held, asked: Asked, lost: Counter[str]) -> list[Row]:
        """See `Layout.rows`."""
        row = write_source_row(record, lost)
        return many_rows(row, shape_named(str(form_of(record).get("shape", ""))))

    def columns(self, held: Held, asked: Asked) -> Columns:
        """See `Layout.columns`."""
        raise TypeError("rows of many shapes have no schema")
