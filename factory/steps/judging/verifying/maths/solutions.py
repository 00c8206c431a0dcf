"""The solutions of an equation, or of several at once: x=±2, x_1=2 或 x_2=-2, x=1，y=2."""

from __future__ import annotations

import re
from typing import NamedTuple

from factory.steps.judging.verifying.maths.quantity import plain, read_quantity

_SEPARATOR = re.compile(
    r"[,，、;；]|或者?|和|与|以及|且|\bor\b|\band\b|\\text\s*\{\s*(?:or|and|或|和|且)\s*\}|\\q?quad|\\\\|\\(?:vee|lor|wedge|land)\b"
)
_NO_MATHS = re.compile(r"\\(?:begin|end)\s*\{[a-z]+\*?\}|\\left\s*\\?[{.]|\\right\s*\\?[}.]|[$&]|\\[()\[\]]")
_ASSIGNED = re.compile(r"([A-Za-zα-ω])(?:_\s*\{?\s*\d\s*\}?|[₀-₉]|(?<=[xy])\d)?\s*=\s*(\S.*)", re.DOTALL)
_TAIL = re.compile(r"解集|[解根为是得故即有]|所以|因此|或是|[:：]")
_EITHER = re.compile(r"^(.*?)(?:±|\\pm(?![a-z]))\s*(.+)$", re.DOTALL)
_MOST = 400


class Solutions(NamedTuple):
    """The names of unknowns, in order, and their values: several of one unknown, or one of each."""

    names: tuple[str, ...]
    values: tuple[str, ...]

    def as_formula(self) -> str:
        """As LaTeX: a set of the values of one unknown, a tuple of those of several."""
        inside = ", ".join(self.values)
        return rf"\{{{inside}\}}" if len(self.names) == 1 else f"({inside})"


def reference_solutions(text: str) -> Solutions | None:
    """Several solutions that a reference is; None where it is something else, or one alone."""
    found = _read(text)
    return found if found is not None and len(found.values) > 1 else None


def named_solutions(phrase: str) -> Solutions | None:
    """The solutions that a final answer says, behind its last verb; None where it says none."""
    phrase = phrase[-_MOST:]
    for start in reversed([0, *(match.end() for match in _TAIL.finditer(phrase))]):
        if (found := _read(phrase[start:])) is not None:
            return found
    return None


def _read(text: str) -> Solutions | None:
    if len(text) > _MOST:
        return None
    values: dict[str, list[str]] = {}
    name = ""
    for piece in _SEPARATOR.split(_NO_MATHS.sub(" ", text)):
        said = piece.strip(" .。\n\t")
        if not said:
            continue
        if match := _ASSIGNED.fullmatch(said):
            name, said = match[1], match[2]
        if not name or re.search(
            r"=|[\u4e00-\u9fff]|[A-Za-z]{4,}(?<!sqrt)(?<!frac)", said.replace("\\", " \\")
        ):
            return None
        values.setdefault(name, []).extend(_each(said.strip()))
    if not values or (len(values) > 1 and any(len(some) > 1 for some in values.values())):
        return None
    names = tuple(sorted(values))
    return Solutions(names, tuple(value for one in names for value in sorted(dict.fromkeys(values[one]))))


def _each(said: str) -> list[str]:
    """A value, or the two that a sign of plus and minus makes of it; numbers as fractions."""
    if match := _EITHER.match(said):
        before, after = match[1].strip(), match[2]
        return [_value(f"{before}{sign}{after}".removeprefix("+")) for sign in "+-"]
    return [_value(said)]


def _value(said: str) -> str:
    quantity = read_quantity(plain(said))
    return said if quantity is None else str(quantity.value)
