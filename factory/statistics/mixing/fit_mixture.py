"""The best shares of a mixture, from the losses of proxies trained on other mixtures, where they can be told."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from factory.errors import InputError, nearest
from factory.statistics.arrays import Floats, Ints
from factory.statistics.interval import Interval
from factory.statistics.mixing.laws import LAWS, MEAN, Law, Predict

FOLDS, REPEATS = 5, 3
DRAWS = 40
"""Fits to mixtures drawn with replacement, for the intervals."""
TRIED = 20_000
"""Mixtures that are drawn within the bounds, to find the best."""
AVERAGED = 100
"""So many of the best of them are averaged where a law has no slope to follow (RegMix)."""


@dataclass(frozen=True, slots=True)
class HeldOut:
    """How well a law predicts mixtures that it was not fitted to.

    error: mean absolute error of the weighted loss that is minimised; in_sample: the same on what it was fitted to
    gain: interval of how much less it errs than the mean of the others; by mixture, corrected for the number of laws

    Error and gain are NaN where the fits run off: with a mean error larger than the whole range of the losses.
    """

    law: str
    source: str
    parameters: int
    error: float
    in_sample: float
    gain: Interval

    @property
    def useful(self) -> bool:
        """Whether it predicts better than the plain baseline."""
        return self.gain[0] > 0

    @property
    def runs_off(self) -> bool:
        """Whether its error cannot be told."""
        return self.error != self.error


@dataclass(frozen=True, slots=True)
class MixtureFit:
    """What the fit tells. `shares` is None where nothing can be told; `why` says why.

    mixtures: how many different ones there are; points: rows
    held_out: of each law, the plain baseline first
    law: the one that the shares are of
    shares: the best by group, and the interval of each
    loss: predicted for them, and `over`: interval of how much lower it is than at the plain mixture, the mean of all
    tried
    beyond: groups whose best share no mixture tried had
    """

    groups: tuple[str, ...]
    mixtures: int
    points: int
    held_out: tuple[HeldOut, ...]
    law: str = ""
    shares: Mapping[str, float] | None = None
    intervals: Mapping[str, Interval] = field(default_factory=dict)
    plain: Mapping[str, float] = field(default_factory=dict)
    loss: float = float("nan")
    over: Interval = (float("nan"), float("nan"))
    beyond: tuple[str, ...] = ()
    why: str = ""
    remarks: tuple[str, ...] = ()

    @property
    def told(self) -> bool:
        """Whether shares can be told."""
        return self.shares is not None


def fit_mixture(
    shares: Floats,
    losses: Floats,
    groups: Sequence[str],
    *,
    amounts: Floats | None = None,
    own: Sequence[int] | None = None,
    weights: Floats | None = None,
    bounds: Mapping[str, tuple[float, float]] | None = None,
    law: str = "",
    seed: int = 0,
) -> MixtureFit:
    """The shares with the lowest loss, within bounds, by the law that predicts mixtures best that it has not seen.

    Each law is fitted to four fifths of the mixtures and held against the rest, three times over; rows of one mixture
    (other steps, other sizes of data) are never on both sides. A law is used only where it errs less than the mean
    does; else nothing is told.

    shares: shape (n, groups), each row sums to 1
    losses: of the domains that are measured, shape (n, domains); lower is better
    amounts: rows or tokens of training data of each row, shape (n,); by default alike
    own: for each domain the place of its group, -1 for none; by default its own number where there are as many domains
        as groups
    weights: of the domains in what is minimised, shape (domains,); by default equal
    bounds: smallest and largest share of a group; by default those that were tried, so that nothing lies beyond them
    law: one of `LAWS`; by default the first of those that err least, as far as can be told, which makes its error look
            a little too small

    Raises:
        InputError: shares that do not sum to 1, a bound that cannot be held, or too few mixtures: says how many are
            needed.
    """
    shares, losses = np.asarray(shares, np.float64), np.asarray(losses, np.float64)
    losses = losses[:, None] if losses.ndim == 1 else losses
    from threadpoolctl import threadpool_limits

    check_shares(shares, losses, groups)
    if law and law not in LAWS:
        raise InputError(f"there is no law {law!r}{nearest(law, list(LAWS))}")
    number = losses.shape[1]
    sizes = np.ones(len(shares)) if amounts is None else np.asarray(amounts, np.float64)
    if not (np.isfinite(sizes).all() and (sizes > 0).all()):
        raise InputError("an amount of training data is not a number above 0: mend the table")
    owners = (
        list(own) if own is not None else (list(range(number)) if number == len(groups) else [-1] * number)
    )
    wanted = np.full(number, 1 / number) if weights is None else np.asarray(weights, np.float64)
    if (wanted < 0).any() or not wanted.sum() > 0:
        raise InputError("a weight of a loss is negative, or all are 0: give weights of 0 and more")
    wanted = wanted / wanted.sum()
    low, high = _bounds(shares, groups, bounds or {})
    names = np.unique(np.round(shares, 9), axis=0, return_inverse=True)[1].reshape(-1)
    mixtures = int(names.max()) + 1
    tried = [LAWS[law]] if law else list(LAWS.values())
    fits = [one for one in tried if _needed(one, len(groups)) <= mixtures]
    if not fits:
        one = min(tried, key=lambda each: _needed(each, len(groups)))
        raise InputError(
            f"{mixtures:,} different mixtures are too few: `{one.name}` has {one.parameters(len(groups))} parameters "
            "for "
            f"{len(groups)} groups, and at least {_needed(one, len(groups))} mixtures are needed to fit it and hold "
            "some out: train more proxies"
        )
    table = _Table(shares, sizes, losses, owners, names)
    # Threads of BLAS cost more than they bring on so few numbers.
    with threadpool_limits(1, user_api="blas"):
        return _fitted(fits, table, groups, wanted, (low, high), seed)


def _fitted(
    fits: Sequence[Law],
    table: _Table,
    groups: Sequence[str],
    wanted: Floats,
    bounds: tuple[Floats, Floats],
    seed: int,
) -> MixtureFit:
    names = table.names
    base = _held_out(MEAN, table, wanted, seed)
    outcomes = [(one, _held_out(one, table, wanted, seed)) for one in fits]
    measured = [HeldOut(MEAN.name, MEAN.source, 1, *_errors(base), (0.0, 0.0))]
    for one, found in outcomes:
        error, inside = _errors(found)
        gain = _gain(base[0] - found[0], names, len(fits))
        if not error <= np.ptp(table.losses @ wanted):
            error, gain = float("nan"), (float("nan"), float("nan"))
        measured.append(HeldOut(one.name, one.source, one.parameters(len(groups)), error, inside, gain))
    told = MixtureFit(tuple(groups), int(names.max()) + 1, len(names), tuple(measured))
    useful = [one for one in measured[1:] if one.useful]
    if not useful:
        return replace(
            told,
            why="no law predicts a mixture that it has not seen better than the mean of the others does: the losses "
            "may be noise, or the mixtures too few or too much alike",
        )
    errors = {one.name: own[0] for one, own in outcomes}
    least = errors[min(useful, key=lambda one: one.error).law]
    # Of those whose errors cannot be told apart from the least, the first.
    best = next(LAWS[one.law] for one in useful if _gain(errors[one.law] - least, names, 1)[0] <= 0)
    return _best_shares(told, best, table, wanted, bounds, seed)


def check_shares(shares: Floats, losses: Floats, groups: Sequence[str]) -> None:
    """Refuse shares that are no shares.

    Raises:
        InputError: says in which row, from 1, and why.
    """
    if shares.ndim != 2 or shares.shape[1] != len(groups) or len(shares) != len(losses):
        raise InputError(
            f"the shares are of shape {shares.shape}, the losses of {losses.shape}: they must be of "
            f"(mixtures, {len(groups)}) and (mixtures, losses)"
        )
    if not len(shares):
        raise InputError("there is no mixture to fit")
    for what, table in (("share", shares), ("loss", losses)):
        rows = np.flatnonzero(~np.isfinite(table).all(axis=1))
        if len(rows):
            raise InputError(f"row {rows[0] + 1}: a {what} is missing or no number")
    rows = np.flatnonzero((shares < 0).any(axis=1))
    if len(rows):
        at = int(rows[0])
        raise InputError(
            f"row {at + 1}: the share of {groups[int(np.argmin(shares[at]))]!r} is negative ({shares[at].min():g})"
        )
    sums = shares.sum(axis=1)
    rows = np.flatnonzero(np.abs(sums - 1) > 1e-3)
    if len(rows):
        raise InputError(f"row {rows[0] + 1}: the shares sum to {sums[rows[0]]:g}, not to 1")


@dataclass(frozen=True, slots=True)
class _Table:
    shares: Floats
    amounts: Floats
    losses: Floats
    own: Sequence[int]
    names: Ints

    def fit(self, law: Law, rows: Ints) -> list[Predict]:
        # In their own power of ten: the laws' limits and Huber's turn are for losses of a few nats.
        typical = float(np.median(np.abs(self.losses)))
        unit = 10.0 ** np.floor(np.log10(typical)) if typical > 0 else 1.0
        fitted = [
            law.fit(self.shares[rows], self.amounts[rows], self.losses[rows, at] / unit, own)
            for at, own in enumerate(self.own)
        ]
        return [lambda shares, amounts, one=one: one(shares, amounts) * unit for one in fitted]  # type: ignore[misc]


def _predicted(fitted: Sequence[Predict], shares: Floats, amounts: Floats) -> Floats:
    return np.column_stack([one(shares, amounts) for one in fitted])


def _needed(law: Law, groups: int) -> int:
    """Mixtures that leave the parameters and one more when a fifth is held out."""
    needed = law.parameters(groups) + 2
    while needed - -(-needed // FOLDS) < law.parameters(groups) + 1:
        needed += 1
    return needed


def _held_out(law: Law, table: _Table, weights: Floats, seed: int) -> tuple[Floats, float]:
    """The absolute error of each row's weighted loss, shape (n,), mean over the repeats, and the error in sample."""
    mixtures = int(table.names.max()) + 1
    chance = np.random.default_rng([seed, 1])
    errors = np.zeros(len(table.shares))
    for _ in range(REPEATS):
        fold_of = chance.permutation(mixtures) % min(FOLDS, mixtures)
        of_row = fold_of[table.names]
        for fold in range(min(FOLDS, mixtures)):
            out = np.flatnonzero(of_row == fold)
            fitted = table.fit(law, np.flatnonzero(of_row != fold))
            found = _predicted(fitted, table.shares[out], table.amounts[out])
            errors[out] += np.abs((found - table.losses[out]) @ weights) / REPEATS
    every = table.fit(law, np.arange(len(table.shares)))
    inside = np.abs((_predicted(every, table.shares, table.amounts) - table.losses) @ weights).mean()
    return errors, float(inside)


