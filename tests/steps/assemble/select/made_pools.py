"""Pools of made-up rows to choose from."""

from __future__ import annotations

import numpy as np

from factory.steps.assemble.select.pool import Pool, TagLists
from factory.steps.assemble.select.target import Aim
from factory.steps.assemble.select.target_path import Losses


def unit(vectors: np.ndarray) -> np.ndarray:
    """These rows, of length 1."""
    return np.ascontiguousarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), np.float32)


def noise_aim(rows: int, dimensions: int, random: np.random.Generator) -> Aim:
    """A target, examples and losses that have nothing to do with the rows; good and bad examples can be told apart."""
    apart = np.zeros(dimensions)
    apart[0] = 3.0
    return Aim(
        texts=[" ".join(f"w{word}" for word in random.integers(50, size=12)) for _ in range(rows)],
        sources=[f"source {at}" for at in random.integers(3, size=rows)],
        losses=random.standard_normal((rows, 4)),
        target=["w1 w2 w3", "w3 w4", "w9"],
        target_vectors=unit(random.standard_normal((3, dimensions))),
        good=unit(random.standard_normal((20, dimensions)) + apart),
        bad=unit(random.standard_normal((20, dimensions)) - apart),
        path=Losses(random.uniform(1, 3, rows), random.uniform(1, 3, rows), np.full(3, 2.0), np.full(3, 1.0)),
        gradients=unit(random.standard_normal((rows, 3))),
        target_gradients=unit(random.standard_normal((3, 3))),
    )


def noise_pool(rows: int, seed: int = 0, dimensions: int = 8) -> Pool:
    """Rows whose lengths, scores, tags, tasks and embeddings have nothing to do with each other."""
    random = np.random.default_rng(seed)
    names = [f"tag {at:03}" for at in range(60)]
    lists = [
        [names[tag] for tag in random.integers(60, size=count)] for count in random.integers(6, size=rows)
    ]
    return Pool(
        random.integers(1, 400, size=rows),
        [("en", "zh")[at] for at in random.integers(2, size=rows)],
        [f"task {at}" for at in random.integers(6, size=rows)],
        random.standard_normal(rows),
        unit(random.standard_normal((rows, dimensions))),
        TagLists.read(lists),
        unit(random.standard_normal((len({name for found in lists for name in found}), dimensions))),
        noise_aim(rows, dimensions, random),
    )
