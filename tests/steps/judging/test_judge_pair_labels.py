"""A judge with planted mistakes over pairs that people have labelled: its accuracy comes out as it was planted."""

from __future__ import annotations

import asyncio
import gzip
import json
from pathlib import Path

import pytest
from step_context import Ask, scripted_context

from factory.data.record import Record, new_record
from factory.data.table import Table
from factory.steps.judging.judge_pair import JudgePair
from factory.steps.judging.verdicts.calibrate import calibrate_pairs

LABELS = Path(__file__).parents[3] / "../shared/data/labels"
CASES = {
    "llmbar_natural_dev.jsonl.gz": ("input", "output_1", "output_2", "label", 100),
    "pandalm_dev.jsonl.gz": ("instruction", "response1", "response2", "majority", 200),
}


def labelled(name: str) -> list[Record]:
    """Pairs whose better answer people name: 1 or 2. Pairs that come twice, are equal or blank are left out."""
    asked, first, second, label, rows = CASES[name]
    with gzip.open(LABELS / name, "rt", encoding="utf-8") as file:
        found = [json.loads(line) for line in file]
    assert len(found) == rows
    found = [row for row in found if isinstance(row[first], str) and isinstance(row[second], str)]
    found = list({(row[asked], *sorted((row[first], row[second]))): row for row in found}.values())
    return [
        new_record(
            row[asked],
            output=row[first].strip(),
            occurrence=at,
            lang="en",
            meta={"other": row[second].strip(), "label": int(row[label])},
        )
        for at, row in enumerate(found)
        if row[label] in (1, 2) and "" != row[first].strip() != row[second].strip() != ""
    ]


@pytest.mark.parametrize("name", CASES)
def test_accuracy_against_labels_is_the_planted_one(name: str) -> None:
    if not (LABELS / name).is_file():
        pytest.skip(f"the labels {name} are not here")
    records = labelled(name)
    right, by_place = round(0.7 * len(records)), round(0.15 * len(records))
    numbers = {
        (record.output, record.meta["other"], record.instruction): at for at, record in enumerate(records)
    }
    assert len(numbers) == len(records)

    def judge(ask: Ask) -> str:
        """Right in both orders at first, then the answer shown first, then wrong in both orders."""
        a = ask.text.split("<answer_a>\n")[1].split("\n</answer_a>")[0]
        b = ask.text.split("<answer_b>\n")[1].split("\n</answer_b>")[0]
        at = next(
            at for (one, other, text), at in numbers.items() if {one, other} == {a, b} and text in ask.text
        )
        better = records[at].meta["label"]
        if at >= right + by_place:
            better = 3 - better
        wanted = records[at].output if better == 1 else records[at].meta["other"]
        says = "A" if right <= at < right + by_place or a == wanted else "B"
        return json.dumps({"reason": "so", "better": says})

    context, _ = scripted_context(judge, step="02-judge_pair")
    table = asyncio.run(JudgePair(second="other").run(Table.from_records(records), context))
    scores = [record.scores["judge_pair.quality"] for record in table.records()]
    sides = [{1.0: 1, 0.5: 0, 0.0: 2}[score] for score in scores]
    labels = [record.meta["label"] for record in records]
    lengths = [[len(record.output) for record in records], [len(record.meta["other"]) for record in records]]
    found = calibrate_pairs(sides, labels, *lengths)
    assert (found.rows, found.accuracy) == (len(records), right / len(records))
    assert sides.count(0) == by_place
    assert context.facts["pairs"]["agreement"] == round(1 - by_place / len(records), 4)
