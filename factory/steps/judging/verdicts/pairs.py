"""What the verdicts on pairs of answers say: who wins, how far the judge can be trusted, and what length does.

Source: MT-bench (arXiv 2306.05685) for asking in both orders, AlpacaEval 2 (arXiv 2404.04475) for the
length-controlled win rate.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

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

    def sentence(self) -> str:
        """The summary in words."""
        if not self.pairs:
            return "no pair has a verdict"
        ties = self.pairs - self.wins - self.losses
        parts = [
            f"the first answer wins {self.wins:,}, loses {self.losses:,} and ties {ties:,} of {self.pairs:,} pairs "
            f"(win rate {_percent(self.win_rate)}, length-controlled {_percent(self.controlled)})",
            f"both orders agree on {_percent(self.agreement)} and contradict each other on "
            f"{_percent(self.opposite)}",
        ]
        if self.first_shown is not None:
            parts[-1] += f", where the answer shown first is favoured in {_percent(self.first_shown)}"
        if self.longer_wins is not None:
            parts.append(f"the longer answer wins {_percent(self.longer_wins)} of the pairs with a winner")
        return "; ".join(parts)


def summarise(
    given: NDArray[np.float64], swapped: NDArray[np.float64], longer: NDArray[np.float64]
) -> PairSummary:
    """What the verdicts on n pairs say; all arrays have shape (n,).

    given, swapped: WIN, TIE or LOSS of the first answer, shown first and shown second
    longer: by how many characters the first answer is longer than the second
    """
    outcome = np.where(given == swapped, given, TIE)
    contradicts = (given != swapped) & (given != TIE) & (swapped != TIE)
    decided = (outcome != TIE) & (longer != 0)
    return PairSummary(
        pairs=len(outcome),
        wins=int((outcome == WIN).sum()),
        losses=int((outcome == LOSS).sum()),
        agreement=_share(given == swapped),
        opposite=_share(contradicts),
        first_shown=_share(given[contradicts] == WIN),
        longer_wins=_share((outcome[decided] == WIN) == (longer[decided] > 0)),
        win_rate=float(outcome.mean()) if len(outcome) else None,
        controlled=length_controlled(outcome, longer),
    )


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
    spread = float(longer.std(ddof=1)) if len(longer) > 1 else 0.0
    effect = np.tanh(longer / spread) if spread > 0 else np.zeros(len(longer))
    features = np.column_stack([np.ones(len(outcomes)), effect])
    weights = fit_logistic(features, outcomes, np.array([1e-3, 1.0]))
    return float(sigmoid(weights[:1])[0])


def _share(flags: NDArray[np.bool_]) -> float | None:
    return float(flags.mean()) if len(flags) else None


def _percent(share: float | None) -> str:
    return "unknown" if share is None else f"{share:.1%}"
