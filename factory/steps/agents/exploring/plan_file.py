"""A coverage plan as a file: YAML, of which JSON is a part, that a person can edit and go on from."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, cast

import yaml
from yaml.reader import ReaderError

from factory.data.formats.files import check_file
from factory.data.text import is_blank, normal_form, shorten
from factory.errors import InputError, nearest
from factory.steps.agents.exploring.tree import Plan, Pruned, Task

NAME_CHARACTERS = 80
"""Most characters of a task's name."""
MOST_TASKS = 20_000
MOST_RECORDS = 1_000_000
"""Most records that can be wanted of one task."""
DEEPEST = 16

_TASK_KEYS = ("name", "count", "reason", "tasks", "there", "made", "why")
_TOP_KEYS = ("domain", "language", *_TASK_KEYS[1:], "pruned")
_HEAD = """\
# A coverage plan: a tree of tasks, and how many records are wanted of each (`count`, its sub-tasks apart).
# Edit it, and go on from it with `plan: THIS FILE`. What came of it last (`there`, `made`, `why`) does not count then.
"""


def write_plan(plan: Plan) -> str:
    """The plan as YAML text, which `read_plan` reads back."""
    root = _as_data(plan.root)
    data = {"domain": root.pop("name"), **({"language": plan.language} if plan.language else {}), **root}
    if plan.pruned:
        data["pruned"] = [pruned._asdict() | {"rouge_l": round(pruned.rouge_l, 3)} for pruned in plan.pruned]
    return _HEAD + yaml.dump(data, Dumper=_Dumper, allow_unicode=True, sort_keys=False, width=100)


