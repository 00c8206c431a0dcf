"""Two scripted agents hold a conversation: how it goes, ends, leaves its course, and what is kept of it."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from step_context import Ask, ScriptedChat, process

from factory.data.record import Media, Message, Record, ToolCall, new_record
from factory.errors import RecordFailed
from factory.models.base import Reply
from factory.step import Context
from factory.steps.agents.converse import Converse
from factory.steps.agents.conversing.drift import KINDS
from factory.steps.agents.conversing.talk import GoalReply, PlanReply, styles

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


def test_the_user_agent_ends_the_conversation_by_a_field_that_is_no_part_of_it() -> None:
    users, answers = good(3)
    made, sides = converse([*users, says("Thanks, bye!", done=True)], answers)
    assert said(made) == expected(3)
    assert made.dropped is None
    assert made.scores == {"converse.exchanges": 3.0}
    assert made.notes == {}
    assert sides.facts == {
        "conversations_asked": 1,
        "conversations_kept": 1,
        "exchanges_kept": 3,
        "ended_by_the_user": 1,
    }
    assert len(sides.assistant.asks) == 3


def test_it_ends_at_the_most_exchanges_anyway() -> None:
    users, answers = good(3)
    made, sides = converse(users, answers, turns=(1, 3))
    assert said(made) == expected(3)
    assert sides.facts["ended_at_the_most"] == 1
    assert "ended_by_the_user" not in sides.facts


def test_it_cannot_end_before_the_least_exchanges_while_there_is_something_to_say() -> None:
    users, answers = good(3)
    users[1] = says(QUESTIONS[1], done=True)
    made, _ = converse([*users, DONE], answers, turns=(3, 6))
    assert said(made) == expected(3)


def test_a_user_with_nothing_more_to_say_before_the_least_exchanges_is_a_dropped_conversation() -> None:
    users, answers = good(1)
    made, sides = converse([*users, DONE], answers)
    assert made.dropped is not None
    assert (made.dropped.kind, made.dropped.failed) == ("ended_early", False)
    assert made.dropped.reason == "the user agent was done after 1 exchanges, after 1 of at least 2 exchanges"
    assert sides.facts["drift_ended_early"] == sides.facts["conversations_dropped"] == 1


def test_the_assistant_sees_the_conversation_and_nothing_of_the_plan() -> None:
    users, answers = good(2)
    _, sides = converse([*users, DONE], answers)
    first, second = sides.assistant.asks
    assert [turn.role for turn in first.messages] == ["system", "user"]
    assert [turn.content for turn in second.messages[1:]] == [QUESTIONS[0], ANSWERS[0], QUESTIONS[1]]
    assert "north window" not in repr(sides.assistant.asks)
    assert GOAL.instruction not in repr(sides.assistant.asks)


def test_the_user_agent_sees_goal_plan_and_conversation() -> None:
    users, answers = good(2)
    _, sides = converse([*users, DONE], answers)
    _, first, second, _ = sides.user.asks
    for words in (GOAL.instruction, "A cook with a north window.", "1. ask for light\n2. mention the window"):
        assert words in first.text
    assert "<conversation>\n\n</conversation>" in first.text
    assert f"User: {QUESTIONS[0]}\n\nAssistant: {ANSWERS[0]}\n</conversation>" in second.text
    assert sum(line in first.text for line in styles("en")) == 1


def test_the_records_own_system_turn_tools_and_arguments_go_to_the_assistant_and_stay() -> None:
    tool = {"type": "function", "function": {"name": "weather"}}
    record = replace(
        GOAL,
        messages=(Message("system", "Be brief."), *GOAL.messages),
        tools=(tool,),
        template_arguments={"enable_thinking": False},
    )
    users, answers = good(2)
    made, sides = converse([*users, DONE], answers, record)
    assert said(made) == [("system", "Be brief."), *expected(2)]
    assert (made.tools, made.template_arguments) == ((tool,), {"enable_thinking": False})
    ask = sides.assistant.asks[0]
    assert [turn.content for turn in ask.messages] == ["Be brief.", QUESTIONS[0]]
    assert (ask.tools, ask.template_arguments) == ((tool,), {"enable_thinking": False})
    assert "Be brief." not in repr(sides.user.asks)


def test_the_history_has_every_call_and_the_record_it_was_made_from() -> None:
    users, answers = good(2)
    made, _ = converse([*users, DONE], answers)
    operations = ["plan", "user", "assistant", "user", "assistant", "user", "judge_goal"]
    assert [event.operation for event in made.events] == operations
    assert all(event.calls for event in made.events)
    assert made.events[0].parents == (GOAL.id,)
    assert [event.model for event in made.events] == ["u", "u", "a", "u", "a", "u", "j"]
    assert made.events[1].prompt == "en/converse/turn@1"
    assert made.id != GOAL.id
    assert made.source == "s"


def test_the_plan_is_told_beside_the_conversation() -> None:
    users, answers = good(2)
    made, _ = converse([*users, DONE], answers)
    told = made.meta["converse"]
    assert (told["goal"], told["persona"], told["plan"]) == (GOAL.instruction, PLAN["persona"], PLAN["plan"])
    assert told["style"] in styles("en")


def test_a_persona_of_the_record_is_who_the_user_is() -> None:
    users, answers = good(2)
    record = replace(GOAL, meta={"persona": "A retired sailor."})
    made, sides = converse([*users, DONE], answers, record)
    assert "<persona>\nA retired sailor.\n</persona>" in sides.user.asks[0].text
    assert made.meta["converse"]["persona"] == "A retired sailor."
    assert made.meta["persona"] == "A retired sailor."


def test_what_the_assistant_thought_is_kept_apart_and_not_shown_to_the_user() -> None:
    users, answers = good(2)
    answers[0] = Reply(ANSWERS[0], reasoning="the secret thought")
    made, sides = converse([*users, DONE], answers)
    assert made.messages[1].reasoning == "the secret thought"
    assert "secret" not in repr([ask.messages for ask in sides.user.asks])


def test_the_goal_may_stand_as_the_first_turn() -> None:
    users, answers = good(2)
    made, sides = converse([users[1], DONE], answers, begin_with_goal=True)
    assert said(made)[0] == ("user", GOAL.instruction)
    assert len(made.messages) == 4
    assert len(sides.user.asks) == 3, "the plan, one turn, the end"


def test_a_picture_stands_with_the_first_turn_whoever_words_it() -> None:
    media = (Media("image", "https://example.org/basil.png", at=4),)
    record = replace(GOAL, messages=(Message("user", GOAL.instruction, media=media),))
    for begin in (True, False):
        users, answers = good(3)
        made, _ = converse(users, answers, record, begin_with_goal=begin, turns=(2, 3))
        assert made.messages[0].media == (Media("image", "https://example.org/basil.png", at=0),)
        assert made.messages[2].media == ()


def test_chinese_records_get_chinese_prompts() -> None:
    record = new_record("让厨房窗台上的罗勒安全过冬。")
    users: list[User] = [says("罗勒放在窗台上怎么养活？"), says("朝北的窗台行吗？"), DONE]
    made, sides = converse(users, ["每天晒足六小时，土干了再浇水。", "行，但要补光。"], record)
    assert made.dropped is None
    assert {event.prompt for event in made.events} == {
        "zh/converse/plan@1",
        "zh/converse/turn@1",
        "zh/converse/about_goal@1",
        "zh/respond/answer@1",
    }
    assert "用户: 罗勒放在窗台上怎么养活？" in sides.user.asks[2].text


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


@pytest.mark.parametrize("after", [1, 2, 3])
@pytest.mark.parametrize(
    ("broken", "kind"), BROKEN_USERS, ids=lambda value: value if isinstance(value, str) else ""
)
def test_a_users_turn_off_course_ends_it_and_what_comes_before_is_kept(
    broken: User, kind: str, after: int
) -> None:
    users, answers = good(after)
    made, sides = converse([*users, broken], answers)
    check_cut(made, sides, kind, after)


@pytest.mark.parametrize("after", [1, 2, 3])
@pytest.mark.parametrize(
    ("broken", "kind"), BROKEN_ANSWERS, ids=lambda value: value[:20] if isinstance(value, str) else ""
)
def test_an_answer_off_course_ends_it_and_what_comes_before_is_kept(
    broken: Say, kind: str, after: int
) -> None:
    users, _ = good(after + 1)
    made, sides = converse(users, [*ANSWERS[:after], broken])
    check_cut(made, sides, kind, after)


def check_cut(made: Record, sides: Sides, kind: str, after: int) -> None:
    assert sides.facts[f"drift_{kind}"] == 1
    assert made.scores == {"converse.exchanges": float(after)}
    assert made.notes["converse.exchanges"].startswith(f"cut after {after} exchanges ({kind}): ")
    if after >= 2:
        assert made.dropped is None
        assert said(made) == expected(after)
        assert sides.facts["conversations_cut"] == 1
    else:
        assert made.dropped is not None
        assert made.dropped.kind == kind
        assert made.dropped.failed == (kind in {"context_length", "refused"})
        assert made.dropped.numbers["exchanges"] == 1.0
        assert said(made)[:2] == expected(1), "all of it is there to look at"
        assert sides.facts["conversations_dropped"] == 1


def test_a_conversation_about_something_else_is_dropped_whole_as_the_judge_says() -> None:
    users, answers = good(3)
    verdict = {"reason": "it is about lamps", "about_goal": False}
    made, sides = converse([*users, DONE], answers, verdict=verdict)
    assert made.dropped is not None
    assert (made.dropped.kind, made.dropped.failed) == ("off_goal", False)
    assert made.dropped.reason == "the judge finds it not about its goal: it is about lamps"
    assert said(made) == expected(3)
    assert sides.facts["drift_off_goal"] == sides.facts["conversations_dropped"] == 1
    assert made.events[-1].operation == "judge_goal"
    (ask,) = sides.judge.asks
    assert f"<goal>\n{GOAL.instruction}\n</goal>" in ask.text
    assert ask.temperature == 0


def test_the_judge_reads_what_is_kept_and_is_not_asked_where_nothing_is() -> None:
    users, answers = good(2)
    _, sides = converse([*users, says("Thanks, bye!")], answers)
    assert "Thanks" not in sides.judge.asks[0].text
    assert ANSWERS[1] in sides.judge.asks[0].text
    _, sides = converse([users[0], says("Thanks, bye!")], answers)
    assert sides.judge.asks == []


def test_a_judge_that_fails_fails_the_conversation_and_without_the_check_none_is_asked() -> None:
    users, answers = good(2)
    failed = RecordFailed("bad_reply", "no JSON")
    made, sides = converse([*users, DONE], answers, verdict=failed)
    assert made.dropped is not None
    assert (made.dropped.kind, made.dropped.failed) == ("bad_reply", True)
    assert sides.facts["conversations_dropped"] == 1
    made, sides = converse([*users, DONE], answers, verdict=failed, check_goal=False)
    assert made.dropped is None
    assert sides.judge.asks == []


def test_every_kind_that_is_looked_for_is_counted_at_nought() -> None:
    users, answers = good(2)
    _, sides = converse([*users, DONE], answers)
    assert {f"drift_{kind}": 0 for kind in KINDS}.items() <= sides.context.facts.items()


REFUSAL = "I'm sorry, but I can't help with that."


def test_one_refusal_stays_and_two_in_a_row_are_cut_both() -> None:
    users, answers = good(4)
    answers[2] = REFUSAL
    made, _ = converse([*users, DONE], answers)
    assert made.dropped is None
    assert len(made.messages) == 8
    users, answers = good(4)
    answers[2], answers[3] = REFUSAL, "I'm sorry, I cannot assist with this request either."
    made, sides = converse([*users, DONE], answers)
    assert said(made) == expected(2)
    assert sides.facts["drift_refusal_loop"] == 1
    assert made.notes["converse.exchanges"].startswith("cut after 2 exchanges (refusal_loop)")


def test_a_call_of_a_tool_ends_it_since_nothing_runs_it() -> None:
    record = replace(GOAL, tools=({"type": "function", "function": {"name": "weather"}},))
    users, answers = good(3)
    answers[2] = Reply("", finish_reason="tool_calls", calls=(ToolCall("weather", "{}"),))
    made, sides = converse(users, answers, record)
    assert said(made) == expected(2)
    assert sides.facts["drift_called_a_tool"] == 1


@pytest.mark.parametrize(
    ("record", "kind"),
    [
        (Record("1", ()), "no_goal"),
        (Record("1", (Message("system", "Be brief."),)), "no_goal"),
        (Record("1", (Message("user", " \u200b\n"),)), "no_goal"),
        (
            new_record("And then?", history=(Message("user", "Hi"), Message("assistant", "Hello"))),
            "conversation_already",
        ),
    ],
)
def test_a_record_that_gives_no_goal_is_set_aside_in_a_sentence_without_a_call(
    record: Record, kind: str
) -> None:
    sides = Sides([], [])
    with pytest.raises(RecordFailed) as failed:
        process(Converse(user="u", assistant="a"), record, sides.context)
    assert failed.value.kind == kind
    assert "\n" not in str(failed.value)
    assert sides.user.asks == sides.assistant.asks == []


@pytest.mark.parametrize(
    ("plan", "kind"),
    [
        ({"persona": "x", "plan": [" ", "\u200b"]}, "empty_plan"),
        (
            {
                "persona": "x",
                "plan": ["mention the narrow balcony and ask whether the recommended one still fits"],
            },
            "copied_plan",
        ),
        (RecordFailed("bad_reply", "no JSON"), "bad_reply"),
    ],
)
def test_a_plan_that_is_none_fails_the_record(plan: User, kind: str) -> None:
    with pytest.raises(RecordFailed) as failed:
        converse([], [], plan=plan)
    assert failed.value.kind == kind


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"turns": (6, 3)}, r"the least exchanges, 6, are more than the most, 3: write them as \[3, 6\]"),
        ({"turns": (0, 3)}, "greater than or equal to 1"),
        ({"turns": (2,)}, "turns"),
        ({"repeated": 0}, "greater than 0"),
    ],
)
def test_options_that_cannot_be_are_refused(options: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        Converse(**options)


def test_one_model_for_both_sides_is_told_in_one_sentence() -> None:
    users, answers = good(2)
    _, sides = converse([*users, DONE], answers)
    assert sides.told == []
    sides = Sides([*users, DONE], answers)

    def both(ask: Ask) -> str | Reply | Exception:
        if ask.schema is GoalReply:
            return json.dumps(ON_GOAL)
        chat = sides.user if ask.schema is not None else sides.assistant
        chat.asks.append(ask)
        return chat.script(ask)

    chat = ScriptedChat(both, "m")
    (made,) = process(Converse(turns=(2, 6)), GOAL, replace(sides.context, get_chat=lambda name: chat))
    assert made.dropped is None
    (sentence,) = sides.told
    assert sentence.startswith(
        "02-converse: m plays both the user and the assistant; another model as `user`"
    )


def test_as_many_turns_are_planned_as_the_seed_draws_for_the_record() -> None:
    planned: set[int] = set()
    looks: set[str] = set()
    for number in range(60):
        users, answers = good(3)
        record = new_record(f"Keep {number} basil plants alive through the winter.", lang="en")
        _, sides = converse([*users, DONE], answers, record, turns=(2, 5))
        text = sides.user.asks[0].text
        planned.add(int(text.split("<turns>\n")[1].split("\n")[0]))
        looks |= {line for line in styles("en") if f"<style>\n{line}\n" in text}
    assert planned == {2, 3, 4, 5}
    assert looks == set(styles("en"))


def test_there_are_as_many_styles_in_both_languages() -> None:
    assert len(styles("en")) == len(styles("zh")) == len(set(styles("zh"))) == 8


ANY_USER = st.sampled_from(
    [*(says(question) for question in QUESTIONS), DONE, *(user for user, _ in BROKEN_USERS)]
)
ANY_ANSWER = st.sampled_from([*ANSWERS, REFUSAL, *(answer for answer, _ in BROKEN_ANSWERS)])


@given(
    st.lists(ANY_USER, min_size=6, max_size=6),
    st.lists(ANY_ANSWER, min_size=6, max_size=6),
    st.integers(1, 3),
)
def test_turns_alternate_from_the_user_on_and_kept_is_asked_less_dropped(
    users: list[User], answers: list[Say], least: int
) -> None:
    made, sides = converse(users, answers, turns=(least, 6))
    again, _ = converse(users, answers, turns=(least, 6))
    assert made.id == again.id
    assert made.messages == again.messages
    facts = sides.context.facts
    kept, dropped = facts.get("conversations_kept", 0), facts.get("conversations_dropped", 0)
    assert kept == facts["conversations_asked"] - dropped
    roles = [turn.role for turn in made.messages]
    assert roles == ["user", "assistant"] * (len(roles) // 2) + ["user"] * (len(roles) % 2)
    if made.dropped is None:
        assert least <= len(roles) / 2 == made.scores["converse.exchanges"] == facts["exchanges_kept"] <= 6
        assert made.answered
        texts = [turn.content for turn in made.messages]
        assert len({text.lower() for text in texts}) >= len(texts) - 1, "one refusal may come twice, apart"
    else:
        assert made.scores["converse.exchanges"] < least
    total = sum(count for name, count in facts.items() if name.startswith("drift_"))
    assert total == int("converse.exchanges" in made.notes)


def test_the_order_in_which_records_come_changes_nothing() -> None:
    records = [new_record(f"Keep {number} basil plants alive.", lang="en") for number in range(4)]

    def run(order: list[Record]) -> dict[str, Record]:
        made = {}
        for record in order:
            users, answers = good(2)
            (made[record.id], _) = converse([*users, DONE], answers, record)
        return made

    assert run(records) == run(records[::-1])


def test_a_rehearsal_asks_for_all_exchanges_that_there_may_be() -> None:
    users: list[User] = [says("the same", done=False)] * 4
    sides = Sides(users, ["the same"] * 4)

    async def rehearse(step: Converse) -> list[Record]:
        return [made async for made in step.rehearse(GOAL, sides.context)]

    (made,) = asyncio.run(rehearse(Converse(user="u", assistant="a", judge="j", turns=(2, 4))))
    assert (len(sides.user.asks), len(sides.assistant.asks), len(sides.judge.asks)) == (1 + 4, 4, 1)
    assert len(made.messages) == 8
    assert asyncio.run(rehearse_nothing()) == []


async def rehearse_nothing() -> list[Record]:
    sides = Sides([], [])
    return [made async for made in Converse().rehearse(Record("1", ()), sides.context)]
