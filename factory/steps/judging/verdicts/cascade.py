"""Model cascade: a cheap classifier decides the rows it is sure of, a costly judge decides the others.

Two shares are bounded, with a stated confidence: that of decisions that differ from the costly judge's, and that of
the rows it would keep (True) that are lost. The first says little where few rows are kept: to drop all agrees.

1. The costly judge labels a random batch. A logistic regression is trained on it.
2. The judge labels another random batch of the rows without a label. This batch is held out: it measures the
   error of the classifier trained on all earlier batches.
3. The error is bounded at each threshold of certainty (Clopper-Pearson): over all held-out rows for the agreement,
   and over those that the judge keeps, a random sample of all that it would keep, for the recall. Fixed-sequence
   testing tries the strictest threshold first and stops at the first that fails, so that trying many thresholds
   costs no confidence (Learn then Test, arXiv 2110.01052). A row is dropped where both bounds hold.
4. Steps 2 and 3 are repeated while another round can save calls, with a batch that is likely to hold the kept rows
   that the recall takes. Each bound of each round uses an equal part of the error probability (1 - confidence), a
   union bound, so that stopping early keeps them valid.

The held-out rows are drawn evenly. Among the rows that the classifier would drop, no other draw bounds those lost
more tightly with as many labels, since they may be lost where the fewest are drawn; and a row outside costs nothing, as
the judge is asked for it in any case where the classifier is not sure.
"""

from __future__ import annotations

import asyncio
import math
import random
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from factory.statistics.bound import interval, upper_bound
from factory.statistics.logistic import fit_logistic, sigmoid

if TYPE_CHECKING:
    from numpy.typing import NDArray

LEVELS = 40
"""Thresholds of certainty that are tried: quantiles over the rows without a label, evenly spaced."""
PENALTIES = (1.0, 10.0, 100.0, 1000.0)
"""Ridge (L2) penalties of the classifier; cross-validation on its training rows chooses one."""
FOLDS = 5

Ask = Callable[[Sequence[int]], Awaitable[Sequence[bool | None]]]
"""Asks the costly judge for the rows at these positions. A decision is None where it can make none."""


@dataclass(frozen=True, slots=True)
class Request:
    """The target: with `confidence`, at least the share `agreement` of decisions equals the costly judge's.

    labels: rows that the judge labels at first, half for training, half held out
    rounds: held-out batches at most
    recall: of the rows that the judge would keep, at least this share is kept, too; 0 asks for none
    """

    agreement: float = 0.95
    confidence: float = 0.95
    labels: int = 200
    rounds: int = 3
    recall: float = 0.95

    @property
    def confidence_each(self) -> float:
        """The confidence of each bound, so that all hold together."""
        bounds = self.rounds * (2 if self.recall else 1)
        return 1 - (1 - self.confidence) / bounds

    @property
    def kept_rows_wanted(self) -> int:
        """So many held-out rows that the judge keeps bound the recall, where a few of them are lost."""
        return (
            math.ceil(1.5 * math.log(1 - self.confidence_each) / math.log(self.recall)) if self.recall else 0
        )


@dataclass(frozen=True, slots=True)
class Cascade:
    """The result of a cascade.

    decisions: one for each row; None where the costly judge was asked and could make none
    asked: whether the costly judge was asked, shape (rows,)
    chances: the classifier's probability of True, shape (rows,); NaN where it was never trained
    rounds: held-out batches that were used
    checked: rows of the held-out batch that set the threshold
    wrong: those of them that the classifier is sure of and gets wrong
    held_keeps, lost: held-out rows that the judge keeps, and those of them that the classifier drops
    drawn, drawn_keeps: rows that the judge decided of those drawn at random from all, and those it keeps
    """

    decisions: list[bool | None]
    asked: NDArray[np.bool_]
    chances: NDArray[np.float64]
    rounds: int
    checked: int
    wrong: int
    held_keeps: int
    lost: int
    drawn: int
    drawn_keeps: int

    def kept_share(self) -> float | None:
        """The share of the decided rows that the cascade keeps; None where none is decided."""
        decided = [decision for decision in self.decisions if decision is not None]
        return round(sum(decided) / len(decided), 4) if decided else None

    def judge_kept_share(self, confidence: float) -> list[float] | None:
        """The share that the judge would keep, by the rows drawn at random, and its interval; None of none."""
        if not self.drawn:
            return None
        share = self.drawn_keeps / self.drawn
        return [round(value, 4) for value in (share, *interval(self.drawn_keeps, self.drawn, confidence))]

    def recall(self, request: Request) -> tuple[float, float, float] | None:
        """Of the rows that the judge would keep, the share that is kept: as measured, and its interval.

        Clopper-Pearson over the held-out rows that the judge keeps, with the confidence of one bound. None where it
        was asked for all, or keeps none of those held out.
        """
        if self.asked.all() or not self.held_keeps:
            return None
        each = request.confidence_each
        return (
            1 - self.lost / self.held_keeps,
            1 - upper_bound(self.lost, self.held_keeps, each),
            upper_bound(self.held_keeps - self.lost, self.held_keeps, each),
        )


