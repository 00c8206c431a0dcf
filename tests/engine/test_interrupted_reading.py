"""Ctrl-C while a document is converted: the run ends at once, and its converter with it."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextvars import copy_context
from pathlib import Path

import pytest

from factory.data.process_apart import ENDING, Ending, ProcessApart
from factory.data.record import Message, Record
from factory.engine.stream import Stream

SLEEPS = "import sys, time; sys.stdin.readline(); time.sleep(600)"


def waits(started: list[int], ready: threading.Event) -> Iterator[Record]:
    process = ProcessApart(SLEEPS)
    process.start()
    process.send({})
    assert process._process is not None
    started.append(process._process.pid)
    ready.set()
    assert process.receive(600) is None  # it was ended
    process.end()
    yield Record(id="00", messages=(Message("user", "after"),))


def test_a_stream_that_is_cancelled_ends_the_process_that_it_waits_for() -> None:
    started: list[int] = []
    ready = threading.Event()

    async def go() -> None:
        run = asyncio.create_task(
            Stream([], [], 4).run(waits(started, ready), lambda record: None, slow=True)
        )
        await asyncio.to_thread(ready.wait)
        run.cancel()
        await asyncio.gather(run, return_exceptions=True)

    asyncio.run(go())  # which waits for the thread
    with pytest.raises(ProcessLookupError):
        os.kill(started[0], 0)


def test_a_process_that_is_started_after_the_end_is_ended_too() -> None:
    ending, context = Ending(), copy_context()
    context.run(ENDING.set, ending)
    ending.end()
    process = ProcessApart(SLEEPS)
    context.run(process.start)
    assert process.receive(600) is None


@pytest.mark.slow
def test_ctrl_c_while_a_document_hangs_in_its_converter_ends_the_run(tmp_path: Path) -> None:
    (tmp_path / "a.md").write_text("# Pumps\n\nThey lift water.")
    script = f"""
import factory as sft
from factory.data.documents import read

read._CODE = "import pathlib, sys, time; sys.stdin.readline(); pathlib.Path('reads').touch(); time.sleep(600)"
data = {{"name": "docs", "steps": [{{"read": {{"path": "a.md", "document_seconds": 900}}}}, {{"chunk": {{}}}}]}}
sft.run(data, out="out", journal={str(tmp_path / "journal.db")!r})
"""
    process = subprocess.Popen(
        [sys.executable, "-c", script], cwd=tmp_path, stderr=subprocess.PIPE, text=True
    )
    deadline = time.monotonic() + 60
    while not (tmp_path / "reads").exists():
        assert time.monotonic() < deadline
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode != 0
    assert "stopped" in errors
    assert "converter" not in errors  # which the document did not break
