"""Files as other people's tools write them: encodings, packings, tables of JSON, Python's way of writing, names."""

from __future__ import annotations

import bz2
import gzip
import json
import lzma
import os
import queue
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pyarrow as pa
import pyarrow.feather as feather
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from factory.data.formats import BadRow, files, read_records, write_file
from factory.data.formats.encodings import guessed_encoding
from factory.data.formats.python_text import python_value
from factory.data.formats.read_files import read_files
from factory.data.record import Record
from factory.errors import InputError

ROWS = [{"instruction": f"Question {at}?", "output": f"Answer {at}."} for at in range(3)]
TURNS = [
    {"role": "user", "content": 'It\'s a "test"?\nYes [or] {no}'},
    {"role": "assistant", "content": "A."},
]
LINES = "".join(json.dumps(row) + "\n" for row in ROWS).encode()
TEXTS = {
    "gb18030": "什么是光合作用？请用简单的话解释一下，并举一个例子。",
    "cp950": "什麼是光合作用？請用簡單的話解釋一下，並舉一個例子。",
    "cp932": "光合成とは何ですか。簡単に説明してください。",
    "euc_jp": "光合成とは何ですか。簡単に説明してください。",
    "cp949": "광합성이란 무엇입니까? 간단히 설명해 주세요.",
    "cp1251": "Что такое фотосинтез? Объясните просто.",
    "cp1252": "Qu'est-ce que la photosynthèse ? Expliquez-le à un élève.",
}


def read(path: Path, **options: Any) -> tuple[list[Record], list[BadRow], list[str]]:
    told: list[str] = []
    rows = list(read_records(path, tell=told.append, **options))
    return [r for r in rows if isinstance(r, Record)], [r for r in rows if isinstance(r, BadRow)], told


def texts(records: list[Record]) -> list[tuple[str, str]]:
    return [(record.instruction, record.output) for record in records]


PLAIN = [(row["instruction"], row["output"]) for row in ROWS]


def write(path: Path, data: bytes | str) -> Path:
    path.write_bytes(data if isinstance(data, bytes) else data.encode())
    return path


@pytest.mark.parametrize("codec", TEXTS)
@pytest.mark.parametrize("name", ["a.csv", "a.jsonl", "a.json"])
def test_the_encoding_that_is_named_reads_the_file(tmp_path: Path, codec: str, name: str) -> None:
    text = TEXTS[codec]
    row = json.dumps({"instruction": text, "output": "x"}, ensure_ascii=False)
    written = {"a.csv": f'instruction,output\n"{text}",x\n', "a.jsonl": f"{row}\n", "a.json": f"[{row}]"}[
        name
    ]
    path = write(tmp_path / name, written.encode(codec))
    try:
        _, bad, _ = read(path)
        said = bad[0].reason
    except InputError as error:
        said = str(error)
    assert f"give encoding {codec} (--encoding {codec})" in said
    assert texts(read(path, encoding=codec)[0]) == [(text, "x")]


