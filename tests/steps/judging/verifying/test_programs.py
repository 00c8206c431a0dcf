"""The code in an answer, and the tests of a row in the shapes that data sets have."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from factory.data.record import Missing, new_record
from factory.steps.judging.verifying.programs.extract import code_of, with_prompt
from factory.steps.judging.verifying.programs.tests import Case, RowTests, row_tests

ADD = "def add(a, b):\n    return a + b\n"


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (f"Sure:\n```python\n{ADD}```\nDone.", ADD),
        (f"```\n{ADD}```", ADD),
        (f"~~~py\n{ADD}~~~", ADD),
        (f"```python\n{ADD}", ADD),
        (f"```bash\npip install x\n```\n```python\n{ADD}```\n```python\n>>> add(1, 2)\n3\n```", ADD),
        (f"```python\ndef add(a, b):\n    return 0\n```\nBetter:\n```python\n{ADD}```", ADD),
        (f"<think>```python\nx\n```</think>\n```python\n{ADD}```", ADD),
        (f"Here it is.\n{ADD}", ADD.rstrip()),
        ("```java\nint x;\n```", ""),
        ("I cannot.", ""),
    ],
)
def test_the_code_of_an_answer_is_its_python(answer: str, code: str) -> None:
    assert code_of(answer, "add") == code


def test_blocks_none_of_which_defines_the_function_are_taken_in_order() -> None:
    assert code_of("```python\nx = 1\n```\nthen\n```python\nprint(x)\n```") == "x = 1\n\nprint(x)\n"


def test_a_prompt_that_begins_the_function_is_put_before_its_body() -> None:
    prompt = "from typing import List\n\ndef add(a, b):\n    '''Add.'''\n"
    assert with_prompt("", "return a + b", prompt, "add") == prompt + "    return a + b"
    assert with_prompt(ADD, ADD, prompt, "add") == f"from typing import List\n{ADD}"
    assert with_prompt(ADD, ADD, "Add two numbers.", "add") == ADD


def read_tests(**meta: Any) -> RowTests | Missing:
    return row_tests(new_record("Write add.", meta=meta))


def test_tests_in_the_shapes_of_data_sets_are_read() -> None:
    check = "def check(candidate):\n    assert candidate(1, 2) == 3\n"
    assert read_tests(test=check, entry_point="add") == RowTests("add", code=f"{check}check(add)")
    mbpp = read_tests(
        test_list=["assert add(1, 2) == 3", "assert add(0, 0) == 0"], test_setup_code="import math"
    )
    assert mbpp == RowTests("add", "import math", "assert add(1, 2) == 3\nassert add(0, 0) == 0")
    kodcode = read_tests(test="from solution import add\ndef test_one():\n    assert add(1, 2) == 3\n")
    assert isinstance(kodcode, RowTests)
    assert (kodcode.entry, "solution" in kodcode.code) == ("add", False)
    assert kodcode.code.endswith("\ntest_one()")
    called = {"fn_name": "add", "inputs": [[1, 2], [0, 0]], "outputs": [3, 0]}
    assert read_tests(input_output=json.dumps(called)) == RowTests(
        "add", cases=(Case((1, 2), "", 3), Case((0, 0), "", 0))
    )
    read = (Case(None, "1 2\n", "3\n"),)
    assert read_tests(input_output={"inputs": ["1 2\n"], "outputs": ["3\n"]}) == RowTests(cases=read)
    assert read_tests(examples=[{"input": "1 2\n", "output": "3\n"}]) == RowTests(cases=read)
    assert read_tests(public_tests={"input": ["1 2\n"], "output": ["3\n"]}) == RowTests(cases=read)


@pytest.mark.parametrize(
    ("meta", "kind"),
    [
        ({}, "no_tests"),
        ({"test": ""}, "no_tests"),
        ({"test": "print('hello')"}, "bad_tests"),
        ({"tests": 7}, "bad_tests"),
        ({"tests": [{"input": "1"}]}, "bad_tests"),
        ({"input_output": {"inputs": ["1", "2"], "outputs": ["3"]}}, "bad_tests"),
        ({"input_output": {"inputs": [], "outputs": []}}, "bad_tests"),
        ({"tests": "[" * 100_000}, "bad_tests"),
    ],
)
def test_tests_that_are_missing_or_prove_nothing_are_said(meta: dict[str, Any], kind: str) -> None:
    found = read_tests(**meta)
    assert isinstance(found, Missing)
    assert found.kind == kind


def test_a_column_that_is_named_is_the_one_that_counts() -> None:
    record = new_record("Write add.", meta={"test": "assert add(1, 1) == 2", "mine": "assert add(2, 2) == 4"})
    assert row_tests(record, "mine") == RowTests("add", code="assert add(2, 2) == 4")
    assert isinstance(row_tests(record, "yours"), Missing)


@given(st.text(max_size=200), st.text(alphabet="`~\n py", max_size=40))
def test_any_answer_is_read_without_an_error(text: str, fences: str) -> None:
    code_of(fences + text + fences, "add")
