"""A server that dies and comes back, a process that is killed, a disk that is full: nothing is paid for twice."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import orjson
import pytest
import yaml
from scripted_server import Say, ScriptedServer, digest, echo, in_thread, refuse

import factory as sft
from factory.engine.calls import caller
from factory.errors import RunStopped

CONCURRENCY = 8
COMMAND = [sys.executable, "-c", "from factory.cli.app import main; main()"]
# A limit on the size of any file stands for a full disk: writing beyond it fails as a full disk does.
FULL_DISK = (
    "import resource, signal; signal.signal(signal.SIGXFSZ, signal.SIG_IGN); "
    "resource.setrlimit(resource.RLIMIT_FSIZE, ({size}, {size})); from factory.cli.app import main; main()"
)


def helpful(request: dict[str, Any]) -> str:
    """A model that evolves by adding words, finds that it gained, and answers at some length."""
    if request.get("response_format"):
        return echo(request).replace('"equal":true', '"equal":false')
    last = request["messages"][-1]["content"]
    if "<instruction>" in last:
        body = last.split("<instruction>")[-1].split("</instruction>")[0].strip()
        return f"{body} Give {len(body) % 7 + 2} examples from daily life and compare them in a short table."
    return f"An answer to: {last[:80]} " + "and more " * 60


def write_recipe(folder: Path, base_url: str, count: int, *, evolve: bool = True) -> dict[str, Any]:
    topics = ["bread", "rivers", "tides", "潮汐", "chess", "tea", "玻璃", "bees"]
    rows = [{"instruction": f"Explain number {n}: how {topics[n % 8]} works."} for n in range(count)]
    (folder / "seeds.jsonl").write_bytes(b"\n".join(map(orjson.dumps, rows)))
    data: dict[str, Any] = {
        "name": "outages",
        "models": {
            "teacher": {
                "provider": "openai",
                "base_url": base_url,
                "model": "scripted",
                "concurrency": CONCURRENCY,
            }
        },
        "steps": [
            {"read": {"path": str(folder / "seeds.jsonl")}},
            *([{"evolve": {"rounds": 2}}] if evolve else []),
            {"respond": {}},
            {"judge": {"keep": ">= 1"}},
            {"dedup_rouge": {"threshold": 0.95}},
            {"export": {"formats": ["messages", "parquet"]}},
        ],
    }
    (folder / "recipe.yaml").write_text(yaml.safe_dump(data, allow_unicode=True, sort_keys=False))
    return data


def result_bytes(folder: Path) -> dict[str, bytes]:
    """Every result file's bytes."""
    skip = {"manifest.json", "report.html", ".lock", "recipe.yaml"}
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name not in skip
    }


def repeated(server: ScriptedServer) -> int:
    """How many requests asked for what had been asked before."""
    return sum(times - 1 for times in Counter(map(digest, server.requests)).values())