@dataclass(frozen=True, slots=True)
class _Sure:
    """The outcome of one round: the thresholds of certainty from which on the classifier keeps, and drops.

    chances: the classifier's probability of True for every row
    checked, wrong: held-out rows, and the errors among those that it is sure of
    held_keeps, lost: held-out rows that the judge keeps, and those that the classifier is sure to drop
    """

    chances: NDArray[np.float64]
    keeping: float = np.inf
    dropping: float = np.inf
    checked: int = 0
    wrong: int = 0
    held_keeps: int = 0
    lost: int = 0

    def stands(self, rows: Sequence[int]) -> NDArray[np.bool_]:
        """Which of `rows` the classifier decides, as flags."""
        chances = self.chances[list(rows)]
        least = np.where(chances >= 0.5, self.keeping, self.dropping)
        flags: NDArray[np.bool_] = _certainty(chances) >= least
        return flags


async def cascade(features: NDArray[np.float64], ask: Ask, request: Request, draw: random.Random) -> Cascade:
    """Decide every row, with as few calls of the costly judge as the requested agreement allows.

    The bound holds for any features; with useless ones, the judge is asked for every row. It covers the rows that
    the judge can decide. The same features, replies and draws give the same result.

    Args:
        features: shape (rows, d), standardised; a constant column is added.
        ask: asks the costly judge.
        request: the target.
        draw: draws the batches.
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
            # Rows labelled before this round agree by definition; only the others can differ.
            share=1 - len(known) / rows,
            request=request,
        )
        done += 1
        left = rest
        # The bounds of all rounds hold at once (union bound), so the round that saves most may be chosen.
        if done == 1 or found.stands(left).sum() >= sure.stands(left).sum():
            sure = found
        unsure = int((~sure.stands(left)).sum())
        # Where nothing is decided yet a batch costs nothing: its rows are asked for in any case.
        size = max(len(decisions), _batch_for(request, decisions.values()))
        # Else it must be able to save more, and the last one must have saved some.
        if unsure <= size or (unsure < len(left) and len(decisions) + unsure >= fewest):
            break
        fewest = len(decisions) + unsure
    drawn = [decision for decision in decisions.values() if decision is not None]
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
        sure.held_keeps,
        sure.lost,
        len(drawn),
        sum(drawn),
    )


def _batch_for(request: Request, decided: Iterable[bool | None]) -> int:
    """How many rows are likely to hold the kept ones that bound the recall, by those drawn so far."""
    drawn = [decision for decision in decided if decision is not None]
    return math.ceil(request.kept_rows_wanted * (len(drawn) + 1) / (sum(drawn) + 1)) if drawn else 0


def _certainty(chances: NDArray[np.float64]) -> NDArray[np.float64]:
    """The distance of each probability from 0.5: 0 to 0.5."""
    return np.abs(chances - 0.5)


def _sure(
    chances: NDArray[np.float64],
    held: Sequence[int],
    truth: NDArray[np.bool_],
    drawn_from: Sequence[int],
    *,
    share: float,
    request: Request,
) -> _Sure:
    """The lowest thresholds at which, with confidence, few enough rows are decided wrongly, and few enough lost.

    Args:
        chances: the classifier's probability of True for every row.
        held, truth: positions of the held-out rows, and the costly judge's decisions on them.
        drawn_from: the rows that the held-out batch was drawn from; quantiles of their certainty are the thresholds.
        share: the number of these rows over the number of all rows.
    """
    likely = chances[list(held)]
    wrong, lost = (likely >= 0.5) != truth, (likely < 0.5) & truth
    margins = _certainty(likely)
    quantiles = np.quantile(_certainty(chances[list(drawn_from)]), 1 - np.arange(1, LEVELS + 1) / LEVELS)
    levels = np.unique(quantiles)[::-1].tolist()
    each, keeps = request.confidence_each, int(truth.sum())

    def lowest(mistakes: NDArray[np.bool_], draws: int, of_all: float, allowed: float) -> float:
        found = np.inf
        for level in levels:
            if upper_bound(int((mistakes & (margins >= level)).sum()), draws, each) * of_all > allowed:
                break
            found = level
        return float(found)

    agreeing = lowest(wrong, len(held), share, 1 - request.agreement)
    # What was labelled before is not lost: the bound over the rows left is one over all.
    recalling = lowest(lost, keeps, 1.0, 1 - request.recall)
    dropping = max(agreeing, recalling)
    sure = margins >= np.where(likely >= 0.5, agreeing, dropping)
    return _Sure(
        chances,
        agreeing,
        dropping,
        len(held),
        int((wrong & sure).sum()),
        keeps,
        int((lost & sure).sum()),
    )


def _predict(
    features: NDArray[np.float64], known: Sequence[int], truth: Sequence[bool]
) -> NDArray[np.float64]:
    """The probability of True for every row, by logistic regression trained on the rows at `known`.

    0.5 everywhere where `known` is empty.
    """
    if not known:
        return np.full(len(features), 0.5)
    inputs = np.column_stack([np.ones(len(features)), features])
    learnt, targets = inputs[list(known)], np.array(truth, np.float64)
    penalties = [np.concatenate([[1e-3], np.full(features.shape[1], ridge)]) for ridge in PENALTIES]
    # The rows were drawn at random, so that their positions can assign the folds.
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
