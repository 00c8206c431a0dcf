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
    weights = level_weights(text, json_score_place(text), said, 1, 5)
    assert weights == pytest.approx({4: 0.75, 5: 0.25})
    mean, spread = mean_and_spread(weights or {})
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
    assert level_weights("分数：4", (3, 4), said, 1, 5) == pytest.approx({3: 0.3, 4: 0.7})


def test_an_earlier_number_is_not_taken_for_the_score() -> None:
    text = "It names 4 rivers.\nScore: 4"
    said = [
        *tokens("It names ", "4", " rivers.\n", at=1, t4=0.5, t1=0.5),
        *tokens("Score:", " 4", at=1, **{"t 4": 0.9, "t 5": 0.1}),
    ]
    assert level_weights(text, place(text, "4"), said, 1, 5) == pytest.approx({4: 0.9, 5: 0.1})


def test_reasoning_before_the_reply_and_the_end_token_do_not_move_the_place() -> None:
    text = '{"reason": "ok", "score": 2}'
    said = tokens(
        "<think>", "score 5", "</think>", '{"reason": "ok", "score": ', "2", "}", "</s>", at=4, t2=1.0
    )
    assert level_weights(text, json_score_place(text), said, 1, 5) == {2: 1.0}


def test_a_reason_that_quotes_the_field_cannot_pass_for_it() -> None:
    text = '{"score": 2, "reason": "it says \\"score\\": 5"}'
    start, end = json_score_place(text)
    assert text[start:end] == "2"


@pytest.mark.parametrize(
    "said",
    [
        [],
        tokens("Score: ", "1", "0", at=1, t1=1.0),
        tokens("Score: 10", at=0, t1=1.0),
        tokens("something else", at=0, t1=1.0),
        [TokenLogprob("Score: ", -0.1), TokenLogprob("10", math.nan, (("10", math.nan),))],
    ],
    ids=["no log-probabilities", "two tokens", "part of a token", "another text", "not a number"],
)
def test_where_the_place_cannot_be_told_there_is_no_expectation(said: list[TokenLogprob]) -> None:
    assert level_weights("Score: 10", (7, 9), said, 1, 10) is None


def test_a_level_that_begins_another_needs_proof_that_both_are_tokens() -> None:
    split = tokens("Score: ", "8", at=1, t8=0.5, t1=0.5)
    assert level_weights("Score: 8", (7, 8), split, 1, 10) is None
    whole = tokens("Score: ", "8", at=1, t8=0.5, t10=0.5)
    assert level_weights("Score: 8", (7, 8), whole, 1, 10) == {8: 0.5, 10: 0.5}


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
