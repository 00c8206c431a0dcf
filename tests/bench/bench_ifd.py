"""How fast IFD is scored, beside a loop over the rows with the same weights in the same run.

    python tests/bench/bench_ifd.py                       # the packaged SmolLM2, converted once; Dolly or shipped rows
    python tests/bench/bench_ifd.py --model DIR --rows 128

The loop is the papers' own: one row at a time, the model's loss with the prompt masked, then the loss of the answer
alone, with torch's default threads; in float32, in which their code loads a model, and in the type that the weights
are stored in. The step is measured in both types too; loading the model is part of every figure. Rows come in the
order of the file, short and long alike. Wall time and processor time are told; only on a quiet machine do both count.
"""

from __future__ import annotations

import argparse
import functools
import gzip
import json
import math
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import numpy as np

from factory.api.dataset import load
from factory.data.record import Record
from factory.statistics.correlation import spearman
from factory.steps.score.ifd import superfiltering_contexts

HERE = Path(__file__).parent
DOLLY = HERE.parents[1] / "../shared/data/pool/dolly_en.jsonl.gz"
T = TypeVar("T")


def timed(work: Callable[[], T]) -> tuple[T, float, float]:
    wall, processor = time.perf_counter(), time.process_time()
    result = work()
    return result, time.perf_counter() - wall, time.process_time() - processor


def loop(folder: str, dtype: str, records: list[Record], limit: int, threads: int) -> list[float]:
    """The IFD of each record, one at a time, the model loaded first."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder)
    wanted = dtype if dtype == "auto" else getattr(torch, dtype)
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=wanted).eval()
    torch.set_num_threads(threads)  # the step computes each batch in one
    found = []
    for record in records:
        prompt = superfiltering_contexts(record).conditioned
        start = len(tokenizer(prompt).input_ids)
        both = tokenizer(prompt + record.output, return_tensors="pt").input_ids[:, :limit]
        alone = tokenizer(record.output, return_tensors="pt").input_ids[:, : limit - start]
        if alone.shape[1] < 2:
            found.append(math.nan)
            continue
        labels = both.clone()
        labels[:, : start + 1] = -100  # the first token counts in neither pass
        with torch.inference_mode():
            given = model(both, labels=labels).loss.item()
            found.append(math.exp(given - model(alone, labels=alone).loss.item()))
    return found


def step(folder: str, dtype: str, records: list[Record], journal: Path) -> list[float]:
    """The step in a run: journal, limits and all."""
    from factory.api.steps import model

    weak = model("transformers", model=folder, dtype=dtype, device="cpu")
    result = load(records).ifd(model=weak).run(journal=journal)
    return [record.scores.get("ifd", math.nan) for record in result]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", help="a Hugging Face folder; default: the packaged SmolLM2, converted")
    parser.add_argument("--rows", type=int, default=64)
    parser.add_argument("--skip", type=int, default=0, help="leave out the first so many rows")
    wanted = parser.parse_args()
    if DOLLY.is_file():
        with gzip.open(DOLLY, "rt", encoding="utf-8") as lines:
            rows = [json.loads(next(lines)) for _ in range(wanted.skip + wanted.rows)][wanted.skip :]
        records = list(load(rows))
    else:
        records = list(load("factory:seeds", limit=wanted.rows))
    with tempfile.TemporaryDirectory() as scratch:
        folder = wanted.model
        if folder is None:
            sys.path.insert(0, str(HERE.parent / "vllm"))
            from convert import convert

            folder = str(Path(scratch) / "smollm2")
            convert(Path(folder))
        import torch

        threads = torch.get_num_threads()
        ways: dict[tuple[str, str], Callable[[], list[float]]] = {}
        for dtype in ("float32", "auto"):
            step(folder, dtype, records[:2], Path(scratch) / "warm.db")
            ways["loop", dtype] = functools.partial(loop, folder, dtype, records, 1024, threads)
            ways["ifd step", dtype] = functools.partial(
                step, folder, dtype, records, Path(scratch) / f"{dtype}.db"
            )
        print(f"{len(records)} rows, on the processor; the loop in {threads} threads")
        print(
            f"{'':<10} {'dtype':<8} {'s':>7} {'rows/s':>7} {'cpu s':>7}  times the rows/s of the loop in float32"
        )
        scores, seconds = {}, {}
        for (name, dtype), way in ways.items():
            scores[name, dtype], wall, processor = timed(way)
            seconds[name, dtype] = wall
            times = seconds["loop", "float32"] / wall
            print(
                f"{name:<10} {dtype:<8} {wall:>7.1f} {len(records) / wall:>7.2f} {processor:>7.1f} {times:>6.1f}",
                flush=True,
            )
    for one, other in (
        (("loop", "float32"), ("ifd step", "float32")),
        (("loop", "float32"), ("ifd step", "auto")),
    ):
        both = np.array([scores[one], scores[other]])
        both = both[:, ~np.isnan(both).any(axis=0)]
        print(
            f"{' '.join(one)} and {' '.join(other)}: {both.shape[1]} rows scored by both, Spearman "
            f"{spearman(*both):.4f}, largest difference {np.abs(both[0] - both[1]).max():.2g}"
        )


if __name__ == "__main__":
    main()
