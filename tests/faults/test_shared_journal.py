"""One journal used by everybody at once, and kill -9: a reply that a step was given is never lost."""

from __future__ import annotations

import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

import orjson
import pytest
import yaml
from scripted_server import ScriptedServer

COMMAND = [sys.executable, "-c", "from factory.cli.app import main; main()"]
ROUNDS = 50

# Two runnables, made one after the other as a notebook makes them, and a third that comes and goes. What a runnable
# gave back is noted outside of the journal at once: a write to a file outlives a process that is killed.
NOTEBOOK = """
import os, random, sys, threading
import factory as sft

url, journal, noted, start = sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4])
notes = os.open(noted, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
chance = random.Random(start)
teacher = sft.model("openai", base_url=url, model="scripted", concurrency=8)

def work(number, most):
    runnable = sft.as_runnable("respond", model=teacher, journal=journal)
    for at in range(most):
        for record in runnable.invoke([f"Question {start}-{number}-{at}-{one}?" for one in range(4)]):
            for key in record.events[-1].calls:
                os.write(notes, f"{key}\\n".encode())

threads = [threading.Thread(target=work, args=(number, 10_000)) for number in range(2)]
for thread in threads:
    thread.start()
    threading.Event().wait(chance.uniform(0, 0.2))
work("first", 1)
print("asked", flush=True)
for at in range(10_000):
    work(f"brief{at}", chance.randrange(1, 4))
"""


class Round(NamedTuple):
    """What one round of kills left: replies released so far, those of them lost, and SQLite's own check."""

    released: int
    lost: int
    integrity: str


def released(*noted: Path) -> set[str]:
    """The keys of the replies that steps were given."""
    lines = (file.read_bytes().splitlines(keepends=True) for file in noted if file.exists())
    return {line.decode().strip() for some in lines for line in some if line.endswith(b"\n")}


def look(journal: Path, keys: set[str]) -> Round:
    """Compare the journal with what was released, as the next process would find it."""
    connection = sqlite3.connect(journal)
    held = {key.hex() for (key,) in connection.execute("SELECT key FROM replies")}
    (integrity,) = connection.execute("PRAGMA integrity_check").fetchone()
    connection.close()
    return Round(len(keys), len(keys - held), str(integrity))


def torture(server: ScriptedServer, folder: Path, rounds: int) -> list[Round]:
    """Rounds of two runnables in one process, a run and `factory journal stats` in others, all on one journal."""
    chance = random.Random(5)
    journal, noted = folder / "journal.db", folder / "noted.txt"
    rows = [{"instruction": f"Question of the run {number}?"} for number in range(3000)]
    (folder / "seeds.jsonl").write_bytes(b"\n".join(map(orjson.dumps, rows)))
    recipe = {
        "name": "beside",
        "models": {
            "teacher": {
                "provider": "openai",
                "base_url": server.base_url,
                "model": "scripted",
                "concurrency": 4,
            }
        },
        "steps": [{"read": {"path": str(folder / "seeds.jsonl")}}, {"respond": {}}],
    }
    (folder / "recipe.yaml").write_text(yaml.safe_dump(recipe))
    run = [*COMMAND, "run", "recipe.yaml", "--out", "run", "--journal", str(journal)]
    stats = [*COMMAND, "journal", "stats", "--journal", str(journal)]
    found = []
    for number in range(rounds):
        program = [sys.executable, "-c", NOTEBOOK, server.base_url, str(journal), str(noted), str(number)]
        quiet = {"cwd": folder, "stderr": subprocess.DEVNULL}
        notebook = subprocess.Popen(program, stdout=subprocess.PIPE, **quiet)
        beside = subprocess.Popen(run, stdout=subprocess.DEVNULL, **quiet) if number % 2 else None
        assert notebook.stdout is not None
        notebook.stdout.readline()
        time.sleep(chance.uniform(0.1, 0.8))
        subprocess.run(stats, stdout=subprocess.DEVNULL, **quiet)
        if beside is not None and number % 4 == 1:
            beside.send_signal(signal.SIGINT)  # a clean end beside the others: it closes its connections
            beside.wait(30)
        time.sleep(chance.uniform(0, 0.3))
        notebook.send_signal(signal.SIGKILL)
        if beside is not None:
            beside.send_signal(signal.SIGKILL)
            beside.wait(30)
        notebook.wait(30)
        notebook.stdout.close()
        found.append(look(journal, released(noted)))
    return found


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_no_released_reply_is_lost_whoever_shares_the_journal_and_is_killed(
    server: ScriptedServer, tmp_path: Path
) -> None:
    server.delay = 0.01
    found = torture(server, tmp_path, int(os.environ.get("FACTORY_ROUNDS", ROUNDS)))
    last = found[-1]
    print(f"\n{'rounds':>8}{'released':>10}{'lost':>6}  integrity")
    print(f"{len(found):>8}{last.released:>10}{last.lost:>6}  {sorted({one.integrity for one in found})}")
    print("lost by round:", [one.lost for one in found])
    assert last.released > 10 * len(found)
    assert last.lost == 0
    assert {one.integrity for one in found} == {"ok"}
