"""How long the command line takes to answer, beside an empty Python process in the same run.

python tests/bench/bench_start.py
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import time


def median_seconds(command: list[str], runs: int = 7) -> float:
    """Median wall time of a command, after one warm-up."""
    times = []
    for _ in range(runs + 1):
        began = time.perf_counter()
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        times.append(time.perf_counter() - began)
    return statistics.median(times[1:])


def main() -> None:
    empty = median_seconds([sys.executable, "-c", "pass"])
    start = [sys.executable, "-c", "from factory.__main__ import main; main()"]
    for arguments in (["--help"], ["steps"], ["run", "--help"], ["recipes"]):
        seconds = median_seconds(start + arguments)
        print(
            f"factory {' '.join(arguments):<12} {seconds:.3f} s  ({seconds / empty:.1f} x an empty Python process)"
        )


if __name__ == "__main__":
    main()