class _Dumper(yaml.SafeDumper):
    """Writes no alias: each value stands where it belongs."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _text_node(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    # Unicode's line breaks, which PyYAML writes as they are and reads back as others.
    style = '"' if any(break_ in text for break_ in "\x85\u2028\u2029") else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _text_node)


def _as_data(task: Task) -> dict[str, Any]:
    said: dict[str, Any] = {"name": task.name}
    if task.count is not None and not (task.count == 0 and task.tasks):
        said["count"] = task.count
    for key in ("reason", "there", "made", "why"):
        if value := getattr(task, key):
            said[key] = value
    if task.tasks:
        said["tasks"] = [_as_data(child) for child in task.tasks]
    return said


def read_plan(text: str, file: str) -> Plan:
    """The plan that a file's text says; `file` names it in errors.

    Raises:
        InputError: it is no plan; names the line and the task.
    """
    reader = _Reader(file)
    try:
        node = yaml.SafeLoader(_json_spaces(text)).get_single_node()
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = mark.line + 1 if mark is not None else 1
        if isinstance(error, ReaderError):
            line = text.count("\n", 0, cast(int, error.position)) + 1
        problem = getattr(error, "problem", None) or str(error).splitlines()[0]
        raise InputError(f"{file}:{line}: not valid YAML: {problem}") from error
    except (RecursionError, ValueError) as error:
        raise InputError(f"{file}: not valid YAML: {error}") from error
    if node is None:
        raise InputError(f"{file} is empty: a plan says `domain: NAME` and its `tasks`")
    return reader.plan(node)


def load_plan(path: Path) -> Plan:
    """The plan in a file.

    Raises:
        InputError: there is none, or it is no plan.
    """
    check_file(path)
    try:
        return read_plan(path.read_text(encoding="utf-8-sig"), str(path))
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: cannot be read as UTF-8 text ({error})") from error


def _json_spaces(text: str) -> str:
    """JSON with spaces for its tabs, which YAML does not take; no text of it can hold one."""
    if text.lstrip()[:1] != "{" or "\t" not in text:
        return text
    try:
        json.loads(text)
    except ValueError:
        return text
    return text.replace("\t", " ")


class _Reader:
    """Reads the nodes of a YAML document, so that every mistake has its line."""

    def __init__(self, file: str) -> None:
        self.file = file
        self._lines: dict[str, int] = {}

    def plan(self, node: yaml.Node) -> Plan:
        if not isinstance(node, yaml.MappingNode):
            raise self._error(node, "a plan is a mapping: it says `domain: NAME` and its `tasks`")
        if any(key.value == "steps" for key, _ in node.value):
            raise self._error(
                node,
                "this is a recipe: `factory run` runs it, and a plan lies beside the set of its step `explore`",
            )
        values = self._values(node, _TOP_KEYS, "the plan")
        if "domain" not in values:
            raise self._error(node, "a plan says what it is of: write `domain: NAME`")
        language = self._text(values["language"], "language") if "language" in values else ""
        root = self._task(values | {"name": values["domain"]}, node, ())
        pruned = self._pruned(values["pruned"]) if "pruned" in values else []
        return Plan(root, language, pruned)

    def _task(self, values: dict[str, yaml.Node], node: yaml.Node, above: tuple[yaml.Node, ...]) -> Task:
        if len(above) > DEEPEST:
            raise self._error(node, f"tasks are nested more than {DEEPEST} levels deep")
        if "name" not in values:
            raise self._error(node, "a task has a name: write `- name: ...`")
        name = " ".join(self._text(values["name"], "name").split())
        if is_blank(name):
            raise self._error(values["name"], "a task's name is empty: give it one, or take the task out")
        if len(name) > NAME_CHARACTERS:
            raise self._error(
                values["name"],
                f"the name {shorten(name, 40)!r} has {len(name)} characters: {NAME_CHARACTERS} at the most",
            )
        line = values["name"].start_mark.line + 1
        first = self._lines.get(normal_form(name))
        if first is not None:
            raise self._error(
                values["name"],
                f"the task {name!r} is named a second time (first in line {first}): rename one, or take it out",
            )
        self._lines[normal_form(name)] = line
        if len(self._lines) > MOST_TASKS:
            raise self._error(
                values["name"], f"the plan has more than {MOST_TASKS:,} tasks: make several of it"
            )
        task = Task(name)
        if "count" in values:
            task.count = self._count(values["count"], name)
        task.there = self._count(values["there"], name) if "there" in values else 0
        task.made = self._count(values["made"], name) if "made" in values else 0
        task.reason = self._text(values["reason"], "reason") if "reason" in values else ""
        task.why = self._text(values["why"], "why") if "why" in values else ""
        if "tasks" in values:
            task.tasks = self._tasks(values["tasks"], name, (*above, node))
        return task

    def _tasks(self, listed: yaml.Node, name: str, above: tuple[yaml.Node, ...]) -> list[Task]:
        if not isinstance(listed, yaml.SequenceNode):
            raise self._error(listed, f"the tasks of {name!r} must be a list: write each behind a dash")
        tasks = []
        for node in listed.value:
            if any(node is holder for holder in above):
                raise self._error(
                    listed, f"the task {name!r} holds itself, by an alias: write the tasks meant out"
                )
            if isinstance(node, yaml.ScalarNode):
                values: dict[str, yaml.Node] = {"name": node}
            elif isinstance(node, yaml.MappingNode):
                values = self._values(node, _TASK_KEYS, f"a task of {name!r}")
            else:
                raise self._error(node, f"a task of {name!r} must be a name, or a mapping with a `name`")
            tasks.append(self._task(values, node, above))
        return tasks

    def _pruned(self, listed: yaml.Node) -> list[Pruned]:
        """What was pruned; it is carried along, and no more."""
        if not isinstance(listed, yaml.SequenceNode):
            raise self._error(listed, "`pruned` must be a list")
        found = []
        for node in listed.value:
            if not isinstance(node, yaml.MappingNode):
                raise self._error(node, "an entry of `pruned` must be a mapping with a `name`")
            values = self._values(node, Pruned._fields, "an entry of `pruned`")
            name, under, like = (
                self._text(values[key], key) if key in values else "" for key in ("name", "under", "like")
            )
            try:
                f = float(values["rouge_l"].value) if "rouge_l" in values else 0.0
            except (TypeError, ValueError):
                raise self._error(values["rouge_l"], "`rouge_l` must be a number") from None
            found.append(Pruned(name, under, like, f))
        return found

    def _values(self, node: yaml.MappingNode, known: tuple[str, ...], what: str) -> dict[str, yaml.Node]:
        values: dict[str, yaml.Node] = {}
        for key, value in node.value:
            name = key.value if isinstance(key, yaml.ScalarNode) else None
            if name not in known:
                raise self._error(key, f"{what} has no key {shorten(str(name))!r}{nearest(str(name), known)}")
            if name in values:
                raise self._error(key, f"{what} has the key {name!r} a second time: keep one of the two")
            values[name] = value
        return values

    def _text(self, node: yaml.Node, key: str) -> str:
        if not isinstance(node, yaml.ScalarNode):
            raise self._error(node, f"`{key}` must be a text")
        # JSON writes what is beyond 16 bits as two halves.
        halves = cast(str, node.value).encode("utf-16", "surrogatepass")
        return halves.decode("utf-16", "replace")

    def _count(self, node: yaml.Node, name: str) -> int:
        written = node.value if isinstance(node, yaml.ScalarNode) else "a list"
        whole = isinstance(node, yaml.ScalarNode) and node.tag == "tag:yaml.org,2002:int"
        if not whole or not str(written).lstrip("+").isdecimal():
            raise self._error(
                node,
                f"the count of {name!r} must be a whole number, 0 or more, not {shorten(str(written), 40)}",
            )
        if len(str(written)) > len(str(MOST_RECORDS)) or int(written) > MOST_RECORDS:
            raise self._error(
                node, f"the count of {name!r} is {written}: at most {MOST_RECORDS:,} can be asked for"
            )
        return int(written)

    def _error(self, node: yaml.Node, sentence: str) -> InputError:
        return InputError(f"{self.file}:{node.start_mark.line + 1}: {sentence}")
