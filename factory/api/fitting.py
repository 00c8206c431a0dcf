"""Fits on a table of one's own: the best shares of a mixture, a scaling law, growth by task, weights by a proxy."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np

from factory.errors import InputError, nearest
from factory.statistics.arrays import Floats
from factory.statistics.mixing import fit_mixture as mixtures
from factory.statistics.mixing import growth, repeats, reweigh, scaling

ROUNDED = 0.02
"""By so much the shares of a row may miss a sum of 1, as rounded ones do."""
Data = str | Path | Iterable[Mapping[str, Any]]
"""A file of rows (JSON lines, JSON, CSV, TSV, Parquet), or the rows themselves."""


class Row(NamedTuple):
    """A row of the table and where it stands, for what is said of it."""

    place: str
    values: Mapping[str, Any]


def fit_mixture(
    data: Data,
    *,
    shares: str = "p_",
    losses: str = "loss_",
    of: Mapping[str, float] | None = None,
    amount: str = "",
    bounds: Mapping[str, tuple[float, float]] | None = None,
    law: str = "",
    where: Mapping[str, str] | None = None,
    encoding: str = "",
    seed: int = 0,
) -> mixtures.MixtureFit:
    """The shares with the lowest loss, from the losses of models trained on other mixtures, where they can be told.

    Args:
        data: a row for each trained model, with a column for each group's share and one for each loss
        shares, losses: what the names of these columns begin with; the rest is the group's name. Or the columns
            themselves, with commas between them. Shares that sum to 100 are percent; those that miss 1 by
            rounding, 0.02 at the most, are brought to it, and `remarks` says so
        of: the losses to minimise, each with its weight; by default those named as groups, or else all, alike
        amount: the column with the rows or tokens that each model was trained on
        bounds: smallest and largest share by group; by default those that were tried
        law: sft, exponential, linear or tree; by default the first of those that predict best
        where: columns and the values that rows must have in them
        encoding: what a file's text is in, such as gb18030; by default UTF-8, or what its mark says

    Raises:
        InputError: the table lacks something; says in which row and what.
    """
    rows = read_rows(data, where, encoding)
    names = _columns(rows, shares, "shares", "shares")
    measured = _columns(rows, losses, "losses", "losses")
    groups = [_group(name, shares) for name in names]
    found = [_group(name, losses) for name in measured]
    for name in of or ():
        if name not in found:
            raise InputError(f"there is no column of a loss {name!r} to minimise{nearest(name, found)}")
    wanted = list(of) if of else [name for name in found if name in groups] or found
    mixtures_of, remarks = _shares(rows, names)
    fit = mixtures.fit_mixture(
        mixtures_of,
        np.column_stack([_numbers(rows, measured[found.index(name)]) for name in wanted]),
        groups,
        amounts=_numbers(rows, amount) if amount else None,
        own=[groups.index(name) if name in groups else -1 for name in wanted],
        weights=np.array([of[name] for name in wanted]) if of else None,
        bounds=bounds,
        law=law,
        seed=seed,
    )
    return replace(fit, remarks=remarks)


def fit_scaling(
    data: Data,
    *,
    parameters: str = "parameters",
    tokens: str = "",
    flop: str = "",
    loss: str = "loss",
    unique: str = "",
    drop_highest: int = 0,
    where: Mapping[str, str] | None = None,
    encoding: str = "",
    seed: int = 0,
) -> scaling.ScalingFit:
    """Chinchilla's law of the loss over parameters and tokens, where it can be told.

    Args:
        data: a row for each trained model
        parameters, tokens, loss: the columns of each; tokens by default "tokens"
        flop: the column of the compute, from which the tokens come as flop / (6 parameters)
        unique: the column of how many tokens are different, where some models saw their data more than once: the law is
            fitted to the others, and then how fast repeats lose their worth (arXiv 2305.16264) to these
        drop_highest: so many of the points with the highest loss are left out, as is done where training failed

    Raises:
        InputError: the table lacks something, or has too few points.
    """
    rows = read_rows(data, where, encoding)
    sizes, losses = _numbers(rows, parameters), _numbers(rows, loss)
    if flop:
        with np.errstate(divide="ignore", invalid="ignore"):
            read = _numbers(rows, flop) / 6 / sizes
    else:
        read = _numbers(rows, tokens or "tokens")
    kept = np.sort(np.argsort(losses, kind="stable")[: max(0, len(losses) - drop_highest)])
    if not unique:
        return scaling.fit_scaling(sizes[kept], read[kept], losses[kept], seed=seed)
    different = _numbers(rows, unique)
    fresh = kept[read[kept] <= different[kept]]
    fit = scaling.fit_scaling(sizes[fresh], read[fresh], losses[fresh], seed=seed)
    if fit.law is None:
        return fit
    law = fit.law
    base = repeats.DataConstrained(law.A, law.B, law.E, law.alpha, law.beta)
    found = repeats.fit_repeats(sizes[kept], read[kept], different[kept], losses[kept], base, seed=seed)
    return replace(fit, repeats=found)


def fit_growth(
    data: Data,
    *,
    task: str = "task",
    size: str = "size",
    score: str = "score",
    worth: float | None = None,
    where: Mapping[str, str] | None = None,
    encoding: str = "",
) -> list[growth.Growth]:
    """How much each task still gains per 1,000 rows, and where it is flat.

    Args:
        data: a row for each evaluation: the task, how many rows it was trained on, and its score
        worth: the smallest gain per 1,000 rows that is one

    Raises:
        InputError: the table lacks something, or a task has too few points.
    """
    rows = read_rows(data, where, encoding)
    tasks = [str(row.values[task]) if row.values.get(task) not in (None, "") else "" for row in rows]
    if not any(tasks):
        _missing(rows, task)
    return growth.fit_growths(tasks, _numbers(rows, size), _numbers(rows, score), worth=worth)


def fit_weights(
    data: Data,
    rule: Literal["doremi", "doge"],
    *,
    targets: Sequence[str] = (),
    eta: float = 1.0,
    smoothing: float | None = None,
    mu: float = 0.05,
    encoding: str = "",
) -> tuple[dict[str, float], str]:
    """Weights of domains by DoReMi or DoGE, from what a proxy model was logged to do, and a remark, if any.

    Args:
        data: a row for each step. doremi: `excess_DOMAIN`, the mean of the tokens' clipped excess losses, or
            `proxy_DOMAIN` and `reference_DOMAIN`, mean losses. doge: `lr`, and `dots`, an object of objects: of each
            two domains the inner product of their gradients
        targets: doge: the domains that are to gain; by default all

    Raises:
        InputError: the table lacks something.
    """
    rows = read_rows(data, None, encoding)
    if rule == "doge":
        return _doge(rows, targets, mu, 0.0 if smoothing is None else smoothing), ""
    remark = ""
    names = sorted({name for row in rows for name in row.values if name.startswith("excess_")})
    if names:
        domains = [name.removeprefix("excess_") for name in names]
        excess = np.column_stack([_numbers(rows, name, gaps=True) for name in names])
    else:
        names = _columns(rows, "proxy_", "excess losses", "")
        domains = [name.removeprefix("proxy_") for name in names]
        excess = np.maximum(
            np.column_stack(
                [
                    _numbers(rows, name, gaps=True) - _numbers(rows, f"reference_{domain}", gaps=True)
                    for name, domain in zip(names, domains, strict=True)
                ]
            ),
            0.0,
        )
        remark = (
            "the excess is clipped after the mean of each domain; DoReMi clips it token by token: log "
            "`excess_DOMAIN` to "
            "have its own rule"
        )
    weights = reweigh.doremi(excess, eta=eta, smoothing=1e-3 if smoothing is None else smoothing)
    return dict(zip(domains, weights.tolist(), strict=True)), remark


def _doge(rows: Sequence[Row], targets: Sequence[str], mu: float, smoothing: float) -> dict[str, float]:
    first = rows[0].values.get("dots")
    if not isinstance(first, Mapping) or not first:
        _missing(rows, "dots")
    assert isinstance(first, Mapping)
    domains = list(first)
    for target in targets:
        if target not in domains:
            raise InputError(f"there is no domain {target!r}{nearest(target, domains)}")
    products = []
    for row in rows:
        try:
            products.append([[float(row.values["dots"][one][two]) for two in domains] for one in domains])
        except (KeyError, TypeError, ValueError):
            raise InputError(
                f"{row.place}: `dots` is no object of objects with a number for each two of {', '.join(domains)}"
            ) from None
    weights = reweigh.doge(
        np.array(products),
        _numbers(rows, "lr").tolist(),
        targets=[domains.index(target) for target in targets] or None,
        mu=mu,
        smoothing=smoothing,
    )
    return dict(zip(domains, weights.tolist(), strict=True))


def read_rows(data: Data, where: Mapping[str, str] | None, encoding: str = "") -> list[Row]:
    """The rows of a table that have these values.

    Raises:
        InputError: the file cannot be read, or no row is left.
    """
    if isinstance(data, (str, Path)):
        from factory.data.formats.reference import reference_rows

        def refuse(sentence: str) -> None:
            raise InputError(sentence.removeprefix("left out: "))

        rows = [
            Row(f"{data}:{place}", values) for place, values in reference_rows(Path(data), refuse, encoding)
        ]
        named = str(data)
    else:
        rows = [Row(f"row {place}", values) for place, values in enumerate(data, start=1)]
        named = "the table"
    for column, value in (where or {}).items():
        if not any(column in row.values for row in rows):
            raise InputError(f"{named}: there is no column {column!r}{nearest(column, _names(rows))}")
        there = sorted({str(row.values.get(column)) for row in rows})
        rows = [row for row in rows if str(row.values.get(column)) == value]
        if not rows:
            raise InputError(f"{named}: no row has {column} = {value}; there are: {', '.join(there[:12])}")
    if not rows:
        raise InputError(f"{named} has no row")
    return rows


def _names(rows: Sequence[Row]) -> list[str]:
    return list(dict.fromkeys(name for row in rows for name in row.values))


def _group(name: str, prefix: str) -> str:
    return name if "," in prefix else name.removeprefix(prefix)


def _shares(rows: Sequence[Row], names: Sequence[str]) -> tuple[Floats, tuple[str, ...]]:
    """The shares of each row, shape (rows, names), brought to a sum of 1 where that is rounding or percent."""
    remarks = []
    found = np.column_stack([_numbers(rows, name, percent=True) for name in names])
    if len(below := np.argwhere(found < 0)):
        at, column = below[0]
        raise InputError(f"{rows[at].place}: the share {names[column]} is negative ({found[at, column]:g})")
    sums = found.sum(axis=1)
    if len(sums) and (np.abs(sums - 100) <= 2).all():
        remarks.append("the shares sum to 100, and are read as percent")
        found, sums = found / 100, sums / 100
    over = np.flatnonzero(np.abs(sums - 1) > ROUNDED + 1e-9)
    if len(over):
        raise InputError(f"{rows[over[0]].place}: the shares sum to {sums[over[0]]:g}, not to 1")
    rounded = int((np.abs(sums - 1) > 1e-6).sum())
    if rounded:
        remarks.append(
            f"the shares of {rounded:,} rows miss a sum of 1 by up to {np.abs(sums - 1).max():.2g}, and are brought "
            "to it"
        )
    return found / sums[:, None], tuple(remarks)


def _columns(rows: Sequence[Row], prefix: str, what: str, option: str) -> list[str]:
    if "," in prefix:
        listed = [name.strip() for name in prefix.split(",") if name.strip()]
        for name in listed:
            if name not in _names(rows):
                _missing(rows, name)
        return list(dict.fromkeys(listed))
    names = [name for name in _names(rows) if name.startswith(prefix) and name != prefix]
    if not names:
        named = f"; `{option}` says what they begin with, or which they are: A,B,C" if option else ""
        raise InputError(
            f"there is no column of {what}: none begins with {prefix!r}; there are: {', '.join(_names(rows)[:20])}"
            + named
        )
    return names


def _missing(rows: Sequence[Row], column: str) -> None:
    names = _names(rows)
    raise InputError(
        f"there is no column {column!r}{nearest(column, names)}; there are: {', '.join(names[:20])}"
    )


def _numbers(rows: Sequence[Row], column: str, *, gaps: bool = False, percent: bool = False) -> Floats:
    """A column as numbers, shape (rows,); `gaps`: empty places are NaN; `percent`: "12 %" is 0.12."""
    if not any(column in row.values for row in rows):
        _missing(rows, column)
    found = []
    for row in rows:
        value = row.values.get(column)
        if gaps and value in (None, ""):
            found.append(math.nan)
            continue
        unit = 1.0
        if percent and isinstance(value, str) and value.rstrip().endswith(("%", "\uff05")):
            value, unit = value.rstrip()[:-1], 0.01
        try:
            number = unit * float(value) if not isinstance(value, bool) else math.nan  # type: ignore[arg-type]
        except (TypeError, ValueError):
            number = math.nan
        if not math.isfinite(number):
            raise InputError(f"{row.place}: {column} is {row.values.get(column)!r}, no number")
        found.append(number)
    return np.array(found)
