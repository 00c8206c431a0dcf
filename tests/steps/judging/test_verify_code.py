"""Running the code of answers with their rows' tests."""

from __future__ import annotations

import gzip
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from step_context import process, scripted_context

from factory.data.record import Candidate, Message, Record, new_record
from factory.step import Context
from factory.steps.judging.sandbox.second import why_not_second
from factory.steps.judging.verify_code import VerifyCode

GOOD = "```python\ndef add(a, b):\n    return a + b\n```"
BAD = "```python\ndef add(a, b):\n    return a - b\n```"
ASSERTS = {"test_list": ["assert add(1, 2) == 3", "assert add(0, 0) == 0"]}
HUMANEVAL = Path(__file__).parents[3] / "../shared/data/eval_targets/humaneval.jsonl.gz"
needs_second = pytest.mark.skipif(bool(why_not_second()), reason=f"no second tier: {why_not_second()}")


def context_of() -> tuple[Context, list[str]]:
    context, _ = scripted_context(lambda ask: "", step="02-verify_code")
    warned: list[str] = []
    return replace(context, warn=warned.append, tell=warned.append), warned


def record_of(*answers: str, meta: dict[str, Any] | None = None) -> Record:
    record = new_record("Write add.", output=answers[0], meta=ASSERTS if meta is None else meta)
    if len(answers) == 1:
        return record
    candidates = tuple(Candidate((Message("assistant", text),)) for text in answers)
    return replace(record, answers=candidates, chosen=0)


def verified(record: Record, **options: Any) -> Record:
    (made,) = process(VerifyCode(**options), record, context_of()[0])
    return made


@pytest.mark.slow
def test_each_answer_has_the_verdict_of_its_run_and_the_record_the_pass_rate() -> None:
    raises = "```python\ndef add(a, b):\n    return 1 / 0\n```"
    hangs = "```python\ndef add(a, b):\n    while True:\n        pass\n```"
    made = verified(record_of(GOOD, BAD, raises, hangs, "I cannot."), seconds=0.3)
    said = [answer.verdicts["tests"] for answer in made.answers]
    assert said == ["passed", "failed", "raised", "timeout", "no_code"]
    assert made.scores == {
        "verify_code": 1.0,
        "verify_code.pass_rate": 0.2,
        "verify_code.n": 5.0,
        "verify_code.fail_rate": 0.8,
    }


def test_calls_and_texts_are_tests_too() -> None:
    calls = {"input_output": {"fn_name": "add", "inputs": [[1, 2], [5, 5]], "outputs": [3, [10]]}}
    assert verified(record_of(GOOD, meta=calls)).scores["verify_code"] == 1
    made = verified(record_of(BAD, meta=calls))
    assert made.notes["verify_code"] == "failed: test 1 of 2: -1 in place of 3"
    leetcode = "```python\nclass Solution:\n    def add(self, a, b):\n        return a + b\n```"
    assert verified(record_of(leetcode, meta=calls)).scores["verify_code"] == 1
    reads = "```python\na, b = map(int, input().split())\nprint(a + b)\n```"
    texts = {"input_output": {"inputs": ["1 2\n", "5 5\n"], "outputs": ["3\n", "10"]}}
    assert verified(record_of(reads, meta=texts)).scores["verify_code"] == 1
    wrong = verified(record_of(reads.replace("+", "-"), meta=texts))
    assert wrong.notes["verify_code"].startswith("failed: test 1 of 2: '-1\\n' in place of '3\\n'")


def test_code_that_the_tier_cannot_run_has_no_verdict() -> None:
    context, warned = context_of()
    step = VerifyCode()
    yields = "```python\nimport string\ndef add(a, b):\n    return a + b\n```"
    (made,) = process(step, record_of(yields, GOOD), context)
    step.finish(context)
    assert made.answers[0].verdicts == {}
    assert made.missing["verify_code"].kind == "refused"
    assert (made.scores["verify_code.pass_rate"], made.scores["verify_code.n"]) == (1.0, 1.0)
    assert made.notes["verify_code.pass_rate"] == (
        "1 of 1 answers passed, 100.0% (95 % interval 20.7% to 100.0%); 1 more have no verdict"
    )
    assert "1 of 2 answers have no verdict (1 refused: " in warned[0]


def test_standard_input_is_refused_in_the_first_tier_and_not_failed() -> None:
    reads = "```python\nimport sys\nprint(sum(map(int, sys.stdin.read().split())))\n```"
    record = record_of(reads, meta={"examples": [{"input": "1 2", "output": "3"}]})
    assert "`sandbox: second`" in verified(record).missing["verify_code"].reason


@needs_second
@pytest.mark.slow
def test_the_second_tier_runs_what_the_first_refuses_and_holds_code_that_forks() -> None:
    reads = "```python\nimport sys\nprint(sum(map(int, sys.stdin.read().split())))\n```"
    record = record_of(reads, meta={"examples": [{"input": "1 2", "output": "3"}]})
    assert verified(record, sandbox="second").scores["verify_code"] == 1
    forks = "```python\nimport os\nwhile True:\n    os.fork()\ndef add(a, b):\n    return a + b\n```"
    leaves = "```python\nimport os\nos._exit(0)\n```"
    made = verified(record_of(forks, leaves, GOOD), sandbox="second", seconds=2)
    assert made.scores["verify_code.pass_rate"] == pytest.approx(1 / 3)
    assert "passed" not in (made.answers[0].verdicts["tests"], made.answers[1].verdicts["tests"])


def test_tests_beyond_the_most_are_counted_and_told() -> None:
    context, told = context_of()
    cases = [{"input": f"{number}", "output": f"{number}"} for number in range(5)]
    record = record_of("```python\nprint(input())\n```", meta={"examples": cases})
    (made,) = process(VerifyCode(most_tests=2), record, context)
    assert made.notes["verify_code"] == "passed: 2 tests"
    assert context.facts["tests_left_out"] == 3
    assert "`most_tests`" in told[0]


def test_a_row_without_tests_is_counted_and_told() -> None:
    context, warned = context_of()
    step = VerifyCode()
    (made,) = process(step, record_of(GOOD, meta={}), context)
    step.finish(context)
    assert made.missing["verify_code"].kind == "no_tests"
    assert (
        "1 of 1 records have no verdict (1 no_tests: there are no tests in any of the usual columns)"
        in warned[0]
    )
    assert "which `tests` names" in warned[0]


@pytest.mark.slow
@pytest.mark.skipif(
    not HUMANEVAL.exists(), reason="needs the rows of HumanEval, which are not in the project"
)
def test_of_humaneval_the_solutions_pass_and_empty_ones_do_not() -> None:
    with gzip.open(HUMANEVAL, "rt", encoding="utf-8") as file:
        rows = [json.loads(line) for line in file]
    unknown = 0
    for row in rows:
        whole = f"```python\n{row['prompt']}{row['canonical_solution']}\n```"
        answers = (whole, row["canonical_solution"].strip(), "    return 'no such value'")
        record = replace(
            record_of(*answers, meta=row), messages=new_record(row["prompt"], output=whole).messages
        )
        said = [answer.verdicts.get("tests", "") for answer in verified(record).answers]
        unknown += said[0] == ""
        if said[0]:
            assert said[:2] == ["passed", "passed"], row["task_id"]
            assert said[2] in ("failed", "raised"), row["task_id"]
    assert unknown <= 2
