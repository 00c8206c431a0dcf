"""Answering every turn of a conversation anew, in order, so that each answer follows from the new ones before it."""

from __future__ import annotations

from factory.data.prompt import Prompt
from factory.data.record import Message, Record
from factory.errors import RecordFailed
from factory.models.base import Sampling
from factory.step import Context
from factory.steps.agents.retry.until_verified import unusable


async def answer_all_turns(
    record: Record,
    model: str,
    sampling: Sampling,
    context: Context,
    *,
    prompt: Prompt | None,
    allow_truncated: bool,
) -> Record:
    """`record` with a new answer to each user turn, dropped where one of them is no whole answer.

    Assistant turns that follow each other become one answer; one before which nobody asked stays as it is. A new
    answer has the weight for a trainer that the old one had. Other answers to the last turn are let go: they follow
    from a conversation that is no more.

    Args:
        prompt: the system prompt that is put before the conversation, if one is.

    Raises:
        RecordFailed: tools are called on the way, or a turn has no answer.
    """
    if any(turn.calls or turn.role == "tool" for turn in record.messages):
        why = "its turns call tools, whose results would not fit new calls: have only the last turn answered"
        raise RecordFailed("tools_called", why)
    context.count("old_answers_let_go", len(record.answers))
    made = record.but(answers=(), chosen=-1)
    before = prompt.render() if prompt is not None else ()
    turns: list[Message] = []
    number = 0
    parts = exchanges(record.messages)
    for at, (asking, old) in enumerate(parts):
        turns += asking
        if not any(turn.role == "user" for turn in asking):
            turns += old
            continue
        number += 1
        try:
            answer = await context.chat(model).ask(
                (*before, *turns),
                sampling,
                tools=record.tools,
                template_arguments=record.template_arguments,
            )
        except RecordFailed as error:
            raise RecordFailed(error.kind, f"turn {number}: {error}") from error
        context.count("turns_answered")
        context.count("turns_joined", max(0, len(old) - 1))
        so_far = record.but(messages=tuple(turns), input_chars=0)
        drop = unusable(answer, so_far, sampling, context)
        if drop is None and answer.calls and at + 1 < len(parts):
            why = "the answer calls a tool in the midst of the conversation"
            drop = context.drop("called_a_tool", why, failed=True)
        weight = old[-1].weight if old else None
        said = answer.text.strip()
        turns.append(Message("assistant", said, answer.reasoning, answer.calls, weight=weight))
        made = made.with_event(context.event("respond", answer, prompt=prompt))
        if drop is not None and not (drop.kind == "truncated" and allow_truncated):
            reason = f"turn {number}: {drop.reason}"
            return made.but(messages=tuple(turns), dropped=drop._replace(reason=reason))
    return made.but(messages=tuple(turns))


def exchanges(messages: tuple[Message, ...]) -> list[tuple[list[Message], list[Message]]]:
    """A conversation as pairs: the turns that ask (system turns among them), and the assistant turns that follow."""
    found: list[tuple[list[Message], list[Message]]] = [([], [])]
    for turn in messages:
        if turn.role == "assistant":
            found[-1][1].append(turn)
        elif found[-1][1]:
            found.append(([turn], []))
        else:
            found[-1][0].append(turn)
    return found
