"""Values in the way Python and numpy write them, as they stand in CSV cells and texts; read, never run."""

from __future__ import annotations

import ast
import re
from typing import Any

from factory.data.formats.values import DEEPEST

_LONGEST = 4 << 20
"""Characters of a value: a parser of Python takes some hundred bytes for each."""

_TOKEN = re.compile(
    r"""(?P<text>'(?:\\.|[^'\\])*'|"(?:\\.|[^"\\])*")"""
    r"|(?P<array>\barray\()|(?P<end>,\s*dtype=[\w.'\[\]<>|]+\s*\))|(?P<apart>\}\s*(?=\{))|(?P<nan>\bnan\b)|.",
    re.DOTALL,
)


def python_value(text: str) -> Any:
    """The list or object that a text is in Python's or numpy's way of writing; None where it is neither.

    Only literals are known (`ast.literal_eval`): nothing is called or looked up. numpy leaves the commas between
    objects out and writes array(...) around lists; both are understood, an array that it cut short with ... is not.
    """
    text = text.strip()
    if len(text) > _LONGEST or text[:1] not in ("[", "{", "a", "(") or _depth(text) > DEEPEST:
        return None
    try:
        value = ast.literal_eval(text)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        try:
            value = ast.literal_eval(_TOKEN.sub(_as_python, text))
        except (ValueError, SyntaxError, MemoryError, RecursionError):
            return None
    value = list(value) if isinstance(value, tuple) else value
    return value if isinstance(value, dict | list) else None


def _as_python(found: re.Match[str]) -> str:
    match found.lastgroup:
        case "array":
            return "("
        case "end":
            return ")"
        case "apart":
            return "},"
        case "nan":
            return "None"
        case _:
            return found[0]


def _depth(text: str) -> int:
    """How deep brackets nest outside of texts; less where there are too few to matter."""
    if sum(map(text.count, "([{")) <= DEEPEST:
        return 0
    depth = deepest = 0
    for found in _TOKEN.finditer(text):
        if found["text"] is None:
            depth += (found[0][-1] in "([{") - (found[0][-1:] in ")]" or found[0][0] == "}")
            deepest = max(deepest, depth)
    return deepest
