"""A step, and a model for it, made from Python objects rather than from a recipe."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from pydantic import TypeAdapter, ValidationError

from factory.errors import RecipeError
from factory.models.langchain import LangChainChat
from factory.models.naming import ModelEntry
from factory.models.options import ModelOptions
from factory.recipe.complaints import option_classes, validation_sentence
from factory.recipe.step_models import WrongModel, check_step_models
from factory.step import Step, find_step


def model(provider: str, **options: Any) -> ModelOptions:
    """A model for the steps of a `Dataset`, with the options of a recipe's `models:` entry.

    Example:
        >>> teacher = model("openai", base_url="http://127.0.0.1:8000/v1", model="Qwen/Qwen3-8B")

    Raises:
        RecipeError: there is no such provider or option.
    """
    adapter: TypeAdapter[ModelOptions] = TypeAdapter(ModelOptions)
    try:
        return adapter.validate_python({"provider": provider, **options})
    except ValidationError as error:
        fields = list(option_classes()[provider].model_fields) if provider in option_classes() else []
        # The error itself, which a traceback would show, quotes what was given: it may be a key.
        raise RecipeError(f"model: {validation_sentence(error, fields, show_input=False)}") from None


def make_step(name: str, options: dict[str, Any], models: dict[str, ModelEntry]) -> Step:
    """The step of this name. A model given as an object joins `models`, and the step names it.

    Raises:
        RecipeError: there is no such step, option or model.
    """
    kind = find_step(name)
    for field in (*kind.model_fields_of("chat"), *kind.model_fields_of("embedding")):
        value = options.get(field)
        if isinstance(value, (list, tuple)):
            options = {**options, field: [_name(models, one) for one in value]}
        elif value is not None:
            options = {**options, field: _name(models, value)}
    try:
        step = kind.model_validate(options)
    except ValidationError as error:
        raise RecipeError(f"{name}: {validation_sentence(error, list(kind.model_fields))}") from None
    try:
        check_step_models(step, models)
    except WrongModel as error:
        raise RecipeError(f"{name}, `{error.field}`: {error}") from None
    return step


def _name(models: dict[str, ModelEntry], value: Any) -> str:
    """The name of a model; one given as options, a dict of them or a LangChain chat model joins `models`."""
    entry: ModelEntry
    if isinstance(value, str):
        return value
    if isinstance(value, Mapping):
        if not isinstance(value.get("provider"), str) or not all(isinstance(key, str) for key in value):
            providers = ", ".join(option_classes())
            raise RecipeError(f"a model given by its options needs a `provider`: {providers}")
        entry = model(**value)
    elif isinstance(value, (*option_classes().values(), LangChainChat)):
        entry = cast(ModelEntry, value)
    elif hasattr(value, "ainvoke"):
        entry = LangChainChat(value)
    else:
        raise RecipeError(
            f"a model is a name, factory.model(...) or a LangChain chat model, not {type(value).__name__}"
        )
    for name, known in models.items():
        if known == entry:
            return name
    name = f"{getattr(entry, 'provider', 'langchain')}-{len(models) + 1}"
    models[name] = entry
    return name
