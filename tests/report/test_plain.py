"""Text from data as a person can safely read it."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from factory.report.plain import clip, clock, counts, duration, money, visible


@given(st.text())
def test_visible_text_holds_no_control_but_line_ends_and_tabs(text: str) -> None:
    assert not [
        c for c in visible(text) if unicodedata.category(c) in ("Cc", "Zl", "Zp", "Cs") and c not in "\n\t"
    ]


@given(st.text())
def test_making_visible_text_visible_changes_nothing(text: str) -> None:
    assert visible(visible(text)) == visible(text)


@pytest.mark.parametrize(
    "text",
    ["plain", "全角　空格，标点。", "a\n\tb", "می\u200cخواهم", "👩\u200d🔬", "no\xa0break", "é e\u0301"],
)
def test_what_people_write_stays_as_it_is(text: str) -> None:
    assert visible(text) == text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[2J", "\\x1b[2J"),
        ("\u202eevil", "\\u202eevil"),
        ("a\r\nb\rc", "a\nb\\rc"),
        ("\ud800", "\\ud800"),
    ],
)
def test_what_acts_or_hides_is_written_out(text: str, shown: str) -> None:
    assert visible(text) == shown


def test_clipped_text_says_how_much_is_gone() -> None:
    assert clip("ab cd ef", 5) == "ab cd … (3 more characters)"
    assert clip(" ab ", 2) == "ab"


def test_counts_begin_with_the_largest() -> None:
    assert counts({"b": 1, "c": 1200, "a": 1}) == "c 1,200, a 1, b 1"


@pytest.mark.parametrize(
    ("seconds", "words", "digits"),
    [
        (0, "0.0 s", "0:00"),
        (59.97, "1 min 0 s", "1:00"),
        (80, "1 min 20 s", "1:20"),
        (7500, "2 h 5 min", "2:05:00"),
    ],
)
def test_seconds_are_told_as_people_tell_them(seconds: float, words: str, digits: str) -> None:
    assert (duration(seconds), clock(seconds)) == (words, digits)


def test_small_amounts_of_money_keep_their_digits() -> None:
    assert [money(x) for x in (0, 0.0042, 1234.5)] == ["0.00", "0.0042", "1,234.50"]
