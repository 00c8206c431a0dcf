"""Reading files: every format, every shape, and the faults that real files have."""

from __future__ import annotations

import codecs
import csv
import gzip
import json
import tempfile
from pathlib import Path

import pytest
from any_record import shows
from hypothesis import example, given, settings
from hypothesis import strategies as st

from factory.data.formats import BadRow, read_records
from factory.data.record import Message, Record, new_record
from factory.errors import InputError

ROW = {"instruction": "Add 1 and 2.", "input": "", "output": "3"}


def write(path: Path, data: bytes | str) -> Path:
    path.write_bytes(data if isinstance(data, bytes) else data.encode())
    return path


def lines(*rows: object) -> bytes:
    return b"".join(json.dumps(row).encode() + b"\n" for row in rows)


def read(path: Path, **options: object) -> list[Record]:
    rows = list(read_records(path, **options))  # type: ignore[arg-type]
    assert not [row for row in rows if isinstance(row, BadRow)], rows
    return [row for row in rows if isinstance(row, Record)]


def reasons(path: Path, **options: object) -> list[tuple[int, str]]:
    rows = read_records(path, **options)  # type: ignore[arg-type]
    return [(row.line, row.reason) for row in rows if isinstance(row, BadRow)]


@settings(deadline=None)
@given(st.text().filter(shows), st.text(), st.text())
def test_any_text_comes_back_from_json_lines_as_it_was(instruction: str, input: str, output: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        row = {"instruction": instruction, "input": input, "output": output}
        (record,) = read(write(Path(folder) / "a.jsonl", lines(row)))
    assert record.instruction == instruction
    assert record.input == (input if shows(input) else "")
    assert record.output == (output if shows(output) else "")


@settings(deadline=None)
@given(st.lists(st.tuples(st.text().filter(shows), st.text()), min_size=1, max_size=4))
@example([("0\x00", "0"), ("0\x00", "")])
def test_any_text_comes_back_from_csv_as_it_was(pairs: list[tuple[str, str]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.csv"
        with path.open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file, quoting=csv.QUOTE_ALL)
            writer.writerows([("instruction", "output"), *pairs])
        records = read(path)
    assert [record.instruction for record in records] == [pair[0] for pair in pairs]


@pytest.mark.parametrize(
    "name", ["a.jsonl", "a.jsonl.gz", "a.json", "a.json.gz", "a.csv", "a.tsv.gz", "a.parquet"]
)
def test_every_format_gives_the_same_records(tmp_path: Path, name: str) -> None:
    rows = [ROW, {"instruction": "写一首诗\n关于春天", "input": '七言, "绝句"', "output": "春眠不觉晓\t🌸"}]
    path = tmp_path / name
    opened = gzip.open if name.endswith(".gz") else open
    if "parquet" in name:
        import pyarrow as pa
        import pyarrow.parquet as pq

        pq.write_table(pa.Table.from_pylist(rows), path)
    else:
        with opened(path, "wt", newline="", encoding="utf-8") as file:
            if "json" in name:
                file.write(json.dumps(rows) if ".jsonl" not in name else lines(*rows).decode())
            else:
                writer = csv.DictWriter(file, list(ROW), delimiter="\t" if "tsv" in name else ",")
                writer.writeheader()
                writer.writerows(rows)
    first, second = read(path)
    assert (first.instruction, first.input, first.output) == ("Add 1 and 2.", "", "3")
    assert (second.input, second.output) == ('七言, "绝句"', "春眠不觉晓\t🌸")
    assert (first.lang, second.lang, first.source) == ("en", "zh", "a")


def test_ids_are_unique_stable_and_those_of_new_record(tmp_path: Path) -> None:
    path = write(tmp_path / "a.jsonl", lines(ROW, ROW, {**ROW, "source": "b"}))
    ids = [record.id for record in read(path)]
    assert ids == [record.id for record in read(path)]
    made = [new_record(ROW["instruction"], output="3", source="a", occurrence=k).id for k in (0, 1)]
    assert ids == [*made, new_record(ROW["instruction"], output="3", source="b").id]


def test_limit_counts_records(tmp_path: Path) -> None:
    path = write(tmp_path / "a.jsonl", lines(ROW) + b"{\n" + lines(ROW, ROW))
    assert [type(row) for row in read_records(path, limit=2)] == [Record, BadRow, Record]


def test_source_can_be_given(tmp_path: Path) -> None:
    assert read(write(tmp_path / "a.jsonl", lines(ROW)), source="dolly")[0].source == "dolly"


def test_a_bad_line_is_told_and_the_next_one_read(tmp_path: Path) -> None:
    path = write(tmp_path / "a.jsonl", lines(ROW) + b'\n{"instruction": \n[1]\nnull\n' + lines(ROW))
    told = reasons(path)
    assert [line for line, _ in told] == [3, 4, 5]
    assert "not JSON" in told[0][1]
    assert "not an object" in told[1][1]
    assert len(list(read_records(path))) == 5


def test_a_line_that_is_not_utf8_names_its_byte(tmp_path: Path) -> None:
    gbk = '{"instruction": "你好", "output": "好"}\n'.encode("gbk")
    path = write(tmp_path / "a.jsonl", lines(ROW) + gbk + lines(ROW))
    ((line, reason),) = reasons(path)
    assert line == 2
    assert "byte 18 of the line (0xc4)" in reason
    assert "UTF-8" in reason


def test_csv_rows_that_are_not_utf8_or_ragged_are_told(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", b'instruction,output\ncaf\xe9,x\n"a\nb",c\none\none,two,three\nd,e\n')
    told = reasons(path)
    assert [line for line, _ in told] == [2, 5, 6]
    assert "0xe9" in told[0][1]
    assert "3 cells" in told[2][1]


def test_a_quote_that_is_never_closed_is_told(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", 'instruction,output\na,b\n"c,d\ne,f\n')
    ((line, reason),) = reasons(path)
    assert line == 3
    assert "quotation marks do not match" in reason


def test_csv_cells_may_be_very_long(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", f"instruction,output\na,{'x' * 1_000_000}\n")
    assert len(read(path)[0].output) == 1_000_000


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-be", "utf-32"])
@pytest.mark.parametrize("name", ["a.jsonl", "a.json", "a.csv"])
def test_byte_order_marks_are_understood(tmp_path: Path, encoding: str, name: str) -> None:
    text = (
        "instruction,output\r\n你好,好\r\n"
        if name == "a.csv"
        else '{"instruction": "你好", "output": "好"}\r\n'
    )
    data = (codecs.BOM_UTF16_BE if encoding == "utf-16-be" else b"") + text.encode(encoding)
    assert read(write(tmp_path / name, data))[0].instruction == "你好"


def test_a_line_of_nul_bytes_is_told(tmp_path: Path) -> None:
    path = write(tmp_path / "a.jsonl", lines(ROW, ROW) + b"\0" * 30 + b"\n")
    assert "NUL" in reasons(path)[0][1]


def test_lone_surrogates_nan_and_line_separators_are_survived(tmp_path: Path) -> None:
    rows = b'{"instruction": "cut \\ud83d here", "output": "a\\u2028b\xe2\x80\xa8c", "score": NaN}\r\n'
    (record,) = read(write(tmp_path / "a.jsonl", rows))
    assert record.instruction == "cut \ufffd here"
    assert record.output == "a\u2028b\u2028c"
    assert record.meta == {"score": None}


def test_json_that_is_lines_and_lines_that_are_json_are_read(tmp_path: Path) -> None:
    assert len(read(write(tmp_path / "a.json", lines(ROW, ROW, ROW)))) == 3
    assert len(read(write(tmp_path / "b.jsonl", json.dumps([ROW, ROW], indent=1)))) == 2
    assert len(read(write(tmp_path / "c.json", json.dumps({"data": [ROW, ROW], "version": 1})))) == 2
    assert len(read(write(tmp_path / "d.json", json.dumps(ROW, indent=1)))) == 1
    assert len(list(read_records(write(tmp_path / "e.json", b'{"instruction\n' + lines(ROW))))) == 2


@pytest.mark.parametrize(
    ("name", "data", "words"),
    [
        ("a.jsonl", b"", "is empty"),
        ("a.jsonl", b"\n \n", "is empty: it needs at least one row"),
        ("a.csv", b"instruction,output\n", "is empty"),
        ("a.json", b"[]", "is empty"),
        ("a.json", b'[{"instruction": "a"}', "is not JSON"),
        ("a.json", b"3", "single int"),
        ("a.jsonl.gz", b"plain", "is not gzip"),
        ("a.jsonl.gz", gzip.compress(lines(*[{**ROW, "n": n} for n in range(3000)]))[:-400], "cut short"),
        ("a.parquet", b"PAR1 but no more", "cannot be read"),
        ("a.parquet", b"", "is empty"),
        ("a.parquet.gz", gzip.compress(b"PAR1 but no more"), "cannot be read"),
        ("a.dat", b"hello", "does not tell its format"),
        ("a.yaml", b"- instruction: Hi", r"a \.yaml file holds no rows: save them as JSON Lines"),
        ("a.jsonl", b'{"a": 1, "b": 2}\n', "no known shape, only a, b"),
        ("a.csv", b"what is it,it is that\nand,so\n", "no known shape"),
        ("a.csv", b"instruction,instruction\na,b\n", "twice"),
    ],
)
def test_a_file_that_cannot_be_read_gives_one_sentence(
    tmp_path: Path, name: str, data: bytes, words: str
) -> None:
    path = write(tmp_path / name, data)
    with pytest.raises(InputError, match=words) as raised:
        list(read_records(path))
    assert "\n" not in str(raised.value)
    assert str(path) in str(raised.value)


def test_a_missing_file_suggests_the_nearest_name(tmp_path: Path) -> None:
    write(tmp_path / "seeds.jsonl", lines(ROW))
    with pytest.raises(InputError, match=r"did you mean .*seeds\.jsonl"):
        read_records(tmp_path / "seed.jsonl")
    with pytest.raises(InputError, match="does not exist"):
        read_records(tmp_path / "no" / "such")
    with pytest.raises(InputError):
        read_records("a\0b.jsonl")


def test_a_folder_lists_its_data_files(tmp_path: Path) -> None:
    write(tmp_path / "seeds.jsonl", lines(ROW))
    with pytest.raises(InputError, match=r"is a folder: name one of its data files: seeds\.jsonl"):
        read_records(tmp_path)


def test_unknown_formats_and_shapes_suggest_the_nearest(tmp_path: Path) -> None:
    path = write(tmp_path / "a.jsonl", lines(ROW))
    with pytest.raises(InputError, match="did you mean jsonl"):
        read_records(path, format="jsnl")
    with pytest.raises(InputError, match="did you mean alpaca"):
        read_records(path, shape="alpacca")


def test_parquet_values_become_plain(tmp_path: Path) -> None:
    import datetime
    import decimal

    import pyarrow as pa
    import pyarrow.parquet as pq

    when = datetime.datetime(2024, 1, 2, 3, 4, 5)
    table = pa.table(
        {
            "instruction": ["a", "b"],
            "output": [b"bytes", None],
            "when": pa.array([when, None], pa.timestamp("ns")),
            "price": [decimal.Decimal("1.50"), None],
            "raw": [b"\xff", b""],
        }
    )
    pq.write_table(table, tmp_path / "a.parquet")
    first, second = read(tmp_path / "a.parquet")
    assert first.output == "bytes"
    assert first.meta == {"when": "2024-01-02T03:04:05", "price": "1.50", "raw": "/w=="}
    assert second.messages == (Message("user", "b"),)


def test_a_parquet_value_that_cannot_be_had_costs_one_row(tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    broken = pa.StringArray.from_buffers(2, pa.py_buffer(b"\0\0\0\0\1\0\0\0\2\0\0\0"), pa.py_buffer(b"a\xff"))
    pq.write_table(pa.table({"instruction": broken}), tmp_path / "a.parquet")
    rows = list(read_records(tmp_path / "a.parquet"))
    assert [type(row) for row in rows] == [Record, BadRow]


def test_rows_nested_without_end_are_told(tmp_path: Path) -> None:
    deep = b'{"instruction": "a", "x": ' + b"[" * 200 + b"]" * 200 + b"}\n"
    deeper = b'{"instruction": "a", "x": ' + b"[" * 100_000 + b"]" * 100_000 + b"}\n"
    told = reasons(write(tmp_path / "a.jsonl", lines(ROW) + deep + deeper))
    assert [line for line, _ in told] == [2, 3]


@settings(deadline=None)
@given(st.binary(max_size=200))
def test_no_bytes_make_reading_crash(data: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        for name in ("a.jsonl", "a.json", "a.csv", "a.parquet"):
            try:
                list(read_records(write(Path(folder) / name, data)))
            except InputError as error:
                assert "\n" not in str(error)  # noqa: PT017


DATA = Path(__file__).parents[3] / "../shared/data"


@pytest.mark.slow
@pytest.mark.skipif(not DATA.is_dir(), reason="the shared data sets are not beside the checkout")
def test_real_pools_and_seeds_have_the_rows_their_readme_tells() -> None:
    for line in (DATA / "README.md").read_text(encoding="utf-8").splitlines():
        cells = [cell.strip() for cell in line.split("|")]
        if len(cells) > 3 and cells[1].startswith(("pool/", "seeds/")):
            records = read(DATA / cells[1])
            assert len(records) == int(cells[2]), cells[1]
            assert len({record.id for record in records}) == len(records)


def test_a_row_of_another_shape_than_the_files_is_told_so(tmp_path: Path) -> None:
    file = tmp_path / "mixed.jsonl"
    turns = [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]
    rows = [
        {"messages": turns},
        {"messages": turns},
        {"prompt": "a", "chosen": "b", "rejected": "c"},
        {"messages": "no turns"},
    ]
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    bad = [row.reason for row in read_records(file) if isinstance(row, BadRow)]
    assert bad == [
        "it is a row of the shape preference, and the file's other rows are messages: put the rows of each shape "
        "into a file of their own",
        "it has no list of turns: name the column 'messages'",
    ]


def test_a_weight_between_none_and_all_is_kept_and_told(tmp_path: Path) -> None:
    file = tmp_path / "weights.jsonl"
    turns = [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b", "weight": 0.5}]
    file.write_text(json.dumps({"messages": turns}) + "\n")
    told: list[str] = []
    (record,) = read_records(file, tell=told.append)
    assert isinstance(record, Record)
    assert record.messages[-1].weight == 0.5
    assert len(told) == 1
    assert "a weight between 0 and 1" in told[0]
