"""A run's folder as the engine leaves it, made without a run."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from factory.data.record import Event, Missing, Record, Tag, new_record
from factory.data.table import write_records

STEPS = ("01-read", "02-evolve", "03-respond", "04-tag", "05-judge", "06-dedup_rouge", "07-export")
SEEDS = (
    ("Explain why the sky looks blue at noon and red at dusk.", "en", "science"),
    ("用三句话向小学生解释什么是光合作用。", "zh", "science"),
    ("Write a function that merges two sorted lists without copying them twice.", "en", "code"),
    ("请把下面这段通知改写得更客气一些，但不要变长。", "zh", "rewriting"),
    ("A shop sells pens at 3 for 2 coins. How many pens can I buy with 14 coins?", "en", "math"),
    ("列出三种适合初学者的家常菜，并说明每道菜大约需要多长时间。", "zh", "brainstorming"),
)
ANSWERS = {
    "en": "Start from what is known and go one step at a time.\n\n1. Say what is asked.\n"
    "2. Take the plain case first.\n3. Check the result against the question. ",
    "zh": "先说明已知条件，再一步一步推导。\n\n一、明确问题。\n二、先看最简单的情形。\n"
    "三、把结果代回原题检验。",
}
HOSTILE = (
    "<script>alert('x')</script> & \"quotes\" [red]markup[/red] {{{braces}}} "
    "\x1b[2J\x1b[31m \u202eright-to-left\u202c \x00"
)


@pytest.fixture
def run_folder(tmp_path: Path) -> Path:
    """A finished run of 24 rows, the first of them hostile."""
    return make_run(tmp_path / "outputs" / "quickstart-abc123", 24)


@pytest.fixture
def empty_run(tmp_path: Path) -> Path:
    """A finished run in which nothing survived."""
    return make_run(tmp_path / "outputs" / "empty-abc123", 24, judge=lambda at: 1.0)


def make_run(
    folder: Path,
    rows: int,
    judge: Callable[[int], float | None] = lambda at: (None, 5.0, 4.0, 2.0, 4.5)[at % 5],
) -> Path:
    """Write the folder of a run that read `rows` rows, evolved each once, judged and deduplicated them."""
    records: list[Record] = []
    for at in range(rows):
        seed = _seed(at)
        child = seed.child(
            f"{seed.instruction} Name the assumption that matters most in case {at}.",
            Event("02-evolve", "deepen", "teacher", f"{seed.lang}/evolve/deepen@1", (f"{at:032x}",), round=1),
        )
        records += [seed, child]
    steps: list[dict[str, Any]] = [_counts("01-read", rows, rows, rows, {}, 0.02)]
    unchanged = [
        r.drop("02-evolve", "unchanged", "The new instruction repeats the old one.", {"rouge": 0.97})
        for at, r in enumerate(records)
        if at % 12 == 7
    ]
    gone = {r.id for r in unchanged}
    records = [r for r in records if r.id not in gone]
    steps.append(_counts("02-evolve", rows, rows, len(records), {"unchanged": len(unchanged)}, 41.2))
    failed = [
        r.drop("03-respond", "bad_reply", "The model gave no answer within its limit.", failed=True)
        for at, r in enumerate(records)
        if at % 17 == 16
    ]
    gone = {r.id for r in failed}
    answered = [_answer(at, r) for at, r in enumerate(records) if r.id not in gone]
    steps.append(
        _counts(
            "03-respond",
            len(records),
            0,
            len(answered),
            {},
            41.2,
            {"bad_reply": len(failed)} if failed else {},
        )
    )
    steps.append(_counts("04-tag", len(answered), 0, len(answered), {}, 41.2))
    judged = [_judge(r, judge(at)) for at, r in enumerate(answered)]
    kept, low = [r for r in judged if r.dropped is None], [r for r in judged if r.dropped is not None]
    steps.append(_counts("05-judge", len(judged), 0, len(kept), dict(_kinds(low)), 41.2))
    _write(folder, "05-judge", kept, unchanged + failed + low)
    near = [
        r.drop(
            "06-dedup_rouge",
            "near_duplicate",
            f"ROUGE-L 0.81 with {kept[0].id} (Explain why)",
            {"rouge_l": 0.81, "threshold": 0.7},
            against=kept[0].id,
        )
        for at, r in enumerate(kept)
        if at % 6 == 5
    ]
    gone = {r.id for r in near}
    last = [r for r in kept if r.id not in gone]
    steps.append(_counts("06-dedup_rouge", len(kept), 0, len(last), dict(_kinds(near)), 0.4))
    _write(folder, "06-dedup_rouge", last, near)
    steps.append(_counts("07-export", len(last), 0, len(last), {}, 0.1))
    _write(folder, "07-export", last, [])
    _write_file(folder / "dropped.parquet", unchanged + failed + low + near)
    (folder / "dataset").mkdir()
    (folder / "dataset" / "train.alpaca.json").write_text("[]")
    (folder / "recipe.yaml").write_text(
        "# What ran, exactly.\nname: quickstart\nsteps:\n"
        "- read: {path: seeds.jsonl}  # 种子 <b>&\n- evolve: {rounds: 1}\n"
    )
    (folder / "manifest.json").write_text(json.dumps(_manifest(steps), ensure_ascii=False, indent=2))
    return folder


def _seed(at: int) -> Record:
    text, lang, task = SEEDS[at % len(SEEDS)]
    text = f"{HOSTILE} {text}" if at == 0 else text
    return new_record(
        text,
        input="各位同事：明天九点开会，不要迟到。" if task == "rewriting" else "",
        source="seeds.jsonl" if at % 3 else "种子.csv",
        occurrence=at,
        lang=lang,
        task=task,
        meta={"id": f"row-{at}", "license": "cc0"},
    )


def _answer(at: int, record: Record) -> Record:
    answer = ANSWERS[record.lang] * (1 + at % 5)
    event = Event("03-respond", "respond", "teacher", f"{record.lang}/respond@2", (f"{at + 4096:032x}",))
    record = record.with_output(f"{HOSTILE}\n{answer}" if at == 0 else answer, event)
    name = "说明" if record.lang == "zh" else "explanation"
    tags = [Tag(name, "The row asks for one."), Tag(f"{record.task} <i>", HOSTILE if at == 0 else "")]
    return record.with_tags(
        tags, Event("04-tag", "tag", "teacher", f"{record.lang}/tag@1", (f"{at + 8192:032x}",))
    )


def _judge(record: Record, score: float | None) -> Record:
    event = Event("05-judge", "judge", "teacher", f"{record.lang}/judge/quality@1", ("f" * 32,))
    if score is None:
        record = record.with_score(
            "judge.quality", Missing("bad_reply", "The judge's reply had no grade."), event
        )
    else:
        record = record.with_score("judge.quality", score, event, "Correct and clear; 语言自然。")
    record = replace(record, scores={**record.scores, "ifd": 0.2 + (int(record.id[:4], 16) % 75) / 100})
    if score is not None and score < 4:
        reason = f"The judge gave {score:g} of 5, and 4 is needed."
        return record.drop("05-judge", "low_score", reason, {"judge.quality": score, "threshold": 4})
    return record


def _kinds(records: Iterable[Record]) -> Counter[str]:
    return Counter(r.dropped.kind for r in records if r.dropped is not None)


def _write(folder: Path, label: str, kept: list[Record], dropped: list[Record]) -> None:
    _write_file(folder / "steps" / label / "kept.parquet", kept)
    _write_file(folder / "steps" / label / "dropped.parquet", dropped)


def _write_file(path: Path, records: list[Record]) -> None:
    with write_records(path) as writer:
        for record in records:
            writer.write(record)


def _counts(
    label: str,
    entered: int,
    made: int,
    passed: int,
    dropped: dict[str, int],
    seconds: float,
    failed: dict[str, int] | None = None,
) -> dict[str, Any]:
    return {
        "label": label,
        "entered": entered,
        "made": made,
        "passed": passed,
        "dropped": dropped,
        "failed": failed or {},
        "seconds": seconds,
    }


def _manifest(steps: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "recipe": "quickstart",
        "identity": {"recipe": "abc123", "limit": None, "inputs": []},
        "seed": 42,
        "journal": "outputs/journal.db",
        "started": "2026-01-02T03:04:05+00:00",
        "python": "3.11.7",
        "libraries": {"sft-factory": "0.1.0", "pyarrow": "26.0.1"},
        "inputs": [{"path": "seeds.jsonl", "bytes": 20_480, "sha256": "ab" * 32}],
        "seconds": 83.456,
        "cost": 0.0421,
        "steps": steps,
        "models": {
            "teacher": {
                "model": "Qwen/Qwen3-8B",
                "calls": 180,
                "replayed": 12,
                "retries": 3,
                "asked_again": 2,
                "prompt_tokens": 61_234,
                "completion_tokens": 25_678,
                "cost": 0.0421,
            }
        },
        "warnings": ["skipped: seeds.jsonl, line 7: not JSON <b>"],
        "status": "finished",
        "outputs": [{"path": "dataset/train.alpaca.json", "bytes": 2, "sha256": "cd" * 32}],
    }
