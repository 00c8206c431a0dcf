"""Which operation a round takes: weights, rounds, tasks, tries and limits."""

from __future__ import annotations

import random
from collections import Counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from step_context import Ask, process, scripted_context

from factory.data.record import Record, new_record
from factory.models.base import Reply
from factory.steps.agents.evolve import Evolve
from factory.steps.agents.evolving.mix import CODE_OPERATIONS, OPERATIONS, Limits, check_mix, choose, weighted

SEED = new_record("Name a river.", output="The Rhine.", lang="en")
CODE = new_record("Write a function that adds two numbers.", output="...", lang="en", task="code")


def grows(ask: Ask) -> str:
    """A model that adds a numbered demand to what it is given, and answers."""
    said = ask.text
    if "<instruction>" not in said:
        return "The Rhine flows into the North Sea."
    words = said.split("<instruction>")[-1].split("</instruction>")[0].strip()
    return f"{words} Mention town number {ask.sample} and its bridge."


def made(step: Evolve, record: Record = SEED, script: Any = grows, seed: int = 0) -> list[Record]:
    context, _ = scripted_context(script, seed=seed, step="02-evolve")
    return process(step, record, context)


def operations(records: list[Record]) -> list[str]:
    return [next(e.operation for e in r.events[::-1] if e.parents) for r in records if r.events]


# -- mixes --------------------------------------------------------------------------------------------------


def test_a_group_shares_the_weight_of_its_name_among_its_operations() -> None:
    assert weighted({"depth": 5, "breadth": 1}) == [(name, 1.0) for name in OPERATIONS]
    code = dict(weighted({"code": 17}))
    assert set(code) == set(CODE_OPERATIONS)
    assert code["code_complexity"] * 4 == pytest.approx(code["code_rarer"])
    assert sum(code.values()) == pytest.approx(17)


def test_operations_are_drawn_by_their_weights() -> None:
    drawn = Counter(
        choose({"deepen": 3, "breadth": 1}, frozenset(), random.Random(seed)) for seed in range(2000)
    )
    assert 1400 < drawn["deepen"] < 1600
    assert drawn["deepen"] + drawn["breadth"] == 2000


@given(st.lists(st.sampled_from(OPERATIONS), min_size=1, max_size=6), st.integers(0, 10**6))
def test_a_plain_list_is_drawn_from_as_ever_so_that_old_runs_ask_nothing_anew(
    mix: list[str], seed: int
) -> None:
    assert choose(tuple(mix), frozenset(), random.Random(seed)) == random.Random(seed).choice(mix)


