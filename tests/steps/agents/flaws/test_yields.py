"""What a generator reached and why not more, in a sentence each."""

from __future__ import annotations

import itertools
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from step_context import scripted_context

from factory.data.record import Drop
from factory.statistics.interval import wilson
from factory.step import Context
from factory.steps.agents.flaws.yields import note_yield, tell_yield


def told_of(children: list[tuple[int, list[str]]]) -> tuple[Context, list[str], list[str]]:
    """The context after records with so many children kept, and others let go for these kinds; what is told, warned."""
    told: list[str] = []
    warned: list[str] = []
    context, _ = scripted_context(lambda ask: "", step="02-evolve")
    context = replace(context, tell=told.append, warn=warned.append)
    for kept, kinds in children:
        note_yield(context, kept, [Drop("02-evolve", kind, "so") for kind in kinds])
    tell_yield(context)
    return context, told, warned


def test_nothing_is_said_where_nothing_was_asked() -> None:
    assert told_of([])[1:] == ([], [])
    assert told_of([(0, [])])[1:] == ([], [])


def test_what_was_reached_has_an_interval_and_the_commonest_reason_its_mend() -> None:
    context, told, warned = told_of([(1, ["truncated"]), (2, []), (0, ["unchanged", "truncated"])])
    assert told[0].startswith("02-evolve: 3 of 6 children were kept, 50.0% (95 % interval ")
    assert told[1] == (
        "02-evolve: 2 of the 3 let go are truncated: replies were cut: raise `max_tokens` or `answer_max_tokens`, "
        "or ask a model that comes to an end"
    )
    assert warned == []
    assert context.facts == {
        "children_asked": 6,
        "children_kept": 3,
        "children_let_go": {"truncated": 2, "unchanged": 1},
        "records_by_children": {"0 of 2 kept": 1, "1 of 2 kept": 1, "2 of 2 kept": 1},
    }


def test_where_nothing_was_kept_that_asks_for_a_look() -> None:
    _, told, warned = told_of([(0, ["unchanged"] * 3)])
    assert len(told) == len(warned) == 1
    assert "gives the instruction back as it was" in warned[0]


def test_where_all_was_kept_there_is_no_reason_to_give() -> None:
    _, told, warned = told_of([(2, []), (2, [])])
    assert (len(told), warned) == (1, [])


def test_a_kind_that_nobody_knows_points_to_why() -> None:
    assert "see `factory why` for one that was let go as strange" in told_of([(0, ["strange"])])[2][0]


def test_children_of_one_record_count_as_one_lineage() -> None:
    """Four records whose children share their fate tell as much as four children."""
    _, told, _ = told_of([(4, []), (4, []), (0, ["empty"] * 4), (0, ["empty"] * 4)])
    low, _ = wilson(2, 4)
    lone = float(told[0].split("interval ")[1].split("%")[0]) / 100
    assert lone <= low + 0.02
    assert lone < wilson(8, 16)[0]


@given(
    st.lists(
        st.tuples(st.integers(0, 3), st.lists(st.sampled_from(["empty", "refusal", "too_long"]), max_size=3)),
        min_size=1,
        max_size=4,
    )
)
def test_the_order_of_the_records_changes_nothing(children: list[tuple[int, list[str]]]) -> None:
    outcomes = []
    for order in itertools.permutations(children):
        context, told, warned = told_of(list(order))
        # Dictionaries compare without their order, which is that of the manifest.
        outcomes.append((repr(context.facts.get("children_let_go")), repr(context.facts.get("records_by_children")),
                         context.facts["children_asked"], told, warned))  # fmt: skip
    assert all(outcome == outcomes[0] for outcome in outcomes)
    facts = context.facts
    assert facts["children_kept"] == facts["children_asked"] - sum(facts.get("children_let_go", {}).values())


@pytest.mark.parametrize("kept", [0, 1])
def test_sentences_are_one_line_each(kept: int) -> None:
    _, told, warned = told_of([(kept, ["bad_tree"])])
    assert all("\n" not in sentence for sentence in [*told, *warned])
