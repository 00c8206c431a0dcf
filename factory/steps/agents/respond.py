"""Have a model answer each instruction."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from typing import ClassVar, Literal

from pydantic import Field, field_validator

from factory.data.prompt import Prompt
from factory.data.record import Message, Record
from factory.data.text import is_blank
from factory.errors import RecordFailed
from factory.models.base import Answer, Sampling
from factory.step import ChatModelName, ChatModelNames, Context, PerRecord
from factory.steps.agents.retry.until_verified import tries_until_verified, unusable, with_tries
from factory.steps.judging.constraints.registry import BadConstraint
from factory.steps.judging.constraints.stated import Stated, bad_constraint, stated_constraints
from factory.steps.judging.constraints.verdicts import one_model
from factory.steps.judging.verify import what_failed


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

    With `until: verified` an answer is held against the record's constraints (see `verify`), and where it does not meet
    one, the model is sent its answer and told which, with what was found, until an answer meets all or `tries` answers
    were asked for. A try that is cut, empty or no answer counts as one. All answers are kept as the record's answers,
    with their verdicts; the best ends the conversation. A record none of whose answers meets all is dropped
    ("constraint_failed") unless `unverified` keeps it. One that has no constraints is answered as ever.

    Example:
        - respond: {model: teacher, max_tokens: 2048}
        - respond: {model: teacher, until: verified, tries: 3}
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
    """Keep answers that were cut by the token limit; not those that are to be verified."""
    until: Literal["answered", "verified"] = "answered"
    """When to stop asking: at the first answer, or at one that meets the record's constraints."""
    tries: int = Field(3, ge=1)
    """Most answers that are asked for until one is verified."""
    judge: ChatModelNames = ()
    """The chat model that judges constraints which no code can check; by default the one that answers."""
    unverified: Literal["drop", "keep"] = "drop"
    """What becomes of a record none of whose answers meets all constraints."""

    @field_validator("judge")
    @classmethod
    def _one(cls, judge: str | tuple[str, ...]) -> str | tuple[str, ...]:
        one_model(judge)
        return judge

    async def process(self, record: Record, context: Context) -> AsyncIterator[Record]:
        """See `PerRecord.process`."""
        yield await self._answered(record, context)

    async def rehearse(self, record: Record, context: Context) -> AsyncIterator[Record]:
        """See `PerRecord.rehearse`: no answer is verified but the last."""
        yield await self._answered(record, context, rehearsing=True)

    async def _answered(self, record: Record, context: Context, *, rehearsing: bool = False) -> Record:
        if not is_blank(record.output) and not self.overwrite:
            return record
        if is_blank(record.prompt):
            raise RecordFailed("no_instruction", "there is no user turn to answer")
        sampling = Sampling(self.temperature, self.max_tokens)
        if self.until == "verified" and (stated := _stated(record, context)):
            return await self._until_verified(record, stated, sampling, context, rehearsing)
        made, answer = await answered(
            record, self.model, sampling, context, operation="respond", system=self.system
        )
        drop = unusable(answer, record, sampling, context)
        cut_is_kept = drop is not None and drop.kind == "truncated" and self.allow_truncated
        return made if drop is None or cut_is_kept else replace(made, dropped=drop)

    async def _until_verified(
        self, record: Record, stated: Sequence[Stated], sampling: Sampling, context: Context, rehearsing: bool
    ) -> Record:
        """The record with the best of its answers, dropped where none meets all constraints."""
        messages, prompt = answering_messages(record, context, system=self.system)
        judge = one_model(self.judge)
        done = await tries_until_verified(
            record,
            stated,
            context,
            messages=messages,
            prompt=prompt,
            model=self.model,
            judge=self.model if judge is None else judge,
            sampling=sampling,
            tries=self.tries,
            rehearsing=rehearsing,
        )
        if not done.made:
            assert done.unusable is not None
            return done.unusable
        made, best = with_tries(record, done), done.best
        if not best.verified.failed:
            context.count("verified" if best.met else "without_all_verdicts")
            return made
        context.count("not_verified")
        if self.unverified == "keep":
            return made
        level = len(stated)
        reason = (
            f"{what_failed(best.verified.failed, level, record.language)}; best of {len(done.made)} answers"
        )
        numbers = {"share": best.verified.satisfied / level, "answers": float(len(done.made))}
        return made.drop(context.step, "constraint_failed", reason, numbers)


def _stated(record: Record, context: Context) -> tuple[Stated, ...]:
    """The record's constraints."""
    try:
        return stated_constraints(record)
    except BadConstraint as error:
        raise bad_constraint(error, context) from None


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
