"""Ray, for what takes work past one machine: that it is there, that its cluster answers, and a session on it."""

from __future__ import annotations

import importlib.util
import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from factory.data.text import shorten
from factory.errors import MissingDependency, RunStopped
from factory.models.base import Contact


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
def ray_session(processors: int) -> Iterator[int]:
    """Inside, Ray runs: as it does already, or on the cluster at RAY_ADDRESS, or else started on this machine.

    Gives how many processors it has.

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
        yield max(int(ray.cluster_resources().get("CPU", 1)), 1)
    except ray.exceptions.RayError as error:
        raise RunStopped(
            f"Ray did not finish the work ({_first_line(error)}): see that each of its machines has memory "
            "and this version of factory, or leave out `engine: ray`"
        ) from error
    finally:
        data_log.setLevel(before[0])
        context.enable_progress_bars = before[1]
        if ours:
            ray.shutdown()


def _first_line(error: Exception) -> str:
    return shorten(str(error).strip().partition("\n")[0], 200)
