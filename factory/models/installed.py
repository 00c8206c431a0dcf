"""Whether a package is there, without importing it."""

from __future__ import annotations

import importlib.util


def is_installed(package: str) -> bool:
    """Whether a package of this name can be imported; a mere folder of that name on the path is none."""
    spec = importlib.util.find_spec(package)
    return spec is not None and spec.origin is not None
