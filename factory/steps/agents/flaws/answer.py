"""A child's answer, and what is wrong with it."""

from __future__ import annotations

from factory.data.record import Record
from factory.models.base import Sampling
from factory.step import Context
from factory.steps.agents.flaws.eliminate import Flaw, answer_flaw, truncation_flaw
from factory.steps.agents.respond import answered


async def checked_answer(
    child: Record, model: str, sampling: Sampling, context: Context, *, sample: int = 0, round: int = 0
) -> tuple[Record, Flaw | None]:
    """`child` answered by the model of this name, and the answer's flaw: cut, empty, a refusal.

    Raises:
        RecordFailed: the call failed, or its reply is no answer.
    """
    child, answer = await answered(
        child, model, sampling, context, operation="answer", sample=sample, round=round
    )
    flaw = truncation_flaw(answer, "the answer")
    asked = f"{child.system}\n{child.asked.content if child.asked is not None else ''}".strip()
    return child, flaw or (None if answer.calls else answer_flaw(answer.text.strip(), asked))
