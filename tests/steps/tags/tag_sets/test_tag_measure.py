"""Diversity, complexity and coverage of tagged sets."""

from __future__ import annotations

import itertools
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from factory.steps.tags.tag_sets.association import Pair
from factory.steps.tags.tag_sets.measure import (
    by_source,
    complexity,
    coverage_curve,
    differences,
    diversity,
    other_spellings,
    rare_tags,
    summarize,
    tag_counts,
    top_pairs,
    top_tags,
)

LISTS = [["sql", "join"], ["sql", "sql"], [], ["诗歌", "sql", "join"]]
ANY_LISTS = st.lists(st.lists(st.sampled_from("abcdefg"), max_size=4), max_size=7)


def test_diversity_is_the_share_of_the_pools_tags() -> None:
    assert diversity(["a", "b", "z"], ["a", "b", "c", "d"]) == 0.5
    assert diversity(["a"], []) is None


def test_complexity_leaves_untagged_records_out() -> None:
    assert complexity(LISTS) == pytest.approx((2 + 1 + 3) / 3)
    assert complexity([[], []]) is None


def test_a_summary_counts_what_could_not_be_tagged() -> None:
    found = summarize("all", LISTS, ["sql", "join", "诗歌", "poem"])
    assert (found.records, found.tagged, found.tags, found.uses, found.once) == (4, 3, 3, 6, 1)
    assert found.diversity == 0.75


def test_sources_are_measured_against_the_same_pool_largest_first() -> None:
    rows = by_source(LISTS, ["x", "y", "y", "y"], {"sql", "join", "诗歌"})
    assert [(row.name, row.records, row.tagged) for row in rows] == [("y", 3, 2), ("x", 1, 1)]
    assert rows[1].diversity == pytest.approx(2 / 3)


@given(ANY_LISTS)
def test_the_coverage_curve_is_the_mean_over_all_subsets(lists: list[list[str]]) -> None:
    tagged = [set(tags) for tags in lists if tags]
    curve = coverage_curve(lists, points=10)
    assert [point.records for point in curve] == list(range(1, len(tagged) + 1))
    for size, tags in curve:
        subsets = list(itertools.combinations(tagged, size))
        assert tags == pytest.approx(sum(len(set().union(*subset)) for subset in subsets) / len(subsets))


@pytest.mark.slow
def test_the_coverage_curve_of_a_large_set_ends_with_all_of_its_tags() -> None:
    lists = [[f"t{at % 700}", f"u{at % 11}"] for at in range(50_000)]
    curve = coverage_curve(lists)
    assert curve[-1].records == 50_000
    assert curve[-1].tags == pytest.approx(711)
    assert all(a.tags <= b.tags for a, b in itertools.pairwise(curve))


def test_common_and_rare_tags_come_in_an_order_that_ties_do_not_change() -> None:
    counts = Counter({"b": 2, "a": 2, "c": 5, "d": 1})
    assert top_tags(counts, 3) == [("c", 5), ("a", 2), ("b", 2)]
    assert rare_tags(counts, 2) == [("d", 1), ("a", 2)]


def test_pairs_count_a_record_once() -> None:
    assert top_pairs(LISTS) == [Pair("join", "sql", 2)]


@given(ANY_LISTS)
def test_pairs_are_all_pairs_that_two_records_share(lists: list[list[str]]) -> None:
    expected = Counter(pair for tags in lists for pair in itertools.combinations(sorted(set(tags)), 2))
    found = {(pair.first, pair.second): pair.records for pair in top_pairs(lists, 1000)}
    assert found == {pair: count for pair, count in expected.items() if count >= 2}


def test_differences_compare_shares_of_the_tagged_records() -> None:
    first, second = [["a"], ["a"], []], [["b"], ["a", "b"], ["b"], ["b"]]
    found = differences(first, second)
    assert found[0][:3] == ("b", 0.0, 1.0)
    assert found[1][:3] == ("a", 1.0, 0.25)
    assert differences(first, [["a"], ["a"], ["a"]]) == []
    assert differences(first, [[], []]) == [], "what has no tags has no shares"


def test_a_difference_says_whether_the_sets_can_be_told_apart() -> None:
    first, second = [["a"]] * 56 + [["b"]] * 14, [["a"]] * 48 + [["b"]] * 32
    found = differences(first, second)[0]
    assert found.interval == pytest.approx((0.0524, 0.3339), abs=1e-4), "Newcombe (1998), table II (a)"
    assert found.told_apart
    few = differences(first[::10], second[::10])[0]
    assert few.interval[0] < 0 < few.interval[1]
    assert not few.told_apart


def test_what_was_made_from_one_seed_tells_no_more_of_a_difference_than_the_seed() -> None:
    first, second = [["a"], ["b"], ["b"]], [["a"], ["a"], ["b"]]
    once = differences(first, second)[0]
    grown = [[tags for tags in tags_of for _ in range(50)] for tags_of in (first, second)]
    lineages = [at for at in range(3) for _ in range(50)]
    alone = differences(*grown)[0]
    together = differences(*grown, lineages=(lineages, lineages))[0]
    assert alone.told_apart
    assert not together.told_apart
    assert together.interval[1] - together.interval[0] >= 0.99 * (once.interval[1] - once.interval[0])


def test_tags_of_one_set_only_are_found_under_other_spellings() -> None:
    found = other_spellings(["SQL", "joins", "same", "诗歌"], ["sql", "SQL!", "same", "诗歌。", "poem"])
    assert found == [("SQL", "SQL!"), ("诗歌", "诗歌。")]


@given(ANY_LISTS)
def test_counts_are_of_records_not_of_mentions(lists: list[list[str]]) -> None:
    doubled = [[*tags, *tags] for tags in lists]
    assert tag_counts(doubled) == tag_counts(lists)
