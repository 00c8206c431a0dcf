"""What is no journal of today's form is brought to it, or refused in a sentence, before anything is asked."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import sqlite3
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import Any

import pytest
from scripted_server import ScriptedServer

import factory as sft
from factory.engine.journal import here
from factory.engine.journal.journal import Journal
from factory.engine.journal.opening import FORM
from factory.engine.journal.recovery import beside, mark
from factory.errors import OutputError, RunStopped

FIXTURE = Path(__file__).parents[2] / "fixtures" / "before_0_2" / "made.tar.xz"


def put(journal: Journal, key: bytes, reply: bytes) -> bytes:
    return asyncio.run(journal.put(key, "chat", "m", b"{}", reply))


def sql(path: Path, *statements: str) -> list[Any]:
    connection = sqlite3.connect(path)
    for statement in statements:
        found = connection.execute(statement).fetchall()
    connection.commit()
    connection.close()
    return found


# -- forms -----------------------------------------------------------------------------------------------------


def test_a_journal_of_the_first_form_is_opened_and_no_row_of_it_is_touched(tmp_path: Path) -> None:
    with tarfile.open(FIXTURE) as made:
        made.extract("journal.db", tmp_path, filter="data")
    path = tmp_path / "journal.db"
    before = sql(path, "SELECT * FROM replies ORDER BY key")
    assert sql(path, "PRAGMA user_version") == [(0,)]
    journal = Journal(path)
    assert journal.recovered == ""
    assert all(journal.get(row[0]) == row[4] for row in before)
    put(journal, b"k" * 16, b"new")
    assert journal.get(b"k" * 16) == b"new"
    journal.close()
    assert sql(path, "PRAGMA user_version") == [(FORM,)]
    after = sql(path, "SELECT * FROM replies WHERE checksum IS NULL ORDER BY key")
    assert after == [(*row, None, None) for row in before]


def test_a_new_journal_has_a_number_and_opening_it_again_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    journal = Journal(path)
    put(journal, b"k" * 16, b"reply")
    journal.close()
    before = path.read_bytes()
    Journal(path).close()
    assert path.read_bytes() == before
    assert sql(path, "PRAGMA user_version") == [(FORM,)]


@pytest.mark.parametrize(
    ("statements", "said"),
    [
        (["PRAGMA user_version = 3"], "written by a newer factory"),
        (["PRAGMA user_version = 1"], "no version of factory made"),
        (["ALTER TABLE replies ADD COLUMN price REAL"], r"no version of factory made .* price"),
        (["ALTER TABLE replies DROP COLUMN checksum"], "no version of factory made"),
        (["ALTER TABLE replies RENAME COLUMN reply TO answer"], "answer"),
        (["DROP TABLE replies", "CREATE TABLE replies (id INTEGER, text TEXT)"], r"columns id, text"),
        (["DROP TABLE replies", "CREATE TABLE cookies (id INTEGER)"], "something else"),
    ],
)
def test_another_form_is_refused_before_any_call_and_left_as_it_is(
    statements: list[str], said: str, server: ScriptedServer, tmp_path: Path
) -> None:
    path = tmp_path / "journal.db"
    Journal(path).close()
    sql(path, *statements)
    before = path.read_bytes()
    (tmp_path / "seeds.jsonl").write_text('{"instruction": "Why?"}')
    recipe: dict[str, Any] = {
        "name": "small",
        "models": {"teacher": {"provider": "openai", "base_url": server.base_url, "model": "scripted"}},
        "steps": [{"read": {"path": str(tmp_path / "seeds.jsonl")}}, {"respond": {}}],
    }
    with pytest.raises(OutputError, match=rf"{said}.*--journal FILE"):
        sft.run(recipe, out=tmp_path / "run", journal=path)
    assert not server.requests
    assert path.read_bytes() == before


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="nothing is read-only to root")
@pytest.mark.parametrize("there", [False, True])
def test_a_folder_that_is_read_only_is_named_before_any_call(there: bool, tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    if there:
        Journal(folder / "journal.db").close()
    folder.chmod(0o555)
    with pytest.raises(OutputError, match=r"cannot be written .* --journal FILE") as refused:
        Journal(folder / "journal.db")
    assert refused.value.exit_code == 2
    folder.chmod(0o755)


# -- one file under several names ------------------------------------------------------------------------------


def test_links_and_relative_names_lead_to_one_journal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = tmp_path / "real" / "journal.db"
    one = Journal(real)
    (tmp_path / "link.db").symlink_to(real)
    (tmp_path / "folder").symlink_to(real.parent)
    monkeypatch.chdir(tmp_path)
    others = [Journal(Path(name)) for name in ("link.db", "folder/journal.db", "real/../real/journal.db")]
    put(one, b"k" * 16, b"reply")
    assert [other.get(b"k" * 16) for other in others] == [b"reply"] * 3
    put(others[0], b"l" * 16, b"by the link")
    assert one.get(b"l" * 16) == b"by the link"
    for journal in (one, *others):
        journal.close()
    assert [entry.name for entry in real.parent.iterdir()] == ["journal.db"]


def test_a_damaged_journal_behind_a_link_is_mended_where_it_lies(tmp_path: Path) -> None:
    real = tmp_path / "real" / "journal.db"
    journal = Journal(real)
    put(journal, b"k" * 16, b"reply")
    journal.close()
    mark(real, "for this test")
    (tmp_path / "link.db").symlink_to(real)
    mended = Journal(tmp_path / "link.db")
    assert "recovered" in mended.recovered
    assert mended.get(b"k" * 16) == b"reply"
    mended.close()
    assert (tmp_path / "link.db").is_symlink()
    assert (tmp_path / "real" / "journal.db.damaged-1").exists()


def test_a_file_with_two_names_is_refused_with_a_mend_that_works(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    journal = Journal(path)
    put(journal, b"k" * 16, b"reply")
    journal.close()
    os.link(path, tmp_path / "other.db")
    with pytest.raises(OutputError, match="several names") as refused:
        Journal(path)
    command = str(refused.value).split("(")[-1].rstrip(")")
    subprocess.run(command, shell=True, check=True)
    again = Journal(path)
    assert again.get(b"k" * 16) == b"reply"
    again.close()


# -- what a process has open -----------------------------------------------------------------------------------

LOCKED = """
import fcntl, sys
with open(sys.argv[1], "rb+") as file:
    try:
        fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB, 510, 0x40000002)
        print("free")
    except OSError:
        print("held")
