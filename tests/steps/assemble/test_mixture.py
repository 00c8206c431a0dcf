"""A mixture has the shares that are asked for, tells what it lacks, and repeats no more than it may."""

from __future__ import annotations

import asyncio
import math
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from factory.data.record import Event, Record, new_record
from factory.data.table import Table
from factory.data.text import estimate_tokens
from factory.errors import FactoryError, RunStopped
from factory.step import Context
from factory.steps.assemble.mixing.draw import passes
from factory.steps.assemble.mixing.shares import NEAR, balanced, bounded, capped, give, in_rows, proportional
from factory.steps.assemble.mixture import Mixture

amounts = st.dictionaries(
    st.text("abcdef", min_size=1, max_size=2), st.integers(1, 1000), min_size=1, max_size=6
)


def records(**counts: int) -> list[Record]:
    return [
        new_record(f"{task} question {at}", output=f"answer {at}", task=task, lang="en")
        for task, number in counts.items()
        for at in range(number)
    ]


class Told:
    """What a step says and counts."""

    def __init__(self) -> None:
        self.told: list[str] = []
        self.warned: list[str] = []
        self.context = Context(
            "04-mixture", 7, no_model, no_model, warn=self.warned.append, tell=self.told.append
        )


def no_model(name: str) -> Any:
    raise FactoryError("no model is asked")


def mix(rows: Iterable[Record], **options: Any) -> tuple[Table, Table, Told]:
    said = Told()
    result = asyncio.run(Mixture(**{"by": "task", **options}).run(Table.from_records(rows), said.context))
    return (*result.split(), said)


def tasks(table: Table) -> Mapping[str, int]:
    return dict(Counter(table.values("task")))


# -- shares -------------------------------------------------------------------------------------------------


@given(amounts, st.floats(1, 100))
def test_a_temperature_keeps_the_order_and_brings_shares_closer(there: dict[str, int], warm: float) -> None:
    cold, shares = proportional(there), proportional(there, warm)
    assert math.fsum(shares.values()) == pytest.approx(1)
    for one in there:
        for two in there:
            if there[one] > there[two]:
                assert 1 - 1e-9 <= shares[one] / shares[two] <= cold[one] / cold[two] * (1 + 1e-9)


def test_the_rules_are_those_of_the_papers() -> None:
    there = {"big": 900.0, "small": 100.0}
    assert proportional(there) == {"big": 0.9, "small": 0.1}
    assert proportional(there, 2) == pytest.approx({"big": 0.75, "small": 0.25})  # 30 and 10
    assert capped(there, 300) == {"big": 0.75, "small": 0.25}
    assert balanced(there) == {"big": 0.5, "small": 0.5}


@given(amounts, st.floats(0, 0.15), st.floats(0.2, 1))
def test_bounded_shares_lie_between_their_bounds_sum_to_1_and_keep_their_ratios(
    there: dict[str, int], low: float, high: float
) -> None:
    if high * len(there) < 1:
        high = 1.0
    shares = proportional(there)
    found = bounded(shares, dict.fromkeys(there, low), dict.fromkeys(there, high))
    assert math.fsum(found.values()) == pytest.approx(1)
    inside = [group for group, share in found.items() if low + 1e-9 < share < high - 1e-9]
    assert all(low <= share <= high for share in found.values())
    for one in inside:
        for two in inside:
            assert found[one] / found[two] == pytest.approx(shares[one] / shares[two], rel=1e-6)


@given(amounts, st.integers(1, 3000), st.floats(1, 5), st.sampled_from(["leave", "spread", "shrink"]))
def test_no_group_gives_more_than_its_epochs_and_none_less_than_it_need(
    there: dict[str, int], size: int, epochs: float, short: str
) -> None:
    shares = balanced(there)
    found = give(shares, there, size, epochs, short)
    for group, taken in found.taken.items():
        assert taken <= epochs * there[group] * (1 + 1e-9)
    total = math.fsum(found.taken.values())
    assert total <= size * (1 + 1e-9)
    if short == "shrink":
        assert all(taken == pytest.approx(total * shares[group]) for group, taken in found.taken.items())
    if short == "spread":
        assert total == pytest.approx(min(size, epochs * sum(there.values())))
    if short == "leave":
        assert all(
            taken == pytest.approx(min(size * shares[group], epochs * there[group]))
            for group, taken in found.taken.items()
        )


