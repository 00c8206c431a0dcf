"""How long the ROUGE-L join takes, beside rapidfuzz on the same rows in the same run.

    python tests/bench/bench_rouge.py               # 10,000 and 52,002 Alpaca instructions, or synthetic rows
    python tests/bench/bench_rouge.py --rows 1000000   # that many synthetic rows

All times are CPU seconds of one core, after the loops are compiled.
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
from typing import TypeVar

import numpy as np

from factory.dedup.rouge_join import _encode, rouge_join
from factory.text import rouge_tokens

ALPACA = Path(__file__).parents[2] / "../shared/data/nc_optional/alpaca_en_52k.jsonl.gz"
THRESHOLD = 0.7
T = TypeVar("T")


def timed(work: Callable[[], T]) -> tuple[T, float]:
    start = time.process_time()
    result = work()
    return result, time.process_time() - start


def alpaca() -> list[str]:
    with gzip.open(ALPACA, "rt", encoding="utf-8") as lines:
        return [json.loads(line)["instruction"] for line in lines]


def synthetic(rows: int) -> list[str]:
    """Texts of about 12 words of Zipf's frequencies; three in ten are an earlier text with words replaced."""
    chance = np.random.default_rng(0)
    frequency = 1 / (np.arange(20_000) + 2.7)
    words = chance.choice(20_000, 64 * rows, p=frequency / frequency.sum()).reshape(rows, 64)
    lengths = np.clip(chance.lognormal(2.4, 0.45, rows), 3, 64).astype(int)
    for i in np.flatnonzero(chance.random(rows) < 0.3)[1:]:
        j = chance.integers(i)
        words[i] = np.where(chance.random(64) < chance.random() / 2, words[i], words[j])
        lengths[i] = lengths[j]
    return [" ".join(f"w{word}" for word in row[:n]) for row, n in zip(words, lengths, strict=True)]


def rapidfuzz_kept(rows: list[list[str]]) -> int:
    """The same join by comparing every pair, a block of rows at a time."""
    from rapidfuzz.distance import LCSseq
    from rapidfuzz.process import cdist

    ids, offsets, _ = _encode(rows)
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


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, help="time this many synthetic rows")
    wanted = parser.parse_args().rows
    if wanted or not ALPACA.exists():
        source, texts = "synthetic", synthetic(wanted or 52_002)
    else:
        source, texts = "Alpaca", alpaca()
    _, compiling = timed(lambda: rouge_join([["a"]], THRESHOLD))
    print(f"{source} instructions, ROUGE-L F > {THRESHOLD}; first call {compiling:.2f} s\n")
    print(f"{'rows':>9} {'tokenise s':>11} {'encode s':>9} {'join s':>9} {'kept':>9}")
    sizes = sorted({min(10_000, len(texts)), len(texts)})
    seconds = []
    for size in sizes:
        tokens, tokenising = timed(lambda size=size: [rouge_tokens(text) for text in texts[:size]])
        _, encoding = timed(lambda tokens=tokens: _encode(tokens))
        matches, whole = timed(lambda tokens=tokens: rouge_join(tokens, THRESHOLD))
        seconds.append(whole - encoding)
        kept = int((matches.nearest < 0).sum())
        print(f"{size:>9,} {tokenising:>11.3f} {encoding:>9.3f} {seconds[-1]:>9.3f} {kept:>9,}")
    if len(sizes) > 1:
        print(f"\njoin time grows as rows^{math.log(seconds[1] / seconds[0], sizes[1] / sizes[0]):.2f}")
    tokens = [rouge_tokens(text) for text in texts[: sizes[0]]]
    try:
        kept, slow = timed(lambda: rapidfuzz_kept(tokens))
    except ModuleNotFoundError:
        print("rapidfuzz is not installed: no comparison")
        return
    ratio = slow / seconds[0]
    print(f"rapidfuzz cdist on {sizes[0]:,} rows: {slow:.2f} s, kept {kept:,}, {ratio:.0f} times as long")


if __name__ == "__main__":
    main()
