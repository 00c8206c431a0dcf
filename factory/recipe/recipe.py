"""A YAML recipe -> validated models and steps. Errors name the file, the line, the step and the field."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import yaml
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError
from yaml.reader import ReaderError

from factory.data.own_prompts import NO_PROMPTS, OwnPrompts, read_own_prompts
from factory.data.prompt import in_place_of_shipped
from factory.data.text import shorten
from factory.errors import FactoryError, RecipeError, nearest
from factory.models.naming import EMBEDDED
from factory.models.options import ModelOptions
from factory.recipe.complaints import field_path, option_classes, validation_sentence
from factory.recipe.overrides import apply_override, plain_data
from factory.recipe.step_models import WrongModel, check_step_models
from factory.recipe.yaml_keys import Lines, collect_lines
from factory.step import Source, Step, WholeSet, find_step, step_names

RECIPES = Path(__file__).parent / "ready"
"""Where the ready recipes lie, shipped with the package."""

TOP_KEYS = ("name", "description", "seed", "budget", "prompts", "models", "steps")
NEUTRAL_OPTIONS = (
    "api_key_env",
    "base_url",
    "batch",
    "client",
    "client_arguments",
    "concurrency",
    "price",
    "requests_per_minute",
    "serve",
    "slots",
    "timeout",
    "token_provider",
    "tokens_per_minute",
)
"""Options of a model that cannot change what it replies."""

_NAME = re.compile(r"\w[\w.-]{0,63}")


class Budget(BaseModel):
    """What a run may spend. It stops cleanly at the limit; with a higher one it goes on."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    money: float | None = Field(None, gt=0, description="money, in the currency of the models' prices")
    tokens: int | None = Field(None, gt=0, description="tokens of prompts and replies together")
    calls: int | None = Field(None, gt=0, description="calls to models")


NO_BUDGET = Budget()


@dataclass(frozen=True, slots=True)
class Recipe:
    """A validated recipe. `data` is what was written, with its name and the overrides, and nothing else."""

    name: str
    seed: int
    models: Mapping[str, ModelOptions]
    steps: tuple[Step, ...]
    data: Mapping[str, Any]
    budget: Budget = NO_BUDGET
    prompts: OwnPrompts = NO_PROMPTS

    def labels(self) -> list[str]:
        """Place and name of each step: "01-read", "02-evolve", ..."""
        return [f"{at:02d}-{step.name}" for at, step in enumerate(self.steps, start=1)]

    def to_yaml(self, prompts: str = "") -> str:
        """The recipe as YAML text, which `parse_recipe` reads back to the same recipe.

        prompts: where the person's own prompts lie, if elsewhere than they were read from
        """
        data = {**self.data, "prompts": prompts} if prompts and "prompts" in self.data else dict(self.data)
        return yaml.dump(data, Dumper=_Dumper, allow_unicode=True, sort_keys=False, width=100)

    def hash(self) -> str:
        """Twelve hexadecimal digits of everything in the recipe that can change a result.

        A budget, a price, an address or a number of requests in flight cannot: a recipe in which only those
        change goes on in the same folder.
        """
        said = {key: value for key, value in self.data.items() if key not in ("budget", "description")}
        if self.prompts.texts:
            said["prompts"] = self.prompts.digests()
        said["models"] = {
            name: {key: value for key, value in options.items() if key not in NEUTRAL_OPTIONS}
            for name, options in (self.data.get("models") or {}).items()
        }
        canonical = json.dumps(said, sort_keys=True, ensure_ascii=False)
        return hashlib.sha256(canonical.encode("utf-8", "surrogatepass")).hexdigest()[:12]


class _Dumper(yaml.SafeDumper):
    """Escapes Unicode's line breaks, which PyYAML writes as they are and reads back as others."""


def _text_node(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    style = '"' if re.search("[\x85\u2028\u2029]", text) else None  # escaped within double quotes
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _text_node)


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
    except OSError as error:
        raise RecipeError(f"{path}: cannot be read ({error.strerror or error})") from error
    except UnicodeDecodeError as error:
        raise RecipeError(f"{path}: cannot be read as UTF-8 text ({error})") from error
    return parse_recipe(text, str(path), overrides)


def parse_recipe(text: str, where: str = "recipe", overrides: Sequence[str] = ()) -> Recipe:
    """Read a recipe's YAML text; `where` names it in errors. See `load_recipe`."""
    lines: dict[tuple[str | int, ...], int] = {}
    data: Any = None
    try:
        loader = yaml.SafeLoader(text)
        node = loader.get_single_node()
        if node is not None:
            collect_lines(node, (), lines, where)
            data = loader.construct_document(node)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = mark.line + 1 if mark is not None else 0
        if isinstance(error, ReaderError):
            line = text.count("\n", 0, error.position) + 1
        at = f" line {line}:" if line else ""
        problem = getattr(error, "problem", None) or str(error).splitlines()[0]
        raise RecipeError(f"{where}:{at} not valid YAML: {problem}") from error
    except (RecursionError, ValueError) as error:
        raise RecipeError(f"{where}: not valid YAML: {error}") from error
    return build_recipe(data, where, lines, overrides)


