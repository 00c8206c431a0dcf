"""AutoIF's cross-validation keeps what enough of the others agree with."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from factory.steps.judging.written.cross_validation import CrossValidated, cross_validate

RIGHT = [True, True, False, False]


def test_functions_and_cases_that_agree_are_all_kept() -> None:
    assert cross_validate([RIGHT, RIGHT], RIGHT) == CrossValidated((0, 1), (0, 1, 2, 3), (1.0, 1.0))


def test_a_function_that_is_right_in_half_of_the_cases_is_not_kept() -> None:
    half = [True, True, True, True]
    found = cross_validate([RIGHT, RIGHT, half], RIGHT)
    assert (found.functions, found.cases) == ((0, 1), (0, 1, 2, 3))


def test_a_case_that_half_of_the_functions_get_wrong_is_not_kept() -> None:
    other = [True, True, False, True]
    found = cross_validate([RIGHT, other], RIGHT)
    assert found.cases == (0, 1, 2)
    assert found.shares == (1.0, 1.0)


def test_a_function_is_measured_by_the_cases_that_are_left() -> None:
    """Its two wrong verdicts fall on cases that the others get wrong too."""
    said = [
        [True, False, True, True, False],
        [True, False, True, True, False],
        [True, False, False, False, True],
    ]
    found = cross_validate(said, [True, False, False, False, True])
    assert (found.functions, found.cases) == ((0, 1, 2), (0, 1))


def test_silence_about_a_case_is_a_wrong_verdict_and_about_all_is_no_function() -> None:
    found = cross_validate([RIGHT, [None, True, False, None], [None] * 4], RIGHT)
    assert (found.functions, found.cases) == ((0, 1), (1, 2))
    assert cross_validate([[None] * 4], RIGHT).reason == "no_function"
    assert cross_validate([], RIGHT).reason == "no_function"
    assert cross_validate([[]], []).reason == "no_function"


def test_a_function_that_always_says_yes_validates_nothing() -> None:
    assert cross_validate([[True] * 4], RIGHT).reason == "one_sided"
    assert cross_validate([[True, True]], [True, True]).reason == "one_sided"


def test_where_the_functions_get_every_case_wrong_there_is_none() -> None:
    assert cross_validate([[not meets for meets in RIGHT]], RIGHT).reason == "no_case"


matrices = st.integers(0, 5).flatmap(
    lambda cases: st.tuples(
        st.lists(st.lists(st.sampled_from([True, False, None]), min_size=cases, max_size=cases), max_size=5),
        st.lists(st.booleans(), min_size=cases, max_size=cases),
    )
)


@given(matrices)
def test_what_is_kept_exceeds_half_and_both_kinds_of_case_are_there(
    given: tuple[list[list[bool | None]], list[bool]],
) -> None:
    said, meets = given
    found = cross_validate(said, meets)
    assert bool(found.reason) == (not found.functions) == (not found.cases)
    assert len(found.shares) == len(found.functions)
    if found.functions:
        assert {meets[case] for case in found.cases} == {True, False}
    assert all(0.5 < share <= 1 for share in found.shares)
    running = [row for row in said if set(row) - {None}]
    for case in found.cases:
        assert 2 * sum(row[case] is meets[case] for row in running) > len(running)


@given(matrices, st.randoms(use_true_random=False))
def test_the_order_of_functions_does_not_matter(
    given: tuple[list[list[bool | None]], list[bool]], chance: object
) -> None:
    said, meets = given
    order = list(range(len(said)))
    chance.shuffle(order)  # type: ignore[attr-defined]
    found, other = cross_validate(said, meets), cross_validate([said[at] for at in order], meets)
    assert found.cases == other.cases
    assert set(found.functions) == {order[at] for at in other.functions}