@pytest.mark.slow
@pytest.mark.timeout(280)
def test_twenty_kills_at_random_moments_repeat_no_more_than_was_in_flight(
    server: ScriptedServer, tmp_path: Path
) -> None:
    server.script = helpful
    server.delay = 0.02
    write_recipe(tmp_path, server.base_url, 60)
    command = [*COMMAND, "run", "recipe.yaml", "--out"]
    whole = subprocess.run(
        [*command, "whole", "--journal", "whole.db"], cwd=tmp_path, capture_output=True, timeout=120
    )
    assert whole.returncode == 0, whole.stderr
    needed = len(server.requests)
    assert repeated(server) == 0
    server.requests.clear()

    draw = random.Random(11)
    moments = []
    for _ in range(20):
        process = subprocess.Popen(
            [*command, "killed", "--journal", "killed.db"],
            cwd=tmp_path,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        # Some kills come while it starts or replays, the others among the calls.
        until = time.monotonic() + (draw.uniform(0.05, 1.5) if draw.random() < 0.3 else 60)
        target = len(server.requests) + draw.randrange(1, needed // 21)
        while len(server.requests) < target and time.monotonic() < until and process.poll() is None:
            time.sleep(0.002)
        assert process.poll() is None, "it ended before it could be killed"
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        moments.append(len(server.requests))
    last = subprocess.run(
        [*command, "killed", "--journal", "killed.db"], cwd=tmp_path, capture_output=True, timeout=120
    )
    assert last.returncode == 0, last.stderr
    more = len(server.requests) - needed
    print(
        f"\n20 kills, after {moments} calls; {needed:,} calls needed, {more} repeated, "
        f"at most {20 * CONCURRENCY} allowed; output identical"
    )
    assert more == repeated(server) <= 20 * CONCURRENCY
    assert result_bytes(tmp_path / "killed") == result_bytes(tmp_path / "whole")


@contextmanager
def dying(
    script: Callable[[dict[str, Any]], str | Say], after: int, away: float | None
) -> Iterator[dict[str, Any]]:
    """A server that dies after so many requests and is back on its port after `away` seconds; None: never."""
    stack = ExitStack()
    server = stack.enter_context(in_thread(ScriptedServer(script)))
    server.delay = 0.01
    told: dict[str, Any] = {"base_url": server.base_url, "servers": [server]}
    ended = threading.Event()

    def watch() -> None:
        while len(server.requests) < after and not ended.is_set():
            time.sleep(0.002)
        stack.close()
        if away is not None and not ended.wait(away):
            second = ScriptedServer(script, port=server.port)
            told["servers"].append(second)
            stack.enter_context(in_thread(second))
            told["back"] = True

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield told
    finally:
        ended.set()
        watcher.join(20)
        stack.close()


def asked(told: dict[str, Any]) -> list[dict[str, Any]]:
    return [request for server in told["servers"] for request in server.requests]


@pytest.mark.slow
def test_a_server_that_dies_and_comes_back_grudgingly_costs_no_record(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(caller, "BACKOFF_SECONDS", (0.01, 0.1))
    grudge = iter([Say(status=500, body="starting"), refuse(503, "loading the model")] * 12)
    told: dict[str, Any] = {}

    def script(request: dict[str, Any]) -> str | Say:
        # Once it is back, the first calls are refused: the tries during the outage must not count against them.
        return (next(grudge, None) if "back" in told else None) or helpful(request)

    with dying(script, after=80, away=1.5) as info:
        told = info
        result = sft.run(
            write_recipe(tmp_path, told["base_url"], 100, evolve=False),
            out=tmp_path / "run",
            journal=tmp_path / "journal.db",
        )
    assert told["back"]
    assert result.failed == 0
    assert result.kept + result.dropped == 100
    assert result.manifest["models"]["teacher"]["retries"] > 20
    assert next(grudge, None) is None


@pytest.mark.slow
def test_a_server_that_asks_to_wait_for_a_day_is_asked_again_sooner(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, server: ScriptedServer
) -> None:
    monkeypatch.setattr(caller, "PATIENCE_SECONDS", 0.2)
    refusals = iter([refuse(429, "come back tomorrow", headers={"Retry-After": "86400"})] * 3)
    server.script = lambda request: next(refusals, None) or helpful(request)
    data = write_recipe(tmp_path, server.base_url, 4, evolve=False)
    assert sft.run(data, out=tmp_path / "run", journal=tmp_path / "journal.db").kept == 4


@pytest.mark.slow
def test_a_server_that_stays_away_stops_the_run_which_later_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, server: ScriptedServer
) -> None:
    monkeypatch.setattr(caller, "BACKOFF_SECONDS", (0.01, 0.1))
    monkeypatch.setattr(caller, "PATIENCE_SECONDS", 1.0)
    with dying(helpful, after=80, away=None) as told:
        data = write_recipe(tmp_path, told["base_url"], 100, evolve=False)
        with pytest.raises(RunStopped, match=r"nobody answers at .* it did answer before, but not for 1 s"):
            sft.run(data, out=tmp_path / "run", journal=tmp_path / "journal.db")
        before = len(asked(told))
    server.script = helpful
    data["models"]["teacher"]["base_url"] = server.base_url  # where it runs is not part of a call's key
    result = sft.run(data, out=tmp_path / "other", journal=tmp_path / "journal.db")
    assert result.failed == 0
    assert result.kept + result.dropped == 100
    assert before + len(server.requests) <= 200 + CONCURRENCY


@pytest.mark.slow
def test_a_disk_that_is_full_at_any_moment_stops_the_run_in_a_sentence_and_costs_nothing(
    server: ScriptedServer, tmp_path: Path
) -> None:
    server.script = helpful
    write_recipe(tmp_path, server.base_url, 60, evolve=False)
    whole = subprocess.run(
        [*COMMAND, "run", "recipe.yaml", "--out", "whole", "--journal", "whole.db"],
        cwd=tmp_path,
        capture_output=True,
        timeout=60,
    )
    assert whole.returncode == 0
    needed = len(server.requests)
    server.requests.clear()
    stops = 0
    for size in (1_000, 6_000, 20_000, 45_000, 90_000, 120_000):
        done = subprocess.run(
            [
                sys.executable,
                "-c",
                FULL_DISK.format(size=size),
                "run",
                "recipe.yaml",
                "--out",
                "full",
                "--journal",
                "full.db",
            ],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=60,
            stdin=subprocess.DEVNULL,
        )
        said = done.stderr.strip().splitlines()
        print(
            f"\n{size:,} bytes: exit code {done.returncode}, {len(server.requests)} calls so far: {said[-1:]}"
        )
        assert done.returncode == 4, done.stderr
        assert "Traceback" not in done.stderr
        assert "a fault in factory" not in done.stderr
        assert "cannot be written" in done.stderr
        stops += 1
    again = subprocess.run(
        [*COMMAND, "run", "recipe.yaml", "--out", "full", "--journal", "full.db"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert again.returncode == 0, again.stderr
    assert "damaged" not in again.stderr
    assert result_bytes(tmp_path / "full") == result_bytes(tmp_path / "whole")
    assert len(server.requests) <= needed + stops * CONCURRENCY


@pytest.mark.slow
@pytest.mark.parametrize("options", [("--out", "{}/run"), ("--journal", "{}/journal.db"), ("--out", "{}")])
@pytest.mark.parametrize("place", ["a-file", "/proc/1"])
def test_output_that_cannot_be_written_is_said_before_anybody_is_asked(
    options: tuple[str, str], place: str, server: ScriptedServer, tmp_path: Path
) -> None:
    server.script = helpful
    write_recipe(tmp_path, server.base_url, 3, evolve=False)
    (tmp_path / "a-file").write_text("mine")
    done = subprocess.run(
        [*COMMAND, "run", "recipe.yaml", options[0], options[1].format(place)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 2, done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert place in done.stderr
    assert server.requests == []
    assert (tmp_path / "a-file").read_text() == "mine"
