"""Holding final answers against a reference: verdicts, pass rate, choice, and what is missing."""

from __future__ import annotations

import gzip
import json
import random
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from made_chinese_answers import Answered, made_answers
from pydantic import ValidationError
from step_context import process, scripted_context

from factory.data.record import Candidate, Message, Record, new_record
from factory.step import Context
from factory.steps.judging.verify_math import VerifyMath

FIXTURES = Path(__file__).parents[2] / "fixtures"
GSM8K = Path(__file__).parents[3] / "../shared/data/pool/gsm8k_train.jsonl.gz"


def context_of() -> tuple[Context, list[str]]:
    def no_model(ask: object) -> str:
        raise AssertionError("no model is asked")

    context, _ = scripted_context(no_model, step="02-verify_math")
    warned: list[str] = []
    return replace(context, warn=warned.append), warned


def record_of(*answers: str, reference: object = "12", chosen: int = 0, **meta: Any) -> Record:
    record = new_record("How many?", output=answers[0] if answers else "", meta={"answer": reference, **meta})
    if len(answers) < 2:
        return record
    candidates = tuple(Candidate((Message("assistant", text),), scores={"old": 1.0}) for text in answers)
    return replace(record, answers=candidates, chosen=chosen)


def verified(record: Record, **options: Any) -> Record:
    (made,) = process(VerifyMath(**options), record, context_of()[0])
    return made


def test_a_right_answer_passes_and_a_wrong_one_does_not_and_says_what_was_found() -> None:
    made = verified(record_of("So the answer is 12 eggs."))
    assert made.scores == {
        "verify_math": 1.0,
        "verify_math.pass_rate": 1.0,
        "verify_math.n": 1.0,
        "verify_math.fail_rate": 0.0,
    }
    assert made.notes["verify_math"] == "passed: 12"
    made = verified(record_of("So the answer is 13 eggs."))
    assert made.scores["verify_math"] == 0.0
    assert made.notes["verify_math"] == "failed: '13', where the reference is '12'"
    assert made.events[-1].operation == "verify_math"


def test_several_answers_have_a_verdict_each_and_the_record_a_pass_rate_with_its_n() -> None:
    made = verified(record_of("Answer: 12", "Answer: 11", "I do not know", "#### 12.0"))
    assert [answer.verdicts["math"] for answer in made.answers] == [
        "passed",
        "failed",
        "no_final_answer",
        "passed",
    ]
    assert made.scores["verify_math.pass_rate"] == 0.5
    assert made.scores["verify_math.n"] == 4
    assert made.notes["verify_math.pass_rate"] == (
        "2 of 4 answers passed, 50.0% (95 % interval 15.0% to 85.0%)"
    )
    assert made.answers[0].scores == {"old": 1.0}


def test_a_verified_answer_is_chosen_where_asked() -> None:
    record = record_of("Answer: 10", "Answer: 11", "Answer: 12", "Answer: 12!")
    assert verified(record).output == "Answer: 10"
    made = verified(record, choose="verified")
    assert (made.chosen, made.output, made.scores["verify_math"]) == (2, "Answer: 12", 1.0)
    kept = verified(
        replace(record, chosen=3, messages=(record.messages[0], *record.answers[3].turns)), choose="verified"
    )
    assert kept.chosen == 3


def test_where_all_answers_are_wrong_nothing_is_lost_or_chosen() -> None:
    record = record_of("Answer: 10", "Answer: 11")
    made = verified(record, choose="verified")
    assert (made.chosen, made.output, made.dropped) == (0, "Answer: 10", None)
    assert made.scores["verify_math.pass_rate"] == 0.0
    dropped = verified(record, choose="verified", keep="verified").dropped
    assert dropped is not None
    assert (dropped.kind, dropped.failed) == ("not_verified", False)


def test_the_old_answer_of_a_row_is_the_reference_where_its_new_ones_stand_beside() -> None:
    record = replace(record_of("6 * 2 = <<6*2=12>>12\n#### 12", "#### 11"), meta={}, chosen=-1)
    record = replace(record, answers=(Candidate((Message("assistant", "It is 12."),)), record.answers[1]))
    made = verified(record)
    assert made.scores == {"verify_math.pass_rate": 0.5, "verify_math.n": 2.0, "verify_math.fail_rate": 0.5}
    assert made.missing["verify_math"].kind == "not_asked"
    assert verified(record, choose="verified").output == "It is 12."


