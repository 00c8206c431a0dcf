"""Pairs of a record's answers."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from step_context import process, scripted_context

from factory.data.answers import PAIR, said
from factory.data.record import Candidate, Event, Message, Record, ToolCall, new_record
from factory.data.text import word_count
from factory.step import Context
from factory.steps.assemble.pair import Made, Pair, Unpaired, best_pair


def answer(text: str, score: float | None = None, **known: Any) -> Candidate:
    scores = {} if score is None else {"judge.quality": score}
    return Candidate((Message("assistant", text),), scores=scores, **known)


def record_of(*answers: Candidate, chosen: int = 0) -> Record:
    made = new_record("Name a river.", output=answers[chosen].text if chosen >= 0 else "", lang="en")
    return replace(made, answers=answers, chosen=chosen)


def paired(record: Record, **options: Any) -> tuple[Record, Context]:
    context, chat = scripted_context(lambda ask: "", step="04-pair")
    step = Pair(**({"score": "judge.quality"} if "verdict" not in options else {}), **options)
    (made,) = process(step, record, context)
    step.finish(context)
    assert chat.asks == []
    return made, context


def marks(record: Record) -> list[str]:
    return [answer.verdicts.get(PAIR, "") for answer in record.answers]


def test_the_best_and_the_worst_answer_are_the_pair_and_the_others_stay() -> None:
    record = record_of(answer("Elbe", 3), answer("Rhine", 5), answer("Thames", 1), answer("Oder", 4))
    made, context = paired(record)
    assert marks(made) == ["", "chosen", "rejected", ""]
    assert (made.output, made.chosen) == ("Rhine", 1)
    assert made.scores == {"judge.quality": 5.0, "pair.margin": 4.0}
    assert len(made.answers) == 4
    assert made.events[-1].step == "04-pair"
    assert (context.facts["paired"], context.facts["paired_with_another_answer_chosen"]) == (1, 1)


def test_where_low_scores_are_better_the_lowest_is_chosen() -> None:
    made, _ = paired(record_of(answer("Elbe", 3), answer("Rhine", 5)), better="lowest")
    assert marks(made) == ["chosen", "rejected"]
    assert made.scores["pair.margin"] == 2.0


def test_of_pairs_as_far_apart_the_first_is_made() -> None:
    made, _ = paired(record_of(answer("a", 1), answer("b", 5), answer("c", 5), answer("d", 1)))
    assert marks(made) == ["rejected", "chosen", "", ""]


def test_lengths_are_matched_by_another_pair_where_the_widest_does_not_fit() -> None:
    record = record_of(answer("one two three four five six", 5), answer("one", 1), answer("two", 4))
    made, _ = paired(record, length_ratio=1.5)
    assert marks(made) == ["", "rejected", "chosen"]


@pytest.mark.parametrize(
    ("answers", "options", "kind"),
    [
        ([answer("a", 1)], {}, "one_answer"),
        ([answer("a", 1), answer("b")], {}, "one_answer"),
        ([answer("a", 1), answer("b", float("nan"))], {}, "one_answer"),
        ([answer("A river ", 1), answer("a  river", 5)], {}, "same_answer"),
        ([answer("a", 2), answer("b", 2)], {}, "tie"),
        ([answer("a", 2), answer("b", 3)], {"margin": 1.5}, "too_close"),
        ([answer("a b c d", 2), answer("b", 4)], {"length_ratio": 2.0}, "length_mismatch"),
    ],
)
def test_a_record_whose_answers_make_no_pair_is_dropped_or_kept_as_it_is(
    answers: list[Candidate], options: dict[str, Any], kind: str
) -> None:
    record = record_of(*answers)
    made, context = paired(record, **options)
    assert made.dropped is not None
    assert (made.dropped.kind, made.dropped.failed) == (kind, False)
    assert "judge.quality" in made.dropped.reason
    assert context.facts == {f"unpaired_{kind}": 1}
    assert paired(record, unpaired="keep", **options)[0] == record


def test_a_margin_that_is_just_met_is_met() -> None:
    made, _ = paired(record_of(answer("a", 0.1 + 0.2), answer("b", 0.0)), margin=0.3)
    assert made.dropped is None
    assert paired(record_of(answer("a", 0.3), answer("b", 0.0)), margin=0.1 + 0.2)[0].dropped is None


def test_verdicts_are_good_or_bad_and_others_none() -> None:
    record = record_of(
        answer("a", verdicts={"constraints": "unknown"}),
        answer("b", verdicts={"constraints": "failed"}),
        answer("c", verdicts={"constraints": "met"}),
    )
    made, _ = paired(record, verdict="constraints")
    assert marks(made) == ["", "rejected", "chosen"]
    assert made.answers[2].verdicts == {"constraints": "met", PAIR: "chosen"}


def test_the_answer_of_the_conversation_pairs_by_the_records_own_score() -> None:
    record = replace(record_of(answer("Elbe", 3), chosen=0), chosen=-1, scores={"judge.quality": 1.0})
    record = replace(record, messages=(*record.conversation, Message("assistant", "Mud")))
    made, _ = paired(record)
    assert [one.text for one in made.answers] == ["Elbe", "Mud"]
    assert marks(made) == ["chosen", "rejected"]


def test_a_pair_made_before_is_made_anew_or_gone() -> None:
    first, _ = paired(record_of(answer("a", 1), answer("b", 5)))
    again, _ = paired(first, better="lowest")
    assert marks(again) == ["chosen", "rejected"]
    kept, _ = paired(first, margin=9, unpaired="keep")
    assert marks(kept) == ["", ""]


def test_a_note_beside_the_score_of_another_answer_goes() -> None:
    told = {"judge.quality": "brief", "tag": "why"}
    record = replace(record_of(answer("a", 1), answer("b", 5)), notes=told)
    assert paired(record)[0].notes == {"tag": "why"}
    assert (
        paired(replace(record, messages=(*record.conversation, *record.answers[1].turns), chosen=1))[0].notes
        == told
    )


def test_verdicts_on_another_answer_beside_the_constraints_go() -> None:
    stated = {"kind": "punctuation:no_comma", "arguments": {}, "category": "format", "text": "No commas."}
    known = [
        {**stated, "satisfied": True, "found": "none"},
        {**stated, "satisfied": None, "found": "not judged"},
    ]
    record = replace(record_of(answer("Elbe", 3), answer("Rhine", 5)), meta={"constraints": known, "id": 7})
    made, _ = paired(record)
    gone = {"satisfied": None, "found": "another answer was chosen since"}
    assert made.meta == {"constraints": [{**known[0], **gone}, known[1]], "id": 7}
    assert (
        paired(replace(record, chosen=1, messages=(*record.conversation, *record.answers[1].turns)))[0].meta
        == record.meta
    )
    alone = new_record("Name a river.", output="Rhine", meta=record.meta).with_score(
        "judge.quality", 5.0, Event("", "")
    )
    same, _ = paired(replace(alone, answers=(answer("Elbe", 3),)))
    assert (same.output, same.meta) == ("Rhine", record.meta)


def test_a_tools_answer_before_the_answers_stays() -> None:
    call = Message("assistant", "", calls=(ToolCall("find", "{}"),))
    record = record_of(answer("a", 1), answer("b", 5))
    asked = (*record.conversation, call, Message("tool", "found"))
    made, _ = paired(replace(record, messages=(*asked, *record.answers[0].turns)))
    assert made.messages == (*asked, Message("assistant", "b"))


def test_it_is_told_how_often_the_longer_answer_is_chosen() -> None:
    told: list[str] = []
    context = replace(scripted_context(lambda ask: "", step="04-pair")[0], tell=told.append)
    step = Pair(score="judge.quality")
    for longer in ("a long answer", "long too, this"):
        process(step, record_of(answer(longer, 5), answer("short", 1)), context)
    step.finish(context)
    assert told == [
        "04-pair: the chosen answer is the longer one in 100.0% (95 % interval 34.2% to 100.0%) of 2 pairs"
    ]


@pytest.mark.parametrize(
    "options", [{}, {"score": "a", "verdict": "b"}, {"verdict": "a", "better": "lowest"}]
)
def test_options_that_do_not_fit_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Pair(**options)


some_answers = st.lists(
    st.builds(
        answer,
        st.sampled_from(["a", "A", "b b", "c c c", "d d d d"]),
        st.none() | st.integers(0, 4).map(float),
    ),
    max_size=7,
)


@given(some_answers, st.sampled_from([0.0, 1.0, 2.0]), st.sampled_from([None, 1.0, 2.0]), st.randoms())
def test_a_pair_is_allowed_and_as_wide_as_any_in_any_order(
    answers: list[Candidate], margin: float, ratio: float | None, random: Any
) -> None:
    def value(one: Candidate) -> float | None:
        return one.scores.get("judge.quality")

    def words(one: Candidate) -> int:
        return word_count(one.text)

    allowed = [
        better - worse
        for one in answers
        for other in answers
        if (better := value(one)) is not None
        and (worse := value(other)) is not None
        and better - worse >= max(margin, 1)
        and said(one) != said(other)
        and (ratio is None or max(words(one), words(other)) <= ratio * min(words(one), words(other)))
    ]
    shuffled = list(answers)
    random.shuffle(shuffled)
    for order in (answers, shuffled):
        found = best_pair(order, [*map(value, order)], margin=margin, length_ratio=ratio)
        assert isinstance(found, Made if allowed else Unpaired)
        if isinstance(found, Made):
            chosen, rejected = order[found.chosen], order[found.rejected]
            assert found.margin == max(allowed) == (value(chosen) or 0) - (value(rejected) or 0)
            assert said(chosen) != said(rejected)
