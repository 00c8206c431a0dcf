"""Chunks: exact, whole, in order, of whole sentences, and no larger than they may be."""

from __future__ import annotations

import asyncio
import re
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_manual import manual_text
from step_context import process, scripted_context

from factory.data.document import Chunk, Document, chunk_of, document_record
from factory.data.documents.markdown import find_headings
from factory.data.record import Record, new_record
from factory.data.table import Table
from factory.data.text import estimate_tokens
from factory.errors import InputError, RecordFailed
from factory.step import Context
from factory.steps.dedup.exact import DedupExact
from factory.steps.dedup.minhash.step import DedupMinHash
from factory.steps.documents.chunk import ChunkDocuments
from factory.steps.documents.chunking.sentences import sentence_spans
from factory.steps.documents.chunking.tokens import token_counter

BLOCKS = st.lists(
    st.one_of(
        st.sampled_from(
            [
                "# Pumps",
                "## Seals",
                "### Rings",
                "The pump lifts water. It runs for an hour.",
                "水泵每分钟提升水。它运行一小时！好的？",
                "- one item\n- another item\n1. a third",
                "| a | b |\n| --- | --- |\n| 1 | 2 |\n| 3 | 4 |",
                "```\ncode = 1\n\nmore = 2\n```",
                "A sentence that is much longer than any chunk may be here, " * 6,
                "字" * 120,
                "x" * 300,
            ]
        ),
        st.text("ab .。#|`-\n ", max_size=40),
    ),
    max_size=12,
)


def document(text: str, pages: tuple[int, ...] = (), file: str = "a.md") -> Record:
    about = Document(file, "md", "Pumps", tuple(find_headings(text)), pages)
    return document_record(text, about)


def context() -> Context:
    return scripted_context(lambda ask: "")[0]


def chunks(text: str, *, pages: tuple[int, ...] = (), **options: object) -> list[tuple[str, Chunk]]:
    step = ChunkDocuments.model_validate(options)
    found = process(step, document(text, pages), context())
    return [(record.instruction, about) for record in found if (about := chunk_of(record)) is not None]


@given(BLOCKS, st.integers(16, 80), st.integers(0, 3), st.sampled_from(["size", "headings"]))
def test_chunks_are_slices_of_the_text_in_order_that_leave_nothing_out_and_fit(
    blocks: list[str], size: int, overlap: int, by: str
) -> None:
    text = "\n\n".join(blocks)
    try:
        found = chunks(text, size=size, overlap=overlap, by=by)
    except RecordFailed:
        assert not text.strip()
        return
    covered = 0
    for number, (said, about) in enumerate(found):
        assert text[about.start : about.end] == said
        assert said == said.strip()
        assert (about.number, about.total) == (number, len(found))
        assert not text[covered : about.start].strip()
        assert about.end > covered
        if not overlap:
            assert about.start >= covered
        covered = about.end
        assert estimate_tokens(said) <= size
    assert not text[covered:].strip()


@given(BLOCKS, st.integers(30, 80))
def test_no_sentence_that_fits_is_cut(blocks: list[str], size: int) -> None:
    text = "\n\n".join(block for block in blocks if block[:1] not in "#|`-")
    if not text.strip():
        return
    edges = {at for _, about in chunks(text, size=size) for at in (about.start, about.end)}
    for paragraph in re.finditer(r"(?:[^\n]|\n(?!\s*\n))+", text):
        for start, end in sentence_spans(text, *paragraph.span()):
            if estimate_tokens(text[start:end]) <= size:
                assert not any(start < edge < end for edge in edges)


def test_headings_that_a_chunk_stands_under_are_its_context() -> None:
    text = "# Pumps\n\n## Seals\n\nText one. " + "It holds. " * 12 + "\n\n## Hoses\n\nText two."
    found = chunks(text, size=20, by="headings")
    assert found[0][0].startswith("# Pumps\n\n## Seals\n\nText one.")
    assert {about.headings for _, about in found} == {("Pumps", "Seals"), ("Pumps", "Hoses")}
    assert found[-1][0] == "## Hoses\n\nText two."


