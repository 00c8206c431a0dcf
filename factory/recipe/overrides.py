"""What `--set step.field=value` does to a recipe's plain data."""

from __future__ import annotations

import json
from typing import Any

import yaml

from factory.data.text import shorten
from factory.errors import RecipeError, nearest
from factory.recipe.yaml_keys import lacks_space


def plain_data(value: Any) -> Any:
    """A copy of our own, of plain JSON types."""
    return json.loads(json.dumps(value, default=str))


class _Loader(yaml.SafeLoader):
    """Refuses a key that stands twice, of which YAML itself would let the last win without a word, and {key:value}."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        names = [key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode)]
        for name in names:
            if names.count(name) > 1:
                raise RecipeError(f"the key {shorten(name)!r} is given twice: give each a name of its own")
        if (found := lacks_space(node)) is not None:
            raise RecipeError(found[1])
        return super().construct_mapping(node, deep)


def option_value(text: str) -> Any:
    """What is typed for an option, read as YAML where it is YAML (numbers, lists), else as it stands (">= 4").

    Raises:
        RecipeError: a key of it stands twice, or has no space behind its colon.
    """
    try:
        return plain_data(yaml.load(text, _Loader)) if text.strip() else ""
    except (yaml.YAMLError, TypeError, ValueError, RecursionError):
        return text


def apply_override(data: dict[str, Any], override: str) -> None:
    """Apply "step.field=value" in place; "models.NAME={...}" sets a model as a whole.

    Errors do not show the value, which may be a key.
    """
    target, equals, text = override.partition("=")
    target = target.strip()
    keys = target.split(".")
    if not equals or not all(keys):
        raise RecipeError(f"--set {target}: write step.field=value, such as --set evolve.rounds=2")
    try:
        value = option_value(text)
    except RecipeError as error:
        raise RecipeError(f"--set {target}: {error}") from error
    if target in ("name", "description", "prompts", "seed"):
        data[target] = value
        return
    if keys[0] == "budget" and len(keys) == 2:
        data["budget"] = {**(data.get("budget") or {}), keys[1]: value}
        return
    if keys[0] == "models" and isinstance(value, dict) and not _names_field(data, target):
        name = target.removeprefix("models").removeprefix(".") or _only_chat_model(data)
        data["models"] = {**(data.get("models") or {}), name: value}
        return
    at, rest = _overridden_model(data, target) if keys[0] == "models" else _overridden_step(data, target)
    for key in rest[:-1]:
        at = at.setdefault(key, {})
        if not isinstance(at, dict):
            raise RecipeError(f"--set {target}: {key} is not a mapping")
    at[rest[-1]] = value


def _names_field(data: dict[str, Any], target: str) -> bool:
    """Whether "models.NAME.field" is meant, of a model that there is, rather than a model as a whole."""
    models = data.get("models")
    return isinstance(models, dict) and any(target.startswith(f"models.{name}.") for name in models)


def _only_chat_model(data: dict[str, Any]) -> str:
    """The name of the recipe's only chat model; "model" where it has none."""
    models = data.get("models")
    chats = [
        name
        for name, options in (models.items() if isinstance(models, dict) else ())
        if not (isinstance(options, dict) and "embeddings" in str(options.get("provider")))
    ]
    if len(chats) > 1:
        raise RecipeError(
            f"--model: the recipe has the models {', '.join(chats)}: write which one it is for, as {chats[0]}=MODEL"
        )
    return chats[0] if chats else "model"


def _overridden_model(data: dict[str, Any], target: str) -> tuple[Any, list[str]]:
    """The options of the model that "models.NAME.field" means, and its field; a name may hold dots."""
    written = data.get("models")
    models = written if isinstance(written, dict) else {}
    for name in sorted(models, key=len, reverse=True):
        if target.startswith(f"models.{name}.") and isinstance(models[name], dict):
            return models[name], target.removeprefix(f"models.{name}.").split(".")
    keys = target.split(".")
    if len(keys) < 3:
        raise RecipeError(
            f"--set {target}: write models.NAME.field=value, such as models.teacher.temperature=0, or a whole model "
            "with --model NAME=provider:name@address"
        )
    raise RecipeError(f"--set {target}: the recipe has no model {keys[1]!r}{nearest(keys[1], list(models))}")


def _overridden_step(data: dict[str, Any], target: str) -> tuple[Any, list[str]]:
    """The options of the step that "step.field" or "step.2.field" means, and its field."""
    name, *rest = target.split(".")
    named = [step[name] for step in data["steps"] if name in step]
    if not named:
        names = [next(iter(step)) for step in data["steps"]]
        raise RecipeError(f"--set {target}: the recipe has no step {name!r}{nearest(name, names)}")
    number = 1
    if len(rest) > 1 and rest[0].isdecimal():
        number, rest = int(rest[0]), rest[1:]
    elif rest and len(named) > 1:
        raise RecipeError(
            f"--set {target}: the recipe has {len(named)} steps `{name}`; "
            f"write {name}.1.{'.'.join(rest)} for the first"
        )
    if not rest:
        raise RecipeError(f"--set {target}: write step.field=value, such as --set evolve.rounds=2")
    if not 1 <= number <= len(named):
        raise RecipeError(
            f"--set {target}: there is no step `{name}` number {number}; the recipe has {len(named)} of them"
        )
    return named[number - 1], rest
