"""Cut into blocks, on Ray or not, the joins give what they give in one piece, and a lost worker changes nothing."""

from __future__ import annotations

import asyncio
import functools
import importlib.util
import os
import random
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from pydantic import ValidationError

from factory.data.record import new_record
from factory.data.table import Table
from factory.errors import MissingDependency, RunStopped
from factory.statistics.ray_session import ray_session
from factory.step import Context
from factory.steps.dedup.joins.ray import (
    Found,
    JoinBlock,
    cut,
    find_in_block,
    join_in_waves,
)
from factory.steps.dedup.joins.signs import Signs
from factory.steps.dedup.rouge import on_ray
from factory.steps.dedup.rouge.join import as_matches, encode, rouge_join, rouge_join_block
from factory.steps.dedup.rouge.on_ray import rouge_join_on_ray
from factory.steps.dedup.rouge.step import DedupRouge
from factory.steps.dedup.semantic.join import best_axes, cosine_join, cosine_join_block
from factory.steps.dedup.semantic.on_ray import cosine_join_on_ray
from factory.steps.dedup.semantic.step import DedupSemantic

Texts = list[list[str]]
Rows = NDArray[np.float32]
HAS_RAY = importlib.util.find_spec("ray") is not None
needs_ray = pytest.mark.skipif(not HAS_RAY, reason="Ray is not installed: pip install 'sft-factory[ray]'")


def texts(seed: int, rows: int, words: int = 12, length: int = 9) -> Texts:
    """Texts over few words, with copies, near copies, and some without any word."""
    chance = random.Random(seed)
    made: Texts = [
        [f"w{chance.randrange(words)}" for _ in range(chance.randrange(length))] for _ in range(rows)
    ]
    for at in range(1, rows):
        if chance.random() < 0.4:
            made[at] = list(made[chance.randrange(at)])
            for _ in range(chance.randrange(3)):
                made[at].insert(chance.randrange(len(made[at]) + 1), f"w{chance.randrange(words)}")
    return made


