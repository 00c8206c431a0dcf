"""The short form of a model, as it is typed on the command line."""

from __future__ import annotations

import json
from typing import Any

from factory.errors import FactoryError

MODEL_FORMS = "Written provider:name, provider:name@address, or '{provider: ..., model: ..., more options}'."


def model_value(text: str) -> Any:
    """A model as it is typed: a provider, provider:name, provider:name@address, or a mapping of all options.

    Raises:
        FactoryError: no provider is named. On the command line no other model has a name than the embedded one.
    """
    from factory.errors import nearest
    from factory.models.naming import EMBEDDED
    from factory.recipe.complaints import option_classes
    from factory.recipe.overrides import option_value

    if text.lstrip().startswith(("{", "[")):
        return option_value(text)
    provider, _, rest = text.partition(":")
    if provider not in option_classes():
        if text in ("", EMBEDDED):
            return text
        known = list(option_classes())
        raise FactoryError(
            f"there is no provider of models {provider!r}{nearest(provider, known)}; a model is written "
            "provider:name or provider:name@address, such as openai:Qwen/Qwen3-8B@http://127.0.0.1:8000/v1"
        )
    name, _, address = rest.partition("@") if "@http" in rest else (rest, "", "")
    given = {"provider": provider, "model": name, "base_url": address}
    return {key: value for key, value in given.items() if value}


def model_override(text: str) -> str:
    """What `--model NAME=MODEL` does to a recipe, as an override of its `models:` entry of that name.

    `MODEL` alone stands in for the recipe's only chat model, or is the model where the recipe names none.

    Raises:
        FactoryError: it is no model.
    """
    name, equals, spec = text.partition("=")
    name = name.strip()
    if not equals or not name or set(name) & set("{:@/"):  # what has an = in it may be the model itself
        name, spec = "", text
    try:
        value = model_value(spec.strip())
    except FactoryError as error:
        raise FactoryError(f"--model{f' {name}' if name else ''}: {error}") from error
    if not isinstance(value, dict):
        value = {"provider": "local"}  # the embedded one
    return f"models{f'.{name}' if name else ''}={json.dumps(value)}"
