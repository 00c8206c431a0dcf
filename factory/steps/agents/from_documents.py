"""Questions and answers out of documents, each answer grounded in the words that support it."""

from __future__ import annotations

import asyncio
import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import ClassVar, Literal, Self

from pydantic import Field, field_validator, model_validator

from factory.data.document import CHUNK, document_of
from factory.data.record import Record
from factory.data.table import Table
from factory.data.text import is_blank, normal_form, shorten
from factory.errors import FactoryError, nearest
from factory.models.base import Sampling
from factory.statistics.interval import group_numbers, percent, share_interval
from factory.step import ChatModelName, Context, WholeSet
from factory.steps.agents.grounding.checks import spanned, words_flaw
from factory.steps.agents.grounding.drafts import written
from factory.steps.agents.grounding.facts import read_facts
from factory.steps.agents.grounding.judged import Judged
from factory.steps.agents.grounding.kinds import KINDS, SHARES, Entities, Kind, Slot, slots
from factory.steps.agents.grounding.nearest import NearestPassages
from factory.steps.agents.grounding.passages import KIND, SPANS, Passage, parents_of, rank
from factory.steps.judging.verdicts.side_by_side import side_by_side

MADE_OF = "chunk"
"""Why a chunk is let go that rows were made of."""


class FromDocuments(WholeSet):
    """Ask questions about chunks of documents, and answer each from words of the chunk that are kept beside it.

    A model lists the facts of each chunk with the words that state them; those whose words are not there are left out.
    It then writes `per_chunk` questions that need them, of the `kinds` asked for: single_fact, several_facts (of one
    chunk), multi_hop (two chunks that name the same thing), summary, how_to, comparison, conversation (two or three
    exchanges), and unanswerable, which the chunk does not answer and a model must decline.

    A row is kept where each answer has a span: words that stand in the chunk, word for word but for NFKC, case, white
    space, the form of quotation marks and dashes, and bold type; and where a judge says that the answer follows from
    its spans alone. A question is let go, marked with its reason, where it

    - "speaks_of_the_text" (the passage, the section, 文中), or cannot be understood without it
      ("not_understood_alone": a pronoun or "the device" that nobody introduced, or a model says so);
    - is answered the same by the model without the chunk ("general_knowledge");
    - or its answer has no span ("no_span", "span_not_found"), one chunk's alone where two are to be needed
      ("one_passage_alone"), is "unsupported" or "partly_supported" by them, or copies the chunk ("copied");
    - is unanswerable, and the chunk, or the one nearest to the question, answers it ("answerable"), or the answer
      does not decline ("not_declined");
    - is empty, cut, a refusal, a loop, in another language, or copied from the prompt.

    The chunk's text is data: it stands between tags that it cannot close, and what a chunk that says "ignore the above"
    brought a model to write has to pass the same checks.

    What is asked about a chunk hangs on its text and the headings above it alone. A document that is renamed or moved
    asks nothing anew; one page that changes, only what is about it, and where a question led to it, the question in its
    place. Equal chunks are asked once ("same_text").

    With `until: full` it goes back to the chunks that no kept row has a span in, until none is left or `dry_rounds`
    rounds brought none. What steps behind it let go is not asked for anew: a `mixture` with `until: full` goes back for
    rows that its groups lack, with other questions. The facts are in the run's folder as `facts.jsonl`; a report says
    which share of chunks, facts, headings and pages have a row in the set, and why the others have none.

    Example:
        - from_documents: {model: teacher, per_chunk: 4}
        - from_documents: {model: teacher, kinds: {single_fact: 0.6, how_to: 0.4}, context: chunk, until: full}
    """

    name: ClassVar[str] = "from_documents"

    model: ChatModelName = ""
    """The chat model that lists facts, writes, and is asked without the chunk."""
    judge: ChatModelName = ""
    """The chat model that judges what was written; the one that writes, if not given."""
    kinds: Mapping[Kind, float] = Field(default_factory=lambda: dict(SHARES))
    """Shares of the kinds of questions, such as {single_fact: 0.6, how_to: 0.4}; those that are not named have none."""
    per_chunk: int = Field(4, ge=1, le=50)
    """Questions that are asked for about each chunk."""
    most_chunks: int | None = Field(None, ge=1)
    """At most so many chunks, drawn by the seed; the others are let go ("not_drawn")."""
    facts: int = Field(12, ge=1, le=30)
    """Facts of a chunk that are worked with at the most."""
    context: Literal["none", "chunk"] = "none"
    """What a row's user shows beside the question: nothing, or the chunk."""
    brief: str = Field("", max_length=2000)
    """What the set is for and who asks, in a sentence or two, for the model that writes."""
    check_alone: bool = True
    """Ask the judge whether the question can be understood without the chunk: one call for each row."""
    check_general: bool = True
    """Ask the model without the chunk, and let go what it knows: one or two calls for each row."""
    until: Literal["once", "full"] = "once"
    """full goes back to chunks that have no row."""
    dry_rounds: int = Field(2, ge=1, le=20)
    """Rounds in a row that cover no further chunk, after which it ends."""
    temperature: float = Field(0.7, ge=0)
    """Sampling temperature of writing; facts and judgements are greedy at first."""
    max_tokens: int = Field(2048, ge=1)
    """Most tokens of a row or a list of facts; a list that is cut is none."""
    judge_max_tokens: int = Field(256, ge=1)
    """Most tokens of a judgement, and of an answer without the chunk."""

    @field_validator("kinds", mode="before")
    @classmethod
    def _known(cls, kinds: object) -> object:
        for kind, share in kinds.items() if isinstance(kinds, Mapping) else ():
            if kind not in KINDS:
                known = ", ".join(KINDS)
                raise ValueError(
                    f"there is no kind {shorten(str(kind), 40)!r}{nearest(str(kind), KINDS)} of {known}"
                )
            if isinstance(share, int | float) and share < 0:
                raise ValueError(f"the share of {kind} is {share:g}: it is 0 at the least")
        return kinds

    @model_validator(mode="after")
    def _some(self) -> Self:
        if not sum(self.kinds.values()) > 0:
            raise ValueError("`kinds` gives no kind a share above 0")
        if not math.isfinite(sum(self.kinds.values())):
            raise ValueError("`kinds` has a share that is no number")
        return self

    async def run(self, table: Table, context: Context) -> Table:
        """See `WholeSet.run`.

        Raises:
            FactoryError: no record that comes in has a text.
            RunStopped: the model cannot answer any more.
        """
        return await _Making(self, context).run(list(table.records()))

    def expected(self) -> int | None:
        """See `WholeSet.expected`: that hangs on how many chunks come in."""
        return None

    async def rehearse(self, record: Record, context: Context) -> Sequence[Record]:
        """See `WholeSet.rehearse`: the costliest kind as often as may be asked for, with all checks."""
        making = _Making(self, context)
        passage = Passage.of(record)
        await making.read(passage, 0, rehearsing=True)
        kind = max((kind for kind in KINDS if self.kinds.get(kind)), key=_calls)
        others = (passage,) if kind == "multi_hop" else ()
        rows = []
        for number in range(self.per_chunk):
            rows.append(
                await making.row(Slot(kind, number, (passage, *others), passage.facts), rehearsing=True)
            )
        return [row.but(dropped=None) for row in rows]


