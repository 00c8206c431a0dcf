"""A damaged journal is set aside, and what can be read of it is recovered."""

from __future__ import annotations

import asyncio
import math
import os
import random
import sqlite3
import struct
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import orjson
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from scripted_server import ScriptedServer

import factory as sft
from factory.engine.journal import opening
from factory.engine.journal import recovery as care
from factory.engine.journal.contents import exported, prune
from factory.engine.journal.journal import Journal
from factory.engine.journal.keys import call_key
from factory.engine.journal.log import log_is_whole
from factory.engine.journal.pages import read_rows
from factory.engine.journal.rows import Row, is_whole
from factory.errors import OutputError, RunStopped

PAGE = 4096


class Whole(NamedTuple):
    """The bytes of a healthy journal and its rows."""

    data: bytes
    rows: list[Row]

    def __repr__(self) -> str:
        return f"<a journal of {len(self.rows)} rows>"


def rows(count: int, start: int = 0) -> list[Row]:
    """Replies of many lengths: some fill part of a page, some a chain of overflow pages."""
    made = []
    for number in range(start, start + count):
        length = random.Random(number).choice([1, 20, 300, 900, 1500, 5000, 20000])
        request = {"messages": [["user", f"question {number} 问题"]], "temperature": 0.7, "seed": number}
        reply = {"text": f"答{number} " * (length // 4), "finish": "stop", "usage": [1, 2], "reasoning": ""}
        key = call_key("chat", "openai:m", request)
        made.append(
            Row(key, "chat", "openai:m", orjson.dumps(request), orjson.dumps(reply), float(number % 2) / 2)
        )
        text = f"text {number} 文本"
        vector = struct.pack(
            "<8f", *(half * wave for wave in (math.cos(number), math.sin(number)) for half in [0.5] * 4)
        )
        made.append(Row(call_key("embedding", "e5", text), "embedding", "e5", text.encode(), vector, 1.0))
    return made


def write(path: Path, wanted: list[Row]) -> None:
    """A journal with these rows, closed, all in the one file."""
    journal = Journal(path)
    care.add_rows(journal._connection, wanted)
    journal.close()


def stored(journal: Journal, wanted: list[Row]) -> int:
    """How many of the rows the journal gives back; each that it gives is the right one."""
    found = [(journal.get(row.key), row.reply) for row in wanted]
    assert all(got is None or got == right for got, right in found)
    return sum(got is not None for got, _ in found)


def overwrite(path: Path, at: int, data: bytes) -> None:
    with path.open("r+b") as file:
        file.seek(at)
        file.write(data)


@pytest.fixture(scope="module", params=["of today", "in the tree of its keys"])
def whole(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Whole:
    """The bytes of a healthy journal and its rows, and of one as the first versions laid rows down."""
    path = tmp_path_factory.mktemp("whole") / "journal.db"
    wanted = rows(400)
    with pytest.MonkeyPatch.context() as patch:
        if request.param != "of today":
            patch.setattr(opening, "_SCHEMA", f"{opening._SCHEMA} WITHOUT ROWID")
        write(path, wanted)
    return Whole(path.read_bytes(), wanted)


def test_every_row_of_a_healthy_file_is_read_from_its_raw_pages(whole: Whole, tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    path.write_bytes(whole.data)
    read = list(read_rows(path))
    assert len(read) == len(set(read)) == len(whole.rows)
    assert set(read) == set(whole.rows)


def garbage(path: Path) -> None:
    """Noise over every tenth page, the first one and the root among them."""
    noise = random.Random(5)
    for page in range(0, path.stat().st_size // PAGE, 10):
        overwrite(path, page * PAGE, noise.randbytes(PAGE))
    overwrite(path, PAGE, noise.randbytes(PAGE))


DAMAGE: Mapping[str, tuple[Callable[[Path], None], float]] = {
    "cut to half": (lambda path: os.truncate(path, path.stat().st_size // 2), 0.3),
    "cut within a page": (lambda path: os.truncate(path, path.stat().st_size - PAGE - 1000), 0.95),
    "beginning zeroed": (lambda path: overwrite(path, 0, bytes(100)), 1.0),
    "first page zeroed": (lambda path: overwrite(path, 0, bytes(PAGE)), 1.0),
    "root of the table zeroed": (lambda path: overwrite(path, PAGE, bytes(PAGE)), 0.95),
    "noise over every tenth page": (garbage, 0.4),
}


@pytest.mark.slow
@pytest.mark.parametrize("kind", DAMAGE)
def test_a_damaged_file_is_set_aside_and_what_can_be_read_is_recovered(
    kind: str, whole: Whole, tmp_path: Path
) -> None:
    harm, least = DAMAGE[kind]
    path = tmp_path / "journal.db"
    path.write_bytes(whole.data)
    harm(path)
    harmed = path.read_bytes()
    journal = Journal(path)
    count = stored(journal, whole.rows)
    print(f"{kind}: {count} of {len(whole.rows)} recovered")
    assert count >= least * len(whole.rows)
    assert f"{count:,} replies were recovered" in journal.recovered
    assert str(tmp_path / "journal.db.damaged-1") in journal.recovered
    assert (tmp_path / "journal.db.damaged-1").read_bytes() == harmed
    journal.close()
    again = Journal(path)
    assert again.recovered == ""
    assert stored(again, whole.rows) == count
    again.close()
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["journal.db", "journal.db.damaged-1"]


def by_sql(path: Path) -> set[bytes]:
    """The keys of the rows that SQL reaches: from both ends, and in each of 256 ranges of keys."""
    found: set[bytes] = set()
    connection = sqlite3.connect(path)
    for first in [*range(256), None]:
        low, high = (b"", b"\xff" * 17) if first is None else (bytes([first]), bytes([first]) + b"\xff" * 16)
        for order in ("ASC", "DESC"):
            try:
                rows = connection.execute(
                    f"SELECT * FROM replies WHERE key BETWEEN ? AND ? ORDER BY key {order}", (low, high)
                )
                for row in rows:
                    found.add(row[0])
            except sqlite3.DatabaseError:
                continue
    connection.close()
    return found


@pytest.mark.parametrize(
    ("kind", "least"),
    [
        ("beginning zeroed", 1.0),
        ("first page zeroed", 1.0),
        ("root of the table zeroed", 0.95),
        ("cut to half", 0.3),
    ],
)
def test_the_raw_pages_give_most_rows_where_sql_gives_none(
    kind: str, least: float, whole: Whole, tmp_path: Path
) -> None:
    """Why pages are read at all; the figures of more kinds of damage are in `journal_pages`."""
    path = tmp_path / "journal.db"
    path.write_bytes(whole.data)
    assert len(by_sql(path)) == len(whole.rows)
    DAMAGE[kind][0](path)
    assert by_sql(path) == set()
    read = {row[:5] for row in read_rows(path)}
    assert read <= {row[:5] for row in whole.rows}
    assert len(read) >= least * len(whole.rows)


@pytest.mark.slow
@pytest.mark.parametrize("at", [16, 17, 20], ids=["size of a page", "its second byte", "bytes left unused"])
@pytest.mark.parametrize("bit", [1, 4, 32, 128])
def test_a_header_that_tells_a_wrong_size_of_a_page_is_not_believed(
    at: int, bit: int, whole: Whole, tmp_path: Path
) -> None:
    path = tmp_path / "journal.db"
    path.write_bytes(whole.data)
    overwrite(path, at, bytes([whole.data[at] ^ bit]))
    assert {row[:5] for row in read_rows(path)} == {row[:5] for row in whole.rows}


def test_damage_deep_inside_stops_the_run_in_a_sentence_and_the_next_one_mends_it(
    whole: Whole, tmp_path: Path
) -> None:
    path = tmp_path / "journal.db"
    path.write_bytes(whole.data)
    middle = sorted(whole.rows)[len(whole.rows) // 2]
    at = whole.data.index(middle.key) // PAGE * PAGE
    overwrite(path, at, b"\x0a" + b"\xff" * 400)
    journal = Journal(path)  # the first and the last key are whole: nothing is noticed yet
    assert journal.recovered == ""
    with pytest.raises(RunStopped, match="run the same command again"):
        stored(journal, whole.rows)
    journal.close()
    mended = Journal(path)
    assert stored(mended, whole.rows) >= len(whole.rows) - 40
    assert "recovered" in mended.recovered
    asyncio.run(mended.put(middle.key, *middle[1:5]))
    assert mended.get(middle.key) == middle.reply
    mended.close()
    assert not (tmp_path / "journal.db.damaged").exists()


def test_damage_met_while_writing_stops_the_run_and_is_mended_too(whole: Whole, tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    path.write_bytes(whole.data)
    key = sorted(whole.rows)[400].key
    pages = [
        at * PAGE for at in range(len(whole.data) // PAGE) if key in whole.data[at * PAGE : (at + 1) * PAGE]
    ]
    for at in pages:
        if whole.data[at] in (2, 10):  # of the tree of keys, where new ones go
            overwrite(path, at, b"\x0a" + b"\xff" * 400)
    journal = Journal(path)

    async def fill() -> None:
        for row in rows(300, start=5000):
            await journal.put(row.key, *row[1:5])

    with pytest.raises(RunStopped, match="run the same command again"):
        asyncio.run(fill())
    journal.close()
    mended = Journal(path)
    assert "recovered" in mended.recovered
    asyncio.run(mended.put(b"k" * 16, "chat", "m", b"{}", b"{}"))
    mended.close()


def test_a_reply_whose_entry_in_the_index_is_damaged_is_stored_again_and_no_other_is_lost(
    tmp_path: Path,
) -> None:
    path = tmp_path / "journal.db"
    wanted = [row.sealed() for row in rows(20)]
    write(path, wanted)
    lost, data = wanted[0], path.read_bytes()
    (page,) = (at for at in range(0, len(data), PAGE) if data[at] == 10 and lost.key in data[at : at + PAGE])
    last = data.index(lost.key, page) + len(lost.key) - 1
    overwrite(path, last, bytes([data[last] ^ 1]))
    journal = Journal(path)
    assert stored(journal, wanted) == len(wanted) - 1
    asyncio.run(journal.put(lost.key, *lost[1:5]))
    assert stored(journal, wanted) == len(wanted)
    journal.close()
    assert prune(path, []).shrunk
    told = list(exported(path))
    assert sorted(row["key"] for row in told) == sorted(row.key.hex() for row in wanted)
    again = Journal(path)
    assert stored(again, wanted) == len(wanted)
    again.close()


def test_a_vector_with_one_number_overwritten_is_left_out() -> None:
    text, numbers = "海 and sea", [1 / math.sqrt(384)] * 384
    whole = Row(
        call_key("embedding", "e5", text),
        "embedding",
        "e5",
        text.encode(),
        struct.pack("<384f", *numbers),
        1.0,
    )
    assert is_whole(whole)
    assert not is_whole(whole._replace(reply=struct.pack("<384f", *numbers[:-1], 1e-5)))
    assert not is_whole(whole._replace(reply=whole.reply[:-2]))


@pytest.mark.slow
@settings(max_examples=40, deadline=None)
@example(pages=[195], noise=0, cut=0)  # an old copy of a lost row stands on a sound page
@given(
    pages=st.lists(st.integers(0, 2000), min_size=1, max_size=6, unique=True),
    noise=st.integers(0, 2**32),
    cut=st.integers(0, 3000),
)
def test_whatever_is_overwritten_each_row_off_the_bad_pages_is_recovered_unchanged(
    pages: list[int],
    noise: int,
    cut: int,
    whole: Whole,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    path = tmp_path_factory.mktemp("law") / "journal.db"
    data = bytearray(whole.data)
    bad = {page % (len(data) // PAGE) for page in pages}
    for page in bad:
        start = page * PAGE + cut
        end = (page + 1) * PAGE
        data[start:end] = random.Random(noise + page).randbytes(end - start)
    path.write_bytes(data)
    recovered = {row[:5] for row in read_rows(path)}
    assert not recovered - {row[:5] for row in whole.rows}  # nothing but a time is made up
    # A page holds at most about a hundred small rows; all others lie elsewhere.
    lost = {row for row in whole.rows if row[:5] not in recovered}
    assert all(touches(whole.data, row, bad) for row in lost)


def touches(data: bytes, row: Row, bad: set[int]) -> bool:
    """Whether a row's cell or one of its overflow pages lies on a bad page."""
    # A split page may leave an old copy of a cell behind, so a key can stand on more than one page.
    if any(row.key in data[page * PAGE : (page + 1) * PAGE] for page in bad):
        return True
    if len(row.reply) < 800:
        return False
    # The chain of an overflowing row is found by its text: a page of it holds a piece of the row, or its end.
    body = row.request + row.reply + struct.pack(">d", row.created)
    pieces = [data[page * PAGE + 4 : page * PAGE + 60] for page in bad]
    return any(piece in body or any(body.endswith(piece[:k]) for k in range(1, 56)) for piece in pieces)


def live_copy(folder: Path, wanted: list[Row]) -> Path:
    """Files as a killed process leaves them: the newest rows are in the write-ahead log alone."""
    source = folder / "source.db"
    write(source, wanted[:100])
    journal = Journal(source)
    for at in range(100, len(wanted), 50):
        care.add_rows(journal._connection, wanted[at : at + 50])
    path = folder / "journal.db"
    path.write_bytes(source.read_bytes())
    (folder / "journal.db-wal").write_bytes((folder / "source.db-wal").read_bytes())
    journal.close()
    source.unlink()
    return path


def test_a_whole_log_left_by_a_killed_process_is_no_damage(tmp_path: Path) -> None:
    wanted = rows(150)
    path = live_copy(tmp_path, wanted)
    assert log_is_whole(path)
    # Half a transaction at the end is what a kill leaves, and not damage either.
    log = tmp_path / "journal.db-wal"
    log.write_bytes(log.read_bytes()[: -(PAGE // 2)])
    assert log_is_whole(path)
    journal = Journal(path)
    assert journal.recovered == ""
    assert stored(journal, wanted) >= 250
    journal.close()


@pytest.mark.slow
@pytest.mark.parametrize("at", [2, 18, 26, 32 + 10, 32 + 2000, 32 + 24 + PAGE + 9, 200_000])
def test_replies_behind_damage_in_the_log_are_recovered(at: int, tmp_path: Path) -> None:
    wanted = rows(150)
    path = live_copy(tmp_path, wanted)
    log = tmp_path / "journal.db-wal"
    data = bytearray(log.read_bytes())
    data[at] ^= 0x55
    log.write_bytes(data)
    assert not log_is_whole(path)
    plain = sqlite3.connect(f"file:{copied(path)}", uri=True)
    by_sqlite = plain.execute("SELECT count(*) FROM replies").fetchone()[0]
    plain.close()
    assert by_sqlite < len(wanted)  # SQLite says nothing and reads on without them
    journal = Journal(path)
    count = stored(journal, wanted)
    assert count >= len(wanted) - 8
    assert "were recovered from it" in journal.recovered
    journal.close()


@pytest.mark.slow
def test_no_bit_that_flips_in_the_log_gives_a_wrong_reply(tmp_path: Path) -> None:
    wanted = {row[:5] for row in rows(60)}
    path = live_copy(tmp_path, rows(60))
    log = tmp_path / "journal.db-wal"
    data = log.read_bytes()
    chance = random.Random(1)
    for _ in range(60):
        at = chance.randrange(len(data))
        log.write_bytes(data[:at] + bytes([data[at] ^ 1 << chance.randrange(8)]) + data[at + 1 :])
        read = {row[:5] for row in read_rows(path)}
        assert not read - wanted, at
        assert len(read) >= len(wanted) - 40


def copied(path: Path) -> Path:
    folder = path.parent / "copy"
    folder.mkdir()
    for name in (path.name, path.name + "-wal"):
        (folder / name).write_bytes((path.parent / name).read_bytes())
    return folder / path.name


def test_a_log_beside_an_emptied_file_is_not_thrown_away(tmp_path: Path) -> None:
    wanted = rows(150)
    path = live_copy(tmp_path, wanted)
    os.truncate(path, 0)
    journal = Journal(path)
    assert stored(journal, wanted) >= 190
    assert "recovered" in journal.recovered
    journal.close()


@pytest.mark.parametrize(
    "content",
    [b'{"instruction": "hello"}\n' * 9000, bytes(PAGE * 3), b"x", "中文\n".encode() * 5000],
    ids=["jsonl", "zeros", "one byte", "text"],
)
def test_a_file_that_was_never_a_journal_stays_where_it_is(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "seeds.jsonl"
    path.write_bytes(content)
    with pytest.raises(OutputError, match=r"seeds\.jsonl is damaged .* --journal FILE"):
        Journal(path)
    assert path.read_bytes() == content
    assert [entry.name for entry in tmp_path.iterdir()] == ["seeds.jsonl"]


def test_a_database_of_something_else_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "cookies.db"
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE cookies (name TEXT)")
    connection.executemany("INSERT INTO cookies VALUES (?)", [("x" * 500,)] * 100)
    connection.commit()
    connection.close()
    before = path.read_bytes()
    with pytest.raises(OutputError, match="a database of something else"):
        Journal(path)
    assert path.read_bytes() == before
    os.truncate(path, len(before) // 2)
    with pytest.raises(OutputError, match="damaged"):
        Journal(path)
    assert [entry.name for entry in tmp_path.iterdir()] == ["cookies.db"]


HOLDER = """
import sys
from pathlib import Path
from factory.engine.journal.journal import Journal
journal = Journal(Path(sys.argv[1]))
print("open", flush=True)
sys.stdin.read()
"""


@pytest.mark.slow
def test_a_damaged_journal_that_another_process_has_open_is_not_pulled_from_under_it(
    whole: Whole, tmp_path: Path
) -> None:
    path = tmp_path / "journal.db"
    path.write_bytes(whole.data)
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert holder.stdout is not None
    assert holder.stdin is not None
    assert holder.stdout.readline() == b"open\n"
    care.mark(path, "for this test")
    with pytest.raises(OutputError, match="another process has it open"):
        Journal(path)
    holder.stdin.close()
    holder.wait(20)
    holder.stdout.close()
    journal = Journal(path)
    assert stored(journal, whole.rows) == len(whole.rows)
    journal.close()


OPENER = """
import sys
from pathlib import Path
from factory.engine.journal.journal import Journal
from factory.errors import OutputError
try:
    print(Journal(Path(sys.argv[1])).recovered)
except OutputError as error:
    print("refused:", error)
"""


@pytest.mark.slow
def test_processes_that_find_the_damage_together_mend_it_once(whole: Whole, tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    path.write_bytes(whole.data)
    overwrite(path, 0, bytes(PAGE))
    openers = [
        subprocess.Popen([sys.executable, "-c", OPENER, str(path)], stdout=subprocess.PIPE, text=True)
        for _ in range(4)
    ]
    said = [opener.communicate(timeout=60)[0].strip() for opener in openers]
    assert all(opener.returncode == 0 for opener in openers)
    assert sum("recovered" in sentence for sentence in said if not sentence.startswith("refused")) == 1
    assert not (tmp_path / "journal.db.damaged-2").exists()
    journal = Journal(path)
    assert stored(journal, whole.rows) == len(whole.rows)
    journal.close()


@pytest.mark.parametrize("moment", ["copied", "damaged file moved", "log moved"])
def test_a_recovery_that_was_killed_is_ended_by_the_next_run(
    moment: str, whole: Whole, tmp_path: Path
) -> None:
    path = tmp_path / "journal.db"
    path.write_bytes(whole.data)
    overwrite(path, 0, bytes(PAGE))
    (tmp_path / "journal.db-wal").write_bytes(b"left over")
    write(tmp_path / "journal.db.recovered", whole.rows)
    if moment != "copied":
        path.rename(tmp_path / "journal.db.damaged-1")
    if moment == "log moved":
        (tmp_path / "journal.db-wal").rename(tmp_path / "journal.db.damaged-1-wal")
    journal = Journal(path)
    assert stored(journal, whole.rows) == len(whole.rows)
    journal.close()
    if moment != "copied":
        assert (tmp_path / "journal.db.damaged-1-wal").read_bytes() == b"left over"
    assert not (tmp_path / "journal.db.recovered").exists()


@pytest.mark.slow
def test_no_room_for_the_recovered_file_is_said_and_the_damaged_one_stays(
    whole: Whole, tmp_path: Path
) -> None:
    path = tmp_path / "journal.db"
    path.write_bytes(whole.data)
    overwrite(path, 0, bytes(PAGE))
    limited = (
        "import resource, signal; signal.signal(signal.SIGXFSZ, signal.SIG_IGN); "
        "resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000)); "
    )
    done = subprocess.run(
        [sys.executable, "-c", limited + OPENER, str(path)], capture_output=True, text=True, timeout=60
    )
    assert "cannot be copied" in done.stdout, done.stderr
    journal = Journal(path)
    assert stored(journal, whole.rows) == len(whole.rows)
    journal.close()


@pytest.mark.slow
def test_a_run_over_a_damaged_journal_warns_once_and_asks_only_what_was_lost(
    server: ScriptedServer, tmp_path: Path
) -> None:
    recipe: dict[str, Any] = {
        "name": "small",
        "models": {"teacher": {"provider": "openai", "base_url": server.base_url, "model": "scripted"}},
        "steps": [{"read": {"path": str(tmp_path / "seeds.jsonl")}}, {"respond": {}}, {"judge": {}}],
    }
    lines = [orjson.dumps({"instruction": f"Why is number {n} odd? {'z' * 300}"}) for n in range(200)]
    (tmp_path / "seeds.jsonl").write_bytes(b"\n".join(lines))
    path = tmp_path / "journal.db"
    first = sft.run(recipe, out=tmp_path / "one", journal=path)
    needed = len(server.requests)
    os.truncate(path, path.stat().st_size * 3 // 4)
    second = sft.run(recipe, out=tmp_path / "two", journal=path)
    asked = len(server.requests) - needed
    assert [w for w in second.manifest["warnings"] if "was damaged" in w]
    assert 0 < asked < needed * 2 // 3
    assert f"{needed - asked:,} replies were recovered" in second.manifest["warnings"][0]
    assert second.table().ids() == first.table().ids()
    dataset = sft.load(str(tmp_path / "seeds.jsonl"))
    overwrite(path, 0, bytes(100))
    result = dataset.then("respond", model=sft.model(**recipe["models"]["teacher"])).run(journal=path)
    assert result.progress is not None
    assert any("was damaged" in warning for warning in result.progress.warnings)


@pytest.mark.slow
def test_a_stored_reply_that_makes_no_sense_is_asked_for_again_and_told(
    server: ScriptedServer, tmp_path: Path
) -> None:
    (tmp_path / "seeds.jsonl").write_bytes(b'{"instruction": "Why?"}\n{"instruction": "How?"}')
    recipe: dict[str, Any] = {
        "name": "small",
        "models": {"teacher": {"provider": "openai", "base_url": server.base_url, "model": "scripted"}},
        "steps": [{"read": {"path": str(tmp_path / "seeds.jsonl")}}, {"respond": {}}],
    }
    path = tmp_path / "journal.db"
    sft.run(recipe, out=tmp_path / "run", journal=path)
    connection = sqlite3.connect(path)
    connection.execute("UPDATE replies SET reply = X'7b22' WHERE key = (SELECT min(key) FROM replies)")
    connection.commit()
    connection.close()
    again = sft.run(recipe, out=tmp_path / "run", journal=path)
    assert again.kept == 2
    assert len(server.requests) == 3
    assert any("1 stored replies are damaged" in warning for warning in again.manifest["warnings"])
    assert not sft.run(recipe, out=tmp_path / "run", journal=path).manifest["warnings"]
    assert len(server.requests) == 3


@pytest.mark.slow
def test_no_key_is_ever_stored(
    server: ScriptedServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PLANTED_KEY", "sk-planted-93ab17")
    (tmp_path / "seeds.jsonl").write_bytes(b'{"instruction": "Why?"}')
    sft.run(
        {
            "name": "small",
            "models": {
                "teacher": {
                    "provider": "openai",
                    "base_url": server.base_url,
                    "model": "scripted",
                    "api_key_env": "PLANTED_KEY",
                }
            },
            "steps": [{"read": {"path": str(tmp_path / "seeds.jsonl")}}, {"respond": {}}, {"judge": {}}],
        },
        out=tmp_path / "run",
        journal=tmp_path / "journal.db",
    )
    assert server.headers[0]["Authorization"] == "Bearer sk-planted-93ab17"
    assert len(server.requests) == 2
    for file in tmp_path.rglob("*"):
        if file.is_file():
            assert b"sk-planted" not in file.read_bytes(), file