def test_a_header_that_is_not_utf8_names_the_encoding_too(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", "指令,输出\n什么是潮汐,海水的涨落\n".encode("gbk"))
    with pytest.raises(InputError, match="of the header is not UTF-8: the file seems to be GBK or GB18030"):
        read(path)
    assert texts(read(path, encoding="gbk")[0]) == [("什么是潮汐", "海水的涨落")]


def test_no_encoding_is_named_where_other_lines_are_utf8(tmp_path: Path) -> None:
    row = '{"instruction": "什么是潮汐", "output": "海水"}\n'
    _, (bad,), _ = read(write(tmp_path / "a.jsonl", row.encode() + row.encode("gbk")))
    assert "is not UTF-8, as other lines are" in bad.reason
    assert "--encoding" not in bad.reason


def test_an_encoding_that_does_not_fit_or_exist_is_told(tmp_path: Path) -> None:
    path = write(tmp_path / "a.jsonl", '{"instruction": "€ où?", "output": "x"}\n'.encode("cp1252"))
    _, (bad,), _ = read(path, encoding="ascii")
    assert "is not ascii: give another encoding" in bad.reason
    for name in ("latin-9000", "base64", ""):
        if name:
            with pytest.raises(InputError, match="there is no encoding"):
                read(path, encoding=name)


@given(st.text(st.characters(codec="ascii")))
def test_ascii_is_in_no_other_encoding(text: str) -> None:
    assert guessed_encoding([text.encode()]) is None


@pytest.mark.parametrize("codec", ["utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("text", ["一二三四五六七八九十", "plain words"])
def test_utf16_without_a_mark_is_read(tmp_path: Path, codec: str, text: str) -> None:
    row = json.dumps({"instruction": text, "output": "一"}, ensure_ascii=False) + "\n"
    assert texts(read(write(tmp_path / "a.jsonl", row.encode(codec)))[0]) == [(text, "一")]


def _zstd(data: bytes) -> bytes:
    return bytes(pa.Codec("zstd").compress(data, asbytes=True))


@pytest.mark.parametrize(
    ("ending", "pack"),
    [(".gz", gzip.compress), (".bz2", bz2.compress), (".xz", lzma.compress), (".zst", _zstd)],
)
def test_a_packed_file_is_read_whatever_its_name_says(
    tmp_path: Path, ending: str, pack: Callable[[bytes], bytes]
) -> None:
    for name in (f"a.jsonl{ending}", "b.jsonl", f"c.csv{ending}"):
        data = (
            LINES
            if "jsonl" in name
            else b"instruction,output\n" + b"".join(f"{q},{a}\n".encode() for q, a in PLAIN)
        )
        records, _, _ = read(write(tmp_path / name, pack(data)))
        assert texts(records) == PLAIN
        assert records[0].source == name[0]
    with pytest.raises(InputError, match="is damaged after line"):
        read(write(tmp_path / f"cut.jsonl{ending}", pack(LINES * 999)[:-12]))
    with pytest.raises(InputError, match=f"is named {ending} but is not"):
        read(write(tmp_path / f"plain.jsonl{ending}", LINES))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("ending", "pack"), [(".bz2", bz2.compress), (".xz", lzma.compress), (".zst", _zstd)]
)
def test_a_bomb_of_any_packing_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ending: str, pack: Callable[[bytes], bytes]
) -> None:
    monkeypatch.setattr(files, "_PIECE", 1 << 16)
    path = write(tmp_path / f"a.jsonl{ending}", pack(b"[" * (16 << 20)))
    with pytest.raises(InputError, match="unpacks to more than 200 times its size"):
        read(path)


def test_arrow_files_are_read_in_all_their_kinds(tmp_path: Path) -> None:
    table = pa.Table.from_pylist(ROWS)
    feather.write_feather(table, tmp_path / "a.feather", compression="lz4")
    with pa.ipc.new_file(tmp_path / "b.arrow", table.schema) as file:
        file.write_table(table)
    with pa.ipc.new_stream(tmp_path / "c.arrow", table.schema) as stream:
        stream.write_table(table, max_chunksize=1)
    for path in (tmp_path / "d.jsonl", tmp_path / "e.parquet"):
        path.write_bytes((tmp_path / "b.arrow").read_bytes())
    for path in sorted(tmp_path.iterdir()):
        records, bad, told = read(path)
        assert texts(records) == PLAIN
        assert not bad
        assert bool(told) == (path.name[0] in "de")


def test_maps_of_arrow_are_objects(tmp_path: Path) -> None:
    kind = pa.list_(pa.map_(pa.string(), pa.string()))
    turns = pa.array(
        [[[("role", "user"), ("content", "Q?")], [("role", "assistant"), ("content", "A.")]]], kind
    )
    with pa.ipc.new_file(tmp_path / "a.arrow", pa.schema([("messages", kind)])) as file:
        file.write_table(pa.table({"messages": turns}))
    assert texts(read(tmp_path / "a.arrow")[0]) == [("Q?", "A.")]


COLUMNS = {name: [row[name] for row in ROWS] for name in ROWS[0]}


@pytest.mark.parametrize(
    "document",
    [
        ROWS,
        COLUMNS,
        {name: {str(at): cell for at, cell in enumerate(cells)} for name, cells in COLUMNS.items()},
        {str(at): row for at, row in enumerate(ROWS)},
        {"columns": list(COLUMNS), "index": [0, 1, 2], "data": [list(row.values()) for row in ROWS]},
        {"schema": {"fields": []}, "data": ROWS},
        {"version": "1.0", "data": ROWS, "tags": ["x"]},
        {"meta": {"by": "me"}, "rows": ROWS},
        [list(COLUMNS), *(list(row.values()) for row in ROWS)],
        [[{"from": "human", "value": q}, {"from": "gpt", "value": a}] for q, a in PLAIN],
        {
            "messages": [
                [{"role": "user", "content": q}, {"role": "assistant", "content": a}] for q, a in PLAIN
            ]
        },
    ],
    ids=[
        "records",
        "lists",
        "columns",
        "index",
        "split",
        "table",
        "wrapped",
        "beside",
        "header",
        "turns",
        "column",
    ],
)
@pytest.mark.parametrize("name", ["a.json", "a.jsonl"])
@pytest.mark.parametrize("indent", [None, 2])
def test_a_table_of_json_is_its_rows(tmp_path: Path, document: Any, name: str, indent: int | None) -> None:
    path = write(tmp_path / name, json.dumps(document, indent=indent))
    if name == "a.jsonl" and indent is None and isinstance(document, dict):
        return  # one object on one line of JSON Lines is a row
    records, bad, told = read(path)
    assert texts(records) == PLAIN
    assert not bad
    beside = (
        [key for key in document if key in ("version", "tags", "schema", "meta")]
        if isinstance(document, dict)
        else []
    )
    assert all(any(key in sentence for sentence in told) for key in beside)


def test_named_rows_keep_their_names_as_ids(tmp_path: Path) -> None:
    path = write(tmp_path / "a.json", json.dumps({"a": ROWS[0], "b": ROWS[1]}))
    assert [record.meta["id"] for record in read(path)[0]] == ["a", "b"]


def test_one_row_stays_a_row(tmp_path: Path) -> None:
    for row in (ROWS[0], {"messages": TURNS, "tools": []}, {"prompt": TURNS[:1], "completion": TURNS[1:]}):
        assert len(read(write(tmp_path / "a.json", json.dumps(row)))[0]) == 1
    assert len(read(write(tmp_path / "b.json", json.dumps(TURNS)))[0]) == 1


def test_several_lists_of_rows_are_not_guessed_at(tmp_path: Path) -> None:
    path = write(tmp_path / "a.json", json.dumps({"train": ROWS, "test": ROWS[:1]}))
    with pytest.raises(InputError, match=r"train \(3\), test \(1\): save each as a file of its own"):
        read(path)


@pytest.mark.parametrize(
    ("text", "odd"),
    [
        ("".join(json.dumps(row) for row in ROWS), "several objects on one line"),
        (",\n".join(json.dumps(row) for row in ROWS), "a comma behind the object"),
        ("\n".join(repr(row) for row in ROWS), "as Python writes it"),
        ("\n".join(json.dumps(row, indent=1) for row in ROWS), ""),
        ("\r".join(json.dumps(row) for row in ROWS), ""),
        ("// rows\n[" + ",\n".join(json.dumps(row) for row in ROWS) + ",\n] /* end */", "last commas"),
    ],
    ids=["joined", "commas", "repr", "pretty", "cr", "jsonc"],
)
@pytest.mark.parametrize("name", ["a.jsonl", "a.json"])
def test_nearly_json_is_read_and_told(tmp_path: Path, text: str, odd: str, name: str) -> None:
    if text.startswith("//") and name == "a.jsonl":
        return  # a line that is no JSON, as any other
    records, bad, told = read(write(tmp_path / name, text))
    assert texts(records) == PLAIN
    assert not bad
    assert [odd in sentence for sentence in told] == ([True] if odd else [])


def test_a_line_that_is_a_list_costs_itself_alone(tmp_path: Path) -> None:
    records, (bad,), _ = read(write(tmp_path / "a.jsonl", b"[1, 2]\n" + LINES))
    assert (bad.line, texts(records)) == (1, PLAIN)


def _numpy(turns: list[dict[str, str]]) -> str:
    return "[" + "\n ".join(map(repr, turns)) + "]"


@pytest.mark.parametrize(
    "cell",
    [
        json.dumps(TURNS),
        repr(TURNS),
        _numpy(TURNS),
        f"array({TURNS!r}, dtype=object)",
        repr({"role": ["user", "assistant"], "content": [turn["content"] for turn in TURNS]}),
    ],
    ids=["json", "repr", "numpy", "array", "lists"],
)
def test_turns_in_a_cell_are_read_and_the_cell_is_written_as_it_was(tmp_path: Path, cell: str) -> None:
    quoted = cell.replace('"', '""')
    path = write(tmp_path / "a.csv", f'id,messages\n7,"{quoted}"\n')
    (record,), _, _ = read(path)
    assert [(turn.role, turn.content) for turn in record.messages] == [
        (t["role"], t["content"]) for t in TURNS
    ]
    write_file([record], tmp_path / "b.jsonl", "source")
    assert json.loads((tmp_path / "b.jsonl").read_text()) == {"id": "7", "messages": cell}


@pytest.mark.slow
@settings(deadline=None)
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(),
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
        max_leaves=12,
    ).filter(lambda value: isinstance(value, list | dict))
)
def test_what_python_writes_is_read_as_it_was(value: Any) -> None:
    assert python_value(repr(value)) == value