@given(amounts, st.integers(0, 1000))
def test_rows_are_whole_sum_up_and_lie_within_one_of_the_share(there: dict[str, int], size: int) -> None:
    wanted = {group: share * min(size, min(there.values())) for group, share in proportional(there).items()}
    rows = in_rows(wanted, there)
    assert abs(sum(rows.values()) - math.fsum(wanted.values())) <= 0.5 + NEAR
    assert all(abs(rows[group] - wanted[group]) < 1 + NEAR for group in rows)


# -- the step -----------------------------------------------------------------------------------------------


def test_given_shares_are_met_to_the_row_and_the_rest_is_let_go_with_its_reason() -> None:
    live, dropped, said = mix(records(math=100, code=100), shares={"math": 0.25, "code": 0.75}, size=80)
    assert tasks(live) == {"math": 20, "code": 60}
    drop = next(dropped.records()).dropped
    assert drop is not None
    assert drop.kind == "not_chosen"
    assert drop.numbers in ({"chosen": 20, "of": 100}, {"chosen": 60, "of": 100})
    assert "that are drawn of the 100 with task" in drop.reason
    assert said.context.facts["mixture"][0] == {
        "group": "code",
        "share": 0.75,
        "there": 100,
        "wanted": 60,
        "given": 60,
        "of_the_set": 0.75,
        "rows": 60,
        "repeated_rows": 0,
        "worth_in_new": 60.0,
    }
    assert not said.warned


def test_without_a_size_the_set_is_the_largest_that_keeps_the_shares_without_a_repeat() -> None:
    live, _, _ = mix(records(math=30, code=100), shares={"math": 0.5, "code": 0.5})
    assert tasks(live) == {"math": 30, "code": 30}


def test_a_short_group_is_repeated_up_to_four_times_and_what_that_is_worth_is_told() -> None:
    live, _, said = mix(records(math=10, code=100), shares={"math": 0.5, "code": 0.5}, size=80)
    rows = list(live.records())
    assert tasks(live) == {"math": 40, "code": 40}
    assert len({record.id for record in rows}) == 80
    assert Counter(record.prompt for record in rows if record.task == "math") == dict.fromkeys(
        (f"math question {at}" for at in range(10)), 4
    )
    copies = [record for record in rows if record.events]
    assert {record.events[-1].round for record in copies} == {2, 3, 4}
    firsts = {record.id: record for record in rows if not record.events}
    assert all(firsts[copy.events[-1].parents[0]].messages == copy.messages for copy in copies)
    assert (
        "30 records are repeated: 'math' 4.00 times: 40 rows that are worth about 37 new ones" in said.told[1]
    )
    assert not said.warned


def test_a_copy_keeps_the_history_that_its_first_has() -> None:
    made = [record.with_event(Event("01-x", "made")) for record in records(math=2)] + records(code=4)
    live, _, _ = mix(made, shares="balanced", size=8, epochs=2)
    copy = next(record for record in live.records() if len(record.events) == 2)
    assert [event.operation for event in copy.events] == ["made", "repeat"]
    assert copy.scores == {}
    lineages = live.lineages()
    assert len(set(lineages)) == 6


@pytest.mark.parametrize(
    ("short", "expected"),
    [
        ("leave", {"math": 20, "code": 40}),
        ("spread", {"math": 20, "code": 60}),
        ("shrink", {"math": 20, "code": 20}),
    ],
)
def test_what_a_short_group_cannot_give_goes_where_it_is_told(short: str, expected: dict[str, int]) -> None:
    live, _, said = mix(
        records(math=10, code=100), shares={"math": 0.5, "code": 0.5}, size=80, epochs=2, short=short
    )
    assert tasks(live) == expected
    assert "'math' has 10 and gives 20 of 40" in said.warned[0]


