"""How long the cosine joins take and what they find, beside FAISS and semhash on the same vectors in the same run.

    python tests/bench/bench_cosine.py                 # 10,000 to 200,000 vectors, 52,000 of them with the peers
    python tests/bench/bench_cosine.py --rows 1000000  # up to that many
    python tests/bench/bench_cosine.py --vectors FILE  # vectors of your own, a .npy file of float32

Times are seconds after the loops are compiled: of the processor, in all threads, and on the clock. The recall
is the share of the pairs that the exact join finds, a row and the kept one nearest to it, of which another way
drops one or the other: SemDeDup keeps another one of a family.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
from bench_rouge import timed
from numpy.typing import NDArray

from factory.steps.dedup.semantic.approximate import ivf_join, semdedup
from factory.steps.dedup.semantic.join import cosine_join

THRESHOLD = 0.9
DIMENSIONS = 384
Rows = NDArray[np.float32]


def synthetic(rows: int) -> Rows:
    """Unit rows whose principal axes weaken as those of sentence embeddings do; one in five is near another."""
    random = np.random.default_rng(0)
    made = random.standard_normal((rows, DIMENSIONS), np.float32)
    made *= (np.arange(DIMENSIONS, dtype=np.float32) + 1) ** -0.5
    made /= np.linalg.norm(made, axis=1, keepdims=True)
    for row in np.flatnonzero(random.random(rows) < 0.2)[1:]:
        noise = random.standard_normal(DIMENSIONS, np.float32) / np.float32(math.sqrt(DIMENSIONS))
        made[row] = made[random.integers(row)] + noise * np.float32(random.uniform(0, 0.9))
    made /= np.linalg.norm(made, axis=1, keepdims=True)
    return made


def faiss_dropped(rows: Rows) -> NDArray[np.bool_]:
    """Greedy keep-first over all pairs that FAISS's exact index finds."""
    import faiss

    index = faiss.IndexFlatIP(rows.shape[1])
    index.add(rows)
    limits, _, found = index.range_search(rows, THRESHOLD)
    dropped = np.zeros(len(rows), bool)
    for row in range(len(rows)):
        close = found[limits[row] : limits[row + 1]]
        dropped[row] = (~dropped[close[close < row]]).any()
    return dropped


def semhash_dropped(rows: Rows) -> NDArray[np.bool_]:
    """What semhash drops of the same vectors."""
    from semhash import SemHash

    texts = [str(row) for row in range(len(rows))]
    kept = SemHash.from_embeddings(rows, texts, model=None).self_deduplicate(threshold=THRESHOLD).selected
    dropped = np.ones(len(rows), bool)
    dropped[[int(text) for text in kept]] = False
    return dropped


def compare(rows: Rows, workers: int) -> None:
    """Print each way on the same rows."""
    print(f"\n{len(rows):,} vectors of {rows.shape[1]} numbers, cosine > {THRESHOLD}, workers: {workers}")
    ways: dict[str, Callable[[], NDArray[np.bool_]]] = {
        "faiss IndexFlatIP range_search": lambda: faiss_dropped(rows),
        "approximate (faiss IVF)": lambda: ivf_join(rows, THRESHOLD).matches.nearest >= 0,
        "SemDeDup (faiss k-means)": lambda: semdedup(rows, THRESHOLD).nearest >= 0,
        "semhash": lambda: semhash_dropped(rows),
    }
    print(
        f"{'':<31} {'cpu':>8} {'wall':>8} {'GB':>6} {'dropped':>8} {'recall':>7} {'times the exact join':>21}"
    )
    matches, ours = timed(lambda: cosine_join(rows, THRESHOLD, workers=workers))
    pairs = np.flatnonzero(matches.nearest >= 0)
    print(
        f"{'exact join':<31} {ours.cpu:>8.2f} {ours.wall:>8.2f} {ours.memory:>6.2f} {len(pairs):>8,} "
        f"{1:>7.4f} {1:>21.1f}",
        flush=True,
    )
    for name, way in ways.items():
        try:
            dropped, took = timed(way)
        except ModuleNotFoundError as error:
            print(f"{name:<31} {error.name} is not installed")
            continue
        recall = (dropped[pairs] | dropped[matches.nearest[pairs]]).mean()
        print(
            f"{name:<31} {took.cpu:>8.2f} {took.wall:>8.2f} {took.memory:>6.2f} {dropped.sum():>8,} {recall:>7.4f} "
            f"{took.cpu / ours.cpu:>21.1f}",
            flush=True,
        )


def grow(rows: Rows, workers: int) -> None:
    """Print the exact join at several sizes, and how it grows."""
    print(f"\nexact join\n{'rows':>9} {'cpu':>8} {'wall':>8} {'dropped':>9} {'GB':>6}")
    sizes = sorted({min(size, len(rows)) for size in (10_000, 52_000, 200_000, len(rows))})
    took = []
    for size in sizes:
        matches, seconds = timed(lambda size=size: cosine_join(rows[:size], THRESHOLD, workers=workers))
        took.append(seconds.cpu)
        dropped = int((matches.nearest >= 0).sum())
        print(
            f"{size:>9,} {seconds.cpu:>8.2f} {seconds.wall:>8.2f} {dropped:>9,} {seconds.memory:>6.2f}",
            flush=True,
        )
    if len(sizes) > 1:
        grows = math.log(took[-1] / took[0], sizes[-1] / sizes[0])
        print(f"from {sizes[0]:,} to {sizes[-1]:,} rows it grows as rows^{grows:.2f}")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, default=200_000, help="synthetic vectors at most")
    parser.add_argument("--vectors", type=Path, help="take these vectors instead")
    parser.add_argument("--workers", type=int, default=1, help="threads of the exact join")
    wanted = parser.parse_args()
    vectors = np.load(wanted.vectors) if wanted.vectors else synthetic(wanted.rows)
    cosine_join(vectors[:2000], THRESHOLD)
    grow(vectors, wanted.workers)  # first: idle threads of other libraries would count as ours
    compare(vectors[:52_000], wanted.workers)


if __name__ == "__main__":
    main()
