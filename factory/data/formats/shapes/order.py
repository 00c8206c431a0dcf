"""What is wrong, and what is only odd, with the turns of a conversation."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

from factory.data.formats.shapes.base import BadShape
from factory.data.formats.shapes.calls import call_troubles
from factory.data.record import Message
from factory.data.text import is_blank

_SPEAKING = {"tool_calls", "function_call", "audio", "reasoning_details"}


def says_nothing(turn: Message) -> bool:
    """Whether a turn has neither words nor calls nor media nor a thought, nor a key that stands for such."""
    return turn.is_empty and not turn.reasoning and not (turn.extra and _SPEAKING & set(turn.extra))


def check_order(turns: Sequence[Message], told: list[str]) -> None:
    """Refuses turns that are no conversation; tells what is odd about those that are kept.

    A turn that says nothing is refused where it is no tool's answer: whoever learns from it learns to say nothing.

    Raises:
        BadShape: there is no user turn, the first turn answers nothing, or a turn says nothing.
    """
    start = 0
    while start < len(turns) and turns[start].role == "system":
        start += 1
    spoken = turns[start:]
    if not any(turn.role == "user" for turn in spoken):
        raise BadShape("it has no user turn: add the request that is answered")
    if spoken[0].role != "user":
        raise BadShape(
            f"it starts with {_a(spoken[0].role)} turn, whose request is missing: remove that turn"
        )
    plain = True
    for number, turn in enumerate(turns, 1):
        if is_blank(turn.content) and turn.role != "tool" and says_nothing(turn):
            raise BadShape(f"turn {number} ({turn.role}) is empty: fill it in, or remove the row")
        plain = plain and turn.role != "tool" and not turn.calls
    if start > 1:
        told.append("more than one system turn at the start")
    for before, turn in itertools.pairwise(spoken):
        if turn.role == before.role and turn.role in ("user", "assistant"):
            if not before.calls:
                told.append(f"two {turn.role} turns in a row")
            elif not turn.calls:
                told.append("a call that no tool answers")
        elif turn.role == "system":
            told.append("a system turn in the middle")
        elif turn.role == "tool" and before.role == "user":
            told.append("a tool turn behind a user turn")
    if not plain:
        _check_answers(spoken, told)


def _check_answers(turns: Sequence[Message], told: list[str]) -> None:
    known: set[str] = set()
    called = False
    for turn in turns:
        if turn.calls:
            called = True
            told += call_troubles(turn.calls, known)
        elif turn.role == "tool" and turn.call_id and turn.call_id not in known:
            told.append("an answer to a call that is not there")
    if not called and any(turn.role == "tool" and turn.call_id for turn in turns):
        told.append("an answer to a call that is not there")


def _a(role: str) -> str:
    return "an assistant" if role == "assistant" else f"a {role}"
