"""`factory journal`: what is in the journal, what may go, and everything as JSON."""

from __future__ import annotations

import gzip
import os
import shutil
import sqlite3
import struct
import subprocess
import sys
import time
from pathlib import Path

import orjson
import pytest

from factory.engine.journal.journal import Journal
from factory.engine.journal.keys import call_key
from factory.engine.journal.recovery import add_rows
from factory.engine.journal.rows import Row

COMMAND = [sys.executable, "-c", "from factory.cli.app import main; main()"]
DAY = 86400


def factory(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run the command line in a folder; no output may ever hold a traceback."""
    done = subprocess.run(
        [*COMMAND, *arguments],
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=120,
        stdin=subprocess.DEVNULL,
    )
    assert "Traceback" not in done.stderr + done.stdout
    assert "a fault in factory" not in done.stderr
    return done


def chat_row(number: int, model: str, age_days: float) -> Row:
    request = {"messages": [["user", f"问题 {number}"]], "temperature": 0.0}
    reply = {"text": f"答 {number}" * 200, "finish": "stop", "usage": [3, 4], "reasoning": ""}
    key = call_key("chat", model, request)
    return Row(key, "chat", model, orjson.dumps(request), orjson.dumps(reply), time.time() - age_days * DAY)


def embedding_row(number: int) -> Row:
    key = call_key("embedding", "e5", f"text {number}")
    vector = struct.pack("<4f", 0.6, 0.0, 0.8, 0.0)
    return Row(key, "embedding", "e5", b"text %d" % number, vector, time.time())


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a journal: 300 old replies of one model, 100 new ones of another, 50 embeddings."""
    journal = Journal(tmp_path / "outputs" / "journal.db")
    add_rows(journal._connection, [chat_row(n, "openai:old", 40 + n / 100) for n in range(300)])
    add_rows(journal._connection, [chat_row(n, "openai:new", 1) for n in range(100)])
    add_rows(journal._connection, [embedding_row(n) for n in range(50)])
    journal.close()
    return tmp_path


@pytest.mark.slow
def test_stats_counts_replies_by_kind_and_model(folder: Path) -> None:
    done = factory("journal", "stats", cwd=folder)
    assert done.returncode == 0, done.stderr
    lines = [line.split() for line in done.stdout.splitlines()]
    assert lines[0][0] == "outputs/journal.db:"
    assert "450 replies" in done.stdout
    assert [line[:3] for line in lines[2:5]] == [
        ["chat", "openai:new", "100"],
        ["chat", "openai:old", "300"],
        ["embedding", "e5", "50"],
    ]


@pytest.mark.slow
def test_a_copy_without_its_log_is_told_where_its_replies_are(tmp_path: Path) -> None:
    running = Journal(tmp_path / "journal.db")
    try:
        add_rows(running._connection, [chat_row(n, "openai:new", 1) for n in range(3)])
        shutil.copy(tmp_path / "journal.db", tmp_path / "copied.db")
        done = factory("journal", "stats", "--journal", "copied.db", cwd=tmp_path)
    finally:
        running.close()
    assert "copied.db: " in done.stdout
    assert "0 replies" in done.stdout
    assert "replies lie in the log beside the original, copied.db-wal: copy that too" in done.stdout


@pytest.mark.slow
def test_prune_removes_by_model_and_age_and_gives_the_space_back(folder: Path) -> None:
    path = folder / "outputs" / "journal.db"
    before = path.stat().st_size
    done = factory("journal", "prune", "--model", "openai:old", "--older-than", "41", "--yes", cwd=folder)
    assert done.returncode == 0, done.stderr
    assert "200 replies removed" in done.stdout
    assert path.stat().st_size < before * 0.7
    done = factory("journal", "prune", "--older-than", "20", "--yes", cwd=folder)
    assert "100 replies removed" in done.stdout
    done = factory("journal", "prune", "--older-than", "20", "--yes", cwd=folder)
    assert "nothing was removed" in done.stdout
    journal = Journal(path)
    assert all(journal.get(chat_row(n, "openai:new", 1).key) for n in range(100))
    assert not any(journal.get(chat_row(n, "openai:old", 1).key) for n in range(300))
    journal.close()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["prune", "--yes"], "--older-than DAYS"),
        (["prune", "--model", "openai:od", "--yes"], "did you mean 'openai:old'?"),
        (["prune", "--model", "openai:old"], "300 replies would go; say --yes"),
        (["prune", "--older-than", "-1"], "--older-than"),
        (["stats", "--journal", "missing.db"], "missing.db: no such journal"),
        (["stats", "--journal", "recipe.yaml"], "recipe.yaml is damaged"),
        (["export", "outputs/journal.db"], "is there already"),
        (["export", "no/such/folder/x.jsonl"], "cannot be written"),
    ],
)
def test_a_mistake_is_one_sentence_and_changes_nothing(folder: Path, arguments: list[str], said: str) -> None:
    (folder / "recipe.yaml").write_text("steps: []\n")
    before = (folder / "outputs" / "journal.db").read_bytes()
    done = factory("journal", *arguments, cwd=folder)
    assert done.returncode == 2
    assert said in " ".join(done.stderr.replace("│", " ").split())
    assert (folder / "outputs" / "journal.db").read_bytes() == before
    assert (folder / "recipe.yaml").read_text() == "steps: []\n"
    assert not (folder / "missing.db").exists()