@pytest.mark.parametrize(
    "text",
    [
        "[__import__('os').getcwd()]",
        "[open('/etc/passwd')]",
        "[" * 100 + "]" * 100,
        "[1 + 1j]",
        "[x for x in (1,)]",
    ],
)
def test_nothing_is_run_and_nothing_deep_is_read(text: str) -> None:
    assert python_value(text) in (None, [1 + 1j])


@pytest.mark.parametrize(
    "conversations",
    [
        {"from": ["human", "gpt"], "value": ["Q?", "A."]},
        {"role": ["user", "assistant"], "content": ["Q?", "A."]},
        [["Q?", "A."]],
        [["user", "Q?"], ["assistant", "A."]],
        [{"Role": "user", "Content": "Q?"}, {"Role": "assistant", "Content": "A."}],
        [{"role": "用户", "content": "Q?"}, {"role": "助手", "content": "A."}],
        [{"role": "Human", "content": "Q?"}, {"role": "AI", "content": "A."}],
        [{"role": "user", "content": "Q?"}, {"role": "Bot", "content": "A."}],
        [{"role": "human", "content": "Q?"}, {"role": "model", "content": "A."}],
    ],
)
def test_a_conversation_is_read_and_written_as_it_was(tmp_path: Path, conversations: Any) -> None:
    for name in ("conversations", "messages"):
        row = {"id": 1, name: conversations}
        (record,), _, _ = read(write(tmp_path / "a.jsonl", json.dumps(row)))
        assert [(turn.role, turn.content) for turn in record.messages] == [
            ("user", "Q?"),
            ("assistant", "A."),
        ]
        write_file([record], tmp_path / "b.jsonl", "source")
        assert json.loads((tmp_path / "b.jsonl").read_text()) == row


