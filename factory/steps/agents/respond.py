"""Have a model answer each instruction."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import ClassVar

from pydantic import Field

from factory.data.prompt import Prompt
from factory.data.record import Message, Record
from factory.data.text import is_blank
from factory.errors import RecordFailed
from factory.models.base import Answer, Sampling
from factory.step import ChatModelName, Context, PerRecord


class Respond(PerRecord):
    """Answer each instruction that has no answer yet, by a model.

    The model is sent the conversation up to the last user turn, or up to a tool's answer that ends it, with its
    pictures and sounds, and the tools that the record offers. Where that has no system turn, a short one is put
    before it (prompt `respond/answer`), unless `system` is off; it is never stored in the record. What the model
    thought is kept apart from what it said, and an answer that only calls tools is a whole one.

    A record whose answer is empty is dropped ("empty_answer"), and so is one whose answer only says the prompt again
    ("echo"), or was cut by the token limit ("truncated"), unless `allow_truncated`. Set aside as failed is a record
    whose reply is no answer: the model or a filter refused ("refused"), the limit cut it before it had said a word
    ("truncated"), it only thought ("only_reasoning"), it calls a tool though none was offered ("called_a_tool") or in a
    way that cannot be carried out ("broken_call"), it repeats itself ("repetition"), it ended for an unknown reason
    ("unknown_end"), or it holds marks of a chat template that cannot be taken out
    ("control_marks"). So is one that shows a file of this machine ("media_not_sent"): no file is opened because a
    row names it.

    Example:
        - respond: {model: teacher, max_tokens: 2048}
    """

    name: ClassVar[str] = "respond"

    model: ChatModelName = ""
    """The chat model that answers."""
    temperature: float = Field(0.7, ge=0)
    """Sampling temperature."""
    max_tokens: int = Field(1024, ge=1)
    """Most tokens of an answer."""
    overwrite: bool = False
    """Answer records anew that have an answer; without it they pass untouched."""
    system: bool = True
    """Put a system turn before a conversation that has none."""
    allow_truncated: bool = False
    """Keep answers that were cut by the token limit."""

    async def process(self, record: Record, context: Context) -> AsyncIterator[Record]:
        if not is_blank(record.output) and not self.overwrite:
            yield record
            return
        if is_blank(record.prompt):
            raise RecordFailed("no_instruction", "there is no user turn to answer")
        sampling = Sampling(self.temperature, self.max_tokens)
        made, answer = await answered(
            record, self.model, sampling, context, operation="respond", system=self.system
        )
        if is_blank(answer.text) and not answer.calls:
            yield made.drop(context.step, "empty_answer", "the model's answer is empty")
        elif answer.finish_reason == "length" and not self.allow_truncated:
            yield made.drop(
                context.step,
                "truncated",
                f"the answer was cut at {self.max_tokens} tokens",
                {"max_tokens": self.max_tokens},
            )
        elif not answer.calls and answer.text.strip() == record.prompt.strip():
            yield made.drop(context.step, "echo", "the model's answer is the prompt again")
        else:
            yield made


async def answered(
    record: Record,
    model: str,
    sampling: Sampling,
    context: Context,
    *,
    operation: str,
    sample: int = 0,
    round: int = 0,
    system: bool = True,
) -> tuple[Record, Answer[None]]:
    """`record` answered by the model of this name, with its reasoning and its calls of tools, and the answer.

    The model is sent the conversation, the record's tools and its arguments for the chat template.
    """
    messages, prompt = answering_messages(record, context, system=system)
    answer = await context.chat(model).ask(
        messages,
        sampling,
        sample=sample,
        tools=record.tools,
        template_arguments=record.template_arguments,
    )
    event = context.event(operation, answer, prompt=prompt, round=round)
    made = record.with_output(answer.text.strip(), event, reasoning=answer.reasoning, calls=answer.calls)
    return made, answer


def answering_messages(
    record: Record, context: Context, *, system: bool = True
) -> tuple[tuple[Message, ...], Prompt | None]:
    """What an answering model is sent for `record`, and the prompt that was put before it, if one was."""
    if record.system or not system:
        return record.conversation, None
    prompt = context.prompt("respond/answer", record)
    return (*prompt.render(), *record.conversation), prompt
