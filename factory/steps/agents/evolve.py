"""Evol-Instruct: rewrite instructions, round by round, into harder and rarer ones, and answer them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import ClassVar

from pydantic import BaseModel, ConfigDict, Field, PrivateAttr, field_validator

from factory.data.prompt import Prompt
from factory.data.record import Drop, Event, Record, record_id
from factory.data.text import is_blank, word_count
from factory.errors import RecordFailed
from factory.models.base import Answer, Sampling
from factory.statistics.flaws.flaw import Flaw
from factory.statistics.flaws.language import answer_language_flaw, language_flaw
from factory.statistics.flaws.repetition import loop_flaw
from factory.step import ChatModelName, Context, PerRecord
from factory.steps.agents.evolving.in_conversation import (
    conversation_before,
    earlier_turns,
    in_conversation,
)
from factory.steps.agents.evolving.mix import OPERATIONS, Limits, Mix, Named, check_mix, choose
from factory.steps.agents.flaws.answer import checked_answer
from factory.steps.agents.flaws.clean import clean_instruction
from factory.steps.agents.flaws.comments import without_comment
from factory.steps.agents.flaws.eliminate import instruction_flaw, truncation_flaw
from factory.steps.agents.flaws.rewriting import rewriting_flaw, without_question_label
from factory.steps.agents.flaws.yields import note_yield, tell_yield
from factory.steps.option_types import OneOrSeveral

ATTEMPT = 1000
"""How far apart the samples of one round's attempts are numbered."""


