"""One folder shared by two machines, or by two containers of one: nobody else's process can be seen, only its files."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from preloaded import preloaded
from scripted_server import ScriptedServer
from test_full_disk import prepare, results
from test_shared_journal import look, released

MAIN = "from factory.cli.app import main; main()"

# A machine: opens the journal again and again, and notes the keys of what it was told to be stored.
MACHINE = """
import asyncio, os, sys
from pathlib import Path
import factory.engine.journal.opening as opening
from factory.engine.journal.journal import Journal
from factory.engine.journal.keys import call_key

machine, disk = sys.argv[1:]
opening.network_disk = lambda path: disk
notes = os.open(f"{machine}.txt", os.O_WRONLY | os.O_CREAT | os.O_APPEND)

async def work():
    for number in range(12):
        journal = Journal(Path("journal.db"))
        async def one(at):
            key = call_key("chat", "m", {"n": f"{machine}-{number}-{at}"})
            await journal.put(key, "chat", "m", b"{}", b'{"usage": 1}')
            os.write(notes, f"{key.hex()}\\n".encode())
            await asyncio.sleep(0.002)
        for at in range(10):
            await asyncio.gather(*(one(at * 3 + more) for more in range(3)))
        journal.close()

asyncio.run(work())
"""


def machines(folder: Path, library: Path, disk: str) -> list[subprocess.Popen[str]]:
    return [
        subprocess.Popen(
            [sys.executable, "-c", MACHINE, name, disk],
            cwd=folder,
            env=os.environ | {"MACHINE": name, "LD_PRELOAD": str(library)},
            stderr=subprocess.PIPE,
            text=True,
        )
        for name in ("first", "second")
    ]


@pytest.mark.slow
@pytest.mark.parametrize("killed", [False, True])
def test_two_machines_that_share_a_journal_over_the_network_lose_no_reply(
    killed: bool, tmp_path: Path
) -> None:
    running = machines(tmp_path, preloaded("other_machine", tmp_path), "nfs4")
    if killed:
        while not (tmp_path / "first.txt").exists():
            time.sleep(0.05)
        time.sleep(0.5)
        running[0].send_signal(signal.SIGKILL)
    said = [process.communicate(timeout=120)[1] for process in running]
    assert said[1] == ""
    keys = released(tmp_path / "first.txt", tmp_path / "second.txt")
    assert len(keys) == 720 or (killed and len(keys) > 360)
    assert look(tmp_path / "journal.db", keys) == (len(keys), 0, "ok")
    assert not list(tmp_path.glob("journal.db-shm*"))


def container(name: str, *command: str) -> list[str]:
    """A command that sees no process but its own, is the first of them, and has a host name of its own."""
    unshare = shutil.which("unshare")
    rights = ["--user", "--map-root-user"] if os.geteuid() else []
    apart = [str(unshare), *rights, "--pid", "--fork", "--kill-child", "--uts"]
    works = unshare is not None and subprocess.run([*apart, "true"], capture_output=True).returncode == 0
    if not works:
        pytest.skip("this system lets no namespaces be made")
    return [*apart, "sh", "-c", f'hostname {name}; exec "$@"', "sh", *command]


def run_in(folder: Path, name: str, out: str, *more: str) -> subprocess.Popen[str]:
    command = container(name, sys.executable, "-c", MAIN, "run", "recipe.yaml", "--out", out, *more)
    return subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def factory(folder: Path, *words: str) -> str:
    done = subprocess.run([sys.executable, "-c", MAIN, *words], cwd=folder, capture_output=True, text=True)
    return done.stdout + done.stderr


@pytest.mark.slow
def test_two_containers_share_a_journal_and_not_a_folder(server: ScriptedServer, tmp_path: Path) -> None:
    whole = prepare(tmp_path / "whole", server.base_url)
    assert run_in(whole, "one", "out").wait(60) == 0
    wanted, needed = results(whole), len(server.requests)
    shared = prepare(tmp_path / "shared", server.base_url)
    server.requests.clear()
    server.delay = 3.0
    first = run_in(shared, "one", "out")
    while len(server.requests) < 5:
        time.sleep(0.05)
    # Both have the number 1 in their own eyes. Who looks from outside sees that the folder is held.
    second = run_in(shared, "two", "out")
    said, _ = second.communicate(timeout=60)
    assert second.returncode == 2
    assert "another process is running this recipe here" in said
    beside = run_in(shared, "two", "beside", "--journal", "outputs/journal.db")
    assert "running (counts of" in factory(shared, "report", "out")
    first.send_signal(signal.SIGKILL)
    first.wait(30)
    assert "ended without a word" in factory(shared, "report", "out")
    server.delay = 0.0
    assert beside.wait(60) == 0
    again = run_in(shared, "three", "out")
    assert again.wait(60) == 0
    assert results(shared) == wanted
    # Both ask for what is in flight at the other; what is in the journal is paid for once.
    assert len(server.requests) < 2 * needed
    for process in (first, beside, again):
        assert process.stdout is not None
        process.stdout.close()


# Writes one file over and over, each time with a letter of its own.
WRITER = """
import sys
from pathlib import Path
from factory.data.whole_file import whole_file
for number in range(200):
    with whole_file(Path("shared.bin")) as file:
        for part in range(20):
            file.write(sys.argv[1].encode() * 70_000)
"""


@pytest.mark.slow
def test_a_file_that_two_processes_write_at_once_is_at_any_moment_all_of_one_of_them(tmp_path: Path) -> None:
    writers = [
        subprocess.Popen(
            [sys.executable, "-c", WRITER, letter], cwd=tmp_path, stderr=subprocess.PIPE, text=True
        )
        for letter in "ab"
    ]
    seen = set()
    while any(writer.poll() is None for writer in writers):
        if (tmp_path / "shared.bin").exists():
            seen.add((tmp_path / "shared.bin").read_bytes())
    assert [writer.communicate()[1] for writer in writers] == ["", ""]
    assert seen == {b"a" * 1_400_000, b"b" * 1_400_000}
    assert [path.name for path in tmp_path.iterdir()] == ["shared.bin"]
