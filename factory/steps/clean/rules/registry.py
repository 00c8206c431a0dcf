"""All rules by name: the built-in ones, by group, and those of plug-ins."""

from __future__ import annotations

import functools
import importlib
from collections.abc import Mapping, Sequence
from importlib.metadata import entry_points

from factory.data.text import shorten
from factory.errors import RecipeError, nearest
from factory.steps.clean.rules.rule import AnyRule, RecordRule, Rule

GROUP = "factory.clean_rules"
"""The entry point group of plug-ins."""

_BUILT_IN = (
    "markup",
    "characters",
    "structure",
    "cut",
    "loops",
    "leaked",
    "nothing",
    "absent",
    "promises",
    "copied",
    "translated",
    "voice",
    "dated",
    "licence",
    "secrets.rules",
    "harm.rules",
)
"""Modules beside this one, in the order in which their rules are told; each has a tuple `RULES`."""


@functools.cache
def rules() -> Mapping[str, AnyRule]:
    """All rules by name: the built-in ones in the order of their files, then plug-ins by name.

    Raises:
        RecipeError: a plug-in cannot be loaded, is no rule, or takes a name that is taken.
    """
    found: dict[str, AnyRule] = {}
    for module in _BUILT_IN:
        for rule in importlib.import_module(f"factory.steps.clean.rules.{module}").RULES:
            assert rule.name not in found, f"two rules are called {rule.name}"
            found[rule.name] = rule
    taken = {*found, *(rule.group for rule in found.values())}
    for entry in sorted(entry_points(group=GROUP), key=lambda entry: entry.name):
        plug_in = f"the plug-in {entry.value}, which offers the rule {entry.name!r},"
        try:
            rule = entry.load()
        except Exception as error:
            why = shorten(f"{type(error).__name__}: {error}", 200)
            raise RecipeError(f"{plug_in} cannot be loaded ({why}); mend it or take it off") from error
        if not isinstance(rule, Rule | RecordRule):
            raise RecipeError(f"{plug_in} is no rule: make it a Rule of factory.steps.clean.rules.rule")
        if not rule.name or rule.name in taken:
            raise RecipeError(
                f"{plug_in} names its rule {rule.name!r}, which is {'taken' if rule.name else 'empty'}"
            )
        found[rule.name] = rule
        taken.add(rule.name)
    return found


def groups() -> Mapping[str, Sequence[str]]:
    """The names of the rules by group."""
    found: dict[str, list[str]] = {}
    for name, rule in rules().items():
        found.setdefault(rule.group, []).append(name)
    return found


def rules_named(name: str) -> Sequence[str]:
    """The rules that a name stands for: itself, those of a group, or all of them for "all".

    Raises:
        RecipeError: there is none; the sentence names the nearest.
    """
    if name in rules():
        return [name]
    if name == "all":
        return list(rules())
    if name in groups():
        return groups()[name]
    raise RecipeError(
        f"there is no rule of `clean` called {shorten(name, 60)!r}"
        f"{nearest(name, [*rules(), *groups(), 'all'])}"
    )
