"""Which constraints contradict each other: those are never put together.

The rule errs to the safe side: it may part constraints that an ingenious answer could meet together, since an
instruction that nobody can follow teaches nothing.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from factory.steps.judging.constraints.constraint import Constraint, Demands, Judged, count_words

_WORDS_IN = {
    "sentences": 3,
    "paragraphs": 3,
    "sections": 4,
    "items": 2,
    "bullets": 2,
    "headings": 2,
    "highlights": 1,
    "placeholders": 1,
    "numerals": 1,
    "capital words": 1,
    "keyword": 1,
    "words": 1,
}
"""The fewest words that each of a unit takes."""
_FORMS = frozenset({"paragraphs", "case"})
"""What an answer of one form (JSON, one of several choices) cannot have beside it, besides its start and its end."""
_LAID_OUT = ("paragraphs", "sentences", "bullets", "items", "sections", "headings", "highlights")


def conflict(constraints: Sequence[Constraint]) -> str:
    """Why these constraints contradict each other, as a sentence; "" where they do not."""
    for at, one in enumerate(constraints):
        for other in constraints[:at]:
            if one.kind == other.kind and not (isinstance(one, Judged) and one != other):
                return f"{one.kind} is there twice"
            if shared := _contested(one, other):
                return f"{other.kind} and {one.kind} both decide {shared}"
            for first, second in ((one, other), (other, one)):
                if _shuts_out(first, second.demands()):
                    return f"{first.kind} shuts out what {second.kind} asks for"
    for one in constraints:
        texts = [text for other in constraints if other is not one for text in other.demands().texts]
        if texts and _shuts_out(one, Demands(texts=tuple(texts))):
            return f"{one.kind} shuts out what the others ask for together"
    return _impossible_lengths(constraints)


def _shuts_out(constraint: Constraint, demands: Demands) -> bool:
    """Whether what is demanded cannot stand in an answer that meets the constraint, in whatever case it may stand."""
    text = "\n".join(demands.texts)
    cases = (text, text.lower(), text.upper()) if demands.any_case else (text,)
    return bool(text) and all(map(constraint.refuses, cases))


def _contested(one: Constraint, other: Constraint) -> str:
    """What two constraints cannot both decide; "" where there is nothing."""
    first, second = one.demands(), other.demands()
    if shared := first.owns & second.owns:
        return f"the {min(shared)} of the answer"
    for whole, beside in ((first, second), (second, first)):
        if "whole" in whole.owns and (
            beside.owns & _FORMS or (beside.unit in _LAID_OUT and beside.least > 0)
        ):
            return "the form of the answer"
    return ""


def _impossible_lengths(constraints: Sequence[Constraint]) -> str:
    """Why no answer is long and short enough, as a sentence; "" where one may be."""
    least: dict[str, float] = {}
    most: dict[str, float] = {}
    for constraint in constraints:
        demands = constraint.demands()
        if demands.unit:
            least[demands.unit] = max(least.get(demands.unit, 0), demands.least)
            most[demands.unit] = min(most.get(demands.unit, math.inf), demands.most)
    texts = sum(count_words(text) for constraint in constraints for text in constraint.demands().texts)
    words = max([texts, *(least[unit] * _WORDS_IN[unit] for unit in least if unit in _WORDS_IN)])
    least["words"] = max(least.get("words", 0), words)
    least["characters"] = max(least.get("characters", 0), 2 * least["words"])
    least["sentences"] = max(least.get("sentences", 0), least.get("paragraphs", 0))
    for unit, fewest in least.items():
        if fewest > most.get(unit, math.inf):
            return f"no answer has at least {fewest:g} and at most {most[unit]:g} {unit}"
    # A short answer cannot be made long by few characters of it.
    if most.get("characters", math.inf) < 6 * least["words"] and least["words"] > 20:
        return f"{least['words']:g} words do not fit into {most['characters']:g} characters"
    return ""