def _errors(errors: tuple[Floats, float]) -> tuple[float, float]:
    return float(errors[0].mean()), errors[1]


def _gain(less: Floats, names: Ints, laws: int) -> Interval:
    """Student's interval of the mean over mixtures of how much less a law errs, for so many laws at once."""
    from scipy.stats import t

    by_mixture = np.bincount(names, less) / np.bincount(names)
    number = len(by_mixture)
    mean = float(by_mixture.mean())
    half = float(t.ppf(1 - 0.025 / laws, number - 1)) * float(by_mixture.std(ddof=1)) / number**0.5
    return mean - half, mean + half


def _bounds(
    shares: Floats, groups: Sequence[str], asked: Mapping[str, tuple[float, float]]
) -> tuple[Floats, Floats]:
    for group in asked:
        if group not in groups:
            raise InputError(
                f"a bound names the group {group!r}, which has no share{nearest(group, list(groups))}"
            )
    low, high = shares.min(axis=0), shares.max(axis=0)
    for at, group in enumerate(groups):
        if group in asked:
            low[at], high[at] = asked[group]
            if not 0 <= low[at] <= high[at] <= 1:
                raise InputError(
                    f"the bounds of {group!r}, {low[at]:g} to {high[at]:g}, are no shares from 0 to 1"
                )
    if low.sum() > 1 + 1e-9 or high.sum() < 1 - 1e-9:
        raise InputError(
            f"the bounds cannot be held: the least shares sum to {low.sum():g}, the largest to {high.sum():g}, and 1 "
            "must lie between"
        )
    return low, high


