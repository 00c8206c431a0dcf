"""The options of steps on the command line: their names, types, defaults and help are those of the fields."""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args, get_origin

import typer
from typer.core import TyperCommand

from factory.errors import FactoryError
from factory.recipe.model_spec import MODEL_FORMS, model_value

if TYPE_CHECKING:
    from factory.step import Step

_CHOSEN, _SECTIONS = "factory.chosen", "factory.sections"
"""Where a command's context keeps what was typed for steps, and what can be."""
_METAVARS = {int: "<int>", float: "<float>", Path: "<path>"}
_NUMBER = re.compile(r"-?\d*\.?\d+")

Chosen = dict[str, dict[str, Any]]
"""Of each step that an option was given for, its fields and their values; those under "" are for all."""


@dataclass(frozen=True, slots=True)
class StepOption:
    """An option that sets a field of a step, or, without a field, that chooses the step.

    name: without the dashes before it
    step: the step's name; "" for an option of several
    """

    name: str
    step: str
    kind: type[Step]
    field: str = ""

    @property
    def annotation(self) -> Any:
        """The type of the field; of a choice, bool."""
        from factory.recipe.option_docs import plain_type

        return plain_type(self.kind.model_fields[self.field].annotation) if self.field else bool

    @property
    def is_flag(self) -> bool:
        """Whether it is written without a value."""
        return self.annotation is bool

    @property
    def _names_model(self) -> bool:
        return any(self.field in self.kind.model_fields_of(kind) for kind in ("chat", "embedding"))

    def value(self, texts: Sequence[str]) -> Any:
        """What is typed, as the step takes it. The step itself says what is wrong with it."""
        from factory.recipe.option_docs import union
        from factory.recipe.overrides import option_value

        if self.is_flag:
            return option_value(texts[-1])
        parts = union(self.annotation)
        many = any(get_origin(part) in (tuple, list) for part in parts)
        maps = any(_is_mapping(part) for part in parts)
        if self._names_model:
            values = [model_value(text) for text in texts]
        elif maps and (all(map(_is_pair, texts)) or not (many or self._takes_one(parts))):
            values = [_pair(text) for text in texts]
            return {key: value for pair in values for key, value in pair.items()}
        elif all(part in (str, Path, type(None)) or _is_texts(part) for part in parts):
            values = [_listed(text) if many else text for text in texts]
            if type(None) in parts and values[-1] == "null":
                return None
        else:
            values = [option_value(text) for text in texts]
        if not many:
            return values[-1]
        if len(values) == 1 and (isinstance(values[0], list) or str in parts):
            return values[0]
        return [one for value in values for one in (value if isinstance(value, list) else [value])]

    @staticmethod
    def _takes_one(parts: Sequence[Any]) -> bool:
        """Whether the field takes a plain value too, such as a rule, beside a mapping."""
        return any(part is not type(None) and not _is_mapping(part) for part in parts)

    def help_record(self) -> tuple[str, str]:
        """The option and what it means, as `--help` shows them."""
        from factory.recipe.option_docs import choices, limits, option_rows, union

        if not self.field:
            return f"--{self.name}", self.kind.summary()
        row = next(row for row in option_rows(self.kind) if row.name == self.field)
        parts = [part for part in union(self.annotation) if part is not type(None)]
        notes = ["required" if row.default == "required" else f"default: {_default(row.default)}"]
        notes += limits(self.kind.model_fields[self.field])
        if any(get_origin(part) in (tuple, list) or _is_mapping(part) for part in parts):
            notes.append("repeatable")
        if self.is_flag:
            return f"--{self.name} / --no-{self.name}", f"{_sentence(row.description)} [{'; '.join(notes)}]"
        named = next((found for part in parts if (found := choices(part))), ())
        metavar = f"<{'|'.join(filter(None, named))}>" if named else _METAVARS.get(parts[0], "<text>")
        if any(map(_is_mapping, parts)):
            metavar = f"<{'|'.join(['name=value', *filter(None, named)])}>"
        told = _sentence(row.description)
        if self._names_model:
            metavar, told = "<model>", f"{told} {MODEL_FORMS}"
        return f"--{self.name} {metavar}", f"{told} [{'; '.join(notes)}]"


def options_of(step: str, prefix: str = "", taken: Iterable[str] = ()) -> list[StepOption]:
    """An option for each field of a step: its name with dashes.

    `prefix` goes before each name, and before one that is among `taken`, the command's own, the step's name.
    """
    from factory.step import find_step

    kind = find_step(step)
    found = []
    for field in kind.model_fields:
        name = f"{prefix}-{field}" if prefix else field
        if name.replace("_", "-") in taken:
            name = f"{step}-{field}"
        found.append(StepOption(name.replace("_", "-"), step, kind, field))
    return found


