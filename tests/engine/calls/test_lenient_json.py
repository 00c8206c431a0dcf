"""JSON as models write it is read where it can mean one thing, and nothing in it is made up."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict, Field

from factory.engine.calls.lenient_json import json_values
from factory.engine.calls.reply_schema import read_json
from factory.models.base import Reply, Usage
from factory.steps.tags.tag import tags_schema


class Verdict(BaseModel):
    model_config = ConfigDict(extra="forbid")
    reason: str
    score: int = Field(ge=1, le=5)


def verdict(text: str, finish: str = "stop") -> tuple[str, int] | str:
    """The reason and the score that are read, or what is wrong."""
    data, problem = read_json(Reply(text, finish, Usage(1, 7)), Verdict)
    return problem if data is None else (data.reason, data.score)  # type: ignore[attr-defined]


def tags(text: str, finish: str = "stop") -> list[tuple[str, str]] | str:
    data, problem = read_json(Reply(text, finish, Usage(1, 7)), tags_schema(8))
    return problem if data is None else [(tag.tag, tag.explanation) for tag in data.tags]  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('{"reason": "good", "score": 4}', "good"),
        ('```json\n{"reason": "good", "score": 4}\n```', "good"),
        ('{"reason": "good", "score": 4,}', "good"),
        ('{\n "reason": "good", // because\n "score": 4 /* of 5 */ # yes\n}', "good"),
        ("{'reason': 'good', 'score': 4}", "good"),
        ("{'reason': 'it's good', 'score': 4}", "it's good"),
        ('{reason: "good", score: 4}', "good"),
        ('{"reason": "good", "score": 4.0}', "good"),
        ('{"reason": "good", "score": "4"}', "good"),
        ('{"reason": "好", "score": "４"}', "好"),
        ('{"reason": "好", "score": ４}', "好"),
        ("{“reason”: “好”, “score”: 4}", "好"),
        ('{"reason"："好"，"score"：4}', "好"),
        ('{"reason": "good", "score": 4, "confidence": 0.9, "more": {"score": 1}}', "good"),
        ('{"reason": "good", "score": 4, "sure": True, "other": None}', "good"),
        ('{"result": {"reason": "good", "score": 4}}', "good"),
        ('[{"reason": "good", "score": 4}]', "good"),
        ('The code `int main(){ return 0; }` is right.\n{"reason": "good", "score": 4}', "good"),
        ('The set {1, 2} is right. {"reason": "good", "score": 4} So {x}.', "good"),
        ('\\frac{1}{2} [see] {"reason": "good", "score": 4}', "good"),
        ('{"reason": "good", "score": 4}\nAgain: {"reason": "good", "score": 4}', "good"),
        ('{"reason": "good", "score": 4, "score": 4}', "good"),
        ('{"reason": "good,\nbut\tlong", "score": 4}', "good,\nbut\tlong"),
        ('{"reason": "uses \\(x^2\\) and \\alpha well", "score": 4}', "uses \\(x^2\\) and \\alpha well"),
        ('{"reason": "uses \\frac{1}{2} well", "score": 4}', "uses \\frac{1}{2} well"),
        ('{"reason": "\\beta \\theta \\nabla \\neq \\rho \\times \\text{a}", "score": 4}',
         "\\beta \\theta \\nabla \\neq \\rho \\times \\text{a}"),
        ('{"reason": "\\\\frac{1}{2} and \\u03b1", "score": 4}', "\\frac{1}{2} and α"),
        ('{"reason": "\\upsilon, \\underline{a}", "score": 4}', "\\upsilon, \\underline{a}"),
        ('{"reason": "one\\nnew line\\tand\\rtwo", "score": 4}', "one\nnew line\tand\rtwo"),
        ('{"reason": "the word "salt" is right", "score": 4}', 'the word "salt" is right'),
        ('{"reason": "a brace } and ] and { in it", "score": 4}', "a brace } and ] and { in it"),
        ('{"reason": "\\ud83d\\ude00 and \\ud83d", "score": 4}', "😀 and \ufffd"),
        ('\ufeff{"reason": "good", "score": 4}', "good"),
        (' "{\\"reason\\": \\"good\\", \\"score\\": 4}"\n', "good"),
    ],
)  # fmt: skip
def test_a_verdict_is_read_whatever_a_model_put_around_it(text: str, reason: str) -> None:
    assert verdict(text) == (reason, 4)


@pytest.mark.parametrize(
    "text",
    [
        '{"reason": "draft", "score": 3}\nOn second thought:\n{"reason": "good", "score": 4}',
        '{"reason": "good", "score": 3} {"reason": "good", "score": 4}',
        '{"score": 2, "reason": "good", "score": 4}',
        "{'score': 2, 'reason': 'good', 'score': 4}",
        '{"reason": "good", "score": 4',
        '{"reason": "good", "score": 4, "more": {"reason": "bad", "score": 1}',
        '{"result": {"reason": "good", "score": 4}, "and": {"reason"',
        '{"reason": "the code {"reason": "x", "score": 1} is bad", "score": 4',
        '{"reason": "the code {"reason": "x", "score": 1} is bad", "score": 4}',
        '{"reason": "say "x", "score": 1, or", "score": 4}',
        '{"reason": "say "x", "score": 1}", "score": 4}',
        '{"reason": "good", "score": 4/5}',
        '{"reason": "good", "score": "4/5"}',
        '{"reason": "good", "score": 4.5}',
        '{"reason": "good", "score": 6}',
        '{"reason": "good", "score": -4}',
        '{"reason": "good", "score": NaN}',
        '{"reason": "good", "score": four}',
        '{"reason": "good"}',
        '{"score": 4}',
        '{"reason": null, "score": 4}',
        '{"example": {"reason": "x", "score": 1}, "verdict": "4"}',
        "{}",
        "4",
        "",
    ],
)
def test_a_verdict_that_is_not_clear_is_none(text: str) -> None:
    assert isinstance(verdict(text), str)


def test_two_verdicts_are_told_as_such() -> None:
    assert verdict('{"reason": "a", "score": 3} {"reason": "a", "score": 4}') == (
        "it holds JSON objects that fit and differ"
    )
    assert "stands twice" in str(verdict('{"score": 2, "reason": "good", "score": 4}'))


@given(st.integers(0, 60))
def test_what_the_limit_cut_never_passes_for_the_whole(at: int) -> None:
    text = '{"reason": "so {"reason": "x", "score": 1} it is", "score": 4, "n": 45}'
    assume(at < len(text))
    assert isinstance(verdict(text[:at], "length"), str)
    listed = '[{"tag": "tides", "explanation": "a"}, {"tag": "moon", "explanation": "b"}]'
    assert isinstance(tags(listed[:at], "length"), str)
    assert isinstance(tags('{"tags": ' + listed[:at], "length"), str)


BOTH = [("tides", "asks of tides"), ("moon", "")]


@pytest.mark.parametrize(
    "text",
    [
        '{"tags": [{"tag": "tides", "explanation": "asks of tides"}, {"tag": "moon", "explanation": ""}]}',
        '[{"tag": "tides", "explanation": "asks of tides"}, {"tag": "moon"}]',
        '```json\n[\n{"tag": "tides", "explanation": "asks of tides"},\n{"tag": "moon", "explanation": ""}\n]\n```',
        '{"tag": "tides", "explanation": "asks of tides"}\n{"tag": "moon", "explanation": ""}',
        '{"tags": [{"tag": "tides", "explanation": "asks of tides", "confidence": 0.9}, "moon"]}',
        "Tags [1]: [{'tag': 'tides', 'explanation': 'asks of tides'}, 'moon']",
    ],
)
def test_a_list_of_tags_is_read_in_the_papers_form_too(text: str) -> None:
    assert tags(text) == BOTH


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ('{"tags": ["潮汐", "月球"]}', [("潮汐", ""), ("月球", "")]),
        ('["tides", "moon"]', [("tides", ""), ("moon", "")]),
        ('[{"tag": "tides", "explanation": "x"}]', [("tides", "x")]),
        ('{"tag": "tides", "explanation": "x"}', [("tides", "x")]),
    ],
)
def test_bare_names_are_tags_without_an_explanation(text: str, read: list[tuple[str, str]]) -> None:
    assert tags(text) == read


@pytest.mark.parametrize(
    "text",
    [
        '{"tags": []}',
        "[]",
        '{"tags": [{"tag": null}]}',
        "[1, 2]",
        '[{"name": "tides"}]',
        '["a"] ["b"]',
        "tides, moon",
    ],
)
def test_what_is_no_list_of_tags_is_none(text: str) -> None:
    assert isinstance(tags(text), str)


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=8,
)
PLAIN = st.text(st.characters(exclude_characters="\\{}[]", codec="utf-8"), max_size=30)


@given(st.dictionaries(st.text(max_size=6), JSON, min_size=1, max_size=3), PLAIN, PLAIN)
def test_strict_json_is_read_as_what_it_is(value: dict[str, Any], before: str, after: str) -> None:
    text = json.dumps(value)
    assume("\\b" not in text)  # a backspace or form feed is LaTeX
    assume("\\f" not in text)
    assume("\\ud" not in text)
    values, problem = json_values(before + text + after)
    assert (values, problem) == ([value], "")


@given(
    st.dictionaries(
        st.text("ab \n'}{[]:,", max_size=8), st.text("ab \n}{[]:,", max_size=12) | st.integers(), min_size=1
    )
)
def test_pythons_spelling_is_read_as_what_it_is(value: dict[str, Any]) -> None:
    assume(not any("'" in key for key in value))
    assert json_values(repr(value)) == ([value], "")


@given(st.text("{}[]\"',:\\ab1 \n/*#“”", max_size=60))
def test_any_text_is_read_or_not_without_a_fault(text: str) -> None:
    values, _ = json_values(text)
    assert all(isinstance(value, dict | list) for value in values)


@given(st.text(st.characters(exclude_characters="\\", codec="utf-8"), max_size=40), st.integers(1, 5))
def test_raw_line_breaks_and_lone_backslashes_stay_in_a_string(said: str, score: int) -> None:
    assume('"' not in said)
    assert verdict(f'{{"reason": "{said}\n\\alpha \\(x\\)", "score": {score}}}') == (
        f"{said}\n\\alpha \\(x\\)",
        score,
    )
