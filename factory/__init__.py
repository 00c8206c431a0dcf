"""An LLM-assisted factory for supervised fine-tuning (SFT) instruction data.

import factory as sft

ds = sft.load("seeds.jsonl").evolve(rounds=2).respond().tag().judge(keep=">= 4").dedup_rouge()
ds.run().save("set.jsonl", format="messages")
sft.run("quickstart")
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from factory.api.begin import begin
    from factory.api.dataset import Dataset, load
    from factory.api.fitting import fit_growth, fit_mixture, fit_scaling, fit_weights
    from factory.api.looking import report, runs, why
    from factory.api.measuring import compare, measure
    from factory.api.run import run
    from factory.api.runnable import as_runnable
    from factory.api.steps import model
    from factory.data.record import Message, Record, Tag
    from factory.errors import FactoryError
    from factory.recipe.recipe import Recipe, load_recipe

__version__ = "0.1.0"

_PUBLIC = {
    "Dataset": "factory.api.dataset",
    "FactoryError": "factory.errors",
    "Message": "factory.data.record",
    "Recipe": "factory.recipe.recipe",
    "Record": "factory.data.record",
    "Tag": "factory.data.record",
    "as_runnable": "factory.api.runnable",
    "begin": "factory.api.begin",
    "compare": "factory.api.measuring",
    "fit_growth": "factory.api.fitting",
    "fit_mixture": "factory.api.fitting",
    "fit_scaling": "factory.api.fitting",
    "fit_weights": "factory.api.fitting",
    "load": "factory.api.dataset",
    "load_recipe": "factory.recipe.recipe",
    "measure": "factory.api.measuring",
    "model": "factory.api.steps",
    "report": "factory.api.looking",
    "run": "factory.api.run",
    "runs": "factory.api.looking",
    "why": "factory.api.looking",
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
    "begin",
    "compare",
    "fit_growth",
    "fit_mixture",
    "fit_scaling",
    "fit_weights",
    "load",
    "load_recipe",
    "measure",
    "model",
    "report",
    "run",
    "runs",
    "why",
]


def __getattr__(name: str) -> Any:
    # Public names are imported when first used, so that the command line answers at once.
    if name not in _PUBLIC:
        from factory.api.shadowed import what_is_wrong

        sentence, _ = what_is_wrong()
        if not sentence and not name.startswith("_"):
            import difflib

            close = difflib.get_close_matches(name, __all__, n=1)
            sentence = f"did you mean {close[0]!r}?" if close else ""
        raise AttributeError(
            f"module 'factory' has no attribute {name!r}" + (f"; {sentence}" if sentence else "")
        )
    import importlib

    return getattr(importlib.import_module(_PUBLIC[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
