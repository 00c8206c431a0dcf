"""The instructions that the authors published for their example domain, filtered as their paper says."""

from __future__ import annotations

import asyncio
import gzip
import json
from collections import defaultdict
from pathlib import Path

import pytest
from rouge_score import rouge_scorer
from step_context import Ask, scripted_context

from factory.data.table import Table
from factory.steps.agents.explore import Explore

ROWS = Path(__file__).parents[4] / "../shared/data/labels/explore_instruct_dev.jsonl.gz"
SHOWN = 40


@pytest.mark.slow
@pytest.mark.skipif(not ROWS.is_file(), reason=f"{ROWS} is not here")
def test_instructions_of_eight_tasks_are_filtered_as_rouge_score_decides_within_and_across_tasks(
    tmp_path: Path,
) -> None:
    written: dict[str, list[str]] = defaultdict(list)
    with gzip.open(ROWS, "rt", encoding="utf-8") as file:
        for row in map(json.loads, file):
            written[row["domain"].replace("_", " ")].append(row["instruction"])
    tasks = {task: texts[:SHOWN] for task, texts in written.items() if len(texts) > 1}
    assert len(tasks) == 8

    def script(ask: Ask) -> str:
        task = ask.text.split("<task>\n")[1].split("\n</task>")[0]
        return json.dumps({"instructions": tasks[task]})

    plan = tmp_path / "plan.yaml"
    counts = "".join(f"- {{name: {task}, count: {SHOWN}}}\n" for task in tasks)
    plan.write_text(f"domain: rewriting\nlanguage: en\ntasks:\n{counts}")
    context, _ = scripted_context(script)
    step = Explore(plan=plan, instructions=SHOWN, until="once")
    table = asyncio.run(step.run(Table.from_records([]), context))

    live, dropped = table.split()
    other = {
        record.prompt for record in dropped.records() if record.dropped and record.dropped.kind != "duplicate"
    }
    tokens = rouge_scorer.RougeScorer(["rougeL"], use_stemmer=False)._tokenizer.tokenize
    new: list[tuple[str, list[str]]] = []
    for text in (text.strip() for texts in tasks.values() for text in texts):
        words = tokens(text)
        nearest = max((rouge_scorer._score_lcs(words, kept).fmeasure for _, kept in new), default=0.0)
        if text not in other and nearest <= 0.7:
            new.append((text, words))
    assert [record.prompt for record in live.records()] == [text for text, _ in new]
    assert len(new) > 200
    assert len(other) < 20
    assert len({record.task for record in live.records()}) == 8
