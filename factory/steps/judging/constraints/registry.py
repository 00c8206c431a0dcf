"""All kinds of constraints by name, built-in and plugged in, and constraints as they lie in data."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from importlib.metadata import entry_points
from typing import Any

import orjson
from pydantic import ValidationError

from factory.data.text import shorten
from factory.errors import RecipeError, nearest
from factory.steps.judging.constraints.constraint import Checked, Constraint, Judged
from factory.steps.judging.constraints.kinds import (
    content,
    ends,
    judged,
    keywords,
    layout,
    length,
    script,
    structure,
)

GROUP = "factory.constraints"
"""The entry point group of plug-ins."""

_BUILT_IN = (length, keywords, structure, layout, content, ends, script, judged)


class BadConstraint(ValueError):
    """What should be a constraint is none: a sentence that names the nearest kind or the argument."""


@functools.cache
def kinds() -> Mapping[str, type[Constraint]]:
    """All kinds by name: the built-in ones in the order of their files, then plug-ins by name.

    Raises:
        RecipeError: a plug-in cannot be loaded, is no kind of constraint, or takes a name that is taken.
    """
    found: dict[str, type[Constraint]] = {kind.kind: kind for module in _BUILT_IN for kind in module.KINDS}
    for entry in sorted(entry_points(group=GROUP), key=lambda entry: entry.name):
        plug_in = f"the plug-in {entry.value}, which offers the constraint {entry.name!r},"
        try:
            kind = entry.load()
        except Exception as error:
            why = shorten(f"{type(error).__name__}: {error}", 200)
            raise RecipeError(f"{plug_in} cannot be loaded ({why}); mend it or take it off") from error
        if not (isinstance(kind, type) and issubclass(kind, Constraint)):
            raise RecipeError(f"{plug_in} is no kind of constraint: derive it from Checked or Judged")
        name = getattr(kind, "kind", "")
        if not name or name in found:
            raise RecipeError(f"{plug_in} names its kind {name!r}, which is {'taken' if name else 'empty'}")
        found[name] = kind
    return found


def find_kind(name: str) -> type[Constraint]:
    """The kind of this name.

    Raises:
        BadConstraint: there is none; the sentence names the nearest.
    """
    kind = kinds().get(name)
    if kind is None:
        raise BadConstraint(f"there is no kind of constraint {shorten(name, 60)!r}{_nearest(name)}")
    return kind


def _nearest(name: str) -> str:
    """The end of a sentence about an unknown kind: "number_words" means the one that ends so."""
    ends = {known.split(":")[-1]: known for known in kinds()}
    same = ends.get(name.split(":")[-1])
    return f"; did you mean {same!r}?" if same else nearest(name, list(kinds()))


def make_constraint(name: str, arguments: Mapping[str, Any]) -> Constraint:
    """A constraint of this kind with these arguments; one that is None counts as not given, as in IFEval's data.

    Raises:
        BadConstraint: there is no such kind, or an argument is missing, unknown or wrong.
    """
    try:
        said = orjson.dumps(arguments)
    except TypeError:  # no JSON
        return _validated(name, arguments)
    return _read_once(name, said)


# The constraints of a set are few beside its records: "at least 100 words" stands in thousands of them.
@functools.lru_cache(maxsize=8192)
def _read_once(name: str, arguments: bytes) -> Constraint:
    return _validated(name, orjson.loads(arguments))


def _validated(name: str, arguments: Mapping[str, Any]) -> Constraint:
    kind = find_kind(name)
    given = {key: value for key, value in arguments.items() if value is not None}
    try:
        return kind.model_validate(given)
    except ValidationError as error:
        raise BadConstraint(f"{name}: {_complaint(kind, error)}") from None


def _complaint(kind: type[Constraint], error: ValidationError) -> str:
    """What is wrong with the first argument that is."""
    first = error.errors(include_url=False, include_context=False)[0]
    at = ".".join(map(str, first["loc"])) or "its arguments"
    known = list(kind.model_fields)
    if first["type"] == "extra_forbidden":
        takes = nearest(at, known) if known else "; it takes no arguments"
        return f"there is no argument {shorten(at, 40)!r}{takes}"
    if first["type"] == "missing":
        return f"the argument {at!r} is missing (it takes {', '.join(known)})"
    said = first["msg"].removeprefix("Value error, ").removeprefix("Assertion failed, ")
    return f"{at}: {said[:1].lower()}{said[1:]}, not {shorten(repr(first['input']), 60)}"


def checked_kinds() -> dict[str, type[Checked]]:
    """The kinds that code checks."""
    return {name: kind for name, kind in kinds().items() if issubclass(kind, Checked)}


def judged_kinds() -> dict[str, type[Judged]]:
    """The kinds that a model judges."""
    return {name: kind for name, kind in kinds().items() if issubclass(kind, Judged)}


IFEVAL: Sequence[str] = (
    "keywords:existence",
    "keywords:frequency",
    "keywords:forbidden_words",
    "keywords:letter_frequency",
    "language:response_language",
    "length_constraints:number_sentences",
    "length_constraints:number_paragraphs",
    "length_constraints:number_words",
    "length_constraints:nth_paragraph_first_word",
    "detectable_content:number_placeholders",
    "detectable_content:postscript",
    "detectable_format:number_bullet_lists",
    "detectable_format:constrained_response",
    "detectable_format:number_highlighted_sections",
    "detectable_format:multiple_sections",
    "detectable_format:json_format",
    "detectable_format:title",
    "combination:two_responses",
    "combination:repeat_prompt",
    "startend:end_checker",
    "change_case:capital_word_frequency",
    "change_case:english_capital",
    "change_case:english_lowercase",
    "punctuation:no_comma",
    "startend:quotation",
)
"""The 25 instructions of IFEval (arXiv 2311.07911)."""
