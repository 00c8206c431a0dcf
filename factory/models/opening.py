"""Where a user's words begin in a model's own chat template, so that the model can be had to write them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from factory.data.record import Message
from factory.errors import RunStopped

_WORDS = "USERSWORDSSTANDHERE"


class Opening(NamedTuple):
    """A text that ends where a user's words begin, and what the template writes behind them ("" for nothing)."""

    text: str
    end: str


def with_words(messages: Sequence[Message]) -> tuple[Message, ...]:
    """The conversation with a user's turn behind it, whose words `opening_of` finds again in what is made of it."""
    return (*messages, Message("user", _WORDS))


def opening_of(rendered: str, model: str) -> Opening:
    """What a chat template made of `with_words`, cut where the words stand.

    Raises:
        RunStopped: the words do not stand in it, or stand in it more than once.
    """
    text, _, rest = rendered.partition(_WORDS)
    if not text or _WORDS in rest or len(text) == len(rendered):
        raise RunStopped(
            f"the chat template of {model} does not show a user's words once, behind something: give the text that "
            "comes before them as `template`"
        )
    return Opening(text, next(iter(rest.split()), ""))
