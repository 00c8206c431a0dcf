"""Which steps use which prompt, read from the steps' source: from a step's class along the names it refers to.

A prompt is used where its name stands as text ("evolve/deepen") or begins a text that is put together
(f"evolve/{operation}": all of that folder); a variant of one ("judge/pair_reference") by whoever uses the one.
"""

from __future__ import annotations

import ast
import functools
from collections.abc import Iterator, Mapping
from importlib.util import find_spec
from pathlib import Path

from factory.data.prompt import shipped_prompts
from factory.step import step_classes


def prompt_users() -> Mapping[str, tuple[str, ...]]:
    """For each shipped prompt the names of the steps that use it, sorted; none where the engine itself does."""
    users: dict[str, set[str]] = {name: set() for name in shipped_prompts()}
    for step, (module, name) in step_classes().items():
        for prompt in _used_from(module, name):
            users[prompt].add(step)
    return {name: tuple(sorted(steps)) for name, steps in users.items()}


def _used_from(module: str, name: str) -> set[str]:
    """Prompts that a definition uses, and all that it refers to."""
    found: set[str] = set()
    seen: set[tuple[str, str]] = set()
    todo = [(module, name)]
    while todo:
        place = todo.pop()
        if place in seen:
            continue
        seen.add(place)
        here, wanted = place
        definitions, imported = _module(here)
        if wanted in imported:
            todo.append(imported[wanted])
        elif (node := definitions.get(wanted)) is not None:
            found.update(_mentioned(node))
            todo += [(here, part.id) for part in ast.walk(node) if isinstance(part, ast.Name)]
    return found


def _mentioned(node: ast.AST) -> Iterator[str]:
    names = shipped_prompts()
    for part in ast.walk(node):
        if isinstance(part, ast.Constant) and part.value in names:
            yield from (name for name in names if name == part.value or name.startswith(f"{part.value}_"))
        elif isinstance(part, ast.JoinedStr) and isinstance(first := part.values[0], ast.Constant):
            folder = str(first.value)
            yield from (name for name in names if folder.endswith("/") and name.startswith(folder))


@functools.cache
def _module(name: str) -> tuple[Mapping[str, ast.AST], Mapping[str, tuple[str, str]]]:
    """The definitions of a module by name, and where the names come from that it imports."""
    spec = find_spec(name)
    if spec is None or spec.origin is None or not spec.origin.endswith(".py"):
        return {}, {}
    definitions: dict[str, ast.AST] = {}
    imported: dict[str, tuple[str, str]] = {}
    for node in ast.parse(Path(spec.origin).read_text(encoding="utf-8")).body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            definitions[node.name] = node
        elif isinstance(node, ast.Assign):
            for target in node.targets:
                definitions.update({part.id: node for part in ast.walk(target) if isinstance(part, ast.Name)})
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level and _may_ask(node.module):
            imported.update({alias.asname or alias.name: (node.module, alias.name) for alias in node.names})
    return definitions, imported


def _may_ask(module: str) -> bool:
    """Whether a module may name a prompt: a capability's or a plug-in's, and no library of ours or theirs."""
    return module.startswith("factory.steps.") or not module.startswith("factory.")
