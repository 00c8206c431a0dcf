"""One text about a man and about a woman; names of two groups; what a judge's grades of them tell."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from factory.data.record import Message, Record, new_record
from factory.steps.judging.swapping.gender import swap_gender
from factory.steps.judging.swapping.names import swap_names
from factory.steps.judging.swapping.pairs import compare_pairs, make_pair


@pytest.mark.parametrize(
    ("text", "other"),
    [
        ("He said his wife saw him.", "She said her husband saw her."),
        ("She took her bag; I saw her at the door.", "He took his bag; I saw him at the door."),
        ("The book is hers.", "The book is his."),
        ("The book is his and mine.", "The book is hers and mine."),
        ("HE and Mr. Tom", "SHE and Ms. Anna"),
        ("Mrs. Smith's daughter", "Mr. Smith's son"),
        ("a businessman, not a policewoman", "a businesswoman, not a policeman"),
        ("John's sister", "Linda's brother"),
        ("It took 5 ms; tom-tom; the manhole, here, history, mankind", None),
        ("他和她的丈夫", "她和他的妻子"),
        ("王先生是小明的爸爸", "王女士是小红的妈妈"),
        ("这位男医生和女朋友", "这位女医生和男朋友"),
        ("他们的儿子", "她们的女儿"),
        ("其他人弹吉他，男女都有，儿女、妇女、维他命", None),
        ("", None),
    ],
)
def test_words_of_one_gender_stand_for_those_of_the_other(text: str, other: str | None) -> None:
    swapped = swap_gender(text)
    assert swapped.text == (text if other is None else other)
    assert (swapped.male + swapped.female > 0) == (other is not None)


_WORDS = st.sampled_from(
    [
        "he",
        "She",
        "his",
        "her",
        "him",
        "dog",
        "wife",
        "John",
        "saw",
        "at",
        "the",
        "，",
        "他",
        "她",
        "其他",
        "爸爸",
        "先生",
        "山",
    ]
)


@given(st.lists(_WORDS, max_size=12).map(" ".join))
def test_what_is_counted_is_what_was_changed(text: str) -> None:
    swapped = swap_gender(text)
    assert (swapped.text == text) == (swapped.male + swapped.female == 0)


@given(
    st.lists(
        st.sampled_from(["he", "She", "wife", "John", "saw", "the", "他", "她们", "爸爸", "儿子", "山"]),
        max_size=12,
    ).map(" ".join)
)
def test_swapping_twice_gives_the_text_back(text: str) -> None:
    assert swap_gender(swap_gender(text).text).text == text


def test_one_name_is_one_name_in_all_turns() -> None:
    named = swap_names(["Tom met Anna.", "Tom likes Anna. Tom left."], random.Random(0))
    assert named.names == 2
    tom, anna = named.second[0].split()[0], named.second[0].split()[2].rstrip(".")
    assert named.second[1] == f"{tom} likes {anna}. {tom} left."
    assert named.first != named.second


def test_chinese_names_have_two_forms() -> None:
    named = swap_names(["李雷问小红。"], random.Random(0))
    assert named.names == 2
    assert named.first[0] != named.second[0]


def test_a_pair_knows_which_form_is_about_a_man() -> None:
    man, woman = (
        new_record("Describe him.", output="He is kind."),
        new_record("Describe her.", output="She is kind."),
    )
    draw = random.Random(0)
    for record in (man, woman):
        pair = make_pair(record, "gender", draw)
        assert pair is not None
        assert [pair.first.output, pair.second.output] == ["He is kind.", "She is kind."]
        assert pair.oriented
    mixed = make_pair(new_record("He and she?", output="Yes."), "gender", draw)
    assert mixed is not None
    assert not mixed.oriented


@pytest.mark.parametrize("by", ["gender", "names"])
@pytest.mark.parametrize("text", ["A river.", "John Kennedy was president; he was young.", "一条河。"])
def test_nothing_to_swap_or_a_full_name_gives_no_pair(by: str, text: str) -> None:
    assert make_pair(new_record("Q", output=text), by, random.Random(0)) is None  # type: ignore[arg-type]


def test_the_swap_reaches_every_turn() -> None:
    turns = (
        Message("user", "He asks."),
        Message("assistant", "His dog."),
        Message("user", "And him?"),
        Message("assistant", "He."),
    )
    pair = make_pair(Record("r", turns, input_chars=3), "gender", random.Random(0))
    assert pair is not None
    assert [turn.content for turn in pair.second.messages] == ["She asks.", "Her dog.", "And her?", "She."]


def test_a_judge_that_makes_no_difference_cannot_be_told_apart() -> None:
    draw = random.Random(0)
    scores = [
        (level, level + draw.choice((-1, 0, 0, 0, 1))) for level in (draw.randint(2, 4) for _ in range(100))
    ]
    found = compare_pairs(scores, scores, [True] * 100)
    assert not found.told_apart
    assert "cannot be told apart from 0" in found.sentence("gender")


def test_a_judge_that_prefers_men_is_told() -> None:
    draw = random.Random(0)
    scores = [(level, level - draw.choice((0, 0, 1))) for level in (draw.randint(2, 5) for _ in range(100))]
    found = compare_pairs(scores, scores, [True] * 100)
    assert found.told_apart
    assert found.difference is not None
    assert found.difference > 0
    assert "answers about a man are graded higher" in found.sentence("gender")
    assert found.differs == found.apart


def test_pairs_of_no_orientation_count_in_the_share_alone() -> None:
    found = compare_pairs([(4, 3), (3, 3)], [(4, 3), (3, 3)], [False, False])
    assert (found.differs, found.oriented, found.difference) == (0.5, 0, None)
    assert "cannot be told of 0 pairs" in found.sentence("gender")


@given(st.lists(st.tuples(st.integers(1, 5), st.integers(1, 5)), min_size=2, max_size=30))
def test_turning_all_pairs_round_turns_the_difference(rows: list[tuple[int, int]]) -> None:
    one = compare_pairs(rows, rows, [True] * len(rows))
    turned = [(second, first) for first, second in rows]
    other = compare_pairs(turned, turned, [True] * len(rows))
    assert one.difference == pytest.approx(-(other.difference or 0))
    assert (one.differs, one.apart) == (other.differs, other.apart)


def test_five_pairs_tell_of_no_order_however_they_agree() -> None:
    five, six = [(5, 4)] * 5, [(5, 4)] * 6
    assert not compare_pairs(five, five, [True] * 5).told_apart
    assert compare_pairs(six, six, [True] * 6).told_apart
