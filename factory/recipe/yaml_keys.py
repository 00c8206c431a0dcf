"""The keys of a recipe's YAML: where each stands, and what is wrong with how it is written."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TypeAlias

import yaml

from factory.data.text import shorten
from factory.errors import RecipeError

Path: TypeAlias = tuple[str | int, ...]
"""The keys and numbers of items that lead to a value."""
Lines: TypeAlias = Mapping[Path, int]
"""The line of each."""

# A recipe of aliases that stand for aliases can grow to any size from a few lines.
_MOST_VALUES = 100_000
_DEEPEST = 64
_RUN_TOGETHER = re.compile(r"([^:：=]+?)\s*[:：=]")


def lacks_space(node: yaml.MappingNode) -> tuple[yaml.Node, str] | None:
    """The first key of {math:1, code: 2} that YAML takes for one word, as no space follows its colon; and the mend.

    The same for {math=1} and {math：1}. What stands behind the colon is not shown: it may be a secret.
    """
    for key, value in node.value if node.flow_style else ():
        empty = isinstance(value, yaml.ScalarNode) and not value.value and value.style is None
        plain = isinstance(key, yaml.ScalarNode) and key.style is None
        if empty and plain and (found := _RUN_TOGETHER.match(key.value)):
            name = shorten(found[1], 40)
            return key, f"{name!r} has no value: write {{{name}: VALUE}}, with a colon and a space behind it"
    return None


def collect_lines(node: yaml.Node, path: Path, lines: dict[Path, int], where: str) -> None:
    """The line of each key and item. YAML itself would let the last of two equal keys win without a word.

    Raises:
        RecipeError: a key stands twice or has no space behind its colon, or the recipe is too large or too deep once
            its aliases are followed.
    """
    line = node.start_mark.line + 1
    lines.setdefault(path, line)
    if len(path) > _DEEPEST:
        raise RecipeError(f"{where}: line {line}: nested more than {_DEEPEST} levels deep")
    if len(lines) > _MOST_VALUES:
        raise RecipeError(
            f"{where}: line {line}: with its aliases it holds more than {_MOST_VALUES:,} values"
        )
    if isinstance(node, yaml.MappingNode):
        if (found := lacks_space(node)) is not None:
            raise RecipeError(f"{where}: line {found[0].start_mark.line + 1}: {found[1]}")
        for key, value in node.value:
            line = key.start_mark.line + 1
            if not isinstance(key, yaml.ScalarNode):
                raise RecipeError(f"{where}: line {line}: a key must be plain text")
            place = (*path, key.value)
            if place in lines:
                raise RecipeError(
                    f"{where}: line {line}: the key {shorten(key.value)!r} was given before, in line {lines[place]}"
                )
            lines[place] = line
            collect_lines(value, place, lines, where)
    elif isinstance(node, yaml.SequenceNode):
        for index, value in enumerate(node.value):
            collect_lines(value, (*path, index), lines, where)