def test_by_headings_each_section_is_a_chunk_and_by_size_small_ones_are_together() -> None:
    text = "# A\n\nOne.\n\n## B\n\nTwo.\n\n# C\n\nThree."
    assert [said for said, _ in chunks(text, by="headings")] == [
        "# A\n\nOne.",
        "## B\n\nTwo.",
        "# C\n\nThree.",
    ]
    assert [said for said, _ in chunks(text)] == [text]
    assert [said for said, _ in chunks(text, size=16)] == [text] or len(chunks(text, size=16)) == 2


def test_a_heading_stands_with_the_text_below_it() -> None:
    text = (
        "The pump runs, and runs on, for an hour or two.\n\n# Seals\n\nThey hold. They hold very well indeed."
    )
    assert [said[:7] for said, _ in chunks(text, size=20)] == ["The pum", "# Seals"]


def test_a_table_that_fits_is_not_cut_and_one_that_does_not_is_cut_between_rows_and_counted() -> None:
    rows = [f"| part {at} | {at * 100} hours |" for at in range(12)]
    table = "\n".join(["| Part | Hours |", "| --- | --- |", *rows])
    text = f"Parts are changed as the table says.\n\n{table}\n\nOrder them early."
    assert any(table in said for said, _ in chunks(text, size=estimate_tokens(table) + 4))
    step, at = ChunkDocuments(size=40), context()
    found = [record.instruction for record in process(step, document(text), at)]
    assert at.facts["tables_cut"] == 1
    assert all(row in "\n".join(found).splitlines() for row in rows)
    assert any("| Part | Hours |\n| --- | --- |\n| part 0" in said for said in found)


def test_a_sentence_longer_than_a_chunk_is_cut_at_a_clause_and_counted_and_told() -> None:
    told: list[str] = []
    step, at = ChunkDocuments(size=16), context()
    at = Context("01-chunk", 0, at.get_chat, at.get_embedder, tell=told.append)
    text = "The pump lifts water, which runs to the sea, where the tide turns, as the table of the moon says it does."
    found = [record.instruction for record in process(step, document(text), at)]
    step.finish(at)
    assert at.facts["sentences_cut"] == 1
    assert all(said.endswith((",", ".")) for said in found), found
    assert "longer than a chunk of 16 tokens, and cut: 1 sentences" in told


def test_overlap_repeats_whole_sentences_and_not_over_a_heading() -> None:
    text = " ".join(f"Sentence number {at} stands here." for at in range(8)) + "\n\n# Next\n\nIt begins."
    found = chunks(text, size=30, overlap=1)
    for (before, first), (_, second) in pairwise(found):
        if second.headings:
            assert second.start > first.end
        else:
            shared = text[second.start : first.end]
            assert re.fullmatch(r"Sentence number \d stands here\.", shared)
            assert before.endswith(shared)


def test_pages_of_a_chunk_are_those_its_text_stands_on() -> None:
    text = "One page.\n\nAnother one.\n\nThe last."
    pages = (0, text.index("Another"), text.index("The last"), len(text))
    (whole,) = chunks(text, pages=pages)
    assert (whole[1].first_page, whole[1].last_page) == (1, 3)
    apart = chunks("# A\n\nOne page.\n\n# B\n\nAnother.", pages=(0, 16), by="headings")
    assert [(about.first_page, about.last_page) for _, about in apart] == [(1, 1), (2, 2)]
    assert chunks(text)[0][1].first_page == chunks(text)[0][1].last_page == 0


def test_a_chunk_keeps_what_the_row_of_its_document_says_and_where_it_came_from() -> None:
    record = document("Text.")
    object.__setattr__(record, "meta", {"url": "x", **record.meta})
    (found,) = process(ChunkDocuments(), record, context())
    assert (found.meta["url"], found.source, found.events[-1].parents) == ("x", "a.md", (record.id,))
    assert "document" not in found.meta


def test_an_edited_or_renamed_document_gives_the_same_chunks_but_for_what_was_edited() -> None:
    text = manual_text("en")
    step = ChunkDocuments(size=100, by="headings")
    before = {record.id for record in process(step, document(text), context())}
    edited = text.replace("420 litres", "430 litres").replace("# Heron 3 Operator's Manual\n\n", "")
    after = {record.id for record in process(step, document(edited, file="b.md"), context())}
    assert len(before - after) == 1
    assert {record.id for record in process(step, document(text, file="c.md"), context())} == before


