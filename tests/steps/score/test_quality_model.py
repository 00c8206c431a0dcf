"""A score of quality from one's own good and bad rows: proven first, calibrated, its length bias told."""

from __future__ import annotations

import asyncio
import gzip
import json
import random
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from factory.data.record import Record, new_record
from factory.data.table import Table
from factory.errors import InputError, RunStopped
from factory.step import Context
from factory.steps.score.quality_model import ScoresQuality

LABELS = Path(__file__).parents[3] / "../shared/data/labels"
_WORDS = "water stone light river cloud paper green music table seven window garden 山 水 火 木 金 土 风 云 月".split()  # noqa: SIM905


def answer(good: bool, draw: random.Random) -> str:
    """A good answer is a list of points that ends; a bad one says one word again and again, and is cut."""
    words = draw.choices(_WORDS, k=draw.randrange(20, 60))
    if good:
        return "\n".join(f"- {word}." for word in words)
    return " ".join(draw.choices(words[:4], k=len(words)))


def rows(count: int, seed: int, *, good: bool | None = None) -> list[Record]:
    draw = random.Random(seed)
    kinds = [draw.random() < 0.5 if good is None else good for _ in range(count)]
    return [
        new_record(f"Question {seed}-{at}", output=answer(kind, draw), meta={"good": kind})
        for at, kind in enumerate(kinds)
    ]


class Told:
    """A context whose files are records by name, and what it is told."""

    def __init__(self, files: dict[str, Sequence[Record]] | None = None, embedder: object = None) -> None:
        self.warned: list[str] = []
        self.told: list[str] = []
        known = files or {}

        def read(path: Path) -> Iterator[Record]:
            yield from known[path.name]

        self.context = Context(
            step="03-quality_model",
            seed=0,
            get_chat=lambda name: pytest.fail("no chat model is asked"),
            get_embedder=lambda name: embedder,  # type: ignore[arg-type,return-value]
            warn=self.warned.append,
            tell=self.told.append,
            read_records=read,
        )

    def score(self, step: ScoresQuality, records: Sequence[Record]) -> list[Record]:
        return list(asyncio.run(step.run(Table.from_records(records), self.context)).records())


@pytest.fixture
def files(tmp_path: Path) -> dict[str, str]:
    names = {}
    for kind in ("good", "bad"):
        path = tmp_path / f"{kind}.jsonl"
        path.write_text("{}\n")
        names[kind] = str(path)
    return names


GOOD, BAD = rows(60, 1, good=True), rows(60, 2, good=False)


@pytest.mark.slow
def test_rows_like_the_good_ones_score_higher(files: dict[str, str]) -> None:
    told = Told({"good.jsonl": GOOD, "bad.jsonl": BAD})
    scored = told.score(ScoresQuality(**files, keep=">= 0.5"), rows(40, 3))
    for record in scored:
        assert 0 <= record.scores["quality"] <= 1
        assert (record.scores["quality"] > 0.5) == record.meta["good"]
        assert (record.dropped is None) == record.meta["good"]
    facts = told.context.facts
    assert facts["validated"]["low"] > facts["validated"]["majority"]
    assert facts["intervals"]["beyond_length"][0] > 0
    assert "spearman_with_answer_length" in facts
    assert any("the length of the answer alone for" in sentence for sentence in told.told)
    assert told.warned == []


@pytest.mark.slow
def test_labels_drawn_by_lot_are_refused(files: dict[str, str]) -> None:
    mixed = [*GOOD, *BAD]
    random.Random(0).shuffle(mixed)
    told = Told({"good.jsonl": mixed[:60], "bad.jsonl": mixed[60:]})
    with pytest.raises(
        RunStopped, match=r"cannot tell good from bad: it is right for .*interval.*name an `embedder`"
    ):
        told.score(ScoresQuality(**files), rows(5, 3))
    assert told.context.facts["validated"]["examples"] == 120


@pytest.mark.slow
def test_it_learns_from_what_a_judge_graded_and_scores_those_by_one_that_had_not_seen_them() -> None:
    graded = [
        replace(record, scores={"judge.quality": 4.5 if record.meta["good"] else 1.0})
        for record in rows(120, 4)
    ]
    between = [replace(record, scores={"judge.quality": 3.0}) for record in rows(3, 5)]
    told = Told()
    scored = told.score(ScoresQuality(judged="judge.quality"), [*graded, *between, *rows(20, 6)])
    right = [(record.scores["quality"] > 0.5) == record.meta["good"] for record in scored]
    assert np.mean(right) > 0.9
    assert told.context.facts["judged_between"] == 3
    assert told.context.facts["scored_by_a_model_that_had_not_seen_it"] == 120
    assert told.context.facts["scored"] == 143


