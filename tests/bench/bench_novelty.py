"""How long a look at the novelty index takes while it grows, beside comparing with every text by rouge-score.

    python tests/bench/bench_novelty.py                 # Alpaca where it is beside the project, else synthetic rows
    python tests/bench/bench_novelty.py --rows 20000    # so many rows at most
    python tests/bench/bench_novelty.py --candidates 4  # so many candidates against every text, by rouge-score

Texts come as a stream, as a step that invents instructions has them: each is looked for and, where it is novel, added.
Times are milliseconds of the processor, on one core, after the loops are compiled. What rouge-score takes is told
of a few candidates, from the first 1,000 texts of the index; `agree` says that both name the same nearest text.
"""

from __future__ import annotations

import argparse
import gzip
import json
import time
from pathlib import Path

from bench_rouge import synthetic
from rouge_score.rouge_scorer import RougeScorer

from factory.data.text import rouge_tokens
from factory.statistics.rouge.novelty import NoveltyIndex

ALPACA = Path(__file__).parents[2] / "../shared/data/nc_optional/alpaca_en_52k.jsonl.gz"
THRESHOLD = 0.7
COMPARED = 1000
SIZES = (5_000, 20_000, 52_000)


class OurWords:
    """`rouge_tokens` as rouge-score takes it."""

    def tokenize(self, text: str) -> list[str]:
        return rouge_tokens(text)


def texts_of(rows: int) -> tuple[str, list[str]]:
    """What the texts are called, and so many at most."""
    if not ALPACA.exists():
        return "Synthetic instructions", synthetic(rows)
    with gzip.open(ALPACA, "rt", encoding="utf-8") as lines:
        return "Alpaca instructions", [json.loads(line)["instruction"] for line in lines][:rows]


def brute_force(texts: list[str], candidates: list[str]) -> None:
    """Print what rouge-score takes to compare these with the texts, and whether it names the same ones."""
    index = NoveltyIndex(texts)
    scorer = RougeScorer(["rougeL"], tokenizer=OurWords())
    began, agree = time.process_time(), 0
    for text in candidates:
        best = max((float(scorer.score(o, text)["rougeL"].fmeasure), -n) for n, o in enumerate(texts))
        near = index.nearest(text, THRESHOLD)
        agree += (near is None) == (best[0] < THRESHOLD) and (near is None or (near.f, -near.number) == best)
    took = 1000 * (time.process_time() - began) / len(candidates)
    whole = took * SIZES[-1] / len(texts)
    print(
        f"rouge-score, of {len(texts):,} texts:  {took:>8.1f} ms a candidate, so {whole:,.0f} ms of {SIZES[-1]:,}"
    )
    print(f"agree on the nearest of {agree} of {len(candidates)} candidates")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, default=SIZES[-1], help="rows at most")
    parser.add_argument("--candidates", type=int, default=20, help="compared by rouge-score too")
    wanted = parser.parse_args()
    NoveltyIndex(["a"]).nearest("a", THRESHOLD)
    name, texts = texts_of(wanted.rows)
    half = texts[: len(texts) // 2 * 2 : 2]
    print(f"{name}: each looked for at ROUGE-L F >= {THRESHOLD}, and added where it is novel")
    print(f"{'rows seen':>10} {'in the index':>13} {'ms a candidate':>15} {'growth':>7}")
    index, at, first = NoveltyIndex(), 0, 0.0
    for size in [size for size in SIZES if size <= len(texts)] or [len(texts)]:
        while at < size:
            if index.nearest(texts[at], THRESHOLD) is None:
                index.add(texts[at])
            at += 1
        began = time.process_time()
        for text in half[:2000]:  # no text of the index, and as many words
            index.nearest(" ".join(reversed(text.split())), THRESHOLD)
        took = 1000 * (time.process_time() - began) / len(half[:2000])
        first = first or took
        print(f"{at:>10,} {len(index):>13,} {took:>15.4f} {took / first:>6.1f}x", flush=True)
    began = time.process_time()
    whole = NoveltyIndex()
    for text in texts:
        if whole.nearest(text, THRESHOLD) is None:
            whole.add(text)
    print(f"the whole stream: {time.process_time() - began:.1f} s, {len(texts) - len(whole):,} not novel")
    brute_force(texts[:COMPARED], texts[-wanted.candidates :])


if __name__ == "__main__":
    main()
