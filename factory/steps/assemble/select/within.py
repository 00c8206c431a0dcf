"""Choosing within groups, and up to a number of tokens: any method, one way."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from factory.errors import RunStopped
from factory.statistics.arrays import Ints
from factory.steps.assemble.select.pool import Choice, Method, Pool, Settings
from factory.steps.assemble.select.quota import proportional_quotas

ROUNDS = 8
"""Choices that are tried until the tokens fit."""
CLOSE = 0.99
"""A share of the tokens that is near enough."""


def choose_within(
    method: Method,
    pool: Pool,
    size: int,
    random: np.random.Generator,
    settings: Settings,
    groups: Sequence[str] = (),
) -> Choice:
    """Choose `size` rows, where there are groups of each its share of the pool; all rows where there are no more.

    groups: each row's, such as its task

    Raises:
        RunStopped: there are more groups than rows to choose.
    """
    if size >= len(pool):
        return Choice(np.arange(len(pool)))
    if not groups:
        return method.pick(pool, size, random, settings)
    members: dict[str, list[int]] = {}
    for row, group in enumerate(groups):
        members.setdefault(group, []).append(row)
    if len(members) > size:
        raise RunStopped(
            f"{len(members):,} groups cannot share {size:,} rows: stratify by a field with fewer values, or by none"
        )
    quotas = proportional_quotas({group: len(rows) for group, rows in members.items()}, size)
    chosen, told, fewer, doubt = [], {}, "", ""
    for group in sorted(members):
        rows = np.array(members[group], np.int64)
        part = (
            choose_within(method, pool.take(rows), quotas[group], random, settings) if quotas[group] else None
        )
        if part is not None:
            chosen.append(rows[part.rows])
            told[group or "(none)"] = dict(part.facts)
            fewer = fewer or (part.why_fewer and f"{group or '(none)'}: {part.why_fewer}")
            doubt = doubt or (part.doubt and f"{group or '(none)'}: {part.doubt}")
    facts = (
        {"strata": len(members)} if len(members) > 20 else {"by_stratum": told} if any(told.values()) else {}
    )
    return Choice(np.concatenate(chosen), facts, fewer, doubt)


def choose_tokens(choose: Callable[[int], Choice], tokens: Ints, budget: int) -> Choice:
    """The choice whose tokens come nearest to `budget` and do not pass it, of those tried; the last chosen rows go
    where the nearest one still does.

    choose: so many rows
    tokens: of each row, shape (rows,)

    Raises:
        RunStopped: not even one row fits.
    """
    size = max(1, min(len(tokens), int(budget / max(1.0, float(tokens.mean())))))
    best, over = None, None
    for _ in range(ROUNDS):
        choice = choose(size)
        total = int(tokens[choice.rows].sum())
        if total <= budget:
            if best is None or total > best[0]:
                best = total, choice
            if total >= CLOSE * budget or size == len(tokens) or choice.why_fewer:
                break
        elif over is None or total < over[0]:
            over = total, choice
        wanted = max(1, min(len(tokens), int(size * budget / max(1, total))))
        if wanted == size:
            break
        size = wanted
    if over is not None and (best is None or best[0] < CLOSE * budget):
        fits = np.cumsum(tokens[over[1].rows]) <= budget
        rows = over[1].rows[: int(fits.sum())]
        if len(rows) and (best is None or tokens[rows].sum() > best[0]):
            return over[1]._replace(rows=rows, why_fewer="")
    if best is None:
        raise RunStopped(f"not one row has {budget:,} tokens or fewer of those chosen first: raise `tokens`")
    return best[1]
