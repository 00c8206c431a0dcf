"""Several answers to one prompt: which of them a record has, and having another."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from factory.data.record import Candidate, Message, Record
from factory.data.text import normal_form

CONSTRAINTS = "constraints"
"""The column of a record's constraints, each with a verdict on the answer once that was verified."""
PAIR = "pair"
"""The verdict on an answer that makes a pair with another: "chosen" or "rejected"."""


def answers_of(record: Record) -> tuple[tuple[Candidate, ...], int]:
    """All answers of a record, and the place of the one that it has; -1 where it has none.

    An answer that stands in the conversation alone comes last, with the scores of the record.
    """
    if 0 <= record.chosen < len(record.answers):
        return record.answers, record.chosen
    if not record.answered:
        return record.answers, -1
    own = Candidate(record.messages[record.last_user + 1 :], scores=record.scores)
    return (*record.answers, own), len(record.answers)


def prompt_of(record: Record) -> tuple[Message, ...]:
    """The turns that a record's answers answer: those before the one it has, tools' results among them."""
    turns = record.answers[record.chosen].turns if 0 <= record.chosen < len(record.answers) else ()
    if turns and record.messages[-len(turns) :] == turns:
        return record.messages[: -len(turns)]
    return record.conversation


def with_chosen(record: Record, answers: tuple[Candidate, ...], at: int) -> Record:
    """`record` with these answers, of which the one at this place ends its conversation.

    Of the scores that answers have of their own it has those of that one; notes beside another one's go, and so do the
    verdicts on another one that stand beside its constraints.
    """
    own = {name for answer in answers for name in answer.scores}
    scores = {name: value for name, value in record.scores.items() if name not in own}
    same = (
        record.chosen == at and record.answers[at : at + 1] and record.answers[at].turns == answers[at].turns
    )
    notes = record.notes if same else {name: note for name, note in record.notes.items() if name not in own}
    missing = {name: why for name, why in record.missing.items() if name not in answers[at].scores}
    prompt = prompt_of(record)
    meta = record.meta if record.messages[len(prompt) :] == answers[at].turns else _unverified(record.meta)
    return record.but(
        messages=(*prompt, *answers[at].turns),
        meta=meta,
        answers=answers,
        chosen=at,
        scores={**scores, **answers[at].scores},
        notes=notes,
        missing=missing,
    )


def _unverified(meta: Mapping[str, Any]) -> Mapping[str, Any]:
    """The columns of a record without verdicts on an answer that it no longer has."""
    column = meta.get(CONSTRAINTS)
    if not isinstance(column, Sequence) or isinstance(column, str):
        return meta
    none = {"satisfied": None, "found": "another answer was chosen since"}
    stated = [
        {**one, **none} if isinstance(one, Mapping) and one.get("satisfied") is not None else one
        for one in column
    ]
    return {**meta, CONSTRAINTS: stated} if stated != list(column) else meta


def said(answer: Candidate) -> str:
    """What an answer says, without white space, case and width: two that say the same are equal.

    What was thought before has no part in it, since an export may leave it out.
    """
    return normal_form(answer.text)