@pytest.mark.parametrize(
    "names",
    [
        ("Instruction", "Output"),
        ("INSTRUCTION", "OUTPUT"),
        ("Prompt", "Response"),
        ("instruction", "Output"),
        ("指令", "输出"),
        ("问题", "回答"),
        ("input", "output"),
    ],
)
def test_columns_in_capitals_or_chinese_are_read_told_and_written_as_they_were(
    tmp_path: Path, names: tuple[str, str]
) -> None:
    row = {**dict(zip(names, ("Q?", "A."), strict=True)), "url": "u"}
    (record,), _, (told,) = read(write(tmp_path / "a.jsonl", json.dumps(row)))
    assert (record.instruction, record.output, record.meta) == ("Q?", "A.", {"url": "u"})
    assert "read by other names" in told
    write_file([record], tmp_path / "b.jsonl", "source")
    assert json.loads((tmp_path / "b.jsonl").read_text()) == row


def test_a_column_is_renamed_only_where_nothing_else_means_the_same(tmp_path: Path) -> None:
    row = {"instruction": "Q?", "response": "A.", "Output": "other"}
    (record,), _, told = read(write(tmp_path / "a.jsonl", json.dumps(row)))
    assert (record.output, record.meta, told) == ("A.", {"Output": "other"}, [])


@pytest.mark.parametrize(
    "text",
    [
        "sep=;\ninstruction;output\nQ, 1?;A.\n",
        '"sep=;"\ninstruction;output\nQ, 1?;A.\n',
        "\ufeffinstruction;output\nQ, 1?;A.\n",
        "instruction\toutput\nQ, 1?\tA.\n",
        "instruction|output\nQ, 1?|A.\n",
        'instruction, output\n"Q, 1?", A.\n',
        'instruction,output\r"Q, 1?",A.\r',
    ],
)
def test_cells_are_parted_as_the_header_shows(tmp_path: Path, text: str) -> None:
    records, bad, _ = read(write(tmp_path / "a.csv", text))
    assert texts(records) == [("Q, 1?", "A.")]
    assert not bad


