"""How long choosing towards a target takes, beside the published program's way of counting n-grams.

    python tests/bench/bench_target.py                  # 100,000 rows
    python tests/bench/bench_target.py --rows 1000000

Texts are drawn from a vocabulary by Zipf's law, 60 words each; vectors are unit rows of 384 numbers. Times are seconds
after the loops are compiled: of the processor, in all threads, and on the clock.
"""

from __future__ import annotations

import argparse
import hashlib
import itertools
import re

import numpy as np
from bench_cosine import synthetic
from bench_rouge import timed

from factory.steps.assemble.select.dsir import dsir, hashed_grams
from factory.steps.assemble.select.nearest import nearest_in_turn

WORDS = 60
PLAIN_ROWS = 2000
"""Rows that the plain way counts: it takes too long for all."""


def texts(rows: int) -> list[str]:
    """Texts of `WORDS` words, a common word more often than a rare one."""
    random = np.random.default_rng(0)
    numbers = np.minimum(random.zipf(1.3, rows * WORDS), 200_000).reshape(rows, WORDS)
    return [" ".join(f"w{number:x}" for number in row) for row in numbers.tolist()]


def plain(some: list[str]) -> None:
    """Unigrams and bigrams, each hashed by SHA-256, as the published program counts them."""
    for text in some:
        counts = np.zeros(10_000, int)
        words = re.findall(r"\w+|[^\w\s]+", text.lower())
        grams = [*words, *(f"{one} {other}" for one, other in itertools.pairwise(words))]
        for gram in grams:
            counts[int(hashlib.sha256(gram.encode()).hexdigest(), 16) % 10_000] += 1


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, default=100_000, help="rows of the pool")
    parser.add_argument("--items", type=int, default=160, help="items of the target")
    parser.add_argument("--size", type=int, default=10_000, help="rows to choose")
    wanted = parser.parse_args()
    hashed_grams(["compile"])
    pool = texts(wanted.rows)
    print(f"{wanted.rows:,} rows, {wanted.items:,} items of the target, {wanted.size:,} to choose")
    print(f"{'':<34} {'cpu':>8} {'wall':>8} {'GB':>6}")

    def line(name: str, took: object, times: float = 1.0) -> None:
        print(
            f"{name:<34} {took.cpu * times:>8.2f} {took.wall * times:>8.2f} {took.memory:>6.2f}",  # type: ignore[attr-defined]
            flush=True,
        )

    grams, took = timed(lambda: hashed_grams(pool))
    line("hashed n-grams", took)
    target = hashed_grams(texts(wanted.items))
    random = np.random.default_rng(0)
    _, took = timed(lambda: dsir(grams, target, wanted.size, random))
    line("weights, draw and divergence", took)
    some = pool[:PLAIN_ROWS]
    _, took = timed(lambda: plain(some))
    line(f"plain hashing, from {PLAIN_ROWS:,} rows", took, wanted.rows / len(some))
    vectors = synthetic(wanted.rows + wanted.items)
    _, took = timed(lambda: nearest_in_turn(vectors[wanted.items :], vectors[: wanted.items], wanted.size))
    line("nearest in turn", took)


if __name__ == "__main__":
    main()
