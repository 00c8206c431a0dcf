"""How fast several answers to one prompt are scored, beside one pass for each answer in the same run.

    python tests/bench/bench_fit.py                       # the packaged SmolLM2, converted once; Dolly or shipped rows
    python tests/bench/bench_fit.py --model DIR --rows 16 --answers 8

The loop is the papers' own: one answer at a time behind its prompt in the model's chat template, log-probability and
rank of each of its tokens, with torch's default threads, in float32. The step is measured in the same type, through a
run, journal, limits and all; loading the model is part of both. Rows are those of Dolly that come with a long passage,
as in a set of questions about documents, and others without one, of whose prompts there is little to share; the answers
are those of neighbouring rows, so that they have the lengths of the set.
"""

from __future__ import annotations

import argparse
import gzip
import json
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from statistics import median

from factory.api.dataset import load
from factory.api.steps import model as scorer
from factory.data.record import Candidate, Message, Record, new_record
from factory.steps.score.likelihood.fit import grape, rank_surprisal_ratio

HERE = Path(__file__).parent
DOLLY = HERE.parents[1] / "../shared/data/pool/dolly_en.jsonl.gz"
PASSAGE = 1500
"""Characters of a passage, at least; about 350 tokens."""
MOST = 5000
"""Characters of prompt and answer: all of it counts in both ways."""


def records_of(rows: int, answers: int, grounded: bool) -> list[Record]:
    """Records of so many answers each."""
    if DOLLY.is_file():
        with gzip.open(DOLLY, "rt", encoding="utf-8") as lines:
            known = [json.loads(line) for line in lines]
        seeds = [
            new_record(row["instruction"], input=row.get("input", ""), output=row["output"])
            for row in known
            if (len(row.get("input", "")) > PASSAGE if grounded else not row.get("input"))
            and len(row.get("input", "")) + 2 * len(row["output"]) < MOST
        ]
    else:
        seeds = [
            record for record in load("factory:seeds") if bool(record.input) == grounded and record.output
        ]
    made = []
    for at in range(min(rows, len(seeds))):
        texts = [seeds[(at + step) % len(seeds)].output for step in range(answers)]
        texts = [text[: MOST - len(seeds[at].prompt)] or "none" for text in texts]
        made.append(
            replace(
                seeds[at],
                id=f"{at:04d}",
                messages=seeds[at].conversation,
                answers=tuple(Candidate((Message("assistant", text),)) for text in texts),
            )
        )
    return made


def loop(folder: str, records: list[Record]) -> list[tuple[float, float]]:
    """GRAPE and RSR of each answer, one pass for each."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder)
    network = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    found = []
    for record in records:
        turns = [{"role": turn.role, "content": turn.content} for turn in record.conversation]
        context = tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=True)
        for answer in record.answers:
            text = context + answer.text
            encoded = tokenizer(text, return_offsets_mapping=True, add_special_tokens=False)
            own = [at for at, (start, _) in enumerate(encoded["offset_mapping"]) if start >= len(context)]
            ids = torch.tensor([encoded["input_ids"]])
            with torch.inference_mode():
                logits = network(ids).logits[0, own[0] - 1 : -1]
                targets = ids[0, own[0] :, None]
                logprobs = logits.log_softmax(-1).gather(1, targets)[:, 0].tolist()
                ranks = ((logits > logits.gather(1, targets)).sum(1) + 1).tolist()
            found.append((grape(logprobs), rank_surprisal_ratio(logprobs, ranks)))
    return found


def lengths(folder: str, records: list[Record]) -> str:
    """How many tokens prompts and answers have, and how many fewer tokens are read where the prompt is read once."""
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder)
    prompts, answers, shared, whole = [], [], 0, 0
    for record in records:
        turns = [{"role": turn.role, "content": turn.content} for turn in record.conversation]
        text = tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=True)
        prompt = len(tokenizer.encode(text, add_special_tokens=False))
        own = [len(tokenizer.encode(answer.text, add_special_tokens=False)) for answer in record.answers]
        prompts.append(prompt)
        answers += own
        shared += prompt + sum(own)
        whole += prompt * len(own) + sum(own)
    return (
        f"prompts of {median(prompts):.0f} tokens, answers of {median(answers):.0f} (medians): "
        f"{whole / shared:.1f} times fewer tokens"
    )


def step(folder: str, records: list[Record], journal: Path) -> list[tuple[float, float]]:
    """The same by the step in a run."""
    student = scorer("transformers", model=folder, dtype="float32", device="cpu")
    done = {record.id: record for record in load(records).then("fit", model=student).run(journal=journal)}
    return [
        (answer.scores["grape"], answer.scores["rsr"])
        for record in records
        for answer in done[record.id].answers
    ]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", help="a Hugging Face folder; default: the packaged SmolLM2, converted")
    parser.add_argument("--rows", type=int, default=16)
    parser.add_argument("--answers", type=int, default=8)
    wanted = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = wanted.model
        if folder is None:
            sys.path.insert(0, str(HERE.parent / "vllm"))
            from convert import convert

            folder = str(Path(scratch) / "smollm2")
            convert(Path(folder))
        step(folder, records_of(1, 2, True), Path(scratch) / "warm.db")
        print(f"{wanted.rows} rows of {wanted.answers} answers, on the processor, float32")
        print(f"{'prompts':<18} {'':<22} {'s':>7} {'rows/s':>7} {'cpu s':>7}  times the loop's rows/s")
        for name, grounded in (("with a passage", True), ("without one", False)):
            records = records_of(wanted.rows, wanted.answers, grounded)
            print(f"{name:<18} {lengths(folder, records)}")
            seconds, scores = [], []
            for way in ("one pass an answer", "the step fit"):
                wall, processor = time.perf_counter(), time.process_time()
                journal = Path(scratch) / f"{grounded}.db"
                scores.append(loop(folder, records) if not seconds else step(folder, records, journal))
                seconds.append(time.perf_counter() - wall)
                print(
                    f"{name:<18} {way:<22} {seconds[-1]:>7.1f} {len(records) / seconds[-1]:>7.2f} "
                    f"{time.process_time() - processor:>7.1f} {seconds[0] / seconds[-1]:>6.1f}",
                    flush=True,
                )
            off = [
                abs(one - other)
                for pair in zip(*scores, strict=True)
                for one, other in zip(*pair, strict=True)
            ]
            print(f"{'':<18} {len(scores[0])} answers, largest difference of a score {max(off):.2g}")


if __name__ == "__main__":
    main()
