"""What a cascade saves on real labels, how well it keeps its promise, and at what time.

    python tests/bench/bench_cascade.py

Strong decisions: whether a row is among the harder half of Alpaca by Llama-2-13B's learning percentage
(arXiv 2402.10430). Cheap signals: the same by smaller models, and lengths. Then Dolly's categories by
people, with an embedding and simple features as the cheap signals. Then people's preferences on pairs.
Each line is the mean over repeated draws.
"""

from __future__ import annotations

import argparse
import asyncio
import csv
import gzip
import json
import random
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from factory.data.record import new_record
from factory.steps.judging.verdicts.cascade import Request, cascade
from factory.steps.judging.verdicts.features import principal_components, simple_features, standardised

DATA = Path(__file__).parents[2] / "../shared/data"
ROWS = 4000
EMBEDDED = 600


def lines(name: str) -> Iterator[dict[str, str]]:
    with gzip.open(DATA / name, "rt", encoding="utf-8") as file:
        yield from (csv.DictReader(file) if ".csv" in name else map(json.loads, file))


def report(
    name: str, features: NDArray[np.float64], truth: NDArray[np.bool_], request: Request, repeats: int
) -> None:
    """Print what cascades over these rows reach, over `repeats` draws of at most ROWS of them."""
    reached, asked, seconds = [], [], time.process_time()
    for seed in range(repeats):
        rows = np.random.default_rng(seed).permutation(len(truth))[:ROWS]
        known, signals = truth[rows], features[rows]

        async def ask(batch: Sequence[int], known: NDArray[np.bool_] = known) -> list[bool | None]:
            return [bool(known[row]) for row in batch]

        found = asyncio.run(cascade(signals, ask, request, random.Random(seed)))
        reached.append(np.mean([said == real for said, real in zip(found.decisions, known, strict=True)]))
        asked.append(found.asked.mean())
    seconds = (time.process_time() - seconds) / repeats
    below = np.mean([agreement < request.agreement for agreement in reached])
    print(
        f"{name:<34} asks for {request.agreement:.0%}: {np.mean(asked):6.1%} asked, agreement mean "
        f"{np.mean(reached):.1%} least {min(reached):.1%}, below {below:.0%} of {repeats} "
        f"(may be {1 - request.confidence:.0%}), {seconds:.2f} s",
        flush=True,
    )


def learning_percentage(rows: list[dict[str, str]], model: str) -> NDArray[np.float64]:
    before, first, last = (
        np.array([float(row[f"{model}.epoch_{epoch}"]) for row in rows]) for epoch in ("pre", "1", "3")
    )
    share = np.divide(before - first, before - last, out=np.zeros(len(rows)), where=before != last)
    return np.clip(share, *np.quantile(share, [0.001, 0.999]))


def alpaca(repeats: int) -> None:
    rows = list(lines("oracles/small2large_alpaca_perplexity.csv.gz"))
    strong = learning_percentage(rows, "llama2-13b")
    truth = strong <= np.median(strong)
    for model in ("opt-350m", "llama2-7b"):
        signals = standardised(learning_percentage(rows, model)[:, None])
        for agreement in (0.8, 0.9):
            report(f"Alpaca difficulty by {model}", signals, truth, Request(agreement, 0.9, 200), repeats)


def dolly(repeats: int) -> None:
    from factory.models.options import LocalEmbeddingOptions
    from factory.models.providers import embedding_provider

    wanted = {row["id"]: row["category"] for row in lines("labels/dolly_category_dev.jsonl.gz")}
    rows = [row for row in lines("pool/dolly_en.jsonl.gz") if row["id"] in wanted][:EMBEDDED]
    records = [new_record(row["instruction"], input=row["input"], output=row["output"]) for row in rows]
    texts = [f"{record.prompt}\n{record.output}"[:800] for record in records]

    async def embed() -> NDArray[np.float32]:
        provider = embedding_provider(LocalEmbeddingOptions())
        try:
            step = provider.batch_size
            return np.concatenate(
                [await provider.embed(texts[at : at + step]) for at in range(0, len(texts), step)]
            )
        finally:
            await provider.close()

    features = np.column_stack(
        [standardised(simple_features(records)), principal_components(asyncio.run(embed()))]
    )
    for category in ("closed_qa", "brainstorming"):
        truth = np.array([wanted[row["id"]] == category for row in rows])
        report(f"Dolly is {category} ({truth.mean():.0%})", features, truth, Request(0.9, 0.9, 160), repeats)


def pairs(repeats: int) -> None:
    rows = [row for row in lines("labels/pandalm_dev.jsonl.gz") if row["majority"]]
    longer = np.array([len(str(row["response1"])) - len(str(row["response2"])) for row in rows], float)
    truth = np.array([row["majority"] == 1 for row in rows])
    signals = standardised(np.column_stack([np.sign(longer), np.tanh(longer / longer.std())]))
    report(f"PandaLM pairs by length ({len(rows)})", signals, truth, Request(0.8, 0.9, 80), repeats)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=20)
    parser.add_argument("--only", choices=["alpaca", "dolly", "pairs"])
    chosen = parser.parse_args()
    for name, bench in (("alpaca", alpaca), ("dolly", dolly), ("pairs", pairs)):
        if chosen.only in (None, name):
            bench(chosen.repeats)


if __name__ == "__main__":
    main()
