"""Constraints as they lie in data: read as they are, or refused with a sentence that says how to mend them."""

from __future__ import annotations

from dataclasses import replace
from difflib import SequenceMatcher
from importlib.metadata import EntryPoint
from typing import Any, ClassVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from factory.data.record import new_record
from factory.data.table import Table
from factory.errors import RecipeError
from factory.steps.judging.constraints import registry
from factory.steps.judging.constraints.constraint import AnswerText, Category, Checked
from factory.steps.judging.constraints.registry import BadConstraint, find_kind, kinds, make_constraint
from factory.steps.judging.constraints.stated import (
    COLUMN,
    Stated,
    read_stated,
    stated_constraints,
    with_constraints,
)

IFEVAL_ROW = {
    "instruction_id_list": ["punctuation:no_comma", "length_constraints:number_words"],
    "kwargs": [{}, {"relation": "at least", "num_words": 300, "keywords": None, "num_bullets": None}],
}


@pytest.mark.parametrize(
    ("name", "arguments", "said"),
    [
        ("number_words", {}, "did you mean 'length_constraints:number_words'?"),
        ("detectable_format:tabel", {}, "did you mean 'detectable_format:table'?"),
        ("字数", {}, "there is no kind of constraint '字数'; known are "),
        ("", {}, "there is no kind of constraint ''; known are "),
        ("made_up:thing", {}, "there is no kind of constraint 'made_up:thing'; known are "),
        ("punctuation:no_comma", {"marks": 1}, "there is no argument 'marks'; it takes no arguments"),
        (
            "length_constraints:number_words",
            {"relation": "at least", "num_word": 3},
            "'num_words' is missing",
        ),
        ("length_constraints:number_words", {"relation": "at last", "num_words": 3}, "not 'at last'"),
        (
            "length_constraints:number_words",
            {"relation": "at least", "num_words": -3},
            "greater than or equal to 0",
        ),
        ("length_constraints:number_words", {"relation": "at least", "num_words": "many"}, "not 'many'"),
        ("keywords:existence", {"keywords": "ice"}, "keywords: "),
        ("keywords:existence", {"keywords": []}, "at least 1 item"),
        ("keywords:existence", {"keywords": [" "]}, "must not be empty"),
        ("language:response_language", {"language": "english"}, "did you mean"),
        (
            "keywords:letter_frequency",
            {"let_relation": "at least", "letter": "ab", "let_frequency": 1},
            "at most 1",
        ),
        (
            "length_constraints:nth_paragraph_first_word",
            {"num_paragraphs": 2, "nth_paragraph": 3, "first_word": "x"},
            "nth_paragraph (3) is more than num_paragraphs (2)",
        ),
        ("punctuation:forbidden_marks", {"marks": ["a"]}, "one punctuation mark each"),
        ("judged:style", {}, "'requirement' is missing"),
    ],
)
def test_what_is_wrong_is_said_in_one_sentence(name: str, arguments: dict[str, Any], said: str) -> None:
    with pytest.raises(BadConstraint) as error:
        make_constraint(name, arguments)
    assert said in str(error.value)
    assert "\n" not in str(error.value)


@given(st.text(max_size=40))
def test_an_unknown_kind_is_told_with_a_near_one_or_with_those_that_there_are(name: str) -> None:
    if name not in kinds():
        with pytest.raises(BadConstraint) as error:
            find_kind(name)
        near = [known for known in kinds() if f"; did you mean '{known}'?" in str(error.value)]
        assert near or "; known are " in str(error.value)
        assert all(
            SequenceMatcher(None, known, name).ratio() >= 0.6 or known.endswith(name) for known in near
        )


def test_ifevals_columns_are_read_as_they_are_and_arguments_that_are_null_do_not_count() -> None:
    record = new_record("Write.", output="Words.", meta=IFEVAL_ROW)
    first, second = stated_constraints(record)
    assert first.constraint.kind == "punctuation:no_comma"
    assert second.constraint.arguments() == {"relation": "at least", "num_words": 300}