def test_more_than_four_epochs_ask_for_a_look() -> None:
    _, _, said = mix(records(math=10, code=100), shares={"math": 0.5, "code": 0.5}, size=120, epochs=8)
    assert "beyond 4 epochs: 'math' 6.0 times" in said.warned[0]


def test_tokens_are_met_to_half_a_row() -> None:
    rows = [
        replace_output(record, "word " * (at % 7 * 10 + 1))
        for at, record in enumerate(records(math=200, code=200))
    ]
    live, _, _ = mix(rows, shares={"math": 0.2, "code": 0.8}, size=3000, unit="tokens")
    tokens = Counter[str]()
    for record in live.records():
        tokens[record.task] += estimate_tokens(record.prompt) + estimate_tokens(record.output)
    assert tokens["math"] == pytest.approx(600, abs=50)
    assert tokens["code"] == pytest.approx(2400, abs=50)


def replace_output(record: Record, text: str) -> Record:
    return record.with_output(text, Event("01-x", "answered"))


def test_minimums_and_maximums_bound_every_share_or_some_by_name() -> None:
    rows = records(a=900, b=90, c=10)
    live, _, _ = mix(rows, shares="proportional", minimum=0.1, size=100)
    assert tasks(live) == {"a": 80, "b": 10, "c": 10}
    live, _, _ = mix(rows, shares="proportional", maximum={"a": 0.5}, size=100)
    assert tasks(live)["a"] == 50


def test_the_highest_score_goes_first_and_a_missing_one_last() -> None:
    rows = [
        replace(record, scores={"q": float(at)}) if at else record
        for at, record in enumerate(records(math=10))
    ]
    live, _, said = mix(rows, shares="balanced", size=3, score="q * 2")
    assert [record.scores["q"] for record in live.records()] == [7, 8, 9]
    assert said.context.facts["records_without_score"] == 1


@pytest.mark.slow
@settings(deadline=None, max_examples=10)
@given(st.randoms(use_true_random=False))
def test_the_order_of_the_file_changes_nothing(random: Any) -> None:
    rows = records(math=20, code=30)
    shuffled = [*rows]
    random.shuffle(shuffled)
    one, _, _ = mix(rows, shares="balanced", size=12)
    two, _, _ = mix(shuffled, shares="balanced", size=12)
    assert set(one.ids()) == set(two.ids())


def test_groups_may_be_a_column_of_the_source_a_range_of_a_score_or_several_fields() -> None:
    rows = [
        replace(
            record,
            meta={"site": "x" if at < 6 else "y"},
            scores={"q": at / 10},
            lang="en" if at % 2 else "zh",
        )
        for at, record in enumerate(records(math=10, code=10))
    ]
    for by in ("site", "meta.site"):
        live, _, _ = mix(rows, by=by, shares={"x": 0.5, "y": 0.5}, size=12)
        assert Counter(record.meta["site"] for record in live.records()) == {"x": 6, "y": 6}
    live, _, _ = mix(rows, by="q", cuts=[0.5, 1.0], shares={"< 0.5": 0.5, ">= 1": 0.5}, size=10)
    assert sorted(record.scores["q"] < 0.5 for record in live.records()) == [False] * 5 + [True] * 5
    live, _, _ = mix(rows, by=["task", "lang"], shares={"math / zh": 0.5, "code / en": 0.5}, size=8)
    assert Counter((record.task, record.lang) for record in live.records()) == {
        ("math", "zh"): 4,
        ("code", "en"): 4,
    }


def test_chinese_groups_are_groups_as_any_other() -> None:
    live, _, said = mix(records(数学=10, 代码=10), shares={"数学": 0.8, "代码": 0.2}, size=10)
    assert tasks(live) == {"数学": 8, "代码": 2}
    assert "数学 8 of 10" in said.told[0]


