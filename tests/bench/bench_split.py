"""How long `split` and `schedule` take on a million rows, and how much memory.

    python tests/bench/bench_split.py                # 100,000 and 1,000,000 rows
    python tests/bench/bench_split.py --rows 100000  # that many

The rows are short conversations with a task, a score and a document each; a tenth of them are children of others.
`split` goes by history, documents and prompts (`near: none`), stratified by task. Each runs in a process of its own, so
that its memory is its own; that of the table, which all of them hold, stands beside. We want 30 seconds and 2 GB.
"""

from __future__ import annotations

import argparse
import asyncio
import multiprocessing
import resource
import sys
import time
from collections.abc import Mapping
from typing import Any

from factory.data.record import Event, new_record
from factory.data.table import BATCH, Table
from factory.step import Context, WholeSet

TASKS = ("math", "code", "writing", "translation", "qa", "chat", "rewriting", "extraction")


def synthetic(rows: int) -> Table:
    """Rows of one block of records, made anew for each block with other ids and numbers."""
    import pyarrow as pa

    from factory.data.at_rest import to_batch

    batches = []
    for start in range(0, rows, BATCH):
        block = []
        for at in range(start, min(start + BATCH, rows)):
            record = new_record(
                f"Question {at}: what is {at} times {at % 97}?",
                output=f"It is {at * (at % 97)}.",
                lang="en",
                task=TASKS[at % len(TASKS)],
                meta={"document": f"d{at // 3}", "url": f"https://example.org/{at}"},
            )
            if at % 10 == 9:
                record = record.with_event(
                    Event("01-evolve", "deepen", parents=(block[-1].id,) if block else ())
                )
            block.append(record.with_score("ifd", (at * 7919 % 10007) / 10007, Event("02-ifd", "ifd")))
        batches.append(to_batch(block))
    return Table(pa.Table.from_batches(batches))


def step_of(name: str, options: Mapping[str, Any]) -> WholeSet:
    from factory.step import find_step

    step = find_step(name)(**options)
    assert isinstance(step, WholeSet)
    return step


def measure(rows: int, name: str, options: Mapping[str, Any], pipe: Any) -> None:
    table = synthetic(rows)
    held = _megabytes()
    context = Context("01-bench", 0, None, None)  # type: ignore[arg-type]
    began, worked = time.perf_counter(), time.process_time()
    asyncio.run(step_of(name, options).run(table, context))
    pipe.send((time.perf_counter() - began, time.process_time() - worked, held, _megabytes()))


def _megabytes() -> float:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (1 << 20 if sys.platform == "darwin" else 1 << 10)


CASES: dict[str, tuple[str, dict[str, Any]]] = {
    "split, stratified by task": (
        "split",
        {"validation": 0.01, "test": 0.01, "near": "none", "stratify": "task"},
    ),
    "schedule, curriculum of 4 stages": ("schedule", {"method": "curriculum", "score": "ifd", "stages": 4}),
    "schedule, dual_stage": ("schedule", {"method": "dual_stage", "first": ["math", "code"]}),
    "schedule, replay by share": ("schedule", {"method": "replay", "share": 0.05}),
}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, help="this many rows alone")
    parser.add_argument("--only", default="", help="only what begins so, such as split")
    asked = parser.parse_args()
    print(f"{'rows':>9}  {'seconds':>7}  {'of CPU':>6}  {'peak MB':>7}  {'table MB':>8}  what")
    for rows in [asked.rows] if asked.rows else [100_000, 1_000_000]:
        for said, (name, options) in CASES.items():
            if not said.startswith(asked.only):
                continue
            here, there = multiprocessing.get_context("spawn").Pipe()
            process = multiprocessing.get_context("spawn").Process(
                target=measure, args=(rows, name, options, there)
            )
            process.start()
            seconds, worked, held, peak = here.recv()
            process.join()
            print(
                f"{rows:>9,}  {seconds:>7.1f}  {worked:>6.1f}  {peak:>7,.0f}  {held:>8,.0f}  {said}",
                flush=True,
            )


if __name__ == "__main__":
    main()
