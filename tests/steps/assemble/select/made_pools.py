"""Pools of made-up rows to choose from."""

from __future__ import annotations

import numpy as np

from factory.steps.assemble.select.pool import Pool, TagLists


def unit(vectors: np.ndarray) -> np.ndarray:
    """These rows, of length 1."""
    return np.ascontiguousarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), np.float32)


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
    )
