"""Choices by tags: complexity-first diverse sampling (InsTag), and information gain on a graph of tags (MIG)."""

from __future__ import annotations

import numpy as np

from factory.statistics.arrays import Floats, Ints, Rows
from factory.steps.assemble.select.greedy import Taken, lazy_greedy
from factory.steps.assemble.select.neighbours import neighbour_graph
from factory.steps.assemble.select.plain import highest_first
from factory.steps.assemble.select.pool import Choice, Pool, Settings, TagLists

TAG_NEIGHBOURS = 50
"""Tags that a tag is joined to in MIG's graph, at most, those above the threshold."""
_POWER, _OFFSET = 0.8, 1e-6


def complexity_first(tags: TagLists, size: int) -> tuple[Ints, int, int]:
    """Rows in the order of choosing, the number of passes, and how many have no tag.

    Rows with most tags first, a pass takes each that brings a tag which the pass has not seen; then a new pass
    begins. Rows without a tag are taken when no others are left, in their order: the paper does not say.
    """
    from factory.steps.assemble.select.kernel import passes

    order = highest_first(tags.counts.astype(np.float64))
    chosen = np.zeros(min(size, len(order)), np.int64)
    seen = np.zeros(max(1, len(tags.names)), np.int64)
    count, number = passes(
        np.ascontiguousarray(tags.starts), np.ascontiguousarray(tags.tags), order.copy(), seen, chosen
    )
    untagged = np.flatnonzero(tags.counts == 0)[: len(chosen) - count]
    chosen[count : count + len(untagged)] = untagged
    return chosen, int(number), len(untagged)


def choose_complexity_first(pool: Pool, size: int, random: np.random.Generator, settings: Settings) -> Choice:
    """Rows with most tags first, pass by pass, each that brings a tag which is new to its pass.

    Source: #InsTag (arXiv 2308.07074), algorithm 1.
    """
    rows, number, untagged = complexity_first(pool.known_tags, size)
    return Choice(rows, {"passes": number, "chosen_without_a_tag": untagged})


def tag_propagation(vectors: Rows, threshold: float) -> tuple[Ints, Ints, Floats]:
    """What each tag lends to which: tags, tags lent to, and shares. A tag's share of itself is among them.

    Tags whose names have a cosine above `threshold` are joined, with that as the weight; of itself a tag has 1. What
    each tag receives is divided by the sum of its weights.
    """
    count = len(vectors)
    graph = neighbour_graph(vectors, TAG_NEIGHBOURS)
    begins = np.repeat(np.arange(count), np.diff(graph.starts))
    near = graph.cosines > threshold
    begins = np.concatenate([np.arange(count), begins[near]])
    ends = np.concatenate([np.arange(count), graph.rows[near]])
    weights = np.concatenate([np.ones(count), graph.cosines[near]])
    return begins, ends, weights / np.bincount(ends, weights, minlength=count)[ends]


def information_gain(
    tags: TagLists, quality: Floats, size: int, lent: tuple[Ints, Ints, Floats] | None = None
) -> Taken:
    """Take the row that adds most information, again and again; the gain is the slope, as in the paper.

    A row carries its quality on each of its tags, and what these lend to others. The information of a set is the sum
    over the tags of x^0.8 of what its rows carry on it, so that more of a tag counts for less and less.

    Args:
        quality: not below 0, shape (rows,)
        lent: what tags lend each other (`tag_propagation`); by default nothing.
    """
    from scipy.sparse import csr_matrix

    shape = len(tags.starts) - 1, len(tags.names)
    carried = csr_matrix((np.repeat(quality, tags.counts), tags.tags, tags.starts), shape=shape)
    if lent is not None:
        begins, ends, shares = lent
        carried = (carried @ csr_matrix((shares, (begins, ends)), shape=(shape[1], shape[1]))).tocsr()
        carried.sort_indices()
    starts, where, much = carried.indptr.astype(np.int64), carried.indices, carried.data
    slope = np.full(shape[1], _slope(np.zeros(1))[0])
    held = np.zeros(shape[1])

    def gain(row: int) -> float:
        part = slice(starts[row], starts[row + 1])
        return float(much[part] @ slope[where[part]])

    def take(row: int) -> None:
        part = slice(starts[row], starts[row + 1])
        held[where[part]] += much[part]
        slope[where[part]] = _slope(held[where[part]])

    return lazy_greedy(carried @ slope, gain, take, size)


def choose_mig(pool: Pool, size: int, random: np.random.Generator, settings: Settings) -> Choice:
    """Greedily add the row with the most information on the graph of tags, weighed by quality where there is a score.

    A score below 0 is moved up so that the lowest is 0. Rows without a tag have no information and come last.

    Source: MIG (arXiv 2504.13835), and the numbers of the authors' code: x^0.8, offset 1e-6. There tags are joined
    from a cosine of 0.9 of their embedder; here from `threshold`.
    """
    quality = np.ones(len(pool)) if pool.score is None else pool.score - min(0.0, float(pool.score.min()))
    lent = None if pool.tag_vectors is None else tag_propagation(pool.tag_vectors, settings.threshold)
    taken = information_gain(pool.known_tags, quality, size, lent)
    joined = 0 if lent is None else (len(lent[0]) - len(pool.known_tags.names)) // 2
    untagged = int((pool.known_tags.counts[taken.rows] == 0).sum())
    return Choice(taken.rows, {"joined_pairs_of_tags": joined, "chosen_without_a_tag": untagged})


def _slope(held: Floats) -> Floats:
    slope: Floats = _POWER * (held + _OFFSET) ** (_POWER - 1)
    return slope
