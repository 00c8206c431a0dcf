"""The journal keeps every reply, once, durably, for several processes."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path

import pytest

from factory.engine.journal.journal import Journal
from factory.engine.journal.keys import call_key
from factory.errors import OutputError


def put(journal: Journal, key: bytes, reply: bytes) -> None:
    asyncio.run(journal.put(key, "chat", "m", b"{}", reply))


def test_a_reply_is_read_back_by_another_journal_on_the_same_file(tmp_path: Path) -> None:
    first = Journal(tmp_path / "journal.db")
    put(first, b"k" * 16, b"reply")
    # Not closed on purpose: what `put` returned from is durable whatever happens to the process.
    second = Journal(tmp_path / "journal.db")
    assert second.get(b"k" * 16) == b"reply"
    assert second.get(b"x" * 16) is None
    first.close()
    second.close()


def test_the_first_reply_of_a_key_stays(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal.db")
    put(journal, b"k" * 16, b"first")
    put(journal, b"k" * 16, b"second")
    assert journal.get(b"k" * 16) == b"first"
    journal.close()


def test_the_key_depends_on_all_that_is_sent_and_on_nothing_else() -> None:
    base = {"messages": [["user", "hi"]], "temperature": 0.5, "sample": 0}
    key = call_key("chat", "model", base)
    assert key == call_key("chat", "model", dict(reversed(base.items())))
    others = [
        call_key("chat", "other", base),
        call_key("embedding", "model", base),
        *(
            call_key("chat", "model", {**base, name: value})
            for name, value in {"messages": [["user", "ho"]], "temperature": 0.6, "sample": 1}.items()
        ),
    ]
    assert len({key, *others}) == 6


def test_many_replies_at_once_are_committed_in_groups_and_none_is_lost(tmp_path: Path) -> None:
    async def fill(journal: Journal) -> None:
        await asyncio.gather(
            *(
                journal.put(number.to_bytes(16, "big"), "chat", "m", b"{}", b"%d" % number)
                for number in range(3000)
            )
        )

    journal = Journal(tmp_path / "journal.db")
    asyncio.run(fill(journal))
    assert all(journal.get(number.to_bytes(16, "big")) == b"%d" % number for number in range(3000))
    journal.close()


WRITER = """
import asyncio, sys
from pathlib import Path
from factory.engine.journal.journal import Journal

async def main():
    journal = Journal(Path(sys.argv[1]))
    start = int(sys.argv[2])
    for number in range(start, start + 200):
        await journal.put(number.to_bytes(16, "big"), "chat", "m", b"{}", b"x")
    journal.close()

asyncio.run(main())
"""


@pytest.mark.slow
def test_two_processes_write_to_one_journal_at_the_same_time(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    writers = [subprocess.Popen([sys.executable, "-c", WRITER, str(path), str(start)]) for start in (0, 200)]
    assert [writer.wait(60) for writer in writers] == [0, 0]
    journal = Journal(path)
    assert all(journal.get(number.to_bytes(16, "big")) == b"x" for number in range(400))
    journal.close()


@pytest.mark.slow
def test_processes_that_make_the_journal_at_the_same_moment_wait_for_each_other(tmp_path: Path) -> None:
    program = "import sys; from pathlib import Path; from factory.engine.journal.journal import Journal\n"
    program += "print(flush=True); sys.stdin.readline()\n"
    program += "for n in range(100): Journal(Path(sys.argv[1]) / f'{n}.db').close()"
    makers = [
        subprocess.Popen(
            [sys.executable, "-c", program, str(tmp_path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(3)
    ]
    for maker in makers:
        assert maker.stdout is not None
        maker.stdout.readline()
    for maker in makers:
        assert maker.stdin is not None
        maker.stdin.write("go\n")
        maker.stdin.flush()
    ends = [maker.communicate(timeout=60) for maker in makers]
    assert [maker.returncode for maker in makers] == [0, 0, 0], ends


def test_a_file_that_is_no_journal_is_named_with_the_mend(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    path.write_bytes(b"this is not a database, it is a sentence that goes on for a while" * 50)
    with pytest.raises(OutputError, match=r"journal\.db is damaged .* --journal FILE"):
        Journal(path)


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="cannot be written"):
        Journal(tmp_path / "file" / "journal.db")
