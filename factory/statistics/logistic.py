"""Logistic regression with a ridge, small enough to need no library."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

STEPS = 100
_LARGEST = 30.0  # logits beyond this are certain already, and exp() of them needs no care


def sigmoid(logits: NDArray[np.float64]) -> NDArray[np.float64]:
    """1 / (1 + exp(-x)), for any size of x."""
    probabilities: NDArray[np.float64] = 1 / (1 + np.exp(-np.clip(logits, -_LARGEST, _LARGEST)))
    return probabilities


def fit_logistic(
    features: NDArray[np.float64], targets: NDArray[np.float64], penalty: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Weights w, shape (d,), that minimise cross-entropy(targets, sigmoid(features w)) + sum(penalty w^2) / 2.

    features: shape (n, d); a column of ones is the intercept
    targets: shape (n,), from 0 to 1
    penalty: shape (d,), above 0, so that the minimum is unique even where the targets can be told apart
        without error

    Newton's method with step halving: the loss is convex, so that it ends at the minimum.
    """
    weights = np.zeros(features.shape[1])

    def loss(at: NDArray[np.float64]) -> float:
        logits = features @ at
        return float(np.sum(np.logaddexp(0, logits) - targets * logits) + penalty @ at**2 / 2)

    before = loss(weights)
    for _ in range(STEPS):
        likely = sigmoid(features @ weights)
        gradient = features.T @ (likely - targets) + penalty * weights
        curvature = (features * (likely * (1 - likely))[:, None]).T @ features + np.diag(penalty)
        step = np.linalg.solve(curvature, gradient)
        size = 1.0
        while size > 1e-6 and loss(weights - size * step) > before:
            size /= 2
        weights = weights - size * step
        now = loss(weights)
        if before - now < 1e-9 * (1 + abs(before)):
            break
        before = now
    return weights
