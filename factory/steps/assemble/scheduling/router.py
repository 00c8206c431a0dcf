"""A router over embeddings: to each prompt the expert whose prompts lie nearest on average, and how often rightly."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from factory.statistics.arrays import Floats, Ints, Rows
from factory.statistics.classify import fold_numbers
from factory.statistics.interval import Interval, share_interval

FOLDS = 5


class Routed(NamedTuple):
    """How a router does on prompts whose lineage it has not seen.

    accuracy: the share that goes to its own expert, with its 95 % interval
    majority: the share that sending all to the largest expert sends rightly
    confused: of prompts sent wrongly, the expert's own and the one chosen, with how many, the most first
    """

    prompts: int
    accuracy: float
    interval: Interval
    majority: float
    confused: tuple[tuple[str, str, int], ...]


class Router(NamedTuple):
    """Experts and where their prompts lie.

    names: the experts, sorted
    mean: of all prompts' embeddings, which lie in a narrow cone, shape (dimensions,)
    centres: the direction from there to the mean of each expert's prompts, shape (experts, dimensions), of length 1
    """

    names: list[str]
    mean: Floats
    centres: Floats

    @classmethod
    def of(cls, vectors: Rows, labels: Sequence[str]) -> Router:
        """The router that these prompts make."""
        rows = vectors.astype(np.float64)
        names, own, mean = sorted(set(labels)), np.array(labels), rows.mean(axis=0)
        means = np.stack([rows[own == name].mean(axis=0) - mean for name in names])
        return cls(names, mean, means / np.maximum(np.linalg.norm(means, axis=1, keepdims=True), 1e-12))

    def route(self, vectors: Rows) -> list[str]:
        """The expert of the highest cosine for each prompt, shape (prompts, dimensions)."""
        near = (vectors.astype(np.float64) - self.mean) @ self.centres.T
        return [self.names[at] for at in near.argmax(axis=1).tolist()]


def evaluate(vectors: Rows, labels: Sequence[str], lineages: Ints, seed: int) -> Routed:
    """Five folds, each routed by centres of the others; all prompts of a lineage are in one fold.

    vectors: of length 1, shape (prompts, dimensions)

    Raises:
        ValueError: the prompts are of fewer than two experts.
    """
    if len(set(labels)) < 2:
        raise ValueError("a router needs two experts")
    own = np.array(labels)
    _, first, lineage = np.unique(lineages, return_index=True, return_inverse=True)
    fold = fold_numbers(own[first].tolist(), FOLDS, seed)[lineage]
    found = np.empty(len(own), dtype=object)
    for held in range(FOLDS):
        test = fold == held
        if not test.any():
            continue
        if test.all():
            raise ValueError("a router needs prompts of two lineages")
        found[test] = Router.of(vectors[~test], own[~test].tolist()).route(vectors[test])
    right = found == own
    wrong = Counter(zip(own[~right].tolist(), found[~right].tolist(), strict=True))
    return Routed(
        len(own),
        float(right.mean()),
        share_interval(right.astype(np.float64), lineages) or (0.0, 1.0),
        max(Counter(labels).values()) / len(own),
        tuple((mine, chosen, number) for (mine, chosen), number in wrong.most_common(5)),
    )
