"""Score a record as DEITA does: how complex its instruction is, times how good its answer is."""

from __future__ import annotations

import math
from collections.abc import AsyncIterator, Awaitable, Iterable, Sequence
from dataclasses import replace
from typing import ClassVar

from factory.data.record import Missing, Record
from factory.data.text import turn_text
from factory.errors import RecordFailed, RunStopped
from factory.models.base import NO_LEVELS, Answer, Sampling, TokenLogprob
from factory.step import Asked, ChatModelName, Context, PerRecord
from factory.steps.keep import Condition, keep_where

LEVELS = range(1, 7)
_ONE_DIGIT = Sampling(0.0, 4, logprobs=20)
_SURE_ENOUGH = 0.5


class Deita(PerRecord):
    """Score complexity and quality, 1 to 6 each, as expectations over a model's next token, and their product.

    The model is asked for one digit. Not the digit it gives counts but the mean of 1 to 6 weighed by the
    probabilities of the six digits at that place, so that two records of the same digit are still told apart.
    Where the six have less than half of the probability together, the model did not answer the question: the
    score is missing, and its reason says so.

    Stored as "deita.complexity" and "deita.quality" (means over the conversation's turns) and "deita" (the sum
    over the turns of complexity times quality, as in the paper: a longer conversation counts for more). With
    `keep`, the condition is on "deita".

    The paper trains scorers of its own for this; here any chat model is asked in words. It must tell the
    log-probabilities of what it generates: vLLM and OpenAI do.

    Source: DEITA, What Makes Good Data for Alignment? (arXiv 2312.15685), section 2.

    Example:
        - deita: {model: teacher}
        - keep_top: {score: deita, count: 6000}
    """

    name: ClassVar[str] = "deita"

    model: ChatModelName = ""
    """The chat model that grades; it must tell log-probabilities."""
    keep: Condition | None = None
    """Condition that the score "deita" must meet for its record to be kept, such as ">= 12"; without it all are."""

    def read_from_log_probabilities(self) -> Iterable[str]:
        """See `preflight.ReadingLevels`."""
        return ("model",)

    async def process(self, record: Record, context: Context) -> AsyncIterator[Record]:
        turns = _turns(record)
        answers: list[Answer[None]] = []
        complexity: list[float] = []
        quality: list[float] = []
        why = None if turns else Missing("no_answer", "there is no answered question to score")
        try:
            for instruction, output in turns:
                how_complex = context.ask(
                    self.model, "deita/complexity", record, _ONE_DIGIT, instruction=instruction
                )
                complexity.append(await _level(how_complex, answers))
                how_good = context.ask(
                    self.model, "deita/quality", record, _ONE_DIGIT, instruction=instruction, answer=output
                )
                quality.append(await _level(how_good, answers))
        except RecordFailed as error:
            why = Missing(error.kind, str(error))
        values: dict[str, float | Missing] = {
            "deita.complexity": why or math.fsum(complexity) / len(turns),
            "deita.quality": why or math.fsum(quality) / len(turns),
            "deita": why or math.fsum(c * q for c, q in zip(complexity, quality, strict=True)),
        }
        event = context.event("deita", *answers)
        scored = record
        for name, value in values.items():
            scored = scored.with_score(name, value, event)
        # One thing was done, however many scores came of it.
        yield keep_where(replace(scored, events=(*record.events, event)), "deita", self.keep, context.step)


async def _level(asked: Awaitable[Asked[None]], answers: list[Answer[None]]) -> float:
    answer, _ = await asked
    answers.append(answer)
    if answer.text.strip() and not answer.logprobs:
        raise RunStopped(f"{answer.model} {NO_LEVELS}")
    return expected_level(answer.logprobs)


def expected_level(places: Sequence[TokenLogprob]) -> float:
    """The mean of the levels 1 to 6, weighed by their probabilities at the first token that is no white space.

    Raises:
        RecordFailed: the levels have less than half of the probability together: it was no answer.
    """
    place = next((place for place in places if place.token.strip()), None)
    weights = dict.fromkeys(LEVELS, 0.0)
    for token, logprob in () if place is None else (place.top or ((place.token, place.logprob),)):
        text = token.strip()
        if text.isascii() and text.isdigit() and int(text) in weights and len(text) == 1:
            weights[int(text)] += math.exp(logprob)
    total = math.fsum(weights.values())
    if total < _SURE_ENOUGH:
        raise RecordFailed(
            "bad_reply", f"the model gave the levels 1 to 6 a probability of {total:.2f} in all"
        )
    return math.fsum(level * weight for level, weight in weights.items()) / total


def _turns(record: Record) -> list[tuple[str, str]]:
    """Each user turn that is answered, with its answer; none where the last one waits for its own."""
    pairs = [
        (turn_text(turn), turn_text(after))
        for turn, after in zip(record.messages, record.messages[1:], strict=False)
        if turn.role == "user" and after.role == "assistant" and not after.is_empty
    ]
    return pairs if record.output.strip() else []