def test_the_answer_that_no_model_wrote_is_the_reference_of_those_that_models_wrote() -> None:
    record = replace(record_of("It is 12.", "It is 13.", "6 * 2 = 12\n#### 12"), meta={})
    written = [answer._replace(model="teacher") for answer in record.answers[:2]]
    record = replace(record, answers=(*written, record.answers[2]))
    made = verified(record)
    assert [answer.verdicts["math"] for answer in made.answers] == ["passed", "failed", "reference"]
    assert made.scores == {
        "verify_math": 1.0,
        "verify_math.pass_rate": 0.5,
        "verify_math.n": 2.0,
        "verify_math.fail_rate": 0.5,
    }
    wrong_first = replace(record, answers=(written[1], written[0], record.answers[2]))
    assert verified(wrong_first, choose="verified").chosen == 1


@pytest.mark.parametrize(
    ("rates", "kind"), [("0.1..0.9", None), ("0.6..", "too_hard"), ("..0.4", "too_easy"), ("0.5..0.5", None)]
)
def test_a_record_is_kept_by_its_pass_rate(rates: str, kind: str | None) -> None:
    dropped = verified(record_of("Answer: 12", "Answer: 11"), keep_pass_rate=rates).dropped
    assert (dropped and dropped.kind) == kind
    if dropped is not None:
        assert dropped.numbers == {"pass_rate": 0.5, "answers": 2.0}
        assert f"is not in {rates.replace('0.6..', '0.6..1')}" in dropped.reason.replace("0..0.4", "..0.4")
        assert "1 of 2 answers passed, 50.0% (95 % interval 9.5% to 90.5%)" in dropped.reason


@pytest.mark.parametrize("rates", ["0.9..0.1", "0.5", "..", "-1..2", "a..b", 0.5])
def test_a_range_that_is_none_is_said_with_the_recipe(rates: object) -> None:
    with pytest.raises(ValidationError, match=r"such as '0\.1\.\.0\.9'"):
        VerifyMath(keep_pass_rate=rates)


NO_VERDICT = {
    "no column": (record_of("12", reference=None), "no_reference"),
    "an empty one": (record_of("12", reference=" "), "no_reference"),
    "a solution without a mark": (record_of("12", reference="First 3.\nThen 4."), "bad_reference"),
    "a formula that is none": (record_of(r"\boxed{3}", reference=r"\frac{"), "bad_reference"),
    "words": (record_of("The answer is in Rome", reference="Rome, Italy"), "in_words"),
    "no answer": (record_of(), "no_answer"),
}


@pytest.mark.parametrize(
    "case",
    # Reading formulas takes seconds to load.
    [pytest.param(case, marks=pytest.mark.slow) if "formula" in case else case for case in NO_VERDICT],
)
def test_a_verdict_that_could_not_be_had_is_missing_counted_and_told(case: str) -> None:
    record, kind = NO_VERDICT[case]
    context, warned = context_of()
    step = VerifyMath()
    (made,) = process(step, record, context)
    step.finish(context)
    assert made.scores == {}
    assert {made.missing[name].kind for name in ("verify_math", "verify_math.pass_rate")} == {kind}
    assert made.dropped is None
    assert len(warned) == 1
    assert f"1 {kind}: " in warned[0]
    (dropped,) = process(VerifyMath(keep="verified"), record, context)
    assert dropped.dropped is not None
    assert (dropped.dropped.kind, dropped.dropped.failed) == ("no_verdict", True)


@pytest.mark.slow
def test_a_formula_that_hangs_is_ended_and_the_next_one_is_verified() -> None:
    tower = r"\boxed{\frac{5^{(5^{(5^{(5^5)} - 4)}) - 5}}{16}}"
    record = record_of(tower, r"\boxed{5^{5^{5^{5^5}}}}", r"\boxed{3x}", reference="$2x+x$")
    context, warned = context_of()
    step = VerifyMath(seconds=1.0)
    (made,) = process(step, record, context)
    step.finish(context)
    assert made.answers[2].verdicts == {"math": "passed"}
    assert made.scores["verify_math.n"] < 3
    assert "timeout" in warned[0]
    assert "pass rates are over the others" in warned[0]


