"""A classifier from good and bad examples says how sure it may be, and is proven or not."""

from __future__ import annotations

import numpy as np
import pytest

from factory.statistics.by_example import judge_by_example


def cloud(rows: int, centre: float, seed: int) -> np.ndarray:
    vectors = np.random.default_rng(seed).normal(size=(rows, 8))
    vectors[:, 0] += centre
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


@pytest.mark.slow
def test_rows_like_the_good_examples_are_likelier_good() -> None:
    pool = np.concatenate([cloud(20, 3, 0), cloud(20, -3, 1)])
    judged = judge_by_example(pool, cloud(30, 3, 2), cloud(30, -3, 3))
    assert judged.good[:20].min() > 0.5 > judged.good[20:].max()
    assert judged.proven
    assert judged.validated.accuracy > 0.95
    assert judged.validated.low <= judged.validated.accuracy <= judged.validated.high


@pytest.mark.slow
def test_examples_that_cannot_be_told_apart_prove_nothing() -> None:
    judged = judge_by_example(cloud(5, 0, 0), cloud(60, 0, 1), cloud(20, 0, 2))
    assert not judged.proven
    assert judged.validated.majority == 0.75


def test_too_few_examples_are_refused() -> None:
    with pytest.raises(ValueError, match="10 bad examples or more, and there are 3"):
        judge_by_example(cloud(5, 0, 0), cloud(60, 0, 1), cloud(3, 0, 2))
