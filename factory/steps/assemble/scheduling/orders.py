"""Orders over groups and scores: a curriculum, two stages, and replay of earlier sets; functions over arrays."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from factory.statistics.arrays import Floats, Ints, Rows
from factory.statistics.interval import Interval, mean_interval
from factory.steps.assemble.scheduling.stages import Stage

PER_SET = 200
"""Rows replayed for each earlier set (InsCL)."""
COMPARED = 512
"""Rows of a set that its distance to another is told from, at most."""
DRAWS = 5


def curriculum(score: Floats, stages: int, hard_first: bool, random: np.random.Generator) -> list[Stage]:
    """Rows from the lowest score to the highest: cut into stages of equal size, drawn within each, or as one in order.

    score: of each row, shape (rows,), finite
    """
    order = np.argsort(-score if hard_first else score, kind="stable")
    if stages == 1:
        return [Stage.of(_span(score, order), order, order[:0], None)]
    return [Stage.of(_span(score, part), part, part[:0], random) for part in np.array_split(order, stages)]


def _span(score: Floats, rows: Ints) -> str:
    return f"{score[rows].min():g} to {score[rows].max():g}" if len(rows) else "none"


def dual_stage(special: Ints, general: Ints, share: float, random: np.random.Generator) -> list[Stage]:
    """All specialised rows first, then all general ones with a share of the specialised among them (DMT).

    Source: How Abilities in Large Language Models are Affected by SFT Data Composition (arXiv 2310.05492):
    specialised first (not last); a share of 1/256 keeps what they taught.
    """
    count = round(share * len(special))
    if share and len(special) and not count:
        count = 1
    again = np.sort(random.permutation(special)[:count])
    return [
        Stage.of("specialised", special, special[:0], random),
        Stage.of("general", general, again, random, {"share_of_specialised": share}),
    ]


def quotas(total: int, weights: Sequence[float], rows: Sequence[int]) -> list[int]:
    """`total` shared out by weight, by the largest remainders; what one has no rows for goes to the others.

    Equal weights where all are 0.
    """
    left = [float(weight) for weight in weights]
    if not sum(left):
        left = [1.0] * len(rows)
    given = [0] * len(rows)
    total = min(total, sum(rows))
    while total:
        open_ = [at for at in range(len(rows)) if given[at] < rows[at]]
        scale = sum(left[at] for at in open_)
        exact = {at: total * left[at] / scale if scale else total / len(open_) for at in open_}
        more = {at: min(int(exact[at]), rows[at] - given[at]) for at in open_}
        for at in sorted(open_, key=lambda at: (int(exact[at]) - exact[at], at)):
            if sum(more.values()) < total and more[at] < rows[at] - given[at] and more[at] <= exact[at]:
                more[at] += 1
        for at, number in more.items():
            given[at] += number
        total -= sum(more.values())
    return given


def distance(one: Rows, other: Rows, random: np.random.Generator) -> tuple[float, Interval | None]:
    """The Wasserstein distance of two sets of embeddings, cost 1 - cosine, p = 1, and its interval.

    The mean over draws of equally many rows of each (at most `COMPARED`), for which transport is an assignment; exact,
    and without an interval, where both sets have as many and no more. Drawn sets lie further apart than whole ones.

    one, other: shape (rows, dimensions), of length 1
    """
    from scipy.optimize import linear_sum_assignment

    size = min(len(one), len(other), COMPARED)
    exact = len(one) == len(other) == size
    found = []
    for _ in range(1 if exact else DRAWS):
        some, those = random.permutation(len(one))[:size], random.permutation(len(other))[:size]
        cost = 1 - one[some].astype(np.float64) @ other[those].astype(np.float64).T
        rows, columns = linear_sum_assignment(cost)
        found.append(max(0.0, float(cost[rows, columns].mean())))
    return float(np.mean(found)), None if exact else mean_interval(found)


class Tags(NamedTuple):
    """The tags of a set's rows: of each tag of a row, once, the row's number and the tag's, shape (tags,) each."""

    row: Ints
    tag: Ints
    rows: int

    @classmethod
    def of(cls, tags: Sequence[Sequence[str]]) -> Tags:
        """The tags of each row by name; one that a row has twice counts once."""
        codes: dict[str, int] = {}
        own = [
            (at, codes.setdefault(tag, len(codes)))
            for at, found in enumerate(tags)
            for tag in sorted(set(found))
        ]
        both = np.array(own, np.int64).reshape(-1, 2)
        return cls(both[:, 0], both[:, 1], len(tags))

    def information(self, known: Ints) -> Floats:
        """InsInfo of the `known` rows among themselves, shape (rows,): the sum over a row's tags of log(N / df), where
        N is how many rows are known and df how many of them have the tag; 0 without tags, and for rows not known.

        Source: InsCL (arXiv 2403.11435), where what is known are the sets that came before.
        """
        among = np.zeros(self.rows, np.bool_)
        among[known] = True
        used = among[self.row]
        row, tag = self.row[used], self.tag[used]
        if not len(tag):
            return np.zeros(self.rows)
        says = np.log(len(known) / np.maximum(np.bincount(tag), 1))
        return np.bincount(row, weights=says[tag], minlength=self.rows).astype(np.float64)


def replay(
    groups: Mapping[str, Ints],
    totals: Sequence[int],
    weights: Sequence[Sequence[float]],
    tags: Tags | None,
    random: np.random.Generator,
) -> list[Stage]:
    """A stage for each set in turn, with rows of the earlier sets among its own.

    Args:
        groups: the rows of each set, in the order in which they are trained.
        totals: how many rows are replayed in each stage.
        weights: for each stage, that of each earlier set; by it the total is shared out.
        tags: of each row, where those that say most among the earlier sets are replayed first; None: drawn.

    Source: InsCL (arXiv 2403.11435): a total of 200 for each earlier set, shared by the distance to the current one, so
    that less similar sets are replayed more; within a set by InsInfo. The authors rank a set's instructions, and share
    its quota over their rows where it has few; here rows are ranked, each of which has its own.
    """
    names = list(groups)
    stages = []
    for at, name in enumerate(names):
        earlier = names[:at]
        given = quotas(totals[at], weights[at], [len(groups[one]) for one in earlier])
        info = (
            tags.information(np.concatenate([groups[one] for one in earlier])) if tags and earlier else None
        )
        again = []
        for one, number in zip(earlier, given, strict=True):
            drawn = random.permutation(groups[one])
            if info is not None:
                drawn = drawn[np.argsort(-info[drawn], kind="stable")]
            again.append(np.sort(drawn[:number]))
        facts = {"asked": totals[at], "replayed": dict(zip(earlier, given, strict=True))} if earlier else {}
        rows = groups[name]
        stages.append(Stage.of(name, rows, np.concatenate([rows[:0], *again]), random, facts))
    return stages
