"""What repeated data is worth: the data-constrained scaling law (Muennighoff et al., arXiv 2305.16264)."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from factory.errors import InputError
from factory.statistics.arrays import Floats
from factory.statistics.interval import Interval

FRESH_EPOCHS = 4
"""Up to so many epochs, repeated data is worth nearly as much as new."""
FEWEST = 8
"""Points with repeats that a fit of the half-lives needs."""
DATA_HALF_LIFE = 15.387756
"""R_D: so many repeats, or nearly, is all that data can be repeated to any use."""


@dataclass(frozen=True, slots=True)
class DataConstrained:
    """Chinchilla's form in which repeated data, and a model beyond what its data can teach, count for less.

    L = E + A / N'^alpha + B / D'^beta. D' = U_D + U_D R_D (1 - e^(-r_D / R_D)): U_D unique tokens, r_D repeats of
    them. N' likewise, of the parameters that so many unique tokens are best for. The values are those published.
    """

    A: float = math.exp(6.255414)
    B: float = math.exp(7.3049974)
    E: float = math.exp(0.6254804)
    alpha: float = 0.3526596
    beta: float = 0.3526596
    data_half_life: float = DATA_HALF_LIFE
    size_half_life: float = 5.309743

    def loss(self, parameters: float, tokens: float, unique: float) -> float:
        """The loss of a model of so many parameters, trained on so many tokens, of which so many are unique.

        Raises:
            ValueError: one of them is not above 0.
        """
        if min(parameters, tokens, unique) <= 0:
            raise ValueError("parameters, tokens and unique tokens must be above 0")
        of_data = min(unique, tokens)
        data = effective_data(of_data, tokens, self.data_half_life)
        ratio = (self.alpha * self.A / (self.beta * self.B)) ** (1 / (self.alpha + self.beta))
        of_size = min(parameters, (of_data * ratio) ** (self.beta / self.alpha) * ratio)
        size = effective_data(of_size, parameters, self.size_half_life)
        return float(self.E + self.A / size**self.alpha + self.B / data**self.beta)


def effective_data(unique: float, seen: float, half_life: float = DATA_HALF_LIFE) -> float:
    """What `seen` rows or tokens are worth in new ones, where only `unique` of them are: equal up to the first epoch.

    unique: how many different there are; seen: how many a model is trained on
    """
    if unique <= 0:
        return 0.0
    repeats = max(seen / unique - 1, 0.0)
    return min(seen, unique) + unique * half_life * -math.expm1(-repeats / half_life)


@dataclass(frozen=True, slots=True)
class RepeatsFit:
    """How fast repeats lose their worth in one's own points. `law` is None where that is not told: `why` says why.

    points: those whose data is repeated
    held_out: mean error of the log loss on points not fitted; as_new: the same where repeats count as new data
    intervals: of each half-life, by bootstrap
    """

    points: int
    held_out: float
    as_new: float
    law: DataConstrained | None = None
    intervals: Mapping[str, Interval] | None = None
    why: str = ""


def fit_repeats(
    parameters: Floats,
    tokens: Floats,
    unique: Floats,
    losses: Floats,
    base: DataConstrained,
    *,
    seed: int = 0,
) -> RepeatsFit:
    """The two half-lives of the data-constrained law, its other parameters held fast, as Muennighoff et al. fit them.

    Told only where it predicts points that it has not seen better than a law to which repeats are new data.

    parameters, tokens, unique, losses: shape (n,)
    base: A, B, E, alpha and beta, such as a fit to points without repeats has

    Raises:
        InputError: too few points have repeats: says how many are needed.
    """
    from scipy.stats import t

    again = np.flatnonzero(tokens > unique)
    if len(again) < FEWEST:
        raise InputError(
            f"{len(again)} points with repeated data are too few: two half-lives are fitted, and at least {FEWEST} "
            "such "
            "points are needed to hold some out"
        )
    table = np.column_stack([parameters, tokens, unique, np.log(losses)])[again]
    folds = np.random.default_rng([seed, 5]).permutation(len(table)) % min(5, len(table))
    errors = np.zeros(len(table))
    for fold in range(int(folds.max()) + 1):
        fitted = _half_lives(table[folds != fold], base)
        errors[folds == fold] = np.abs(_residuals(fitted, table[folds == fold], base))
    as_new = np.abs(_residuals(np.log([1e9, 1e9]), table, base))
    less = as_new - errors
    half = float(t.ppf(0.975, len(less) - 1)) * float(less.std(ddof=1)) / len(less) ** 0.5
    if less.mean() - half <= 0:
        return RepeatsFit(
            len(table),
            float(errors.mean()),
            float(as_new.mean()),
            why="repeats cannot be told from new data: there are too few of them, or the losses are too rough",
        )
    chance = np.random.default_rng([seed, 6])
    drawn = [_half_lives(table[chance.integers(0, len(table), len(table))], base) for _ in range(60)]
    low, high = np.exp(np.percentile(drawn, [2.5, 97.5], axis=0))
    data, size = np.exp(_half_lives(table, base))
    return RepeatsFit(
        len(table),
        float(errors.mean()),
        float(as_new.mean()),
        replace(base, data_half_life=float(data), size_half_life=float(size)),
        {
            "data_half_life": (float(low[0]), float(high[0])),
            "size_half_life": (float(low[1]), float(high[1])),
        },
    )


def _residuals(half_lives: Floats, table: Floats, base: DataConstrained) -> Floats:
    data, size = np.exp(half_lives)
    law = replace(base, data_half_life=float(data), size_half_life=float(size))
    return np.array([math.log(law.loss(*row[:3])) - row[3] for row in table.tolist()])


def _half_lives(table: Floats, base: DataConstrained) -> Floats:
    """The logs of both half-lives."""
    from scipy.optimize import least_squares

    found = [
        least_squares(
            _residuals,
            np.log(start),
            args=(table, base),
            bounds=(np.log([0.01, 0.01]), np.log([1e4, 1e4])),
            loss="huber",
            f_scale=1e-3,
            max_nfev=60,
        )
        for start in ([15.0, 5.0], [2.0, 50.0])
    ]
    return np.asarray(min(found, key=lambda one: float(one.cost)).x)
