"""How the loops of the joins are compiled. Importing it loads numba."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numba

Function = TypeVar("Function", bound=Callable[..., Any])


def compiled(function: Function, **options: Any) -> Function:
    """A function that only other compiled functions call."""
    return cast(Function, numba.njit(nogil=True, **options)(function))


def compiled_at_once(signature: Any) -> Callable[[Function], Function]:
    """An entry point: compiled when its module is imported, and kept on disk where a folder is writable."""

    def compile_(function: Function) -> Function:
        try:
            result = numba.njit(signature, nogil=True, cache=True)(function)
        except Exception:  # no writable folder, a full disk, a spoilt cache: none is a reason to stop
            result = numba.njit(signature, nogil=True)(function)
        return cast(Function, result)

    return compile_
