"""The next user turn of a conversation, checked, and its answer."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from factory.data.prompt import Prompt
from factory.data.record import Event, Message, Record
from factory.data.text import is_blank, shorten
from factory.errors import RecordFailed
from factory.models.base import Answer, Sampling
from factory.step import ChatModelName, Context, PerRecord
from factory.steps.agents.conversing.drift import Drift, assistant_drift, is_refusal, user_drift
from factory.steps.agents.conversing.talk import named, spoken
from factory.steps.agents.flaws.clean import clean_instruction
from factory.steps.agents.flaws.eliminate import truncation_flaw
from factory.steps.agents.inventing.single import leak_flaw
from factory.steps.agents.respond import answered
from factory.steps.judging.grading.grader import transcript


class ContinueConversation(PerRecord):
    """Write the next user turn of each conversation, with or without dependence on what was said, and answer it.

    The step is not called `continue` because that word is Python's own: no method of a dataset can have it.

    With `depends: true` the turn must make sense only to whoever read the conversation, with `depends: false` only
    without it; the judge, who is shown the turn and nothing else, says whether it can be answered alone. Otherwise
    the turn is dropped ("answerable_alone", "needs_context"). `depends: any` asks no judge.

    With `from_template` nobody is asked for a turn: the model is shown the conversation in its own chat template up
    to where a user's next words begin, and writes what users write (Magpie-MT). See `magpie` for what can do that;
    `depends` then only sorts out.

    What is given on is a new record with the longer conversation, made from the old one; the old one goes on too with
    `keep_parents`. A turn or its answer is let go, marked with its kind, where it leaves the course of a conversation
    (see `converse`: "repetition", "swapped_roles", "closing", "other_language" and the others; a user's turn is a
    repetition from a ROUGE-L F of `repeated` on), where a call fails, and where the answer refuses ("refusal"). Then
    another is drawn, up to `tries` in all; each that was let go stays among what was dropped. An answer that calls
    tools is a whole one. A conversation that waits for an answer is set aside: put `respond` before this step.

    Source: Magpie-MT (Magpie, arXiv 2406.08464) for `from_template`; the check of dependence is ours.

    Example:
        - continue_conversation: {model: teacher, depends: true, tries: 3}
        - continue_conversation: {model: teacher, from_template: true, depends: any, answer: false}
    """

    name: ClassVar[str] = "continue_conversation"

    model: ChatModelName = ""
    """The chat model that writes the user's turn."""
    judge: ChatModelName = ""
    """The chat model that says whether the turn can be answered alone."""
    assistant: ChatModelName = ""
    """The chat model that answers the turn."""
    depends: bool | Literal["any"] = True
    """Whether the turn must depend on what was said before (true), must not (false), or may (any)."""
    from_template: bool = False
    """Draw the turn from the model's own chat template in place of asking for it."""
    answer: bool = True
    """Answer the turn too; without it the conversation waits for an answer."""
    tries: int = Field(1, ge=1)
    """Most turns that are drawn until one is kept."""
    keep_parents: bool = False
    """Give the conversation as it was on too, before the longer one."""
    repeated: float = Field(0.9, gt=0, le=1)
    """The ROUGE-L F with an earlier turn from which on the user's turn is a repetition."""
    user_temperature: float = Field(1.0, ge=0)
    """Sampling temperature of the user's turn; the judge is asked at 0."""
    temperature: float = Field(0.7, ge=0)
    """Sampling temperature of the answer."""
    user_max_tokens: int = Field(384, ge=1)
    """Most tokens of the user's turn, and of the judge's reply."""
    max_tokens: int = Field(1024, ge=1)
    """Most tokens of the answer."""

    @field_validator("depends", mode="before")
    @classmethod
    def _known(cls, depends: object) -> object:
        if not isinstance(depends, bool) and depends not in ("true", "false", "any"):
            raise ValueError("it is true, false or any")
        return depends

    async def process(self, record: Record, context: Context) -> AsyncIterator[Record]:
        if is_blank(record.prompt):
            raise RecordFailed("no_conversation", "there is no user turn, so no conversation to go on with")
        if not record.answered or record.messages[-1].calls:
            waits = "its tools" if record.messages[-1].calls else "an answer"
            raise RecordFailed(
                "not_answered", f"the conversation waits for {waits}: put `respond` before this step"
            )
        if self.keep_parents:
            yield record
        for number in range(self.tries):
            made = await self._continued(record, number, context)
            context.count("turns_drawn")
            context.count("turns_kept", int(made.dropped is None))
            yield made
            if made.dropped is None:
                break

    async def rehearse(self, record: Record, context: Context) -> AsyncIterator[Record]:
        """See `PerRecord.rehearse`: every try, each judged and answered."""
        if is_blank(record.prompt):
            return
        if self.keep_parents:
            yield record
        for number in range(self.tries):
            reply, event, _ = await self._drawn(record, number, context)
            child = _longer(record, reply.text, event)
            if self.depends != "any":
                await self._alone(child, context)
            if self.answer:
                child, _ = await self._answered(child, number, context)
        yield child

    async def _continued(self, record: Record, number: int, context: Context) -> Record:
        """One try: the conversation with one more turn or exchange, kept or dropped."""
        child = _longer(record, "", context.event("user"))
        drift: Drift | None = None
        side = "user"
        try:
            reply, event, prompt = await self._drawn(record, number, context)
            words = reply.text.strip() if prompt is None else clean_instruction(reply.text)
            child = _longer(record, words, event)
            drift = self._flaw(words, reply, record, prompt)
            if drift is None and self.depends != "any":
                child, drift = await self._judged(child, context)
            if drift is None and self.answer:
                side = "assistant"
                child, drift = await self._answer(child, number, context)
        except RecordFailed as error:
            drift = Drift(error.kind, side, str(error), failed=True)
        child = named(child, record.id, context.step, f"user {number}")
        if drift is None:
            return child
        return child.drop(context.step, drift.kind, drift.reason, drift.numbers, failed=drift.failed)

    async def _drawn(
        self, record: Record, number: int, context: Context
    ) -> tuple[Answer[None], Event, Prompt | None]:
        """A user's turn, and the prompt that asked for it; none where it comes from the model's template."""
        model = context.chat(self.model)
        sampling = Sampling(self.user_temperature, self.user_max_tokens)
        if self.from_template:
            opening = await model.user_opening(record.messages)
            sampling = replace(sampling, stop=(opening.end,) if opening.end else ())
            answer = await model.continue_text(opening.text, sampling, sample=number)
            return answer, context.event("draw", answer), None
        kinds = {True: "dependent", False: "free", "any": "any"}
        name = f"continue_conversation/{kinds[self.depends]}"
        answer, event = await context.ask(
            self.model,
            name,
            record,
            sampling,
            operation="user",
            sample=number,
            conversation=transcript(spoken(record.messages), record.language),
        )
        return answer, event, context.prompt(name, record)

    def _flaw(self, words: str, reply: Answer[None], record: Record, prompt: Prompt | None) -> Drift | None:
        """What is wrong with a user's turn by its text alone."""
        if cut := truncation_flaw(reply, "the user's turn"):
            return Drift("truncated", "user", cut.reason, cut.numbers)
        before = spoken(record.messages)
        if found := user_drift(words, before, _first(before), self.repeated):
            return found
        said = "\n".join(turn.content for turn in before)
        flaw = None if prompt is None else leak_flaw(words, said, prompt, "user's turn")
        return None if flaw is None else Drift(flaw.kind, "user", flaw.reason)

    async def _judged(self, child: Record, context: Context) -> tuple[Record, Drift | None]:
        """Whether the turn depends on the conversation as it is to."""
        alone, reason, event = await self._alone(child, context)
        child = child.with_event(event)
        if alone != self.depends:
            return child, None
        if alone:
            return child, Drift(
                "answerable_alone", "user", f"it can be answered without the conversation: {reason}"
            )
        return child, Drift(
            "needs_context", "user", f"it cannot be answered without the conversation: {reason}"
        )

    async def _alone(self, child: Record, context: Context) -> tuple[bool, str, Event]:
        reply, event = await context.ask(
            self.judge,
            "continue_conversation/answerable_alone",
            child,
            Sampling(0.0, self.user_max_tokens),
            schema=Standing,
            operation="judge_dependence",
            message=child.prompt,
        )
        return reply.data.answerable_alone, shorten(reply.data.reason, 200), event

    async def _answer(self, child: Record, number: int, context: Context) -> tuple[Record, Drift | None]:
        """The turn answered, and what is wrong with the answer."""
        before = spoken(child.messages)
        child, answer = await self._answered(child, number, context)
        words = answer.text.strip()
        if cut := truncation_flaw(answer, "the answer"):
            return child, Drift("truncated", "assistant", cut.reason, cut.numbers)
        if answer.calls:
            return child, None
        drift = assistant_drift(words, before, _first(before), self.repeated)
        if drift is None and is_refusal(words, f"{child.system}\n{child.prompt}"):
            drift = Drift("refusal", "assistant", "the answer refuses")
        return child, drift

    async def _answered(self, child: Record, number: int, context: Context) -> tuple[Record, Answer[None]]:
        sampling = Sampling(self.temperature, self.max_tokens)
        return await answered(child, self.assistant, sampling, context, operation="answer", sample=number)


class Standing(BaseModel):
    """What the judge replies of a turn that stands alone, or does not."""

    model_config = ConfigDict(extra="forbid")

    reason: str = Field(json_schema_extra={"maxLength": 300})
    answerable_alone: bool


def _first(before: tuple[Message, ...]) -> str:
    """What the user asked at first: what the conversation is about."""
    return next((turn.content for turn in before if turn.role == "user"), "")


def _longer(record: Record, words: str, event: Event) -> Record:
    """A record made from this one whose conversation has one more user's turn."""
    child = record.child("", event)
    return replace(child, messages=(*record.messages, Message("user", words)))