"""


def locks(path: Path) -> str:
    """Whether this process holds its lock on the database, as another one sees it."""
    return subprocess.run([sys.executable, "-c", LOCKED, str(path)], capture_output=True, text=True).stdout


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="POSIX locks")
def test_nothing_that_opens_the_journal_again_ends_the_locks_of_the_first(tmp_path: Path) -> None:
    from factory.engine.journal import contents

    path = tmp_path / "journal.db"
    first = Journal(path)
    put(first, b"k" * 16, b"reply")
    assert locks(path) == "held\n"
    second = Journal(path)
    assert locks(path) == "held\n"
    second.close()
    assert locks(path) == "held\n"
    contents.groups(path)
    list(contents.exported(path))
    contents.servers_of(path, [b"k".hex() * 16])
    assert not contents.prune(path, []).shrunk
    assert locks(path) == "held\n"
    mark(path, "for this test")
    with pytest.raises(OutputError, match="this process has it open elsewhere"):
        Journal(path)
    beside(path, ".damaged").unlink()
    assert locks(path) == "held\n"
    first.close()
    assert locks(path) == "free\n"


@pytest.mark.skipif(os.name == "nt", reason="POSIX locks")
def test_a_connection_that_somebody_else_made_keeps_its_locks_too(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    Journal(path).close()
    connection = sqlite3.connect(path)
    connection.execute("SELECT count(*) FROM replies").fetchone()
    assert here.is_open_here(path)
    Journal(path).close()
    assert locks(path) == "held\n"
    connection.close()
    assert not here.is_open_here(path)


def test_files_are_found_where_the_system_lists_no_descriptors(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(here, "_DESCRIPTORS", "/no/such/folder")
    path = tmp_path / "file"
    path.write_text("")
    assert not here.is_open_here(path)
    with path.open():
        assert here.is_open_here(path)


def _in_child(journal: Journal, path: Path, answers: Any) -> None:
    said = []
    for what in (
        lambda: journal.get(b"k" * 16),
        lambda: put(journal, b"l" * 16, b"x"),
        lambda: Journal(path),
    ):
        try:
            what()
            said.append("done")
        except (OutputError, RunStopped) as error:
            said.append(str(error))
    journal.close()
    other = Journal(path.with_name("other.db"))
    said.append(str(put(other, b"k" * 16, b"own")))
    other.close()
    answers.put(said)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_process_is_told_and_takes_nothing_from_the_one_that_it_came_from(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    journal = Journal(path)
    put(journal, b"k" * 16, b"reply")
    context = multiprocessing.get_context("fork")
    answers = context.Queue()
    child = context.Process(target=_in_child, args=(journal, path, answers))
    child.start()
    said = answers.get(timeout=30)
    child.join(30)
    assert all("forked" in sentence and "spawn" in sentence for sentence in said[:3]), said
    assert said[3] == "b'own'"
    assert locks(path) == "held\n"
    put(journal, b"m" * 16, b"after")
    journal.close()
    again = Journal(path)
    assert [again.get(key * 16) for key in (b"k", b"l", b"m")] == [b"reply", None, b"after"]
    again.close()


@pytest.mark.parametrize("name", ["journal.db", "journal.db-wal"])
def test_a_journal_that_is_taken_away_while_it_is_in_use_stops_the_run(name: str, tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal.db")
    put(journal, b"k" * 16, b"reply")
    (tmp_path / name).rename(tmp_path / "away")
    with pytest.raises(RunStopped, match="removed, renamed or replaced while it was in use"):
        put(journal, b"l" * 16, b"reply")
    journal.close()
