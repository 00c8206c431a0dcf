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
what is inserted is never rendered again.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

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

    @property
    def reference(self) -> str:
        """Language, name and version: what a record's history says of it."""
        return f"{self.language}/{self.name}@{self.version}"

    def render(self, **values: str) -> tuple[Message, ...]:
        """The prompt's turns with `values` inserted unchanged.

        Raises:
            KeyError: a value is missing or not among the prompt's inputs.
            TypeError: a value is not text; mustache would print None as nothing and a list as Python code.
        """
        if set(values) != set(self.inputs):
            raise KeyError(f"prompt {self.reference} takes {list(self.inputs)}, given {sorted(values)}")
        for name, value in values.items():
            if not isinstance(value, str):
                raise TypeError(f"prompt {self.reference}: {name} is {type(value).__name__}, not text")
        # What LangChain would render, without its import: with one kind of tag allowed there is only one meaning.
        return tuple(
            Message(role, _VARIABLE.sub(lambda tag: values[tag[1]], text)) for role, text in self.turns
        )


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


@functools.lru_cache(maxsize=512)
def load_prompt(name: str, language: str) -> Prompt:
    """The shipped prompt `name` ("evolve/deepen") for records of `language`.

    Raises:
        RecipeError: there is no such prompt, or its file is wrong.
    """
    folder = prompt_language(language)
    path = PROMPTS / folder / f"{name}.md"
    if not _NAME.fullmatch(name) or not path.is_file():
        raise RecipeError(f"there is no prompt {name!r} in {PROMPTS / folder}")
    return parse_prompt(path.read_text(encoding="utf-8"), path, folder)
