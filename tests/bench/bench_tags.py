"""How long tag normalisation takes on 52,002 rows whose tags are given, and how much memory.

    python tests/bench/bench_tags.py                 # 52,002 rows of about five tags
    python tests/bench/bench_tags.py --rows 300000   # the size of the paper's pool

Tags follow Zipf's law over 30,000 intentions. One in four uses is another spelling or another name of its
intention; embeddings are synthetic, the names of an intention close together. Times are CPU seconds (all
threads) and wall seconds.
"""

from __future__ import annotations

import argparse
import math
import resource
import time
import zlib
from collections.abc import Callable
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from factory.steps.tags.tag_sets.measure import coverage_curve, tag_counts, top_pairs
from factory.steps.tags.tag_sets.normalization import Normalization

INTENTIONS, DIMENSIONS = 30_000, 384
MIN_SHARE, MIN_SUPPORT, MIN_CONFIDENCE, DISTANCE = 6.5e-5, 40, 0.99, 0.05
T = TypeVar("T")


def synthetic(rows: int) -> list[list[str]]:
    """Tag lists of about five tags; companions of a common tag come with it each time."""
    chance = np.random.default_rng(0)
    weight = 1 / (np.arange(INTENTIONS) + 2.7)
    drawn = chance.choice(INTENTIONS, (rows, 9), p=weight / weight.sum())
    lengths = np.clip(chance.poisson(4.5, rows), 1, 9)
    form = chance.integers(0, 16, (rows, 9))
    lists = []
    for numbers, forms, length in zip(drawn.tolist(), form.tolist(), lengths.tolist(), strict=True):
        tags = [name(number, shape) for number, shape in zip(numbers[:length], forms[:length], strict=True)]
        tags += [f"companion {word(number)}" for number in numbers[:length] if number % 50 == 7]
        lists.append(tags)
    return lists


def word(number: int) -> str:
    """A number in letters."""
    letters = ""
    while number or not letters:
        number, digit = divmod(number, 20)
        letters += "bcdfghjklmnpqrstvwxz"[digit] + "aeiou"[digit % 5]
    return letters


def name(number: int, form: int) -> str:
    """One of an intention's names: twelve in sixteen uses are the plain one."""
    plain = f"{word(number)} topic"
    other = {12: plain.title(), 13: plain.replace(" ", "-"), 14: f"{plain}s", 15: f"about {word(number)}"}
    return other.get(form, plain)


def embeddings(names: list[str]) -> NDArray[np.float32]:
    """Unit vectors: names of one intention at a cosine of about 0.98, others at about 0.8, as e5 has them."""
    vectors = np.empty((len(names), DIMENSIONS), np.float32)
    for at, tag in enumerate(names):
        topic = tag.removeprefix("about ").removesuffix(" topic").removesuffix(" topics").lower()
        own = np.random.default_rng(zlib.crc32(topic.encode())).normal(size=DIMENSIONS) / math.sqrt(
            DIMENSIONS
        )
        noise = np.random.default_rng(at).normal(size=DIMENSIONS) / math.sqrt(DIMENSIONS)
        vectors[at] = 0.5 * own + 0.12 * noise
    vectors[:, 0] += 1
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def timed(title: str, work: Callable[[], T]) -> T:
    cpu, wall = time.process_time(), time.perf_counter()
    result = work()
    print(
        f"  {title:<38}{time.process_time() - cpu:>8.1f} s CPU{time.perf_counter() - wall:>8.1f} s",
        flush=True,
    )
    return result


def normalised(lists: list[list[str]], least: int) -> Normalization:
    """All stages, timed, but for making the embeddings."""
    print(f"dropping tags of fewer than {least} records:")
    begin = time.perf_counter()
    normal = timed("count", lambda: Normalization(lists))
    timed("frequency", lambda: normal.drop_rare(least))
    timed("rules", normal.merge_spellings)
    names = normal.names()
    given = time.perf_counter()
    vectors = embeddings(names)
    given = time.perf_counter() - given
    timed(f"semantic, {len(names):,} names", lambda: normal.merge_meanings(names, vectors, DISTANCE))
    timed("association", lambda: normal.merge_associated(MIN_SUPPORT, MIN_CONFIDENCE))
    print(f"  in all {time.perf_counter() - begin - given:.1f} s; peak memory {peak():.2f} GB")
    for stage in normal.stages:
        print(f"    {stage.name:<14}{stage.tags:>8,} tags{stage.uses:>10,} uses{stage.records:>9,} records")
    return normal


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, default=52_002)
    rows = parser.parse_args().rows
    lists = synthetic(rows)
    before = peak()
    print(f"{rows:,} rows, {sum(map(len, lists)) / rows:.2f} tags each; peak memory before: {before:.2f} GB")
    for least in (math.ceil(MIN_SHARE * rows), 1):
        normal = normalised(lists, least)
    print("measures:")
    timed("coverage curve", lambda: coverage_curve(normal.lists))
    timed("pairs", lambda: top_pairs(normal.lists))
    timed("counts", lambda: tag_counts(normal.lists))


def peak() -> float:
    """The most memory this process has held, in GB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6


if __name__ == "__main__":
    main()