def build_recipe(
    data: Any,
    where: str = "recipe",
    lines: Lines | None = None,
    overrides: Sequence[str] = (),
) -> Recipe:
    """Validate a recipe given as plain data (what YAML gives). See `load_recipe`."""
    at = _Where(where, lines or {})
    written = Path(where).parent if lines else Path()
    if not isinstance(data, dict) or not data:
        raise RecipeError(f"{where}: a recipe is a mapping with the keys {', '.join(TOP_KEYS)}")
    try:
        data = plain_data(data)
    except (TypeError, ValueError, RecursionError) as error:
        raise RecipeError(f"{where}: a recipe is plain text, numbers, lists and mappings: {error}") from error
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
        apply_override(data, override)
    name = str(data.get("name") or Path(where).stem)
    if not _NAME.fullmatch(name):
        raise at.error(
            ("name",),
            f"the name {shorten(repr(name))} names the run's folder: set `name` to at most 64 letters, digits, "
            "dots and dashes",
        )
    data = {"name": name} | {key: value for key, value in data.items() if key != "name"}
    seed = data.get("seed", 0)
    if not isinstance(seed, int) or isinstance(seed, bool):
        raise at.error(("seed",), f"the seed must be a whole number, not {seed!r}")
    models = _build_models(data.get("models") or {}, at)
    prompts = _read_prompts(data, written, at)
    with in_place_of_shipped(prompts.prompts):
        steps = tuple(_build_step(raw, index, models, at) for index, raw in enumerate(raw_steps))
    if not (isinstance(steps[0], Source) or (isinstance(steps[0], WholeSet) and steps[0].begins())):
        raise at.error(("steps", 0), f"the first step must bring records in (`read`), not `{steps[0].name}`")
    first = next((at for at, step in enumerate(steps) if not isinstance(step, Source)), len(steps))
    for index, step in enumerate(steps[first:], start=first):
        if isinstance(step, Source):
            raise at.error(
                ("steps", index), f"`{step.name}` brings records in: put it before the other steps"
            )
    return Recipe(name, seed, models, steps, data, _build_budget(data.get("budget"), models, at), prompts)


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
        raise at.error(
            ("steps", index),
            f"the options of step `{name}` must be a mapping, not {shorten(repr(options), 60)}",
        )
    return {str(name): options}


def _read_prompts(data: dict[str, Any], written: Path, at: _Where) -> OwnPrompts:
    """The person's own prompts; `data` then names their folder wherever the recipe lies.

    written: the folder that a relative path is relative to
    """
    folder = data.get("prompts")
    if folder is None:
        data.pop("prompts", None)
        return NO_PROMPTS
    if not isinstance(folder, str) or not folder.strip():
        raise at.error(
            ("prompts",), "`prompts` is a folder of prompts of your own, such as `prompts: my-prompts`"
        )
    path = (written / Path(folder).expanduser()).absolute()
    try:
        found = read_own_prompts(path)
    except RecipeError as error:
        raise at.error(("prompts",), f"prompts: {error}") from None
    data["prompts"] = str(path)
    return found


def _build_budget(raw: Any, models: Mapping[str, ModelOptions], at: _Where) -> Budget:
    try:
        budget = Budget.model_validate({} if raw is None else raw)
    except ValidationError as error:
        raise _first_error(error, ("budget",), "budget", list(Budget.model_fields), at) from None
    if budget.money is not None and not any(getattr(options, "price", None) for options in models.values()):
        raise at.error(
            ("budget", "money"),
            "a budget in money needs the price of at least one model, such as "
            "`price: {input: 0.4, output: 1.6}` for a million tokens",
        )
    return budget


def _build_models(raw: Any, at: _Where) -> dict[str, ModelOptions]:
    if not isinstance(raw, dict):
        raise at.error(
            ("models",), "`models` must map a name to its options, such as `teacher: {provider: local}`"
        )
    classes = option_classes()
    models: dict[str, ModelOptions] = {}
    for name, options in raw.items():
        if name == EMBEDDED:
            raise at.error(
                ("models", name), f"`{name}` is the model that comes with factory: choose another name"
            )
        if not isinstance(options, dict):
            raise at.error(
                ("models", name), f"model `{name}`: write its options, such as `{name}: {{provider: local}}`"
            )
        try:
            # Building the union of all providers' options is slow; it tells what is wrong with an unknown one.
            provider = options.get("provider")
            known = classes.get(provider) if isinstance(provider, str) else None
            check = TypeAdapter(ModelOptions).validate_python if known is None else known.model_validate
            models[name] = cast("ModelOptions", check(options))
        except ValidationError as error:
            fields = _model_fields(options)
            # The error itself, which a traceback would show, quotes what was given: it may be a key.
            raise _first_error(error, ("models", name), f"model `{name}`", fields, at) from None
    return models


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
        raise _first_error(error, path, f"step `{name}`", list(kind.model_fields), at) from None
    except FactoryError as error:
        raise at.error(path, f"step `{name}`: {error}") from error
    try:
        check_step_models(step, models)
    except WrongModel as error:
        raise at.error((*path, error.field), f"step `{name}`, `{error.field}`: {error}") from error
    return step


def _first_error(
    error: ValidationError, path: tuple[str | int, ...], what: str, fields: list[str], at: _Where
) -> RecipeError:
    loc = field_path(error, fields)
    sentence = validation_sentence(error, fields, show_input=path[0] != "models")
    return at.error((*path, *loc), f"{what}: {sentence}")
