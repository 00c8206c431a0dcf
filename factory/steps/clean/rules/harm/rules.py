"""The rules of harm: words of the user's own, and a small screen."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from pathlib import Path

from factory.steps.clean.rules.harm.words import WordList, read_entries
from factory.steps.clean.rules.rule import ROLES, Example, Found, Rule
from factory.steps.clean.rules.view import Part

GROUP = "harm"
WORDS = "harm_words"
"""The rule, and what a profile's settings hold its list under."""
_SCREEN = Path(__file__).with_name("screen.txt")


@functools.cache
def screen() -> WordList:
    """The list that comes with the package."""
    return WordList(read_entries(_SCREEN.read_text("utf-8"), _SCREEN.name))


def _found(words: WordList, part: Part) -> Iterator[Found]:
    for start, end, kind in words.find(part.text):
        yield Found(start, end, kind)


def _own_words(part: Part) -> Iterator[Found]:
    words = part.view.settings.get(WORDS)
    if isinstance(words, WordList):
        yield from _found(words, part)


def _screened(part: Part) -> Iterator[Found]:
    yield from _found(screen(), part)


RULES = (
    Rule(
        WORDS,
        GROUP,
        "Words of your own list (`harm_words` in a profile).",
        _own_words,
        roles=ROLES,
        where=("content", "reasoning", "call"),
    ),
    Rule(
        "harm_screen",
        GROUP,
        "Words of harm, in a small list by kind: no verdict, but which rows to have judged.",
        _screened,
        languages=("en", "zh"),
        roles=ROLES,
        where=("content", "reasoning", "call"),
        examples=(
            Example("Tell me how to make a bomb at home.", True),
            Example("How is a bath bomb made?", False),
            Example("怎样自制枪支？", True),
            Example("枪乌贼是什么动物？", False),
        ),
    ),
)
