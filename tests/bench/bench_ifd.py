"""How fast IFD is scored, beside a loop over the rows with the same weights in the same run.

    python tests/bench/bench_ifd.py                       # the packaged SmolLM2, converted once; Dolly or shipped rows
    python tests/bench/bench_ifd.py --model DIR --rows 128 --dtype float32

The loop is the papers' own: one row at a time, the model's loss with the prompt masked, then the loss of the answer
alone, with torch's default threads. Rows come in the order of the file, short and long alike. Wall time and processor
time are told; only on a quiet machine do both count.
"""

from __future__ import annotations

import argparse
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

from factory.dataset import load
from factory.record import Record
from factory.score.correlation import spearman
from factory.score.ifd import superfiltering_contexts

HERE = Path(__file__).parent
DOLLY = HERE.parents[1] / "../shared/data/pool/dolly_en.jsonl.gz"
T = TypeVar("T")


def timed(work: Callable[[], T]) -> tuple[T, float, float]:
    wall, processor = time.perf_counter(), time.process_time()
    result = work()
    return result, time.perf_counter() - wall, time.process_time() - processor


def loop(folder: str, dtype: str, records: list[Record], limit: int) -> Callable[[], list[float]]:
    """The IFD of each record, one at a time; the model is loaded before."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder)
    wanted = dtype if dtype == "auto" else getattr(torch, dtype)
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=wanted).eval()

    @torch.inference_mode()
    def run() -> list[float]:
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
            given = model(both, labels=labels).loss.item()
            found.append(math.exp(given - model(alone, labels=alone).loss.item()))
        return found

    return run


def ours(folder: str, dtype: str, records: list[Record], journal: Path) -> list[float]:
    """The step in a run: journal, limits and all, the model loaded in it."""
    from factory.dataset import model

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
    parser.add_argument("--dtype", default="auto", choices=["auto", "float32", "bfloat16"])
    parser.add_argument(
        "--threads", type=int, default=0, help="threads of the loop; default: torch's own choice"
    )
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
        run = loop(folder, wanted.dtype, records, 1024)
        ours(folder, wanted.dtype, records[:2], Path(scratch) / "warm.db")
        new, new_wall, new_cpu = timed(lambda: ours(folder, wanted.dtype, records, Path(scratch) / "j.db"))
        if wanted.threads:
            import torch

            torch.set_num_threads(wanted.threads)
        old, old_wall, old_cpu = timed(run)
    both = [(a, b) for a, b in zip(old, new, strict=True) if not (math.isnan(a) or math.isnan(b))]
    print(f"{len(records)} rows, {wanted.dtype}, on the processor")
    for name, wall, processor in (("one row at a time", old_wall, old_cpu), ("ifd step", new_wall, new_cpu)):
        print(
            f"{name:<18} {wall:>7.1f} s  {len(records) / wall:>6.2f} rows/s  {processor:>7.1f} s of processor time"
        )
    print(f"{old_wall / new_wall:.1f} times the rows/s, {old_cpu / new_cpu:.1f} times for the processor time")
    columns = np.array(both).T
    print(
        f"{len(both)} rows scored by both: Spearman {spearman(*columns):.4f}, "
        f"largest difference {np.abs(columns[0] - columns[1]).max():.2g}"
    )


if __name__ == "__main__":
    main()
