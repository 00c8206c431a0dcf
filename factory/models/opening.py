"""Where a turn's words begin in a model's own chat template: a user's, to be written, or an answer's, to be scored."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple, TypeAlias

from factory.data.record import Message
from factory.errors import RecordFailed, RunStopped

_WORDS = "USERSWORDSSTANDHERE"

Speaker: TypeAlias = Literal["user", "assistant"]
"""Whose turn is opened."""


class Opening(NamedTuple):
    """A text that ends where a turn's words begin, and what the template writes behind them ("" for nothing)."""

    text: str
    end: str


def with_words(messages: Sequence[Message], speaker: Speaker = "user") -> tuple[Message, ...]:
    """The conversation with a turn behind it, whose words `opening_of` finds again in what is made of it."""
    return (*messages, Message(speaker, _WORDS))


def opening_of(rendered: str, model: str, speaker: Speaker = "user") -> Opening:
    """What a chat template made of `with_words`, cut where the words stand.

    Raises:
        RunStopped: a user's words do not stand in it, or stand in it more than once; RecordFailed: an answer's do not.
    """
    text, _, rest = rendered.partition(_WORDS)
    if not text or _WORDS in rest or len(text) == len(rendered):
        if speaker == "assistant":
            raise no_template(f"the chat template of {model} does not show an answer's words once")
        raise RunStopped(
            f"the chat template of {model} does not show a user's words once, behind something: give the text that "
            "comes before them as `template`"
        )
    return Opening(text, next(iter(rest.split()), ""))


def no_template(why: str) -> RecordFailed:
    """That an answer cannot be read behind a chat template."""
    return RecordFailed("no_template", why)
