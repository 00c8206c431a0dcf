"""HSR, SSR and CSL as FollowBench counts them, but that a verdict that was not had is missing and not -1."""

from __future__ import annotations

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from factory.steps.judging.constraints.rates import (
    Tally,
    answer_rate,
    consecutive_levels,
    constraint_rate,
    level_rates,
)

Verdicts = list[bool | None]


def tally(groups: dict[str, list[Verdicts]]) -> Tally:
    """Answers at levels 1, 2, ... of each seed, with the verdicts on their constraints."""
    found = Tally()
    for group, ladder in groups.items():
        for verdicts in ladder:
            found.add(
                f"{group}-{len(verdicts)}", group, len(verdicts), verdicts.count(True), verdicts.count(None)
            )
    return found


YES, NO = True, False
TWO_SEEDS = {
    "a": [[YES], [YES, YES], [YES, NO, YES]],
    "b": [[YES], [NO, NO], [YES, YES, YES]],
}


def test_hard_soft_and_consecutive_levels_of_a_worked_example() -> None:
    columns = tally(TWO_SEEDS).columns()
    one, two, three = level_rates(*columns)
    assert (one.hsr.value, two.hsr.value, three.hsr.value) == (1.0, 0.5, 0.5)
    assert (one.ssr.value, two.ssr.value) == (1.0, 0.5)
    assert three.ssr.value == pytest.approx((2 / 3 + 1) / 2)
    csl = consecutive_levels(*columns)
    assert csl is not None
    assert csl.value == 1.5  # seed a holds for two levels, seed b for one, though its third is met
    assert answer_rate(*columns).value == pytest.approx(4 / 6)
    assert constraint_rate(*columns).value == pytest.approx(9 / 12)


def test_a_verdict_that_was_not_had_is_missing_and_never_counted() -> None:
    columns = tally({"a": [[YES], [YES, None]], "b": [[None], [YES, YES]], "c": [[NO], [NO, None]]}).columns()
    one, two = level_rates(*columns)
    assert (one.hsr.value, one.hsr.answers, one.hsr.missing) == (0.5, 2, 1)
    # With one constraint that fails the answer does not meet all; how many it meets is not known.
    assert (two.hsr.value, two.hsr.answers, two.hsr.missing) == (0.5, 2, 1)
    assert (two.ssr.value, two.ssr.answers, two.ssr.missing) == (1.0, 1, 2)
    csl = consecutive_levels(*columns)
    assert csl is not None
    assert (csl.value, csl.answers, csl.missing) == (0.0, 1, 2)
    assert constraint_rate(*columns).missing == 3


def test_where_nothing_is_known_there_is_no_figure() -> None:
    (one,) = level_rates(*tally({"a": [[None]]}).columns())
    assert one.hsr.value is None
    assert one.hsr.interval is None
    assert (one.hsr.answers, one.hsr.missing) == (0, 1)


def test_a_seed_that_lacks_a_level_has_no_csl_unless_a_lower_level_decides() -> None:
    ladders = {"whole": [[YES], [YES, YES]], "cut": [[YES]], "lost": [[NO]]}
    csl = consecutive_levels(*tally(ladders).columns())
    assert csl is not None
    assert (csl.value, csl.answers, csl.missing) == (1.0, 2, 1)


def test_answers_without_a_ladder_have_no_csl() -> None:
    assert consecutive_levels(*tally({"a": [[YES]], "b": [[NO, YES]]}).columns()) is None


def test_several_answers_at_one_level_leave_csl_missing() -> None:
    found = tally({"a": [[YES], [YES, YES]], "b": [[YES], [NO, YES]]})
    found.add("a-again", "a", 1, 0, 0)
    csl = consecutive_levels(*found.columns())
    assert csl is not None
    assert (csl.value, csl.missing) == (1.0, 1)


LADDERS = st.dictionaries(
    st.text("abcdef", min_size=1, max_size=3),
    st.integers(1, 5).flatmap(
        lambda levels: st.tuples(
            *(
                st.lists(st.sampled_from([True, False, None]), min_size=n, max_size=n)
                for n in range(1, levels + 1)
            )
        ).map(list)
    ),
    min_size=1,
    max_size=8,
)


@given(LADDERS, st.randoms(use_true_random=False))
def test_the_figures_do_not_depend_on_the_order_of_arrival(
    groups: dict[str, list[Verdicts]], chance: random.Random
) -> None:
    answers = [(group, verdicts) for group, ladder in groups.items() for verdicts in ladder]
    found = []
    for _ in range(2):
        one = Tally()
        for group, verdicts in answers:
            one.add(
                f"{group}-{len(verdicts)}", group, len(verdicts), verdicts.count(True), verdicts.count(None)
            )
        found.append((level_rates(*one.columns()), constraint_rate(*one.columns())))
        chance.shuffle(answers)
    assert found[0] == found[1]


@given(LADDERS)
def test_rates_lie_between_nothing_and_all_and_inside_their_intervals(
    groups: dict[str, list[Verdicts]],
) -> None:
    for rates in level_rates(*tally(groups).columns()):
        for rate in (rates.hsr, rates.ssr):
            assert rate.answers + rate.missing == sum(
                len(ladder) >= rates.level for ladder in groups.values()
            )
            if rate.value is not None:
                assert rate.interval is not None
                low, high = rate.interval
                assert 0 <= low <= rate.value + 1e-9
                assert rate.value - 1e-9 <= high <= 1
    csl = consecutive_levels(*tally(groups).columns())
    if csl is not None and csl.value is not None:
        assert 0 <= csl.value <= max(map(len, groups.values()))


@given(LADDERS)
def test_without_missing_verdicts_hsr_is_never_above_ssr(groups: dict[str, list[Verdicts]]) -> None:
    known = {
        group: [[bool(one) for one in verdicts] for verdicts in ladder] for group, ladder in groups.items()
    }
    for rates in level_rates(*tally(known).columns()):  # type: ignore[arg-type]
        assert rates.hsr.value is not None
        assert rates.ssr.value is not None
        assert rates.hsr.value <= rates.ssr.value or math.isclose(rates.hsr.value, rates.ssr.value)