class Evolve(PerRecord):
    """Evolve each instruction over several rounds into harder or rarer ones, and answer them (Evol-Instruct).

    Each round picks one of `operations` at random. In-depth evolving (add_constraints, deepen, concretize,
    increase_reasoning, complicate_input; together `depth`) rewrites the instruction; in-breadth evolving (breadth)
    writes a rarer one of the same domain. Those for programming tasks (code_constraints, code_rarer, code_reasoning,
    code_misdirect with code that has a mistake, code_complexity; together `code`, the last a quarter as often) are
    WizardCoder's. A mapping gives each its weight. `by_round` names another mix from a round on, and `tasks` one for
    records of a task, in all rounds.

    All words of the last user turn are evolved, so a child has no separate input; its pictures, the turns before it
    and the record's tools stay. The same model answers the child, which goes on to the next step at once and is what
    the next round evolves.

    The eliminator lets a child go, marked with its reason, where

    - it brings no information gain over its parent, as the model judges ("no_information_gain");
    - its answer, of fewer than 80 words or Chinese characters, opens with a refusal ("I'm sorry, but I can't",
      "As an AI language model, I cannot", 抱歉，我无法) and it did not ask for an apology or refusal, or the model
      refuses to evolve in such words ("refusal");
    - its answer holds nothing but punctuation and stop words, and is no option, yes or no, or sign that was asked
      for ("empty_answer");
    - it copies words of the evolving prompt, or an example in it ("template_leak"), or its answer says the prompt
      again ("echo");
    - it, or its answer, says little but the same words again and again, unasked ("repetition");
    - it is empty, the same as its parent, or was cut by the token limit, as its answer may be, or breaks off within a
      sentence ("empty", "unchanged", "truncated");
    - the model gives several ("several_instructions"), or tells how it rewrites ("working"), or answers in place of
      rewriting ("answered"), by rules that see the plain cases;
    - with `max_words` or `max_demands`, it has grown beyond that ("too_long", "too_many_demands"); with
      `keep_language`, it or its answer is in another language ("other_language").

    What can be told without a model is told first, and the gain before the answer is paid for. The parent
    of a failed child stays and is tried again, with a fresh choice of operation: in the same round where `tries` are
    left, else in the next. A round whose call failed, or whose reply is no answer (see `respond`), gives a child marked
    as failed, and the next round goes on. An instruction that has all the words or demands that it may have is evolved
    by what adds none; a round that has no such operation is left out ("rounds_at_limit" in the step's facts).

    The score "evolve.added_words" of a child of in-depth evolving is its growth in words over its parent (the
    prompts ask for 10 to 20); it is told, not enforced. With several `tries`, "evolve.rejected" counts those that were
    let go before it. The facts tell how many children were asked for and kept, and what the others were let go for.

    Source: WizardLM (arXiv 2304.12244), section 3; its published code lacks the eliminator, the later rounds and
    complicate_input. The paper draws 70,000 of all rounds to train on: put `keep_top` or `select` behind. Code:
    WizardCoder (arXiv 2306.08568). The limits, and languages, are ours.

    Example:
        - evolve: {model: teacher, rounds: 4}
        - evolve: {model: teacher, rounds: 1, operations: [deepen, increase_reasoning], keep_parents: false}
        - evolve: {model: teacher, operations: {depth: 3, breadth: 1}, tasks: {code: code}, max_demands: 8}
    """

    name: ClassVar[str] = "evolve"

    model: ChatModelName = ""
    """The chat model that evolves, answers and judges the gain."""
    rounds: int = Field(4, ge=1)
    """Rounds of evolution; each gives one child, kept or dropped."""
    operations: OneOrSeveral[Named] | dict[str, float] = OPERATIONS
    """The operations to choose from, each as likely as the others, or a mapping of each to its weight."""
    by_round: dict[int, Mix] = Field(default_factory=dict)
    """Other operations from a round on, until the next one named, such as {3: {breadth: 1, deepen: 2}}."""
    tasks: dict[str, Mix] = Field(default_factory=dict)
    """Operations of their own for the records of a task, in all rounds, such as {code: code}."""
    tries: int = Field(1, ge=1, le=20)
    """Most children asked for in a round: after one that is let go, another."""
    max_words: int | None = Field(None, ge=1)
    """Most words, or Chinese characters, of an evolved instruction."""
    max_demands: int | None = Field(None, ge=1)
    """Most demands of an evolved instruction: its clauses that ask for something, counted by rule."""
    keep_language: bool = False
    """Let a child go that is not in its parent's language, or whose answer is not in its own, as their scripts tell."""
    show_conversation: bool = False
    """Show the model the turns before the one that it evolves."""
    check_gain: bool = True
    """Have the model judge whether a child brings an information gain over its parent."""
    keep_parents: bool = True
    """Give the original record on too, before its children, as the paper merges the seeds and all rounds."""
    temperature: float = Field(1.0, ge=0)
    """Sampling temperature of evolving and answering; the gain is judged at 0."""
    top_p: float = Field(0.95, gt=0, le=1)
    """Nucleus of evolving and answering: the most likely tokens that have this probability together."""
    max_tokens: int = Field(1024, ge=1)
    """Most tokens of an evolved instruction."""
    answer_max_tokens: int = Field(2048, ge=1)
    """Most tokens of an answer."""

    _limits: Limits = PrivateAttr()

    @field_validator("operations")
    @classmethod
    def _sound(cls, mix: Mix) -> Mix:
        return check_mix(mix)

    @field_validator("by_round", "tasks")
    @classmethod
    def _all_sound(cls, mixes: dict[int | str, Mix]) -> dict[int | str, Mix]:
        for key, mix in mixes.items():
            if isinstance(key, int) and key < 1:
                raise ValueError(f"rounds are numbered from 1, so there is no round {key}")
            check_mix(mix)
        return mixes

    def model_post_init(self, context: object) -> None:
        self._limits = Limits(self.max_words, self.max_demands)

    async def process(self, record: Record, context: Context) -> AsyncIterator[Record]:
        if is_blank(_words(record)):
            raise RecordFailed("no_instruction", "there is no user turn to evolve")
        if self.keep_parents:
            yield record
        self._tell_of(record, context)
        dropped: list[Drop] = []
        kept = 0
        current = record
        for round in range(1, self.rounds + 1):
            without = self._limits.without(_words(current))
            for attempt in range(self.tries):
                operation = self._operation(record, round, attempt, without, context)
                if operation is None:
                    context.count("rounds_at_limit")
                    break
                child = await self._child_of(current, operation, round, attempt, context)
                yield child
                if child.dropped is None:
                    current = child
                    kept += 1
                    break
                dropped.append(child.dropped)
        note_yield(context, kept, dropped)

    def finish(self, context: Context) -> None:
        """See `PerRecord.finish`."""
        tell_yield(context)
        if taken := context.facts.get("comments_taken_off"):
            context.tell(
                f"{context.step}: {taken:,} replies said something about their instruction (a label, a comment), which "
                "was taken off"
            )
        if left_out := context.facts.get("rounds_at_limit"):
            context.tell(
                f"{context.step}: {left_out:,} rounds were left out, since their instructions have all the words or "
                "demands that they may have (`max_words`, `max_demands`) and no operation adds none"
            )

    async def rehearse(self, record: Record, context: Context) -> AsyncIterator[Record]:
        """See `PerRecord.rehearse`: each round has all its tries, and each is let go for its answer."""
        if is_blank(_words(record)):
            return
        if self.keep_parents:
            yield record
        # A stand-in is no longer than it is, and English.
        free = {"max_words": None, "max_demands": None, "keep_language": False}
        step = type(self)(**{**self.model_dump(), **free})
        current = record
        for round in range(1, self.rounds + 1):
            for attempt in range(self.tries):
                operation = self._operation(record, round, attempt, frozenset(), context)
                assert operation is not None, "no operation is left out"
                child = await step._child_of(current, operation, round, attempt, context)
            yield child
            if child.dropped is None:
                current = child

    def _operation(
        self, record: Record, round: int, attempt: int, without: frozenset[str], context: Context
    ) -> str | None:
        """What a round does; None where an instruction at a limit leaves nothing."""
        from_rounds = [first for first in self.by_round if first <= round]
        mix = self.by_round[max(from_rounds)] if from_rounds else self.operations
        key = (record.id, round, attempt) if attempt else (record.id, round)
        return choose(self.tasks.get(record.task, mix), without, context.random(*key))

    def _tell_of(self, record: Record, context: Context) -> None:
        """Say what an option that is off, or a task that is missing, leaves out."""
        if self.tasks and not record.task:
            context.count("without_task")
            context.warn(
                f"{context.step}: records without a task are evolved by `operations`: put the step `task` before it"
            )
        if not self.show_conversation and earlier_turns(record):
            context.count("without_earlier_turns")
            context.tell(
                f"{context.step}: last turns are evolved without the turns before them; "
                "`show_conversation: true` shows the model these"
            )

    async def _child_of(
        self, parent: Record, operation: str, round: int, attempt: int, context: Context
    ) -> Record:
        """The child of one attempt in a round, kept or dropped."""
        prompt = self._prompt(parent, operation, context)
        child = _child(parent, "", context.event(operation, prompt=prompt, round=round), attempt)
        try:
            # The round numbers the sample: a parent that is tried again by the same operation is asked anew.
            sample = round + ATTEMPT * attempt
            reply = await self._evolved(prompt, parent, sample, context)
            event = context.event(operation, reply, prompt=prompt, round=round)
            evolved = _read(reply.text, _words(parent), context)
            child = _child(parent, evolved, event, attempt)
            scores = {}
            if operation != "breadth":
                scores["evolve.added_words"] = float(word_count(_words(child)) - word_count(_words(parent)))
            if self.tries > 1:
                scores["evolve.rejected"] = float(attempt)
            child = replace(child, scores=scores)
            flaw = truncation_flaw(reply, "the evolved instruction") or self._flaw(
                child, parent, prompt, context
            )
            if flaw is None and self.check_gain:
                child, flaw = await self._compare(child, parent, round, context)
            if flaw is None:
                sampling = Sampling(self.temperature, self.answer_max_tokens, self.top_p)
                child, flaw = await checked_answer(
                    child, self.model, sampling, context, sample=sample, round=round
                )
                if flaw is None and not child.messages[-1].calls:
                    flaw = self._language(answer_language_flaw(child.output, _words(child)), context)
        except RecordFailed as error:
            return child.drop(context.step, error.kind, str(error), failed=True)
        return child if flaw is None else child.drop(context.step, *flaw)

    def _prompt(self, parent: Record, operation: str, context: Context) -> Prompt:
        prompt = context.prompt(f"evolve/{operation}", parent)
        if self.show_conversation and earlier_turns(parent):
            return in_conversation(prompt, context.prompt("evolve/in_conversation", parent))
        return prompt

    async def _evolved(self, prompt: Prompt, parent: Record, sample: int, context: Context) -> Answer[None]:
        """The model's reply to an evolving prompt."""
        values = {"instruction": _words(parent)}
        if "conversation" in prompt.inputs:
            values["conversation"] = conversation_before(parent)
        sampling = Sampling(self.temperature, self.max_tokens, self.top_p)
        return await context.chat(self.model).ask(prompt.render(**values), sampling, sample=sample)

    def _flaw(self, child: Record, parent: Record, prompt: Prompt, context: Context) -> Flaw | None:
        """What can be told of an evolved instruction without a model."""
        return (
            instruction_flaw(_words(child), _words(parent), prompt)
            or loop_flaw(_words(child), _words(parent), "the evolved instruction")
            or rewriting_flaw(_words(child), _words(parent))
            or self._limits.flaw(_words(child))
            or self._language(
                language_flaw(_words(child), _words(parent), "the evolved instruction"), context
            )
        )

    def _language(self, flaw: Flaw | None, context: Context) -> Flaw | None:
        """A text in another language, where that counts; else it is told."""
        if flaw is not None and not self.keep_language:
            context.count("kept_in_another_language")
            context.tell(
                f"{context.step}: some texts are not in the language that they were to be in; "
                "`keep_language: true` lets such children go"
            )
            return None
        return flaw

    async def _compare(
        self, child: Record, parent: Record, round: int, context: Context
    ) -> tuple[Record, Flaw | None]:
        """Rule (a) of the eliminator, as the paper decides it: a model says whether the two are equal."""
        answer, event = await context.ask(
            self.model,
            "evolve/no_information_gain",
            parent,
            Sampling(0.0, self.max_tokens),
            schema=Comparison,
            operation="check_gain",
            round=round,
            first=_words(parent),
            second=_words(child),
        )
        child = child.with_event(event)
        if not answer.data.equal:
            return child, None
        return child, Flaw(
            "no_information_gain", "the model judged it equal to the instruction it was made from"
        )


class Comparison(BaseModel):
    """What the model replies when two instructions are compared."""

    model_config = ConfigDict(extra="forbid")

    equal: bool


def _words(record: Record) -> str:
    """What is evolved: the words of the last user turn; its pictures stay with the child as they are."""
    return record.asked.content if record.asked is not None else ""


def _read(reply: str, parent: str, context: Context) -> str:
    """The instruction in a reply; what is said about it is taken off, and counted."""
    cleaned = clean_instruction(reply)
    evolved = without_question_label(without_comment(cleaned, parent), parent)
    if cleaned != reply.strip():
        context.count("wrappers_taken_off")
    if evolved != cleaned:
        context.count("comments_taken_off")
    return evolved


def _child(parent: Record, instruction: str, event: Event, attempt: int) -> Record:
    """A child of one attempt: those of one round that come to the same words are told apart."""
    child = parent.child(instruction, event)
    if not attempt:
        return child
    lineage = (event.step, event.operation, str(event.round), parent.id, str(attempt))
    return replace(child, id=record_id(child.messages, *lineage))
