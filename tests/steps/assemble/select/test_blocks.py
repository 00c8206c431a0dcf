"""Cut into blocks, on Ray or not, a method chooses what it chooses in one piece."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_pools import noise_pool
from pydantic import ValidationError

from factory.statistics.ray_session import ray_session
from factory.steps.assemble.select import blocks
from factory.steps.assemble.select.blocks import HERE, Engine
from factory.steps.assemble.select.pool import Pool, Settings
from factory.steps.assemble.select.registry import METHODS
from factory.steps.assemble.select_rows import Select

IN_BLOCKS = [name for name, method in METHODS.items() if method.blocks]
HAS_RAY = importlib.util.find_spec("ray") is not None


class Cut(Engine):
    """Blocks as for so many processors, worked on here."""

    def over(self, work: Callable[..., Any], blocks: Sequence[Any], *shared: Any) -> list[Any]:
        return [work(block, *shared) for block in blocks]


def chosen(method: str, pool: Pool, size: int, engine: Engine) -> tuple[list[int], object]:
    settings = Settings(engine=engine)
    choice = METHODS[method].pick(pool, size, np.random.default_rng(3), settings)  # type: ignore[index]
    return choice.rows.tolist(), choice.facts


@given(st.integers(1, 100_000), st.integers(1, 64))
def test_blocks_hold_every_row_once_in_order_and_begin_at_multiples_of_a_step(
    rows: int, processors: int
) -> None:
    spans = Engine(processors).spans(rows)
    assert [start for start, _ in spans] == [0, *(end for _, end in spans[:-1])]
    assert spans[-1][1] == rows
    assert all(start % blocks.STEP == 0 and start < end for start, end in spans)
    assert HERE.spans(rows) == [(0, rows)]


def test_these_methods_go_block_by_block() -> None:
    assert sorted(IN_BLOCKS) == ["coverage", "dsir", "nearest", "rds", "top"]


@pytest.mark.slow
@pytest.mark.parametrize("method", IN_BLOCKS)
@pytest.mark.parametrize("step", [1, 7, 32])
def test_in_blocks_the_same_rows_are_chosen(method: str, step: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blocks, "STEP", step)
    pool = noise_pool(150, seed=2)
    assert pool.score is not None
    tied = replace(pool, score=pool.score.round(0))
    assert len(Cut(2).spans(len(pool))) > 4
    for size in (1, 40, 149):
        assert chosen(method, tied, size, Cut(2)) == chosen(method, tied, size, HERE)


@pytest.mark.slow
@pytest.mark.skipif(not HAS_RAY, reason="Ray is not installed: pip install 'sft-factory[ray]'")
def test_on_ray_the_same_rows_are_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blocks, "STEP", 32)
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    pool = noise_pool(300, seed=4)
    with ray_session(1) as processors:
        assert processors == 1
        for method in IN_BLOCKS:
            assert chosen(method, pool, 50, Engine(processors)) == chosen(method, pool, 50, HERE)


def test_a_method_that_sees_all_rows_at_once_is_refused_on_ray() -> None:
    with pytest.raises(ValidationError, match="k_center does not go block by block"):
        Select(size=3, method="k_center", engine="ray")
    assert list(Select(size=3, method="coverage").contacts()) == []
