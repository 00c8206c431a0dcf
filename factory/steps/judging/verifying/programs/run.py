"""Runs an answer's code with its row's tests in the sandbox, and says what came of it."""

from __future__ import annotations

import math
import re
from dataclasses import replace
from typing import Any

from factory.data.record import Missing
from factory.data.text import shorten
from factory.steps.judging.sandbox.program import Limits, Outcome, Program, Tier
from factory.steps.judging.sandbox.run import run_program
from factory.steps.judging.verifying.answers import PASSED, Verdict
from factory.steps.judging.verifying.programs.extract import code_of, defines, with_prompt
from factory.steps.judging.verifying.programs.tests import Case, RowTests

NO_CODE = "no_code"
_SAID = 160
_READS = re.compile(r"\bstdin\b|\bopen\s*\(\s*0\b")
# What a program reads, in a tier that has no standard input: the text is a literal of the program.
_FIRST = """__lines__ = {given!r}.split("\\n")
def input(prompt=""):
    if not __lines__:
        raise EOFError("EOF when reading a line")
    return __lines__.pop(0)
"""
_SECOND = "import io, sys\nsys.stdin = io.StringIO({given!r})\n"
_METHOD = "\ndef {name}(*given):\n    return Solution().{name}(*given)\n"


async def run_tests(answer: str, prompt: str, tests: RowTests, tier: Tier, limits: Limits) -> Verdict:
    """The verdict on an answer: "passed", "no_code", or how the first test that does not pass ended.

    A program that the tier cannot run has none.
    """
    code = with_prompt(code_of(answer, tests.entry), answer, prompt, tests.entry)
    if not code.strip():
        return Verdict(NO_CODE, "it holds no code")
    whole = f"{tests.setup}\n{code}" if tests.setup else code
    if tests.code:
        outcome = await run_program(Program(whole, tests.code), tier, limits)
        return _verdict(outcome, "")
    for number, case in enumerate(tests.cases, start=1):
        where = f"test {number} of {len(tests.cases)}: "
        if case.call is not None:
            name = tests.entry
            if not defines(whole, name) and re.search(r"^class\s+Solution\b", whole, re.MULTILINE):
                whole += _METHOD.format(name=name)
            outcome = await run_program(Program(whole, call=name, arguments=case.call), tier, limits)
            wrong = "" if not outcome.passed or _equal(outcome.value, case.expected) else f"{outcome.value!r}"
        else:
            if tier == "first" and _READS.search(whole):
                why = "it reads sys.stdin, which the first tier of the sandbox does not have: `sandbox: second` does"
                return Verdict(Missing("refused", why))
            outcome = await run_program(_reading(whole, case, tier), tier, _with_room(limits, case))
            wrong = "" if not outcome.passed or _prints(outcome, case) else f"{outcome.stdout!r}"
        if wrong:
            said = f"{where}{shorten(wrong, _SAID)} in place of {shorten(repr(case.expected), _SAID)}"
            return Verdict("failed", said)
        if not outcome.passed:
            return _verdict(outcome, where)
    return Verdict(PASSED, f"{len(tests.cases)} tests")


def _verdict(outcome: Outcome, where: str) -> Verdict:
    if outcome.verdict == "refused":
        return Verdict(Missing("refused", outcome.error))
    return Verdict(outcome.verdict, f"{where}{shorten(outcome.error, _SAID)}" if outcome.error else "")


def _reading(code: str, case: Case, tier: Tier) -> Program:
    begins = _FIRST if tier == "first" else _SECOND
    return Program(begins.format(given=case.given) + code)


def _with_room(limits: Limits, case: Case) -> Limits:
    return replace(limits, output=max(limits.output, 2 * len(str(case.expected).encode("utf-8", "replace"))))


def _prints(outcome: Outcome, case: Case) -> bool:
    """Whether the same lines were printed, spaces at their ends and empty lines at the end aside."""
    return not outcome.cut and _lines(outcome.stdout) == _lines(str(case.expected))


def _lines(text: str) -> list[str]:
    return [line.rstrip() for line in text.rstrip().splitlines()]


def _equal(value: Any, expected: Any) -> bool:
    """Whether a function returned what is expected, or the one thing in a list of it, as APPS writes it."""
    try:
        if value == expected or [value] == expected:
            return True
    except RecursionError:
        return False
    if isinstance(expected, list) and len(expected) == 1:
        expected = expected[0]
    numbers = all(isinstance(one, int | float) and not isinstance(one, bool) for one in (value, expected))
    return numbers and math.isclose(value, expected, rel_tol=1e-9)
