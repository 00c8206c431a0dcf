"""Two scripted sides of a conversation, what they say, and how they leave its course."""

from __future__ import annotations

import json
from typing import Any

import pytest
from step_context import Ask, ScriptedChat, process

from factory.data.record import Record, new_record
from factory.errors import RecordFailed
from factory.models.base import Reply
from factory.step import Context
from factory.steps.agents.converse import Converse
from factory.steps.agents.conversing.talk import PlanReply

GOAL = new_record("Keep a basil plant alive through the winter.", lang="en", source="s")
QUESTIONS = (
    "how much light does a basil plant need in december?",
    "my window faces north, would a lamp do?",
    "which colour should such a lamp have?",
    "and when may I cut some leaves for soup?",
    "the soil grows something white, is that mould?",
    "could I plant cuttings outside in april?",
)
ANSWERS = (
    "At least six hours; fewer and it grows thin.",
    "Yes: 15 watts, a hand's breadth above the leaves.",
    "White, near 4000 kelvin, is enough.",
    "Once it has eight pairs of leaves, above a pair.",
    "Most likely lime from hard water; mould would be fluffy.",
    "Only after the last frost, in May rather.",
)
PLAN = {"persona": "A cook with a north window.", "plan": ["ask for light", "mention the window"]}
ON_GOAL = {"reason": "it is", "about_goal": True}
User = dict[str, Any] | Exception | Reply
Say = str | Exception | Reply


def says(message: str, done: bool = False) -> dict[str, Any]:
    return {"done": done, "message": message}


DONE = says("", done=True)


class Sides:
    """A user agent and an assistant agent that say these things in order; what each was asked."""

    def __init__(
        self, users: list[User], answers: list[Say], plan: User | None = None, verdict: User | None = None
    ) -> None:
        self.users, self.answers, self.plan = users, answers, PLAN if plan is None else plan
        self.verdict = ON_GOAL if verdict is None else verdict
        self.user, self.assistant = ScriptedChat(self._user, "u"), ScriptedChat(self._assistant, "a")
        self.judge = ScriptedChat(lambda ask: text_of(self.verdict), "j")
        self.told: list[str] = []
        self.context = Context(
            step="02-converse",
            seed=0,
            get_chat=lambda name: {"u": self.user, "a": self.assistant, "j": self.judge}[name],
            get_embedder=lambda name: pytest.fail("no embedder is asked"),
            tell=self.told.append,
        )

    def _user(self, ask: Ask) -> str | Reply | Exception:
        if ask.schema is PlanReply:
            reply = self.plan
        else:
            reply = self.users[sum(one.schema is not PlanReply for one in self.user.asks) - 1]
        return text_of(reply)

    def _assistant(self, ask: Ask) -> Say:
        return self.answers[len(self.assistant.asks) - 1]

    @property
    def facts(self) -> dict[str, Any]:
        return {name: count for name, count in self.context.facts.items() if count}


def text_of(reply: User) -> str | Reply | Exception:
    return reply if isinstance(reply, Exception | Reply) else json.dumps(reply)


def converse(
    users: list[User],
    answers: list[Say],
    record: Record = GOAL,
    plan: User | None = None,
    verdict: User | None = None,
    **options: Any,
) -> tuple[Record, Sides]:
    sides = Sides(users, answers, plan, verdict)
    step = Converse(**{"user": "u", "assistant": "a", "judge": "j", "turns": (2, 6), **options})
    (made,) = process(step, record, sides.context)
    return made, sides


def good(number: int) -> tuple[list[User], list[Say]]:
    return [says(question) for question in QUESTIONS[:number]], list(ANSWERS[:number])


def said(record: Record) -> list[tuple[str, str]]:
    return [(turn.role, turn.content) for turn in record.messages]


def expected(exchanges: int) -> list[tuple[str, str]]:
    pairs = zip(QUESTIONS[:exchanges], ANSWERS[:exchanges], strict=True)
    return [turn for asked, told in pairs for turn in (("user", asked), ("assistant", told))]


BROKEN_USERS: list[tuple[User, str]] = [
    (says(""), "empty"),
    (Reply(json.dumps(says("and how do I")), finish_reason="length"), "truncated"),
    (says("User: and how often?"), "speaker_label"),
    (says('That is it. {"done": true}'), "end_mark"),
    (says("I can help you with that, step by step."), "swapped_roles"),
    (says("Thanks a lot, bye!"), "closing"),
    (says("I'm sorry, but I can't play a user."), "refusal"),
    (says("那么浇水要多久一次呢，冬天和夏天一样吗？"), "other_language"),
    (says(QUESTIONS[0].upper()), "repetition"),
    (says("my balcony is barely 90 cm deep and faces south."), "template_leak"),
    (says("Mention the window!"), "template_leak"),
    (RecordFailed("context_length", "it does not fit"), "context_length"),
]
BROKEN_ANSWERS: list[tuple[Say, str]] = [
    ("\u200b", "empty"),
    (Reply("Once it has eight", finish_reason="length"), "truncated"),
    ("Once a week.\nUser: and in summer?", "speaker_label"),
    ("Can you help me with my own basil?", "swapped_roles"),
    ("You're welcome! Have a nice day!", "closing"),
    ("罗勒每周浇一次水就够了，注意不要积水。", "other_language"),
    (ANSWERS[0], "repetition"),
    (RecordFailed("refused", "the filter refused"), "refused"),
]


REFUSAL = "I'm sorry, but I can't help with that."
