"""An LLM-assisted factory for supervised fine-tuning (SFT) instruction data.

import factory as sft

ds = sft.load("seeds.jsonl").evolve(rounds=2).respond().tag().judge(keep=">= 4").dedup_rouge()
ds.run().save("set.jsonl", format="messages")
sft.run("quickstart")
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from factory.dataset import Dataset, load, model, run
    from factory.errors import FactoryError
    from factory.recipe import Recipe, load_recipe
    from factory.record import Message, Record, Tag
    from factory.runnable import as_runnable

__version__ = "0.1.0"

_PUBLIC = {
    "Dataset": "factory.dataset",
    "FactoryError": "factory.errors",
    "Message": "factory.record",
    "Recipe": "factory.recipe",
    "Record": "factory.record",
    "Tag": "factory.record",
    "as_runnable": "factory.runnable",
    "load": "factory.dataset",
    "load_recipe": "factory.recipe",
    "model": "factory.dataset",
    "run": "factory.dataset",
}

__all__ = [
    "Dataset",
    "FactoryError",
    "Message",
    "Recipe",
    "Record",
    "Tag",
    "__version__",
    "as_runnable",
    "load",
    "load_recipe",
    "model",
    "run",
]


def __getattr__(name: str) -> Any:
    # Public names are imported when first used, so that the command line answers at once.
    if name not in _PUBLIC:
        raise AttributeError(f"module 'factory' has no attribute {name!r}")
    import importlib

    return getattr(importlib.import_module(_PUBLIC[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