@given(
    st.dictionaries(st.sampled_from((*OPERATIONS, "depth", "code")), st.floats(0.01, 100), min_size=1),
    st.frozensets(st.sampled_from(OPERATIONS)),
    st.integers(0, 10**6),
)
def test_what_is_left_out_is_never_drawn(mix: dict[str, float], without: frozenset[str], seed: int) -> None:
    drawn = choose(mix, without, random.Random(seed))
    left = {name for name, _ in weighted(mix)} - without
    assert drawn in left if left else drawn is None


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"operations": {}}, "name at least one operation"),
        ({"operations": {"deepn": 1}}, "there is no operation 'deepn'; did you mean 'deepen'"),
        ({"operations": {"deepen": 0}}, "the weight of deepen is a number above 0, not 0"),
        ({"operations": {"deepen": float("inf")}}, "the weight of deepen"),
        ({"operations": {"deepen": float("nan")}}, "the weight of deepen"),
        ({"by_round": {0: "breadth"}}, "there is no round 0"),
        ({"by_round": {2: "brdth"}}, "did you mean 'breadth'"),
        ({"tasks": {"code": []}}, "name at least one operation"),
        ({"tries": 0}, "greater than or equal to 1"),
        ({"max_words": 0}, "greater than or equal to 1"),
    ],
)
def test_a_wrong_mix_is_refused_in_a_sentence(options: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        Evolve(**options)


def test_a_single_name_stands_for_a_list_of_it() -> None:
    assert Evolve(operations="breadth").operations == ("breadth",)  # type: ignore[arg-type]
    assert Evolve(tasks={"code": "code"}).tasks == {"code": ("code",)}  # type: ignore[dict-item]
    assert check_mix(("code",)) == ("code",)


def test_a_round_takes_the_mix_that_was_last_named_for_it() -> None:
    step = Evolve(rounds=5, by_round={2: "breadth", 4: {"concretize": 2}}, operations="deepen")  # type: ignore[arg-type,dict-item]
    assert operations(made(step)) == ["deepen", "breadth", "breadth", "concretize", "concretize"]


def test_keys_of_rounds_may_be_text_as_in_json() -> None:
    assert Evolve(by_round={"3": ["breadth"]}).by_round == {3: ("breadth",)}  # type: ignore[dict-item]


def test_records_of_a_task_have_operations_of_their_own_in_all_rounds() -> None:
    step = Evolve(rounds=6, tasks={"code": "code"}, by_round={1: "breadth"})  # type: ignore[dict-item]
    assert set(operations(made(step, CODE))) <= set(CODE_OPERATIONS)
    assert set(operations(made(step))) == {"breadth"}


def test_a_record_without_a_task_is_told_where_tasks_are_named() -> None:
    warned: list[str] = []
    context, _ = scripted_context(grows, step="02-evolve")
    object.__setattr__(context, "warn", warned.append)
    process(Evolve(rounds=1, tasks={"code": "code"}), SEED, context)  # type: ignore[dict-item]
    assert context.facts["without_task"] == 1
    assert warned == [
        "02-evolve: records without a task are evolved by `operations`: put the step `task` before it"
    ]


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_each_code_operation_asks_with_its_own_prompt_in_the_records_language(lang: str) -> None:
    record = new_record("写一个函数。" if lang == "zh" else "Write a function.", lang=lang)
    for operation in CODE_OPERATIONS:
        (child,) = made(Evolve(rounds=1, operations=(operation,), keep_parents=False), record)
        assert child.events[0].prompt == f"{lang}/evolve/{operation}@1"


# -- tries --------------------------------------------------------------------------------------------------


def test_a_round_is_tried_again_after_a_child_that_was_let_go() -> None:
    replies = iter(["Name a river.", "Name a river.", "Name a river of Asia."])
    context, chat = scripted_context(
        lambda ask: next(replies) if "<instruction>" in ask.text else "The Indus.", step="02-evolve"
    )
    step = Evolve(rounds=1, tries=4, check_gain=False, keep_parents=False, operations=("deepen",))
    records = process(step, SEED, context)
    assert [r.dropped.kind if r.dropped else None for r in records] == ["unchanged", "unchanged", None]
    assert [r.scores["evolve.rejected"] for r in records] == [0, 1, 2]
    assert len({r.id for r in records}) == 3, "children of the same words are told apart"
    assert all(r.events[0].parents == (SEED.id,) and r.round == 1 for r in records)
    assert [ask.sample for ask in chat.asks] == [1, 1001, 2001, 2001]


def test_with_one_try_a_child_has_no_score_of_those_before_it() -> None:
    assert "evolve.rejected" not in made(Evolve(rounds=1))[1].scores


# -- limits -------------------------------------------------------------------------------------------------


def test_a_child_beyond_a_limit_is_let_go_and_says_how_far() -> None:
    (child,) = made(Evolve(rounds=1, max_words=6, keep_parents=False, operations=("deepen",)))
    assert child.dropped is not None
    assert (child.dropped.kind, child.dropped.numbers) == ("too_long", {"words": 10, "most": 6})
    (child,) = made(Evolve(rounds=1, max_demands=1, keep_parents=False, operations=("deepen",)))
    assert child.dropped is not None
    assert (child.dropped.kind, child.dropped.numbers["most"]) == ("too_many_demands", 1)


def test_an_instruction_at_its_words_is_evolved_by_breadth_alone() -> None:
    assert Limits(words=3).without("Name a river.") == {*OPERATIONS, *CODE_OPERATIONS} - {"breadth"}
    assert Limits(words=4).without("Name a river.") == frozenset()
    assert Limits(words=6).without("说出一条大河。") >= {"deepen"}


def test_an_instruction_at_its_demands_gets_no_more_constraints() -> None:
    assert Limits(demands=1).without("Name a river.") == {
        "add_constraints",
        "code_constraints",
        "code_complexity",
    }


def test_a_round_that_has_no_operation_left_asks_nobody_and_is_counted() -> None:
    context, chat = scripted_context(grows)
    records = process(Evolve(rounds=3, operations=("deepen",), max_words=3), SEED, context)
    assert records == [SEED]
    assert chat.asks == []
    assert context.facts["rounds_at_limit"] == 3
    told: list[str] = []
    object.__setattr__(context, "tell", told.append)
    Evolve().finish(context)
    assert told == [
        "01-test: 3 rounds were left out, since their instructions have all the words or demands that they may have "
        "(`max_words`, `max_demands`) and no operation adds none"
    ]


@given(st.integers(4, 60), st.integers(1, 8), st.integers(0, 99))
def test_no_child_that_is_kept_is_beyond_a_limit(most: int, demands: int, seed: int) -> None:
    limits = Limits(most, demands)
    step = Evolve(rounds=6, max_words=most, max_demands=demands, keep_parents=False, check_gain=False)
    for child in made(step, seed=seed):
        assert (child.dropped is None) == (limits.flaw(child.prompt) is None)


# -- laws ---------------------------------------------------------------------------------------------------


def moody(seed: int) -> Any:
    """A model that does well, copies, cuts, refuses or says nothing, as the seed has it."""

    def script(ask: Ask) -> str | Reply:
        if ask.schema is not None:
            return '{"equal": false}'
        mood = random.Random(repr((seed, ask.text, ask.sample))).randrange(6)
        if "<instruction>" not in ask.text:
            return ["The Rhine.", "Sorry, I cannot help with that."][mood % 2]
        good = grows(ask)
        words = ask.text.split("<instruction>")[-1].split("</instruction>")[0].strip()
        return [good, good, words, Reply(good, "length"), "I'm sorry, but I can't help with that.", ""][mood]

    return script


@given(st.integers(0, 10**6), st.integers(1, 5), st.integers(1, 3))
def test_lineage_is_a_forest_whose_rounds_grow_and_all_that_was_asked_is_kept_or_let_go(
    seed: int, rounds: int, tries: int
) -> None:
    context, _ = scripted_context(moody(seed), seed=seed, step="02-evolve")
    step = Evolve(rounds=rounds, tries=tries)
    records = process(step, SEED, context)
    by_id = {record.id: record for record in records}
    assert len(by_id) == len(records)
    for child in records[1:]:
        made_by = next(e for e in child.events[::-1] if e.parents)
        (parent,) = made_by.parents
        assert by_id[parent].dropped is None, "nothing is made of what was let go"
        assert by_id[parent].round < child.round == made_by.round <= rounds
        assert list(by_id).index(parent) < list(by_id).index(child.id), "so there is no ring"
    facts = context.facts
    assert facts["children_asked"] == len(records) - 1 <= rounds * tries
    assert facts["children_kept"] == sum(r.dropped is None for r in records[1:])
    let_go = facts.get("children_let_go", {})
    assert facts["children_kept"] == facts["children_asked"] - sum(let_go.values())
    context, _ = scripted_context(moody(seed), seed=seed, step="02-evolve")
    assert process(step, SEED, context) == records
