"""D2 pruning: scores that neighbours lend each other, and take back from those beside a chosen row."""

from __future__ import annotations

import heapq

import numpy as np

from factory.statistics.arrays import Floats, Ints
from factory.steps.assemble.select.neighbours import Graph, neighbour_graph
from factory.steps.assemble.select.pool import Choice, Pool, Settings, scaled


def d2_prune(graph: Graph, score: Floats, size: int, gamma: float) -> tuple[Ints, Floats]:
    """Rows in the order in which they are chosen, and the scores after the forward messages.

    Forward: each row adds to its score those of its neighbours, times exp(-d), where d is their Euclidean distance.
    Then the row with the highest score is chosen, again and again, and each of its neighbours loses the chosen row's
    score times exp(-gamma d).

    Args:
        score: from 0 up, shape (rows,)
        gamma: how fast the message back fades; the lower, the more a chosen row's neighbours lose.

    Source: D2 pruning (arXiv 2310.07931); distances enter as in the authors' code (not squared).
    """
    distances = np.sqrt(np.maximum(2 - 2 * graph.cosines.astype(np.float64), 0))
    own = np.repeat(np.arange(len(score)), np.diff(graph.starts))
    forward = score + np.bincount(own, np.exp(-distances) * score[graph.rows], minlength=len(score))
    del own
    back = np.exp(-gamma * distances)
    del distances
    now = forward.copy()
    heap = list(zip((-now).tolist(), range(len(now)), strict=True))
    heapq.heapify(heap)
    taken = np.zeros(len(now), bool)
    rows: list[int] = []
    while len(rows) < size:
        value, row = heapq.heappop(heap)
        if taken[row] or -value != now[row]:  # it has lost since
            continue
        taken[row] = True
        rows.append(row)
        part = slice(graph.starts[row], graph.starts[row + 1])
        others = graph.rows[part]
        # A score below 0 would be a gift: it is given back no more.
        now[others] -= back[part] * max(0.0, now[row])
        if now[row] > 0:
            for other, left in zip(others.tolist(), now[others].tolist(), strict=True):
                if not taken[other]:
                    heapq.heappush(heap, (-left, other))
    return np.array(rows, np.int64), forward


def choose_d2(pool: Pool, size: int, random: np.random.Generator, settings: Settings) -> Choice:
    """The highest scored rows after messages between neighbours, each chosen one lowering those beside it.

    The score is stretched to 0 to 1 first.
    """
    graph = neighbour_graph(pool.known_vectors, settings.neighbours)
    rows, _ = d2_prune(graph, scaled(pool.known_score), size, settings.gamma)
    return Choice(rows, {"share_of_neighbours_found": round(graph.recall, 4)})
