"""The step that writes the result."""

from __future__ import annotations

import asyncio
from typing import Literal

from pydantic import Field

from factory.data.record import Drop
from factory.data.table import Table
from factory.errors import OutputError
from factory.step import Context, WholeSet


class Export(WholeSet):
    """Write the records that live as training data, in the formats asked for.

    Writes into the run's `dataset/` folder, each format in a folder of its own beside a card, so that
    `datasets.load_dataset("outputs/<run>/dataset")` loads it as it is. A record without an answer is not
    training data: it is let go with that reason.

    Example:
        - export: {formats: [messages, alpaca, sharegpt, parquet]}
    """

    name = "export"

    formats: tuple[Literal["messages", "alpaca", "sharegpt", "parquet"], ...] = Field(
        ("parquet", "messages"), min_length=1, description="the formats to write, one folder each"
    )

    async def run(self, table: Table, context: Context) -> Table:
        """See `WholeSet.run`."""
        from factory.data.formats.write import write_dataset

        if context.folder is None:
            raise OutputError(f"{context.step}: there is no run's folder to write to; use save")
        drops = {
            index: Drop(context.step, "no_answer", "it has no answer to train on")
            for index, output in enumerate(table.texts("output"))
            if not output.strip()
        }
        result = table.drop(drops) if drops else table
        live, _ = result.split()
        if not len(live):
            context.warn(f"{context.step}: nothing is left to write")
            return result
        folder = context.folder
        await asyncio.to_thread(lambda: write_dataset(live.records(), folder, self.formats))
        return result
