"""How memory grows with the number of records: a recipe of three per-record steps against a mock server.

    python tests/bench/bench_memory.py [--sizes 10000 100000]

Prints the most resident memory of the process, sampled while it runs, for each size: a stream holds a bounded
number of records, so it should hardly grow.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).parent


def resident_mb(process: int) -> float:
    """Resident memory of a process, in MB; 0 where it has ended."""
    try:
        pages = int(Path(f"/proc/{process}/statm").read_text().split()[1])
    except (OSError, IndexError):
        return 0.0
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def measure(url: str, size: int, folder: Path) -> tuple[float, float]:
    """Most resident MB and seconds of one run over `size` records."""
    folder.mkdir()
    rows = folder / "rows.jsonl"
    with rows.open("w") as file:
        for number in range(size):
            file.write(json.dumps({"instruction": f"question {number}"}) + "\n")
    teacher = {"provider": "openai", "base_url": url, "model": "scripted", "concurrency": 256}
    steps = [{"read": {"path": str(rows)}}, {"respond": {}}, {"tag": {}}, {"judge": {}}]
    recipe = folder / "recipe.json"
    recipe.write_text(json.dumps({"name": "memory", "models": {"teacher": teacher}, "steps": steps}))
    code = (
        "import sys; from factory.engine.execute import Execution; from factory.engine.journal.journal import Journal; "
        "from factory.recipe.recipe import load_recipe; from factory.engine.blocking import run_blocking; "
        "from pathlib import Path; r = load_recipe(sys.argv[1]); "
        "p = Path(sys.argv[1]).parent; j = Journal(p / 'journal.db'); "
        "e = Execution(r.steps, r.models, 0, j, p / 'steps'); run_blocking(e.run); j.close(); "
        "print(sum(s.passed for s in e.progress.steps[-1:]))"
    )
    began = time.monotonic()
    process = subprocess.Popen([sys.executable, "-c", code, str(recipe)], stdout=subprocess.PIPE, text=True)
    most = 0.0
    while process.poll() is None:
        most = max(most, resident_mb(process.pid))
        time.sleep(0.05)
    assert process.stdout is not None
    assert int(process.stdout.read()) == size
    return most, time.monotonic() - began


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="+", default=[10_000, 100_000])
    sizes = parser.parse_args().sizes
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, str(HERE / "mock_server.py")]
        server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        try:
            assert server.stdout is not None
            url = server.stdout.readline().strip()
            for size in sizes:
                most, seconds = measure(url, size, Path(folder) / str(size))
                print(
                    f"{size:>9,} records, 3 calls each: {most:>6.0f} MB resident at most, {seconds:.0f} s",
                    flush=True,
                )
        finally:
            server.kill()


if __name__ == "__main__":
    main()
