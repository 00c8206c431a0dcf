"""The joins on Ray beside the same joins in this process: the same result row for row, and how long each takes.

    python tests/bench/bench_ray.py                    # 100,000 synthetic rows of each kind, two processors
    python tests/bench/bench_ray.py --rows 1000000 --processors 8
    RAY_ADDRESS=... python tests/bench/bench_ray.py    # on a cluster that runs

Half of the rows of one more table are one family: the kind that listing all close pairs would choke on. A worker
is killed in the middle of it. Seconds are on the clock: in Ray the work is done by other processes.
"""

from __future__ import annotations

import argparse
import os
import signal
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import bench_cosine
import bench_rouge
import numpy as np

from factory.data.text import rouge_tokens
from factory.statistics.ray_session import ray_session
from factory.steps.dedup.rouge import on_ray
from factory.steps.dedup.rouge.join import rouge_join, rouge_join_block
from factory.steps.dedup.rouge.on_ray import rouge_join_on_ray
from factory.steps.dedup.semantic.join import cosine_join
from factory.steps.dedup.semantic.on_ray import cosine_join_on_ray

T = TypeVar("T")


def one_family(rows: int) -> list[str]:
    """Half of the texts are all close to each other, without two being equal."""
    texts = bench_rouge.synthetic(rows)
    asked = "write a short story about a small dog that finds its way home and the number"
    return [f"{asked} {at}" if at % 2 else text for at, text in enumerate(texts)]


def seconds(work: Callable[[], T]) -> tuple[T, float]:
    start = time.perf_counter()
    return work(), time.perf_counter() - start


def compare(name: str, local: Callable[[], Any], on_ray: Callable[[], Any]) -> None:
    """Print both, and stop where they differ."""
    here, took_here = seconds(local)
    there, took_there = seconds(on_ray)
    for one, other in zip(here, there, strict=True):
        np.testing.assert_array_equal(one, other)
    kept = int((here.nearest < 0).sum())
    print(
        f"{name:<28} {len(here.nearest):>10,} {kept:>10,} {took_here:>9.2f} {took_there:>9.2f}   the same",
        flush=True,
    )


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument(
        "--processors", type=int, default=2, help="of a Ray started here, and threads beside it"
    )
    wanted = parser.parse_args()
    threads = wanted.processors
    rouge_join([["a"]], 0.7)
    session = ray_session(wanted.processors)
    _, took = seconds(session.__enter__)
    print(f"Ray starts in {took:.1f} s")
    print(f"{'':<28} {'rows':>10} {'kept':>10} {'here s':>9} {'on Ray s':>9}")
    tokens = [rouge_tokens(text) for text in bench_rouge.synthetic(wanted.rows)]
    compare(
        "ROUGE-L > 0.7",
        lambda: rouge_join(tokens, 0.7, workers=threads),
        lambda: rouge_join_on_ray(tokens, 0.7),
    )
    vectors = bench_cosine.synthetic(wanted.rows)
    compare(
        "cosine > 0.9",
        lambda: cosine_join(vectors, 0.9, workers=threads),
        lambda: cosine_join_on_ray(vectors, 0.9),
    )
    family = [rouge_tokens(text) for text in one_family(wanted.rows)]
    marker = Path(tempfile.mkdtemp()) / "killed"

    def dies_once(kept: Any, rows: Any, known: Any, decide: bool, **options: Any) -> Any:
        if len(kept.offsets) > 1 and not marker.exists():
            marker.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return rouge_join_block(kept, rows, known, decide, **options)

    on_ray.rouge_join_block = dies_once
    compare(
        "one family, a worker killed",
        lambda: rouge_join(family, 0.7, workers=threads),
        lambda: rouge_join_on_ray(family, 0.7),
    )
    print("a worker was killed" if marker.exists() else "the marker is on another machine")
    session.__exit__(None, None, None)


if __name__ == "__main__":
    main()
