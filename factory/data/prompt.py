"""Prompts: prose files under prompts/en and prompts/zh, rendered without executing anything.

A prompt file is a header and its turns:

    ---
    name: evolve/deepen
    version: 1
    inputs: [instruction]
    source: Evol-Instruct, in-depth evolving (WizardLM, arXiv 2304.12244)
    ---
    [system]
    ...
    [user]
    ... {{{instruction}}} ...

The turns are LangChain mustache templates. Every variable stands in triple braces, because mustache's double
braces HTML-escape what they insert; `Prompt` refuses a template that has one. A value may hold any braces:
what is inserted is never rendered again. Data stands between tags of its input's name, <instruction> and
</instruction>; where data holds such a tag itself, the tags of that call get a mark that the data has not.

With `shown: 1` in the header, the pairs of a user's and an assistant's turn before the last turn are a pool of
examples, of which each record is shown so many, by the seed: one fixed example would draw all records to itself.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import random
import re
from collections.abc import Iterator, Mapping
from contextvars import ContextVar
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import yaml

from factory.data.record import Message
from factory.data.text import prompt_language, shorten
from factory.errors import RecipeError

_HERE = Path(__file__).parents[1]
PROMPTS = _HERE / "_prompts" if (_HERE / "_prompts").is_dir() else _HERE.parent / "prompts"
"""Where the shipped prompts lie: inside the installed package, or beside it in a checkout."""

_FILE = re.compile(r"\A---\n(?P<header>.*?)\n---\n(?P<body>.*)\Z", re.DOTALL)
_TURN = re.compile(r"^\[(system|user|assistant)\]\n", re.MULTILINE)
_REQUIRED = ("name", "version", "inputs", "source")
_NAME = re.compile(r"[a-z0-9_]+(?:/[a-z0-9_]+)*")
# The one tag that is allowed. A fourth brace before it would become part of the name.
_VARIABLE = re.compile(r"(?<!\{)\{\{\{([A-Za-z_][A-Za-z0-9_]*)\}\}\}")
_PLAIN_TAG = re.compile(r"\{\{\s*([A-Za-z_][A-Za-z0-9_]*)\s*\}\}")
_OTHER_TAG = re.compile(r"\{\{+[^{}\n]*\}*")


@dataclass(frozen=True, slots=True)
class Prompt:
    """A prompt template. Its text is part of the key of every call made with it, so a change asks anew."""

    name: str
    language: str
    version: int
    inputs: tuple[str, ...]
    source: str
    turns: tuple[tuple[str, str], ...]
    meta: Mapping[str, Any]
    own: str = ""
    """Of one that stands in place of a shipped prompt, eight hexadecimal digits of its file; else ""."""

    @property
    def reference(self) -> str:
        """Language, name and version, and whose it is where it is not shipped: what a record's history says of it."""
        own = f"+own.{self.own}" if self.own else ""
        return f"{self.language}/{self.name}@{self.version}{own}"

    @property
    def has_pool(self) -> bool:
        """Whether it has a pool of examples, of which each record is shown some."""
        return "shown" in self.meta

    def drawn(self, chance: random.Random) -> Prompt:
        """This prompt with as many of its examples as it shows, drawn by `chance`, in their order."""
        shown = self.meta.get("shown")
        first = next((at for at, (role, _) in enumerate(self.turns) if role != "system"), 0)
        pairs = range(first, len(self.turns) - 1, 2)
        if not isinstance(shown, int) or shown >= len(pairs):
            return self
        examples = [
            turn for at in sorted(chance.sample(pairs, max(0, shown))) for turn in self.turns[at : at + 2]
        ]
        return replace(self, turns=(*self.turns[:first], *examples, self.turns[-1]))

    def render(self, **values: str) -> tuple[Message, ...]:
        """The prompt's turns with `values` inserted unchanged.

        Where a value holds a tag of the prompt, such as </answer>, all tags of these turns get a mark that no value
        holds, the same for the same values: <answer-3f2a90c1>.

        Raises:
            KeyError: a value is missing or not among the prompt's inputs.
            TypeError: a value is not text; mustache would print None as nothing and a list as Python code.
        """
        if set(values) != set(self.inputs):
            raise KeyError(f"prompt {self.reference} takes {list(self.inputs)}, given {sorted(values)}")
        for name, value in values.items():
            if not isinstance(value, str):
                raise TypeError(f"prompt {self.reference}: {name} is {type(value).__name__}, not text")
        turns = self._fenced(values)
        # What LangChain would render, without its import: with one kind of tag allowed there is only one meaning.
        return tuple(Message(role, _inserted(text, values)) for role, text in turns)

    def _fenced(self, values: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
        """The turns, with tags that no value closes or opens."""
        fence = _fence(self.inputs, self.turns)
        if fence is None or not any(map(fence.is_in, values.values())):
            return self.turns
        said = "\0".join(values[name] for name in self.inputs).encode("utf-8", "surrogatepass")
        for attempt in range(1 << 16):
            mark = hashlib.blake2b(said, digest_size=4, salt=attempt.to_bytes(8, "little")).hexdigest()
            if not any(mark in value for value in values.values()):
                break
        return tuple((role, fence.tag.sub(rf"<\1\2-{mark}>", text)) for role, text in self.turns)


class _Fence(NamedTuple):
    """The tags that a prompt sets around its inputs. inside: such a tag as a model may read it in a value."""

    tag: re.Pattern[str]
    inside: re.Pattern[str]

    def is_in(self, value: str) -> bool:
        """Whether a value holds such a tag."""
        # Most hold no angle bracket, which is told thirty times as fast.
        return ("<" in value or "＜" in value) and self.inside.search(value) is not None


@functools.lru_cache(maxsize=512)
def _fence(inputs: tuple[str, ...], turns: tuple[tuple[str, str], ...]) -> _Fence | None:
    """The tags of a prompt's inputs, None where no turn sets one."""
    names = "|".join(name for name in inputs if any(f"<{name}>" in text for _, text in turns))
    if not names:
        return None
    # In any case, with spaces, in full width.
    inside = rf"[<＜]\s*[/／]?\s*(?:{names})(?![A-Za-z0-9_])"
    return _Fence(re.compile(rf"<(/?)({names})>"), re.compile(inside, re.IGNORECASE))


@functools.lru_cache(maxsize=512)
def _pieces(template: str) -> tuple[str, ...]:
    """A template's text up to its first variable, the variable's name, the text behind it, and so on."""
    return tuple(_VARIABLE.split(template))


def _inserted(template: str, values: Mapping[str, str]) -> str:
    """A template's text with each variable's value in its place."""
    pieces = _pieces(template)
    if len(pieces) == 1:
        return template
    return "".join([values[piece] if at % 2 else piece for at, piece in enumerate(pieces)])


def lint_template(text: str) -> list[str]:
    """What is wrong with a mustache template, as sentences: anything but text and triple-braced variables.

    Reads the text itself, since LangChain's tokenizer passes over comments and renders an unclosed
    `{{{name}}` as nothing.
    """
    wrong = []
    for tag in _OTHER_TAG.findall(_VARIABLE.sub("\0", text)):
        name = _PLAIN_TAG.fullmatch(tag)
        if name is not None:
            wrong.append(f"{tag} would be HTML-escaped: write {{{{{{{name[1]}}}}}}}")
        else:
            wrong.append(f"{shorten(tag, 40)} is not allowed: a variable is written {{{{{{name}}}}}}")
    return wrong


def template_inputs(text: str) -> set[str]:
    """Names of the triple-braced variables of a template."""
    return set(_VARIABLE.findall(text))


def parse_prompt(text: str, path: Path, language: str) -> Prompt:
    """Read a prompt file's text.

    Raises:
        RecipeError: the file has no header, no turn, a variable that is not declared, or any mustache tag
            other than a triple-braced variable.
    """
    match = _FILE.match(text.replace("\r\n", "\n"))
    if match is None:
        raise RecipeError(f"{path}: a prompt file begins with a header between two lines of ---")
    try:
        header = yaml.safe_load(match["header"]) or {}
    except yaml.YAMLError as error:
        raise RecipeError(f"{path}: the header is not YAML: {shorten(str(error), 200)}") from None
    if not isinstance(header, dict):
        raise RecipeError(f"{path}: the header holds lines such as 'version: 1'")
    parts = _TURN.split(match["body"])
    turns = tuple((role, body.strip("\n")) for role, body in zip(parts[1::2], parts[2::2], strict=True))
    missing = [key for key in _REQUIRED if key not in header]
    if missing:
        raise RecipeError(f"{path}: the header lacks {', '.join(missing)}")
    if not turns or parts[0].strip():
        raise RecipeError(f"{path}: the text after the header begins with [system] or [user] on its own line")
    if not isinstance(header.get("shown", 1), int) or header.get("shown", 1) < 1:
        raise RecipeError(f"{path}: shown, the number of examples, is a whole number from 1 on")
    if not isinstance(header["inputs"], list) or not isinstance(header["version"], int):
        raise RecipeError(f"{path}: inputs is a list such as [instruction] and version a whole number")
    inputs = tuple(str(name) for name in header["inputs"])
    wrong = [sentence for _, body in turns for sentence in lint_template(body)]
    used = set().union(*(template_inputs(body) for _, body in turns))
    if not wrong and used != set(inputs):
        wrong.append(f"inputs says {sorted(inputs)} but the text uses {sorted(used)}")
    if wrong:
        raise RecipeError(f"{path}: {'; '.join(wrong)}")
    extra = {key: value for key, value in header.items() if key not in _REQUIRED}
    return Prompt(
        str(header["name"]), language, header["version"], inputs, str(header["source"]), turns, extra
    )


_NONE: Mapping[tuple[str, str], Prompt] = MappingProxyType({})
_OWN = ContextVar("factory-own-prompts", default=_NONE)


@contextlib.contextmanager
def in_place_of_shipped(prompts: Mapping[tuple[str, str], Prompt]) -> Iterator[None]:
    """While the block lasts, these prompts, by language and name, stand in place of the shipped ones.

    For what runs in the block alone, tasks that it starts among it; another run in the same process keeps its own.
    """
    token = _OWN.set(prompts)
    try:
        yield
    finally:
        _OWN.reset(token)


def load_prompt(name: str, language: str) -> Prompt:
    """The prompt `name` ("evolve/deepen") for records of `language`: the run's own, or else the shipped one.

    Raises:
        RecipeError: there is no such prompt, or its file is wrong.
    """
    folder = prompt_language(language)
    return _OWN.get().get((folder, name)) or shipped_prompt(name, folder)


@functools.lru_cache(maxsize=512)
def shipped_prompt(name: str, language: str) -> Prompt:
    """The prompt of this name that ships with the package, in "en" or "zh".

    Raises:
        RecipeError: there is no such prompt, or its file is wrong.
    """
    path = shipped_path(name, language)
    if not _NAME.fullmatch(name) or not path.is_file():
        raise RecipeError(f"there is no prompt {name!r} in {PROMPTS / language}")
    return parse_prompt(path.read_text(encoding="utf-8"), path, language)


def shipped_path(name: str, language: str) -> Path:
    """Where the shipped prompt of this name lies, in "en" or "zh"."""
    return PROMPTS / language / f"{name}.md"


def shipped_prompts() -> list[str]:
    """Names of all shipped prompts, sorted; each is there in both languages."""
    return sorted(
        path.relative_to(PROMPTS / "en").with_suffix("").as_posix() for path in (PROMPTS / "en").rglob("*.md")
    )