@pytest.mark.parametrize(
    ("meta", "said"),
    [
        ({COLUMN: "no_comma"}, "is no list of constraints"),
        ({COLUMN: [{"kind": "punctuation:no_coma"}]}, "number 1 in the column constraints: there is no kind"),
        ({COLUMN: [{"type": "x"}]}, 'it has no "kind"'),
        ({COLUMN: [{"kind": "punctuation:no_comma", "args": {}}]}, "key 'args' that is not read"),
        ({COLUMN: ["punctuation:no_comma"]}, "it is no object"),
        ({COLUMN: [{"kind": 3}]}, "the kind is no text"),
        ({"instruction_id_list": ["punctuation:no_comma"], "kwargs": []}, "one entry for each name"),
        ({"instruction_id_list": "punctuation:no_comma"}, "no list of names"),
        ({"instruction_id_list": ["x:y"], "kwargs": [None]}, "number 1 in the column instruction_id_list"),
    ],
)
def test_a_column_that_holds_something_else_is_told_with_its_place(meta: dict[str, Any], said: str) -> None:
    with pytest.raises(BadConstraint) as error:
        stated_constraints(new_record("Write.", meta=meta))
    assert said in str(error.value)


def test_a_record_without_constraints_has_none() -> None:
    assert stated_constraints(new_record("Write.")) == ()


STATED = (
    Stated(make_constraint("keywords:existence", {"keywords": ["雪", 'a "b"\n']}), "提到“雪”。", True, ""),
    Stated(make_constraint("judged:style", {"requirement": "Be dry."}), "Be dry.", None, "no verdict: x"),
    Stated(
        make_constraint("length_constraints:number_words", {"relation": "less than", "num_words": 9}),
        "",
        False,
        "12",
    ),
)


def test_constraints_and_verdicts_come_back_from_the_column_and_from_parquet() -> None:
    record = with_constraints(new_record("Write.", output="x", meta={"id": 7}), STATED, verified=True)
    assert stated_constraints(record) == STATED
    again = next(iter(Table.from_records([record]).records()))
    assert stated_constraints(again) == STATED
    assert again.meta["id"] == 7


def test_without_verdicts_the_column_has_none() -> None:
    record = with_constraints(new_record("Write."), STATED)
    assert all(row.keys() == {"kind", "arguments", "category", "text"} for row in record.meta[COLUMN])
    assert [one.satisfied for one in stated_constraints(record)] == [None] * 3


def test_words_are_the_instructions_own_or_else_the_registrys() -> None:
    assert STATED[0].words("en") == "提到“雪”。"
    assert STATED[2].words("en") == "Answer with less than 9 words."
    assert STATED[2].words("zh") == "回答少于 9 字。"
    assert (
        read_stated({"kind": "judged:style", "arguments": {"requirement": "Be dry."}}).words("zh")
        == "Be dry."
    )


class NoQuestion(Checked):
    """As the docstring of the package tells it."""

    kind: ClassVar[str] = "punctuation:no_question"
    category: ClassVar[Category] = "format"

    def wording(self, language: str) -> str:
        return "Ask no question."

    def check(self, answer: AnswerText) -> bool:
        return "?" not in answer.text


class Taken(NoQuestion):
    """A kind whose name is taken."""

    kind: ClassVar[str] = "punctuation:no_comma"


def plugged_in(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    entry = EntryPoint("punctuation.no_question", value, registry.GROUP)
    monkeypatch.setattr(registry, "entry_points", lambda group: [entry] if group == registry.GROUP else [])
    registry.kinds.cache_clear()


@pytest.fixture
def fresh() -> Any:
    yield
    registry.kinds.cache_clear()


@pytest.mark.usefixtures("fresh")
def test_a_plug_in_adds_a_kind(monkeypatch: pytest.MonkeyPatch) -> None:
    plugged_in(monkeypatch, f"{__name__}:NoQuestion")
    constraint = make_constraint("punctuation:no_question", {})
    assert isinstance(constraint, Checked)
    assert constraint.check(AnswerText("No."))
    record = replace(new_record("x"), meta={COLUMN: [{"kind": "punctuation:no_question"}]})
    assert stated_constraints(record)[0].words("en") == "Ask no question."


@pytest.mark.usefixtures("fresh")
@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("no_such_module:X", "cannot be loaded"),
        ("json:dumps", "is no kind of constraint"),
        (f"{__name__}:Taken", "is taken"),
    ],
)
def test_a_broken_plug_in_is_told(monkeypatch: pytest.MonkeyPatch, value: str, said: str) -> None:
    plugged_in(monkeypatch, value)
    with pytest.raises(RecipeError, match=said):
        registry.kinds()
