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

import importlib.util
import logging
import os
import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np

from factory.data.text import shorten
from factory.errors import MissingDependency, RunStopped
from factory.models.base import Contact
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


def require_ray() -> None:
    """Tell at once, before anything is computed, that Ray is not there.

    Raises:
        MissingDependency: Ray Data is not installed.
    """
    spec = importlib.util.find_spec("ray")
    if spec is None or spec.origin is None:  # a folder of that name on the path is not Ray
        raise MissingDependency("`engine: ray` needs Ray Data: pip install 'sft-factory[ray]'")


def ray_contact() -> Iterator[Contact]:
    """The cluster at RAY_ADDRESS, which is to answer before a run begins.

    None where Ray runs in this process already, nor where the address has no host and port, such as "auto": that is
    left to Ray.
    """
    address = os.environ.get("RAY_ADDRESS", "")
    loaded = sys.modules.get("ray")
    host, _, port = address.rpartition("://")[2].rstrip("/").rpartition(":")
    if host and port.isdecimal() and not (loaded is not None and loaded.is_initialized()):
        yield Contact(host.strip("[]"), int(port), *_joining(address))


def _joining(address: str) -> tuple[str, str]:
    """What cannot be done, and the mend."""
    what = f"join the Ray cluster at RAY_ADDRESS {address}" if address else "start Ray"
    return what, "mend that, or leave out `engine: ray`"


@contextmanager
def ray_session(processors: int) -> Iterator[None]:
    """Inside, Ray runs: as it does already, or on the cluster at RAY_ADDRESS, or else started on this machine.

    What was started or connected to here ends with the session. A cluster that does not answer is given up after
    about a minute.

    Args:
        processors: how many a Ray that is started here may use; a cluster gives those it has.

    Raises:
        MissingDependency: Ray Data is not installed.
        RunStopped: the cluster cannot be reached, or a task failed for good.
    """
    require_ray()
    address = os.environ.get("RAY_ADDRESS", "")
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    if address:  # else Ray tries for a quarter of an hour; read when it is imported
        os.environ.setdefault("RAY_NUM_REDIS_GET_RETRIES", "1")
    import ray
    import ray.data

    ours = not ray.is_initialized()
    data_log = logging.getLogger("ray.data")
    context = ray.data.DataContext.get_current()
    before = data_log.level, context.enable_progress_bars
    data_log.setLevel(logging.ERROR)
    context.enable_progress_bars = False
    start = {} if address else {"num_cpus": processors, "include_dashboard": False}
    try:
        if ours:
            ray.init(address or "local", log_to_driver=False, logging_level=logging.ERROR, **start)
    except (OSError, RuntimeError, ValueError, ray.exceptions.RayError) as error:
        what, mend = _joining(address)
        raise RunStopped(f"could not {what} ({_first_line(error)}): {mend}") from error
    try:
        yield
    except ray.exceptions.RayError as error:
        raise RunStopped(
            f"Ray did not finish the comparison ({_first_line(error)}): see that each of its machines has memory "
            "and this version of factory, or leave out `engine: ray`"
        ) from error
    finally:
        data_log.setLevel(before[0])
        context.enable_progress_bars = before[1]
        if ours:
            ray.shutdown()


def _first_line(error: Exception) -> str:
    return shorten(str(error).strip().partition("\n")[0], 200)


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
