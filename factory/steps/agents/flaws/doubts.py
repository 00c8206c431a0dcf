"""Answers that are kept and may be none: refusals, loops, answers in another language. They are counted and told.

A generator of new tasks lets such answers go (`answer.checked_answer`). Where the task is the user's own, the answer is
kept: a refusal may be what is to be taught.
"""

from __future__ import annotations

from collections.abc import Mapping

from factory.data.record import Record
from factory.data.text import is_blank, word_count
from factory.statistics.flaws.language import answer_language_flaw
from factory.statistics.flaws.refusals import REFUSAL_WORDS, refusal
from factory.statistics.flaws.repetition import loop_flaw
from factory.statistics.interval import percent, wilson
from factory.step import Context

LOOKED_AT, IN_DOUBT = "answers_looked_at", "answers_in_doubt"
_TOLD: Mapping[str, str] = {
    "refusal": "refuse: ask another model, or leave such instructions out",
    "repetition": "go round in a loop: ask another model, or raise `temperature`",
    "other_language": "are in another language than their instruction: ask a model that speaks it",
}
"""What is behind each kind, and how to mend it."""


def doubt_about(record: Record) -> str:
    """The kind of doubt about the answer of a record; "" where there is none, or it has no answer in words."""
    answer, asked = record.output.strip(), record.prompt
    if is_blank(answer):
        return ""
    said = f"{record.system}\n{asked}".strip()
    if (len(answer) < REFUSAL_WORDS or word_count(answer) < REFUSAL_WORDS) and refusal(answer, said):
        return "refusal"
    if loop_flaw(answer, said, "the answer") is not None:
        return "repetition"
    return "other_language" if answer_language_flaw(answer, said) is not None else ""


def note_doubts(record: Record, context: Context, *, turns: bool = False) -> None:
    """Count a record's answer, and a doubt about it; with `turns` each turn of the assistant's."""
    ends = [at for at, turn in enumerate(record.messages) if turn.role == "assistant"] if turns else [-1]
    for end in ends:
        part = record if end < 0 else record.but(messages=record.messages[: end + 1])
        context.count(LOOKED_AT)
        if kind := doubt_about(part):
            found = context.facts.setdefault(IN_DOUBT, {})
            found[kind] = found.get(kind, 0) + 1


def tell_doubts(context: Context) -> None:
    """Say which share of the answers is in doubt, and why; the share has Wilson's 95 % interval."""
    found = context.facts.get(IN_DOUBT, {})
    if not found:
        return
    looked = context.facts[LOOKED_AT]
    context.facts[IN_DOUBT] = found = dict(sorted(found.items(), key=lambda one: (-one[1], one[0])))
    for kind, number in found.items():
        share = percent(number / looked, wilson(number, looked))
        context.tell(
            f"{context.step}: {number:,} of {looked:,} answers, {share}, {_TOLD[kind]}; they are kept, and a "
            "step `judge` finds them"
        )
