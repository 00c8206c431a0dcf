"""Work on blocks of rows, here or by Ray's tasks: the same function over the same blocks, so the same result."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, TypeVar

Done = TypeVar("Done")

BLOCKS = 4
"""For each processor, so that few wait at the end."""
STEP = 1 << 15
"""Rows of a block are a multiple of it, so that what is computed some rows at a time is computed of the same rows."""
LARGEST = 1 << 20


class Engine(NamedTuple):
    """Where blocks are worked on.

    processors: 0: in this process, where nothing is cut
    """

    processors: int = 0

    @property
    def cuts(self) -> bool:
        """Whether rows are cut into blocks at all."""
        return self.processors > 0

    def spans(self, rows: int) -> list[tuple[int, int]]:
        """The first row of each block, and the one behind its last."""
        if not self.cuts:
            return [(0, rows)]
        wanted = -(-rows // (BLOCKS * self.processors))
        size = min(max(STEP, -(-wanted // STEP) * STEP), LARGEST)
        return [(start, min(start + size, rows)) for start in range(0, rows, size)]

    def over(self, work: Callable[..., Done], blocks: Sequence[Any], *shared: Any) -> list[Done]:
        """What `work(block, *shared)` gives of each block, in order.

        A task that is lost with its worker or its machine is run again by Ray.
        """
        if not self.cuts:
            return [work(block, *shared) for block in blocks]
        import ray

        task = ray.remote(num_cpus=1, max_retries=3)(work)
        stored = [ray.put(one) for one in shared]
        found: list[Done] = ray.get([task.remote(block, *stored) for block in blocks])
        return found


HERE = Engine()
