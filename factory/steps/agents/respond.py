"""Have a model answer each instruction."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import ClassVar

from pydantic import Field

from factory.data.prompt import Prompt, load_prompt
from factory.data.record import Message, Record
from factory.data.text import detect_language
from factory.errors import RecordFailed
from factory.step import ChatModelName, Context, PerRecord


class Respond(PerRecord):
    """Answer each instruction that has no answer yet, by a model.

    The model is sent the conversation up to the last user turn. Where that has no system turn, a short one is
    put before it (prompt `respond/answer`), unless `system` is off; it is never stored in the record.

    A record whose answer is empty is dropped ("empty_answer"), and so is one whose answer was cut by the
    token limit ("truncated"), unless `allow_truncated`.

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
        if record.output and not self.overwrite:
            yield record
            return
        if not record.prompt.strip():
            raise RecordFailed("no_instruction", "there is no user turn to answer")
        messages, prompt = answering_messages(record, system=self.system)
        answer = await context.chat(self.model).ask(
            messages, temperature=self.temperature, max_tokens=self.max_tokens
        )
        text = answer.text.strip()
        answered = record.with_output(text, context.event("respond", answer, prompt=prompt))
        if not text:
            yield answered.drop(context.step, "empty_answer", "the model's answer is empty")
        elif answer.finish_reason == "length" and not self.allow_truncated:
            yield answered.drop(
                context.step,
                "truncated",
                f"the answer was cut at {self.max_tokens} tokens",
                {"max_tokens": self.max_tokens},
            )
        else:
            yield answered


def answering_messages(record: Record, *, system: bool = True) -> tuple[tuple[Message, ...], Prompt | None]:
    """What an answering model is sent for `record`, and the prompt that was put before it, if one was."""
    if record.system or not system:
        return record.conversation, None
    prompt = load_prompt("respond/answer", record.lang or detect_language(record.prompt))
    return (*prompt.render(), *record.conversation), prompt
