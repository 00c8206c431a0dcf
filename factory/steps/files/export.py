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

    What a format cannot hold is counted and told: records that it has no row for (alpaca has no place for tools,
    preference wants an answer that lost against a chosen one), and what of a record its row does not carry.

    messages, sharegpt and alpaca are what most trainers read; parquet is messages with what is known of each record.
    openai is for OpenAI's fine-tuning; preference, prompt_completion and kto are for TRL; source gives each row in the
    shape and spelling that it was read in.

    Example:
        - export: {formats: [messages, alpaca, sharegpt, parquet], carry: [license, url], reasoning: think}
    """

    name = "export"

    formats: tuple[
        Literal[
            "messages",
            "alpaca",
            "sharegpt",
            "parquet",
            "openai",
            "preference",
            "prompt_completion",
            "kto",
            "source",
        ],
        ...,
    ] = Field(("parquet", "messages"), min_length=1, description="the formats to write, one folder each")
    reasoning: Literal["field", "think", "none"] = Field(
        "field",
        description="what a model thought: as a field of its own (reasoning_content), in <think> tags before the text, "
        "or not at all",
    )
    carry: tuple[str, ...] = Field(
        (),
        description="columns that travel with each row: license, source, and the user's own (id, url, ...); a name "
        "that the format has itself is written as meta.NAME",
    )

    async def run(self, table: Table, context: Context) -> Table:
        """See `WholeSet.run`."""
        from factory.data.formats.write import write_dataset

        if context.folder is None:
            raise OutputError(f"{context.step}: there is no run's folder to write to; use save")
        drops = {
            index: Drop(context.step, "no_answer", "it has no answer to train on")
            for index, record in enumerate(table.records())
            if not record.answered and not record.answers
        }
        result = table.drop(drops) if drops else table
        live, _ = result.split()
        if not len(live):
            why = "no record came in" if not len(table) else "nothing is left to write"
            context.warn(f"{context.step}: {why}")
            return result
        folder = context.folder
        written = await asyncio.to_thread(
            lambda: write_dataset(
                live.records(), folder, self.formats, carry=self.carry, reasoning=self.reasoning
            )
        )
        for sentence in written.told:
            context.warn(f"{context.step}: {sentence}")
        return result
