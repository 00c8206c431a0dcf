"""Conversations whatever the two sides say: turns, counts, order, and an estimate that holds."""

from __future__ import annotations

import asyncio

from conversing_sides import (
    ANSWERS,
    BROKEN_ANSWERS,
    BROKEN_USERS,
    DONE,
    GOAL,
    QUESTIONS,
    REFUSAL,
    Say,
    Sides,
    User,
    converse,
    good,
    says,
)
from hypothesis import given
from hypothesis import strategies as st

from factory.data.record import Record, new_record
from factory.steps.agents.converse import Converse

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
