"""A child's answer, and what is wrong with it."""

from __future__ import annotations

from factory.data.record import Record
from factory.models.base import Sampling
from factory.statistics.flaws.flaw import Flaw
from factory.statistics.flaws.repetition import loop_flaw
from factory.step import Context
from factory.steps.agents.flaws.doubts import note_doubts
from factory.steps.agents.flaws.eliminate import answer_flaw, echo_flaw, truncation_flaw
from factory.steps.agents.respond import answered


async def checked_answer(
    child: Record, model: str, sampling: Sampling, context: Context, *, sample: int = 0, round: int = 0
) -> tuple[Record, Flaw | None]:
    """`child` answered by the model of this name, and what is wrong with the answer.

    It is cut, empty, the prompt again, a loop, or a refusal. One in another language than the prompt is counted, for
    `doubts.tell_doubts`, and is whole.

    Raises:
        RecordFailed: the call failed, or its reply is no answer.
    """
    child, answer = await answered(
        child, model, sampling, context, operation="answer", sample=sample, round=round
    )
    flaw = truncation_flaw(answer, "the answer")
    if flaw is not None or answer.calls:
        return child, flaw
    text, asked = answer.text.strip(), child.asked.content if child.asked is not None else ""
    said = f"{child.system}\n{asked}".strip()
    flaw = echo_flaw(text, asked) or answer_flaw(text, said) or loop_flaw(text, said, "the answer")
    if flaw is None:
        note_doubts(child, context)
    return child, flaw
