"""A YAML recipe -> validated models and steps. Errors name the file, the line, the step and the field."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

import yaml
from pydantic import BaseModel, TypeAdapter, ValidationError

from factory.errors import FactoryError, RecipeError
from factory.models.naming import resolve_model
from factory.models.options import ModelOptions
from factory.step import Source, Step, find_step, nearest, step_names
from factory.text import shorten

RECIPES = Path(__file__).parent / "recipes"
"""Where the ready recipes lie, shipped with the package."""

TOP_KEYS = ("name", "description", "seed", "models", "steps")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")

Lines = Mapping[tuple[str | int, ...], int]


@dataclass(frozen=True, slots=True)
class Recipe:
    """A validated recipe. `data` is what was written, with the overrides applied and nothing else."""

    name: str
    seed: int
    models: Mapping[str, ModelOptions]
    steps: tuple[Step, ...]
    data: Mapping[str, Any]

    def labels(self) -> list[str]:
        """Place and name of each step: "01-read", "02-evolve", ..."""
        return [f"{at:02d}-{step.name}" for at, step in enumerate(self.steps, start=1)]

    def to_yaml(self) -> str:
        """The recipe as YAML text, which `parse_recipe` reads back to the same recipe."""
        return yaml.safe_dump(dict(self.data), allow_unicode=True, sort_keys=False, width=100)

    def hash(self) -> str:
        """Twelve hexadecimal digits of everything that the recipe says."""
        canonical = json.dumps(self.data, sort_keys=True, ensure_ascii=False)
        return hashlib.sha256(canonical.encode("utf-8", "surrogatepass")).hexdigest()[:12]


def builtin_recipes() -> list[str]:
    """Names of the recipes that ship with the package."""
    return sorted(path.stem for path in RECIPES.glob("*.yaml"))


def load_recipe(name_or_path: str, overrides: Sequence[str] = ()) -> Recipe:
    """Read the recipe file at this path, or the built-in recipe of this name.

    `overrides` are "step.field=value" (or "seed=7", "models.NAME.field=value"); the value is YAML. A step that
    occurs more than once is named with its number: "respond.2.temperature=0".

    Raises:
        RecipeError: there is no such recipe, or it is wrong.
    """
    path = Path(name_or_path)
    if not path.is_file():
        builtin = RECIPES / f"{name_or_path}.yaml"
        if path.suffix in (".yaml", ".yml") or "/" in name_or_path or not builtin.is_file():
            names = builtin_recipes()
            raise RecipeError(
                f"{name_or_path}: no such recipe file, and no built-in recipe of that name"
                f"{nearest(name_or_path, names)}"
            )
        return parse_recipe(builtin.read_text(encoding="utf-8"), builtin.name, overrides)
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise RecipeError(f"{path}: cannot be read as UTF-8 text ({error})") from error
    return parse_recipe(text, str(path), overrides)


def parse_recipe(text: str, where: str = "recipe", overrides: Sequence[str] = ()) -> Recipe:
    """Read a recipe's YAML text; `where` names it in errors. See `load_recipe`."""
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
        data = yaml.safe_load(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        at = f" line {mark.line + 1}:" if mark is not None else ""
        problem = getattr(error, "problem", None) or str(error).splitlines()[0]
        raise RecipeError(f"{where}:{at} not valid YAML: {problem}") from error
    except (RecursionError, ValueError) as error:
        raise RecipeError(f"{where}: not valid YAML: {error}") from error
    lines: dict[tuple[str | int, ...], int] = {}
    if node is not None:
        _collect_lines(node, (), lines)
    return build_recipe(data, where, lines, overrides)


def build_recipe(
    data: Any,
    where: str = "recipe",
    lines: Lines | None = None,
    overrides: Sequence[str] = (),
) -> Recipe:
    """Validate a recipe given as plain data (what YAML gives). See `load_recipe`."""
    at = _Where(where, lines or {})
    if not isinstance(data, dict) or not data:
        raise RecipeError(f"{where}: a recipe is a mapping with the keys {', '.join(TOP_KEYS)}")
    data = json.loads(json.dumps(data, default=str))  # a copy of our own, of plain JSON types
    for key in data:
        if key not in TOP_KEYS:
            raise at.error((key,), f"unknown key {key!r}{nearest(str(key), TOP_KEYS)}")
    raw_steps = data.get("steps")
    if not isinstance(raw_steps, list) or not raw_steps:
        raise at.error(
            ("steps",), "`steps` must be a list with at least one step, such as `- read: {path: seeds.jsonl}`"
        )
    raw_steps[:] = [_step_entry(raw, (index, at)) for index, raw in enumerate(raw_steps)]
    for override in overrides:
        _apply_override(data, override)
    name = str(data.get("name") or Path(where).stem)
    if not _NAME.fullmatch(name):
        raise at.error(
            ("name",), f"the name {name!r} must be letters, digits, dots, dashes: it names the run's folder"
        )
    seed = data.get("seed", 0)
    if not isinstance(seed, int) or isinstance(seed, bool):
        raise at.error(("seed",), f"the seed must be a whole number, not {seed!r}")
    models = _build_models(data.get("models") or {}, at)
    steps = tuple(_build_step(raw, index, models, at) for index, raw in enumerate(raw_steps))
    if not isinstance(steps[0], Source):
        raise at.error(("steps", 0), f"the first step must bring records in (`read`), not `{steps[0].name}`")
    first = next((at for at, step in enumerate(steps) if not isinstance(step, Source)), len(steps))
    for index, step in enumerate(steps[first:], start=first):
        if isinstance(step, Source):
            raise at.error(
                ("steps", index), f"`{step.name}` brings records in: put it before the other steps"
            )
    return Recipe(name, seed, models, steps, data)


@dataclass(frozen=True, slots=True)
class _Where:
    """Names a place in a recipe: the file, the line where it is known, the path of keys."""

    file: str
    lines: Lines

    def error(self, path: tuple[str | int, ...], sentence: str) -> RecipeError:
        at = path
        while at and at not in self.lines:
            at = at[:-1]
        line = f" line {self.lines[at]}:" if at in self.lines else ""
        return RecipeError(f"{self.file}:{line} {sentence}")


def _collect_lines(
    node: yaml.Node, path: tuple[str | int, ...], lines: dict[tuple[str | int, ...], int], depth: int = 0
) -> None:
    lines.setdefault(path, node.start_mark.line + 1)
    if depth > 20:
        return
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            lines[(*path, key.value)] = key.start_mark.line + 1
            _collect_lines(value, (*path, key.value), lines, depth + 1)
    elif isinstance(node, yaml.SequenceNode):
        for index, value in enumerate(node.value):
            _collect_lines(value, (*path, index), lines, depth + 1)


def _step_entry(raw: Any, place: tuple[int, _Where]) -> dict[str, Any]:
    """A step as written (`- tag`, `- tag:`, `- tag: {...}`) as {name: {field: value}}."""
    index, at = place
    if isinstance(raw, str):
        raw = {raw: {}}
    if not isinstance(raw, dict) or len(raw) != 1:
        raise at.error(
            ("steps", index),
            f"step {index + 1} must be one name with its options, such as `- judge: {{rubric: quality}}`",
        )
    name, options = next(iter(raw.items()))
    if options is None:
        options = {}
    if not isinstance(options, dict):
        raise at.error(("steps", index), f"the options of step `{name}` must be a mapping, not {options!r}")
    return {str(name): options}


def _build_models(raw: Any, at: _Where) -> dict[str, ModelOptions]:
    if not isinstance(raw, dict):
        raise at.error(
            ("models",), "`models` must map a name to its options, such as `teacher: {provider: local}`"
        )
    adapter: TypeAdapter[ModelOptions] = TypeAdapter(ModelOptions)
    models: dict[str, ModelOptions] = {}
    for name, options in raw.items():
        try:
            models[str(name)] = adapter.validate_python(options)
        except ValidationError as error:
            fields = _model_fields(options)
            raise _first_error(error, ("models", name), f"model `{name}`", fields, at) from error
    return models


def option_classes() -> dict[str, type[BaseModel]]:
    """The options of a recipe's `models:` entries, by provider."""
    classes = get_args(get_args(ModelOptions)[0])
    return {kind.model_fields["provider"].default: kind for kind in classes}


def _model_fields(options: Any) -> list[str]:
    provider = options.get("provider") if isinstance(options, dict) else None
    for known, model in option_classes().items():
        if known == provider:
            return list(model.model_fields)
    return []


def _build_step(raw: dict[str, Any], index: int, models: Mapping[str, ModelOptions], at: _Where) -> Step:
    name, options = next(iter(raw.items()))
    path = ("steps", index, name)
    if name not in step_names():
        raise at.error(path, f"there is no step `{name}`{nearest(name, step_names())}")
    kind = find_step(name)
    try:
        step = kind.model_validate(options)
    except ValidationError as error:
        raise _first_error(error, path, f"step `{name}`", list(kind.model_fields), at) from error
    except FactoryError as error:
        raise at.error(path, f"step `{name}`: {error}") from error
    for model_kind in ("chat", "embedding"):
        for field in kind.model_fields_of(model_kind):
            try:
                resolve_model(models, getattr(step, field), model_kind)
            except RecipeError as error:
                raise at.error((*path, field), f"step `{name}`, `{field}`: {error}") from error
    return step


def validation_sentence(error: ValidationError, fields: Sequence[str], *, show_input: bool = True) -> str:
    """The first of pydantic's complaints as the end of a sentence; `fields` are the names there are.

    `show_input` is off for models: a key pasted into the wrong field must not be printed.
    """
    first = error.errors(include_url=False)[0]
    loc = _field_path(first, fields)
    field = ".".join(str(part) for part in loc)
    if first["type"] == "extra_forbidden":
        return f"unknown key `{field}`{nearest(str(loc[-1]), fields)}"
    if first["type"] == "missing":
        return f"`{field}` is missing"
    if first["type"] in ("union_tag_invalid", "union_tag_not_found"):
        wrong = first.get("ctx", {}).get("tag", "")
        return f"`provider` must be one of {', '.join(option_classes())}" + (
            f", not {wrong!r}" if wrong else ""
        )
    message = first["msg"].removeprefix("Value error, ")
    message = message[:1].lower() + message[1:]
    plain = show_input and isinstance(first["input"], (str, int, float, bool))
    given = f", not {shorten(repr(first['input']), 60)}" if plain else ""
    return f"`{field}`: {message}{given}" if field else f"{message}{given}"


def _field_path(first: Any, fields: Sequence[str]) -> tuple[str | int, ...]:
    """Where the complaint is; the tag of a discriminated union, which stands first, is left out."""
    loc = tuple(part for part in first["loc"] if isinstance(part, (str, int)))
    return loc[1:] if loc and loc[0] in option_classes() and loc[0] not in fields else loc


def _first_error(
    error: ValidationError, path: tuple[str | int, ...], what: str, fields: list[str], at: _Where
) -> RecipeError:
    loc = _field_path(error.errors(include_url=False)[0], fields)
    sentence = validation_sentence(error, fields, show_input=path[0] != "models")
    return at.error((*path, *loc), f"{what}: {sentence}")


def option_value(text: str) -> Any:
    """What is typed for an option, read as YAML where it is YAML (numbers, lists), else as it stands (">= 4")."""
    try:
        return yaml.safe_load(text) if text.strip() else ""
    except yaml.YAMLError:
        return text


def _apply_override(data: dict[str, Any], override: str) -> None:
    """Apply "step.field=value" in place."""
    target, equals, text = override.partition("=")
    keys = target.strip().split(".")
    if not equals or not all(keys):
        raise RecipeError(f"--set {override}: write step.field=value, such as --set evolve.rounds=2")
    value = option_value(text)
    if keys[0] in ("name", "seed") and len(keys) == 1:
        data[keys[0]] = value
        return
    at: Any
    if keys[0] == "models" and len(keys) >= 3:
        at, rest = (data.get("models") or {}).get(keys[1]), keys[2:]
        if not isinstance(at, dict):
            names = list(data.get("models") or {})
            raise RecipeError(
                f"--set {override}: the recipe has no model {keys[1]!r}{nearest(keys[1], names)}"
            )
    else:
        named = [step[keys[0]] for step in data["steps"] if keys[0] in step]
        if not named:
            names = [next(iter(step)) for step in data["steps"]]
            raise RecipeError(
                f"--set {override}: the recipe has no step {keys[0]!r}{nearest(keys[0], names)}"
            )
        rest = keys[1:]
        number = 1
        if len(rest) > 1 and rest[0].isdigit():
            number, rest = int(rest[0]), rest[1:]
        elif len(named) > 1:
            raise RecipeError(
                f"--set {override}: the recipe has {len(named)} steps `{keys[0]}`; "
                f"write {keys[0]}.1.{'.'.join(rest)} for the first"
            )
        if not 1 <= number <= len(named) or not rest:
            raise RecipeError(f"--set {override}: write step.field=value, such as --set evolve.rounds=2")
        at = named[number - 1]
    for key in rest[:-1]:
        at = at.setdefault(key, {})
        if not isinstance(at, dict):
            raise RecipeError(f"--set {override}: {key} is not a mapping")
    at[rest[-1]] = value


def option_rows(model: type[BaseModel]) -> list[tuple[str, str, str, str]]:
    """(name, type, default, description) of each field: for help texts and reference pages."""
    rows = []
    for name, info in model.model_fields.items():
        annotation = getattr(info.annotation, "__name__", None) or str(info.annotation)
        if getattr(info.annotation, "__args__", None):
            annotation = str(info.annotation)
        annotation = re.sub(r"\b(typing|factory|collections\.abc)\.(\w+\.)*", "", annotation)
        default = (
            "required"
            if info.is_required()
            else json.dumps(info.get_default(call_default_factory=True), default=str)
        )
        rows.append((name, annotation, default, " ".join((info.description or "").split())))
    return rows
