"""Which model a step's `model` field means."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import TypeAlias

from factory.errors import RecipeError
from factory.models.base import ChatProvider
from factory.models.options import LocalEmbeddingOptions, ModelOptions, OpenAIEmbeddingOptions

EMBEDDED = "embedded"
"""The name of the default models: those that run in this process, with no entry in the recipe."""

ModelEntry: TypeAlias = ModelOptions | ChatProvider
"""What a name stands for: a recipe's options, or in Python a provider that was made already."""

EMBEDDING_OPTIONS = (LocalEmbeddingOptions, OpenAIEmbeddingOptions)


def resolve_model(models: Mapping[str, ModelEntry], name: str, kind: str) -> str:
    """The name that a step's model field means; "" is the only model of its kind, or else the embedded one.

    `kind` is "chat" or "embedding".

    Raises:
        RecipeError: there are several to choose from, or none of that name, or it is of the other kind.
    """
    fitting = [
        known
        for known, options in models.items()
        if isinstance(options, EMBEDDING_OPTIONS) == (kind == "embedding")
    ]
    if not name:
        if len(fitting) > 1:
            raise RecipeError(f"there are several {kind} models ({', '.join(fitting)}): name the one to use")
        return fitting[0] if fitting else EMBEDDED
    if name in fitting or name == EMBEDDED:
        return name
    if name in models:
        article = "an" if kind == "embedding" else "a"
        raise RecipeError(f"the model {name!r} is not {article} {kind} model")
    known = [*fitting, EMBEDDED]
    close = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    raise RecipeError(
        f"`models` has no {kind} model {name!r}"
        + (f"; did you mean {close[0]!r}?" if close else f"; known are {', '.join(known)}")
    )
