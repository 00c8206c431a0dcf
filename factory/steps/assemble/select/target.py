"""What methods are given beside the pool: a target to be like, examples to tell good from bad, losses, sources."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from factory.data.text import normal_form, shorten
from factory.statistics.arrays import Floats, Ints, Rows
from factory.steps.assemble.select.target_path import Losses


@dataclass(frozen=True, slots=True)
class Aim:
    """What is chosen for. What no method asked for is empty.

    texts: of each row of the pool, as they are compared with the target
    sources: of each row of the pool
    losses: of each row of the pool at each checkpoint of a small model, shape (rows, checkpoints)
    target: the texts of the target's items
    target_vectors: their embeddings, of length 1, shape (items, dimensions)
    good, bad: embeddings of examples, of length 1
    path: losses of each row of the pool before and after a model learnt from the target
    gradients, target_gradients: of the pool's rows and of the target's items, in the directions of the target
    """

    texts: Sequence[str] = ()
    sources: Sequence[str] = ()
    losses: Floats | None = None
    target: Sequence[str] = ()
    target_vectors: Rows | None = None
    good: Rows | None = None
    bad: Rows | None = None
    path: Losses | None = None
    gradients: Rows | None = None
    target_gradients: Rows | None = None

    def take(self, rows: Ints) -> Aim:
        """For some rows of the pool, in that order."""
        return replace(
            self,
            texts=[self.texts[row] for row in rows.tolist()] if self.texts else (),
            sources=[self.sources[row] for row in rows.tolist()] if self.sources else (),
            losses=None if self.losses is None else self.losses[rows],
            path=None if self.path is None else self.path.take(rows),
            gradients=None if self.gradients is None else self.gradients[rows],
        )


class Leaked(NamedTuple):
    """Rows of the pool that are an item of the target, word for word.

    rows: of the pool
    items: how many different items they are
    example: the beginning of one
    """

    rows: Ints
    items: int
    example: str


def leaked_rows(pool: Sequence[str], target: Sequence[str]) -> Leaked:
    """The rows that are an item of the target, case and white space folded.

    A target is often a test set: a row that is in it is the nearest of all, and teaches the test.
    """
    items = {normal_form(text) for text in target if text.strip()}
    forms = [normal_form(text) for text in pool]
    rows = [row for row, form in enumerate(forms) if form in items]
    example = shorten(pool[rows[0]], 60) if rows else ""
    return Leaked(np.array(rows, np.int64), len({forms[row] for row in rows}), example)
