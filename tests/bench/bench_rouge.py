"""How long the ROUGE-L join takes, beside rapidfuzz and rouge-score on the same rows in the same run.

    python tests/bench/bench_rouge.py                  # Alpaca, and synthetic rows up to 1,000,000
    python tests/bench/bench_rouge.py --rows 100000    # synthetic rows up to that many
    python tests/bench/bench_rouge.py --workers 2      # in two threads

The first table is Alpaca's own instructions, where they are beside the project. Times are seconds after the
loops are compiled: of the processor, in all threads, and on the clock.
"""

from __future__ import annotations

import argparse
import gzip
import json
import math
import resource
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple, TypeVar

import numpy as np

from factory.dedup.rouge_join import encode, rouge_join
from factory.text import rouge_tokens

ALPACA = Path(__file__).parents[2] / "../shared/data/nc_optional/alpaca_en_52k.jsonl.gz"
THRESHOLD = 0.7
PAIRS = 2000
T = TypeVar("T")


class Seconds(NamedTuple):
    cpu: float
    wall: float


def timed(work: Callable[[], T]) -> tuple[T, Seconds]:
    cpu, wall = time.process_time(), time.perf_counter()
    result = work()
    return result, Seconds(time.process_time() - cpu, time.perf_counter() - wall)


def peak_memory() -> float:
    """GB that this process has held at most."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6


def alpaca() -> list[str]:
    with gzip.open(ALPACA, "rt", encoding="utf-8") as lines:
        return [json.loads(line)["instruction"] for line in lines]


def synthetic(rows: int) -> list[str]:
    """Texts of about 12 words of Zipf's frequencies; three in ten are an earlier text with words replaced."""
    chance = np.random.default_rng(0)
    frequency = 1 / (np.arange(20_000) + 2.7)
    words = chance.choice(20_000, 64 * rows, p=frequency / frequency.sum()).astype(np.int32).reshape(rows, 64)
    lengths = np.clip(chance.lognormal(2.4, 0.45, rows), 3, 64).astype(int)
    for i in np.flatnonzero(chance.random(rows) < 0.3)[1:]:
        j = chance.integers(i)
        words[i] = np.where(chance.random(64) < chance.random() / 2, words[i], words[j])
        lengths[i] = lengths[j]
    return [" ".join(f"w{word}" for word in row[:n]) for row, n in zip(words, lengths, strict=True)]


def alike(rows: int, words: int = 400) -> list[str]:
    """Long texts that share most words in another order: as bags all are close, as sequences none is."""
    chance = np.random.default_rng(1)
    first = chance.integers(0, 150, words)
    return [" ".join(f"w{word}" for word in chance.permutation(first)) for _ in range(rows)]


def rapidfuzz_kept(rows: list[list[str]]) -> int:
    """The same join by comparing every pair, a block of rows at a time."""
    from rapidfuzz.distance import LCSseq
    from rapidfuzz.process import cdist

    (ids, offsets), _ = encode(rows)
    texts = [ids[a:b].tolist() for a, b in pairwise(offsets)]
    lengths = np.diff(offsets)
    kept = np.ones(len(rows), bool)
    for start in range(0, len(rows), 500):
        block = slice(start, start + 500)
        lcs = cdist(texts[block], texts[: start + 500], scorer=LCSseq.similarity, dtype=np.int32, workers=1)
        i, j = np.nonzero(lcs)
        precision, recall = lcs[i, j] / lengths[block][i], lcs[i, j] / lengths[j]
        close = 2 * precision * recall / (precision + recall) > THRESHOLD
        for a, b in zip(i[close] + start, j[close], strict=True):
            kept[a] &= not (b < a and kept[b])
    return int(kept.sum())


def table(source: str, texts: list[str], sizes: list[int], workers: int) -> dict[int, Seconds]:
    """Print a row for each size; returns what the joins took."""
    print(f"\n{source}, ROUGE-L F > {THRESHOLD}, workers: {workers}")
    print(f"{'rows':>9} {'tokenise cpu':>13} {'join cpu':>9} {'join wall':>10} {'kept':>9} {'peak GB':>8}")
    took = {}
    for size in sizes:
        tokens, tokenising = timed(lambda size=size: [rouge_tokens(text) for text in texts[:size]])
        matches, took[size] = timed(lambda tokens=tokens: rouge_join(tokens, THRESHOLD, workers=workers))
        kept = int((matches.nearest < 0).sum())
        cpu, wall = took[size]
        print(
            f"{size:>9,} {tokenising.cpu:>13.3f} {cpu:>9.3f} {wall:>10.3f} {kept:>9,} {peak_memory():>8.2f}",
            flush=True,
        )
    if len(sizes) > 1:
        first, last = sizes[0], sizes[-1]
        grows = math.log(took[last].cpu / took[first].cpu, last / first)
        print(f"from {first:,} to {last:,} rows the join grows as rows^{grows:.2f}")
    return took


def peers(texts: list[str], ours: Seconds) -> None:
    """Print what rapidfuzz takes for these texts, and rouge-score would take."""
    tokens = [rouge_tokens(text) for text in texts]
    pairs = len(texts) * (len(texts) - 1) / 2
    try:
        kept, slow = timed(lambda: rapidfuzz_kept(tokens))
        print(
            f"rapidfuzz cdist on {len(texts):,} rows: {slow.cpu:.2f} s cpu, kept {kept:,}, "
            f"{slow.cpu / ours.cpu:.0f} times as long as the join"
        )
    except ModuleNotFoundError:
        print("rapidfuzz is not installed: no comparison")
    try:
        from rouge_score.rouge_scorer import RougeScorer

        scorer = RougeScorer(["rougeL"], use_stemmer=False)
        some = np.random.default_rng(0).integers(0, len(texts), (PAIRS, 2)).tolist()
        _, slow = timed(lambda: [scorer.score(texts[a], texts[b]) for a, b in some])
        whole = slow.cpu / PAIRS * pairs
        print(
            f"rouge-score on {len(texts):,} rows: {whole / 60:,.0f} minutes cpu, told from {PAIRS:,} pairs, "
            f"{whole / ours.cpu:,.0f} times as long"
        )
    except ModuleNotFoundError:
        print("rouge-score is not installed: no comparison")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, default=1_000_000, help="synthetic rows at most")
    parser.add_argument("--workers", type=int, default=1, help="threads of the join")
    wanted = parser.parse_args()
    _, first = timed(lambda: rouge_join([["a"]], THRESHOLD))
    print(f"first call: {first.cpu:.2f} s cpu")
    if ALPACA.exists():
        texts = alpaca()
        took = table("Alpaca instructions", texts, [10_000, len(texts)], wanted.workers)
        peers(texts[:10_000], took[10_000])
    texts = synthetic(wanted.rows)
    sizes = sorted({min(size, wanted.rows) for size in (10_000, 100_000, wanted.rows)})
    took = table("Synthetic instructions", texts, sizes, wanted.workers)
    if not ALPACA.exists():
        peers(texts[: sizes[0]], took[sizes[0]])
    table("400 words each, shared but for their order", alike(2000), [500, 2000], wanted.workers)


if __name__ == "__main__":
    main()
