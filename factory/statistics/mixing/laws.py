"""Laws of the loss over a mixture's shares: each is fitted to losses of trained proxies, and predicts new ones."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from factory.statistics.arrays import Floats

Predict: TypeAlias = Callable[[Floats, Floats], Floats]
"""Losses, shape (n,), at shares of shape (n, groups) and amounts of data of shape (n,)."""
Fit: TypeAlias = Callable[[Floats, Floats, Floats, int], Predict]
"""Fits losses, shape (n,), to shares, amounts, and the place of the loss's own group among them, -1 for none."""

HUBER = 0.05
"""Where the Huber loss of the Data Mixing Laws turns linear (their notebook)."""


@dataclass(frozen=True, slots=True)
class Law:
    """A law of one loss over the shares.

    parameters: how many it fits for one loss, of the number of groups
    smooth: a search along its slope makes sense
    """

    name: str
    source: str
    fit: Fit
    parameters: Callable[[int], int]
    smooth: bool = True


def fit_mean(shares: Floats, amounts: Floats, losses: Floats, own: int) -> Predict:
    """The plain baseline: the mean loss, whatever the shares."""
    mean = float(losses.mean())
    return lambda shares, amounts: np.full(len(shares), mean)


def fit_linear(shares: Floats, amounts: Floats, losses: Floats, own: int) -> Predict:
    """A weight for each group; as the shares sum to 1, there is no intercept."""
    weights = np.linalg.lstsq(shares, losses, rcond=None)[0]
    return lambda shares, amounts: np.asarray(shares @ weights)


def fit_exponential(shares: Floats, amounts: Floats, losses: Floats, own: int) -> Predict:
    """c + exp(sum_j t_j r_j): the Data Mixing Law, its k within the t_j, as the shares sum to 1.

    Fitted by the Huber loss of the residuals from several starts.
    """
    from scipy.optimize import least_squares

    low, high = float(losses.min()), float(losses.max())
    spread = max(high - low, 1e-9)

    def predicted(theta: Floats, shares: Floats) -> Floats:
        return np.asarray(theta[0] + np.exp(np.clip(shares @ theta[1:], -60, 60)))

    def slopes(theta: Floats) -> Floats:
        return np.column_stack(
            [np.ones(len(shares)), shares * np.exp(np.clip(shares @ theta[1:], -60, 60))[:, None]]
        )

    found = []
    for below in (0.02, 0.3, 1.0):
        c = low - below * spread
        t = np.linalg.lstsq(shares, np.log(losses - c), rcond=None)[0]
        fitted = least_squares(
            lambda theta: predicted(theta, shares) - losses,
            np.concatenate([[c], t]),
            jac=slopes,
            loss="huber",
            f_scale=HUBER,
            max_nfev=400,
        )
        found.append((float(fitted.cost), fitted.x))
    theta = min(found, key=lambda one: one[0])[1]
    return lambda shares, amounts: predicted(theta, shares)


def fit_sft(shares: Floats, amounts: Floats, losses: Floats, own: int) -> Predict:
    """C (N_i + k D^a)^-b + E: N_i is the group's own data, k D^a what all other data, D, is worth to it.

    Of a loss that is no group's own, N_i is all data, and k is 0. Amounts are taken in units of their mean, so that k
    is of the order of 1; b and a of 0 to 2, as the paper's.
    """
    from scipy.optimize import least_squares

    unit = float(amounts.mean())

    def parts(shares: Floats, amounts: Floats) -> tuple[Floats, Floats]:
        total = amounts / unit
        one = shares[:, own] * total if own >= 0 else total
        return np.asarray(one), np.maximum(total - one, 0.0)

    def terms(theta: Floats, one: Floats, other: Floats) -> tuple[Floats, Floats, Floats, Floats]:
        log_c, log_k, a, b, _ = theta
        logs = np.log(np.maximum(other, 1e-12))
        lent = np.exp(log_k + a * logs)
        effective = np.maximum(one + lent, 1e-9)
        return np.exp(log_c - b * np.log(effective)), lent, effective, logs

    def predicted(theta: Floats, one: Floats, other: Floats) -> Floats:
        return np.asarray(terms(theta, one, other)[0] + theta[4])

    def slopes(theta: Floats) -> Floats:
        power, lent, effective, logs = terms(theta, one, other)
        by_k = -theta[3] * power * lent / effective
        return np.column_stack([power, by_k, by_k * logs, -power * np.log(effective), np.ones(len(one))])

    one, other = parts(shares, amounts)
    low, spread = float(losses.min()), max(float(np.ptp(losses)), 1e-9)
    most = [np.log(spread) + 12, 7.0 if own >= 0 else -29.0, 2.0, 2.0, low + spread]
    least = [np.log(spread) - 12, -12.0 if own >= 0 else -31.0, 0.0, 1e-3, min(0.0, low - 20 * spread)]
    found = []
    for b, log_k in ((0.1, -3.0), (0.5, -0.7)):
        start = np.clip([np.log(spread), log_k, 0.7, b, low - 0.5 * spread], least, most)
        fitted = least_squares(
            lambda theta: predicted(theta, one, other) - losses,
            start,
            jac=slopes,
            bounds=(least, most),
            loss="huber",
            f_scale=HUBER,
            x_scale="jac",
            max_nfev=60,
        )
        found.append((float(fitted.cost), fitted.x))
    theta = min(found, key=lambda each: each[0])[1]
    return lambda shares, amounts: predicted(theta, *parts(shares, amounts))


def fit_tree(shares: Floats, amounts: Floats, losses: Floats, own: int) -> Predict:
    """Boosted regression trees over the shares and, where it differs, the amount of data."""
    from sklearn.ensemble import GradientBoostingRegressor

    model = GradientBoostingRegressor(
        n_estimators=100, learning_rate=0.1, max_depth=3, subsample=1.0, random_state=0
    )
    model.fit(np.column_stack([shares, amounts]), losses)
    return lambda shares, amounts: np.asarray(model.predict(np.column_stack([shares, amounts])))


LAWS: Mapping[str, Law] = {
    law.name: law
    for law in (
        Law("sft", "the SFT mixing law, arXiv 2508.11953", fit_sft, lambda groups: 5),
        Law("exponential", "Data Mixing Laws, arXiv 2403.16952", fit_exponential, lambda groups: groups + 1),
        Law("linear", "RegMix with a linear model, arXiv 2407.01492", fit_linear, lambda groups: groups),
        Law("tree", "RegMix with boosted trees, arXiv 2407.01492", fit_tree, lambda groups: 2, smooth=False),
    )
}
"""By name, in the order in which they are tried; of equals the first is taken."""
MEAN = Law("mean", "the plain baseline: the mean loss", fit_mean, lambda groups: 1)
