"""Another package of our name. factory_boy installs a package `factory` too, into the same folder as ours.

Whichever is installed last overwrites files of the other, and removing one removes files that both have. Nothing
else of ours is imported here: it may be gone.
"""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

THEIRS = "declarations.py"
"""A file of factory_boy whose name no file of ours has."""
MEND = (
    "the two cannot share an environment: `pip uninstall factory_boy`, then "
    "`pip install --force-reinstall --no-deps sft-factory`"
)


def what_is_wrong(folder: Path = Path(__file__).parents[1]) -> tuple[str, bool]:
    """A sentence about what lies in our way, or "", and whether nothing of ours can run."""
    theirs = (folder / THEIRS).exists()
    if not _whole():
        if theirs:
            return f"factory_boy has overwritten files of sft-factory in {folder}; {MEND}", True
        return (
            f"files of sft-factory are missing from {folder}, as removing factory_boy, whose package is named "
            "`factory` too, leaves it: `pip install --force-reinstall --no-deps sft-factory`",
            True,
        )
    if theirs:
        return f"factory_boy lies in the folder of sft-factory, {folder}, and is broken by it; {MEND}", False
    return "", False


def _whole() -> bool:
    """Whether the two files are ours that both packages have."""
    try:
        errors = importlib.import_module("factory.errors")
    except ImportError:
        return False
    return "load_recipe" in getattr(sys.modules["factory"], "__all__", ()) and hasattr(errors, "RecipeError")
