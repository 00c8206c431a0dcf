"""A sum of scores is read, never run; what is wrong with it is said with its place."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from factory.steps.assemble.select.expression import DEEPEST, Expression

SCORES = {"judge.quality": np.array([4.0, 2.0, np.nan]), "ifd": np.array([0.5, 0.0, 1.0]), "质量": np.ones(3)}


def value(text: str) -> list[float]:
    found: list[float] = Expression.parse(text).values(SCORES.__getitem__).tolist()
    return found


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("judge.quality", [4, 2, math.nan]),
        ("judge.quality + 0.5 * ifd", [4.25, 2, math.nan]),
        ("-ifd", [-0.5, 0, -1]),
        ("1 - ifd - 0.25", [0.25, 0.75, -0.25]),
        ("2 * (ifd + 1) / 4", [0.75, 0.5, 1]),
        ("8 / 4 / 2 + 0*ifd", [1, 1, 1]),
        ("--ifd", [0.5, 0, 1]),
        ("质量 * 1e1", [10, 10, 10]),
        ("`ifd` + .5", [1, 0.5, 1.5]),
        ("1 / ifd", [2, math.nan, 1]),
    ],
)
def test_it_is_worked_out_as_in_arithmetic(text: str, expected: list[float]) -> None:
    assert np.allclose(value(text), expected, equal_nan=True)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("exp(ifd)", "character 4: 'exp' is called like a function: a sum of scores calls nothing"),
        ("__import__('os')", 'character 12 is "\'", which no sum of scores holds'),
        ("ifd.__class__()", "is called like a function"),
        ("ifd +", "character 5: ends where a score or a number should follow"),
        ("ifd ifd", "character 5: 'ifd' follows without a sign between"),
        ("(ifd", "character 4: a closing bracket is missing"),
        ("ifd)", "character 4: ')' follows without a sign between"),
        ("* ifd", "character 1: '*' stands where a score or a number should"),
        ("ifd ** 2", "character 6: '*' stands where a score or a number should"),
        ("ifd; ifd", "character 4 is ';'"),
        ("1 + 2", "holds no score"),
        ("ifd > 3", "character 5 is '>'"),
        ("lambda: ifd", "character 7 is ':'"),
        ("5x", "character 1 is '5'"),
        ("(" * (DEEPEST + 2) + "ifd" + ")" * (DEEPEST + 2), "deep and deeper"),
        ("ifd + " * 400 + "ifd", "more than 1,000"),
    ],
)
def test_what_is_no_sum_is_refused_with_its_place(text: str, said: str) -> None:
    with pytest.raises(ValueError) as caught:  # noqa: PT011
        Expression.parse(text)
    assert said in str(caught.value)


@given(st.text(max_size=40))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        expression = Expression.parse(text)
    except ValueError:
        return
    assert expression.values(lambda name: np.ones(2)).shape == (2,)


trees = st.recursive(
    st.sampled_from(["ifd", "judge.quality", "3", "0.5"]),
    lambda part: st.tuples(part, st.sampled_from("+-*"), part).map(lambda t: f"({t[0]} {t[1]} {t[2]})"),
    max_leaves=8,
)


@given(trees)
def test_it_agrees_with_python_on_the_same_sum(text: str) -> None:
    if "ifd" not in text and "judge" not in text:
        return
    ours = Expression.parse(text).values(lambda name: np.array([{"ifd": 0.7, "judge.quality": 4.5}[name]]))
    theirs = eval(text.replace("judge.quality", "4.5").replace("ifd", "0.7"))  # noqa: S307
    assert ours[0] == pytest.approx(theirs)
