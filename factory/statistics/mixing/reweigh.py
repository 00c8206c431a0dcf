"""Weights of domains from how a small proxy model learns them: the update rules of DoReMi and DoGE."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from factory.errors import InputError
from factory.statistics.arrays import Floats, Ints


def excess_losses(proxy: Floats, reference: Floats, domains: Ints, number: int) -> Floats:
    """The excess loss of each domain in a batch, shape (number,): DoReMi clips each token at 0, then takes the mean.

    proxy, reference: the losses of each token, shape (tokens,); domains: of each token, shape (tokens,)
    A domain without a token in the batch is NaN.
    """
    over = np.maximum(np.asarray(proxy, np.float64) - np.asarray(reference, np.float64), 0.0)
    tokens = np.bincount(domains, minlength=number)
    with np.errstate(invalid="ignore"):
        return np.asarray(np.bincount(domains, over, minlength=number) / np.where(tokens, tokens, np.nan))


def doremi(
    excess: Floats, *, start: Floats | None = None, eta: float = 1.0, smoothing: float = 1e-3
) -> Floats:
    """DoReMi's weights (arXiv 2305.10429), shape (domains,): the mean over the steps of proxy training.

    At each step log w += eta * excess, normalised, and then w = (1 - smoothing) w + smoothing / domains. The paper's
    own script has a smoothing of 1e-3, its code's default is 1e-4.

    excess: of each step and domain (`excess_losses`), shape (steps, domains); NaN, a domain that was not in the batch,
        keeps its last
    start: the weights before the first step, by default equal

    Raises:
        InputError: an excess is negative (it is clipped by token, before the mean), or weights are.
    """
    steps = np.asarray(excess, np.float64)
    weights = _start(start, steps.shape[1])
    if (steps < 0).any():
        raise InputError(
            "an excess loss is negative: DoReMi clips each token's at 0 before it takes the mean"
        )
    total, last = np.zeros(len(weights)), np.zeros(len(weights))
    for step in steps:
        last = np.where(np.isnan(step), last, step)
        weights = _softmax(np.log(weights) + eta * last)
        weights = (1 - smoothing) * weights + smoothing / len(weights)
        total += weights
    return np.asarray(total / len(steps))


def doge(
    dots: Floats,
    rates: Sequence[float],
    *,
    targets: Sequence[int] | None = None,
    start: Floats | None = None,
    mu: float = 0.05,
    smoothing: float = 0.0,
) -> Floats:
    """DoGE's weights (arXiv 2310.15393), shape (domains,): the mean over the updates of proxy training.

    A domain's score is the learning rate times the inner product of its gradient with the sum of the targets', its own
    left out where the targets are all domains, over the mean length of the gradients; clipped to 0 and five times the
    rate. Then log w += score / mu, from the weights before.

    dots: inner products of the domains' gradients at each update, shape (updates, domains, domains)
    rates: the learning rate at each update
    targets: the places of the domains that are to gain, by default all

    Raises:
        InputError: the shapes do not fit, or weights are negative.
    """
    products = np.asarray(dots, np.float64)
    if products.ndim != 3 or products.shape[1] != products.shape[2] or len(rates) != len(products):
        raise InputError(
            f"the inner products are of shape {products.shape} with {len(rates)} rates: they must be of (updates, "
            "domains, domains), with a rate for each update"
        )
    number = products.shape[1]
    weights = _start(start, number)
    wanted = list(range(number)) if targets is None else list(targets)
    everything = sorted(wanted) == list(range(number))
    total = np.zeros(number)
    for product, rate in zip(products, rates, strict=True):
        lengths = np.sqrt(np.maximum(np.diag(product), 0.0))
        aligned = product[:, wanted].sum(axis=1) - (np.diag(product) if everything else 0.0)
        score = np.clip(rate * aligned / (lengths.mean() + 1e-6), 0.0, 5 * rate)
        weights = _softmax(np.log(weights) + score / mu)
        weights = (1 - smoothing) * weights + smoothing / number
        total += weights
    return np.asarray(total / len(products))


def _start(weights: Floats | None, number: int) -> Floats:
    if weights is None:
        return np.full(number, 1 / number)
    given = np.asarray(weights, np.float64)
    if len(given) != number or (given <= 0).any():
        raise InputError(f"the weights to start from must be {number} numbers above 0")
    return np.asarray(given / given.sum())


def _softmax(logs: Floats) -> Floats:
    raised = np.exp(logs - logs.max())
    return np.asarray(raised / raised.sum())
