"""Sets of numbers: a reference {1, 2, 4}, and a sentence that lists them: the divisors are 1, 2 and 4; 根是3和-3."""

from __future__ import annotations

import re
from fractions import Fraction

from factory.steps.judging.verifying.maths.quantity import plain, quantities_in, read_quantity

_SET = re.compile(r"\s*\\?\{([^{}|:]{1,300}?)\\?\}\s*")
_SEPARATOR = re.compile(r"\s*(?:[,，、;；]\s*(?:and|or)\b|[,，、;；]|\b(?:and|or)\b|和|与|或者?|以及)\s*")
_VERB = re.compile(
    r"\b(?:are|is|gives?|gets?|equals?|obtain|either|yields|therefore|hence|so)\b|(?:分别)?[是为有得]|[:：]",
    re.IGNORECASE,
)
_NAMED = re.compile(r"[A-Za-z](?:_?\{?\d\}?|[₀-₉])?\s*=\s*")
_ELEMENT = re.compile(r"[-+−±]?\s?[\d./\s]{1,40}|[负零一二三四五六七八九十百分之点]{1,12}")
# Of -1、0、1，共3个 how many they are.
_HOW_MANY = re.compile(r"[,，]\s*(?:[一总]?共有?\d+个|\d+ in (?:all|total)).*$", re.DOTALL)
_MOST = 600


def reference_set(text: str) -> frozenset[Fraction] | None:
    """The numbers of a set in braces; None where it is something else."""
    match = _SET.fullmatch(plain(text))
    return _elements(match[1]) if match else None


def named_set(phrase: str) -> frozenset[Fraction] | None:
    """The numbers that a final answer lists, behind its last verb; None where it lists something else."""
    text = plain(phrase[-_MOST:]).strip(" .。")
    if re.search(r"[{}\\∪∩]", text):
        return None
    *_, result = _VERB.split(_HOW_MANY.sub("", text))
    return _elements(result.strip(" .。"))


def _elements(text: str) -> frozenset[Fraction] | None:
    found: set[Fraction] = set()
    for piece in _SEPARATOR.split(text):
        said = _NAMED.sub("", piece.strip())
        if not _ELEMENT.fullmatch(said):
            return None
        both = said.startswith("±")
        quantity = read_quantity(said.removeprefix("±").replace("−", "-"))
        if quantity is None or len(quantities_in(said)) > 1:
            return None
        found |= {quantity.value, -quantity.value} if both else {quantity.value}
    return frozenset(found) or None
