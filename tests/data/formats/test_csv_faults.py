"""CSV files whose quotation marks do not match: the row with the fault is lost and told, and no other."""

from __future__ import annotations

import csv
import gzip
import io
import tempfile
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from factory.data.formats import BadRow, read_records
from factory.data.record import Record


def read(
    path: Path, data: str | bytes, **options: str
) -> tuple[list[tuple[str, str]], list[BadRow], list[str]]:
    """The questions and answers of a file, the rows that were left out, and what was told."""
    path.write_bytes(data if isinstance(data, bytes) else data.encode())
    told: list[str] = []
    rows = list(read_records(path, tell=told.append, **options))  # type: ignore[arg-type]
    good = [(row.instruction, row.output) for row in rows if isinstance(row, Record)]
    return good, [row for row in rows if isinstance(row, BadRow)], told


def plain(number: int) -> list[str]:
    return [f"Question {at}?,Answer {at}." for at in range(number)]


@pytest.mark.slow
@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("delimiter", [",", "\t"])
def test_a_mark_that_opens_a_cell_and_is_not_closed_costs_its_row(
    tmp_path: Path, delimiter: str, end: str, packed: bool
) -> None:
    rows = plain(1000)
    rows[10] = '"How long is a 5 inch cable?,About 13 cm.'
    text = end.join(["instruction,output", *rows]).replace(",", delimiter) + end
    name = ("a.tsv" if delimiter == "\t" else "a.csv") + (".gz" if packed else "")
    data = gzip.compress(text.encode()) if packed else text.encode()
    good, (bad,), _ = read(tmp_path / name, data)
    assert len(good) == 999
    assert bad.line == 12
    assert "quotation marks do not match, this line alone is left out" in bad.reason


@pytest.mark.parametrize(
    "behind", ['"Fine, and quoted",Yes.', 'Fine.,"Yes, and\nmore."', 'A 15" screen,Yes.']
)
def test_rows_with_good_marks_behind_a_bad_one_stay(tmp_path: Path, behind: str) -> None:
    rows = plain(9)
    text = "\n".join(["instruction,output", *rows[:3], '"Bad,row', *rows[3:6], behind, *rows[6:], ""])
    good, (bad,), _ = read(tmp_path / "a.csv", text)
    assert bad.line == 5
    assert len(good) == 10


def test_a_mark_that_closes_in_the_middle_is_text(tmp_path: Path) -> None:
    text = 'instruction,output\n"He said "stop" to me" means?,A command.\n"foo" bar,x\nlast,row\n'
    good, bad, told = read(tmp_path / "a.csv", text)
    assert good == [('"He said "stop" to me" means?', "A command."), ('"foo" bar', "x"), ("last", "row")]
    assert not bad
    assert told == [
        f"{tmp_path / 'a.csv'}: quotation marks that are not doubled, read as text in 2 rows (kept as they are)"
    ]


def test_a_delimiter_between_marks_that_do_not_match_is_not_guessed(tmp_path: Path) -> None:
    good, (bad,), _ = read(tmp_path / "a.csv", 'instruction,input,output\n"Hello, world" he said,ok\na,b,c\n')
    assert bad.line == 2
    assert good == [("a", "c")]


def test_cells_of_several_lines_are_as_rfc_4180_says(tmp_path: Path) -> None:
    rows = [["a\r\nb", 'say ""hi""\n'], ["1,2\n3,4", ""], ["x", "a\rb"], ['"', '\n"\n']]
    stream = io.StringIO(newline="")
    csv.writer(stream).writerows([["instruction", "output"], *rows])
    good, bad, _ = read(tmp_path / "a.csv", stream.getvalue())
    assert not bad
    assert good == [tuple(row) for row in rows]


def test_a_cell_of_several_lines_with_a_bad_mark_inside_is_one_row(tmp_path: Path) -> None:
    text = 'instruction,output\nq1,a1\n"First line\nthe "second" line",y\nq2,a2\n'
    good, (bad,), _ = read(tmp_path / "a.csv", text)
    assert good == [("q1", "a1"), ("q2", "a2")]
    assert bad.line == 3
    assert "lines 3 to 4 are left out" in bad.reason


def test_the_last_cell_of_a_file_that_was_cut_is_no_row(tmp_path: Path) -> None:
    text = 'instruction,output\nq1,a1\nq2,"The answer begins\nand goes on\nand on'
    good, (bad,), _ = read(tmp_path / "a.csv", text)
    assert good == [("q1", "a1")]
    assert "lines 3 to 5" in bad.reason


def test_a_quoted_cell_may_end_with_the_file(tmp_path: Path) -> None:
    assert read(tmp_path / "a.csv", 'instruction,output\n"q, 1","a\n1"')[0] == [("q, 1", "a\n1")]


def test_marks_escaped_by_a_backslash_are_read_so(tmp_path: Path) -> None:
    good, bad, _ = read(tmp_path / "a.csv", 'instruction,output\n"Say \\"a, b\\" now","x"\nq,a\n')
    assert good == [('Say "a, b" now', "x"), ("q", "a")]
    assert not bad


def test_a_file_quoted_by_single_marks_is_read_so(tmp_path: Path) -> None:
    good, bad, _ = read(tmp_path / "a.csv", "'instruction','output'\n'Hello, world','it''s'\n'a','b'\n")
    assert good == [("Hello, world", "it's"), ("a", "b")]
    assert not bad


def test_several_lines_that_might_be_rows_are_kept_and_told(tmp_path: Path) -> None:
    good, bad, told = read(tmp_path / "a.csv", 'instruction,output\n"one,1\ntwo,2\nthree",3\n')
    assert good == [("one,1\ntwo,2\nthree", "3")]
    assert not bad
    assert "might be rows" in told[0]


CELL = st.text(st.sampled_from('ab,"\n é'), max_size=6).map(lambda text: f"x{text}")


@settings(deadline=None)
@given(
    st.lists(st.tuples(CELL, CELL), min_size=1, max_size=8), st.integers(0, 8), st.integers(0, 1), st.data()
)
@example([("x", "x")] * 3, 1, 0, None)
def test_one_bad_mark_never_costs_another_row(
    rows: list[tuple[str, str]], place: int, column: int, data: st.DataObject | None
) -> None:
    """Rows as the csv module writes them, and among them one that begins a cell with a mark that is not meant."""
    stream = io.StringIO(newline="")
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(["instruction", "output"])
    bad_row = ["bad", "row"]
    bad_row[column] = f'"{bad_row[column]}'
    place = min(place, len(rows))
    for row in rows[:place]:
        writer.writerow(row)
    stream.write(",".join(bad_row) + "\n")
    for row in rows[place:]:
        writer.writerow(row)
    with tempfile.TemporaryDirectory() as folder:
        good, bad, _ = read(Path(folder) / "a.csv", stream.getvalue())
    assert len(bad) == 1
    assert good == rows
