"""Several answers to one prompt: the two sides of a preference, and an answer with a label (KTO)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from factory.data.answers import PAIR
from factory.data.formats.shapes.base import BadShape, Row
from factory.data.formats.shapes.order import check_order, says_nothing
from factory.data.formats.shapes.spelled import decoded, kind_of
from factory.data.formats.shapes.turns import read_text, read_turns, write_text, write_turns
from factory.data.record import Candidate, Message, Record

LABELS = ("label", "kto_tag")
"""Columns of true or false that say whether the answer is a good one."""


def style_of(turns: Any) -> str:
    """In which style a list of turns, or a turn, is spelled."""
    first = turns[0] if isinstance(turns, list) and turns else turns
    return "sharegpt" if isinstance(first, dict) and "from" in first else "messages"


def is_turns(value: Any) -> bool:
    """Whether a value is a list of turns."""
    return isinstance(value, list) and all(isinstance(turn, Mapping) for turn in value)


def read_side(row: Row, column: str, form: dict[str, Any], told: list[str]) -> list[Message]:
    """Takes an answer out of a row: a text, a turn, or a list of turns; `form` remembers which under the column.

    Raises:
        BadShape: it is none of these.
    """
    value = row.pop(column, None)
    listed = decoded(value) if not isinstance(value, str) else value
    if isinstance(listed, str):
        spelled: dict[str, Any] = {"as": "text"}
        form[column] = spelled
        return [read_text("assistant", listed, spelled, told)]
    if isinstance(listed, dict) or is_turns(listed):
        turns = [listed] if isinstance(listed, dict) else listed
        spelled = {"as": "turn" if isinstance(listed, dict) else "turns"}
        if style_of(turns) == "sharegpt":
            spelled["style"] = "sharegpt"
        messages = read_turns(turns, style_of(turns), spelled, told)
        form[column] = spelled
        return messages
    if value is None:
        raise BadShape(f"it has no {column}: give the answer, or remove the row")
    raise BadShape(f"its {column} is {kind_of(listed)}, neither text nor turns: write it as text")


def write_side(turns: Sequence[Message], spelled: Mapping[str, Any], lost: Counter[str]) -> Any:
    """An answer as `read_side` found it; as a list of turns where it no longer fits into less."""
    sort = spelled.get("as", "turns")
    if sort == "text" and len(turns) == 1 and not turns[0].calls:
        return write_text(turns[0], spelled, lost)
    rest = {key: value for key, value in spelled.items() if key not in ("as", "style")}
    written = write_turns(turns, spelled.get("style", "messages"), rest, lost)
    return written[0] if sort == "turn" and len(written) == 1 else written


def shared_start(chosen: Sequence[Message], rejected: Sequence[Message]) -> int:
    """How many turns two whole conversations share: their prompt, which ends with a turn that is no assistant's."""
    shared = 0
    for one, other in zip(chosen, rejected, strict=False):
        if one != other:
            break
        shared += 1
    while shared and (shared >= min(len(chosen), len(rejected)) or chosen[shared - 1].role == "assistant"):
        shared -= 1
    return shared


def check_sides(
    prompt: Sequence[Message], chosen: Sequence[Message], rejected: Sequence[Message], told: list[str]
) -> None:
    """Refuses a preference whose prompt is none or whose chosen answer says nothing; tells what else is odd.

    Raises:
        BadShape: as said.
    """
    if not chosen or all(map(says_nothing, chosen)):
        raise BadShape("its chosen answer is empty: fill it in, or remove the row")
    if not prompt:
        raise BadShape("its two answers share no prompt: give the 'prompt' that both answer")
    check_order([*prompt, *chosen], told)
    if not rejected or all(map(says_nothing, rejected)):
        told.append("a rejected answer that is empty")
    else:
        check_order([*prompt, *rejected], told)
    if list(chosen) == list(rejected):
        told.append("a chosen answer that equals its rejected one")


def two_sides(record: Record) -> tuple[Sequence[Message], Sequence[Message], Sequence[Message]]:
    """The prompt of a record, its chosen answer, and the one that the step `pair` rejected, else the first other one.

    Raises:
        BadShape: no answer is chosen, or there is no other.
    """
    others = [answer for at, answer in enumerate(record.answers) if at != record.chosen]
    if record.chosen < 0 or not others:
        raise BadShape("it has no two answers of which one is chosen: write it as messages")
    chosen = record.answers[record.chosen].turns
    at = len(record.messages) - len(chosen)
    if not chosen or record.messages[max(at, 0) :] != chosen:
        at = record.last_user + 1
    rejected = next((one for one in others if one.verdicts.get(PAIR) == "rejected"), others[0])
    return record.messages[:at], record.messages[at:], rejected.turns


def labelled(
    row: Row, messages: tuple[Message, ...], at: int, form: dict[str, Any]
) -> tuple[tuple[Message, ...], tuple[Candidate, ...], int]:
    """The conversation, its labelled answer, which begins at `at`, and whether that is chosen.

    An answer labelled false does not end the conversation.
    """
    name = next((name for name in LABELS if isinstance(row.get(name), bool)), None)
    if name is None or at >= len(messages):
        return messages, (), -1
    form["label"] = name
    good = row.pop(name)
    answer = Candidate(messages[at:], verdicts={"label": "true" if good else "false"})
    return (messages, (answer,), 0) if good else (messages[:at], (answer,), -1)


def with_labelled(record: Record) -> tuple[Message, ...]:
    """The conversation of a record with its answer, also where that is labelled false and no part of it."""
    if len(record.answers) == 1 and record.chosen < 0 and not record.answered:
        return (*record.messages, *record.answers[0].turns)
    return record.messages


def put_label(row: Row, record: Record, form: Mapping[str, Any], lost: Counter[str]) -> None:
    """Puts the label of a record's only answer into a row; other answers are lost."""
    label = record.answers[0].verdicts.get("label") if len(record.answers) == 1 else None
    if label in ("true", "false") and (record.chosen == 0 or not record.answered):
        row[form.get("label", "label")] = label == "true"
    elif record.answers:
        lost["answers"] += 1