def test_what_has_no_share_no_group_or_no_answer_is_let_go_and_counted() -> None:
    rows = [
        *records(math=4, chat=3),
        *(replace(r, task="") for r in records(x=2)),
        new_record("no answer", task="math"),
    ]
    live, dropped, said = mix(rows, shares={"math": 1.0})
    assert tasks(live) == {"math": 4}
    assert Counter(record.dropped.kind for record in dropped.records() if record.dropped) == {
        "no_share": 3,
        "no_group": 2,
        "no_answer": 1,
    }
    assert [said.context.facts[kind] for kind in ("no_share", "no_group", "no_answer")] == [3, 2, 1]


# -- bad input ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (
            {"shares": {"math": 0.5, "code": 0.6}},
            "sum to 1.1, not to 1; with the same ratios: math: 0.45454545, code: 0.54545455",
        ),
        ({"shares": {"math": -0.5, "code": 1.5}}, "`shares` of 'math' is -0.5: a share lies from 0 to 1"),
        ({"shares": {"math": float("nan"), "code": 0.5}}, "a share lies from 0 to 1"),
        ({"shares": {"math": 0.0}}, "no group a share above 0"),
        ({"shares": "balance"}, "'balance' is no rule of shares; did you mean 'balanced'"),
        ({"shares": "capped"}, "`cap` and `shares: capped` go together"),
        ({"temperature": 3.0}, "`temperature` is for `shares: temperature`"),
        ({"shares": {"a": 1.0}, "minimum": {"b": 0.1}}, "names the group 'b', which has no share"),
        ({"minimum": {"a": 0.6, "b": 0.6}}, "`minimum` sum to 1.2, more than 1"),
        ({"cuts": [2, 1], "by": "q"}, "`cuts` must rise"),
        ({"cuts": [1]}, "`cuts` are of a score, and task is none"),
        ({"until": "full"}, "`until: full` needs a `size`"),
        ({"by": ""}, "`by`|at least 1 item|tuple"),
        ({"score": "q +"}, "ends where a score"),
    ],
)
def test_options_that_do_not_fit_are_refused(options: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        Mixture(**{"by": "task", **options})


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (
            {"shares": {"math": 0.5, "cod": 0.5}},
            r"no record has task 'cod'.*code \(5\), math \(5\).*did you mean 'code'",
        ),
        ({"by": "tsk"}, "no record has 'tsk' of `by: tsk`.*did you mean 'task'"),
        ({"minimum": 0.6}, "`minimum` and `maximum` cannot be held"),
        ({"minimum": {"x": 0.1}}, "`minimum` names the group 'x', which no record has"),
        ({"score": "quality"}, "no record has the score 'quality'"),
    ],
)
def test_what_the_records_do_not_have_stops_the_run_with_a_sentence(
    options: dict[str, Any], said: str
) -> None:
    with pytest.raises(RunStopped, match=said):
        mix(records(math=5, code=5), **options)


def test_a_group_that_was_let_go_whole_stops_the_run() -> None:
    rows = [*records(math=5), *(new_record(f"q{at}", task="code") for at in range(3))]
    with pytest.raises(
        RunStopped, match="none of the 3 records of 'code' has an answer: put `respond` before"
    ):
        mix(rows, shares={"math": 0.5, "code": 0.5})


def test_a_score_of_many_values_wants_cuts() -> None:
    rows = [replace(record, scores={"q": at / 7}) for at, record in enumerate(records(math=30))]
    with pytest.raises(RunStopped, match="30 different values: say with `cuts`"):
        mix(rows, by="q")


def test_nothing_is_mixed_of_nothing() -> None:
    live, dropped, _ = mix([], shares={"math": 1.0})
    assert (len(live), len(dropped)) == (0, 0)


# -- which rows, and what is told beforehand ------------------------------------------------------------------


@given(st.lists(st.integers(1, 50), min_size=1, max_size=20), st.floats(0, 3000))
def test_tokens_taken_lie_within_half_a_row_of_those_wanted_and_whole_epochs_come_first(
    tokens: list[int], wanted: float
) -> None:
    counted = np.array(tokens, np.int64)
    taken = passes(np.arange(len(tokens)), counted, wanted)
    assert all(len(rows) == len(tokens) for rows in taken[:-1])
    assert abs(sum(float(counted[rows].sum()) for rows in taken) - wanted) <= max(tokens) / 2 + 1e-6


