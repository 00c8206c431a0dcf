"""The compiled loops of a comparison, loaded: numba compiles them when they are first used on a machine."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from threading import Timer

SECONDS = 4.0
"""How long loading takes where they have been compiled before, at most."""


def load_loops(kernel: str, note: Callable[[str], None]) -> None:
    """Load the loops of this module, such as `factory.statistics.rouge.kernel`; say so where it takes long.

    They are kept on disk, beside the package or in numba's folder, so that it happens once for each version of factory.
    """
    name = kernel.split(".")[-2]
    sentence = (
        f"loading the {name} comparison; where it is new here it is compiled first: up to a minute, once"
    )
    told = Timer(SECONDS, note, (sentence,))
    told.daemon = True
    told.start()
    try:
        importlib.import_module(kernel)
    finally:
        told.cancel()
