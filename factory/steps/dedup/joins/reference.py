"""What records are held against beside their own set: earlier releases, runs, files, data sets on the hub."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from typing import NamedTuple, Self

from factory.data.references import references
from factory.data.table import Table
from factory.step import Context


class Known(NamedTuple):
    """The records of a step's `reference`.

    table: all of them, in the order of the names
    starts: the first row of each file; names: what a drop calls it
    """

    table: Table
    starts: list[int]
    names: list[str]

    @classmethod
    def read(cls, named: str | Sequence[str], context: Context) -> Self:
        """The records of what is named; those that a run or a file marks as dropped are left out.

        Raises:
            InputError: as `references` and `Context.read_records`.
        """
        tables, starts, names, rows = [], [], [], 0
        for name, path in references(named):
            live = Table.from_records(
                record for record in context.read_records(path) if record.dropped is None
            )
            if not len(live):
                context.warn(f"the reference {name} holds no record: nothing was held against it")
            tables.append(live.arrow)
            starts.append(rows)
            names.append(name)
            rows += len(live)
        if not tables:
            return cls(Table.from_records([]), [], [])
        import pyarrow as pa

        context.count("reference_records", rows)
        return cls(Table(pa.concat_tables(tables)), starts, names)

    def __len__(self) -> int:
        return len(self.table)

    def before(self, table: Table) -> Table:
        """The records of the reference, and those of the set behind them."""
        if not len(self):
            return table
        import pyarrow as pa

        return Table(pa.concat_tables([self.table.arrow, table.arrow]))

    def where(self, row: int) -> str:
        """The end of "identical with ID", for a row of the reference: which reference it is of."""
        return f" of the reference {self.names[bisect_right(self.starts, row) - 1]}"
