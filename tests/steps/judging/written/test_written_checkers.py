"""A checker that a model wrote is asked in the sandbox, and only True and False are an answer."""

from __future__ import annotations

import asyncio

import pytest

from factory.steps.judging.written.checkers import Said, Verdict, ask_checker, check_answer

NO_E = "def evaluate(response):\n    return 'e' not in response.lower()"
YES = "def evaluate(response):\n    return True"
BROKEN = "def evaluate(response):\n    return 1 / 0"


def check(*codes: str, answer: str = "cat") -> Verdict:
    return asyncio.run(check_answer(codes, answer))


def test_most_of_the_checkers_decide() -> None:
    assert check(NO_E) == (True, "1 of 1 checkers say yes")
    assert check(NO_E, answer="Eel") == (False, "0 of 1 checkers say yes")
    assert check(NO_E, NO_E, YES, answer="Eel").meets is False
    assert check(NO_E, YES, answer="Eel") == (False, "1 of 2 checkers say yes")


def test_one_that_fails_says_no_and_all_that_fail_say_nothing() -> None:
    assert check(NO_E, NO_E, BROKEN).meets is True
    assert check(NO_E, BROKEN).meets is False
    verdict = check(BROKEN)
    assert verdict.meets is None
    assert verdict.found.startswith("none of its 1 checkers says anything (raised: ZeroDivisionError")
    assert check() == (None, "none of its 0 checkers says anything (there are none)")


@pytest.mark.parametrize(
    ("code", "why"),
    [
        ("def evaluate(response): return 1", "it returned a int in place of True or False"),
        ("def evaluate(response): return 'True'", "it returned a str in place of True or False"),
        ("def evaluate(response): pass", "it returned a NoneType in place of True or False"),
        ("def other(response): return True", "raised: NameError"),
        ("evaluate = True", "raised: TypeError"),
        ("", "raised: NameError"),
        ("def evaluate(response): return open('/etc/passwd').read() != ''", "raised: PermissionError"),
        ("import os\ndef evaluate(response): return bool(os.environ)", "raised: RuntimeError"),
        ("import string\ndef evaluate(response): return True", "refused: the first tier"),
        ("print(True)", "raised: NameError"),
    ],
)
def test_what_is_no_answer_says_why(code: str, why: str) -> None:
    said = asyncio.run(ask_checker(code, "x"))
    assert said.meets is None
    assert said.why.startswith(why)


def test_the_answer_is_data() -> None:
    hostile = '\'); raise SystemExit #\n"""{response}\ud800'
    code = 'def evaluate(response):\n    return response.startswith("\');")'
    assert asyncio.run(ask_checker(code, hostile)) == Said(True)