@given(st.integers(1, 20), st.integers(0, 100))
def test_rows_taken_are_as_many_as_are_wanted_and_none_is_taken_twice_in_an_epoch(
    there: int, wanted: int
) -> None:
    taken = passes(np.arange(there), None, float(wanted))
    assert sum(len(rows) for rows in taken) == wanted
    assert all(len(set(rows.tolist())) == len(rows) for rows in taken)


def test_a_group_that_no_record_has_yet_is_told_before_anything_is_asked() -> None:
    table = Table.from_records(records(math=3))
    step = Mixture(by=("task",), shares={"math": 0.5, "code": 0.5}, size=10, until="full")
    assert step.foretells()
    first, second = step.foretell(table)
    assert "none has task 'code'" in first
    assert "in no estimate" in second
    assert not Mixture(by=("task",)).foretells()


def test_what_is_lacking_counts_no_repeat_and_names_the_rows_that_lead_to_it() -> None:
    rows = records(math=2, code=30)
    lack = Mixture(by=("task",), shares={"math": 0.5, "code": 0.5}, size=20, until="full").lacking(
        Table.from_records(rows), Told().context
    )
    assert lack.missing == {"math": 8}
    assert [rows[at].task for at in lack.rows] == ["math", "math"]


def test_every_row_may_lead_to_a_group_that_has_none() -> None:
    lack = Mixture(by=("task",), shares={"math": 0.5, "code": 0.5}, size=20, until="full").lacking(
        Table.from_records(records(code=5)), Told().context
    )
    assert lack.missing == {"math": 10, "code": 5}
    assert len(lack.rows) == 5


def test_tokens_that_are_lacking_are_told_as_about_so_many_rows() -> None:
    rows = [replace_output(record, "word " * 40) for record in records(math=2, code=30)]
    table = Table.from_records(rows)
    each = estimate_tokens(rows[0].prompt) + estimate_tokens(rows[0].output)
    step = Mixture(
        by=("task",), shares={"math": 0.5, "code": 0.5}, size=20 * each, unit="tokens", until="full"
    )
    assert step.lacking(table, Told().context).missing == {"math": 8}


@pytest.mark.parametrize(
    ("shares", "said"),
    [
        ({"a": 40, "b": 60}, "sum to 100, not to 1; with the same ratios: a: 0.4, b: 0.6"),
        ({"a": "40%", "b": "60%"}, "is 40%: write 0.3 for 30%"),
        ({"a": 0.333, "b": 0.333, "c": 0.333}, "a: 0.33333333, b: 0.33333333"),
    ],
)
def test_shares_in_percent_are_refused_with_what_to_write(shares: dict[str, object], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        Mixture(by=("task",), shares=shares)


@pytest.mark.parametrize(
    ("name", "field"), [("category", "task"), ("language", "lang"), ("licence", "license")]
)
def test_a_column_that_was_read_as_a_field_is_found_by_the_name_it_had(name: str, field: str) -> None:
    rows = [replace(row, **{field: f"{at % 2}"}) for at, row in enumerate(records(a=4))]
    kept, _, _ = mix(rows, by=name, shares={"0": 0.5, "1": 0.5})
    assert Counter(getattr(record, field) for record in kept.records()) == {"0": 2, "1": 2}


def test_a_mistyped_column_is_told_with_the_column_that_is_meant() -> None:
    rows = [new_record("a?", output="b", meta={"ability": "math"})]
    with pytest.raises(RunStopped, match="did you mean 'ability'"):
        mix(rows, by="abilty")


def test_a_group_that_is_not_there_is_told_with_a_command_that_exists() -> None:
    with pytest.raises(RunStopped, match="`factory report` shows which"):
        mix(records(math=3), shares={"math": 0.5, "code": 0.5})
