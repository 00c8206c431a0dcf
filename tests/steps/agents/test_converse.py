"""Two scripted agents hold a conversation: how it goes, how it ends, and what the record keeps of it."""

from __future__ import annotations

from dataclasses import replace

from conversing_sides import (
    ANSWERS,
    DONE,
    GOAL,
    PLAN,
    QUESTIONS,
    User,
    converse,
    expected,
    good,
    said,
    says,
)

from factory.data.record import Media, Message, new_record
from factory.models.base import Reply
from factory.steps.agents.conversing.talk import PlanReply, styles


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


def test_the_schema_of_the_user_agent_has_no_end_before_the_least_exchanges() -> None:
    users, answers = good(4)
    _, sides = converse([*users, DONE], answers, turns=(2, 4))
    held = [
        "const" in ask.schema.model_json_schema()["properties"]["done"]
        for ask in sides.user.asks
        if ask.schema is not None and ask.schema is not PlanReply
    ]
    assert held == [True, True, False, False]


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
