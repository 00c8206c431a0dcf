"""Several answers to one record: samples of one model or of several, those that are no answer left out."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

from factory.data.prompt import Prompt
from factory.data.record import Candidate, Drop, Event, Message, Record
from factory.errors import RecordFailed
from factory.models.base import Answer, SamplesFailed, Sampling
from factory.step import Context
from factory.steps.agents.retry.until_verified import unusable


@dataclass(slots=True)
class Drawn:
    """What came of all samples, in the order of the models and of their samples.

    answers: the whole ones
    first: of the first sample that is no whole answer: its turn and why it is let go, or that there is none
    """

    answers: list[Candidate] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    first: tuple[Message, Drop] | RecordFailed | None = None


async def draw_answers(
    record: Record,
    models: Sequence[str],
    samples: int,
    sampling: Sampling,
    context: Context,
    *,
    messages: Sequence[Message],
    prompt: Prompt | None,
    allow_truncated: bool,
) -> Drawn:
    """So many samples of each model. One that is empty, cut, the prompt again or no answer is counted and left out.

    Args:
        messages: what each model is sent.
        prompt: the prompt that was put before the conversation, if one was.
        allow_truncated: take an answer that the token limit cut for a whole one.

    Raises:
        RunStopped: a model cannot answer anything any more.
    """
    drawn = Drawn()
    # All at once: a slow model keeps no other waiting.
    asked = [_samples(record, model, samples, sampling, context, messages) for model in models]
    for results in await asyncio.gather(*asked):
        told = [result for result in results if not isinstance(result, RecordFailed)]
        if told:
            drawn.events.append(context.event("respond", *told, prompt=prompt))
        for result in results:
            context.count("answers_asked_for")
            if isinstance(result, RecordFailed):
                context.count(f"answers_left_out_{result.kind}")
                drawn.first = drawn.first or result
                continue
            turn = Message("assistant", result.text.strip(), result.reasoning, result.calls)
            drop = unusable(result, record, sampling, context)
            if drop is not None and not (drop.kind == "truncated" and allow_truncated):
                context.count(f"answers_left_out_{drop.kind}")
                drawn.first = drawn.first or (turn, drop)
                continue
            drawn.answers.append(Candidate((turn,), result.model))
    return drawn


async def _samples(
    record: Record,
    model: str,
    samples: int,
    sampling: Sampling,
    context: Context,
    messages: Sequence[Message],
) -> Sequence[Answer[None] | RecordFailed]:
    """What came of each sample of one model."""
    try:
        return await context.chat(model).ask_many(
            messages,
            sampling,
            n=samples,
            tools=record.tools,
            template_arguments=record.template_arguments,
        )
    except SamplesFailed as failed:
        return failed.results
    except RecordFailed as error:
        return [error] * samples
