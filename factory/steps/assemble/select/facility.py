"""Rows that stand for all others: facility location, alone and with quality beside it (QDIT)."""

from __future__ import annotations

import numpy as np

from factory.statistics.arrays import Floats, Ints
from factory.steps.assemble.select.greedy import Taken, lazy_greedy
from factory.steps.assemble.select.neighbours import Graph, neighbour_graph
from factory.steps.assemble.select.plain import highest_first
from factory.steps.assemble.select.pool import Choice, Pool, Settings, scaled


def facility_location(graph: Graph, size: int, *, each: float = 1.0, plus: Floats | None = None) -> Taken:
    """Greedily maximise each * sum over all rows of the cosine with the nearest chosen row, plus what rows bring.

    The cosine of rows that no edge joins is taken for 0, and so is one below 0; that of a row with itself is 1. The
    result is at least 1 - 1/e of the best there is (Nemhauser, Wolsey and Fisher 1978).

    Args:
        each: the weight of the sum.
        plus: what each row brings by itself, not below 0, shape (rows,); by default nothing.
    """
    likeness = np.maximum(graph.cosines, 0)  # gains are sums in float64
    count = len(graph.starts) - 1
    plus = np.zeros(count) if plus is None else plus
    nearest = np.zeros(count)

    def gain(row: int) -> float:
        part = slice(graph.starts[row], graph.starts[row + 1])
        more = likeness[part] - nearest[graph.rows[part]]
        return each * (1 - float(nearest[row]) + float(more[more > 0].sum(dtype=np.float64))) + float(
            plus[row]
        )

    def take(row: int) -> None:
        part = slice(graph.starts[row], graph.starts[row + 1])
        others = graph.rows[part]
        nearest[others] = np.maximum(nearest[others], likeness[part])
        nearest[row] = 1.0

    sums = np.concatenate([[0.0], np.cumsum(likeness, dtype=np.float64)])
    bounds = each * (1 + sums[graph.starts[1:]] - sums[graph.starts[:-1]]) + plus
    return lazy_greedy(bounds, gain, take, size)


def location_value(graph: Graph, rows: Ints) -> float:
    """What `facility_location` maximises, of these rows."""
    nearest = np.zeros(len(graph.starts) - 1)
    for row in rows.tolist():
        others, cosines = graph.of(row)
        nearest[others] = np.maximum(nearest[others], cosines)
    nearest[rows] = 1.0
    return float(nearest.sum())


def choose_facility_location(
    pool: Pool, size: int, random: np.random.Generator, settings: Settings
) -> Choice:
    """The rows to which all rows are nearest, on a graph of nearest neighbours.

    Source: Superfiltering.D (arXiv 2402.00530) chooses so from the fifth of the rows with the highest IFD (`keep_top`
    before this), by all Euclidean distances of the whole text's embeddings (`field: both`).
    """
    graph = neighbour_graph(pool.known_vectors, settings.neighbours)
    taken = facility_location(graph, size)
    return Choice(taken.rows, _found(graph, taken.rows))


def choose_qdit(pool: Pool, size: int, random: np.random.Generator, settings: Settings) -> Choice:
    """Greedily maximise (1 - alpha) * diversity + alpha * quality, diversity being facility location.

    Both are scaled alike: 1 is the diversity of the choice by diversity alone, and the quality (the score from 0 for
    the lowest to 1 for the highest, summed) of the choice by quality alone. Left as they are they differ by orders of
    magnitude, and alpha means nothing.

    Source: QDIT (arXiv 2311.14736).
    """
    graph = neighbour_graph(pool.known_vectors, settings.neighbours)
    quality = scaled(pool.known_score)
    most_diverse = location_value(graph, facility_location(graph, size).rows)
    best = float(quality[highest_first(quality)[:size]].sum())
    rows = facility_location(
        graph,
        size,
        each=(1 - settings.alpha) / most_diverse,
        plus=settings.alpha * quality / best,
    ).rows
    facts = {
        "diversity_of_its_best": round(location_value(graph, rows) / most_diverse, 4),
        "quality_of_its_best": round(float(quality[rows].sum()) / best, 4),
    }
    return Choice(rows, {**_found(graph, rows), **facts})


def _found(graph: Graph, rows: Ints) -> dict[str, float]:
    joined = np.zeros(len(graph.starts) - 1, bool)
    for row in rows.tolist():
        joined[graph.of(row)[0]] = True
    joined[rows] = True
    return {
        "share_of_rows_next_to_a_chosen_one": round(float(joined.mean()), 4),
        "share_of_neighbours_found": round(graph.recall, 4),
    }
