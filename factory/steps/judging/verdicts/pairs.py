"""What the verdicts on pairs of answers say: who wins, how far the judge can be trusted, and what length does.

Source: MT-bench (arXiv 2306.05685) for asking in both orders, AlpacaEval 2 (arXiv 2404.04475) for the
length-controlled win rate.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from factory.statistics.interval import Interval, Z, percent, share_interval
from factory.statistics.logistic import fit_logistic, sigmoid

if TYPE_CHECKING:
    from numpy.typing import NDArray

WIN, TIE, LOSS = 1.0, 0.5, 0.0


def decide(given: float, swapped: float) -> float:
    """The outcome for the first answer: a win or a loss only where both orders say so, else a tie.

    given, swapped: WIN, TIE or LOSS of the first answer, shown first and shown second
    """
    return given if given == swapped else TIE


@dataclass(frozen=True, slots=True)
class PairSummary:
    """Shares from 0 to 1; None where there is no pair to take it of.

    agreement: pairs on which both orders said the same
    opposite: pairs on which the two orders named different winners
    first_shown: of those, the ones where the answer shown first won both times; 0.5 is no position bias
    longer_wins: of the pairs with a winner and answers of different length, those that the longer one won
    win_rate: wins and half of the ties of the first answers, of all pairs
    controlled: the same at equal lengths
    intervals: the 95 % interval of each share by its name; of `controlled` by the errors of each prompt
    extrapolated: why `controlled` says what no pair shows, in words; "" where pairs lie on both sides of equal lengths
    """

    pairs: int
    wins: int
    losses: int
    agreement: float | None
    opposite: float | None
    first_shown: float | None
    longer_wins: float | None
    win_rate: float | None
    controlled: float | None
    intervals: Mapping[str, Interval] = field(default_factory=dict)
    extrapolated: str = ""

    def sentence(self) -> str:
        """The summary in words."""
        if not self.pairs:
            return "no pair has a verdict"
        ties = self.pairs - self.wins - self.losses
        parts = [
            f"the first answer wins {self.wins:,}, loses {self.losses:,} and ties {ties:,} of {self.pairs:,} pairs "
            f"(win rate {self._share('win_rate')}, length-controlled {self._share('controlled')})",
            f"both orders agree on {self._share('agreement')} and contradict each other on {self._share('opposite')}",
        ]
        if self.first_shown is not None:
            parts[-1] += f", where the answer shown first is favoured in {self._share('first_shown')}"
        if self.longer_wins is not None:
            parts.append(f"the longer answer wins {self._share('longer_wins')} of the pairs with a winner")
        if self.extrapolated:
            parts.append(self.extrapolated)
        return "; ".join(parts)

    def _share(self, name: str) -> str:
        value, sure = getattr(self, name), self.intervals.get(name)
        lacking = value is not None and sure is None
        return percent(value, sure) + (" (no interval: all pairs are of one prompt)" if lacking else "")


def summarise(
    given: NDArray[np.float64],
    swapped: NDArray[np.float64],
    longer: NDArray[np.float64],
    groups: NDArray[np.int64] | None = None,
) -> PairSummary:
    """What the verdicts on n pairs say; all arrays have shape (n,).

    given, swapped: WIN, TIE or LOSS of the first answer, shown first and shown second
    longer: by how many characters the first answer is longer than the second
    groups: the number of each pair's prompt; by default each pair has its own
    """
    outcome = np.where(given == swapped, given, TIE)
    lineage = np.arange(len(outcome)) if groups is None else groups
    contradicts = (given != swapped) & (given != TIE) & (swapped != TIE)
    decided = (outcome != TIE) & (longer != 0)
    everywhere = np.ones(len(outcome), bool)
    shares: dict[str, tuple[NDArray[Any], NDArray[np.bool_]]] = {
        "agreement": (given == swapped, everywhere),
        "opposite": (contradicts, everywhere),
        "first_shown": (given == WIN, contradicts),
        "longer_wins": ((outcome == WIN) == (longer > 0), decided),
        "win_rate": (outcome, everywhere),
    }
    found = {name: float(values[of].mean()) if of.any() else None for name, (values, of) in shares.items()}
    intervals = {
        name: sure
        for name, (values, of) in shares.items()
        if (sure := share_interval(values[of], lineage[of])) is not None
    }
    controlled = controlled_interval(outcome, longer, lineage)
    if controlled is not None:
        # A side that won every pair leaves no error to measure, which does not make few pairs sure.
        intervals["controlled"] = _as_wide_as(controlled, intervals["win_rate"])
    return PairSummary(
        pairs=len(outcome),
        wins=int((outcome == WIN).sum()),
        losses=int((outcome == LOSS).sum()),
        **found,
        controlled=length_controlled(outcome, longer),
        intervals=intervals,
        extrapolated=extrapolated(longer),
    )


def _as_wide_as(found: Interval, plain: Interval) -> Interval:
    """An interval that holds `found` and is no narrower than `plain`, within 0 and 1."""
    lack = max(0.0, (plain[1] - plain[0]) - (found[1] - found[0])) / 2
    below, above = found[0] - lack, found[1] + lack
    # What does not fit on one side belongs to the other.
    return max(0.0, below - max(0.0, above - 1)), min(1.0, above + max(0.0, -below))


LEAST_BESIDE = 0.025
"""The share of the pairs that must lie on each side of equal lengths for the rate there to be one within the data."""


def extrapolated(longer: NDArray[np.float64]) -> str:
    """Why a win rate at equal lengths is one that no pair shows, in words; "" where pairs lie on both sides of it.

    longer: by how many characters the first answer is longer than the second, shape (n,)
    """
    for side, beside in (("longer", longer <= 0), ("shorter", longer >= 0)):
        if len(longer) and beside.mean() < LEAST_BESIDE:
            low, high = (float(edge) for edge in np.quantile(np.abs(longer), (0.025, 0.975)))
            return (
                f"the first answer is {side} in nearly all pairs (mostly by {low:,.0f} to {high:,.0f} characters), "
                "so that the length-controlled rate is extrapolated beyond them: do not rely on it"
            )
    return ""


def length_controlled(outcomes: NDArray[np.float64], longer: NDArray[np.float64]) -> float | None:
    """The win rate that the first answers would have at equal lengths, from 0 to 1; None without a pair.

    A simplified form of AlpacaEval 2's (arXiv 2404.04475): logit P(win) = a + b tanh(d / std(d)) by logistic
    regression, where d is the difference in length, and the win rate is the prediction at d = 0. Theirs has a
    third term, how hard each instruction is for the baseline, which takes many models' outcomes to know; and
    it is regularised by an L1 penalty chosen by cross-validation, this by a weak ridge. As theirs it is 0.5 for
    answers against themselves, and swapping the two sides of all pairs gives 1 minus it. Where all differences
    are the same, nothing tells what length does, and it is the win rate.

    outcomes: wins of the first answer, shape (n,), from 0 to 1 with 0.5 for a tie
    longer: by how much the first answer is longer than the second, shape (n,)
    """
    if not len(outcomes):
        return None
    weights, _ = _fitted(outcomes, longer)
    return float(sigmoid(weights[:1])[0])


def controlled_interval(
    outcomes: NDArray[np.float64], longer: NDArray[np.float64], groups: NDArray[np.int64]
) -> Interval | None:
    """The 95 % interval of `length_controlled`, pairs of one group together; None of fewer than two groups.

    By the sandwich estimator of the regression's covariance (Liang and Zeger, Biometrika 73 (1986)): the curvature
    says how far the rate moves with an error, the groups' own errors how large these are.

    groups: the number of each pair's prompt, shape (n,)
    """
    _, own = np.unique(groups, return_inverse=True)
    number = int(own.max(initial=-1)) + 1
    if number < 2:
        return None
    weights, features = _fitted(outcomes, longer)
    likely = sigmoid(features @ weights)
    errors = np.zeros((number, 2))
    np.add.at(errors, own, features * (outcomes - likely)[:, None])
    curvature = (features * (likely * (1 - likely))[:, None]).T @ features + np.diag(_PENALTY)
    moved = np.linalg.solve(curvature, errors.T)[0]
    deviation = float(np.sqrt((moved**2).sum() * number / (number - 1)))
    low, high = sigmoid(weights[0] + Z * deviation * np.array([-1.0, 1.0]))
    return float(low), float(high)


_PENALTY = np.array([1e-3, 1.0])


def _fitted(
    outcomes: NDArray[np.float64], longer: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The weights of the regression, and the features that they are of."""
    spread = float(longer.std(ddof=1)) if len(longer) > 1 else 0.0
    effect = np.tanh(longer / spread) if spread > 0 else np.zeros(len(longer))
    features = np.column_stack([np.ones(len(outcomes)), effect])
    return fit_logistic(features, outcomes, _PENALTY), features
