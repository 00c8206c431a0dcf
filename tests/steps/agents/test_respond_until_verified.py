"""Asking again until an answer meets its constraints: what the model is told, and what is kept."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest
from pydantic import ValidationError
from step_context import Ask, process, scripted_context

from factory.data.record import Record, new_record
from factory.errors import RecordFailed
from factory.models.base import Reply
from factory.step import Context
from factory.steps.agents.respond import Respond
from factory.steps.judging.constraints.stated import COLUMN

NO_COMMA = {"kind": "punctuation:no_comma"}
SHORT = {
    "kind": "length_constraints:number_words",
    "arguments": {"relation": "less than", "num_words": 5},
}
DRY = {"kind": "judged:style", "arguments": {"requirement": "Be dry."}}
BAD, HALF, GOOD = "Rain, rain, and more of the same rain.", "Rain, rain.", "Rain falls."
Said = str | Reply | Exception


def record_of(*constraints: dict[str, Any], lang: str = "en") -> Record:
    return new_record("Describe rain.", lang=lang, meta={COLUMN: list(constraints)})


def answers(*texts: Said) -> Callable[[Ask], Said]:
    left = list(texts)
    return lambda ask: left.pop(0)


def tried(
    script: Callable[[Ask], Said], record: Record | None = None, **options: Any
) -> tuple[Record, Context, list[Ask]]:
    context, chat = scripted_context(script, step="03-respond")
    step = Respond(model="teacher", until="verified", **options)
    (made,) = process(step, record or record_of(NO_COMMA, SHORT), context)
    return made, context, chat.asks


def test_a_first_answer_that_meets_all_is_asked_for_once_as_it_ever_was() -> None:
    made, context, asks = tried(answers(GOOD))
    plain_context, plain = scripted_context(answers(GOOD))
    process(Respond(model="teacher"), record_of(NO_COMMA, SHORT), plain_context)
    assert asks == plain.asks, "the call is the one that was made without `until`, so it is replayed"
    assert made.output == GOOD
    assert made.answers == ()
    assert made.scores == {"verify.hsr": 1.0, "verify.ssr": 1.0}
    assert context.facts == {"answers_looked_at": 1, "verified": 1}


def test_the_model_is_told_which_constraint_failed_and_asked_again() -> None:
    made, context, asks = tried(answers(BAD, HALF, GOOD))
    assert [turn.role for turn in asks[1].messages] == ["system", "user", "assistant", "user"]
    assert asks[1].messages[2].content == BAD
    told = asks[1].messages[3].content
    assert "refrain from the use of any commas" in told
    assert "less than 5 words. (found: 8)" in told
    assert "commas" in asks[2].text
    assert "words" not in asks[2].text.split("</failed>")[0]
    assert [ask.sample for ask in asks] == [0, 1, 2]
    assert made.output == GOOD
    assert made.dropped is None
    assert context.facts == {"answers_looked_at": 1, "asked_again": 2, "verified": 1}


def test_all_answers_are_kept_with_their_verdicts_and_the_best_is_chosen() -> None:
    made, _, _ = tried(answers(BAD, GOOD))
    assert [answer.text for answer in made.answers] == [BAD, GOOD]
    assert made.chosen == 1
    assert [answer.verdicts["constraints"] for answer in made.answers] == ["failed", "met"]
    assert [answer.scores["verify.ssr"] for answer in made.answers] == [0.0, 1.0]
    assert [answer.model for answer in made.answers] == ["scripted", "scripted"]
    assert len([event for event in made.events if event.operation == "respond"]) == 2


def test_where_tries_end_the_record_is_dropped_with_the_best_answer_and_the_reason() -> None:
    made, context, asks = tried(answers(BAD, HALF, BAD), tries=3)
    assert len(asks) == 3
    assert made.dropped is not None
    assert made.dropped.kind == "constraint_failed"
    assert not made.dropped.failed
    assert "1 of 2 constraints not met" in made.dropped.reason
    assert "best of 3 answers" in made.dropped.reason
    assert made.output == HALF
    assert made.chosen == 1
    assert len(made.answers) == 3
    assert context.facts == {"asked_again": 2, "not_verified": 1}


def test_it_can_be_kept_all_the_same() -> None:
    made, _, _ = tried(answers(BAD, HALF), tries=2, unverified="keep")
    assert made.dropped is None
    assert made.output == HALF
    assert made.scores["verify.ssr"] == 0.5


@pytest.mark.parametrize(
    "broken", [Reply("Rain fa", "length"), "  ", RecordFailed("refused", "the model refused")]
)
def test_a_try_that_gives_no_answer_counts_and_the_next_goes_on(broken: Said) -> None:
    made, context, asks = tried(answers(BAD, broken, GOOD))
    assert made.output == GOOD
    assert [answer.text for answer in made.answers] == [BAD, GOOD]
    assert asks[2].messages == asks[1].messages
    assert context.facts["asked_again"] == 2


@pytest.mark.parametrize(
    ("broken", "kind"), [(Reply("Rain fa", "length"), "truncated"), ("", "empty_answer")]
)
def test_where_no_try_gives_a_whole_answer_the_record_is_dropped_with_the_first(
    broken: Said, kind: str
) -> None:
    made, context, _ = tried(answers(broken, "", ""))
    assert made.dropped is not None
    assert (made.dropped.kind, made.dropped.failed) == (kind, False)
    assert made.output == (broken.text if isinstance(broken, Reply) else "")
    assert context.facts == {"asked_again": 2}


def test_where_no_try_gives_any_answer_the_record_fails_with_the_first_reason() -> None:
    failures = [RecordFailed("refused", "the model refused"), *[RecordFailed("call_failed", "gone")] * 2]
    with pytest.raises(RecordFailed, match="the model refused"):
        tried(answers(*failures))


def judge(verdict: str) -> str:
    return json.dumps({"verdicts": [{"constraint": 1, "reason": "so", "satisfied": verdict}]})


def test_what_no_code_can_check_is_judged_and_the_reason_is_told() -> None:
    left = [GOOD, "no", "Drops.", "yes"]

    def script(ask: Ask) -> str:
        said = left.pop(0)
        return judge(said) if ask.schema is not None else said

    made, _, asks = tried(script, record_of(DRY))
    assert "- Be dry. (found: so)" in asks[2].text
    assert made.output == "Drops."
    assert made.scores["verify.hsr"] == 1.0


def test_a_lost_verdict_is_no_failure_and_is_not_asked_about_again() -> None:
    made, context, asks = tried(lambda ask: "nothing" if ask.schema else GOOD, record_of(DRY, NO_COMMA))
    assert len([ask for ask in asks if ask.schema is None]) == 1
    assert made.dropped is None
    assert "verify.hsr" in made.missing
    assert context.facts == {"answers_looked_at": 1, "verdicts_not_had": 1, "without_all_verdicts": 1}


def test_a_chinese_record_is_told_in_chinese() -> None:
    _, _, asks = tried(answers("雨，雨。", "雨落下来。"), record_of(NO_COMMA, lang="zh"))
    assert "你的回答没有满足" in asks[1].text
    assert "不要使用逗号" in asks[1].text


def test_a_record_without_constraints_is_answered_as_ever() -> None:
    made, context, asks = tried(answers(BAD), new_record("Describe rain.", lang="en"))
    assert len(asks) == 1
    assert made.output == BAD
    assert made.scores == {}
    assert context.facts == {"answers_looked_at": 1}


def test_an_answered_record_passes_unless_it_is_to_be_overwritten() -> None:
    answered = new_record("Describe rain.", output=BAD, meta={COLUMN: [NO_COMMA]})
    assert tried(answers(), answered)[0] == answered
    assert tried(answers(GOOD), answered, overwrite=True)[0].output == GOOD


def test_constraints_that_cannot_be_read_set_the_record_aside() -> None:
    with pytest.raises(RecordFailed, match="did you mean"):
        tried(answers(), record_of({"kind": "no_comma"}))


def test_two_judges_are_one_too_many() -> None:
    with pytest.raises(ValidationError, match="names several models"):
        Respond(judge=("a", "b"))


def test_an_estimate_counts_all_tries_though_the_first_is_verified() -> None:
    context, chat = scripted_context(lambda ask: judge("yes") if ask.schema else GOOD)

    async def rehearsed() -> list[Record]:
        step = Respond(model="teacher", until="verified", tries=3)
        return [made async for made in step.rehearse(record_of(NO_COMMA, DRY), context)]

    assert [made.output for made in asyncio.run(rehearsed())] == [GOOD]
    assert len(chat.asks) == 6
