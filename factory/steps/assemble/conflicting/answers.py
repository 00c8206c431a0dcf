"""Whether two answers to nearly one question contradict each other: by their final answers, else by a judge."""

from __future__ import annotations

import re
from typing import Literal, NamedTuple, TypeAlias

from pydantic import BaseModel, ConfigDict, Field

from factory.data.record import Event, Record
from factory.data.text import normal_form, rouge_tokens
from factory.errors import RecordFailed
from factory.models.base import Sampling
from factory.step import Context
from factory.steps.judging.grading.counted_answer import counted_answer
from factory.steps.judging.grading.grader import REASON_CHARACTERS

Relation: TypeAlias = Literal["contradiction", "agreement", "neutral"]
_EXACT = re.compile(r"-?\d[\d./]*%?|[a-e]|yes|no|true|false|是|否|对|错|不是|不对", re.IGNORECASE)
"""Final answers that are right or wrong as they stand: a number, an option, yes or no."""
_SAME = {
    "yes": "true",
    "是": "true",
    "对": "true",
    "no": "false",
    "否": "false",
    "错": "false",
    "不是": "false",
}
_SAME |= {"不对": "false"}
_MARKED = re.compile(r"####|\\boxed|\banswer\s*(?:is|:|=)|答案", re.IGNORECASE)
_EXAMPLE = re.compile(r'\{"reason": "([^"]+)", "relation": "\w+"\}')
_WORDS = 12
"""An answer of so few words is an exact one as a whole, where it holds one number."""


class Verdict(NamedTuple):
    """How two answers stand to each other, why, and how it was told: "exact", "same" or "judge"."""

    relation: Relation
    reason: str
    by: str
    event: Event | None = None


class ContradictionReply(BaseModel):
    """What the judge of two answers replies."""

    model_config = ConfigDict(extra="forbid")

    reason: str = Field(json_schema_extra={"maxLength": REASON_CHARACTERS})
    relation: Relation


def exact(one: str, other: str, *, same_question: bool) -> Verdict | None:
    """What the answers say by themselves: the same text, or exact final answers; None where a judge is to tell.

    same_question: whether the two questions have the same numbers, so that two results cannot both be right
    """
    if normal_form(one) == normal_form(other):
        return Verdict("agreement", "the same answer", "same")
    mine, theirs = _final(one), _final(other)
    if not mine or not theirs:
        return None
    if mine == theirs:
        return Verdict("agreement", f"both come to {mine}", "exact")
    if not same_question:
        return None
    return Verdict("contradiction", f"{mine} against {theirs}", "exact")


def _final(answer: str) -> str:
    """The final answer of a text that marks one, or is one; "" where it has none that is exact."""
    plain = normal_form(answer).strip(" .。!！")
    if _EXACT.fullmatch(plain):
        return _SAME.get(plain, counted_answer(plain) or plain)
    if not _MARKED.search(answer) and len(rouge_tokens(answer)) > _WORDS:
        return ""
    if not _MARKED.search(answer) and len(re.findall(r"\d[\d.,]*", answer)) != 1:
        return ""
    found = counted_answer(answer)
    return found if _EXACT.fullmatch(found) else ""


async def judged(one: Record, other: Record, model: str, max_tokens: int, context: Context) -> Verdict:
    """A judge's verdict on two records, asked in the first one's language.

    Raises:
        RecordFailed: there is none.
    """
    asked = await context.ask(
        model,
        "conflicts/contradict",
        one,
        Sampling(0.0, max_tokens),
        schema=ContradictionReply,
        operation="contradict",
        question_a=one.prompt,
        answer_a=one.output,
        question_b=other.prompt,
        answer_b=other.output,
    )
    found = asked.answer.data
    if not found.reason.strip():
        raise RecordFailed("bad_reply", "the judge gives no reason")
    shown = context.prompt("conflicts/contradict", one).turns[0][1]
    if normal_form(found.reason) in map(normal_form, _EXAMPLE.findall(shown)):
        raise RecordFailed("template_leak", "the judge gives the reason of an example in the prompt")
    return Verdict(found.relation, found.reason.strip(), "judge", asked.event)
