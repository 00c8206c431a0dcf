"""The step that cuts documents into chunks."""

from __future__ import annotations

import asyncio
from bisect import bisect_right
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal

from pydantic import Field

from factory.data.document import DOCUMENT, Chunk, Document, Heading, chunk_of, chunk_record, document_of
from factory.data.record import Record
from factory.errors import RecordFailed
from factory.step import Context, PerRecord
from factory.steps.documents.chunking.pack import pack
from factory.steps.documents.chunking.tokens import token_counter, tokenizer_file
from factory.steps.documents.chunking.units import Splitter


class ChunkDocuments(PerRecord):
    """Cut each document into chunks of whole sentences that fit a model's context.

    Takes what `read` makes of documents, and gives a record for each chunk, which knows its file, pages, headings and
    offsets: the chunk is the document's text from `start` to `end`, and together chunks hold all that is not blank.
    A chunk is as large as `size` lets it be and ends at the strongest border there: before a heading, at the end of a
    paragraph, of an item, of a sentence (English and Chinese). No sentence is cut that fits into a chunk, and no table,
    nor block of code; those that do not are cut at a clause, a row or a line, and counted. With `by: headings` no chunk
    holds text from under two headings.

    Sizes are estimated from characters, or counted by the model's own `tokenizer`. What is the same in several
    documents is found before anybody pays for it: `dedup_minhash` (or `dedup_exact`, `dedup_rouge`) takes chunks as
    they are. Equal chunks have equal ids, so that a chunk of a moved, renamed or edited document is known again.

    Source: semchunk (github.com/isaacus-dev/semchunk) for the order of borders.

    Example:
        - chunk: {size: 400, overlap: 1}
        - dedup_minhash: {threshold: 0.8}
    """

    name = "chunk"

    size: int = Field(512, ge=16, description="most tokens of a chunk")
    by: Literal["size", "headings"] = Field(
        "size",
        description="size: chunks as large as may be; headings: one for each section, more where it is larger",
    )
    overlap: int = Field(
        0, ge=0, le=50, description="sentences that a chunk repeats of the one before it, where they fit"
    )
    tokenizer: str = Field(
        "",
        description="the model's tokenizer.json, or the folder that holds it, to count tokens by; empty: an "
        "estimate, a quarter of a token for an ASCII character and 0.7 for any other",
    )

    def inputs(self) -> Sequence[Path]:
        """See `Step.inputs`."""
        return [tokenizer_file(self.tokenizer)] if self.tokenizer else ()

    def check_ready(self) -> None:
        """See `Step.check_ready`."""
        if self.tokenizer and tokenizer_file(self.tokenizer).is_file():
            token_counter(self.tokenizer)

    async def process(self, record: Record, context: Context) -> AsyncIterator[Record]:
        """See `PerRecord.process`."""
        document = document_of(record)
        if document is None:
            if chunk_of(record) is None:
                raise RecordFailed(
                    "no_document",
                    "it is no document: read a file of a document's kind (.pdf, .docx, .md, ...), or rows with `text`",
                )
            yield record
            return
        chunks, counts = await asyncio.to_thread(self._chunks, record, document)
        context.count("chunks", len(chunks))
        for name in ("sentences_cut", "tables_cut", "code_blocks_cut"):
            context.count(name, counts[name])
        if not chunks:
            raise RecordFailed("no_text", f"{document.file} has no text to cut")
        event = context.event("chunk")._replace(parents=(record.id,))
        for chunk in chunks:
            yield chunk.with_event(event)

    def finish(self, context: Context) -> None:
        """See `PerRecord.finish`."""
        facts = context.facts
        if not self.tokenizer and facts.get("chunks"):
            context.tell(
                "sizes of chunks are estimated from characters: `tokenizer` counts a model's own tokens"
            )
        said = [
            f"{facts[name]:,} {what}"
            for name, what in (
                ("sentences_cut", "sentences"),
                ("tables_cut", "tables"),
                ("code_blocks_cut", "blocks of code"),
            )
            if facts.get(name)
        ]
        if said:
            context.tell(f"longer than a chunk of {self.size} tokens, and cut: {', '.join(said)}")

    def _chunks(self, record: Record, document: Document) -> tuple[list[Record], Counter[str]]:
        """The chunks of a document, and how many of its sentences, tables and blocks of code were cut."""
        text = record.instruction
        count = token_counter(self.tokenizer)
        splitter = Splitter(self.size, count)
        units = splitter.units(text, document.headings)
        spans = pack(units, self.size, count, text, sections=self.by == "headings", overlap=self.overlap)
        others = {key: value for key, value in record.meta.items() if key != DOCUMENT}
        seen: Counter[str] = Counter()
        chunks = []
        for number, span in enumerate(spans):
            start, end = units[span.first].start, units[span.last - 1].end
            first_page, last_page = _pages(document.pages, start, end)
            about = Chunk(
                document=record.id,
                file=document.file,
                title=document.title,
                number=number,
                total=len(spans),
                headings=_above(document.headings, units[span.own].body),
                first_page=first_page,
                last_page=last_page,
                start=start,
                end=end,
            )
            said = text[start:end]
            made = chunk_record(said, about, occurrence=seen[said], lang=record.lang, license=record.license)
            seen[said] += 1
            chunks.append(
                replace(made, meta={**others, **made.meta}, place=record.place, events=record.events)
            )
        return chunks, splitter.counts


def _pages(pages: Sequence[int], start: int, end: int) -> tuple[int, int]:
    """The first and last page of a stretch of text, 0 where there are none; a page without text is none's."""
    if not pages:
        return 0, 0
    return max(1, bisect_right(pages, start)), max(1, bisect_right(pages, end - 1))


def _above(headings: Sequence[Heading], at: int) -> tuple[str, ...]:
    """The headings that the text at an offset stands under, the highest first."""
    path: list[Heading] = []
    for heading in headings:
        if heading.at >= at:
            break
        while path and path[-1].level >= heading.level:
            path.pop()
        path.append(heading)
    return tuple(heading.text for heading in path)
