"""How long the steps that put a set together take over a million rows, and how much memory: each in its own process.

    python tests/bench/bench_mix.py                  # 1,000,000 rows
    python tests/bench/bench_mix.py --rows 100000
    python tests/bench/bench_mix.py --only mixture

Aimed at: below 30 seconds and 2 GB for each. The rows are synthetic: a prompt of some 100 characters, an answer of
some 400, ten tasks of very different size, two languages, a score. Time is that of the step alone; memory is the most
that its process ever held, the table that comes in among it.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from factory.data.arrow import to_array
from factory.data.record import new_record
from factory.data.table import Table
from factory.errors import FactoryError
from factory.step import Context, WholeSet, find_step

CASES: dict[str, tuple[str, dict[str, Any]]] = {
    "mixture, given shares in rows": (
        "mixture",
        {"by": "task", "shares": {f"task{at}": 0.1 for at in range(10)}, "size": 800_000},
    ),
    "mixture, temperature in tokens, by score": (
        "mixture",
        {
            "by": ["task", "lang"],
            "shares": "temperature",
            "size": 40_000_000,
            "unit": "tokens",
            "score": "quality",
        },
    ),
}
"""What is measured: a step and its options; sizes are for a million rows."""
DISTINCT = 5000


def write_rows(path: Path, rows: int) -> None:
    """A table of so many rows, of which each has an id of its own."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    chance = np.random.default_rng(0)
    words = [f"word{at}" for at in range(500)]
    base = []
    for at in range(DISTINCT):
        text = " ".join(words[place] for place in chance.integers(0, 500, 75))
        base.append(
            new_record(
                f"{at} {text[:100]}",
                output=text[100:],
                task=f"task{min(9, int(chance.geometric(0.35)) - 1)}",
                lang="zh" if at % 5 == 0 else "en",
                source=f"source{at % 3}",
            )
        )
    table = Table.from_records(
        [
            record.__class__(**{**_fields(record), "scores": {"quality": float(chance.random())}})
            for record in base
        ]
    )
    wide = table.take(np.arange(rows) % DISTINCT).arrow
    ids = to_array([f"{at:016x}" for at in range(rows)], pa.string())
    pq.write_table(wide.set_column(0, wide.schema.field("id"), ids), path, row_group_size=10_000)


def _fields(record: Any) -> dict[str, Any]:
    return {name: getattr(record, name) for name in record.__slots__}


def measure(path: Path, name: str, rows: int) -> dict[str, Any]:
    """Run one case in this process."""
    step_name, options = CASES[name]
    scaled = {
        key: round(value * rows / 1_000_000) if key == "size" else value for key, value in options.items()
    }
    step = find_step(step_name)(**scaled)
    assert isinstance(step, WholeSet)
    table = Table.read(path)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    said: list[str] = []

    def no_model(name: str) -> Any:
        raise FactoryError("no model is asked")

    context = Context("01-bench", 0, no_model, no_model, warn=said.append, tell=said.append)
    began, used = time.perf_counter(), time.process_time()
    result = asyncio.run(step.run(table, context))
    seconds, processor = time.perf_counter() - began, time.process_time() - used
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    live = result.split()[0]
    return {
        "kept": len(live),
        "seconds": seconds,
        "processor": processor,
        "before": before / 1e6,
        "peak": peak / 1e6,
    }


def main() -> None:
    """Print a line for each case."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--only", action="append", help="cases whose name begins so; repeatable")
    parser.add_argument("--case", nargs=2, metavar=("PATH", "NAME"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.case:
        print(json.dumps(measure(Path(arguments.case[0]), arguments.case[1], arguments.rows)))
        return
    with tempfile.TemporaryDirectory(prefix="bench-mix-") as folder:
        path = Path(folder) / "rows.parquet"
        write_rows(path, arguments.rows)
        print(f"{arguments.rows:,} rows")
        for name in CASES:
            if arguments.only and not any(name.startswith(one) for one in arguments.only):
                continue
            command = [sys.executable, __file__, "--rows", str(arguments.rows), "--case", str(path), name]
            done = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
            print(
                f"{name:45} {done['seconds']:6.1f} s ({done['processor']:.1f} s of processor), {done['peak']:.2f} GB "
                f"({done['before']:.2f} GB with the rows alone), {done['kept']:,} rows kept"
            )


if __name__ == "__main__":
    main()
