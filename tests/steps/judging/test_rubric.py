"""The step `rubric`: who writes a checklist, how answers are graded by it, which is chosen, and what has no score."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from step_context import Ask, ScriptedChat, process, scripted_context

from factory.data.record import Candidate, Message, Record, new_record
from factory.engine.plan.rehearsal import dry_run
from factory.errors import RecordFailed
from factory.models.base import Reply
from factory.recipe.recipe import build_recipe
from factory.step import Context
from factory.steps.agents.respond import Respond
from factory.steps.assemble.pair import Pair
from factory.steps.judging.checklists.checklist import checklist_schema
from factory.steps.judging.rubric import WritesRubric

Said = str | Reply | Exception
KINDS = {
    "stricter": "harder",
    "更严格": "harder",
    "make one of all": "merge",
    "合成一份": "merge",
    "grader": "grade",
    "评分员": "grade",
    "write the checklist": "write",
    "写一份检查清单": "write",
}


def kind_of(ask: Ask) -> str:
    return next(kind for words, kind in KINDS.items() if words in ask.messages[0].content)


def criteria(*texts: str, weight: int = 5) -> str:
    return json.dumps({"criteria": [{"criterion": text, "weight": weight} for text in texts]})


def shown(ask: Ask, tag: str) -> str:
    return re.findall(rf"<{tag}>\n(.*?)\n</{tag}>", ask.text, re.S)[-1]


def grades(ask: Ask) -> str:
    """A judge who holds "names X" met where the answer has X."""
    verdicts = [
        {
            "constraint": int(number),
            "reason": "seen",
            "satisfied": "yes" if word in shown(ask, "answer") else "no",
        }
        for number, word in re.findall(r"(\d+)\. names (\w+)", shown(ask, "constraints"))
    ]
    return json.dumps({"verdicts": verdicts})


def script(**replies: Said | Callable[[Ask], Said]) -> Callable[[Ask], Said]:
    """Replies by the kind of prompt; a judge as above where none is given."""
    said: dict[str, Said | Callable[[Ask], Said]] = {"grade": grades, **replies}

    def reply(ask: Ask) -> Said:
        found = said[kind_of(ask)]
        return found(ask) if callable(found) else found

    return reply


def several(*texts: str, chosen: int = -1, models: Sequence[str] = (), **more: Any) -> Record:
    names = list(models) or [""] * len(texts)
    answers = tuple(
        Candidate((Message("assistant", text),), name) for text, name in zip(texts, names, strict=True)
    )
    record = replace(new_record("Name rivers of France", lang="en", **more), answers=answers)
    if chosen < 0:
        return record
    return replace(record, messages=(*record.messages, *answers[chosen].turns), chosen=chosen)


def rubric(
    said: Callable[[Ask], Said], record: Record, **options: Any
) -> tuple[Record, Context, list[Ask], list[str]]:
    context, chat = scripted_context(said, step="02-rubric")
    told: list[str] = []
    context = replace(context, tell=told.append)
    step = WritesRubric(**options)
    (made,) = process(step, record, context)
    step.finish(context)
    return made, context, chat.asks, told


RIVERS = criteria("names Seine", "names Loire")


def test_answers_are_graded_by_the_weights_of_what_they_meet() -> None:
    weighted = json.dumps(
        {
            "criteria": [
                {"criterion": "names Seine", "weight": 9},
                {"criterion": "names Loire", "weight": 1},
            ]
        }
    )
    made, context, asks, _ = rubric(script(write=weighted), several("Loire", "Seine", chosen=0), harder=0)
    assert [answer.scores["rubric"] for answer in made.answers] == [pytest.approx(0.1), pytest.approx(0.9)]
    assert made.answers[1].verdicts == {"rubric.1": "met", "rubric.2": "failed"}
    assert (made.output, made.scores) == ("Loire", {"rubric": pytest.approx(0.1)})
    assert made.notes["rubric"] == "1 of 2 criteria are met; not: names Seine"
    assert made.meta["checklist"] == [
        {"criterion": "names Seine", "weight": 9, "harder": False},
        {"criterion": "names Loire", "weight": 1, "harder": False},
    ]
    assert [kind_of(ask) for ask in asks] == ["write", "grade", "grade"]
    assert context.facts["answers_graded"] == 2
    assert [event.operation for event in made.events] == ["checklist_write", "rubric", "rubric", "rubric"]


def test_the_best_of_n_becomes_the_records_and_equals_keep_the_one_it_has() -> None:
    best = rubric(script(write=RIVERS), several("Loire", "Loire Seine", chosen=0), harder=0, choose="best")
    assert (best[0].output, best[0].chosen, best[0].scores["rubric"]) == ("Loire Seine", 1, 1.0)
    assert best[1].facts["another_answer_chosen"] == 1
    equal, *_ = rubric(script(write=RIVERS), several("Loire", "Seine", chosen=1), harder=0, choose="best")
    assert (equal.output, equal.chosen) == ("Seine", 1)


def test_harder_criteria_come_of_the_strongest_and_the_weakest_answer_in_no_told_order() -> None:
    harder = criteria("names Garonne", "names Seine")
    record = several("Loire Seine", "Loire Seine Garonne", "Rhine", chosen=0)
    made, context, asks, _ = rubric(script(write=RIVERS, harder=harder), record, choose="best")
    (ask,) = [ask for ask in asks if kind_of(ask) == "harder"]
    assert {shown(ask, "answer_a"), shown(ask, "answer_b")} == {"Loire Seine", "Rhine"}
    assert "names Seine" in shown(ask, "checklist")
    # What the checklist asks for already is not asked for twice.
    assert [one["criterion"] for one in made.meta["checklist"]] == [
        "names Seine",
        "names Loire",
        "names Garonne",
    ]
    assert [answer.scores["rubric"] for answer in made.answers] == [
        pytest.approx(2 / 3),
        pytest.approx(1),
        0,
    ]
    assert made.output == "Loire Seine Garonne"
    assert context.facts["harder_criteria"] == 1
    assert context.facts["harder_criteria_that_tell_answers_apart"].startswith("100.0% (95 % interval")
    first = {
        shown(ask, "answer_a")
        for number in range(12)
        for ask in rubric(script(write=RIVERS, harder=harder), replace(record, id=f"{number}"))[2]
        if kind_of(ask) == "harder"
    }
    assert first == {"Loire Seine", "Rhine"}


def test_two_answers_that_say_the_same_are_not_compared() -> None:
    _, context, asks, _ = rubric(script(write=RIVERS), several("Seine", " seine", chosen=0))
    assert "harder" not in map(kind_of, asks)
    assert context.facts["without_two_answers_to_compare"] == 1


def test_checklists_of_several_models_become_one_and_stand_side_by_side_where_that_fails() -> None:
    lists = iter([criteria("names Seine", "names Loire"), criteria("names Rhone", "names seine ")])
    merged = criteria("names Rhone", "names Seine", weight=7)
    options: dict[str, Any] = {"model": ("one", "other"), "harder": 0}
    made, context, asks, _ = rubric(
        script(write=lambda ask: next(lists), merge=merged), several("Seine", chosen=0), **options
    )
    assert [kind_of(ask) for ask in asks] == ["write", "write", "merge", "grade"]
    assert "3. names Rhone (5)" in shown(asks[2], "checklist")
    assert [one["weight"] for one in made.meta["checklist"]] == [7, 7]
    assert context.facts["criteria_equal_to_another"] == 1
    lists = iter([criteria("names Seine", "names Loire"), criteria("names Rhone", "names seine ")])
    failed, context, *_ = rubric(
        script(write=lambda ask: next(lists), merge="no"), several("Seine", chosen=0), **options
    )
    assert len(failed.meta["checklist"]) == 3
    assert context.facts["merges_not_had"] == 1


def test_a_writer_without_a_reply_is_left_out_and_without_any_there_is_no_score() -> None:
    lists: list[Said] = [RecordFailed("refused", "the model refused"), criteria("names Seine", "names Loire")]
    replies = iter(lists)
    made, context, *_ = rubric(
        script(write=lambda ask: next(replies)), several("Seine", chosen=0), model=("one", "other"), harder=0
    )
    assert made.scores["rubric"] == 0.5
    assert context.facts["checklists_not_had"] == 1
    none, *_ = rubric(script(write=lists[0]), several("Seine", "Loire", chosen=0), choose="best")
    assert none.missing["rubric"] == ("refused", "no checklist: the model refused")
    assert "rubric" not in none.scores
    assert (none.output, "checklist" in none.meta) == ("Seine", False)


@pytest.mark.parametrize(
    ("reply", "kind"),
    [
        ('{"criteria": []}', "bad_reply"),
        ('{"criteria": [{"criterion": "names Seine", "weight": 11}]}', "bad_reply"),
        ('{"criteria": [{"criterion": "names Seine", "weight": true}]}', "bad_reply"),
        ('{"criteria": [{"criterion": "  ", "weight": 3}]}', "bad_reply"),
        (criteria("names Seine"), "no_checklist"),
        (criteria("Tells how to stop the cooking, such as with cold water"), "copied_checklist"),
    ],
)
def test_what_is_no_checklist_gives_no_score(reply: str, kind: str) -> None:
    made, *_ = rubric(script(write=reply), several("Seine", chosen=0))
    assert made.missing["rubric"].kind == kind


@pytest.mark.parametrize(
    "reply",
    [
        RecordFailed("bad_reply", "no usable reply"),
        '{"verdicts": [{"constraint": 1, "reason": "", "satisfied": "yes"}]}',
        '{"verdicts": [{"constraint": 1, "reason": "", "satisfied": "yes"}, '
        '{"constraint": 1, "reason": "", "satisfied": "no"}]}',
        '{"verdicts": [{"constraint": 1, "reason": "", "satisfied": "yes"}, '
        '{"constraint": 2, "reason": "", "satisfied": "perhaps"}]}',
    ],
)
def test_a_verdict_that_could_not_be_had_is_missing_and_its_answer_is_not_chosen(reply: Said) -> None:
    def judge(ask: Ask) -> Said:
        return reply if shown(ask, "answer") == "Loire Seine" else grades(ask)

    made, context, *_ = rubric(
        script(write=RIVERS, grade=judge), several("Loire", "Loire Seine", chosen=1), harder=0, choose="best"
    )
    assert (made.output, made.scores["rubric"]) == ("Loire", 0.5)
    assert (made.answers[1].scores, made.answers[1].verdicts) == ({}, {})
    assert context.facts["verdicts_not_had"] == 2
    assert (context.facts["answers_graded"], context.facts["answers_without_score"]) == (1, 1)


def test_keep_goes_by_the_score_and_sets_aside_what_has_none() -> None:
    low, *_ = rubric(script(write=RIVERS), several("Loire", chosen=0), harder=0, keep=">= 0.6")
    assert low.dropped is not None
    assert low.dropped.kind == "low_score"
    none, *_ = rubric(script(write="no"), several("Loire", chosen=0), keep=">= 0.6")
    assert none.dropped is not None
    assert (none.dropped.kind, none.dropped.failed) == ("no_score", True)
    waiting, context, asks, _ = rubric(script(), new_record("Name rivers"))
    assert (waiting.missing["rubric"].kind, asks) == ("no_answer", [])
    assert context.facts["records_without_answer"] == 1


def test_an_answer_that_stands_in_the_conversation_alone_is_graded() -> None:
    made, *_ = rubric(script(write=RIVERS), new_record("Name rivers", output="Seine and Loire"))
    assert (made.scores["rubric"], made.answers) == (1.0, ())


def test_a_checklist_that_a_row_has_is_used_and_what_is_none_is_said() -> None:
    own = [{"criterion": "names Rhine", "weight": 2}]
    made, context, asks, _ = rubric(script(), several("Rhine", "Seine", chosen=0, meta={"checklist": own}))
    assert [answer.scores["rubric"] for answer in made.answers] == [1.0, 0.0]
    assert [kind_of(ask) for ask in asks] == ["grade", "grade"]
    assert context.facts["checklists_kept_from_before"] == 1
    for bad in ("names Rhine", [], [{"criterion": "names Rhine"}], [{"criterion": "x", "weight": 0}], [7]):
        with pytest.raises(RecordFailed, match=r'the column checklist .* write it as \[\{"criterion"'):
            rubric(script(), several("Rhine", chosen=0, meta={"checklist": bad}))


def test_the_writers_see_a_reference_where_it_is_wanted() -> None:
    record = several("Seine", chosen=0, meta={"reference_answer": "The Seine."})
    _, context, asks, _ = rubric(script(write=RIVERS), record, reference=True, harder=0)
    assert shown(asks[0], "reference") == "The Seine."
    assert context.facts["judged_with_reference"] == 1
    assert "reference" not in asks[1].text


def test_chinese_records_are_asked_about_in_chinese() -> None:
    record = replace(several("塞纳河", "卢瓦尔河", chosen=0), lang="zh")
    texts = [
        ask.messages[0].content
        for ask in rubric(script(write=RIVERS, harder=criteria("names 塞")), record)[2]
    ]
    assert len(texts) == 6
    assert all(re.search("[\u4e00-\u9fff]", text) for text in texts)


def test_the_order_of_criteria_is_drawn_for_a_record_and_is_one_for_all_its_answers() -> None:
    many = criteria(*(f"names r{number}" for number in range(8)))
    orders = []
    for number in range(6):
        record = replace(several("r1", "r2", chosen=0), id=f"{number}")
        asks = [ask for ask in rubric(script(write=many), record, harder=0)[2] if kind_of(ask) == "grade"]
        first, second = (re.findall(r"names (\w+)", shown(ask, "constraints")) for ask in asks)
        assert first == second
        orders.append(tuple(first))
    assert len(set(orders)) > 1


@pytest.mark.slow
@given(st.lists(st.sampled_from(["Seine", "Loire", "Seine Loire", "Rhine"]), min_size=1, max_size=5))
def test_the_score_of_an_answer_does_not_depend_on_the_others(texts: list[str]) -> None:
    together, *_ = rubric(script(write=RIVERS), several(*texts, chosen=0), harder=0)
    for text, answer in zip(texts, together.answers, strict=True):
        alone, *_ = rubric(script(write=RIVERS), several(text, chosen=0), harder=0)
        assert answer.scores == alone.answers[0].scores


def test_biases_are_told_with_their_intervals() -> None:
    def partial(ask: Ask) -> str:
        """A judge who is kinder to what stands first in the list, and to long answers."""
        number = shown(ask, "constraints").count("names")
        kind = len(shown(ask, "answer")) > 9
        said = [
            {"constraint": at, "reason": "", "satisfied": "yes" if at <= number // 2 or kind else "no"}
            for at in range(1, number + 1)
        ]
        return json.dumps({"verdicts": said})

    context, _ = scripted_context(script(write=RIVERS, grade=partial), step="02-rubric")
    told: list[str] = []
    context = replace(context, tell=told.append)
    step = WritesRubric(harder=0)
    for number in range(30):
        record = several("short", "a much longer one", chosen=0, models=("other", "scripted"))
        process(step, replace(record, id=f"{number}"), context)
    step.finish(context)
    assert context.facts["met_in_the_first_half_of_the_list"].startswith("100.0% (95 % interval")
    assert context.facts["met_in_the_second_half_of_the_list"].startswith("50.0%")
    assert context.facts["first_half_less_second_in_points"].startswith("+50.0 (+")
    assert context.facts["longer_answer_scores_higher"].startswith("100.0% (95 % interval")
    assert context.facts["own_answer_scores_higher.scripted"].startswith("100.0%")
    assert context.facts["answers_graded_by_who_wrote_them"] == 30
    assert "first half of a list" in told[0]
    assert "30 answers are graded by the model that wrote them" in told[1]


@pytest.mark.slow
def test_a_fair_judge_shows_no_bias_of_place() -> None:
    context, _ = scripted_context(script(write=RIVERS), step="02-rubric")
    step = WritesRubric(harder=0)
    for number in range(40):
        process(step, replace(several("Seine", "Loire", chosen=0), id=f"{number}"), context)
    step.finish(context)
    low, high = re.findall(r"[+-][\d.]+", context.facts["first_half_less_second_in_points"])[1:]
    assert float(low) < 0 < float(high)


def test_several_judges_are_averaged_and_one_without_a_reply_is_left_out() -> None:
    judges = {"kind": lambda ask: grades(ask).replace('"no"', '"yes"'), "strict": grades}

    def grade(names: dict[str, Any]) -> Record:
        chats = {name: ScriptedChat(script(write=RIVERS, grade=said), name) for name, said in names.items()}
        context, _ = scripted_context(script())
        writer = ScriptedChat(script(write=RIVERS), "writer")
        context = replace(context, get_chat=lambda name: chats.get(name, writer))
        step = WritesRubric(model="writer", judge=tuple(names), harder=0)
        (made,) = process(step, several("Loire", chosen=0), context)
        return made

    made = grade(judges)
    assert made.scores["rubric"] == 0.75
    assert made.answers[0].verdicts == {"rubric.1": "split", "rubric.2": "met"}
    assert grade({**judges, "kind": RecordFailed("refused", "no")}).scores["rubric"] == 0.5


def test_respond_chooses_by_a_checklist_and_pair_pairs_by_it() -> None:
    drawn = ["Loire", "Seine Loire", "nothing"]

    def said(ask: Ask) -> Said:
        if ask.schema is None:
            return drawn[ask.sample]
        return script(write=RIVERS, harder=RecordFailed("refused", "no"))(ask)

    context, _ = scripted_context(said, step="01-respond")
    step = Respond(samples=3, choose="rubric")
    (made,) = process(step, new_record("Name rivers of France", lang="en"), context)
    step.finish(context)
    assert (made.output, made.scores["rubric"], len(made.answers)) == ("Seine Loire", 1.0, 3)
    assert context.facts["answers_graded_by_who_wrote_them"] == 3
    (paired,) = process(Pair(score="rubric", margin=0.5), made, context)
    assert [answer.verdicts.get("pair") for answer in paired.answers] == [None, "chosen", "rejected"]


def test_a_rehearsal_makes_every_kind_of_call() -> None:
    context, chat = scripted_context(script(write=RIVERS, merge=RIVERS, harder=criteria("names Rhine")))

    async def rehearse() -> list[Record]:
        step = WritesRubric(model=("one", "other"))
        return [one async for one in step.rehearse(several("same", "same", chosen=0), context)]

    asyncio.run(rehearse())
    calls = ["write", "write", "merge", "grade", "grade", "harder", "grade", "grade"]
    assert [kind_of(ask) for ask in chat.asks] == calls
    numbers = [shown(ask, "constraints").count("\n") + 1 for ask in chat.asks if kind_of(ask) == "grade"]
    assert numbers == [16, 16, 4, 4]


def test_an_estimate_counts_every_call(tmp_path: Path) -> None:
    (tmp_path / "rows.jsonl").write_text('{"instruction": "Name rivers", "output": "Seine"}')
    recipe = build_recipe(
        {
            "name": "estimate",
            "models": {
                name: {"provider": "openai", "base_url": "http://127.0.0.1:9/v1", "model": name}
                for name in ("one", "other")
            },
            "steps": [
                {"read": {"path": str(tmp_path / "rows.jsonl")}},
                {"respond": {"model": "one", "samples": 3, "overwrite": True}},
                {"rubric": {"model": ["one", "other"]}},
            ],
        }
    )
    told = asyncio.run(dry_run(recipe))
    asked = [sum(one.calls for one in step.asked.values()) for step in told.steps]
    assert asked == [0, 3, 2 + 1 + 3 + 1 + 3]


def test_a_step_that_names_no_model_is_refused() -> None:
    with pytest.raises(ValidationError, match="names no model"):
        WritesRubric(model=())


def test_without_a_checklist_the_reason_is_that_and_not_that_no_answer_was_chosen() -> None:
    made, *_ = rubric(script(write="no"), several("Seine", "Loire"), choose="best")
    assert made.missing["rubric"].kind == "bad_reply"
    scored, *_ = rubric(script(write=RIVERS), several("Seine", "Loire"), harder=0)
    assert scored.missing["rubric"].reason == "none of the answers is the record's: choose one"


def test_a_server_that_keeps_to_the_schema_writes_no_more_criteria_than_were_asked_for() -> None:
    bound = checklist_schema(3).model_json_schema()["properties"]["criteria"]
    assert (bound["minItems"], bound["maxItems"]) == (1, 3)
    one = {"criterion": "Names the river.", "weight": 5}
    assert (
        len(checklist_schema(3)(criteria=[one] * 4).criteria) == 4
    )  # what a looser server lets pass is read