@pytest.mark.parametrize(
    ("name", "data", "words"),
    [
        ("a.xlsx", b"PK\x03\x04...", "save its sheet as CSV UTF-8"),
        ("a.csv", b"PK\x03\x04...", "save its sheet as CSV UTF-8"),
        ("a.jsonl", b"\x80\x05\x95...", "a pickle, which is never opened"),
        ("a.parquet", b"version https://git-lfs.github.com/spec/v1\n", "git lfs pull"),
        ("a.jsonl", b"<!DOCTYPE html>\n<html>", "is a web page"),
        (
            "a.txt",
            b"Explain tides.\nExplain rain.\n",
            r"write the line instruction above them and rename .* \.tsv",
        ),
        (
            "a.jsonl",
            b'{"conversations": ["Q?", "A."]}\n',
            "its conversations is a list: make it a list of turns",
        ),
    ],
)
def test_what_holds_no_rows_is_named_with_the_mend(
    tmp_path: Path, name: str, data: bytes, words: str
) -> None:
    with pytest.raises(InputError, match=words):
        read(write(tmp_path / name, data))


def test_the_mend_for_lines_of_text_works(tmp_path: Path) -> None:
    path = write(
        tmp_path / "a.tsv", 'instruction\nExplain tides, please.\nExplain "rain".\n"Why?" he said.\n'
    )
    records, bad, _ = read(path)
    assert [record.instruction for record in records] == [
        "Explain tides, please.",
        'Explain "rain".',
        '"Why?" he said.',
    ]
    assert not bad


# -- several files -------------------------------------------------------------------------------------------------


def sources(*paths: Path) -> tuple[list[str], list[BadRow], list[str]]:
    told: list[str] = []
    rows = list(read_files(paths, tell=told.append))
    bad = [row for row in rows if isinstance(row, BadRow)]
    return [row.source for row in rows if isinstance(row, Record)], bad, told


def test_a_folder_is_its_parts_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    for number in (10, 2, 1):
        write(tmp_path / f"part-{number}.jsonl", json.dumps(ROWS[0]))
    for name in ("README.md", ".hidden.jsonl", "_SUCCESS", "dataset_info.json"):
        write(tmp_path / name, "x")
    expected = ["part-1", "part-2", "part-10"]
    assert sources(tmp_path) == (expected, [], [])
    assert sources(tmp_path / "part-*.jsonl") == (expected, [], [])
    assert sources(tmp_path / "*.jsonl", tmp_path / "part-1.jsonl")[0] == [
        *expected,
        f"{tmp_path.name}/part-1",
    ]


def test_a_part_that_cannot_be_read_is_told_and_the_others_are_read(tmp_path: Path) -> None:
    write(tmp_path / "a.jsonl", LINES)
    write(tmp_path / "b.parquet", b"PAR1 no more")
    write(tmp_path / "c.jsonl", LINES)
    write(tmp_path / "notes.docx", b"x")
    found, (bad,), told = sources(tmp_path)
    assert found == ["a"] * 3 + ["c"] * 3
    assert (bad.file, bad.line) == (str(tmp_path / "b.parquet"), 0)
    assert "notes.docx" in told[0]
    with pytest.raises(InputError, match=r"b\.parquet cannot be read"):
        sources(tmp_path / "a.jsonl", tmp_path / "b.parquet")


def test_what_is_not_clear_is_asked(tmp_path: Path) -> None:
    write(tmp_path / "a.jsonl", LINES)
    write(tmp_path / "a.csv", "instruction,output\nx,y\n")
    with pytest.raises(InputError, match="may be the same rows: name one"):
        sources(tmp_path)
    with pytest.raises(InputError, match="matches no file"):
        sources(tmp_path / "*.tsv")
    (tmp_path / "x" / "messages").mkdir(parents=True)
    write(tmp_path / "x" / "messages" / "train.jsonl", LINES)
    assert sources(tmp_path / "x")[0] == ["train"] * 3
    (tmp_path / "x" / "parquet").mkdir()
    write(tmp_path / "x" / "parquet" / "train.jsonl", LINES)
    with pytest.raises(InputError, match="name one of them: messages, parquet"):
        sources(tmp_path / "x")