def test_an_answer_of_as_many_words_as_a_context_holds_is_read() -> None:
    long = "We add 3 and 4. " * 12_000
    assert verified(record_of(f"{long}\nThe answer is 12.")).scores["verify_math"] == 1.0


@pytest.mark.slow
def test_nothing_in_a_row_is_run(tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    code = f"__import__('pathlib').Path({str(trace)!r}).touch()"
    for reference in (code, "$x$", "12"):
        for answer in (rf"\boxed{{{code}}}", f"The answer is ${code}$"):
            verified(record_of(answer, reference=reference))
    assert not trace.exists()


def test_the_facts_have_the_share_that_passed_with_its_interval() -> None:
    context, warned = context_of()
    step = VerifyMath()
    for answers in (("#### 12", "#### 11"), ("#### 12", "#### 12"), ("#### 1", "#### 2")):
        process(step, record_of(*answers), context)
    step.finish(context)
    assert context.facts["answers_that_passed"].startswith("50.0% (95 % interval ")
    assert context.facts["answers_that_passed"].endswith("of 6 answers to 3 records")
    assert context.facts["verdicts"] == [
        {"verdict": "failed", "answers": 3},
        {"verdict": "passed", "answers": 3},
    ]
    assert [context.facts[f"records_{some}_of_whose_answers_passed"] for some in ("none", "some", "all")] == [
        1,
        1,
        1,
    ]
    assert warned == []


def rates(rows: list[Answered]) -> tuple[float, float]:
    """Precision and recall of "passed"."""
    passed = [
        verified(record_of(row.response, reference=row.reference)).scores.get("verify_math") == 1
        for row in rows
    ]
    both = sum(said and row.right for said, row in zip(passed, rows, strict=True))
    return both / sum(passed), both / sum(row.right for row in rows)


@pytest.mark.slow
def test_of_responses_in_chinese_right_ones_pass_and_wrong_ones_do_not() -> None:
    lines = (FIXTURES / "chinese_answers.jsonl").read_text("utf-8").splitlines()
    written = [Answered(**json.loads(line)) for line in lines]
    assert len(written) > 300
    for rows in (written, made_answers(240)):
        precision, recall = rates(rows)
        assert precision > 0.995
        assert recall > 0.995


@pytest.mark.slow
def test_of_responses_in_english_right_ones_pass_and_wrong_ones_do_not() -> None:
    lines = (FIXTURES / "english_answers.jsonl").read_text("utf-8").splitlines()
    precision, recall = rates([Answered(**json.loads(line)) for line in lines])
    assert precision > 0.995
    assert recall > 0.995


@pytest.mark.slow
@pytest.mark.skipif(not GSM8K.exists(), reason="needs the rows of GSM8K, which are not in the project")
def test_of_answers_planted_in_gsm8k_right_ones_pass_and_wrong_ones_do_not() -> None:
    draw = random.Random(0)
    ends = (
        "#### {}",
        "The answer is {}.",
        "So it is ${} in all.",
        "\\boxed{{{}}}",
        "**Answer:** {} dollars",
        "答案是{}。",
    )
    with gzip.open(GSM8K, "rt", encoding="utf-8") as file:
        sample = draw.sample([json.loads(line)["output"] for line in file], 1000)
    rows = []
    for output in sample:
        body, _, right = output.partition("####")
        body, right = re.sub("<<.*?>>", "", body), right.strip()
        whole = right.replace(",", "")
        wrong = draw.choice([whole + "0", f"-{whole}" if whole[0] != "-" else whole[1:], f"{whole}.5"])
        wrong = wrong if float(wrong) != float(whole) and wrong.count(".") < 2 else "12345"
        for said, is_right in ((right, True), (wrong, False)):
            rows.append(Answered(output, body + draw.choice(ends).format(said), is_right))
    precision, recall = rates(rows)
    assert precision > 0.995
    assert recall > 0.995