@pytest.mark.slow
def test_export_writes_each_request_with_its_reply(folder: Path) -> None:
    done = factory("journal", "export", "all.jsonl.gz", cwd=folder)
    assert done.returncode == 0, done.stderr
    assert "450 replies" in done.stdout
    rows = [
        orjson.loads(line) for line in gzip.decompress((folder / "all.jsonl.gz").read_bytes()).splitlines()
    ]
    assert len({row["key"] for row in rows}) == 450
    wanted = chat_row(7, "openai:new", 1)
    row = next(row for row in rows if row["key"] == wanted.key.hex())
    assert row["request"] == orjson.loads(wanted.request)
    assert row["reply"] == orjson.loads(wanted.reply)
    assert row["model"] == "openai:new"
    embedding = next(row for row in rows if row["kind"] == "embedding")
    assert embedding["dimension"] == 4
    assert embedding["text"].startswith("text ")
    assert "vector" not in embedding
    printed = factory("journal", "export", "--vectors", cwd=folder).stdout.splitlines()
    vectors = [orjson.loads(line)["vector"] for line in printed if '"embedding"' in line]
    assert vectors == [pytest.approx([0.6, 0.0, 0.8, 0.0])] * 50


WRITER = """
import asyncio, sys
from pathlib import Path
from factory.engine.journal.journal import Journal

async def main():
    journal = Journal(Path(sys.argv[1]))
    number = 0
    print("writing", flush=True)
    while not Path(sys.argv[2]).exists():
        await journal.put(number.to_bytes(16, "big"), "chat", "openai:other", b"{}", b"{}")
        number += 1
    print(number)
    journal.close()

asyncio.run(main())
"""


@pytest.mark.slow
def test_all_of_it_works_while_another_process_writes(folder: Path) -> None:
    path = folder / "outputs" / "journal.db"
    writer = subprocess.Popen(
        [sys.executable, "-c", WRITER, str(path), str(folder / "stop")], stdout=subprocess.PIPE, text=True
    )
    assert writer.stdout is not None
    assert writer.stdout.readline() == "writing\n"
    assert factory("journal", "stats", cwd=folder).returncode == 0
    assert factory("journal", "export", "all.jsonl", cwd=folder).returncode == 0
    done = factory("journal", "prune", "--model", "openai:old", "--yes", cwd=folder)
    assert done.returncode == 0, done.stderr
    assert "300 replies removed" in done.stdout
    assert "another process" in done.stdout
    (folder / "stop").touch()
    written = int(writer.stdout.read())
    assert writer.wait(20) == 0
    writer.stdout.close()
    connection = sqlite3.connect(path)
    counts = dict(connection.execute("SELECT model, count(*) FROM replies GROUP BY model"))
    connection.close()
    assert counts == {"openai:other": written, "openai:new": 100, "e5": 50}


@pytest.mark.slow
def test_stats_tells_how_many_replies_have_no_checksum(folder: Path) -> None:
    said = "of 450 replies were stored before replies had checksums"
    assert f"50 {said}" in factory("journal", "stats", cwd=folder).stdout
    connection = sqlite3.connect(folder / "outputs" / "journal.db")
    connection.execute("DELETE FROM replies WHERE checksum IS NULL")
    connection.commit()
    connection.close()
    assert "checksum" not in factory("journal", "stats", cwd=folder).stdout


@pytest.mark.slow
def test_a_damaged_journal_is_mended_before_it_is_counted(folder: Path) -> None:
    path = folder / "outputs" / "journal.db"
    os.truncate(path, path.stat().st_size // 2)
    done = factory("journal", "stats", cwd=folder)
    assert done.returncode == 0
    assert "was damaged" in done.stderr