@pytest.mark.slow
def test_what_datasets_saved_is_read_part_by_part(tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets")
    one = datasets.Dataset.from_list(ROWS)
    one.save_to_disk(str(tmp_path / "one"), num_shards=2)
    datasets.DatasetDict({"train": one, "test": one.select([0])}).save_to_disk(str(tmp_path / "two"))
    assert len(sources(tmp_path / "one")[0]) == 3
    found, _, told = sources(tmp_path / "two")
    assert len(found) == 3
    assert "left out: test" in told[0]


def test_bytes_that_are_no_text_are_no_instruction_and_no_answer(tmp_path: Path) -> None:
    raw = pa.array([b"\xff\x00", b"How?"])
    table = pa.table({"instruction": raw, "output": ["A.", "B."], "thumbnail": pa.array([b"\xff\xd8", b"x"])})
    feather.write_feather(table, tmp_path / "a.feather")
    records, (bad,), _ = read(tmp_path / "a.feather")
    assert "its instruction is bytes that are not UTF-8, not text" in bad.reason
    assert (texts(records), records[0].meta) == ([("How?", "B.")], {"thumbnail": "x"})
    turns = [[{"role": "user", "content": b"\xff"}, {"role": "assistant", "content": b"A."}]]
    feather.write_feather(pa.table({"messages": turns}), tmp_path / "b.feather")
    assert "the content of turn 1 is bytes that are not UTF-8" in read(tmp_path / "b.feather")[1][0].reason


@pytest.mark.parametrize(
    ("line", "odd"),
    [
        ('{"instruction": "a\tb", "output": "A."}', "a line break or a tab as it is within a text"),
        ('{"instruction": "a\tb", "output": "A.", "n": 1e999}', "a line break or a tab"),
        ('{"instruction": "a\tb", "output": "A.", "n": 123456789012345678901}', "a line break or a tab"),
    ],
)
def test_what_is_odd_about_a_line_is_told_as_what_it_is(tmp_path: Path, line: str, odd: str) -> None:
    records, bad, told = read(write(tmp_path / "a.jsonl", line + "\n"))
    assert (texts(records), bad) == ([("a\tb", "A.")], [])
    assert odd in told[0]


def test_a_number_beyond_64_bits_is_not_called_a_comma(tmp_path: Path) -> None:
    line = '{"instruction": "Q?", "output": "A.", "n": 1e999, "m": 123456789012345678901}\n'
    (record,), _, told = read(write(tmp_path / "a.jsonl", line))
    assert record.meta == {"n": None, "m": "123456789012345678901"}
    assert not told or "a number beyond 64 bits" in told[0]


def test_a_link_that_leads_nowhere_and_a_loop_are_told_as_such(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").symlink_to("gone.jsonl")
    (tmp_path / "b.jsonl").symlink_to("b.jsonl")
    for name, target in (("a.jsonl", "gone.jsonl"), ("b.jsonl", "b.jsonl")):
        with pytest.raises(InputError, match=f"is a link to {target}, which does not exist"):
            read(tmp_path / name)


def test_standard_input_and_a_pipe_without_a_name_say_what_to_do() -> None:
    with pytest.raises(InputError, match="save what comes from standard input"):
        read(Path("-"))
    reading, writing = os.pipe()
    try:
        with pytest.raises(InputError, match=r"is a pipe.* save what comes out of it as a file"):
            read(Path(f"/dev/fd/{reading}"))
    finally:
        os.close(reading)
        os.close(writing)


def test_data_files_further_down_in_a_folder_are_told_as_left_out(tmp_path: Path) -> None:
    write(tmp_path / "a.jsonl", LINES)
    (tmp_path / "more").mkdir()
    write(tmp_path / "more" / "b.jsonl", LINES)
    (tmp_path / "docs").mkdir()
    told: list[str] = []
    list(read_files([tmp_path], tell=told.append))
    assert [sentence.split(": ", 1)[1] for sentence in told] == [
        "left out are the data files in the folders below it: more"
    ]


def test_a_file_that_was_packed_twice_is_read(tmp_path: Path) -> None:
    rows = b'{"instruction": "Explain tides.", "output": "The moon."}\n'
    for name, packed in (
        ("rows.jsonl.gz", gzip.compress(gzip.compress(rows))),
        ("rows.jsonl.xz", lzma.compress(gzip.compress(rows))),
    ):
        path = tmp_path / name
        path.write_bytes(packed)
        assert [record.output for record in read_records(path)] == ["The moon."]


def test_a_pipe_that_nobody_writes_into_is_told_of_while_it_is_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "_WAIT_SECONDS", 0.0)
    pipe = tmp_path / "rows.jsonl"
    os.mkfifo(pipe)
    told: queue.SimpleQueue[str] = queue.SimpleQueue()
    monkeypatch.setattr(sys, "stderr", SimpleNamespace(write=told.put))

    def write_once_told() -> None:
        while "waiting for what writes into it" not in told.get():
            pass
        pipe.write_bytes(b"{}\n")

    writer = threading.Thread(target=write_once_told)
    writer.start()
    with files.open_bytes(pipe) as stream:
        assert stream.read() == b"{}\n"
    writer.join()
