"""Run the code of each answer with the tests of its row."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import ClassVar

from pydantic import Field

from factory.data.record import Candidate, Missing, Record
from factory.step import Context
from factory.steps.judging.sandbox.program import Limits, Tier
from factory.steps.judging.sandbox.second import check_tier
from factory.steps.judging.verifying.answers import Verdict, VerifiesAnswers
from factory.steps.judging.verifying.programs.run import run_tests
from factory.steps.judging.verifying.programs.tests import row_tests


class VerifyCode(VerifiesAnswers):
    """Run the code of each answer with the tests of its row, in the sandbox alone.

    The tests stand in a column of the row: the one that `tests` names, else the first of test, tests, test_list,
    test_code, unit_tests, test_cases, input_output, public_tests, examples and the like. They are code (HumanEval's
    `test` with `entry_point`, MBPP's `test_list` with `test_setup_code`, asserts, functions called test_...), calls
    with what they return ({"fn_name": ..., "inputs": [...], "outputs": [...]}), or what a program reads and is to print
    ({"inputs": [...], "outputs": [...]}, or a list of {"input": ..., "output": ...}), as JSON or in a text.

    The code is what an answer's fenced Python blocks hold: the last that defines the function under test, else all of
    them; or all of an answer that is code without a fence. Where the prompt begins the function and the answer goes on,
    the two are put together, and the prompt's imports hold.

    Verdicts are "passed", "no_code", or how the first test ended that did not pass: "failed" (an assertion, or another
    result), "raised", "timeout", "memory", "killed"; of several answers they stand beside each. Printed lines are
    compared without spaces at their ends; numbers that are returned, to nine digits. Code that the tier of the sandbox
    cannot run has no verdict, which is counted and told: the first tier knows part of Python, the second all of it. So
    has a row whose tests are missing or cannot be read. A timeout depends on the machine.

    The score "verify_code" is 1 where the answer that ends the conversation passes and else 0; "verify_code.pass_rate"
    is the share of the answers that pass, "verify_code.n" over how many. The facts have the share of answers that pass
    with its 95 % interval.

    Use the pass rate as a difficulty (`keep_pass_rate`; "verify_code.fail_rate" is 1 less it), and the verdict as a
    floor. Keeping verified answers alone brought no gain over keeping all in the largest study of it (OpenThoughts,
    arXiv 2506.04178).

    With `keep` or `keep_pass_rate` a record is dropped as "not_verified", "too_hard" or "too_easy", and set aside as
    failed ("no_verdict") where the score that it goes by is missing.

    Source: HumanEval (arXiv 2107.03374), MBPP (arXiv 2108.07732) and APPS (arXiv 2105.09938) for the shapes of tests;
    OpenThoughts (arXiv 2506.04178) for the pass rate.

    Example:
        - verify_code: {}
        - verify_code: {sandbox: second, seconds: 10, keep_pass_rate: "0.1..0.9", choose: verified}
    """

    name: ClassVar[str] = "verify_code"
    what: ClassVar[str] = "tests"
    needs: ClassVar[str] = "tests in a column of the row, which `tests` names"

    tests: str = ""
    """The column that holds the tests; "" looks for the usual ones."""
    sandbox: Tier = "first"
    """The tier of the sandbox: first (part of Python, works everywhere), or second (all of it, on Linux)."""
    seconds: float = Field(5.0, gt=0, le=600)
    """Most time that the code, and each of its tests by data, may take."""
    most_tests: int = Field(100, ge=1)
    """Most tests by data (inputs with outputs) that are run for an answer; those beyond are counted and told."""

    def check_ready(self) -> None:
        """See `Step.check_ready`."""
        check_tier(self.sandbox, self.name)

    async def verdicts(
        self, record: Record, answers: Sequence[Candidate], context: Context
    ) -> list[Verdict] | Missing:
        """See `VerifiesAnswers.verdicts`."""
        tests = row_tests(record, self.tests)
        if isinstance(tests, Missing):
            return tests
        if (beyond := len(tests.cases) - self.most_tests) > 0:
            context.count("tests_left_out", beyond)
            context.tell(
                f"{context.step}: some rows have more tests than are run; `most_tests` says how many are"
            )
            tests = tests._replace(cases=tests.cases[: self.most_tests])
        limits = Limits(seconds=self.seconds)
        runs = (run_tests(one.text, record.prompt, tests, self.sandbox, limits) for one in answers)
        return list(await asyncio.gather(*runs))