def vectors(seed: int, rows: int, dimensions: int, spread: float = 0.2) -> Rows:
    """Rows around a few centres, some of them equal, and some without a direction."""
    chance = np.random.default_rng(seed)
    centres = chance.normal(size=(max(1, rows // 5), dimensions))
    made = centres[chance.integers(len(centres), size=rows)] + spread * chance.normal(size=(rows, dimensions))
    again = chance.integers(rows, size=rows // 5)
    made[again] = made[chance.integers(rows, size=len(again))]
    made[chance.integers(rows, size=rows // 50 + 1)] = 0
    return made.astype(np.float32)


def assert_same(ours: tuple[Any, ...], expected: tuple[Any, ...]) -> None:
    """Every column, bit for bit."""
    for one, other in zip(ours, expected, strict=True):
        np.testing.assert_array_equal(one, other)


def waves(take: Any, references: int, rows: int, size: int, join: JoinBlock) -> tuple[Any, Any]:
    """The join in blocks, one after the other in this process."""
    first, blocks = cut(references, rows, size)

    def compare(kept: Any, known: dict[int, Any], decide: int) -> Iterator[Found]:
        for block in reversed(known):  # tasks end in any order
            at = blocks[block]
            yield find_in_block(
                join, kept, take(kept), int(at[0]), take(at), known[block], decide=block == decide
            )

    return join_in_waves(first, blocks, compare)


@pytest.mark.slow
@settings(max_examples=150)
@given(
    seed=st.integers(0, 2**32 - 1),
    rows=st.integers(0, 80),
    references=st.integers(0, 30),
    size=st.integers(1, 30),
    words=st.integers(2, 12),
    threshold=st.sampled_from([0.0, 0.3, 0.5, 2 / 3, 0.7, 0.9]),
)
def test_in_blocks_of_any_size_the_rouge_join_gives_the_same(
    seed: int, rows: int, references: int, size: int, words: int, threshold: float
) -> None:
    both = texts(seed, references + rows, words)
    forms = np.random.default_rng(seed).integers(0, 2, len(both))
    signs = Signs(np.zeros(len(both), np.int32), (forms * (seed % 2)).astype(np.int32))
    encoded, vocabulary = encode(both, signs)
    join = functools.partial(rouge_join_block, threshold=threshold, vocabulary=vocabulary)
    ours = as_matches(*waves(encoded.take, references, rows, size, join), references)
    expected = rouge_join(both[references:], threshold, reference=both[:references], signs=signs)
    assert_same(ours, expected)


@pytest.mark.slow
@settings(max_examples=50)
@given(
    seed=st.integers(0, 2**32 - 1),
    rows=st.integers(1, 120),
    size=st.integers(10, 50),
    dimensions=st.sampled_from([2, 8, 40]),
    threshold=st.sampled_from([-1.0, 0.0, 0.8, 0.95, 1.0]),
)
def test_in_blocks_of_any_size_the_cosine_join_gives_the_same(
    seed: int, rows: int, size: int, dimensions: int, threshold: float
) -> None:
    made = vectors(seed, rows, dimensions)
    made = made[np.abs(made).max(axis=1) > 0]
    axes = best_axes(made, np.arange(len(made)), threshold)
    join = functools.partial(cosine_join_block, threshold=threshold, axes=axes)
    assert_same(waves(made.__getitem__, 0, len(made), size, join), cosine_join(made, threshold))


def test_long_texts_in_blocks_give_the_same() -> None:
    made = texts(3, 60, words=30, length=200)
    encoded, vocabulary = encode(made)
    join = functools.partial(rouge_join_block, threshold=0.6, vocabulary=vocabulary)
    ours = as_matches(*waves(encoded.take, 0, 60, 7, join), 0)
    expected = rouge_join(made, 0.6)
    assert (expected.nearest >= 0).any()
    assert_same(ours, expected)


@pytest.mark.slow
@needs_ray
def test_a_cluster_that_is_not_there_is_told_in_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    import ray

    def cannot(*given: Any, **options: Any) -> None:
        raise ConnectionError("nobody answers\nand more")

    monkeypatch.setenv("RAY_ADDRESS", "127.0.0.1:1")
    monkeypatch.setattr(ray, "init", cannot)
    monkeypatch.setattr(ray, "is_initialized", lambda: False)
    with pytest.raises(RunStopped, match=r"RAY_ADDRESS 127\.0\.0\.1:1 \(nobody answers\):"), ray_session(1):
        pass


@pytest.fixture(scope="module")
def two_workers() -> Iterator[None]:
    """A Ray of two processors on this machine, for the tests that compare on it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("RAY_ADDRESS", raising=False)
        with ray_session(2):
            yield


@pytest.mark.slow
@needs_ray
@pytest.mark.usefixtures("two_workers")
@pytest.mark.parametrize("references", [0, 1500])
def test_on_ray_the_rouge_join_gives_the_same_row_for_row(references: int) -> None:
    both = texts(1, references + 5000, words=40)
    rows, reference = both[references:], both[:references]
    expected = rouge_join(rows, 0.7, reference=reference)
    assert 100 < (expected.nearest >= 0).sum() < 4900
    assert_same(rouge_join_on_ray(rows, 0.7, reference=reference), expected)


@pytest.mark.slow
@needs_ray
@pytest.mark.usefixtures("two_workers")
def test_on_ray_the_cosine_join_gives_the_same_row_for_row_in_any_order() -> None:
    made = vectors(2, 5000, 64)
    expected = cosine_join(made, 0.93)
    assert 100 < (expected.nearest >= 0).sum() < 4900
    assert_same(cosine_join_on_ray(made, 0.93), expected)
    order = np.random.default_rng(3).permutation(len(made))
    assert_same(cosine_join_on_ray(made, 0.93, order=order), cosine_join(made, 0.93, order=order))


@pytest.mark.slow
@needs_ray
@pytest.mark.usefixtures("two_workers")
def test_on_ray_vectors_of_a_reference_are_kept_and_drop_what_is_close_to_them() -> None:
    made = vectors(9, 4000, 64)
    made[7] = 0  # without a direction, within the reference
    made[:300] = np.repeat(made[:150], 2, axis=0)  # the reference's own repeats stay
    made[-200:] = made[:200] + np.float32(1e-4)
    known = 1500
    order = np.concatenate(
        [np.arange(known), known + np.random.default_rng(4).permutation(len(made) - known)]
    )
    for kept_in in (None, order):
        expected = cosine_join(made, 0.93, order=kept_in, known=known)
        assert (expected.nearest[:known] == -1).all()
        assert ((expected.nearest >= 0) & (expected.nearest < known)).sum() >= 150
        assert_same(cosine_join_on_ray(made, 0.93, order=kept_in, known=known), expected)


@needs_ray
@pytest.mark.slow
@pytest.mark.usefixtures("two_workers")
def test_on_ray_a_hundred_thousand_rows_give_the_same_row_for_row() -> None:
    rows = texts(6, 100_000, words=3000, length=14)
    expected = rouge_join(rows, 0.7)
    assert 10_000 < (expected.nearest >= 0).sum() < 90_000
    assert_same(rouge_join_on_ray(rows, 0.7), expected)
    made = vectors(7, 100_000, 64)
    found = cosine_join(made, 0.93)
    assert 10_000 < (found.nearest >= 0).sum() < 90_000
    assert_same(cosine_join_on_ray(made, 0.93), found)


@pytest.mark.slow
@needs_ray
@pytest.mark.usefixtures("two_workers")
def test_thousands_of_equal_rows_on_ray_keep_one() -> None:
    assert rouge_join_on_ray([["a", "b", "c"]] * 5000, 0.7).nearest.tolist() == [-1] + [0] * 4999
    equal = np.ones((5000, 8), np.float32)
    assert cosine_join_on_ray(equal, 0.9).nearest.tolist() == [-1] + [0] * 4999


@pytest.mark.slow
@needs_ray
@pytest.mark.usefixtures("two_workers")
def test_a_worker_killed_in_the_middle_changes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    marker, real = tmp_path / "killed", rouge_join_block

    def dies_once(kept: Any, rows: Any, known: Any, decide: bool, **options: Any) -> Any:
        if len(kept.offsets) > 1 and not marker.exists():
            marker.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return real(kept, rows, known, decide, **options)

    monkeypatch.setattr(on_ray, "rouge_join_block", dies_once)
    rows = texts(4, 4000, words=40)
    ours = rouge_join_on_ray(rows, 0.7)
    assert marker.exists()
    assert_same(ours, rouge_join(rows, 0.7))


@pytest.mark.slow
@needs_ray
@pytest.mark.usefixtures("two_workers")
def test_the_steps_drop_the_same_with_the_same_reasons_on_ray() -> None:
    records = [new_record(" ".join(row), occurrence=at) for at, row in enumerate(texts(5, 2500, words=40))]
    table = Table.from_records(records)

    class Embedder:
        """Close directions for texts that begin alike."""

        async def embed(self, asked: list[str]) -> Rows:
            directions = [[text[:5].count(letter) + 0.1 for letter in "w123456789"] for text in asked]
            return np.array(directions, np.float32)

    context = Context(
        "dedup",
        0,
        get_chat=lambda name: None,  # type: ignore[arg-type, return-value]
        get_embedder=lambda name: Embedder(),  # type: ignore[arg-type, return-value]
        warn=[].append,
        read_records=lambda path: iter(()),
    )
    for step in (DedupRouge(), DedupSemantic()):
        on_ray = step.model_copy(update={"engine": "ray"})
        here = asyncio.run(step.run(table, context))
        there = asyncio.run(on_ray.run(table, context))
        assert list(there.records()) == list(here.records())
        assert any(record.dropped for record in here.records())


def test_without_ray_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    table = Table.from_records([new_record("a")])
    with pytest.raises(MissingDependency, match=r"pip install 'sft-factory\[ray\]'"):
        asyncio.run(DedupRouge(engine="ray").run(table, None))  # type: ignore[arg-type]


@pytest.mark.parametrize("options", [{"approximate": True}, {"method": "semdedup"}])
def test_what_is_not_exact_does_not_go_on_ray(options: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match="compares exactly"):
        DedupSemantic(engine="ray", **options)
