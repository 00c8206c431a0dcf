"""Which steps use which prompt, read from the steps' source: from a step's class along the names it refers to.

A prompt is used where its name stands as text ("evolve/deepen") or begins a text that is put together
(f"evolve/{operation}": all of that folder); a variant of one ("judge/pair_reference") by whoever uses the one.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import entry_points
from importlib.util import find_spec
from pathlib import Path

from factory.data.prompt import shipped_prompts
from factory.step import STEP_GROUP


def prompt_users() -> Mapping[str, tuple[str, ...]]:
    """For each shipped prompt the names of the steps that use it, sorted; none where the engine itself does."""
    names = shipped_prompts()
    users: dict[str, set[str]] = {name: set() for name in names}
    read = _Source(names)
    for step in entry_points(group=STEP_GROUP):
        for prompt in read.used_from(step.module, step.attr):
            users[prompt].add(step.name)
    return {name: tuple(sorted(steps)) for name, steps in users.items()}


@dataclass(slots=True)
class _Definition:
    """What one definition of a module says: the prompts that it names, and all names that it refers to."""

    prompts: set[str] = field(default_factory=set)
    refers: set[str] = field(default_factory=set)


@dataclass(slots=True)
class _Module:
    """A module's definitions by name, and where the names come from that it imports."""

    definitions: dict[str, _Definition] = field(default_factory=dict)
    imported: dict[str, tuple[str, str]] = field(default_factory=dict)


@dataclass(slots=True)
class _Source:
    """The source that was read so far; names: of the shipped prompts."""

    names: Sequence[str]
    modules: dict[str, _Module] = field(default_factory=dict)

    def used_from(self, module: str, name: str) -> set[str]:
        """Prompts that a definition names, or what it refers to in factory's steps or in a plug-in's package."""
        package = module.split(".")[0]
        within = ("factory.steps.",) if package == "factory" else ("factory.steps.", f"{package}.")
        found: set[str] = set()
        seen: set[tuple[str, str]] = set()
        todo = [(module, name)]
        while todo:
            here, wanted = todo.pop()
            if (here, wanted) in seen or not (here == module or here.startswith(within)):
                continue
            seen.add((here, wanted))
            read = self._module(here)
            if wanted in read.imported:
                todo.append(read.imported[wanted])
            elif (definition := read.definitions.get(wanted)) is not None:
                found |= definition.prompts
                todo += [(here, other) for other in definition.refers]
        return found

    def _module(self, name: str) -> _Module:
        if name not in self.modules:
            self.modules[name] = self._read(name)
        return self.modules[name]

    def _read(self, name: str) -> _Module:
        spec = find_spec(name)
        module = _Module()
        if spec is None or spec.origin is None or not spec.origin.endswith(".py"):
            return module
        for node in ast.parse(Path(spec.origin).read_text(encoding="utf-8")).body:
            if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
                module.definitions[node.name] = self._definition(node)
            elif isinstance(node, ast.Assign | ast.AnnAssign):
                definition = self._definition(node)
                targets = node.targets if isinstance(node, ast.Assign) else [node.target]
                for part in (part for target in targets for part in ast.walk(target)):
                    if isinstance(part, ast.Name):
                        module.definitions[part.id] = definition
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                for alias in node.names:
                    module.imported[alias.asname or alias.name] = (node.module, alias.name)
        return module

    def _definition(self, node: ast.AST) -> _Definition:
        said = _Definition()
        for part in ast.walk(node):
            if isinstance(part, ast.Name):
                said.refers.add(part.id)
            elif isinstance(part, ast.Constant) and isinstance(text := part.value, str):
                if text in self.names:
                    said.prompts.update(n for n in self.names if n == text or n.startswith(f"{text}_"))
            elif isinstance(part, ast.JoinedStr) and isinstance(first := part.values[0], ast.Constant):
                folder = first.value if isinstance(first.value, str) else ""
                said.prompts.update(n for n in self.names if folder.endswith("/") and n.startswith(folder))
        return said
