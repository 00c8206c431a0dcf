"""Earlier releases, runs and files as a reference: what is near a row of them goes, and the drop names that row."""

from __future__ import annotations

import asyncio
import functools
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from step_context import scripted_context

from factory.data.formats.reference import reference_records
from factory.data.formats.write import write_dataset
from factory.data.record import IN_REFERENCE, Drop, Record, new_record
from factory.data.table import Table
from factory.errors import RecipeError
from factory.recipe.recipe import build_recipe
from factory.step import WholeSet
from factory.steps.dedup.exact import DedupExact
from factory.steps.dedup.leaks.step import Decontaminate
from factory.steps.dedup.minhash.join import measured_recall, minhash_join
from factory.steps.dedup.minhash.step import DedupMinHash
from factory.steps.dedup.rouge.step import DedupRouge
from factory.steps.dedup.semantic.approximate import ivf_join, semdedup
from factory.steps.dedup.semantic.join import cosine_join

LONG = " ".join(f"word{at}" for at in range(60))
HELD_OUT = (
    "A baker has seven trays with nine rolls each and sells forty of them before noon; how many are left?"
)


def near(text: str) -> str:
    return text.replace("word30", "other")


STEPS: list[WholeSet] = [
    DedupExact(reference="release"),
    DedupRouge(reference="release"),
    DedupMinHash(reference="release", threshold=0.5),
    Decontaminate(reference="release"),
]


def release(folder: Path, *records: Record) -> None:
    write_dataset(list(records), folder, ("messages", "parquet", "alpaca"))


def run(step: WholeSet, records: list[Record]) -> list[Drop | None]:
    context, _ = scripted_context(lambda ask: "")
    context = replace(context, read_records=functools.partial(reference_records, warn=print))
    result = asyncio.run(step.run(Table.from_records(records), context))
    return [record.dropped for record in result.records()]


@pytest.mark.parametrize("step", STEPS, ids=lambda step: step.name)
def test_a_record_near_a_row_of_an_earlier_release_goes_and_the_drop_names_the_row(
    step: WholeSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    known = new_record(f"{LONG} {HELD_OUT}", output="x")
    release(tmp_path / "release", new_record("something else", output="y"), known)
    records = [
        new_record(f"{LONG} {HELD_OUT}", output="z"),
        new_record("what nobody asked before", output="w"),
    ]
    first, second = run(step, records)
    assert second is None
    assert first is not None
    assert known.id in first.against
    if not isinstance(step, Decontaminate):
        assert f"{known.id} of the reference release (" in first.reason
        assert first.numbers.items() >= IN_REFERENCE.items()
    else:
        assert first.against == f"release#{known.id}"


@pytest.mark.parametrize("step", STEPS[:3], ids=lambda step: step.name)
def test_what_is_alike_within_the_reference_drops_nothing_and_stays_named(
    step: WholeSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    release(tmp_path / "release", new_record(LONG, output="a"), new_record(LONG, output="b", occurrence=1))
    assert run(step, [new_record("what nobody asked before", output="w")]) == [None]


def test_a_reference_without_a_record_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    gone = replace(new_record("a", output="b"), dropped=Drop("dedup", "exact_duplicate", "identical with x"))
    Table.from_records([gone]).write(tmp_path / "gone.parquet")
    context, _ = scripted_context(lambda ask: "")
    warnings: list[str] = []
    context = replace(
        context,
        read_records=functools.partial(reference_records, warn=print),
        warn=lambda sentence, *rest: warnings.append(sentence),
    )
    asyncio.run(DedupExact(reference="gone.parquet").run(Table.from_records([new_record("a")]), context))
    assert warnings == ["the reference gone holds no record: nothing was held against it"]


def test_decontaminate_wants_a_benchmark_or_a_reference() -> None:
    with pytest.raises(RecipeError, match="name at least one benchmark in `against`"):
        build_recipe({"name": "x", "steps": [{"read": {"path": "a"}}, {"decontaminate": {}}]}, "x")


def test_documents_of_the_reference_are_kept_whatever_they_are_close_to() -> None:
    texts = [LONG, near(LONG), LONG, "no such text at all anywhere in here"]
    matches = minhash_join(texts, 0.5, known=2)
    assert matches.nearest.tolist() == [-1, -1, 0, -1]
    assert measured_recall(texts, matches, 0.5, known=2) == (1, 1)


@pytest.mark.parametrize("workers", [1, 2])
def test_vectors_of_the_reference_are_kept_whatever_they_are_close_to(workers: int) -> None:
    random = np.random.default_rng(5)
    base = random.normal(size=(40, 16)).astype(np.float32)
    reference = np.concatenate([base, base + 1e-3])  # each is close to another of the reference
    own = np.concatenate([base[:10] + 2e-3, random.normal(size=(30, 16)).astype(np.float32)])
    vectors = np.concatenate([reference, own]).astype(np.float32)
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    expected = np.zeros(len(vectors), bool)
    kept = list(range(80))
    for row in range(80, len(vectors)):
        expected[row] = (unit[kept] @ unit[row]).max() > 0.9
        if not expected[row]:
            kept.append(row)
    exact = cosine_join(vectors, 0.9, known=80, workers=workers)
    assert ((exact.nearest >= 0) == expected).all()
    assert (exact.nearest[80:90] < 80).all()
    approximate = ivf_join(vectors, 0.9, known=80)
    assert ((approximate.matches.nearest >= 0) == expected).all()
    clustered = semdedup(vectors, 0.9, known=80, clusters=1)
    assert (clustered.nearest[:80] == -1).all()
    assert (clustered.nearest[80:90] >= 0).all()
