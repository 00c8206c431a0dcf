"""The step that writes the result."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Literal, Self

from pydantic import Field, model_validator

from factory.data.document import chunk_of, document_of
from factory.data.record import Drop, Record
from factory.data.rounds import ROUND
from factory.data.table import Table
from factory.errors import OutputError
from factory.step import Context, WholeSet
from factory.steps.files.thoughts.thoughts import TWIN_FORMATS, Thoughts


class Export(WholeSet):
    """Write the records that live as training data, in the formats asked for.

    Writes into the run's `dataset/` folder, each format in a folder of its own beside a card, so that
    `datasets.load_dataset("outputs/<run>/dataset")` loads it as it is. A record without an answer is not
    training data: it is let go with that reason.

    Where `self_training_guard` counted rounds, each row says its own (`self_training_round`), and the card all of them.

    What a format cannot hold is counted and told: records that it has no row for (alpaca has no place for tools,
    preference wants an answer that lost against a chosen one), and what of a record its row does not carry.

    messages, sharegpt and alpaca are what most trainers read; parquet is messages with what is known of each record.
    openai and openai_preference are for OpenAI's fine-tuning; preference, prompt_completion and kto are for TRL; dpo
    has pairs for LLaMA-Factory (`ranking`) and Axolotl (`type: chat_template.default`). Pairs are those that the step
    `pair` made, else each answer that lost against the chosen one. source gives each row in the shape and spelling that
    it was read in.

    A thought that is longer than `reasoning_tokens` is cut there, and its answer kept, so that a model learns to answer
    within a budget; what share was cut is told. With `twins` each record that has thoughts is written twice, with them
    and without, as rows for a model whose thinking is switched on and off: `enable_thinking` among the row's
    `chat_template_kwargs` says which is which. (Nemotron 3 takes the thoughts from 10 % of its rows and cuts those of
    3 %; SmolTalk2 writes both ways.)

    A set that `split` or `schedule` gave parts is written as a file for each of them: train, validation and test,
    stage_1, stage_2, ..., or an expert's set, each in the order of the set. `parts: false` writes one file.

    Example:
        - export: {formats: [messages, alpaca, sharegpt, parquet], carry: [license, url], reasoning: think}
        - export: {formats: [messages], reasoning_tokens: 2000, twins: true}
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
            "dpo",
            "openai_preference",
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

    reasoning_tokens: int | None = Field(
        None, ge=1, description="most tokens, about, of what a model thought; the rest of it is cut off"
    )
    twins: bool = Field(
        False, description="write each record that has thoughts a second time without them, and mark both"
    )

    parts: bool = Field(
        True,
        description="write a file for each part that the columns split, stage and expert name; false: one file",
    )

    shard_rows: int | None = Field(
        None,
        ge=1,
        description="most rows of a Parquet file; more go into files named -00000-of-00003 and so on",
    )
    shard_megabytes: int = Field(
        500, ge=1, description="megabytes from which a Parquet file gets no more rows, and another is begun"
    )

    @model_validator(mode="after")
    def _twins_told_apart(self) -> Self:
        if self.twins and self.reasoning == "none":
            raise ValueError("`twins` writes thoughts and `reasoning: none` leaves them out: choose one")
        blind = [name for name in self.formats if name not in TWIN_FORMATS]
        if self.twins and blind:
            raise ValueError(
                f"`twins` cannot be told apart in {', '.join(blind)}, which holds no chat_template_kwargs: take of "
                f"{', '.join(TWIN_FORMATS)}"
            )
        return self

    async def run(self, table: Table, context: Context) -> Table:
        """See `WholeSet.run`."""
        from factory.data.formats.parquet_files import Shards
        from factory.data.formats.write import write_dataset

        if context.folder is None:
            raise OutputError(f"{context.step}: there is no run's folder to write to; use save")
        drops = {
            index: Drop(context.step, "no_answer", _why_unanswered(record))
            for index, record in enumerate(table.records())
            if not record.answered and not record.answers
        }
        for why, count in Counter(drop.reason for drop in drops.values()).items():
            if why != _NO_ANSWER:
                context.warn(f"{context.step}: {count:,} record{'s' * (count > 1)} left out: {why}")
        result = table.drop(drops) if drops else table
        live, _ = result.split()
        if not len(live):
            why = "no record came in" if not len(table) else "nothing is left to write"
            context.warn(f"{context.step}: {why}")
            return result
        folder = context.folder
        records = list(live.records())
        # The next run counts rounds by it.
        rounds = [ROUND] if any(record.meta.get(ROUND) is not None for record in records) else []
        carry = dict.fromkeys((*self.carry, *rounds))
        thoughts = Thoughts(records, self.reasoning_tokens, self.twins)
        written = await asyncio.to_thread(
            lambda: write_dataset(
                thoughts,
                folder,
                self.formats,
                carry=tuple(carry),
                reasoning=self.reasoning,
                parts=self.parts,
                shards=Shards(self.shard_rows, self.shard_megabytes),
            )
        )
        if unlearned := sum(_unlearned(record) for record in records):
            context.warn(
                f"{context.step}: in {unlearned:,} of {len(records):,} records all that the assistant says has the "
                "weight 0: a trainer that reads weights learns nothing of them, any other learns them "
                "whole; let them go before"
            )
        for sentence in written.told:
            context.warn(f"{context.step}: {sentence}")
        for sentence in thoughts.told():
            context.tell(f"{context.step}: {sentence}")
        for name, number in thoughts.counts().items():
            context.count(name, number)
        return result


_NO_ANSWER = "it has no answer to train on"


def _why_unanswered(record: Record) -> str:
    """Why a record without an answer is left out."""
    if document_of(record) is not None:
        return (
            "it is a document, and no row: cut it by `chunk`, and make rows of the chunks by `from_documents`"
        )
    if chunk_of(record) is not None:
        return "it is a chunk of a document, and no row: make rows of it by `from_documents`"
    return _NO_ANSWER


def _unlearned(record: Record) -> bool:
    """Whether nothing of a record is to be learned."""
    weights = [turn.weight for turn in record.messages if turn.role == "assistant"]
    return bool(weights) and all(weight == 0 for weight in weights)
