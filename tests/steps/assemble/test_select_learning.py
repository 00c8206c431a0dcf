"""`select` by a model that learns from the target: what is asked of it, what is set aside, what is refused."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pytest
from numpy.typing import NDArray
from pydantic import ValidationError

from factory.data.formats.read import BadRow, read_records
from factory.data.formats.reference import reference_rows
from factory.data.record import Record, new_record
from factory.data.table import Table
from factory.errors import InputError, RecordFailed, RunStopped
from factory.models.base import ScoredAnswer
from factory.models.learning import GRADIENT_SIZE
from factory.step import Context
from factory.steps.assemble.select_rows import Select


@dataclass
class WordModel:
    """A `LearningModel`: an answer that shares words with what was learnt loses loss; a gradient counts words.

    dull: learns nothing
    """

    name: str = "student"
    learnt: tuple[tuple[str, str], ...] = ()
    dull: bool = False
    trained: list[WordModel] = field(default_factory=list)

    def after_training(self, examples: Sequence[tuple[str, str]]) -> WordModel:
        self.trained.append(WordModel(learnt=tuple(examples), dull=self.dull))
        return self.trained[-1]

    async def score_answer(self, context: str, answer: str) -> ScoredAnswer:
        if "endless" in answer:
            raise RecordFailed("context_length", "the text has 9,000 tokens")
        known = {word for _, text in self.learnt for word in text.split()} if not self.dull else set()
        logprobs = tuple(-1.0 if word in known else -2.0 for word in answer.split())
        return ScoredAnswer((None, *logprobs), (), 1, False, self.name, ())

    async def answer_gradient(self, context: str, answer: str) -> NDArray[np.float32]:
        if "endless" in answer:
            raise RecordFailed("unscored", "the answer has no token of its own")
        found = np.zeros(GRADIENT_SIZE, np.float32)
        for at, word in enumerate(("sum", "poem", "river")):
            found[at] = answer.split().count(word)
        return found / max(1, np.linalg.norm(found))


class Told:
    def __init__(self) -> None:
        self.said: list[str] = []
        self.facts: dict[str, Any] = {}
        self.records: list[Record] = []

    @property
    def chosen(self) -> list[str]:
        return [record.id for record in self.records if record.dropped is None]

    def dropped(self, kind: str) -> list[str]:
        return [r.id for r in self.records if r.dropped is not None and r.dropped.kind == kind]


def select(records: Sequence[Record], model: Any, **options: Any) -> Told:
    told = Told()

    def read(path: Path) -> Iterator[Record]:
        return (one for one in read_records(path) if not isinstance(one, BadRow))

    def rows(path: Path) -> Any:
        return reference_rows(path, warn=told.said.append)

    context = Context(
        "02-select", 0, get_chat=lambda name: model, get_embedder=lambda name: pytest.fail("embeds nothing"),
        warn=told.said.append, tell=told.said.append, facts=told.facts, read_records=read, read_rows=rows,
    )  # fmt: skip
    step = Select(draws=5, **options)
    told.records = list(asyncio.run(step.run(Table.from_records(records), context)).records())
    return told


def asked(instruction: str, output: str, id: str) -> Record:
    return replace(new_record(instruction=instruction, output=output), id=id)


def pool() -> list[Record]:
    kinds = {"sum": "the sum is twelve", "poem": "a poem of the sea", "river": "one river runs"}
    return [
        asked(f"Question {at} of {kind}?", f"{answer} number{at}", f"{kind}{at}")
        for kind, answer in kinds.items()
        for at in range(6)
    ]


@pytest.fixture
def target(tmp_path: Path) -> str:
    rows = [{"instruction": f"What is {at}?", "output": f"the sum is {at}"} for at in range(3)]
    (tmp_path / "wanted.jsonl").write_bytes(b"\n".join(orjson.dumps(row) for row in rows))
    return str(tmp_path / "wanted.jsonl")


def test_target_path_takes_what_the_model_learns_with_the_target(target: str) -> None:
    model = WordModel()
    told = select(pool(), model, size=6, method="target_path", target=target)
    assert told.chosen == [f"sum{at}" for at in range(6)]
    assert [one.learnt[0] for one in model.trained] == [("What is 0?\n", "the sum is 0")]
    assert told.facts["items_that_the_model_learnt_from"] == 3
    assert told.facts["target_path_found"]["loss_of_the_target_before_and_after"] == [2.0, 1.0]


def test_gradient_takes_what_pulls_as_the_target_does_after_a_moment_on_the_pool(target: str) -> None:
    model = WordModel()
    told = select(pool(), model, size=6, method="gradient", target=target)
    assert told.chosen == [f"sum{at}" for at in range(6)]
    assert len(model.trained[0].learnt) == 18  # fewer rows than a warm-up takes: all of them
    assert told.facts["rows_that_the_model_learnt_from"] == 18


@pytest.mark.parametrize("method", ["target_path", "gradient"])
def test_a_row_that_the_model_cannot_read_or_without_an_answer_is_set_aside_and_told(
    method: str, target: str
) -> None:
    odd = [
        asked("Long?", "an endless sum", "long"),
        asked("Bare?", "", "bare"),
    ]
    told = select([*pool(), *odd], WordModel(), size=6, method=method, target=target)
    assert told.dropped("no_answer") == ["bare"]
    assert told.dropped("context_length" if method == "target_path" else "unscored") == ["long"]
    what = "loss" if method == "target_path" else "gradient"
    assert told.facts[f"set_aside_without_{what}"] == 2
    assert any(f"2 of 20 records have no {what}, and are set aside" in sentence for sentence in told.said)


def test_both_stand_side_by_side_with_the_longest_and_random_draws(target: str) -> None:
    told = select(pool(), WordModel(), size=6, compare=("target_path", "gradient"), target=target)
    picks = [row["pick"] for row in told.facts["beside_random_draws_and_the_longest"]]
    assert picks[:3] == ["target_path", "gradient", "longest"]
    assert len(told.chosen) == 18


def test_a_model_that_learns_nothing_chooses_nothing(target: str) -> None:
    with pytest.raises(RunStopped, match="02-select: the model learns nothing from the 3 items"):
        select(pool(), WordModel(dull=True), size=6, method="target_path", target=target)


def test_a_model_that_cannot_learn_is_refused(target: str) -> None:
    class Talker:
        name = "talker"

    with pytest.raises(RunStopped, match="`talker` cannot learn: name one of `provider: transformers`"):
        select(pool(), Talker(), size=6, method="gradient", target=target)


def test_a_target_without_answers_is_refused_with_what_to_do(tmp_path: Path) -> None:
    path = tmp_path / "asked.jsonl"
    path.write_bytes(orjson.dumps({"instruction": "What is 1?"}))
    with pytest.raises(
        InputError, match=r"asked\.jsonl: no row has a prompt and an answer.*`method: nearest`"
    ):
        select(pool(), WordModel(), size=6, method="target_path", target=str(path))


def test_a_record_that_is_an_item_of_the_target_is_told(target: str) -> None:
    leak = asked("What is 1?", "the sum is 1", "leak")
    told = select([*pool(), leak], WordModel(), size=6, method="gradient", target=target)
    assert told.facts["records_that_are_an_item_of_the_target"] == 1
    assert any("word for word" in sentence for sentence in told.said)


def test_only_these_methods_ask_a_model_and_both_need_a_target() -> None:
    assert list(Select(size=3, method="target_path", target="t").models_of("chat")) == [("model", "")]
    assert list(Select(size=3, method="target_path", target="t").models_of("embedding")) == []
    assert list(Select(size=3, method="coverage").models_of("chat")) == []
    with pytest.raises(ValidationError, match="gradient needs `target`"):
        Select(size=3, method="gradient")


def test_rds_is_refused_where_the_embedder_gives_no_states_of_a_model(target: str) -> None:
    class Other:
        name, identity = "e5", "local_embeddings:e5"

    context = Context(
        "02-select", 0, get_chat=lambda name: pytest.fail("asks"), get_embedder=lambda name: Other()
    )  # type: ignore[arg-type, return-value]
    step = Select(size=3, method="rds", target=target)
    with pytest.raises(RunStopped, match="rds chooses by the states of a causal model, and `e5`"):
        asyncio.run(step.run(Table.from_records(pool()), context))
