"""Fits of mixtures, scaling and growth as lines and as JSON."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from factory.statistics.interval import Interval
from factory.statistics.mixing.fit_mixture import MixtureFit
from factory.statistics.mixing.growth import Growth
from factory.statistics.mixing.repeats import DataConstrained, RepeatsFit, effective_data
from factory.statistics.mixing.scaling import KAPLAN, ScalingFit

CANNOT = "cannot be told"


def mixture_lines(fit: MixtureFit) -> Iterator[str]:
    """How well each law predicts, and the best shares or why there are none."""
    for remark in fit.remarks:
        yield f"Note: {remark}."
    yield (
        f"{fit.points:,} rows of {fit.mixtures:,} different mixtures of {', '.join(fit.groups)}. Error of the weighted "
        "loss, on mixtures held out and on those fitted:"
    )
    for one in fit.held_out:
        if one.runs_off:
            yield (
                f"  {one.law:12} {CANNOT} held out (its fits run off beyond all losses measured), {one.in_sample:.4g} "
                f"fitted, {one.parameters} parameters: {one.source}"
            )
            continue
        better = "" if one.law == "mean" else f"; errs less than the mean by {_range(one.gain)}"
        verdict = "" if one.law == "mean" or one.useful else " (no better than the mean can be told)"
        yield (
            f"  {one.law:12} {one.error:.4g} held out, {one.in_sample:.4g} fitted, {one.parameters} parameters"
            f"{better}{verdict}: {one.source}"
        )
    if fit.shares is None:
        yield f"The best shares {CANNOT}: {fit.why}."
        return
    yield f"The best shares within the bounds, by {fit.law} (95 % interval; the mean of the mixtures tried beside it):"
    for group, share in fit.shares.items():
        yield f"  {group:16} {share:6.1%}  ({_percent(fit.intervals[group])}; {fit.plain[group]:.1%})"
    yield (
        f"Predicted loss {fit.loss:.5g}, lower than that of the mean mixture by {_range(fit.over)}. The law was "
        "chosen among "
        "those above by the error shown, which so looks a little too small."
    )
    if fit.beyond:
        yield f"No mixture tried had such a share of {', '.join(fit.beyond)}: train one more before you rely on it."
    yield f"For the step `mixture`:  shares: {{{_recipe(fit.shares)}}}"


def scaling_lines(fit: ScalingFit) -> Iterator[str]:
    """The law, its intervals and what is best for some compute, or why there is none."""
    yield (
        f"{fit.points:,} points. Mean error of the log loss on points held out: {fit.held_out:.4f}; a power law of the "
        f"compute alone {fit.baseline:.4f}; less than the mean's by {_range(fit.gain)}."
    )
    if fit.law is None or fit.intervals is None:
        yield f"A scaling law {CANNOT}: {fit.why}."
        return
    yield f"L(N, D) = E + A / N^alpha + B / D^beta, objective {fit.objective:.11f}:"
    for name in ("E", "A", "B", "alpha", "beta"):
        yield f"  {name:6} {getattr(fit.law, name):.6g}  ({_range(fit.intervals[name])})"
    share = fit.law.size_exponent
    yield (
        f"The best size grows as compute^{share:.3f} ({_range(fit.intervals['size_exponent'])}), its data as "
        f"compute^{1 - share:.3f}; Kaplan et al. have {KAPLAN['parameters']} and {KAPLAN['data']}."
    )
    for flop in (1e21, 1e23):
        parameters, tokens = fit.law.best(flop)
        yield f"  {flop:.0e} FLOP: {parameters:.3g} parameters, {tokens:.3g} tokens"
    if fit.repeats is not None:
        yield from _repeat_lines(fit.repeats)


def _repeat_lines(fit: RepeatsFit) -> Iterator[str]:
    yield (
        f"{fit.points:,} points with repeated data. Mean error of the log loss on points held out: {fit.held_out:.4f}; "
        f"where repeats count as new {fit.as_new:.4f}."
    )
    if fit.law is None or fit.intervals is None:
        yield f"What repeats are worth {CANNOT}: {fit.why}."
        return
    for name, value, published in (
        ("data_half_life", fit.law.data_half_life, DataConstrained().data_half_life),
        ("size_half_life", fit.law.size_half_life, DataConstrained().size_half_life),
    ):
        yield f"  {name} {value:.4g}  ({_range(fit.intervals[name])}; published {published:.4g})"
    worth = effective_data(1, 4, fit.law.data_half_life)
    yield f"Four epochs are worth {worth:.2f} of new data."


def growth_lines(fits: Sequence[Growth]) -> Iterator[str]:
    """A sentence for each task."""
    for fit in fits:
        yield fit.sentence()
        if fit.without_rows:
            yield f"  ({fit.without_rows} points at size 0 are not on the curve)"
    worths = sorted({fit.worth for fit in fits})
    yield f"Flat: gains within {' or '.join(f'{worth:g}' for worth in worths)} per 1,000 rows are none (`--worth`)."


def weight_lines(weights: Mapping[str, float]) -> Iterator[str]:
    """The weights, and as shares of a recipe."""
    for domain, weight in sorted(weights.items(), key=lambda item: (-item[1], item[0])):
        yield f"  {domain:16} {weight:.4f}"
    yield f"For the step `mixture`:  shares: {{{_recipe(weights)}}}"


def as_json(fit: object) -> Any:
    """A fit, or several, as plain JSON."""
    if dataclasses.is_dataclass(fit) and not isinstance(fit, type):
        return {field.name: as_json(getattr(fit, field.name)) for field in dataclasses.fields(fit)}
    if isinstance(fit, Mapping):
        return {str(key): as_json(value) for key, value in fit.items()}
    if isinstance(fit, (list, tuple)):
        return [as_json(one) for one in fit]
    return None if isinstance(fit, float) and fit != fit else fit


def _range(interval: Interval) -> str:
    return f"{interval[0]:.4g} to {interval[1]:.4g}"


def _percent(interval: Interval) -> str:
    return f"{interval[0]:.1%} to {interval[1]:.1%}"


def _recipe(shares: Mapping[str, float]) -> str:
    """Shares as YAML that sum to 1 as they are written."""
    units = {group: int(share * 10_000) for group, share in shares.items()}
    left = 10_000 - sum(units.values())
    by_remainder = sorted(shares, key=lambda group: (units[group] - shares[group] * 10_000, group))
    for group in by_remainder[:left]:
        units[group] += 1
    return ", ".join(f"{group}: {number / 10_000:g}" for group, number in units.items())
