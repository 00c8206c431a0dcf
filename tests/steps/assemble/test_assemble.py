"""Quotas are fair, and the set that is assembled holds the best of each kind."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from factory.data.record import Drop, Record, new_record
from factory.data.table import Table
from factory.step import Context
from factory.steps.assemble.assemble import Assemble
from factory.steps.assemble.select.quota import equal_quotas

counts_of_groups = st.dictionaries(st.text(max_size=3), st.integers(0, 30), max_size=8)
sizes = st.integers(0, 120)


def one_by_one(counts: Mapping[str, int], size: int) -> dict[str, int]:
    """Max-min fairness, word for word: the next place always goes to the group with the fewest places."""
    quotas = dict.fromkeys(counts, 0)
    for _ in range(min(size, sum(counts.values()))):
        open_groups = [group for group in counts if quotas[group] < counts[group]]
        # Level by level; within a level the larger group first, then the order of the names.
        quotas[min(open_groups, key=lambda group: (quotas[group], -counts[group], group))] += 1
    return quotas


@settings(deadline=None)
@given(counts_of_groups, sizes)
def test_quotas_are_those_of_handing_out_places_one_by_one(counts: dict[str, int], size: int) -> None:
    assert equal_quotas(counts, size) == one_by_one(counts, size)


@settings(deadline=None)
@given(counts_of_groups, sizes)
def test_quotas_sum_to_the_size_and_ask_no_group_for_more_than_it_has(
    counts: dict[str, int], size: int
) -> None:
    quotas = equal_quotas(counts, size)
    assert quotas.keys() == counts.keys()
    assert sum(quotas.values()) == min(size, sum(counts.values()))
    assert all(0 <= quotas[group] <= counts[group] for group in counts)


@settings(deadline=None)
@given(counts_of_groups, sizes)
def test_a_group_gets_less_than_another_only_where_it_has_no_more(counts: dict[str, int], size: int) -> None:
    quotas = equal_quotas(counts, size)
    for poor in counts:
        for rich in counts:
            if quotas[poor] + 1 < quotas[rich]:
                assert quotas[poor] == counts[poor]


@settings(deadline=None)
@given(counts_of_groups, sizes, st.randoms(use_true_random=False))
def test_quotas_do_not_depend_on_the_order_of_the_groups(counts: dict[str, int], size: int, random) -> None:  # type: ignore[no-untyped-def]
    shuffled = list(counts.items())
    random.shuffle(shuffled)
    assert equal_quotas(dict(shuffled), size) == equal_quotas(counts, size)


@pytest.mark.parametrize(
    ("counts", "size", "quotas"),
    [
        ({}, 5, {}),
        ({"a": 10, "b": 10, "c": 10}, 5, {"a": 2, "b": 2, "c": 1}),
        ({"a": 2, "b": 100, "c": 100}, 62, {"a": 2, "b": 30, "c": 30}),
        ({"a": 10, "b": 20}, 5, {"a": 2, "b": 3}),
        ({"a": 1, "b": 1}, 100, {"a": 1, "b": 1}),
        ({"写作": 5, "数学": 5}, -1, {"写作": 0, "数学": 0}),
    ],
)
def test_quotas_of_small_cases(counts: dict[str, int], size: int, quotas: dict[str, int]) -> None:
    assert equal_quotas(counts, size) == quotas


def record(at: int, task: str = "", score: float | None = None, *, output: str = "yes") -> Record:
    made = new_record(f"问题 {at}", output=output, task=task, lang="zh", source="pool")
    return made if score is None else replace(made, scores={"judge.quality": score})


def assemble(
    step: Assemble, records: Sequence[Record], seed: int = 0, notices: list[str] | None = None
) -> tuple[list[Record], list[str]]:
    """The set after the step, and its warnings; its notices are added to `notices`."""
    warnings: list[str] = []
    notices = [] if notices is None else notices

    def nobody(name: str) -> object:
        raise AssertionError("assemble asks no model")

    context = Context("05-assemble", seed, nobody, nobody, warn=warnings.append, tell=notices.append)  # type: ignore[arg-type]
    result = asyncio.run(step.run(Table.from_records(records), context))
    return list(result.records()), warnings


def chosen(records: Sequence[Record]) -> list[int]:
    return [at for at, one in enumerate(records) if one.dropped is None]


def test_each_value_gets_its_share_and_a_small_one_gives_all_it_has() -> None:
    tasks = ["写作"] * 10 + ["code"] * 10 + ["math"] * 2
    notices: list[str] = []
    records = [record(*pair) for pair in enumerate(tasks)]
    result, warnings = assemble(Assemble(size=12, balance="task"), records, notices=notices)
    assert Counter(one.task for one in result if one.dropped is None) == {"写作": 5, "code": 5, "math": 2}
    assert chosen(result) == [*range(5), *range(10, 15), 20, 21]
    assert warnings == []
    assert notices == [
        "05-assemble: balanced over the 3 values of task: code 5 of 10, 写作 5 of 10, math 2 of 2"
    ]


def test_the_best_go_first_and_keep_the_order_of_the_set() -> None:
    records = [record(at, score=score) for at, score in enumerate([1, 5, 3, 4, 2])]
    result, _ = assemble(Assemble(size=3), records)
    assert chosen(result) == [1, 2, 3]
    assert [one.id for one in result] == [one.id for one in records]


def test_among_equals_a_draw_by_the_seed_decides_or_the_order_where_it_is_wanted() -> None:
    records = [record(at, score=5 if at == 39 else 4) for at in range(40)]
    drawn = chosen(assemble(Assemble(size=10), records)[0])
    assert 39 in drawn, "the better one is no tie"
    assert len(drawn) == 10
    assert max(drawn[:9]) > 15, "not the head of the set"
    assert chosen(assemble(Assemble(size=10), records)[0]) == drawn
    assert chosen(assemble(Assemble(size=10), records, seed=1)[0]) != drawn
    assert chosen(assemble(Assemble(size=10, ties="order"), records)[0]) == [*range(9), 39]


def test_which_of_equals_are_drawn_does_not_hang_on_their_order_in_the_set() -> None:
    records = [record(at, score=4) for at in range(30)]
    one, other = (assemble(Assemble(size=7), rows)[0] for rows in (records, records[::-1]))
    assert {r.id for r in one if r.dropped is None} == {r.id for r in other if r.dropped is None}


def test_without_a_score_the_order_of_the_set_decides() -> None:
    assert chosen(assemble(Assemble(size=3), [record(at) for at in range(6)])[0]) == [0, 1, 2]


def test_without_a_score_all_are_equals_where_a_draw_is_asked_for() -> None:
    records = [record(at) for at in range(60)]
    drawn = chosen(assemble(Assemble(size=10, ties="drawn"), records)[0])
    assert max(drawn) > 15, "not the head of the set"
    assert drawn == sorted(drawn), "in the order of the set"
    assert chosen(assemble(Assemble(size=10, ties="drawn"), records, seed=1)[0]) != drawn


def test_a_missing_score_comes_last_even_behind_a_negative_one() -> None:
    records = [record(0), record(1, score=-5), record(2), record(3, score=float("nan")), record(4, score=0)]
    for size, expected in ((2, [1, 4]), (3, [0, 1, 4]), (4, [0, 1, 2, 4])):
        assert chosen(assemble(Assemble(size=size, ties="order"), records)[0]) == expected


def test_a_record_that_is_not_chosen_says_its_rank_and_how_many_were_wanted() -> None:
    records = [record(0, "写作", 3), record(1, "写作", 4.5), record(2, "写作"), record(3, "code", 1)]
    result, _ = assemble(Assemble(size=2, balance="task", score="judge.quality"), records)
    assert chosen(result) == [1, 3]
    assert result[0].dropped == Drop(
        "05-assemble",
        "not_chosen",
        "number 2 of 3 of task 写作 by judge.quality (3); 1 were wanted",
        {"rank": 2, "quota": 1, "judge.quality": 3},
    )
    assert result[2].dropped is not None
    assert result[2].dropped.reason == "number 3 of 3 of task 写作 by judge.quality (missing); 1 were wanted"
    assert "judge.quality" not in result[2].dropped.numbers


def test_a_record_without_an_answer_is_let_go_and_takes_no_place() -> None:
    records = [record(0, score=5, output=""), record(1, score=5, output=" \n\t"), record(2, score=1)]
    result, _ = assemble(Assemble(size=2), records)
    assert chosen(result) == [2]
    assert [one.dropped and one.dropped.kind for one in result] == ["no_answer", "no_answer", None]


def test_without_a_size_every_answered_record_is_chosen() -> None:
    result, _ = assemble(
        Assemble(balance="task"), [record(0, "a"), record(1, "a"), record(2, "b", output="")]
    )
    assert chosen(result) == [0, 1]


def test_the_only_judge_score_is_taken_where_none_is_named() -> None:
    two = replace(record(0), scores={"judge.quality": 1, "ifd": 9}), record(1, score=2)
    assert chosen(assemble(Assemble(size=1), two)[0]) == [1]


def test_of_several_judge_scores_none_is_guessed() -> None:
    two = (
        replace(record(0), scores={"judge.quality": 1, "judge.complexity": 1}),
        replace(record(1), scores={"judge.quality": 2, "judge.complexity": 2}),
    )
    assert chosen(assemble(Assemble(size=1), two)[0]) == [0]
    assert chosen(assemble(Assemble(size=1, score="judge.complexity"), two)[0]) == [1]


def test_a_score_that_no_record_has_is_a_warning_and_the_order_decides() -> None:
    result, warnings = assemble(
        Assemble(size=1, score="judge.qualty"), [record(0, score=1), record(1, score=2)]
    )
    assert chosen(result) == [0]
    assert warnings == [
        "05-assemble: no record has the score 'judge.qualty' (there are: judge.quality); the order of the set decides"
    ]


def test_a_field_that_no_record_has_is_a_warning() -> None:
    result, warnings = assemble(Assemble(size=1, balance="task"), [record(0), record(1)])
    assert chosen(result) == [0]
    assert warnings == ["05-assemble: no record has a task, so there is nothing to balance"]


@pytest.mark.parametrize(
    ("unlabelled", "size", "taken", "gets"),
    [
        ("share", 2, [0, 2], "get a share of their own, 1 records"),
        ("rest", 2, [0, 1], "get the rest, 0 records"),
        ("rest", 3, [0, 1, 2], "get the rest, 1 records"),
        ("drop", 3, [0, 1], "are let go, 0 records"),
        ("drop", None, [0, 1], "are let go, 0 records"),
    ],
)
def test_what_records_without_a_value_get_is_an_option_and_told(
    unlabelled: Any, size: int | None, taken: list[int], gets: str
) -> None:
    records = [record(0, "a"), record(1, "a"), record(2), record(3)]
    notices: list[str] = []
    step = Assemble(size=size, balance="task", unlabelled=unlabelled)
    result, warnings = assemble(step, records, notices=notices)
    assert warnings == []
    assert chosen(result) == taken
    assert result[3].dropped is not None
    assert "of task (none)" in result[3].dropped.reason
    assert f"05-assemble: 2 of 4 records have no task and {gets}: `unlabelled` says what" in notices[1]


def test_where_no_record_has_a_value_all_are_chosen_from_whatever_unlabelled_says() -> None:
    for unlabelled in ("share", "rest", "drop"):
        step = Assemble(size=1, balance="task", unlabelled=unlabelled)  # type: ignore[arg-type]
        assert chosen(assemble(step, [record(0), record(1)])[0]) == [0]


def test_what_balancing_does_to_the_languages_is_told() -> None:
    """Twelve topics of one language beside one source of another: balanced, the many topics take the set."""
    notices: list[str] = []
    result, warnings = assemble(Assemble(size=130, balance="source"), mixed(), notices=notices)
    assert warnings == []
    assert Counter(one.lang for one in result if one.dropped is None) == {"zh": 120, "en": 10}
    assert notices[0].startswith(
        "05-assemble: balanced over the 13 values of source: pool 10 of 360, topic 0 10 of 10, "
    )
    assert notices[0].endswith(", and 1 more values")
    assert notices[1:] == ["05-assemble: balancing source takes lang zh from 25% to 92% of the set"]


def test_nothing_is_told_where_balancing_lets_nothing_go() -> None:
    notices: list[str] = []
    step = Assemble(size=9, balance="task")
    assert assemble(step, [record(0, "a"), record(1, "b")], notices=notices)[1] == notices == []


def test_an_empty_set_is_assembled_without_a_word() -> None:
    assert assemble(Assemble(size=3, balance="task", score="judge.quality"), []) == ([], [])


@pytest.mark.slow
@settings(deadline=None, max_examples=50)
@given(
    st.lists(
        st.tuples(st.sampled_from(["", "a", "数学"]), st.none() | st.integers(1, 5), st.booleans()),
        max_size=20,
    ),
    st.none() | st.integers(1, 25),
)
def test_the_set_has_the_size_asked_for_and_no_better_record_is_left_out(
    rows: list[tuple[str, int | None, bool]], size: int | None
) -> None:
    records = [
        record(at, task, score, output="yes" if answered else "")
        for at, (task, score, answered) in enumerate(rows)
    ]
    result, _ = assemble(Assemble(size=size, balance="task"), records)
    answered = [one for one in result if one.output]
    kept = [one for one in result if one.dropped is None]
    assert len(result) == len(records)
    assert len(kept) == (len(answered) if size is None else min(size, len(answered)))
    for left_out in answered:
        for taken in kept:
            if left_out.dropped is not None and left_out.task == taken.task:
                assert taken.scores.get("judge.quality", 0) >= left_out.scores.get("judge.quality", 0)


# -- what is told beforehand -----------------------------------------------------------------------------------


def mixed() -> list[Record]:
    topics = [replace(record(at), source=f"topic {at % 12}") for at in range(120)]
    english = [
        replace(new_record(f"Question {at}?", output="yes"), lang="en", source="pool") for at in range(360)
    ]
    return [*topics, *english]


def foretold(step: Assemble, records: Sequence[Record]) -> list[str]:
    return list(step.foretell(Table.from_records(records)))


def test_what_balancing_would_choose_and_move_can_be_told_beforehand() -> None:
    chooses, moves = foretold(Assemble(size=130, balance="source"), mixed())
    assert chooses.startswith(
        "balancing over the 13 values of source would choose: pool 10 of 360, topic 0 10 of 10,"
    )
    assert chooses.endswith(", and 1 more values; the steps before it may drop and add some")
    assert moves == "balancing source would take lang zh from 25% to 92% of the set"


def test_what_depends_on_the_scores_is_told_as_a_bound() -> None:
    """One source is a fifth Chinese: how many of these are chosen the scores decide."""
    pool = [replace(record(at), source="a", lang="en" if at % 5 else "zh") for at in range(200)]
    topic = [replace(record(at), source="b", lang="zh") for at in range(60)]
    _, moves = foretold(Assemble(size=120, balance="source"), [*pool, *topic])
    assert moves == "balancing source would take lang zh from 38% to between 50% and 83% of the set"


def test_what_only_the_steps_before_can_tell_is_said_to_be_unknown() -> None:
    (said,) = foretold(Assemble(size=2, balance="task"), [record(0), record(1)])
    assert said == "none has a task: what balancing moves is known when the steps before it have run"
    (said,) = foretold(Assemble(size=100, balance="source"), mixed()[:24])
    assert said == (
        "all 24 would be chosen; where the steps before it make more than 100, an equal share of each of the 12 values "
        "of source is 8"
    )


def test_a_step_that_moves_nothing_has_nothing_to_say() -> None:
    assert not Assemble(size=10).foretells()
    assert not Assemble(balance="source").foretells()
    assert Assemble(balance="source", unlabelled="drop").foretells()
    assert Assemble(size=10, balance="source").foretells()


@pytest.mark.slow
@settings(deadline=None, max_examples=40)
@given(
    st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from(["zh", "en"])), min_size=1, max_size=60),
    st.integers(1, 60),
    st.randoms(use_true_random=False),
)
def test_the_bounds_hold_whatever_the_scores_say(
    rows: list[tuple[str, str]],
    size: int,
    random: Any,
) -> None:
    from factory.steps.assemble.assemble import _will_move

    records = [
        replace(record(at, score=random.random()), source=source, lang=lang)
        for at, (source, lang) in enumerate(rows)
    ]
    quotas = equal_quotas(Counter(source for source, _ in rows), size)
    moved = _will_move([lang for _, lang in rows], [source for source, _ in rows], quotas)
    kept = [one for one in assemble(Assemble(size=size, balance="source"), records)[0] if one.dropped is None]
    if moved is not None:
        value, was, (low, high) = moved
        assert was == sum(lang == value for _, lang in rows) / len(rows)
        assert low - 1e-9 <= sum(one.lang == value for one in kept) / len(kept) <= high + 1e-9
