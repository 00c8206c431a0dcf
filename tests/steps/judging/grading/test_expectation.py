"""The expectation over the levels where a judge wrote its score."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from factory.models.base import TokenLogprob
from factory.steps.judging.grading.expectation import (
    json_score_place,
    level_weights,
    mean_and_spread,
    mixture,
    selectit,
)


def tokens(*texts: str, at: int, **top: float) -> list[TokenLogprob]:
    """Tokens of these texts; the one at index `at` has the probabilities of `top` (names without "t")."""
    likely = tuple((name.removeprefix("t"), math.log(p)) for name, p in top.items())
    return [
        TokenLogprob(text, dict(likely).get(text, -0.1), likely if index == at else ((text, -0.1),))
        for index, text in enumerate(texts)
    ]


def place(text: str, digits: str) -> tuple[int, int]:
    start = text.rindex(digits)
    return start, start + len(digits)


def test_the_expectation_is_taken_over_the_levels_alone() -> None:
    text = '{"reason": "fine", "score": 4}'
    said = tokens(
        '{"reason": "', "fine", '", "score": ', "4", "}", "<|end|>", at=3, t4=0.6, t5=0.2, tgood=0.1, t7=0.1
    )
    weights, _ = level_weights(text, json_score_place(text), said, 1, 5)
    assert weights == pytest.approx({4: 0.75, 5: 0.25})
    mean, spread = mean_and_spread(weights)
    assert mean == pytest.approx(4.25)
    assert spread == pytest.approx(math.sqrt(0.75 * 0.25))


def test_spellings_of_one_level_count_together() -> None:
    said = [
        TokenLogprob("分数：", -0.1),
        TokenLogprob(
            "4",
            -0.7,
            (("4", math.log(0.5)), (" 4", math.log(0.1)), ("四", math.log(0.1)), ("３", math.log(0.3))),
        ),
    ]
    assert level_weights("分数：4", (3, 4), said, 1, 5).weights == pytest.approx({3: 0.3, 4: 0.7})


def test_an_earlier_number_is_not_taken_for_the_score() -> None:
    text = "It names 4 rivers.\nScore: 4"
    said = [
        *tokens("It names ", "4", " rivers.\n", at=1, t4=0.5, t1=0.5),
        *tokens("Score:", " 4", at=1, **{"t 4": 0.9, "t 5": 0.1}),
    ]
    assert level_weights(text, place(text, "4"), said, 1, 5).weights == pytest.approx({4: 0.9, 5: 0.1})


def test_reasoning_before_the_reply_and_the_end_token_do_not_move_the_place() -> None:
    text = '{"reason": "ok", "score": 2}'
    said = tokens(
        "<think>", "score 5", "</think>", '{"reason": "ok", "score": ', "2", "}", "</s>", at=4, t2=1.0
    )
    assert level_weights(text, json_score_place(text), said, 1, 5).weights == {2: 1.0}


def test_a_reason_that_quotes_the_field_cannot_pass_for_it() -> None:
    text = '{"score": 2, "reason": "it says \\"score\\": 5"}'
    start, end = json_score_place(text)
    assert text[start:end] == "2"


@pytest.mark.parametrize(
    "said",
    [
        [],
        tokens("Score: 10", at=0, t1=1.0),
        tokens("something else", at=0, t1=1.0),
        [TokenLogprob("Score: ", -0.1), TokenLogprob("10", math.nan, (("10", math.nan),))],
        tokens("Score: ", "10th", at=1, t1=1.0),
    ],
    ids=["no log-probabilities", "part of a token", "another text", "not a number", "a longer word"],
)
def test_where_the_place_cannot_be_told_there_is_no_expectation(said: list[TokenLogprob]) -> None:
    weights, problem = level_weights("Score: 10", (7, 9), said, 1, 10)
    assert weights == {}
    assert problem


def test_levels_of_less_than_half_of_the_probability_are_no_answer() -> None:
    for share, known in ((0.49, False), (0.5, True)):
        said = tokens("Score: ", "4", at=1, t4=share - 0.2, t3=0.2, tgood=1 - share)
        weights, problem = level_weights("Score: 4", (7, 8), said, 1, 5)
        assert bool(weights) is known
        assert known or problem == "it gave the levels 1 to 5 a probability of 0.49 in all"


def test_a_level_of_two_tokens_is_followed_to_its_end() -> None:
    """A tokenizer of single digits: of all that begins with 1, nine tenths go on with 0."""
    said = [
        TokenLogprob("Score: ", -0.1),
        TokenLogprob("1", math.log(0.8), (("1", math.log(0.8)), ("8", math.log(0.2)))),
        TokenLogprob("0", math.log(0.9), (("0", math.log(0.9)), ("\n", math.log(0.1)))),
    ]
    assert level_weights("Score: 10", (7, 9), said, 1, 10).weights == pytest.approx(
        {1: 0.08, 8: 0.2, 10: 0.72}
    )
    ended = TokenLogprob("\n", math.log(0.1), (("\n", math.log(0.1)), ("0", math.log(0.9))))
    one = [*said[:2], ended]
    assert level_weights("Score: 1\n", (7, 8), one, 1, 10).weights == pytest.approx(
        {1: 0.08, 8: 0.2, 10: 0.72}
    )
    assert level_weights("Score: 1", (7, 8), said[:2], 1, 10).weights == pytest.approx({1: 0.8, 8: 0.2})


def test_a_token_that_could_begin_several_levels_counts_for_none_unless_it_is_shown_to_be_whole() -> None:
    split = tokens("Score: ", "8", at=1, t8=0.5, t9=0.1, t1=0.4)
    assert level_weights("Score: 8", (7, 8), split, 1, 10).weights == pytest.approx({8: 5 / 6, 9: 1 / 6})
    whole = tokens("Score: ", "8", at=1, t8=0.5, t10=0.25, t1=0.25)
    assert level_weights("Score: 8", (7, 8), whole, 1, 10).weights == pytest.approx(
        {1: 0.25, 8: 0.5, 10: 0.25}
    )
    unknown = tokens("Score: ", "8", at=1, t8=0.4, t1=0.6)
    assert level_weights("Score: 8", (7, 8), unknown, 1, 10).weights == {}
    assert level_weights("Score: 8", (7, 8), unknown, 1, 9).weights == pytest.approx({1: 0.6, 8: 0.4})


@pytest.mark.parametrize("minus", ["one", "two"])
def test_a_scale_below_zero_keeps_its_sign(minus: str) -> None:
    text = '{"reason": "bad", "score": -2}'
    start, end = json_score_place(text)
    assert text[start:end] == "-2"
    if minus == "one":
        said = tokens('{"reason": "bad", "score": ', "-2", "}", at=1, **{"t-2": 0.6, "t2": 0.3, "t-1": 0.1})
    else:
        said = [
            TokenLogprob('{"reason": "bad", "score": ', -0.1),
            TokenLogprob("-", math.log(0.7), (("-", math.log(0.7)), ("2", math.log(0.3)))),
            TokenLogprob("2", math.log(6 / 7), (("2", math.log(6 / 7)), ("1", math.log(1 / 7)))),
            TokenLogprob("}", 0.0),
        ]
    found = level_weights(text, (start, end), said, -2, 2).weights
    assert found == pytest.approx({-2: 0.6, -1: 0.1, 2: 0.3})
    assert level_weights(text, (start, end), said, 1, 5).weights == {}, "a minus is not stripped"


LEVELS = st.dictionaries(st.integers(-9, 19), st.floats(0.01, 1), min_size=1, max_size=12)


@given(LEVELS, st.data())
def test_digits_as_single_tokens_give_the_true_distribution_of_what_was_written(
    raw: dict[int, float], data: st.DataObject
) -> None:
    """Along the tokens written nothing is lost: the levels that share their first sign or digit are exact."""
    total = sum(raw.values())
    true = {level: weight / total for level, weight in raw.items()}
    stated = data.draw(st.sampled_from(sorted(true)))
    said = [TokenLogprob("Score: ", -0.1)]
    for at in range(len(str(stated)) + 1):
        begun = {level: w for level, w in true.items() if str(level).startswith(str(stated)[:at])}
        next_ones: dict[str, float] = {}
        for level, weight in begun.items():
            following = str(level)[at : at + 1] or "\n"
            next_ones[following] = next_ones.get(following, 0.0) + weight / sum(begun.values())
        top = tuple((token, math.log(p)) for token, p in next_ones.items())
        token = str(stated)[at : at + 1] or "\n"
        said.append(TokenLogprob(token, dict(top)[token], top))
    weights, problem = level_weights(f"Score: {stated}\n", (7, 7 + len(str(stated))), said, -9, 19)
    alike = {level: w for level, w in true.items() if str(level)[0] == str(stated)[0]}
    if sum(alike.values()) > 0.501:
        assert not problem
        assert weights[stated] > 0
        known = {level: w for level, w in weights.items() if str(level)[0] == str(stated)[0]}
        scale = sum(known.values()) / sum(alike.get(level, 0.0) for level in known)
        for level, weight in known.items():
            assert weight == pytest.approx(alike.get(level, 0.0) * scale, rel=1e-6, abs=1e-9)
    assert not weights or sum(weights.values()) == pytest.approx(1)


WEIGHTS = st.dictionaries(st.integers(1, 5), st.floats(0.01, 1), min_size=1)


@given(st.lists(WEIGHTS, min_size=1, max_size=5))
def test_a_mixture_has_the_mean_of_the_means_and_at_least_the_mean_variance(
    raw: list[dict[int, float]],
) -> None:
    parts = [{level: w / sum(part.values()) for level, w in part.items()} for part in raw]
    means, spreads = zip(*(mean_and_spread(part) for part in parts), strict=True)
    mean, spread = mean_and_spread(mixture(parts))
    assert mean == pytest.approx(sum(means) / len(means))
    assert spread**2 >= sum(s**2 for s in spreads) / len(spreads) - 1e-9


def test_selectit_weighs_the_likeliest_level_by_how_far_it_stands_above_the_others() -> None:
    assert selectit([{5: 1.0}], 1, 5) == 5.0
    assert selectit([dict.fromkeys(range(1, 6), 0.2)], 1, 5) == 0.0
    assert selectit([{3: 0.6, 4: 0.4}], 1, 5) == pytest.approx(3 * (0.2 + 3 * 0.6) / 4)
    assert selectit([], 1, 5) is None


def test_levels_count_from_1_for_selectit_whatever_the_scale() -> None:
    for low in (-2, 0, 1, 3):
        part = {low + 2: 0.6, low + 3: 0.4}
        assert selectit([part], low, low + 4) == pytest.approx(3 * (0.2 + 3 * 0.6) / 4)
        sure, unsure = (
            selectit([{low: 1.0}], low, low + 4),
            selectit([{low: 0.6, low + 1: 0.4}], low, low + 4),
        )
        assert sure is not None
        assert unsure is not None
        assert 1.0 == sure > unsure > 0, "the lowest level weighs something too"


def test_selectit_takes_off_what_samples_differ_by() -> None:
    one, other = {4: 1.0}, {2: 1.0}
    assert selectit([one, one], 1, 5) == 4.0
    assert selectit([one, other], 1, 5) == pytest.approx(3 / (1 + 0.2 * 1))
    assert selectit([one, other], 1, 5) == selectit([other, one], 1, 5)
