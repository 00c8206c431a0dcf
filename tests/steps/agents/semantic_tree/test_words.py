"""Which content words a text has of another."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from factory.steps.agents.semantic_tree.words import holds, more_often, new_terms, share_held


@pytest.mark.parametrize(
    ("text", "words", "held"),
    [
        ("It evaporates over the rivers.", "river", True),
        ("It evaporates over the rivers.", "evaporation", True),
        ("It evaporates.", "river", False),
        ("A table that is short.", "short table", True),
        ("讲清抗体起什么作用。", "抗体", True),
        ("分析其中的原因。", "分析原因", True),
        ("身体抗拒寒冷。", "抗体", False),
        ("什么都没说。", "抗体", False),
        ("用 Python 写。", "Python", True),
        ("anything", "the of", True),
        ("把两者比较一番。", "比较", True),
        ("说说两者。", "比较", False),
    ],
)
def test_words_are_held_in_any_inflection_and_characters_side_by_side(
    text: str, words: str, held: bool
) -> None:
    assert holds(text, words) == held


def test_shares_and_new_words_count_content_words_alone() -> None:
    assert share_held("Explain why the sea is salty.", "The salty sea.") == pytest.approx(2 / 3)
    assert share_held("the of", "anything") == 1.0
    assert new_terms("Explain the salty seas and the rivers.", "Explain the sea; salty.") == {"river"}
    assert new_terms("说明河流", "说明") == {"河", "流"}
    assert new_terms("比较", "说明") == {"比", "较"}
    assert not new_terms("the", "Explain.")
    assert not new_terms("的", "说明")


def test_a_word_that_stands_more_often_is_named() -> None:
    assert more_often("sea seas salt", "The sea is salty.") == ["salt", "sea"]
    assert more_often("the sea", "The sea is salty.") == []
    assert more_often("疫苗疫苗", "疫苗") == ["疫", "苗"]


@given(st.text(max_size=40), st.text(max_size=40))
def test_a_text_holds_itself_and_all_that_is_put_before_it(text: str, more: str) -> None:
    assert holds(text, text)
    assert share_held(text, f"{more}\n{text}") == 1.0
    assert not new_terms(text, f"{more}\n{text}")