def _draw(low: Floats, high: Floats, number: int, chance: np.random.Generator) -> Floats:
    """Mixtures within the bounds, shape (number, groups): what the least leave is shared out up to the largest."""
    left = 1 - low.sum()
    raw = low + left * chance.dirichlet(np.full(len(low), 0.7), number)
    for _ in range(len(low)):
        over = np.maximum(raw - high, 0.0)
        raw = raw - over
        room = high - raw
        raw = raw + over.sum(axis=1, keepdims=True) * room / np.maximum(
            room.sum(axis=1, keepdims=True), 1e-12
        )
    return np.asarray(raw)


def _search(
    law: Law,
    fitted: Sequence[Predict],
    weights: Floats,
    bounds: tuple[Floats, Floats],
    amount: float,
    drawn: Floats,
) -> Floats:
    """The mixture with the lowest weighted loss."""

    def loss(shares: Floats) -> Floats:
        return np.asarray(_predicted(fitted, shares, np.full(len(shares), amount)) @ weights)

    order = np.argsort(loss(drawn), kind="stable")
    if not law.smooth:
        return np.asarray(drawn[order[:AVERAGED]].mean(axis=0))
    from scipy.optimize import minimize

    low, high = bounds
    spread = float(np.ptp(loss(drawn))) or 1.0  # the search stops by what it gains, in these units
    found = minimize(
        lambda one: float(loss(one[None, :])[0]) / spread,
        drawn[order[0]],
        method="SLSQP",
        bounds=list(zip(low, high, strict=True)),
        constraints=[{"type": "eq", "fun": lambda one: float(one.sum() - 1)}],
    )
    polished = np.clip(found.x, low, high)
    polished = polished / polished.sum()
    better = bool(loss(polished[None, :])[0] <= loss(drawn[order[:1]])[0] + 1e-12)
    return np.asarray(polished if better else drawn[order[0]])


