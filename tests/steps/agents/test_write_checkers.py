"""Writing checkers for constraints in words, with a scripted model."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest
from step_context import Ask, process, scripted_context

from factory.data.record import Record, new_record
from factory.errors import MissingDependency, RecordFailed
from factory.steps.agents.write_checkers import WriteCheckers
from factory.steps.judging.constraints.stated import stated_constraints
from factory.steps.judging.verify import Verify

GOOD = "def evaluate(response):\n    return response.count('?') == 1"
ALSO = "import re\ndef evaluate(response):\n    return len(re.findall('[?]', response)) == 1"
ALWAYS = "def evaluate(response):\n    return True"
CASES = [("Why?", True), ("Is it? Yes.", True), ("Yes.", False), ("Why? How?", False)]
REQUIREMENT = "Ask exactly one question."


def draft(function: str, cases: Sequence[tuple[str, bool]] = CASES) -> str:
    return json.dumps(
        {"function": function, "cases": [{"response": text, "meets": meets} for text, meets in cases]}
    )


def row(*requirements: str, lang: str = "en", **more: Any) -> Record:
    constraints = [{"kind": "judged:content", "arguments": {"requirement": text}} for text in requirements]
    return new_record("Talk.", lang=lang, meta={"constraints": constraints, **more})


def script(
    *drafts: str | Exception,
    back: Callable[[str], str | Exception] = lambda code: "Ask one question.",
    relation: Callable[[str], str] = lambda said: "entailment",
) -> Callable[[Ask], str | Exception]:
    def reply(ask: Ask) -> str | Exception:
        if "<premise>" in ask.text:
            return json.dumps({"relation": relation(ask.text)})
        if "<function>" in ask.text:
            return back(ask.text)
        return drafts[ask.sample]

    return reply


def made(
    record: Record, reply: Callable[[Ask], str | Exception], **options: Any
) -> tuple[Record, dict[str, Any]]:
    context, _ = scripted_context(reply, step="02-write_checkers")
    (record,) = process(WriteCheckers(**options), record, context)
    return record, context.facts


def checkers(record: Record) -> list[tuple[str, ...] | None]:
    return [getattr(one.constraint, "checkers", None) for one in stated_constraints(record)]


def test_functions_and_cases_that_agree_stand_with_the_constraint() -> None:
    record, facts = made(row(REQUIREMENT), script(draft(GOOD), draft(ALSO), draft(ALWAYS)), drafts=3)
    assert checkers(record) == [(GOOD, ALSO)]
    assert record.scores["write_checkers"] == 2
    assert record.dropped is None
    assert facts == {
        "constraints_to_write_for": 1,
        "constraints_with_checkers": 1,
        "function_kept": 2,
        "function_rejected": 1,
        "case_kept": 4,
        "back_translation_entailment": 2,
    }
    assert record.notes["write_checkers"].startswith(
        "2 of 3 functions and 4 of 4 cases stood up to each other"
    )
    assert record.events[-1].operation == "write_checkers"
    assert len(record.events[-1].calls) == 3 + 2 * 2


def test_the_column_is_read_back_and_not_written_for_again() -> None:
    record, _ = made(row(REQUIREMENT), script(draft(GOOD)), drafts=1)
    again, facts = made(record, script())
    assert again == record
    assert facts == {"constraints_to_write_for": 0}


def test_a_record_without_constraints_in_words_goes_on_and_asks_nothing() -> None:
    plain = new_record("Talk.", meta={"constraints": [{"kind": "punctuation:no_comma"}]})
    assert made(plain, script())[0] == plain
    assert made(new_record("Talk."), script())[0] == new_record("Talk.")


def test_a_function_that_says_something_else_in_words_is_let_go() -> None:
    record, facts = made(
        row(REQUIREMENT),
        script(
            draft(GOOD),
            draft(ALSO),
            back=lambda text: "Ask nothing." if "import re" in text else "Ask one question.",
            relation=lambda text: "contradiction" if "Ask nothing." in text else "neutral",
        ),
        drafts=2,
    )
    assert checkers(record) == [(GOOD,)]
    assert facts["back_translation_contradiction"] == facts["back_translation_neutral"] == 1
    assert "1 of those functions say something else in words" in record.notes["write_checkers"]


def test_without_back_translation_it_is_not_asked_for() -> None:
    def reply(ask: Ask) -> str:
        assert "<requirement>" in ask.text
        return draft(GOOD)

    record, _ = made(row(REQUIREMENT), reply, drafts=1, back_translate=False)
    assert checkers(record) == [(GOOD,)]


@pytest.mark.parametrize(
    ("drafts", "options", "reason"),
    [
        ((RecordFailed("bad_reply", "no JSON"),), {}, "no_draft"),
        ((draft("def evaluate(response): return 1 / 0"),), {}, "no_function"),
        ((draft("import string\ndef evaluate(response): return True"),), {}, "no_function"),
        ((draft(" "),), {}, "no_function"),
        ((draft(GOOD, []),), {}, "no_function"),
        ((draft(GOOD, [("Why?", False), ("Yes.", True)]),), {}, "no_case"),
        ((draft(ALWAYS),), {}, "one_sided"),
        ((draft(GOOD), draft(ALWAYS, [("Why?", False)])), {"drafts": 2}, "one_sided"),
    ],
)
def test_without_a_checker_the_constraint_stays_for_a_judge_or_the_record_is_let_go(
    drafts: tuple[str | Exception, ...], options: dict[str, Any], reason: str
) -> None:
    options = {"drafts": 1, **options}
    record, facts = made(row(REQUIREMENT), script(*drafts), **options)
    assert checkers(record) == [None]
    assert record.dropped is None
    assert record.scores["write_checkers"] == 0
    assert facts["constraints_with_checkers"] == 0
    dropped, _ = made(row(REQUIREMENT), script(*drafts), without="drop", **options)
    assert dropped.dropped is not None
    assert dropped.dropped.kind == f"no_checker_{reason}"


def test_contradiction_by_all_functions_leaves_none() -> None:
    reply = script(draft(GOOD), relation=lambda text: "contradiction")
    record, _ = made(row(REQUIREMENT), reply, drafts=1, without="drop")
    assert record.dropped is not None
    assert record.dropped.kind == "no_checker_contradiction"


def test_a_back_translation_that_fails_lets_the_function_go() -> None:
    reply = script(draft(GOOD), back=lambda text: RecordFailed("bad_reply", "empty"))
    record, facts = made(row(REQUIREMENT), reply, drafts=1)
    assert checkers(record) == [None]
    assert facts["back_translation_failed"] == 1


def test_two_drafts_that_disagree_about_an_answer_lose_the_case() -> None:
    other = draft(ALSO, [("Why?", False), ("No.", False)])
    record, facts = made(row(REQUIREMENT), script(draft(GOOD), other), drafts=2)
    assert checkers(record) == [(GOOD, ALSO)]
    assert (facts["case_rejected"], facts["case_kept"]) == (1, 4)


def test_a_draft_that_cannot_be_read_is_told_and_the_others_go_on() -> None:
    record, facts = made(row(REQUIREMENT), script(RecordFailed("bad_reply", "no"), draft(GOOD)), drafts=2)
    assert checkers(record) == [(GOOD,)]
    assert facts["draft_failed"] == 1
    assert "draft failed: no" in record.notes["write_checkers"]


EXAMPLE = "def evaluate(response):\n    return '!' not in response and '！' not in response"
CALM = [("Yes.", True), ("Stop!", False)]


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_a_function_copied_from_the_prompt_is_no_checker_of_another_requirement(lang: str) -> None:
    record, facts = made(row(REQUIREMENT, lang=lang), script(draft(EXAMPLE, CALM), draft(GOOD)), drafts=2)
    assert checkers(record) == [(GOOD,)]
    assert (facts["draft_copied"], facts["case_kept"]) == (1, 4)
    alone, _ = made(row(REQUIREMENT, lang=lang), script(draft(EXAMPLE, CALM)), drafts=1, without="drop")
    assert alone.dropped is not None
    assert alone.dropped.kind == "no_checker_no_draft"


def test_of_the_requirement_of_the_example_it_is_one() -> None:
    record, _ = made(row("Do not use exclamation marks."), script(draft(EXAMPLE, CALM)), drafts=1)
    assert checkers(record) == [(EXAMPLE,)]


def test_each_constraint_is_written_for_in_the_language_of_the_record() -> None:
    asked: list[str] = []

    def reply(ask: Ask) -> str:
        asked.append(ask.messages[0].content)
        return draft(GOOD)

    record, _ = made(row("只问一个问题。", "要有礼貌。", lang="zh"), reply, drafts=1, back_translate=False)
    assert checkers(record) == [(GOOD,), (GOOD,)]
    assert all("你负责编写 Python 函数" in text for text in asked)


def test_a_column_that_holds_no_constraints_fails_the_record() -> None:
    with pytest.raises(RecordFailed, match="number 1 in the column constraints"):
        made(new_record("Talk.", meta={"constraints": [3]}), script())


def test_rehearsing_asks_for_all_that_could_be_asked_and_runs_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    import asyncio

    context, chat = scripted_context(script(draft(GOOD), draft(GOOD), draft(GOOD)))
    monkeypatch.setattr("factory.steps.judging.written.checkers.run_program", None)

    async def rehearse() -> list[Record]:
        return [one async for one in WriteCheckers(drafts=3).rehearse(row(REQUIREMENT), context)]

    assert asyncio.run(rehearse()) == [row(REQUIREMENT)]
    assert len(chat.asks) == 9


def test_the_second_tier_is_refused_before_a_call_where_it_cannot_be_set_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(
        "factory.steps.judging.sandbox.second.why_not_second", lambda: "the kernel has no Landlock"
    )
    with pytest.raises(MissingDependency, match="the kernel has no Landlock; `sandbox: first` runs"):
        WriteCheckers(sandbox="second").check_ready()
    with pytest.raises(MissingDependency, match="verify: the second tier"):
        Verify(sandbox="second").check_ready()
    WriteCheckers().check_ready()


def verified(record: Record, answer: str, reply: Callable[[Ask], str]) -> tuple[Record, dict[str, Any], int]:
    context, chat = scripted_context(reply, step="03-verify")
    answered = record.with_output(answer, context.event("respond"))
    (record,) = process(Verify(model="judge"), answered, context)
    return record, context.facts, len(chat.asks)


def never(ask: Ask) -> str:
    raise AssertionError("the model is not asked")


def test_what_was_written_is_run_by_verify_in_place_of_a_judge() -> None:
    written, _ = made(row(REQUIREMENT), script(draft(GOOD), draft(ALSO)), drafts=2)
    met, facts, _ = verified(written, "Why not?", never)
    assert met.scores["verify.hsr"] == 1
    assert facts["constraints_checked_by_written_code"] == 1
    failed, _, _ = verified(written, "No question.", never)
    assert failed.scores["verify.hsr"] == 0
    assert stated_constraints(failed)[0].found == "0 of 2 checkers say yes"


def test_a_row_may_bring_checkers_of_its_own_which_reach_nothing() -> None:
    """Code in a data file is run in the sandbox alone; where it says nothing the model judges, which is told."""
    hostile = "import os\ndef evaluate(response):\n    os.system('touch /tmp/escaped')\n    return True"
    arguments = {"requirement": REQUIREMENT, "checkers": [hostile]}
    record = new_record("Talk.", meta={"constraints": [{"kind": "judged:content", "arguments": arguments}]})
    verdict = {"verdicts": [{"constraint": 1, "reason": "It does.", "satisfied": "yes"}]}
    judged, facts, asks = verified(record, "Why?", lambda ask: json.dumps(verdict))
    assert asks == 1
    assert facts["constraints_whose_checkers_say_nothing"] == 1
    assert judged.scores["verify.hsr"] == 1


def test_what_was_reached_is_said_in_one_sentence_with_what_most_often_came_in_between() -> None:
    told: list[str] = []
    warned: list[str] = []
    context, _ = scripted_context(
        script(RecordFailed("bad_reply", "no"), draft(GOOD)), step="02-write_checkers"
    )
    context = replace(context, tell=told.append, warn=warned.append)
    step = WriteCheckers(drafts=2, back_translate=False)
    step.finish(context)
    process(WriteCheckers(drafts=1), row(REQUIREMENT), context)
    step.finish(context)
    assert not told
    assert warned == [
        "02-write_checkers: 0 of 1 constraints got a checker, 0.0% (95 % interval 0.0% to 79.3%); "
        "most often draft failed, 1 times: see the records' notes"
    ]
    process(step, row(REQUIREMENT), context)
    step.finish(context)
    assert told[0].startswith("02-write_checkers: 1 of 2 constraints got a checker, 50.0% (95 % interval ")
