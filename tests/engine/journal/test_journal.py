"""The journal keeps every reply, once, durably, for several processes."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path

import pytest

from factory.engine.journal.journal import Journal
from factory.engine.journal.keys import call_key
from factory.errors import OutputError, RunStopped


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


def test_of_two_that_ask_the_same_at_the_same_time_both_use_what_was_stored_first(tmp_path: Path) -> None:
    one, other = Journal(tmp_path / "journal.db"), Journal(tmp_path / "journal.db")
    assert one.get(b"k" * 16) is None
    assert other.get(b"k" * 16) is None
    stored = [asyncio.run(journal.put(b"k" * 16, "chat", "m", b"{}", text)) for journal, text in
              ((one, b"mine"), (other, b"yours"))]  # fmt: skip
    assert stored == [b"mine", b"mine"]
    assert other.get(b"k" * 16) == b"mine"
    assert (one.twice, other.twice) == (0, 1)
    assert not list(one.remarks())
    (told,) = other.remarks()
    assert "1 replies were asked for by another process" in told
    one.close()
    other.close()


def test_one_key_twice_in_a_group_is_stored_once_and_both_get_it(tmp_path: Path) -> None:
    async def fill(journal: Journal) -> list[bytes]:
        replies = (b"first", b"second", b"third")
        return await asyncio.gather(*(journal.put(b"k" * 16, "chat", "m", b"{}", reply) for reply in replies))

    journal = Journal(tmp_path / "journal.db")
    stored = asyncio.run(fill(journal))
    assert len(set(stored)) == 1
    assert journal.get(b"k" * 16) == stored[0]
    journal.close()


def test_a_reply_that_made_no_sense_is_replaced_and_another_s_good_one_is_not(tmp_path: Path) -> None:
    one, other = Journal(tmp_path / "journal.db"), Journal(tmp_path / "journal.db")
    put(one, b"k" * 16, b"nonsense")
    for journal in (one, other):
        journal.refuse(b"k" * 16, b"nonsense")
        assert journal.get(b"k" * 16) is None
    assert asyncio.run(other.put(b"k" * 16, "chat", "m", b"{}", b"good")) == b"good"
    assert asyncio.run(one.put(b"k" * 16, "chat", "m", b"{}", b"also good")) == b"good"
    one.close()
    other.close()


def test_whatever_the_writer_meets_who_waits_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    journal = Journal(tmp_path / "journal.db")
    with monkeypatch.context() as broken:
        broken.setattr(journal, "_commit", lambda rows: 1 / 0)
        with pytest.raises(RunStopped, match=r"cannot be written \(division by zero\)"):
            put(journal, b"k" * 16, b"reply")
    put(journal, b"k" * 16, b"reply")
    assert journal.get(b"k" * 16) == b"reply"
    journal.close()


@pytest.mark.parametrize("now", [-1e9, 0.0, 1e11])
def test_a_clock_that_jumps_costs_no_reply(
    now: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from factory.engine.journal import contents

    path = tmp_path / "journal.db"
    journal = Journal(path)
    put(journal, b"k" * 16, b'{"text":"","usage":[0,0]}')
    with monkeypatch.context() as clock:
        clock.setattr("time.time", lambda: now)
        put(journal, b"l" * 16, b'{"text":"","usage":[0,0]}')
    assert journal.get(b"k" * 16)
    assert journal.get(b"l" * 16)
    journal.close()
    assert sum(group.replies for group in contents.groups(path)) == 2
    assert len(list(contents.exported(path))) == 2
    # A reply from the future is older than no number of days.
    assert len(contents.matching(path, None, 0)) == (1 if now > 2e9 else 2)