class StepCommand(TyperCommand):
    """A command that takes the options of steps beside its own, before or after its arguments."""

    def sections(self, words: Sequence[str]) -> Mapping[str, Sequence[StepOption]]:
        """The options of steps that the command typed as `words` takes, under their headings."""
        raise NotImplementedError

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Take out what belongs to steps; the rest is the command's own."""
        sections = self.sections(args)
        ctx.meta[_SECTIONS] = sections
        options = {option.name: option for part in sections.values() for option in part}
        ctx.meta[_CHOSEN], rest = take_options(args, options, self.own_options())
        return super().parse_args(ctx, rest)

    def own_options(self) -> dict[str, bool]:
        """The names of the command's own options, and whether each takes a value."""
        found = {"help": False}
        for parameter in self.params:
            if parameter.param_type_name == "option":
                for name in (*parameter.opts, *parameter.secondary_opts):
                    found[name.lstrip("-")] = not getattr(parameter, "is_flag", False)
        return found

    def arguments(self, words: Sequence[str]) -> Iterator[str]:
        """The words that are no options and no values of the command's own."""
        own = self.own_options()
        left = iter(words)
        for word in left:
            if word == "--":
                yield from left
            elif not word.startswith("-"):
                yield word
            elif own.get(word.lstrip("-")):
                next(left, None)

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """The options of the steps, then the command's own."""
        for heading, options in shown_sections(ctx).items():
            with formatter.section(heading):
                formatter.write_dl([option.help_record() for option in options])
        super().format_options(ctx, formatter)


def shown_sections(context: typer.Context) -> Mapping[str, Sequence[StepOption]]:
    """The options of steps that a `StepCommand` takes, as it was typed."""
    sections: Mapping[str, Sequence[StepOption]] = context.meta.get(_SECTIONS, {})
    return sections


def chosen_options(context: typer.Context) -> Chosen:
    """What was typed for the steps of a `StepCommand`."""
    chosen: Chosen = context.meta[_CHOSEN]
    return chosen


def take_options(
    words: Sequence[str], options: Mapping[str, StepOption], own: Mapping[str, bool]
) -> tuple[Chosen, list[str]]:
    """The values of `options` among the words of a command, and the words that are left.

    Raises:
        FactoryError: an option is unknown, or lacks its value.
    """
    typed: dict[str, list[str]] = {}
    rest: list[str] = []
    left = list(words)
    while left:
        word = left.pop(0)
        if word == "--":
            rest += [word, *left]
            break
        written, equals, text = word.removeprefix("--").partition("=")
        name = written.replace("_", "-")
        negated = name.removeprefix("no-")
        if not word.startswith("--") or written in own:
            rest.append(word)
            if not equals and left and own.get(word.lstrip("-")):
                rest.append(left.pop(0))
        elif name in options and not options[name].is_flag:
            if not equals and (not left or left[0].startswith("--")):
                raise FactoryError(f"--{name}: needs a value, written --{name} VALUE")
            typed.setdefault(name, []).append(text if equals else left.pop(0))
        elif name in options:
            if options[name].field and not equals and left and left[0] in ("true", "false"):
                text = left.pop(0)
            number = text or next(iter(left), "")
            if not options[name].field and _NUMBER.fullmatch(number):
                raise FactoryError(f"--{name} {number}: write --{name}-threshold {number}")
            typed.setdefault(name, []).append(text or "true")
        elif negated in options and options[negated].is_flag and options[negated].field and not equals:
            typed.setdefault(negated, []).append("false")
        else:
            from factory.errors import nearest

            known = [*options, *own]
            raise FactoryError(f"--{written}: there is no such option{nearest(name, known)}")
    chosen: Chosen = {}
    for name, texts in typed.items():
        option = options[name]
        fields = chosen.setdefault(option.step, {})
        if option.field:
            try:
                fields[option.field] = option.value(texts)
            except FactoryError as error:
                raise FactoryError(f"--{name}: {error}") from error
    return chosen, rest


def _is_mapping(part: Any) -> bool:
    origin = get_origin(part)
    return isinstance(origin, type) and issubclass(origin, Mapping)


def _is_pair(text: str) -> bool:
    return "=" in text or text.lstrip().startswith("{")


def _is_texts(part: Any) -> bool:
    """Whether a part of a type is one of a few texts, or a list of texts."""
    from factory.recipe.option_docs import choices

    listed = get_origin(part) in (tuple, list) and get_args(part)[0] in (str, Path)
    return bool(choices(part)) or listed


def _listed(text: str) -> Any:
    """One text, or the list that [a, b] is."""
    from factory.recipe.overrides import option_value

    if text.startswith("["):
        value = option_value(text)
        return [str(one) for one in value] if isinstance(value, list) else text
    return text


def _pair(text: str) -> dict[str, Any]:
    """A mapping written as {name: value}, or name=value, as a mapping."""
    from factory.recipe.overrides import option_value

    if text.lstrip().startswith("{") and isinstance(mapping := option_value(text), dict):
        return mapping
    name, equals, value = text.partition("=")
    if not (name and equals):
        raise FactoryError(f"{text}: write NAME=VALUE, or {{name: value, ...}}")
    return {name: value}


def _default(told: str) -> str:
    """A default as it is typed rather than as JSON."""
    with contextlib.suppress(ValueError):
        value = json.loads(told)
        if isinstance(value, list):
            return f"[{', '.join(map(str, value))}]" if value else "none"
        if isinstance(value, dict) or value in ("", None):
            return "none" if not value else told
        if isinstance(value, str):
            return value
    return told


def _sentence(text: str) -> str:
    """A description as a sentence, however its field writes it."""
    first = text.split(" ", 1)[0]
    text = text if first.endswith(":") or "`" in first else text[:1].upper() + text[1:]
    return text if text.endswith((".", "!", "?")) else f"{text}."
