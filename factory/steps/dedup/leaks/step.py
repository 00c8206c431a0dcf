"""The step that drops what would leak a benchmark into the training set."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from factory.data.benchmark import Item
from factory.data.record import Drop, Record
from factory.data.references import TAKES, reference_files
from factory.data.table import Table
from factory.data.text import shorten
from factory.models.embed_texts import embed_texts
from factory.statistics.interval import percent, wilson
from factory.step import ChatModelName, Context, EmbeddingModelName, WholeSet
from factory.steps.dedup.joins.equal import sources
from factory.steps.dedup.leaks.find import Leak, find_leaks
from factory.steps.dedup.leaks.items import named, read_items
from factory.steps.dedup.leaks.rephrased import (
    JUDGED_CHARACTERS,
    Neighbour,
    Verdict,
    judge_neighbours,
    nearest_items,
)

SIMILARITY = {"judged": 0.86, "similar": 0.92}
"""Of e5-small, 0.86 finds 80% of translations and all paraphrases, beside 5% of unrelated rows; above 0.92 lie
few unrelated rows, and few translations (tests/bench/bench_leaks.py)."""
AT_ONCE = 256
"""Records whose neighbours are judged side by side."""


class Decontaminate(WholeSet):
    """Drop a record that holds an item of a benchmark: whole, in part, or lightly edited.

    All turns are searched, each by itself. Case, punctuation and white space do not count, and each Chinese
    character is a word; traditional characters are compared as simplified ones, HTML's entities as what they stand for,
    and Cyrillic letters that look Latin as these. Other disguises (Greek or mathematical look-alikes, letters spelled
    out, words of Taiwan for those of the mainland, base64) are not seen.

    An item is found where a record has `ngram` of its words in a row (GPT-3, arXiv
    2005.14165), more than `coverage` of its own words by 8-grams (Tulu 3, arXiv 2411.15124), all of it but
    for the share `edits` of its words ("near": a name may be any other, another number counts as another word;
    where most numbers differ, fewer words may), or, for an item of 3 to 7 words, all of it as a line of its own.
    What is near may be another problem of the same words: the reason quotes what the two share. What an item
    asks is looked for, not its reference answer: a short one (a number, a letter) stands everywhere, and a long
    one comes with its question.

    Phrases are no evidence: words that different items have (those of near-identical items, such as two versions
    of one benchmark, count for each of them), and passages in records of more than `common` lineages. All records
    that were made from one seed, or have the same prompt, are one lineage, so that a leaked seed that was evolved or
    copied a dozen times does not hide itself. What is let pass as a phrase is counted and listed with its text, in the
    table `forgiven`.

    `against` names the benchmark files, in any format that `read` takes: GSM8K, HumanEval, MMLU, IFEval,
    MT-Bench, and any file whose rows have a question, prompt, instruction or turns. They are read and nothing
    more: a reason quotes the record and names the item. The step tells how much of each benchmark was found.

    `rephrased: judged` also looks for what words cannot tell, a rephrased or translated item: the items nearest
    in meaning are found by embedding, and a judge says whether one is the same problem (LLM decontaminator,
    arXiv 2311.04850). Give it a strong judge: a small model's word is worth little here. `rephrased: similar`
    asks no judge and drops whatever is as near as `similarity`. With `field: all` the prompt and the output of the
    last exchange are embedded each by itself: the prompt finds questions asked again, the output finds items that
    stand in an answer, such as leaked code (of 50 such leaks the prompt alone found 1, the output 31); `field:
    prompt` halves the cost. Translations lie lower than paraphrases: of 100 true English-Chinese pairs the embedded
    e5-small puts 80 at a cosine of 0.86 or more, 57 at 0.88, and 7 at 0.92, where `similar` draws its line (87 of 100
    paraphrases). For another language use `judged`, or `similarity: 0.86`, and read what it drops.

    With `reference`, the prompts of an earlier release's test rows, or of any records held out, are looked for
    likewise, and the drop names the row.

    Example:
        - decontaminate: {against: {gsm8k: benchmarks/gsm8k_test.jsonl, humaneval: benchmarks/humaneval.jsonl}}
    """

    name = "decontaminate"

    against: Mapping[str, str] = Field(
        {},
        description="name and file of each benchmark, such as {gsm8k: test.jsonl}; a folder or a pattern too, or "
        "hf:org/name",
    )
    reference: str | tuple[str, ...] = Field(
        (),
        description=f"records held out of training, whose prompts are looked for as a benchmark's items are: {TAKES}",
    )
    field: Literal["all", "instruction", "prompt", "output", "both"] = Field(
        "all",
        description="the text searched: all turns, or of the last exchange the instruction, the prompt "
        "(instruction and input), the output, or both (prompt and output)",
    )
    ngram: int = Field(13, ge=8, description="words in a row that are a leak")
    common: int = Field(
        10,
        ge=1,
        description="lineages (seeds with all that was made from them) that may share a passage of an item; one "
        "that more of them have is a phrase and no leak",
    )
    coverage: float = Field(
        0.5, gt=0, le=1, description="share of an item's own words above which it is a leak"
    )
    edits: float = Field(
        0.3,
        ge=0,
        lt=1,
        description="share of an item's words, numbers among them, that a near copy may differ by",
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

    @field_validator("against", mode="before")
    @classmethod
    def _named(cls, against: Any) -> Any:
        named = against.items() if isinstance(against, Mapping) else ()
        if not named or not all(str(part).strip() for pair in named for part in pair):
            raise ValueError("name at least one benchmark with its file, such as {gsm8k: gsm8k_test.jsonl}")
        return against

    @model_validator(mode="after")
    def _against_something(self) -> Self:
        if not self.against and not self.reference:
            raise ValueError(
                "name at least one benchmark in `against`, such as {gsm8k: gsm8k_test.jsonl}, or a `reference`"
            )
        return self

    @field_validator("rephrased", mode="before")
    @classmethod
    def _no(cls, rephrased: Any) -> Any:
        return "no" if rephrased is False else rephrased  # what YAML makes of a bare no

    def inputs(self) -> Sequence[Path]:
        """See `Step.inputs`."""
        return reference_files([*self.against.values(), *named(self.reference)])

    def models_of(self, kind: str) -> Iterator[tuple[str, str]]:
        """See `Step.models_of`: what was rephrased alone needs models, and only `judged` a judge."""
        needed = self.rephrased == "judged" or (self.rephrased == "similar" and kind == "embedding")
        return super().models_of(kind) if needed else iter(())

    async def run(self, table: Table, context: Context) -> Table:
        """See `WholeSet.run`."""
        items = await asyncio.to_thread(read_items, self.against, self.reference, context)
        forgiven: list[Leak] = []
        found = await asyncio.to_thread(
            lambda: find_leaks(
                self._texts(table),
                items,
                ngram=self.ngram,
                coverage=self.coverage,
                edits=self.edits,
                common=self.common,
                lineages=sources(table).tolist(),
                forgive=forgiven.append,
            )
        )
        self._tell_forgiven(forgiven, table, context)
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
                reason = (
                    f"close to {_named(items[first.item])} in meaning, cosine {first.cosine:.3f}, in the "
                    f"{first.field}: {shorten(first.text, 80)}"
                )
                if at in verdicts:
                    reason += f" (the judge: {shorten(verdicts[at].reason, 120)})"
                numbers, item = {"cosine": first.cosine}, items[first.item]
                drops[at] = Drop(context.step, "rephrased_leak", reason, numbers, against=_key(item))
                hits.append((at, item))
            for at, verdict in verdicts.items():
                if at not in drops and verdict.failed is not None:
                    drops[at] = Drop(context.step, verdict.failed.kind, str(verdict.failed), failed=True)
        context.facts["benchmarks"] = _found(hits, items)
        for sentence in _summary(context.facts["benchmarks"]):
            context.tell(sentence)
        return _with_events(table, verdicts, context).drop(drops)

    async def rehearse(self, record: Record, context: Context) -> None:
        """See `WholeSet.rehearse`: a judge is shown as many neighbours as it may be."""
        if self.rephrased != "judged":
            return
        text = max((Table.from_records([record]).texts(field)[0] for field in self._embedded), key=len)
        if text.strip():
            # An item stands in for those that an embedding would find: about as long as the text, which is near to it.
            near = [Neighbour(text, 0, 1.0)] * self.neighbours
            await judge_neighbours(context.chat(self.judge), near, [Item("benchmark", "1", text)])

    @property
    def _embedded(self) -> Sequence[str]:
        """The fields that are embedded, each by itself."""
        return ("prompt", "output") if self.field == "all" else (self.field,)

    def _texts(self, table: Table) -> Iterator[Sequence[str]]:
        """The texts of each record that are searched."""
        if self.field != "all":
            yield from ([text] for text in table.texts(self.field))
        else:
            yield from table.turn_texts()

    def _drops(self, leaks: Mapping[int, Sequence[Leak]], table: Table, context: Context) -> dict[int, Drop]:
        drops = {}
        for (at, found), record in zip(leaks.items(), table.take(list(leaks)).records(), strict=True):
            best = max(found, key=lambda leak: (leak.coverage, leak.run))
            where = f"{record.messages[best.text].role} turn" if self.field == "all" else self.field
            others = {leak.item for leak in found} - {best.item}
            more = f" (and {len(others)} other items)" if others else ""
            reason = f"{_named(best.item)}{more}: {_evidence(best)}, in the {where}: {shorten(best.span, 80)}"
            numbers = {"coverage": best.coverage, "run": best.run, "edits": best.edits, "n": self.ngram}
            drops[at] = Drop(context.step, "leak", reason, numbers, against=_key(best.item))
        return drops

    def _tell_forgiven(self, forgiven: Sequence[Leak], table: Table, context: Context) -> None:
        """Count, list and name what was let pass as a phrase."""
        context.count("passages_let_pass_as_phrases", len(forgiven))
        if not forgiven:
            return
        ids = table.ids()
        context.tables["forgiven"] = [
            {
                "record": ids[leak.record], "benchmark": leak.item.benchmark, "item": leak.item.id,
                "lineages": leak.lineages, "words": leak.run, "of": leak.of, "text": leak.span,
            }
            for leak in forgiven
        ]  # fmt: skip
        widest = max(forgiven, key=lambda leak: leak.lineages)
        context.warn(
            f"{len({leak.record for leak in forgiven}):,} records hold passages of "
            f"{len({leak.item for leak in forgiven}):,} benchmark items that count as phrases, since records of more "
            f"than {self.common} lineages have them, such as {shorten(widest.span, 80)!r} (in {widest.lineages:,}): "
            "they stay; look at the table forgiven, and set `common` higher to drop them"
        )

    async def _neighbours(
        self, table: Table, items: Sequence[Item], drops: dict[int, Drop], context: Context
    ) -> dict[int, list[Neighbour]]:
        """The items near in meaning to each record that is not dropped yet, by its number, the nearest first.

        A record of which a text cannot be embedded, and that is near to no item by the other, is added to the
        drops, as failed.
        """
        texts = [
            (at, field, text)
            for field in self._embedded
            for at, text in enumerate(table.texts(field))
            if text.strip() and at not in drops
        ]
        asked = [at for at, item in enumerate(items) if item.text.strip()]
        if not texts or not asked:
            return {}
        embedder = context.embedder(self.embedder)
        least = self.similarity if self.similarity is not None else SIMILARITY[self.rephrased]
        of_items = await embed_texts(embedder, [items[at].text for at in asked])
        of_texts = await embed_texts(embedder, [text for *_, text in texts])
        if lost := of_items.failed:
            why = lost[min(lost)]
            context.count("items_without_embedding", len(lost))
            context.warn(
                f"{len(lost):,} items of the benchmarks cannot be looked for by their meaning: {why}"
            )
        near: dict[int, list[Neighbour]] = {}
        rows, columns = of_texts.taken, of_items.taken
        for row, column, cosine in await asyncio.to_thread(
            nearest_items, of_texts.vectors[rows], of_items.vectors[columns], self.neighbours, least
        ):
            record, field, text = texts[rows[row]]
            near.setdefault(record, []).append(Neighbour(text, asked[columns[column]], cosine, field))
        for number, error in of_texts.failed.items():
            if texts[number][0] not in near:
                drops[texts[number][0]] = Drop(context.step, error.kind, str(error), failed=True)
        return {at: sorted(near[at], key=lambda one: -one.cosine)[: self.neighbours] for at in sorted(near)}

    async def _judge(
        self, near: Mapping[int, Sequence[Neighbour]], items: Sequence[Item], context: Context
    ) -> dict[int, Verdict]:
        judge = context.chat(self.judge)
        records = list(near)
        verdicts: dict[int, Verdict] = {}
        for start in range(0, len(records), AT_ONCE):
            block = records[start : start + AT_ONCE]
            cut = sum(
                len(text) > JUDGED_CHARACTERS for at in block for text in {one.text for one in near[at]}
            )
            context.count("texts_cut_for_the_judge", cut)
            said = await asyncio.gather(*(judge_neighbours(judge, near[at], items) for at in block))
            verdicts.update(zip(block, said, strict=True))
        return verdicts


def _key(item: Item) -> str:
    """The item as a drop names what a record lost against."""
    return f"{item.benchmark}#{item.id}"


def _named(item: Item) -> str:
    return f"{shorten(item.benchmark, 40)} {shorten(item.id, 60)}"


def _evidence(leak: Leak) -> str:
    if leak.rule == "whole":
        return f"all of its {leak.of} words"
    if leak.rule == "edited":
        shared = f" ({leak.shared!r})" if leak.shared else ""
        return f"near, all but {leak.edits} of its {leak.of} words, {leak.run} in a row{shared}"
    return f"{leak.covered} of its own {leak.of} words, {leak.run} in a row"


def _found(hits: Sequence[tuple[int, Item]], items: Sequence[Item]) -> list[dict[str, Any]]:
    """How many items each benchmark has, how many of them were found, and in how many records."""
    found: dict[str, set[Item]] = {item.benchmark: set() for item in items}
    records: dict[str, set[int]] = {item.benchmark: set() for item in items}
    for record, item in hits:
        found[item.benchmark].add(item)
        records[item.benchmark].add(record)
    sizes = Counter(item.benchmark for item in items)
    return [
        {"benchmark": name, "items": size, "found": len(found[name]), "in_records": len(records[name])}
        for name, size in sizes.items()
    ]


def _summary(found: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """How much of each benchmark was found, as sentences."""
    for one in found:
        if one["found"]:
            of = wilson(one["found"], one["items"])
            yield (
                f"{one['benchmark']}: {one['found']:,} of its {one['items']:,} items, "
                f"{percent(one['found'] / one['items'], of)}, stood in {one['in_records']:,} records, which are dropped"
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
