"""What takes an exact join past one machine, on Ray Data: `rouge_join` and `cosine_join`, with the same result.

The rows are cut into blocks, and the blocks are settled one after the other, in waves. In each wave the rows
that are known to be kept, of the block settled last, are held against every later block, one task for each; the
task of the first of these then joins that block in itself, as by now it was compared with all kept before it.

So only what is kept is ever compared, as on one machine, and a task answers with one match at most for a row:
where thousands of rows are close to each other, listing all close pairs would take memory that grows as their
square. The bounds of the waves cost little: there are several times as many blocks as processors.

A task is a function of its block, the kept rows, and what is known: where a worker or a machine is lost, Ray
runs its tasks again, and nothing changes.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

import numpy as np

from factory.statistics.arrays import Floats, Ints

SMALLEST, LARGEST = 1024, 1 << 18
"""Rows of a block: a set of fewer is joined where it is, and one task holds two blocks of the largest."""
BLOCKS = 4
"""For each processor, so that few wait at the end of a wave."""

JoinBlock = Callable[[Any, Any, Floats, bool], tuple[Ints, Floats]]
"""`rouge_join_block` or `cosine_join_block`: (kept, rows, known, decide) -> (nearest, similarity)."""


class Found(NamedTuple):
    """One entry for each row that a nearer kept row was found for: both by number, and how similar they are."""

    row: Ints
    nearest: Ints
    similarity: Floats


Compare = Callable[[Ints, dict[int, Floats], int], Iterable[Found]]
"""(kept rows, of each block to compare with them the similarities known, the block to be joined in itself or -1)"""


def cut(references: int, rows: int, size: int) -> tuple[list[Ints], list[Ints]]:
    """The numbers of the references, and of the rows after them, in blocks of so many at most."""
    numbers = np.arange(references + rows)
    first = [numbers[at : min(at + size, references)] for at in range(0, references, size)]
    return first, [numbers[at : at + size] for at in range(references, len(numbers), size)]


def join_in_waves(first: list[Ints], blocks: list[Ints], compare: Compare) -> tuple[Ints, Floats]:
    """For each of the references and the rows after them the nearest kept row before it that is too close, or -1,
    and its similarity, or NaN.

    first: the references' numbers, which count as kept
    blocks: the rows' numbers
    """
    total = sum(map(len, first)) + sum(map(len, blocks))
    nearest, similarity = np.full(total, -1, np.int64), np.full(total, np.nan)
    waiting = deque(first or [np.arange(0)])  # kept rows that the blocks have not been compared with
    settled = 0
    while settled < len(blocks):
        kept = waiting.popleft()
        decide = -1 if waiting else settled
        asked = range(settled, len(blocks) if len(kept) else settled + 1)
        known = {block: similarity[blocks[block]] for block in asked}
        for row, near, value in compare(kept, known, decide):
            nearest[row], similarity[row] = near, value
        if decide >= 0:
            waiting.append(blocks[decide][nearest[blocks[decide]] < 0])
            settled += 1
    return nearest, similarity


def find_in_block(
    join: JoinBlock, numbers: Ints, kept: Any, start: int, rows: Any, known: Floats, decide: bool
) -> Found:
    """One block of one wave.

    numbers, kept: of the kept rows, and their data
    start, rows: the first number in the block, and the data of its rows
    """
    near, similarity = join(kept, rows, known, decide)
    places = np.flatnonzero(near >= 0)
    numbers = np.concatenate([numbers, start + np.arange(len(known))])
    return Found(start + places, numbers[near[places]], similarity[places])


def join_on_ray(
    take: Callable[[Ints], Any], references: int, rows: int, join: JoinBlock
) -> tuple[Ints, Floats]:
    """`join_in_waves` over the rows whose data `take` gives for their numbers, compared by Ray's tasks."""
    import ray
    import ray.data

    processors = max(int(ray.cluster_resources().get("CPU", 1)), 1)
    size = min(max(-(-rows // (BLOCKS * processors)), SMALLEST), LARGEST)
    first, blocks = cut(references, rows, size)
    stored_join = ray.put(join)
    stored = [ray.put(take(block)) for block in blocks]

    def compare(kept: Ints, known: dict[int, Floats], decide: int) -> Iterator[Found]:
        wave = _Wave(
            stored_join,
            ray.put((kept, take(kept))),
            {block: (int(blocks[block][0]), stored[block]) for block in known},
            {block: ray.put(similarity) for block, similarity in known.items()},
            decide,
        )
        asked = ray.data.from_items([{"block": block} for block in known], override_num_blocks=len(known))
        found = asked.map_batches(
            _compare, batch_size=None, batch_format="numpy", fn_kwargs={"wave": wave}, num_cpus=1
        )
        for batch in found.iter_batches(batch_size=None, batch_format="numpy"):
            yield Found(**batch)

    return join_in_waves(first, blocks, compare)


class _Wave(NamedTuple):
    """What the tasks of a wave share; the data is in Ray's object store."""

    join: Any
    kept: Any  # the kept rows' numbers, and their data
    blocks: dict[int, tuple[int, Any]]  # the first row's number, and the rows' data
    known: dict[int, Any]
    decide: int


def _compare(batch: dict[str, Any], wave: _Wave) -> dict[str, Any]:
    """The task for a block."""
    import ray

    (block,) = batch["block"].tolist()
    start, stored = wave.blocks[block]
    join, (numbers, kept), rows, known = ray.get([wave.join, wave.kept, stored, wave.known[block]])
    return find_in_block(join, numbers, kept, start, rows, known, block == wave.decide)._asdict()
