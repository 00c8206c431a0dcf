"""A user agent and an assistant agent hold a conversation about a goal."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Annotated, ClassVar

from pydantic import Field, field_validator

from factory.data.record import Message, Record
from factory.data.text import is_blank, rouge_tokens, shorten
from factory.errors import RecordFailed
from factory.models.base import Answer, Sampling
from factory.step import Asked, ChatModelName, Context, PerRecord
from factory.steps.agents.conversing.drift import KINDS, Drift, assistant_drift, is_refusal, user_drift
from factory.steps.agents.conversing.talk import (
    EarlyTurnReply,
    GoalReply,
    Plan,
    PlanReply,
    Talk,
    TurnReply,
    begun,
    named,
    spoken,
    styles,
)
from factory.steps.agents.flaws.eliminate import truncation_flaw
from factory.steps.agents.inventing.single import leak_flaw
from factory.steps.agents.respond import answered
from factory.steps.judging.grading.grader import transcript

Exchanges = Annotated[int, Field(ge=1)]


class Converse(PerRecord):
    """Have a user agent and an assistant agent hold a conversation about each record's instruction, its goal.

    A plan is made first, which the assistant is never shown: who the user is (the record's `persona`, where the step
    of that name wrote it), a style drawn by the seed, and what each of the user's turns brings up, as many as are
    drawn between the least and the most of `turns`. Then the two take turns. The assistant is sent the record's own
    system turn, tools and arguments for the chat template, as `respond` sends them. The user agent ends the
    conversation by a field of its reply that is no part of the text, and that its schema holds at false before the
    least of `turns`; at the most of them it ends anyway. What is given on is a new record with the whole conversation,
    made from the old one; its plan is the record's `converse` among what its source carried along, its length the
    score "converse.exchanges".

    A conversation that leaves its course ends there. What comes before is kept, where it is the least of `turns` at
    least, and the note "converse.exchanges" says what was cut; else the record is dropped with the whole of it, for
    one to look. The step's facts count each kind:

    - "swapped_roles": the user answers, offers help or praises the question; the assistant asks for help or advice;
    - "speaker_label", "end_mark": a turn holds "User:", 助手： or the like, a mark of a chat template or of the end;
    - "closing": a turn is thanks, goodbye or a pleasantry alone;
    - "other_language": a turn is in another language than the goal, and no language is spoken of;
    - "repetition": a user's turn is one before it, a part of it, or nearly (ROUGE-L F of `repeated`); an assistant's
      turn is an earlier answer, or nearly where no change was asked for, or the user's own turn;
    - "refusal", "refusal_loop": the user agent refuses; the assistant refuses twice in a row (both are cut);
    - "empty", "truncated", "template_leak": a turn without a word, cut by the token limit, or copied from the prompt
      or plan;
    - "called_a_tool": the assistant calls a tool, which nothing here runs;
    - "ended_early": the user agent has nothing more to say before the least of `turns`, the schema notwithstanding;
    - "off_goal": at the end a judge finds that what is left is not about the goal (`check_goal`); all of it is dropped;
    - a failed call, by the kind of its failure (see `respond`).

    A record whose plan has no words or copies its prompt is set aside as failed ("empty_plan", "copied_plan").

    Words tell all but "off_goal", no model: what they tell is nearly always so, but a swap in other words goes through.

    One model may play both sides; another as `user` is less likely to talk as an assistant does. A record that has a
    conversation already is set aside: `continue_conversation` goes on with it.

    Source: UltraChat (arXiv 2305.14233), which has two models talk; the plan, the schema that ends it and the
    kinds of drift are ours.

    Example:
        - converse: {user: other, assistant: teacher}
        - converse: {assistant: teacher, turns: [2, 4], begin_with_goal: true}
    """

    name: ClassVar[str] = "converse"

    user: ChatModelName = ""
    """The chat model that plans and plays the user."""
    assistant: ChatModelName = ""
    """The chat model that plays the assistant."""
    judge: ChatModelName = ""
    """The chat model that says whether a conversation is about its goal."""
    turns: tuple[Exchanges, Exchanges] = (2, 10)
    """The least and the most exchanges, of a user's turn and its answer each."""
    begin_with_goal: bool = False
    """Have the record's instruction stand as the first user turn, word for word."""
    check_goal: bool = True
    """Have a model judge whether what is kept is about the goal."""
    repeated: float = Field(0.9, gt=0, le=1)
    """The ROUGE-L F with an earlier turn from which on a turn is a repetition."""
    user_temperature: float = Field(1.0, ge=0)
    """Sampling temperature of the user agent and its plan."""
    temperature: float = Field(0.7, ge=0)
    """Sampling temperature of the assistant."""
    plan_max_tokens: int = Field(768, ge=1)
    """Most tokens of a plan."""
    user_max_tokens: int = Field(384, ge=1)
    """Most tokens of a user's turn, and of the judge's reply."""
    max_tokens: int = Field(1024, ge=1)
    """Most tokens of an assistant's turn."""

    @field_validator("turns")
    @classmethod
    def _ordered(cls, turns: tuple[int, int]) -> tuple[int, int]:
        if turns[0] > turns[1]:
            raise ValueError(
                f"the least exchanges, {turns[0]}, are more than the most, {turns[1]}: write them as "
                f"[{turns[1]}, {turns[0]}]"
            )
        return turns

    async def process(self, record: Record, context: Context) -> AsyncIterator[Record]:
        if is_blank(_goal(record)):
            raise RecordFailed(
                "no_goal", "there is no user turn with words in it to be the goal of a conversation"
            )
        if sum(turn.role == "user" for turn in record.messages) > 1:
            reason = "it is a conversation already: `continue_conversation` goes on with it"
            raise RecordFailed("conversation_already", reason)
        self._tell_of_one_model(context)
        least, most = self.turns
        plan, talk = await self._planned(
            record, context.random(record.id, "turns").randint(least, most), context
        )
        while talk.exchanges < most and talk.drift is None and not talk.ended:
            await self._user_turn(record, plan, talk, context)
            if talk.drift is None and not talk.ended:
                await self._assistant_turn(record, plan, talk, context)
        off = None
        if self.check_goal and talk.whole(least):
            off = await self._off_goal(record, plan, talk, context)
        yield self._given(record, plan, talk, off, context)

    async def rehearse(self, record: Record, context: Context) -> AsyncIterator[Record]:
        """See `PerRecord.rehearse`: as many exchanges as there may be."""
        if is_blank(_goal(record)):
            return
        most = self.turns[1]
        planned, event = await self._ask_plan(record, most, context)
        # All of the plan's reply may stand in the prompts behind it.
        persona = _persona(record) + planned.text
        plan = Plan(_goal(record), persona, _style(record, context), ())
        talk = Talk(begun(record, event))
        for _ in range(most):
            if self._gives_goal(talk):
                talk.say(self._first(record), None)
            else:
                reply, event = await self._ask_user(record, plan, talk, context)
                talk.say(Message("user", reply.text), event)
            talk.record, _ = await self._answered(talk, context)
            talk.exchanges += 1
        if self.check_goal:
            await self._off_goal(record, plan, talk, context)
        yield talk.record

    async def _planned(self, record: Record, count: int, context: Context) -> tuple[Plan, Talk]:
        """The plan for so many turns of the user, and a conversation in which nothing was said."""
        reply, event = await self._ask_plan(record, count, context)
        steps = tuple(step.strip() for step in reply.data.plan if not is_blank(step))[:count]
        if not steps:
            raise RecordFailed("empty_plan", "the plan of the user's turns has no word in it")
        prompt = context.prompt("converse/plan", record)
        copied = next(filter(None, (leak_flaw(step, _goal(record), prompt, "plan") for step in steps)), None)
        if copied is not None:
            raise RecordFailed("copied_plan", copied.reason)
        persona = _persona(record) or reply.data.persona.strip()
        return Plan(_goal(record), persona, _style(record, context), steps), Talk(begun(record, event))

    async def _ask_plan(self, record: Record, count: int, context: Context) -> Asked[PlanReply]:
        return await context.ask(
            self.user,
            "converse/plan",
            record,
            Sampling(self.user_temperature, self.plan_max_tokens),
            schema=PlanReply,
            operation="plan",
            goal=_goal(record),
            persona=_persona(record),
            style=_style(record, context),
            turns=str(count),
        )

    async def _user_turn(self, record: Record, plan: Plan, talk: Talk, context: Context) -> None:
        """The user's next turn, said or found wrong, or that there is none."""
        if self._gives_goal(talk):
            talk.say(self._first(record), None)
            return
        try:
            reply, event = await self._ask_user(record, plan, talk, context)
        except RecordFailed as error:
            talk.drift = Drift(error.kind, "user", str(error), failed=True)
            return
        words = reply.data.message.strip()
        if reply.data.done and talk.whole(self.turns[0]):
            talk.ended = True
            talk.record = talk.record.with_event(event)
            return
        if reply.data.done and is_blank(words):
            talk.record = talk.record.with_event(event)
            reason = f"the user agent was done after {talk.exchanges} exchanges"
            talk.drift = Drift("ended_early", "user", reason)
            return
        before = talk.turns
        media = self._first(record).media if not before else ()
        talk.say(Message("user", words, media=media), event)
        if cut := truncation_flaw(reply, "the user's turn"):
            talk.drift = Drift("truncated", "user", cut.reason, cut.numbers)
            return
        talk.drift = user_drift(words, before, plan.goal, self.repeated) or self._leak(
            words, record, plan, before, context
        )

    def _leak(
        self, words: str, record: Record, plan: Plan, before: tuple[Message, ...], context: Context
    ) -> Drift | None:
        """That a user's turn copies the prompt, or reads a step of the plan out."""
        said = "\n".join(
            [plan.goal, plan.persona, plan.style, *plan.steps, *(turn.content for turn in before)]
        )
        flaw = leak_flaw(words, said, context.prompt("converse/turn", record), "user's turn")
        if flaw is not None:
            return Drift(flaw.kind, "user", flaw.reason)
        if any(_bare(words) == _bare(step) for step in plan.steps):
            return Drift("template_leak", "user", "the user's turn reads a step of the plan out")
        return None

    async def _assistant_turn(self, record: Record, plan: Plan, talk: Talk, context: Context) -> None:
        """The assistant's next turn: in order, or found wrong."""
        before = talk.turns
        try:
            talk.record, answer = await self._answered(talk, context)
        except RecordFailed as error:
            talk.drift = Drift(error.kind, "assistant", str(error), failed=True)
            return
        words = answer.text.strip()
        if answer.calls:
            talk.drift = Drift("called_a_tool", "assistant", f"the assistant calls {answer.calls[0].name!r}")
        elif cut := truncation_flaw(answer, "the assistant's turn"):
            talk.drift = Drift("truncated", "assistant", cut.reason, cut.numbers)
        else:
            talk.drift = assistant_drift(words, before, plan.goal, self.repeated)
        if talk.drift is not None:
            return
        talk.exchanges += 1
        refused = is_refusal(words, f"{record.system}\n{before[-1].content}")
        talk.refused = talk.refused + 1 if refused else 0
        if talk.refused == 2:
            talk.exchanges -= 2
            talk.drift = Drift("refusal_loop", "assistant", "the assistant refuses twice in a row")

    async def _off_goal(self, record: Record, plan: Plan, talk: Talk, context: Context) -> Drift | None:
        """That what is kept of the conversation is not about its goal, as the judge says."""
        try:
            reply, event = await context.ask(
                self.judge,
                "converse/about_goal",
                record,
                Sampling(0.0, self.user_max_tokens),
                schema=GoalReply,
                operation="judge_goal",
                goal=plan.goal,
                conversation=transcript(spoken(talk.kept().messages), record.language),
            )
        except RecordFailed as error:
            return Drift(error.kind, "judge", str(error), failed=True)
        talk.record = talk.record.with_event(event)
        if reply.data.about_goal:
            return None
        reason = f"the judge finds it not about its goal: {shorten(reply.data.reason, 200)}"
        return Drift("off_goal", "judge", reason)

    def _given(self, record: Record, plan: Plan, talk: Talk, off: Drift | None, context: Context) -> Record:
        """What becomes of a conversation: kept whole, cut, or dropped."""
        context.count("conversations_asked")
        for kind in KINDS:
            context.count(f"drift_{kind}", 0)
        whole, drift = talk.whole(self.turns[0]), talk.drift
        made = talk.kept() if whole else talk.record
        notes: dict[str, str] = {}
        if drift is not None:
            context.count(f"drift_{drift.kind}")
            notes["converse.exchanges"] = (
                f"cut after {talk.exchanges} exchanges ({drift.kind}): {drift.reason}"
            )
        else:
            context.count("ended_by_the_user" if talk.ended else "ended_at_the_most")
        made = replace(
            made,
            scores={"converse.exchanges": float(talk.exchanges)},
            notes=notes,
            meta={**made.meta, "converse": plan.told()},
        )
        made = named(made, record.id, context.step, "converse")
        exchanges = {"exchanges": float(talk.exchanges)}
        if off is not None:
            context.count("conversations_dropped")
            context.count(f"drift_{off.kind}")
            return made.drop(context.step, off.kind, off.reason, exchanges, failed=off.failed)
        if drift is not None and not whole:
            context.count("conversations_dropped")
            reason = f"{drift.reason}, after {talk.exchanges} of at least {self.turns[0]} exchanges"
            numbers = {**exchanges, **drift.numbers}
            return made.drop(context.step, drift.kind, reason, numbers, failed=drift.failed)
        context.count("conversations_kept")
        context.count("conversations_cut", int(drift is not None))
        context.count("exchanges_kept", talk.exchanges)
        return made

    async def _ask_user(self, record: Record, plan: Plan, talk: Talk, context: Context) -> Asked[TurnReply]:
        return await context.ask(
            self.user,
            "converse/turn",
            record,
            Sampling(self.user_temperature, self.user_max_tokens),
            schema=TurnReply if talk.whole(self.turns[0]) else EarlyTurnReply,
            operation="user",
            goal=plan.goal,
            persona=plan.persona,
            style=plan.style,
            plan=plan.listed,
            conversation=transcript(talk.turns, record.language),
        )

    async def _answered(self, talk: Talk, context: Context) -> tuple[Record, Answer[None]]:
        sampling = Sampling(self.temperature, self.max_tokens)
        return await answered(talk.record, self.assistant, sampling, context, operation="assistant")

    def _gives_goal(self, talk: Talk) -> bool:
        return self.begin_with_goal and not talk.turns

    @staticmethod
    def _first(record: Record) -> Message:
        """The goal as a user's turn; what it shows comes before its words."""
        asked = record.asked or Message("user", "")
        return Message("user", asked.content, media=tuple(one._replace(at=0) for one in asked.media))

    def _tell_of_one_model(self, context: Context) -> None:
        name = context.chat(self.user).name
        if name == context.chat(self.assistant).name:
            context.tell(
                f"{context.step}: {name} plays both the user and the assistant; another model as `user` is less likely "
                "to talk as an assistant does"
            )


def _goal(record: Record) -> str:
    """What the user of a conversation wants: the words of the record's last user turn."""
    return record.asked.content.strip() if record.asked is not None else ""


def _persona(record: Record) -> str:
    """Who the user is, where an earlier step wrote it; else ""."""
    given = record.meta.get("persona")
    return given if isinstance(given, str) and not is_blank(given) else ""


def _style(record: Record, context: Context) -> str:
    return context.random(record.id, "style").choice(styles(record.language))


def _bare(text: str) -> str:
    return " ".join(rouge_tokens(text))