def _best_shares(
    told: MixtureFit, law: Law, table: _Table, weights: Floats, bounds: tuple[Floats, Floats], seed: int
) -> MixtureFit:
    chance = np.random.default_rng([seed, 2])
    amount = float(table.amounts.max())
    drawn = _draw(*bounds, TRIED, chance)
    mixtures = int(table.names.max()) + 1
    rows_of = [np.flatnonzero(table.names == name) for name in range(mixtures)]
    plain = np.array([table.shares[rows[0]] for rows in rows_of]).mean(axis=0)

    def outcome(rows: Ints, tried: Floats) -> tuple[Floats, list[Predict]]:
        fitted = table.fit(law, rows)
        return _search(law, fitted, weights, bounds, amount, tried), fitted

    def at(fitted: Sequence[Predict], shares: Floats) -> float:
        return float((_predicted(fitted, shares[None, :], np.array([amount])) @ weights)[0])

    best, fitted = outcome(np.arange(len(table.shares)), drawn)
    found, over = [], []
    for _ in range(DRAWS):
        rows = np.concatenate([rows_of[name] for name in chance.integers(0, mixtures, mixtures)])
        one, drawn_fit = outcome(rows, drawn[:2000])
        found.append(one)
        over.append(at(drawn_fit, plain) - at(drawn_fit, best))
    low, high = np.percentile(found, [2.5, 97.5], axis=0)
    less = (float(np.percentile(over, 2.5)), float(np.percentile(over, 97.5)))
    if less[0] <= 0:
        return replace(
            told,
            law=law.name,
            why=f"`{law.name}` predicts losses, but whether its best shares have a lower one than the mean of the "
            f"mixtures tried cannot be told: the interval of the difference is {less[0]:.4g} to {less[1]:.4g}",
        )
    least, most = table.shares.min(axis=0), table.shares.max(axis=0)
    groups = told.groups
    return replace(
        told,
        law=law.name,
        shares={group: float(best[at]) for at, group in enumerate(groups)},
        intervals={
            group: (min(float(low[at]), float(best[at])), max(float(high[at]), float(best[at])))
            for at, group in enumerate(groups)
        },
        plain={group: float(plain[at]) for at, group in enumerate(groups)},
        loss=at(fitted, best),
        over=less,
        beyond=tuple(
            group for at, group in enumerate(groups) if not least[at] - 1e-6 <= best[at] <= most[at] + 1e-6
        ),
    )
