"""Words that a model quotes are found where they stand, word for word, and nowhere else."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from factory.steps.agents.grounding.spans import Searched

TEXT = (
    "The **Lume L2** lantern runs for 9\nhours — on a “full” charge. Parties are art.\n\n"
    "青竹 K3 电热水壶的容量\n为 1.7 升，烧开一壶水约需 6 分钟。保温档可将水温维持在 55 ℃。"
)


@pytest.mark.parametrize(
    ("quotation", "words"),
    [
        ("runs for 9 hours", "runs for 9\nhours"),
        ("the lume l2 LANTERN", "The **Lume L2** lantern"),
        ('9 hours - on a "full" charge', "9\nhours — on a “full” charge"),
        ("  runs   for  9 hours...", "runs for 9\nhours"),
        ("容量为 1.7 升", "容量\n为 1.7 升"),
        ("青竹K3电热水壶", "青竹 K3 电热水壶"),
        ("５５ ℃", "55 ℃"),
        ("容量为1.7升,烧开一壶水", "容量\n为 1.7 升，烧开一壶水"),
        ("on a full charge", None),  # a quotation mark is a sign, and signs within the words count
        ("runs for 90 hours", None),
        ("runs for 9 days", None),
        ("arties are art", None),
        ("Parties are ar", None),
        ("容量为 1.8 升", None),
        ("runs", None),
        ("", None),
        ("...", None),
    ],
)
def test_words_are_the_same_after_normalisation_and_not_otherwise(quotation: str, words: str | None) -> None:
    place = Searched(TEXT).find(quotation)
    assert (place and TEXT[place.start : place.end]) == words


def test_the_stop_that_ends_a_quotation_belongs_to_the_span() -> None:
    place = Searched(TEXT).find("Parties are art.")
    assert place is not None
    assert TEXT[place.start : place.end] == "Parties are art."


def test_a_name_of_one_word_is_held_and_not_quoted() -> None:
    assert Searched(TEXT).holds("L2")
    assert not Searched(TEXT).holds("L")
    assert Searched(TEXT).find("L2") is None


words = st.text("abc12 中文，。“'*-\n\u200bÅé", min_size=0, max_size=60)


@given(words, words, st.text("abcdefg 中文", min_size=5, max_size=20))
def test_whatever_stands_there_between_blanks_is_found_and_its_offsets_are_its_words(
    before: str, behind: str, quoted: str
) -> None:
    text = f"{before} \n {quoted} \n {behind}"
    place = Searched(text).find(quoted)
    if place is not None:
        found = text[place.start : place.end]
        again = Searched(found).find(quoted)
        assert again is not None
    else:
        assert len("".join(quoted.split())) < len(quoted) or len(quoted.split()) < 2


@given(words, words)
def test_a_span_is_within_its_text(text: str, quoted: str) -> None:
    place = Searched(text).find(quoted)
    assert place is None or 0 <= place.start < place.end <= len(text)
