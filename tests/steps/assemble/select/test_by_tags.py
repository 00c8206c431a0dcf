"""Choices by tags: InsTag's algorithm 1, and information gain on a graph of tags."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_pools import unit

from factory.steps.assemble.select.by_tags import complexity_first, information_gain, tag_propagation
from factory.steps.assemble.select.pool import TagLists

tag_lists = st.lists(st.lists(st.sampled_from("abcdef"), max_size=5), min_size=1, max_size=14)


def word_for_word(lists: list[list[str]], size: int) -> list[int]:
    """Algorithm 1 as it stands in the paper, with a fill of rows without a tag."""
    left = sorted(range(len(lists)), key=lambda at: -len(set(lists[at])))
    chosen: list[int] = []
    while len(chosen) < size:
        seen: set[str] = set()
        added = False
        for row in list(left):
            if len(seen | set(lists[row])) > len(seen):
                seen |= set(lists[row])
                chosen.append(row)
                left.remove(row)
                added = True
                if len(chosen) == size:
                    return chosen
        if not added:
            return chosen + sorted(left)[: size - len(chosen)]
    return chosen


@settings(deadline=None)
@given(tag_lists, st.integers(1, 14))
def test_complexity_first_is_the_papers_algorithm(lists: list[list[str]], size: int) -> None:
    size = min(size, len(lists))
    rows, _, untagged = complexity_first(TagLists.read(lists), size)
    assert rows.tolist() == word_for_word(lists, size)
    assert untagged == sum(not lists[row] for row in rows)


@settings(deadline=None)
@given(tag_lists)
def test_one_pass_covers_every_tag(lists: list[list[str]]) -> None:
    tags = TagLists.read(lists)
    rows, _, _ = complexity_first(tags, len(lists))
    number = next(at for at in range(len(lists) + 1) if covers(tags, rows[:at]) == len(tags.names))
    assert complexity_first(tags, max(1, number))[1] <= 1


def covers(tags: TagLists, rows: np.ndarray) -> int:
    return len(np.unique(np.concatenate([np.zeros(0, np.int64), *(tags.of(row) for row in rows)])))


def test_the_chosen_rows_have_more_tags_than_the_pool() -> None:
    random = np.random.default_rng(0)
    tags = TagLists.read(
        [[f"t{at}" for at in random.integers(300, size=n)] for n in random.integers(9, size=800)]
    )
    rows, _, _ = complexity_first(tags, 100)
    assert tags.counts[rows].mean() > 1.5 * tags.counts.mean()
    assert covers(tags, rows) > covers(tags, random.permutation(800)[:100])


def information(tags: TagLists, rows: tuple[int, ...]) -> float:
    held = np.zeros(len(tags.names))
    for row in rows:
        held[tags.of(row)] += 1
    return float(((held + 1e-6) ** 0.8).sum())


@settings(deadline=None, max_examples=40)
@given(st.lists(st.lists(st.sampled_from("abcd"), max_size=4), min_size=2, max_size=8), st.integers(1, 4))
def test_information_gain_never_grows_and_is_close_to_the_best(lists: list[list[str]], size: int) -> None:
    tags = TagLists.read(lists)
    if not tags.names:
        return
    size = min(size, len(lists))
    taken = information_gain(tags, np.ones(len(lists)), size)
    assert (np.diff(taken.gains) <= 1e-9).all()
    best = max(information(tags, rows) for rows in itertools.combinations(range(len(lists)), size))
    nothing = information(tags, ())
    gained = information(tags, tuple(taken.rows.tolist())) - nothing
    assert gained >= (1 - 1 / np.e) * (best - nothing) - 1e-9


def test_a_tag_that_is_there_counts_for_less_than_a_new_one_and_quality_weighs() -> None:
    tags = TagLists.read([["a"], ["a"], ["b"], []])
    assert information_gain(tags, np.ones(4), 4).rows.tolist() == [0, 2, 1, 3]
    assert information_gain(tags, np.array([1.0, 2.0, 1.0, 9.0]), 2).rows.tolist() == [1, 2]
    assert information_gain(tags, np.array([0.0, 0.0, 1.0, 9.0]), 1).rows.tolist() == [2]


def test_tags_that_mean_the_same_share_what_they_carry() -> None:
    tags = TagLists.read([["maths"], ["mathematics"], ["music"]])
    assert list(tags.names) == ["mathematics", "maths", "music"]
    vectors = unit(np.array([[1, 0.01], [1, 0], [0, 1]]))
    lent = tag_propagation(vectors, 0.9)
    assert np.bincount(lent[1], lent[2]) == pytest.approx(np.ones(3))
    rows = information_gain(tags, np.ones(3), 3, lent).rows.tolist()
    assert rows[1] == 2 or rows[0] == 2  # the second of the two synonyms comes last
    assert sorted(rows[:2]) != [0, 1]
