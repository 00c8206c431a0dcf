"""The step that drops what would leak a benchmark into the training set."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Literal

from pydantic import Field, field_validator

from factory.dedup.benchmark import Item, benchmark_items
from factory.dedup.leaks import Leak, find_leaks
from factory.dedup.rephrased import Neighbour, Verdict, judge_neighbours, nearest_items
from factory.errors import InputError
from factory.record import Drop, Record
from factory.step import ChatModelName, Context, EmbeddingModelName, WholeSet
from factory.table import Table
from factory.text import shorten

SIMILARITY = {"judged": 0.86, "similar": 0.92}
"""Of e5-small, 0.86 finds 80% of translations and all paraphrases, beside 5% of unrelated rows; above 0.92 lie
few unrelated rows, and few translations (tests/bench/bench_leaks.py)."""
AT_ONCE = 256
"""Records whose neighbours are judged side by side."""


class Decontaminate(WholeSet):
    """Drop a record that holds an item of a benchmark: whole, in part, or lightly edited.

    All turns are searched, each by itself. Case, punctuation and white space do not count, and each Chinese
    character is a word. An item is found where a record has `ngram` of its words in a row (GPT-3, arXiv
    2005.14165), more than `coverage` of its own words by 8-grams (Tulu 3, arXiv 2411.15124), all of it but
    for the share `edits` of its words, names and numbers apart, or, for an item of fewer than 8 words, all of
    it as a line of its own. Phrases, which several items or many records have, are no evidence.

    `against` names the benchmark files, in any format that `read` takes: GSM8K, HumanEval, MMLU, IFEval,
    MT-Bench, and any file whose rows have a question, prompt, instruction or turns. They are read and nothing
    more: a reason quotes the record and names the item.

    `rephrased: judged` also looks for what words cannot tell, a rephrased or translated item: the items nearest
    in meaning are found by embedding, and a judge says whether one is the same problem (LLM decontaminator,
    arXiv 2311.04850). Give it a strong judge: a small model's word is worth little here. `rephrased: similar`
    asks no judge and drops whatever is as near as `similarity`.

    Example:
        - decontaminate: {against: {gsm8k: benchmarks/gsm8k_test.jsonl, humaneval: benchmarks/humaneval.jsonl}}
    """

    name = "decontaminate"

    against: Mapping[str, str] = Field(
        description="name and file of each benchmark, such as {gsm8k: test.jsonl}"
    )
    field: Literal["all", "instruction", "prompt", "output", "both"] = Field(
        "all",
        description="the text searched: all turns, or of the last exchange the instruction, the prompt "
        "(instruction and input), the output, or both (prompt and output)",
    )
    ngram: int = Field(13, ge=8, description="words in a row that are a leak")
    coverage: float = Field(
        0.5, gt=0, le=1, description="share of an item's own words above which it is a leak"
    )
    edits: float = Field(
        0.3, ge=0, lt=1, description="share of an item's words that an edited copy may differ by"
    )
    rephrased: Literal["no", "similar", "judged"] = Field(
        "no", description="look for rephrased and translated items too, by embedding alone or with a judge"
    )
    similarity: float | None = Field(
        None,
        ge=-1,
        le=1,
        description="least cosine of a text and an item near to it; by default 0.86 with a judge, 0.92 without, "
        "which suit the embedded model",
    )
    neighbours: int = Field(
        3, ge=1, le=100, description="items near to a record that the judge is shown, at most"
    )
    embedder: EmbeddingModelName = Field("", description="the embedding model that finds the nearest items")
    judge: ChatModelName = Field("", description="the chat model that says whether two are the same problem")

    @field_validator("against")
    @classmethod
    def _some(cls, against: Mapping[str, str]) -> Mapping[str, str]:
        if not against or not all(name.strip() and path.strip() for name, path in against.items()):
            raise ValueError("name at least one benchmark with its file, such as {gsm8k: gsm8k_test.jsonl}")
        return against

    def inputs(self) -> Sequence[Path]:
        """See `Step.inputs`."""
        return [Path(path).expanduser() for path in self.against.values()]

    async def run(self, table: Table, context: Context) -> Table:
        """See `WholeSet.run`."""
        items = await asyncio.to_thread(self._items, context)
        found = await asyncio.to_thread(
            lambda: find_leaks(
                self._texts(table), items, ngram=self.ngram, coverage=self.coverage, edits=self.edits
            )
        )
        leaks: dict[int, list[Leak]] = {}
        for leak in found:
            leaks.setdefault(leak.record, []).append(leak)
        drops = self._drops(leaks, table, context)
        hits = [(leak.record, item) for leak in found for item in (leak.item, *leak.also)]
        verdicts: dict[int, Verdict] = {}
        if self.rephrased != "no":
            near = await self._neighbours(table, items, drops, context)
            if self.rephrased == "judged":
                verdicts = await self._judge(near, items, context)
                near = {at: [v.neighbour] for at, v in verdicts.items() if v.neighbour is not None}
            for at, (first, *_) in near.items():
                said = f": {shorten(verdicts[at].reason, 120)}" if at in verdicts else ""
                reason = f"close to {_named(items[first.item])} in meaning, cosine {first.cosine:.3f}{said}"
                drops[at] = Drop(context.step, "rephrased_leak", reason, {"cosine": first.cosine})
                hits.append((at, items[first.item]))
            for at, verdict in verdicts.items():
                if at not in drops and verdict.failed is not None:
                    drops[at] = Drop(context.step, verdict.failed.kind, str(verdict.failed), failed=True)
        for sentence in _summary(hits, items):
            context.warn(sentence)
        return _with_events(table, verdicts, context).drop(drops)

    async def rehearse(self, record: Record, context: Context) -> None:
        """See `WholeSet.rehearse`: a judge is shown as many neighbours as it may be."""
        (text,) = Table.from_records([record]).texts("prompt" if self.field == "all" else self.field)
        if self.rephrased != "judged" or not text.strip():
            return
        # An item stands in for those that an embedding would find: about as long as the text, which is near to it.
        near = [Neighbour(text, 0, 1.0)] * self.neighbours
        await judge_neighbours(context.chat(self.judge), near, [Item("benchmark", "1", text)])

    def _items(self, context: Context) -> list[Item]:
        """The items of all benchmarks.

        Raises:
            InputError: a file cannot be read, or holds no question.
        """
        items: list[Item] = []
        for (name, _), path in zip(self.against.items(), self.inputs(), strict=True):
            read = list(benchmark_items(name, context.read_rows(path)))
            wrong = [sentence for sentence in read if isinstance(sentence, str)]
            if len(wrong) == len(read):
                raise InputError(f"{path} is no benchmark that can be read: its {wrong[0]}")
            if wrong:
                context.warn(f"{path}: {len(wrong)} of its rows are not looked for: its {wrong[0]}")
            items += (item for item in read if isinstance(item, Item))
        return items

    def _texts(self, table: Table) -> Iterator[Sequence[str]]:
        """The texts of each record that are searched."""
        if self.field != "all":
            yield from ([text] for text in table.texts(self.field))
            return
        for batch in table.arrow.select(["messages"]).to_batches(max_chunksize=1024):
            messages = batch.column("messages")
            contents = messages.flatten().field("content").to_pylist()
            end = 0
            for length in messages.value_lengths().to_pylist():
                yield contents[end : end + length]
                end += length

    def _drops(self, leaks: Mapping[int, Sequence[Leak]], table: Table, context: Context) -> dict[int, Drop]:
        drops = {}
        for (at, found), record in zip(leaks.items(), table.take(list(leaks)).records(), strict=True):
            best = max(found, key=lambda leak: (leak.coverage, leak.run))
            where = f"{record.messages[best.text].role} turn" if self.field == "all" else self.field
            others = {leak.item for leak in found} - {best.item}
            more = f" (and {len(others)} other items)" if others else ""
            reason = f"{_named(best.item)}{more}: {_evidence(best)}, in the {where}: {shorten(best.span, 80)}"
            numbers = {"coverage": best.coverage, "run": best.run, "edits": best.edits, "n": self.ngram}
            drops[at] = Drop(context.step, "leak", reason, numbers)
        return drops

    async def _neighbours(
        self, table: Table, items: Sequence[Item], drops: Mapping[int, Drop], context: Context
    ) -> dict[int, list[Neighbour]]:
        """The items near in meaning to each record that is not dropped yet, by its number."""
        texts = table.texts("prompt" if self.field == "all" else self.field)
        written = [at for at, text in enumerate(texts) if text.strip() and at not in drops]
        asked = [at for at, item in enumerate(items) if item.text.strip()]
        if not written or not asked:
            return {}
        embedder = context.embedder(self.embedder)
        least = self.similarity if self.similarity is not None else SIMILARITY[self.rephrased]
        of_items = await embedder.embed([items[at].text for at in asked])
        of_texts = await embedder.embed([texts[at] for at in written])
        near: dict[int, list[Neighbour]] = {}
        for text, item, cosine in await asyncio.to_thread(
            nearest_items, of_texts, of_items, self.neighbours, least
        ):
            near.setdefault(written[text], []).append(Neighbour(texts[written[text]], asked[item], cosine))
        return near

    async def _judge(
        self, near: Mapping[int, Sequence[Neighbour]], items: Sequence[Item], context: Context
    ) -> dict[int, Verdict]:
        judge = context.chat(self.judge)
        records = list(near)
        verdicts: dict[int, Verdict] = {}
        for start in range(0, len(records), AT_ONCE):
            block = records[start : start + AT_ONCE]
            said = await asyncio.gather(*(judge_neighbours(judge, near[at], items) for at in block))
            verdicts.update(zip(block, said, strict=True))
        return verdicts


def _named(item: Item) -> str:
    return f"{shorten(item.benchmark, 40)} {shorten(item.id, 60)}"


def _evidence(leak: Leak) -> str:
    if leak.rule == "whole":
        return f"all of its {leak.of} words"
    if leak.rule == "edited":
        return f"all but {leak.edits} of its {leak.of} words, {leak.run} in a row"
    return f"{leak.covered} of its own {leak.of} words, {leak.run} in a row"


def _summary(hits: Sequence[tuple[int, Item]], items: Sequence[Item]) -> Iterator[str]:
    """How much of each benchmark was found, as sentences."""
    sizes = Counter(item.benchmark for item in items)
    for name, size in sizes.items():
        records = {record for record, item in hits if item.benchmark == name}
        if records:
            found = len({item for _, item in hits if item.benchmark == name})
            yield (
                f"{name}: {found:,} of its {size:,} items ({found / size:.1%}) stood in {len(records):,} records, "
                "which are dropped"
            )


def _with_events(table: Table, verdicts: Mapping[int, Verdict], context: Context) -> Table:
    """The table with the judge's calls in the history of each record that was judged."""
    if not verdicts:
        return table
    return Table.from_records(
        record.with_event(context.event("judge", *verdicts[at].answers, prompt=verdicts[at].prompt))
        if at in verdicts
        else record
        for at, record in enumerate(table.records())
    )
