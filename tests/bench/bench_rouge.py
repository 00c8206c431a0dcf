"""How long the ROUGE-L join takes, beside rapidfuzz, rouge-score and MinHash on the same rows in the same run.

    python tests/bench/bench_rouge.py                  # Alpaca, and synthetic rows up to 1,000,000
    python tests/bench/bench_rouge.py --rows 100000    # synthetic rows up to that many
    python tests/bench/bench_rouge.py --workers 2      # in two threads

The first table is Alpaca's own instructions, where they are beside the project. Times are seconds after the
loops are compiled: of the processor, in all threads, and on the clock. GB is what the process held at most
while it worked, the texts and their tokens included.
"""

from __future__ import annotations

import argparse
import gzip
import json
import math
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from factory.data.text import rouge_tokens
from factory.steps.dedup.minhash.join import minhash_join
from factory.steps.dedup.rouge.join import encode, rouge_join

ALPACA = Path(__file__).parents[2] / "../shared/data/nc_optional/alpaca_en_52k.jsonl.gz"
PROCESS = Path("/proc/self")
THRESHOLD = 0.7
JACCARD = THRESHOLD / (2 - THRESHOLD)
"""Of two sets of words as long as each other, of which the share THRESHOLD is the same."""
PAIRS = 2000
T = TypeVar("T")


class Took(NamedTuple):
    """Took of the processor and on the clock, and GB beyond what the process held before."""

    cpu: float
    wall: float
    memory: float


def timed(work: Callable[[], T]) -> tuple[T, Took]:
    PROCESS.joinpath("clear_refs").write_text("5")  # Linux: the high-water mark begins anew
    cpu, wall = time.process_time(), time.perf_counter()
    result = work()
    took = time.process_time() - cpu, time.perf_counter() - wall
    status = PROCESS.joinpath("status").read_text().splitlines()
    most = next(int(line.split()[1]) for line in status if line.startswith("VmHWM:"))
    return result, Took(*took, most / 1e6)


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


def rapidfuzz_kept(rows: list[list[str]]) -> NDArray[np.bool_]:
    """The same join by comparing every pair, a block of rows at a time."""
    from rapidfuzz.distance import LCSseq
    from rapidfuzz.process import cdist

    (ids, offsets, _), _ = encode(rows)
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
    return kept


def table(source: str, texts: list[str], sizes: list[int], workers: int) -> None:
    """Print a row for each size."""
    print(f"\n{source}, ROUGE-L F > {THRESHOLD}, workers: {workers}")
    print(f"{'rows':>9} {'tokenise cpu':>13} {'join cpu':>9} {'join wall':>10} {'kept':>9} {'GB':>6}")
    took = {}
    for size in sizes:
        tokens, tokenising = timed(lambda size=size: [rouge_tokens(text) for text in texts[:size]])
        matches, took[size] = timed(lambda tokens=tokens: rouge_join(tokens, THRESHOLD, workers=workers))
        kept = int((matches.nearest < 0).sum())
        cpu, wall, held = took[size]
        print(
            f"{size:>9,} {tokenising.cpu:>13.3f} {cpu:>9.3f} {wall:>10.3f} {kept:>9,} {held:>6.2f}",
            flush=True,
        )
    if len(sizes) > 1:
        first, last = sizes[0], sizes[-1]
        grows = math.log(took[last].cpu / took[first].cpu, last / first)
        print(f"from {first:,} to {last:,} rows the join grows as rows^{grows:.2f}")


def rensa_nearest(texts: list[str]) -> list[int]:
    """For each text the first one that rensa's sketches call close to it, kept before it, or -1."""
    from rensa import RMinHash, RMinHashLSH

    index = RMinHashLSH(threshold=JACCARD, num_perm=128, num_bands=32)
    sketches, nearest = [], []
    for at, text in enumerate(texts):
        sketch = RMinHash(num_perm=128, seed=0)
        sketch.update(rouge_tokens(text))
        sketches.append(sketch)
        close = [near for near in sorted(index.query(sketch)) if sketches[near].jaccard(sketch) > JACCARD]
        nearest.append(close[0] if close else -1)
        if not close:
            index.insert(at, sketch)
    return nearest


def peers(texts: list[str]) -> None:
    """Print what other ways take for these texts, and which of the join's duplicates they find."""
    tokens = [rouge_tokens(text) for text in texts]
    matches, ours = timed(lambda: rouge_join(tokens, THRESHOLD))
    pairs = np.flatnonzero(matches.nearest >= 0)

    print(f"\n{len(texts):,} rows, the same by other ways; recall of what the join drops")
    print(f"{'':<38} {'cpu s':>10} {'GB':>6} {'dropped':>8} {'recall':>7} {'times the join':>15}")

    def row(name: str, way: Callable[[], NDArray[np.bool_]]) -> None:
        try:
            dropped, took = timed(way)
        except ModuleNotFoundError as error:
            print(f"{name:<38} {error.name} is not installed")
            return
        recall = (dropped[pairs] | dropped[matches.nearest[pairs]]).mean() if len(pairs) else math.nan
        print(
            f"{name:<38} {took.cpu:>10.3f} {took.memory:>6.2f} {dropped.sum():>8,} {recall:>7.3f} "
            f"{took.cpu / ours.cpu:>15,.1f}",
            flush=True,
        )

    row("dedup_rouge (exact)", lambda: rouge_join(tokens, THRESHOLD).nearest >= 0)
    row("rapidfuzz cdist (exact)", lambda: ~rapidfuzz_kept(tokens))
    words = f"Jaccard of words > {JACCARD:.2f}"
    row(f"dedup_minhash, {words}", lambda: minhash_join(texts, JACCARD, size=1).nearest >= 0)
    row(f"rensa alone, {words}", lambda: np.array(rensa_nearest(texts)) >= 0)
    try:
        from rouge_score.rouge_scorer import RougeScorer
    except ModuleNotFoundError:
        print("rouge-score is not installed")
        return
    scorer = RougeScorer(["rougeL"], use_stemmer=False)
    some = np.random.default_rng(0).integers(0, len(texts), (PAIRS, 2)).tolist()
    _, slow = timed(lambda: [scorer.score(texts[a], texts[b]) for a, b in some])
    whole = slow.cpu / PAIRS * len(texts) * (len(texts) - 1) / 2
    name = f"rouge-score, told from {PAIRS:,} pairs"
    print(f"{name:<38} {whole:>10,.0f} {'':>6} {'':>8} {'':>7} {whole / ours.cpu:>15,.0f}")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, default=1_000_000, help="synthetic rows at most")
    parser.add_argument("--workers", type=int, default=1, help="threads of the join")
    wanted = parser.parse_args()
    _, first = timed(lambda: rouge_join([["a"]], THRESHOLD))
    print(f"first call: {first.cpu:.2f} s cpu")
    if ALPACA.exists():
        texts = alpaca()
        table("Alpaca instructions", texts, [10_000, len(texts)], wanted.workers)
        peers(texts[:10_000])
    texts = synthetic(wanted.rows)
    sizes = sorted({min(size, wanted.rows) for size in (10_000, 100_000, wanted.rows)})
    table("Synthetic instructions", texts, sizes, wanted.workers)
    peers(texts[: sizes[0]])
    table("400 words each, shared but for their order", alike(2000), [500, 2000], wanted.workers)


if __name__ == "__main__":
    main()
