"""A target that rows are to be like: a file of rows, or a benchmark."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from factory.data.text import normal_form, shorten
from factory.statistics.arrays import Ints


class Leaked(NamedTuple):
    """Rows of the pool that hold an item of the target, word for word.

    rows: of the pool
    items: how many different items they hold
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
