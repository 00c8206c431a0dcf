"""What of the documents is in the set is told from a run's files: by file, with the reasons for what is not."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from made_documents import Done, Reader, manual_chunk, run

from factory.data.document import Document, document_record
from factory.data.record import Event, Record, new_record
from factory.data.table import write_records
from factory.report.coverage import FileCoverage, Part, coverage, coverage_lines, write_coverage
from factory.report.page.coverage import coverage_section
from factory.steps.agents.from_documents import FromDocuments

STEP = FromDocuments(kinds={"single_fact": 1.0}, per_chunk=1)


def folder_of(
    folder: Path, kept: Sequence[Record], dropped: Sequence[Record], facts: Sequence[object] = ()
) -> Path:
    """A run's folder with these records."""
    step = folder / "steps" / "03-from_documents"
    step.mkdir(parents=True)
    for path, records in ((step / "kept.parquet", kept), (folder / "dropped.parquet", dropped)):
        with write_records(path) as writer:
            for record in records:
                writer.write(record)
    (step / "facts.jsonl").write_text("".join(json.dumps(fact) + "\n" for fact in facts))
    return folder


def run_of(folder: Path, done: Done, *more: Record) -> Path:
    """The folder of a run that ended with what the step gave."""
    gone = [record for record in [*done.chunks, *done.made] if record.dropped]
    return folder_of(folder, done.kept, [*gone, *more], done.tables["facts"])


def two_files() -> list[Record]:
    """Four chunks of one file, two of another."""
    first = [manual_chunk(number) for number in range(4)]
    return [*first, *(manual_chunk(number, file="other.md") for number in (10, 11))]


def test_each_file_tells_its_chunks_facts_headings_and_pages_with_a_row_and_why_others_have_none(
    tmp_path: Path,
) -> None:
    reader = Reader(
        facts=lambda passage: [] if "valve 1 " in passage else None,
        supported=lambda question, answer, evidence: "unsupported" if "filter 2" in question else "supported",
    )
    found = coverage(run_of(tmp_path, run(STEP, reader, two_files())))
    manual, other = found
    assert manual == FileCoverage(
        "manual.md",
        rows=2,
        parts={"chunks": Part(4, 2), "facts": Part(9, 2), "headings": Part(4, 2), "pages": Part(4, 2)},
        why=Counter({"no_facts": 1, "unsupported": 1}),
    )
    assert (other.file, other.rows, other.parts["chunks"], other.why) == (
        "other.md",
        2,
        Part(2, 2),
        Counter(),
    )


def test_a_row_that_a_later_step_lets_go_covers_nothing_and_its_reason_is_told(tmp_path: Path) -> None:
    done = run(STEP, Reader(), two_files())
    late = done.kept[0].drop("04-dedup_rouge", "near_duplicate", "too close", against=done.kept[1].id)
    gone = [record for record in done.chunks if record.dropped]
    found = coverage(folder_of(tmp_path, done.kept[1:], [*gone, late], done.tables["facts"]))
    assert found[0].parts["chunks"] == Part(4, 3)
    assert found[0].why == Counter({"near_duplicate": 1})


def test_a_row_without_spans_covers_all_of_its_chunk(tmp_path: Path) -> None:
    chunk = manual_chunk(0).with_event(Event("02-chunk", "chunk", parents=("dmanual.md",)))
    pair = chunk.child("At which pressure?", Event("03-backtranslate", "backtranslate"), output=chunk.prompt)
    other = manual_chunk(1).drop("03-backtranslate", "too_short", "few words")
    (found,) = coverage(folder_of(tmp_path, [pair], [other]))
    assert (found.rows, found.parts["chunks"], found.why) == (1, Part(2, 1), Counter({"too_short": 1}))


def test_a_file_that_gave_no_chunk_is_told_with_its_reason(tmp_path: Path) -> None:
    scan = document_record("", Document("scan.pdf", "pdf")).drop("01-read", "no_text", "no text", failed=True)
    found = coverage(run_of(tmp_path, run(STEP, Reader(), two_files()), scan))
    assert [one.file for one in found] == ["manual.md", "other.md", "scan.pdf"]
    assert found[2].why == Counter({"no_text": 1})


def test_chunks_of_one_text_in_two_files_are_both_covered_by_its_row(tmp_path: Path) -> None:
    twin = [manual_chunk(0), manual_chunk(0, file="copy.md")]
    found = coverage(run_of(tmp_path, run(STEP, Reader(), twin)))
    assert [one.parts["chunks"] for one in found] == [Part(1, 1), Part(1, 1)]


def test_a_run_without_documents_has_none_and_a_column_of_that_name_is_no_chunk(tmp_path: Path) -> None:
    row = new_record("Why?", output="So.", meta={"chunk": {"mine": 1}, "document": "x"})
    folder = folder_of(tmp_path, [row], [])
    assert write_coverage(folder) == []
    assert not (folder / "coverage.jsonl").exists()
    assert coverage_lines(folder) == []
    assert coverage_section([]) == ""


def test_it_is_a_table_in_the_folder_and_is_told_in_three_lines(tmp_path: Path) -> None:
    reader = Reader(supported=lambda question, *_: "unsupported" if "filter 2" in question else "supported")
    folder = run_of(tmp_path, run(STEP, reader, two_files()))
    write_coverage(folder)
    rows = [json.loads(line) for line in (folder / "coverage.jsonl").read_text().splitlines()]
    assert rows[0] == {
        "file": "manual.md",
        "rows": 3,
        "chunks": 4,
        "chunks_with_a_row": 3,
        "facts": 12,
        "facts_with_a_row": 3,
        "headings": 4,
        "headings_with_a_row": 3,
        "pages": 4,
        "pages_with_a_row": 3,
        "why_not": {"unsupported": 1},
    }
    assert coverage_lines(folder) == [
        "covered  5 of 6 chunks (83%), 5 of 18 facts (28%), 5 of 6 headings (83%), 5 of 6 pages (83%) of 2 files",
        "         without a row: unsupported 1",
        "         least of manual.md: 3 of 4 chunks; coverage.jsonl has each file",
    ]


@pytest.mark.parametrize("name", ["<script>alert(1)</script>.md", "\x1b[2J.md"])
def test_a_hostile_name_is_shown_and_runs_nothing(tmp_path: Path, name: str) -> None:
    chunk = manual_chunk(0, file=name)
    folder = run_of(tmp_path, run(STEP, Reader(supported=lambda *_: "unsupported"), [chunk, manual_chunk(1)]))
    page = coverage_section(write_coverage(folder))
    assert "<script>" not in page
    assert "\x1b" not in page + "\n".join(coverage_lines(folder))
    assert "0 of 1" in page


def test_a_fact_counts_where_half_of_its_words_are_in_a_kept_span(tmp_path: Path) -> None:
    done = run(STEP, Reader(), [manual_chunk(0)])
    (row,) = done.kept
    span = row.meta["spans"][0]
    for share, number in ((0.6, 1), (0.4, 0)):
        end = span["start"] + int(share * (span["end"] - span["start"]))
        short = replace(row, meta={**row.meta, "spans": [{**span, "end": end}]})
        folder = folder_of(tmp_path / str(share), [short], done.chunks, done.tables["facts"])
        assert coverage(folder)[0].parts["facts"] == Part(3, number)
