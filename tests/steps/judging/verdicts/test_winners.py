"""What the words of judges of pairs name: the first answer, the second, or neither."""

from __future__ import annotations

import pytest

from factory.steps.judging.verdicts.winners import Winner, meaning_of


@pytest.mark.parametrize(
    ("words", "winner"),
    [
        (("A", "first", "[[A]]", "第一个", "前者", "回答一", "答案A", "A更好"), 1),
        (("B", "second", "[[B]]", "第二个", "后者", "回答二", "答案B", "B更好"), 2),
        (("tie", "C", "[[C]]", "平", "平局", "一样", "不分胜负"), 0),
    ],
)
def test_a_word_for_a_winner_is_read_in_english_and_chinese(words: tuple[str, ...], winner: Winner) -> None:
    for word in words:
        assert list(meaning_of([word], "verdict", "--labels").values()) == [winner]


def test_a_word_that_nobody_agreed_on_names_no_winner() -> None:
    assert meaning_of(["胜", "better", "甲"], "verdict", "--labels") == {}
