"""What the rules about cuts and loops count, and where they say nothing."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from factory.data.record import Message, Record, new_record
from factory.steps.clean.clean import Clean
from factory.steps.clean.rules.loops import _pairs
from factory.steps.clean.rules.registry import rules
from factory.steps.clean.rules.view import View


@given(st.text(max_size=60))
def test_different_pairs_of_characters_are_counted(text: str) -> None:
    assert _pairs(text) == len(set(itertools.pairwise(text)))


def test_half_of_a_surrogate_pair_has_pairs_too() -> None:
    assert _pairs("a\ud800b\ud800b") == 3


def found(answer: str, asked: str = "Why?") -> list[str]:
    view = View(new_record(asked, output=answer))
    return [name for name in ("cut_off", "no_end_mark") if list(rules()[name].findings(view))]


CUT = "The sea is wide. It is salty. Rivers bring salt. The salt stays behind when the water leaves, and then they"


def test_a_cut_is_told_once() -> None:
    assert found(CUT) == ["cut_off"]
    assert found(CUT.removesuffix(", and then they")) == ["no_end_mark"]
    assert found(CUT.removesuffix(", and then they") + ".") == []


@pytest.mark.parametrize("asked", ["Write a poem.", "Continue the story.", "写一首诗。"])
def test_verse_and_texts_to_be_gone_on_with_may_end_anywhere(asked: str) -> None:
    assert found(CUT, asked) == []


@pytest.mark.parametrize(
    "answer",
    [
        "```\nThe sea is wide. It is salty. Rivers bring salt. The salt stays behind when the\n```",
        "| sea | It is salty. Rivers bring it. It stays. The salt stays behind when the",
        "- The sea is wide. It is salty. Rivers bring salt. The salt stays behind when the",
        "x = 1\ny = x + 1\nprint(x)\nz = x if y else the",
    ],
)
def test_code_tables_and_lists_are_passed_over(answer: str) -> None:
    assert found(answer) == []


def test_only_the_last_turn_can_be_cut() -> None:
    turns = (Message("user", "Why?"), Message("assistant", CUT), Message("user", "Go on."))
    view = View(Record("x", (*turns, Message("assistant", "They stay."))))
    assert list(rules()["cut_off"].findings(view)) == []


def test_a_forgotten_mark_is_reported_and_lets_no_row_go() -> None:
    actions = Clean(profile="strict").cleaner.actions
    assert (actions["cut_off"], actions["no_end_mark"]) == ("drop", "report")
