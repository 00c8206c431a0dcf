"""Laws of the loss over a model's size and its data: Chinchilla's form, Kaplan's exponents, and repeated data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from factory.errors import InputError
from factory.statistics.arrays import Floats
from factory.statistics.interval import Interval
from factory.statistics.mixing.repeats import RepeatsFit

PARAMETERS = 5
DELTA = 1e-3
"""Where the Huber loss of the log residuals turns linear (Hoffmann et al., arXiv 2203.15556)."""
FOLDS = 5
DRAWS = 60
KAPLAN: Mapping[str, float] = {"parameters": 0.73, "data": 0.27, "batch": 0.24, "steps": 0.03}
"""Exponents of the compute with which the best size, data, batch and steps grow (Kaplan et al., arXiv 2001.08361)."""


@dataclass(frozen=True, slots=True)
class Chinchilla:
    """L(N, D) = E + A / N^alpha + B / D^beta; N parameters of the model, D tokens."""

    A: float
    B: float
    E: float
    alpha: float
    beta: float

    @property
    def size_exponent(self) -> float:
        """The best N grows as the compute to this power."""
        return self.beta / (self.alpha + self.beta)

    def loss(self, parameters: Floats, tokens: Floats) -> Floats:
        """The loss, shape (n,), of models of so many parameters trained on so many tokens."""
        return np.asarray(
            self.E
            + self.A * np.asarray(parameters, np.float64) ** -self.alpha
            + self.B * np.asarray(tokens, np.float64) ** -self.beta
        )

    def best(self, flop: float) -> tuple[float, float]:
        """Parameters and tokens with the lowest loss for so much compute, where it is 6 N D."""
        ratio = (self.alpha * self.A / (self.beta * self.B)) ** (1 / (self.alpha + self.beta))
        parameters = ratio * (flop / 6) ** self.size_exponent
        return parameters, flop / 6 / parameters


@dataclass(frozen=True, slots=True)
class ScalingFit:
    """What a scaling fit tells. `law` is None where nothing can be told; `why` says why.

    objective: the sum of the Huber losses of the log residuals
    held_out: mean absolute relative error on points it was not fitted to; baseline: the same of a power law of the
    compute alone
    intervals: of each parameter, and of "size_exponent", by bootstrap
    repeats: how fast repeated data loses its worth, where that was asked for
    """

    points: int
    held_out: float
    baseline: float
    gain: Interval
    law: Chinchilla | None = None
    objective: float = float("nan")
    intervals: Mapping[str, Interval] | None = None
    why: str = ""
    repeats: RepeatsFit | None = None


def fit_scaling(
    parameters: Floats, tokens: Floats, losses: Floats, *, seed: int = 0, draws: int = DRAWS
) -> ScalingFit:
    """Fit Chinchilla's form to points, as Hoffmann et al. do: Huber loss of the log residuals, from many starts.

    It is told only where it predicts points that it has not seen better than their mean does. Beside it stands a power
    law of the compute alone, 6 N D.

    parameters, tokens, losses: shape (n,)

    Raises:
        InputError: a value is no number above 0, or there are fewer points than are needed: says how many.
    """
    sizes, data, found = (np.asarray(values, np.float64) for values in (parameters, tokens, losses))
    for what, values in (("model size", sizes), ("number of tokens", data), ("loss", found)):
        bad = np.flatnonzero(~(np.isfinite(values) & (values > 0)))
        if len(bad):
            raise InputError(f"row {bad[0] + 1}: the {what} is no number above 0")
    points = len(found)
    needed = PARAMETERS + 3  # a fifth held out, five parameters and one point more are left
    if points < needed:
        raise InputError(
            f"{points} points are too few: the law has {PARAMETERS} parameters, and at least {needed} points are "
            "needed "
            "to fit it and hold some out"
        )
    for what, values in (("model size", sizes), ("number of tokens", data)):
        if len(np.unique(values)) < 3:
            raise InputError(f"all points have one or two values of the {what}: at least 3 are needed")
    from threadpoolctl import threadpool_limits

    # Threads of BLAS cost more than they bring on so few numbers.
    with threadpool_limits(1, user_api="blas"):
        return _fitted(sizes, data, found, seed, draws)


def _fitted(sizes: Floats, data: Floats, found: Floats, seed: int, draws: int) -> ScalingFit:
    points = len(found)
    logs = np.log(np.column_stack([sizes, data]))
    theta, objective = _fit(logs, np.log(found), _starts())
    errors, plain, constant = _held_out(logs, np.log(found), theta, seed)
    gain = _t_interval(constant - errors)
    told = ScalingFit(points, float(errors.mean()), float(plain.mean()), gain)
    if gain[0] <= 0:
        return ScalingFit(
            *(told.points, told.held_out, told.baseline, told.gain),
            why="the law predicts points that it has not seen no better than their mean does: the losses may be noise, "
            "or the sizes too much alike",
        )
    chance = np.random.default_rng([seed, 3])
    drawn = []
    for _ in range(draws):
        rows = chance.integers(0, points, points)
        drawn.append(_as_law(_fit(logs[rows], np.log(found)[rows], theta[None, :], 1e-9)[0]))
    names = ("A", "B", "E", "alpha", "beta", "size_exponent")
    intervals = {
        name: (float(low), float(high))
        for name in names
        for low, high in [np.percentile([getattr(one, name) for one in drawn], [2.5, 97.5])]
    }
    return ScalingFit(
        *(told.points, told.held_out, told.baseline, told.gain),
        law=_as_law(theta),
        objective=objective,
        intervals=intervals,
    )


def _as_law(theta: Floats) -> Chinchilla:
    a, b, e, alpha, beta = theta
    return Chinchilla(float(np.exp(a)), float(np.exp(b)), float(np.exp(e)), float(alpha), float(beta))


def _starts() -> Floats:
    """Starts over the range of Hoffmann et al.; the slope is exact, so fewer than theirs find the same."""
    axes = [(0.0, 10.0, 20.0), (0.0, 10.0, 20.0), (0.0, 0.7), (0.3,), (0.3,)]
    return np.array(np.meshgrid(*axes)).reshape(5, -1).T


def _terms(theta: Floats, logs: Floats) -> Floats:
    a, b, e, alpha, beta = theta
    return np.column_stack(
        [a - alpha * logs[:, 0], b - beta * logs[:, 1], np.full(len(logs), e)],
    )


def _predicted(theta: Floats, logs: Floats) -> Floats:
    terms = _terms(theta, logs)
    most = terms.max(axis=1)
    return np.asarray(most + np.log(np.exp(terms - most[:, None]).sum(axis=1)))


def _fit(logs: Floats, wanted: Floats, starts: Floats, near: float = 1e-13) -> tuple[Floats, float]:
    """The parameters (log A, log B, log E, alpha, beta) and the sum of the Huber losses."""
    from scipy.optimize import minimize

    # Around their middle the logs do not make the amounts follow the exponents: the search is ten times as short.
    middle = logs.mean(axis=0)
    logs = logs - middle

    def objective(theta: Floats) -> tuple[float, Floats]:
        terms = _terms(theta, logs)
        most = terms.max(axis=1, keepdims=True)
        raised = np.exp(terms - most)
        total = raised.sum(axis=1, keepdims=True)
        residual = (most + np.log(total))[:, 0] - wanted
        size = np.abs(residual)
        loss = np.where(size <= DELTA, residual**2 / 2, DELTA * (size - DELTA / 2))
        part = raised / total
        slope = np.clip(residual, -DELTA, DELTA)[:, None] * np.column_stack(
            [part, -part[:, 0] * logs[:, 0], -part[:, 1] * logs[:, 1]]
        )
        # The loss is of the order of DELTA squared: scaled, so that the search does not stop at once.
        return float(loss.mean()) / DELTA**2, slope.mean(axis=0) / DELTA**2

    found = [
        minimize(
            objective,
            start - _shift(start, middle),
            jac=True,
            method="L-BFGS-B",
            options={"maxiter": 1000, "ftol": near, "gtol": 1e-8},
        )
        for start in starts
    ]
    best = min(found, key=lambda one: float(one.fun))
    theta = np.asarray(best.x)
    return theta + _shift(theta, middle), float(best.fun) * DELTA**2 * len(wanted)


def _shift(theta: Floats, middle: Floats) -> Floats:
    """What moving the middle of the logs to 0 takes off log A and log B."""
    return np.array([theta[3] * middle[0], theta[4] * middle[1], 0.0, 0.0, 0.0])


def _held_out(logs: Floats, wanted: Floats, theta: Floats, seed: int) -> tuple[Floats, Floats, Floats]:
    """The absolute log error of each point held out: of the law, of a power law of the compute, of the mean."""
    chance = np.random.default_rng([seed, 4])
    fold_of = chance.permutation(len(wanted)) % FOLDS
    errors, plain, constant = (np.zeros(len(wanted)) for _ in range(3))
    compute = np.column_stack([np.ones(len(wanted)), logs.sum(axis=1)])
    coarse = np.vstack([theta[None, :], _starts()[::6]])
    for fold in range(FOLDS):
        out, inside = fold_of == fold, fold_of != fold
        fitted = _fit(logs[inside], wanted[inside], coarse, 1e-9)[0]
        errors[out] = np.abs(_predicted(fitted, logs[out]) - wanted[out])
        line = np.linalg.lstsq(compute[inside], wanted[inside], rcond=None)[0]
        plain[out] = np.abs(compute[out] @ line - wanted[out])
        constant[out] = np.abs(wanted[inside].mean() - wanted[out])
    return errors, plain, constant


def _t_interval(values: Floats) -> Interval:
    from scipy.stats import t

    number = len(values)
    half = float(t.ppf(0.975, number - 1)) * float(values.std(ddof=1)) / number**0.5
    return float(values.mean()) - half, float(values.mean()) + half
