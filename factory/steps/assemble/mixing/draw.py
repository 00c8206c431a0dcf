"""Which rows of a group a mixture takes, and how often."""

from __future__ import annotations

import numpy as np

from factory.data.table import Table
from factory.data.user_columns import known_scores, score_values
from factory.errors import RunStopped, nearest
from factory.statistics.arrays import Floats, Ints
from factory.step import Context
from factory.steps.assemble.select.expression import Expression


def order_of(members: Ints, scores: Floats | None, random: np.random.Generator) -> Ints:
    """The rows of a group in the order in which they are taken: highest score first, equals as they are drawn.

    members: in an order that does not depend on that of the file; a row without a score (NaN) comes last
    """
    drawn = random.permutation(members)
    if scores is None:
        return np.asarray(drawn)
    keys = np.where(np.isnan(scores[drawn]), np.inf, -scores[drawn])
    return np.asarray(drawn[np.argsort(keys, kind="stable")])


def passes(order: Ints, tokens: Ints | None, wanted: float) -> list[Ints]:
    """The rows of each epoch over a group: all of it again and again, the last time in part.

    tokens: of all rows of the set; None counts rows
    wanted: rows, or tokens: taken until the next row would bring it farther from them than it is
    """
    if not len(order):
        return []
    of_row = np.ones(len(order)) if tokens is None else np.maximum(tokens[order], 0).astype(np.float64)
    total = float(of_row.sum())
    if total <= 0:
        return []
    whole = int((wanted + 1e-6) // total)
    ends = np.cumsum(of_row)
    left = wanted - whole * total
    # The row in which the rest ends is taken where more than half of it is wanted.
    number = int(np.searchsorted(ends - of_row / 2, left - 1e-6 if tokens is not None else left - 0.5 + 1e-6))
    rest = order[:number]
    return [order] * whole + ([rest] if len(rest) else [])


def scores_of(table: Table, score: str, context: Context) -> Floats:
    """The expression that orders the rows of a group, NaN where it is missing: such rows go last.

    Raises:
        RunStopped: no record has a score that it names.
    """
    expression = Expression.parse(score)
    known = known_scores(table, expression.names)
    for name in expression.names:
        if name not in known:
            raise RunStopped(
                f"{context.step}: no record has the score {name!r} of `score: {score}`{nearest(name, known)}"
            )
    values = expression.values(lambda name: score_values(table, name))
    lacking = int(np.isnan(values).sum())
    context.count("records_without_score", lacking)
    if lacking:
        context.tell(
            f"{context.step}: {lacking:,} of {len(values):,} records have no {score}, and go last in their groups"
        )
    return values