@dataclass(slots=True)
class _Making:
    """One run of the step.

    made: all rows that were written
    covered: the ids of the passages that a kept row has a span in
    """

    step: FromDocuments
    context: Context
    made: list[Record] = field(default_factory=list)
    covered: set[str] = field(default_factory=set)
    nearest: NearestPassages = field(default_factory=lambda: NearestPassages([]))

    async def run(self, records: Sequence[Record]) -> Table:
        """The records, marked, and the rows made of them."""
        context = self.context
        passages, marked = self._passages(records)
        await side_by_side(lambda passage: self.read(passage, 0), passages)
        self.nearest = await asyncio.to_thread(NearestPassages, passages)
        await self._round(passages, 0, passages)
        if self.step.until == "full":
            await self._fill(passages)
        context.tables["facts"] = [row for passage in passages for row in _told_facts(passage)]
        self._tell(passages)
        own = {id(passage.record): self._marked(passage) for passage in passages}
        rows = [own.get(id(record)) or marked[at] for at, record in enumerate(records)]
        return Table.from_records([*rows, *self.made])

    def _passages(self, records: Sequence[Record]) -> tuple[list[Passage], dict[int, Record]]:
        """The passages that are asked about, and by its place each record that is not, marked with the reason."""
        context, marked = self.context, dict[int, Record]()
        first: dict[str, tuple[int, Record]] = {}
        for at, record in enumerate(records):
            text = record.asked.content if record.asked is not None else ""
            if is_blank(text):
                marked[at] = record.drop(context.step, "no_text", "it has no text", failed=True)
            elif (key := normal_form(text)) in first:
                reason, against = "another chunk has the same text", first[key][1].id
                marked[at] = record.drop(context.step, "same_text", reason, against=against)
            else:
                first[key] = at, record
        if not first:
            raise FactoryError(
                f"{context.step}: no record that comes in has a text to ask about: read documents and cut them before "
                "this step, such as `- read: {path: docs/}` and `- chunk`"
            )
        drawn = sorted(first.values(), key=lambda one: rank(context.seed, one[1].id))[: self.step.most_chunks]
        chosen = {at for at, _ in drawn}
        for at, record in first.values():
            if at not in chosen:
                reason = (
                    f"not among the {len(chosen):,} of {len(first):,} chunks that were drawn (`most_chunks`)"
                )
                marked[at] = record.drop(context.step, "not_drawn", reason)
        context.count("without_a_place_in_a_document", sum(CHUNK not in records[at].meta for at in chosen))
        whole = [about for at in chosen if (about := document_of(records[at])) is not None]
        if whole:
            more = f" and {len(whole) - 1:,} more" if len(whole) > 1 else ""
            context.warn(
                f"{context.step}: {whole[0].file}{more} came in uncut, and a model is shown all of it at once: put "
                "`chunk` before this step"
            )
        return [Passage.of(records[at]) for at in sorted(chosen)], marked

    async def read(self, passage: Passage, round: int, rehearsing: bool = False) -> None:
        """Have the passage's facts listed."""
        step = self.step
        sampling = Sampling(step.temperature if round else 0.0, step.max_tokens)
        await read_facts(
            passage, step.model, sampling, step.facts, self.context, sample=round, rehearsing=rehearsing
        )

    async def row(self, slot: Slot, rehearsing: bool = False) -> Record:
        """The row of a slot, marked with what is wrong with it if anything is."""
        step, context = self.step, self.context
        in_context = step.context == "chunk"
        sampling = Sampling(step.temperature, step.max_tokens)
        draft = await written(slot, step.model, sampling, step.brief, in_context, context)
        row = draft.record
        if rehearsing and slot.kind == "conversation":
            draft = replace(draft, turns=(*draft.turns, draft.turns[-1]))  # three at the most
        elif row.dropped is not None:
            return row
        if not rehearsing:
            prompt = context.prompt(f"documents/{slot.kind}", slot.passages[0].record)
            flaw = words_flaw(draft, prompt, in_context)
            if flaw is None:
                row, flaw = spanned(draft)
            if flaw is not None:
                return row.drop(context.step, *flaw)
        judge = step.judge or step.model
        judged = Judged(draft, step.model, judge, step.judge_max_tokens, context, rehearsing)
        return await judged.passed(row, self.nearest, alone=step.check_alone, general=step.check_general)

    async def _round(self, passages: Sequence[Passage], round: int, among: Sequence[Passage]) -> int:
        """Ask about these passages, `among` all that there are; how many more have a row now."""
        step = self.step
        # A round in which a set is filled asks for others than the first pass, and each for others than the one before.
        filling = 0 if self.context.earlier is None else 1000 * (1 + self.context.seed % 1_000_000)
        numbers = range((filling + round) * step.per_chunk, (filling + round + 1) * step.per_chunk)
        entities = Entities(among)
        wanted = [
            slot
            for passage in passages
            if passage.facts
            for slot in slots(passage, step.kinds, numbers, entities, self.context.seed, self.context)
        ]
        rows = await side_by_side(self.row, wanted)
        self.made += rows
        before = len(self.covered)
        self.covered |= {span["record"] for row in rows if row.dropped is None for span in row.meta[SPANS]}
        return len(self.covered) - before

    async def _fill(self, passages: Sequence[Passage]) -> None:
        """Go back to the passages that no kept row has a span in, and say why no further."""
        context, rounds = self.context, list[dict[str, int]]()
        dry = 0
        while dry < self.step.dry_rounds and (left := self._uncovered(passages)):
            number = len(rounds) + 1
            await side_by_side(
                lambda passage, number=number: self.read(passage, number),  # type: ignore[misc]
                [passage for passage in left if not passage.facts],
            )
            gained = await self._round(left, number, passages)
            dry = 0 if gained else dry + 1
            rounds.append({"round": number, "chunks": len(left), "covered": gained})
        context.facts["rounds_for_chunks_without_a_row"] = rounds
        if left := self._uncovered(passages):
            reasons = _why_none(left, self.made).most_common(3)
            context.warn(
                f"{context.step}: {len(left):,} of {len(passages):,} chunks have no row: the last {dry:,} of "
                f"{len(rounds):,} rounds brought one to none of them "
                f"({', '.join(f'{kind}: {number:,}' for kind, number in reasons)}); look at what was dropped, ask a "
                "stronger model, or raise `dry_rounds`"
            )

    def _uncovered(self, passages: Sequence[Passage]) -> list[Passage]:
        return [passage for passage in passages if passage.id not in self.covered]

    def _marked(self, passage: Passage) -> Record:
        """The chunk's record, let go: rows stand in its place, or the reason why there are none."""
        record = passage.record
        if passage.why is not None:
            return record.drop(self.context.step, *passage.why, failed=passage.failed)
        return record.drop(self.context.step, MADE_OF, "a chunk that rows were made of")

    def _tell(self, passages: Sequence[Passage]) -> None:
        """Tell the yield, by kind, and the chunks that have a row."""
        context, made = self.context, self.made
        kept = [int(row.dropped is None) for row in made]
        kinds = [row.meta[KIND] for row in made]
        context.facts["kinds_of_questions"] = [
            {"kind": kind, "asked": kinds.count(kind), "kept": sum(flags)}
            for kind in KINDS
            if (flags := [flag for flag, own in zip(kept, kinds, strict=True) if own == kind])
        ]
        found = len(passages) - len(self._uncovered(passages))
        facts = sum(len(passage.facts) for passage in passages)
        say = context.tell if sum(kept) else context.warn
        parents = [parents_of(row)[:1] for row in made]
        share = (
            percent(sum(kept) / len(made), share_interval(kept, group_numbers(parents))) if made else "none"
        )
        say(
            f"{context.step}: {facts:,} facts in {len(passages):,} chunks; kept {sum(kept):,} of {len(made):,} "
            f"questions, {share}; {found:,} of {len(passages):,} chunks have a row"
        )
        if dropped := Counter(row.dropped.kind for row in made if row.dropped):
            context.facts["let_go"] = dict(sorted(dropped.items(), key=lambda one: (-one[1], one[0])))


def _told_facts(passage: Passage) -> Iterable[dict[str, object]]:
    """The passage's facts as rows of a file."""
    for fact in passage.facts:
        told = {"fact": fact.statement, "entities": list(fact.entities)}
        yield {**told, **passage.span(fact.place)}


def _why_none(left: Sequence[Passage], made: Sequence[Record]) -> Counter[str]:
    """Of passages without a row, the kind of reason that most of the rows of each were let go for."""
    kinds: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for row in made:
        if row.dropped is not None:
            for parent in parents_of(row):
                kinds[parent][row.dropped.kind] += 1
    found: Counter[str] = Counter()
    for passage in left:
        own = kinds[passage.id].most_common(1)
        found[passage.why.kind if passage.why is not None else own[0][0] if own else "not_asked"] += 1
    return found


def _calls(kind: Kind) -> tuple[int, int]:
    """How costly a row of a kind is beside others."""
    return {"conversation": 3, "multi_hop": 2, "unanswerable": 0}.get(kind, 1), -KINDS.index(kind)
