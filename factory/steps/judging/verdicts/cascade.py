"""A cheap decision where it is sure enough, a costly one elsewhere, with a bound on how often they differ.

Rows are asked of the costly judge in rounds. The first batch, drawn at random, teaches a cheap model; each
batch after it, drawn at random from the rows not yet asked, is held out and tells how often the cheap model,
taught on all batches before, would have been wrong at each level of certainty. The bound is Clopper-Pearson's,
by fixed-sequence testing: levels of certainty are tried from the strictest down and the first that fails ends
the trial, so that trying many costs no confidence (Learn then Test, arXiv 2110.01052). Each round takes an
equal part of the doubt that is allowed (a union bound), so that stopping when it pays is allowed too.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from factory.statistics.bound import upper_bound
from factory.statistics.logistic import fit_logistic, sigmoid

if TYPE_CHECKING:
    from numpy.typing import NDArray

LEVELS = 40
"""Levels of certainty that are tried: so many equal parts of the rows not yet asked."""
PENALTIES = (1.0, 10.0, 100.0, 1000.0)
"""Ridges that are tried for the cheap model, by cross-validation on the rows it is taught on."""
FOLDS = 5

Ask = Callable[[Sequence[int]], Awaitable[Sequence[bool | None]]]
"""The costly decisions for rows at these positions; None where it can make none."""


@dataclass(frozen=True, slots=True)
class Request:
    """What a cascade is asked to reach: with `confidence`, at least `agreement` with the costly decisions."""

    agreement: float = 0.95
    confidence: float = 0.95
    labels: int = 200
    rounds: int = 3


@dataclass(frozen=True, slots=True)
class Cascade:
    """What came of it.

    decisions: of each row, None where the costly judge was asked and could make none
    asked: whether the costly judge was asked, shape (rows,)
    chances: the cheap model's chance of True for each row, shape (rows,); NaN where it was never taught
    rounds: held-out batches that were used
    checked, wrong: rows of the last of them, and those that the cheap model got wrong among its sure ones
    """

    decisions: list[bool | None]
    asked: NDArray[np.bool_]
    chances: NDArray[np.float64]
    rounds: int
    checked: int
    wrong: int


@dataclass(frozen=True, slots=True)
class _Sure:
    """From which certainty on the cheap decisions of one round stand, and what its held-out rows say of them."""

    chances: NDArray[np.float64]
    certainty: float = np.inf
    checked: int = 0
    wrong: int = 0

    def stands(self, rows: Sequence[int]) -> NDArray[np.bool_]:
        """Which of `rows` are decided cheaply."""
        flags: NDArray[np.bool_] = _certainty(self.chances[list(rows)]) >= self.certainty
        return flags


async def cascade(features: NDArray[np.float64], ask: Ask, request: Request, draw: random.Random) -> Cascade:
    """Decide all rows, asking the costly judge as few as the requested agreement allows.

    The bound holds whatever the features are: useless ones lead to asking for every row. It is about the rows
    that the costly judge can decide. The same features, replies and draws give the same result.

    features: shape (rows, d), standardised; a constant column is added
    """
    rows = len(features)
    order = list(range(rows))
    draw.shuffle(order)
    decisions: dict[int, bool | None] = {}

    async def label(batch: Sequence[int]) -> None:
        decisions.update(zip(batch, await ask(batch), strict=True))

    taught = max(1, request.labels // 2)
    batch, left = order[:taught], order[taught:]
    await label(batch)
    sure = _Sure(np.full(rows, np.nan))
    fewest = rows
    done = 0
    size = request.labels - taught
    while left and size and done < request.rounds:
        known = [at for at in decisions if decisions[at] is not None]
        likely = await asyncio.to_thread(_predict, features, known, [bool(decisions[at]) for at in known])
        batch, rest = left[:size], left[size:]
        await label(batch)
        held = [at for at in batch if decisions[at] is not None]
        found = _sure(
            likely,
            held,
            np.array([bool(decisions[at]) for at in held], bool),
            left,
            # The rows asked before agree by definition: only the others can differ.
            share=1 - len(known) / rows,
            allowed=1 - request.agreement,
            confidence=1 - (1 - request.confidence) / request.rounds,
        )
        done += 1
        left = rest
        # All rounds' bounds hold together, so that the one that asks least may be chosen.
        if done == 1 or found.stands(left).sum() >= sure.stands(left).sum():
            sure = found
        unsure = int((~sure.stands(left)).sum())
        # Another round costs a batch: it must have something to win, and the last one must have won.
        size = len(decisions)
        if unsure <= size or len(decisions) + unsure >= fewest:
            break
        fewest = len(decisions) + unsure
    await label([at for at, stands in zip(left, sure.stands(left).tolist(), strict=True) if not stands])
    asked = np.zeros(rows, bool)
    asked[list(decisions)] = True
    return Cascade(
        [decisions[at] if asked[at] else bool(sure.chances[at] >= 0.5) for at in range(rows)],
        asked,
        sure.chances,
        done,
        sure.checked,
        sure.wrong,
    )


def _certainty(chances: NDArray[np.float64]) -> NDArray[np.float64]:
    """How far chances are from even: 0 to 0.5."""
    return np.abs(chances - 0.5)


def _sure(
    chances: NDArray[np.float64],
    held: Sequence[int],
    truth: NDArray[np.bool_],
    drawn_from: Sequence[int],
    *,
    share: float,
    allowed: float,
    confidence: float,
) -> _Sure:
    """The lowest certainty at which the disagreement over all rows is at most `allowed`, with `confidence`.

    chances: of all rows
    held, truth: positions of the held-out rows, and the costly decisions on them
    drawn_from: the rows they were drawn from, whose certainties set the levels that are tried
    share: the part of all rows that these are
    """
    wrong = (chances[list(held)] >= 0.5) != truth
    margins = _certainty(chances[list(held)])
    levels = np.quantile(_certainty(chances[list(drawn_from)]), 1 - np.arange(1, LEVELS + 1) / LEVELS)
    best = _Sure(chances, checked=len(held))
    for level in np.unique(levels)[::-1].tolist():
        mistakes = int((wrong & (margins >= level)).sum())
        if upper_bound(mistakes, len(held), confidence) * share > allowed:
            break
        best = _Sure(chances, level, len(held), mistakes)
    return best


def _predict(
    features: NDArray[np.float64], known: Sequence[int], truth: Sequence[bool]
) -> NDArray[np.float64]:
    """The chance of True for every row, by logistic regression on the rows at `known`; 0.5 where there is none."""
    if not known:
        return np.full(len(features), 0.5)
    inputs = np.column_stack([np.ones(len(features)), features])
    learnt, targets = inputs[list(known)], np.array(truth, np.float64)
    penalties = [np.concatenate([[1e-3], np.full(features.shape[1], ridge)]) for ridge in PENALTIES]
    # Folds by position: the rows were drawn at random.
    fold = np.arange(len(known)) % FOLDS

    def loss(penalty: NDArray[np.float64]) -> float:
        total = 0.0
        for at in range(FOLDS):
            out = fold == at
            if out.any() and not out.all():
                logits = learnt[out] @ fit_logistic(learnt[~out], targets[~out], penalty)
                total += float(np.sum(np.logaddexp(0, logits) - targets[out] * logits))
        return total

    return sigmoid(inputs @ fit_logistic(learnt, targets, min(penalties, key=loss)))
