"""Choosing the next constraint of a ladder, and telling what is wrong with one that a model wrote or reworded."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator, Mapping, Sequence

from factory.data.prompt import Prompt
from factory.data.text import detect_language, is_blank, normal_form, prompt_language, word_count
from factory.statistics.flaws.flaw import Flaw
from factory.statistics.flaws.refusals import refusal
from factory.steps.agents.flaws.eliminate import instruction_flaw
from factory.steps.judging.constraints.conflicts import conflict
from factory.steps.judging.constraints.constraint import About, Category, Checked, Constraint, Relation

LONGEST_WORDS = 90
"""Words, or Chinese characters, that a constraint may have: more is a new instruction, or an answer."""
DRAWS = 4
"""Draws of arguments from each kind before the next kind is tried."""

_SAID: Mapping[Relation, re.Pattern[str]] = {
    "at least": re.compile(
        r"at least|(?:no|not) (?:fewer|less) than|or more|minimum|至少|不少于|不低于|以上|起码|最少",
        re.I,
    ),
    "less than": re.compile(r"less than|fewer than|under|below|少于|不足|不到|以内|低于", re.I),
    "at most": re.compile(
        r"at most|(?:no|not) more than|up to|or (?:fewer|less)|maximum|not exceed|不超过|最多|至多|不多于|以内",
        re.I,
    ),
    "more than": re.compile(r"more than|over|above|exceed|多于|超过|大于", re.I),
    "exactly": re.compile(r"exactly|precisely|正好|恰好|刚好|整", re.I),
}
_TURNED = re.compile(r"not (?:less|fewer|more)|no (?:less|fewer|more)|不少于|不多于|不超过|不低于", re.I)


def next_checked(
    kinds: Sequence[type[Constraint]],
    category: Category,
    have: Sequence[Constraint],
    about: About,
    chance: random.Random,
) -> Checked | None:
    """A constraint of this category that code can check, drawn by `chance`; None where none fits what is there."""
    fitting = [kind for kind in kinds if kind.category == category and issubclass(kind, Checked)]
    chance.shuffle(fitting)
    for kind in fitting:
        for _ in range(DRAWS):
            drawn = kind.draw(chance, about)
            if isinstance(drawn, Checked) and not conflict([*have, drawn]):
                return drawn
    return None


def requirement_flaw(
    requirement: str, instruction: str, have: Sequence[str], prompt: Prompt, language: str
) -> Flaw | None:
    """What is wrong with a constraint that a model wrote for `instruction`, which has those of `have` already."""
    if is_blank(requirement):
        return Flaw("empty", "the model wrote no constraint")
    if refused := refusal(requirement, instruction):
        return Flaw("refusal", f"in place of a constraint the model says {refused!r}")
    if normal_form(requirement) in map(normal_form, have):
        return Flaw("unchanged", "the constraint is one that is there already")
    if flaw := instruction_flaw(requirement, instruction, prompt):
        return flaw._replace(reason=flaw.reason.replace("evolved instruction", "constraint"))
    if _repeats(requirement, instruction):
        return Flaw("unchanged", "the constraint repeats the instruction")
    if (words := word_count(requirement)) > LONGEST_WORDS:
        return Flaw(
            "too_long", f"the constraint has {words} words, more than {LONGEST_WORDS}", {"words": words}
        )
    written = detect_language(requirement)
    if written and prompt_language(written) != prompt_language(language):
        return Flaw("other_language", f"the constraint is in {written}, not in {language or 'English'}")
    return None


def _repeats(requirement: str, instruction: str) -> bool:
    """Whether the instruction stands in what should be a constraint alone."""
    whole = normal_form(instruction)
    return word_count(instruction) >= 4 and whole in normal_form(requirement)


def keeps_arguments(constraint: Constraint, text: str) -> bool:
    """Whether a rewording still says all arguments: each text letter for letter, each number, each relation."""
    said = text.casefold()
    for value in _values(constraint.arguments()):
        if isinstance(value, int):
            if re.search(rf"(?<!\d){value}(?!\d)", text) is None:
                return False
        elif value in _SAID:
            if not _says(value, text):  # type: ignore[arg-type]
                return False
        elif value.strip().casefold() not in said:
            return False
    return True


def _says(relation: Relation, text: str) -> bool:
    # "no less than" holds the words "less than", and says the contrary.
    rest = _TURNED.sub("", text) if relation in ("less than", "more than") else text
    return _SAID[relation].search(rest) is not None


def _values(arguments: Mapping[str, object]) -> Iterator[str | int]:
    for value in arguments.values():
        for one in value if isinstance(value, list) else [value]:
            if isinstance(one, int | str):
                yield one