def test_equal_chunks_of_one_document_are_records_of_their_own() -> None:
    found = process(ChunkDocuments(by="headings"), document("# A\n\nSame.\n\n# A\n\nSame."), context())
    assert found[0].instruction == found[1].instruction
    assert found[0].id != found[1].id


def test_what_is_no_document_fails_with_the_mend_and_a_chunk_passes() -> None:
    (chunk,) = process(ChunkDocuments(), document("Text."), context())
    assert process(ChunkDocuments(), chunk, context()) == [chunk]
    with pytest.raises(RecordFailed, match="it is no document: read a file of a document's kind"):
        process(ChunkDocuments(), new_record("Why?", output="So."), context())
    with pytest.raises(RecordFailed, match="has no text to cut"):
        process(ChunkDocuments(), document(" \n"), context())


@pytest.mark.parametrize(
    ("text", "sentences"),
    [
        ("One. Two! Three? Four", ["One.", "Two!", "Three?", "Four"]),
        (
            "See Fig. 3 by J. Smith, e.g. the U.S. one. Then stop.",
            ["See Fig. 3 by J. Smith, e.g. the U.S. one.", "Then stop."],
        ),
        (
            "It costs 3.5 dollars. He said “Go.” She went.",
            ["It costs 3.5 dollars.", "He said “Go.”", "She went."],
        ),
        (
            "水泵运行。它停了！为什么？“因为潮水。”他说；完了",
            ["水泵运行。", "它停了！", "为什么？", "“因为潮水。”", "他说；完了"],
        ),
        ("用E14表示。See page 3. 然后继续。", ["用E14表示。", "See page 3.", "然后继续。"]),
        ("1. Open it. 2. Close it.", ["1. Open it.", "2. Close it."]),
        ("A line\nthat goes on. And more…… then", ["A line\nthat goes on.", "And more…… then"]),
        ("Contents . . . . . . 9", ["Contents .", ". . . . . 9"]),
        ("", []),
        (" \n ", []),
    ],
)
def test_sentences_end_where_a_reader_ends_them(text: str, sentences: list[str]) -> None:
    assert [text[start:end] for start, end in sentence_spans(text, 0, len(text))] == sentences


@pytest.mark.slow
def test_an_endless_line_is_cut_in_a_moment_of_its_length() -> None:
    for line in ("word " * 100_000, "x" * 500_000, "1. " * 100_000, ". " * 100_000, "字" * 200_000):
        found = chunks(line, size=500)
        assert "".join(said for said, _ in found).replace(" ", "") == line.replace(" ", "")


def test_near_duplicates_among_chunks_are_found_as_they_are() -> None:
    text = manual_text("en")
    step = ChunkDocuments(size=200, by="headings")
    first = process(step, document(text), context())
    second = process(
        step, document(text.replace("one person", "any person").replace("12 metres", "13 metres")), context()
    )
    table = Table.from_records([*first, *second])
    exact = asyncio.run(DedupExact().run(table, context()))
    near = asyncio.run(DedupMinHash(threshold=0.8).run(exact, context()))
    assert sum(record.dropped is None for record in near.records()) == len(first)


def test_a_tokenizer_that_is_none_is_told(tmp_path: Path) -> None:
    pytest.importorskip("tokenizers")
    path = tmp_path / "tokenizer.json"
    path.write_text("{}")
    with pytest.raises(InputError, match="is no tokenizer"):
        token_counter(str(tmp_path))


def test_tokens_are_counted_by_the_models_tokenizer(tmp_path: Path) -> None:
    tokenizers = pytest.importorskip("tokenizers")
    made = tokenizers.Tokenizer(tokenizers.models.WordLevel({"[UNK]": 0}, unk_token="[UNK]"))
    made.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    made.save(str(tmp_path / "tokenizer.json"))
    text = "One two three four. " * 12
    found = chunks(text, size=20, tokenizer=str(tmp_path))
    assert [len(re.findall(r"\w+|\.", said)) for said, _ in found] == [20, 20, 20]
    assert ChunkDocuments(tokenizer=str(tmp_path)).inputs() == [tmp_path / "tokenizer.json"]
