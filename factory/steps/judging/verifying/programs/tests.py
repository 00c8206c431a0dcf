"""The tests that a row brings for a program, in the shapes that data sets have.

- code: HumanEval's `test` with `check(candidate)` and `entry_point`, MBPP's `test_list` with `test_setup_code`,
  asserts, functions called `test_...` as pytest calls them (KodCode)
- calls: {"fn_name": ..., "inputs": [arguments of each], "outputs": [...]} (APPS, TACO, LeetCode)
- texts: what the program reads and is to print: {"inputs": [...], "outputs": [...]}, or rows of {"input": ...,
  "output": ...}
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from factory.data.record import Missing, Record

COLUMNS = (
    *("test", "tests", "test_list", "test_code", "unit_tests", "unit_test", "test_cases"),
    *("input_output", "public_tests", "private_tests", "examples", "测试", "测试用例"),
)
"""The columns that hold tests, the first that does."""
_SETUP = ("test_setup_code", "test_imports", "setup_code")
_ENTRY = ("entry_point", "fn_name", "function_name", "func_name")
_INPUT, _OUTPUT = ("inputs", "input", "stdin"), ("outputs", "output", "expected_output", "expected", "stdout")
_ASSERTED = re.compile(r"\bassert\s+(?:not\s+)?(?:\w+\()*?(\w+)\s*\(")
_ASSERTS = re.compile(r"\bassert\b|\bassert[A-Z_]\w*\s*\(|\braise\b")
_CHECK = re.compile(r"^def\s+check\s*\(", re.MULTILINE)
_TEST = re.compile(r"^def\s+(test\w*)\s*\(\s*\)", re.MULTILINE)
_FROM_SOLUTION = re.compile(
    r"^(?:from\s+solution\s+import\s[^\n]*|import\s+(?:solution|pytest)\b[^\n]*)$", re.MULTILINE
)
_FROM_NAME = re.compile(r"^from\s+solution\s+import\s+(\w+)", re.MULTILINE)
_BUILTIN = frozenset(
    ("abs", "all", "any", "len", "sorted", "set", "list", "str", "sum", "isinstance", "round", "tuple")
)


class Case(NamedTuple):
    """One test by data: what goes in and what is to come out.

    call: the arguments of the function, or None: `given` is the text that the program reads
    """

    call: tuple[Any, ...] | None
    given: str
    expected: Any


class RowTests(NamedTuple):
    """The tests of a row.

    entry: the name of the function under test, "" where that is not known
    setup: code that goes before the answer's
    code: tests as code, "" where there are none; cases: tests by data
    """

    entry: str = ""
    setup: str = ""
    code: str = ""
    cases: tuple[Case, ...] = ()


def row_tests(record: Record, column: str = "") -> RowTests | Missing:
    """The tests of a record's row, in this column or the first of `COLUMNS` that has any; else why there are none."""
    meta = record.meta
    for name in (column,) if column else COLUMNS:
        value = meta.get(name)
        if value is None or value in ("", [], {}):
            continue
        entry = next((meta[one] for one in _ENTRY if isinstance(meta.get(one), str)), "")
        try:
            tests = _read(value, entry if entry.isidentifier() else "")
        except (ValueError, TypeError, RecursionError) as error:
            return Missing("bad_tests", f"the tests in {name!r} cannot be read: {error}")
        return tests._replace(setup=_setup(meta))
    where = f"in {column!r}" if column else "in any of the usual columns"
    return Missing("no_tests", f"there are no tests {where}")


def _setup(meta: Mapping[str, Any]) -> str:
    parts: list[object] = []
    for name in _SETUP:
        value = meta.get(name)
        parts += [value] if isinstance(value, str) else value if isinstance(value, list) else []
    return "\n".join(part for part in parts if isinstance(part, str) and part.strip())


def _read(value: Any, entry: str) -> RowTests:
    if isinstance(value, str):
        text = value.strip()
        if text[:1] in "[{":
            try:
                value = json.loads(text)
            except ValueError:
                return _code(text, entry)
            return _read(value, entry)
        return _code(text, entry)
    if isinstance(value, Mapping):
        return _cases(value, entry)
    if isinstance(value, list) and all(isinstance(one, str) for one in value):
        return _code("\n".join(value), entry)
    if isinstance(value, list) and all(isinstance(one, Mapping) for one in value):
        read = [_cases(one, entry) for one in value]
        return RowTests(read[0].entry, cases=tuple(case for one in read for case in one.cases))
    raise ValueError("they are neither code nor inputs with outputs")


def _code(text: str, entry: str) -> RowTests:
    if not _ASSERTS.search(text):
        raise ValueError("they assert nothing")
    imported = _FROM_NAME.search(text)
    text = _FROM_SOLUTION.sub("", text)
    if not entry:
        names = (
            [imported[1]] if imported else [name for name in _ASSERTED.findall(text) if name not in _BUILTIN]
        )
        entry = names[0] if names else ""
    calls = (
        [f"check({entry})"]
        if entry and _CHECK.search(text) and not re.search(r"^check\(", text, re.M)
        else []
    )
    calls += [f"{name}()" for name in _TEST.findall(text)]
    return RowTests(entry, code="\n".join([text, *calls]))


def _cases(value: Mapping[str, Any], entry: str) -> RowTests:
    name = value.get("fn_name")
    entry = name if isinstance(name, str) and name.isidentifier() else entry
    inputs = next((value[one] for one in _INPUT if one in value), None)
    outputs = next((value[one] for one in _OUTPUT if one in value), None)
    if inputs is None or outputs is None:
        raise ValueError("a test has no input, or no output")
    plural = "inputs" in value or (isinstance(inputs, list) and isinstance(outputs, list) and not entry)
    if not plural:
        inputs, outputs = [inputs], [outputs]
    if not isinstance(inputs, list) or not isinstance(outputs, list) or len(inputs) != len(outputs):
        raise ValueError("they have not as many outputs as inputs")
    if not inputs:
        raise ValueError("they are none")
    cases = []
    for given, expected in zip(inputs, outputs, strict=True):
        if entry:
            cases.append(Case(tuple(given) if isinstance(given, list) else (given,), "", expected))
        else:
            cases.append(Case(None, _text(given), _text(expected)))
    return RowTests(entry, cases=tuple(cases))


def _text(value: Any) -> str:
    if isinstance(value, list):
        return "\n".join(map(_text, value))
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
