"""What people look at: the funnel, the progress of a run, why a record is there or gone, the report page.

Works from a run's folder alone, and from anything shaped like a run's progress; knows neither the engine nor
any capability.

Called, `factory.report(folder)`, it reports on a run: it is also the public name of `factory.api.looking.report`.
"""

from __future__ import annotations

import importlib
import sys
import types
from typing import Any


class _Room(types.ModuleType):
    """This package, which can be called."""

    def __call__(self, folder: Any = None) -> Any:
        """See `factory.api.looking.report`."""
        return importlib.import_module("factory.api.looking").report(folder)


sys.modules[__name__].__class__ = _Room