@pytest.mark.slow
def test_a_record_without_an_answer_has_no_score(files: dict[str, str]) -> None:
    told = Told({"good.jsonl": GOOD, "bad.jsonl": BAD})
    (scored,) = told.score(ScoresQuality(**files, keep=">= 0.5"), [new_record("Why?")])
    assert "quality" not in scored.scores
    assert scored.missing["quality"].kind == "no_answer"
    assert scored.dropped is not None
    assert scored.dropped.kind == "no_score"


@pytest.mark.slow
def test_with_an_embedder_meaning_counts(files: dict[str, str]) -> None:
    class Meaning:
        name = "meaning"

        async def embed(self, texts: Sequence[str]) -> Any:
            vectors = [[1.0, 0.1] if "kind" in text else [0.1, 1.0] for text in texts]
            return np.array(vectors, np.float32)

    def said(word: str, seed: int) -> list[Record]:
        return [
            new_record(f"Q {seed}-{at}", output=f"{word} {answer(True, random.Random(at))}")
            for at in range(40)
        ]

    examples = {"good.jsonl": said("kind", 1), "bad.jsonl": said("rude", 2)}
    told = Told(examples, Meaning())
    scored = told.score(
        ScoresQuality(**files, embedder="meaning"), [*said("kind", 3)[:5], *said("rude", 4)[:5]]
    )
    assert [record.scores["quality"] > 0.5 for record in scored] == [True] * 5 + [False] * 5


@pytest.mark.slow
def test_what_is_good_and_bad_at_once_teaches_nothing(files: dict[str, str]) -> None:
    told = Told({"good.jsonl": GOOD, "bad.jsonl": [*BAD, *GOOD[:3], BAD[0]]})
    told.score(ScoresQuality(**files), rows(2, 3))
    assert told.context.facts["examples_of_both_kinds"] == 3
    assert told.context.facts["examples_without_answer_or_double"] == 1
    assert told.context.facts["validated"]["examples"] == 117
    assert any("3 examples are good and bad at once" in sentence for sentence in told.warned)


def test_too_few_examples_stop_the_run(files: dict[str, str]) -> None:
    told = Told({"good.jsonl": GOOD, "bad.jsonl": BAD[:3]})
    with pytest.raises(
        RunStopped, match="03-quality_model: a classifier needs 10 bad examples or more, and there are 3"
    ):
        told.score(ScoresQuality(**files), rows(2, 3))


def test_a_file_without_answers_is_named(files: dict[str, str]) -> None:
    told = Told({"good.jsonl": GOOD, "bad.jsonl": [new_record("Why?")]})
    with pytest.raises(InputError, match=r"bad\.jsonl: no row has an answer"):
        told.score(ScoresQuality(**files), rows(2, 3))


def test_a_score_that_nobody_has_is_told() -> None:
    with pytest.raises(RunStopped, match=r"no record has the score 'judge\.quality'"):
        Told().score(ScoresQuality(judged="judge.quality"), rows(2, 3))


@pytest.mark.parametrize(
    "options", [{}, {"good": "g.jsonl"}, {"good": "g.jsonl", "bad": "b.jsonl", "judged": "x"}]
)
def test_examples_come_from_two_files_or_from_a_score(options: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match="give `good` and `bad`, a file each, or `judged`"):
        ScoresQuality(**options)


def test_without_an_embedder_no_model_is_named() -> None:
    assert list(ScoresQuality(judged="x").models_of("embedding")) == []
    assert list(ScoresQuality(judged="x", embedder="e").models_of("embedding")) == [("embedder", "e")]


@pytest.mark.slow
@pytest.mark.skipif(not LABELS.is_dir(), reason="the shared data sets are not beside the checkout")
def test_what_three_annotators_preferred_is_not_told_by_cheap_features(files: dict[str, str]) -> None:
    """PandaLM's answers: length alone does better than lengths and form together, and neither is trusted."""
    good, bad = [], []
    with gzip.open(LABELS / "pandalm_dev.jsonl.gz", "rt") as lines:
        for row in map(json.loads, lines):
            if row["majority"] in (1, 2):
                for number in (1, 2):
                    record = new_record(
                        row["instruction"], input=row["input"] or "", output=str(row[f"response{number}"])
                    )
                    (good if row["majority"] == number else bad).append(record)
    told = Told({"good.jsonl": good, "bad.jsonl": bad})
    with pytest.raises(RunStopped, match="cannot tell good from bad"):
        told.score(ScoresQuality(**files), rows(2, 3))
    found = told.context.facts["validated"]
    assert found["accuracy_of_length_alone"] > found["accuracy"]
    assert found["auc"] < 0.65
