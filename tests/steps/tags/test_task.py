"""Naming tasks: by a scripted model, and by a classifier over scripted embeddings."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from pydantic import ValidationError
from step_context import process, scripted_context

from factory.data.record import Record, new_record
from factory.data.table import Table
from factory.errors import InputError, RecordFailed
from factory.statistics.classify import PENALTIES, Classifier, Method, choose_penalty, cross_validate
from factory.step import Context
from factory.steps.tags.task import CATEGORIES, LabelTask, task_schema
from factory.steps.tags.task_by_example import TaskByExample

METHODS: tuple[Method, ...] = ("logistic", "ridge", "centroid")


# -- by a model --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("text", "language"), [("Add 2 and 3.", "en"), ("二加三等于几？", "zh")])
def test_the_model_chooses_among_categories_explained_in_its_language(text: str, language: str) -> None:
    context, chat = scripted_context(lambda ask: '{"task": "math"}', step="03-task")
    (named,) = process(LabelTask(), new_record(text), context)
    assert named.task == "math"
    assert named.events[-1].operation == "task"
    assert named.events[-1].prompt == f"{language}/tag/task@1"
    assert f"- math: {CATEGORIES['math'][language == 'zh']}" in chat.asks[0].text


@pytest.mark.parametrize(
    "bad", ["math", '{"task": "cooking"}', '{"task": 3}', RecordFailed("bad_reply", "no usable reply")]
)
def test_a_reply_outside_the_categories_is_no_task(bad: str | Exception) -> None:
    context, _ = scripted_context(lambda ask: bad)
    (record,) = process(LabelTask(), new_record("Add 2 and 3."), context)
    assert record.task == ""
    assert record.dropped is None
    assert record.events[-1].operation == "no_task"
    assert record.missing["task"].kind == "bad_reply"


def test_records_without_a_task_are_counted_by_their_reason() -> None:
    replies = iter(['{"task": "math"}', '{"task": "cooking"}', "no json"])
    context, _ = scripted_context(lambda ask: next(replies))
    made = [process(LabelTask(), new_record(f"Add {at}"), context) for at in range(3)]
    assert context.facts == {"named": 1}
    assert [why.kind for (record,) in made for why in record.missing.values()] == ["bad_reply"] * 2


def test_categories_of_ones_own_replace_the_default() -> None:
    context, chat = scripted_context(lambda ask: '{"task": "a"}')
    step = LabelTask(categories={"a": "{{{first}}}", "b": "second"})
    (record,) = process(step, new_record("x"), context)
    assert record.task == "a"
    assert "- a: {{{first}}}\n- b: second" in chat.asks[0].text
    with pytest.raises(ValidationError):
        task_schema(("a", "b")).model_validate_json('{"task": "math"}')


@pytest.mark.parametrize("categories", [{"a": "alone"}, {"": "x", "b": "y"}])
def test_categories_that_say_nothing_are_refused(categories: dict[str, str]) -> None:
    with pytest.raises(ValidationError):
        LabelTask(categories=categories)


def test_a_task_that_is_there_stays_unless_told() -> None:
    context, chat = scripted_context(lambda ask: '{"task": "math"}')
    record = new_record("Add 2 and 3.", task="own")
    assert process(LabelTask(), record, context) == [record]
    assert not chat.asks
    (named,) = process(LabelTask(replace=True), record, context)
    assert named.task == "math"


def test_a_record_without_a_question_is_not_asked_about() -> None:
    context, chat = scripted_context(lambda ask: '{"task": "math"}')
    (record,) = process(LabelTask(), replace(new_record("x"), messages=()), context)
    assert record.missing["task"].kind == "no_instruction"
    assert not chat.asks


def test_the_replies_schema_lists_the_categories() -> None:
    schema = json.dumps(task_schema(tuple(CATEGORIES)).model_json_schema())
    assert all(f'"{name}"' in schema for name in CATEGORIES)


# -- by examples -------------------------------------------------------------------------------------------


def clouds(
    rows: int, labels: Sequence[str], apart: float, seed: int = 0
) -> tuple[NDArray[np.float32], list[str]]:
    """Unit vectors around one centre for each label."""
    chance = np.random.default_rng(seed)
    names = [labels[at % len(labels)] for at in range(rows)]
    centres = {label: chance.normal(size=16) for label in labels}
    vectors = np.stack([apart * centres[name] + chance.normal(size=16) for name in names])
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32), names


@pytest.mark.slow
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("labels", ["ab", "abcd"])
def test_labels_that_lie_apart_are_learnt(method: Method, labels: str) -> None:
    vectors, names = clouds(200, labels, 2.0)
    classifier = Classifier(vectors[:100], names[:100], method)
    found = classifier.predict(vectors[100:])
    assert np.mean([a == b for a, b in zip(found.labels, names[100:], strict=True)]) > 0.9
    assert ((found.certainty > 1 / len(labels) - 1e-9) & (found.certainty <= 1)).all()
    assert classifier.predict(vectors[:0]).labels == []
    assert cross_validate(vectors, names, method).accuracy > 0.9


@pytest.mark.slow
@pytest.mark.parametrize("method", METHODS)
def test_labels_that_mean_nothing_are_not_learnt(method: Method) -> None:
    vectors, names = clouds(300, "abcde", 0.0)
    validated = cross_validate(vectors, names, method)
    assert validated.majority == pytest.approx(0.2)
    assert validated.accuracy < 0.35


@pytest.mark.slow
def test_validation_is_the_same_each_time_and_takes_rare_labels() -> None:
    vectors, names = clouds(60, "abc", 2.0)
    names[0] = names[1] = "rare"
    first = cross_validate(vectors, names)
    assert first == cross_validate(vectors, names)
    assert (first.examples, first.labels) == (60, 4)


@pytest.mark.parametrize("method", METHODS)
def test_fewer_examples_than_folds_are_validated_on_as_many_folds_as_there_are(method: Method) -> None:
    vectors, names = clouds(4, "ab", 5.0)
    validated = cross_validate(vectors, names, method)
    assert (validated.examples, validated.labels, validated.majority) == (4, 2, 0.5)
    assert 0 <= validated.accuracy <= 1


@pytest.mark.slow
@pytest.mark.parametrize("method", ["logistic", "ridge"])
def test_the_penalty_is_chosen_without_the_examples_that_are_held_out(
    method: Method, monkeypatch: pytest.MonkeyPatch
) -> None:
    vectors, names = clouds(50, "abc", 1.0)
    seen: list[set[bytes]] = []

    def choose(rows: NDArray[np.float32], labels: Sequence[str], method: Method) -> float:
        seen.append({row.tobytes() for row in rows})
        return choose_penalty(rows, labels, method)

    monkeypatch.setattr("factory.statistics.classify.choose_penalty", choose)
    cross_validate(vectors, names, method)
    # In each of five folds some rows are not seen, and each row is one of them once.
    assert len(seen) == 5
    assert [sum(row.tobytes() not in rows for rows in seen) for row in vectors] == [1] * 50


@pytest.mark.parametrize("method", ["logistic", "ridge"])
def test_the_penalty_that_does_best_is_chosen(method: Method, monkeypatch: pytest.MonkeyPatch) -> None:
    vectors, names = clouds(60, "aaab", 3.0)
    # So strong a penalty leaves the intercept alone, which says "a" each time.
    for penalties in ((1e9, 10.0), (10.0, 1e9)):
        monkeypatch.setitem(PENALTIES, method, penalties)
        assert choose_penalty(vectors, names, method) == 10.0
    assert choose_penalty(vectors[:2], ["a", "b"], method) == 10.0


def test_one_label_is_nothing_to_tell_apart() -> None:
    vectors, _ = clouds(4, "ab", 1.0)
    with pytest.raises(ValueError, match="two labels"):
        Classifier(vectors, ["a"] * 4)


class WordEmbedder:
    """An `EmbeddingModel` that sees which of three words a text holds."""

    name = "words"

    async def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        assert all(text.strip() for text in texts)
        rows = (
            np.array([[word in text for word in ("poem", "sum", "诗")] for text in texts], np.float32) + 0.1
        )
        return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def run(step: TaskByExample, records: Sequence[Record], examples: Sequence[Record]) -> tuple[Any, ...]:
    """The records after the step, its facts, and what it said."""

    def read_records(path: Path) -> Iterator[Record]:
        assert path == step.examples
        return iter(examples)

    said: list[str] = []
    context = Context(
        "03-task_by_example",
        0,
        get_chat=lambda name: pytest.fail("asks no chat model"),
        get_embedder=lambda name: WordEmbedder(),  # type: ignore[arg-type,return-value]
        warn=said.append,
        read_records=read_records,
    )
    result = asyncio.run(step.run(Table.from_records(records), context))
    return list(result.records()), context.facts, said


EXAMPLES = [
    *(new_record(f"Write a poem {at}", task="writing") for at in range(6)),
    *(new_record(f"写诗 {at}", task="writing") for at in range(6)),
    *(new_record(f"The sum of {at}", task="math") for at in range(12)),
]


@pytest.mark.slow
@pytest.mark.parametrize("method", METHODS)
def test_records_get_the_task_of_their_like(method: Method) -> None:
    records = [new_record("A poem please"), new_record("一首诗"), new_record("sum 1 and 2", task="own")]
    step = TaskByExample(examples=Path("labelled.jsonl"), method=method)
    named, facts, said = run(step, records, EXAMPLES)
    assert [record.task for record in named] == ["writing", "writing", "own"]
    assert [record.events[-1].operation if record.events else "" for record in named] == ["task", "task", ""]
    assert facts["validated"]["accuracy"] == 1
    assert (facts["named"], facts["had_one"], facts["tasks"]) == (2, 1, {"writing": 2})
    assert said == []
    assert step.inputs() == (Path("labelled.jsonl"),)


@pytest.mark.slow
def test_an_unsure_guess_is_not_made() -> None:
    step = TaskByExample(examples=Path("labelled.jsonl"), min_certainty=0.999)
    (record,), facts, _ = run(step, [new_record("neither")], EXAMPLES)
    assert record.task == ""
    assert facts["unsure"] == 1


@pytest.mark.slow
def test_labels_come_from_the_column_that_is_named() -> None:
    examples = [
        replace(record, task="", meta={"class": f" {record.task} ", "n": at})
        for at, record in enumerate(EXAMPLES)
    ]
    step = TaskByExample(examples=Path("labelled.jsonl"), column="class")
    (named,), facts, _ = run(step, [new_record("A poem please")], examples)
    assert named.task == "writing"
    assert facts["validated"]["examples"] == len(EXAMPLES)
    with pytest.raises(InputError, match=r"fill the column 'n', or name another with `column`"):
        run(TaskByExample(examples=Path("labelled.jsonl"), column="n"), [], examples)


@pytest.mark.slow
def test_a_task_with_one_example_is_left_out_with_a_word() -> None:
    examples = [*EXAMPLES, new_record("odd", task="odd")]
    _, _, said = run(TaskByExample(examples=Path("labelled.jsonl")), [new_record("sum")], examples)
    assert any("odd" in sentence for sentence in said)


@pytest.mark.parametrize("examples", [[], EXAMPLES[:6], [new_record("x"), new_record("y", task="a")]])
def test_examples_that_teach_nothing_are_refused(examples: list[Record]) -> None:
    with pytest.raises(InputError, match=r"labelled\.jsonl: a classifier needs two tasks"):
        run(TaskByExample(examples=Path("labelled.jsonl")), [new_record("sum")], examples)


def test_a_classifier_that_has_learnt_nothing_is_told() -> None:
    examples = [new_record(f"same {at}", task="ab"[at % 2]) for at in range(20)]
    _, _, said = run(TaskByExample(examples=Path("labelled.jsonl")), [new_record("same")], examples)
    assert any("no surer than" in sentence for sentence in said)


def test_an_empty_set_is_passed_on() -> None:
    named, facts, _ = run(TaskByExample(examples=Path("labelled.jsonl")), [], EXAMPLES)
    assert named == []
    assert facts["named"] == 0
