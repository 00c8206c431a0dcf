"""OSS-Instruct with a scripted model: pieces of code, the two parts of a reply, and what is let go."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_tasks import Outcome, new_task, obey_the_laws
from made_tasks import run as run_on
from step_context import Ask, Script

from factory.data.record import Record, new_record
from factory.engine.plan.rehearsal import dry_run
from factory.errors import FactoryError, RecordFailed
from factory.models.base import Reply
from factory.recipe.recipe import build_recipe
from factory.steps.agents.from_code import FromCode
from factory.steps.agents.inventing.snippets import Parts, code_of, parts, piece

Said = str | Reply | Exception
CODE = "\n".join(f"value_{n} = source[{n}] * {n + 1}" for n in range(30))
SEEDS = [
    new_record(f"Explain this.\n\n```python\n{CODE}\n```", output="It multiplies.", lang="en", source="repo"),
    new_record("Sort a list.", output="```js\nlist.sort((a, b) => a - b);\n```", lang="en", source="repo"),
]
SOLUTION = "```python\ndef answer(rows):\n    return sorted(rows)\n```\nSorting does it."


def run(step: FromCode, script: Script, seeds: list[Record] = SEEDS) -> Outcome:
    return run_on(step, script, seeds)


def both(problem: str, solution: str = SOLUTION) -> str:
    return f"[Problem]\n{problem}\n\n[Solution]\n{solution}"


def teller(said: Callable[[int], Said] = lambda number: both(new_task(number))) -> Script:
    return lambda ask: said(ask.sample)


def shown(ask: Ask) -> str:
    return ask.text.split("<snippet>\n")[-1].split("\n</snippet>")[0]


def test_pieces_of_one_record_after_the_other_inspire_problems_with_solutions() -> None:
    done = run(FromCode(size=6), teller())
    assert [record.instruction for record in done.kept] == [new_task(n) for n in range(6)]
    assert {record.output for record in done.kept} == {SOLUTION}
    parents = [record.events[0].parents for record in done.kept]
    assert parents[:2] * 3 == parents
    assert {parent for pair in parents for parent in pair} == {record.id for record in SEEDS}
    assert [shown(ask) for ask in done.asks] == [record.meta["code"] for record in done.kept]
    assert len(done.asks) == 6  # the solution comes with the problem
    long = [record.meta["code"] for record in done.kept if "value_" in record.meta["code"]]
    assert len(set(long)) > 1
    assert all(code in CODE for code in long)


def test_without_answers_the_problem_goes_on_alone() -> None:
    done = run(FromCode(size=1, answer=False), teller(lambda number: both(new_task(1), "It is.")))
    assert [record.output for record in done.kept] == [""]


def test_the_problems_are_in_the_language_asked_for() -> None:
    done = run(
        FromCode(size=2, language="zh"),
        teller(lambda number: f"【题目】\n{new_task(number, chinese=True)}\n\n【解答】\n{SOLUTION}"),
    )
    assert {(record.lang, record.events[0].prompt) for record in done.kept} == {
        ("zh", "zh/from_code/problem@1")
    }
    assert run(FromCode(size=1, calls=1, patience=1, language="zh"), teller()).kinds == {"other_language": 1}


@pytest.mark.parametrize(
    ("said", "kind"),
    [
        ("A problem without headings.", "no_parts"),
        ("", "no_parts"),
        ("[Solution]\nx\n[Problem]\ny", "no_parts"),
        (Reply(both(new_task(1)), "length"), "truncated"),
        (Reply("[Problem]\nTell", "length"), "truncated"),
        (both(""), "empty"),
        (both("I'm sorry, but I can't help with that."), "refusal"),
        (both("请写一个函数，把列表排好顺序。"), "other_language"),
        (both("A bicycle courier keeps a log as a list of dictionaries, each with keys."), "template_leak"),
        (both(new_task(1), "totals[ride['day']] = totals.get(ride['day'], 0) + ride['km']"), "template_leak"),
        (both("Sort a list."), "near_duplicate"),
        (both(new_task(1), ""), "empty_answer"),
        (both(new_task(1), "Sorry, I can't assist with that."), "refusal"),
        (RecordFailed("timeout", "no answer in time"), "timeout"),
    ],
)
def test_what_a_problem_is_let_go_for(said: Said, kind: str) -> None:
    done = run(FromCode(size=1, calls=1, patience=1), teller(lambda number: said))
    assert done.kinds == {kind: 1}
    (made,) = done.made
    assert made.meta["code"]
    assert made.dropped is not None
    assert made.dropped.failed == (kind == "timeout")


def test_a_problem_that_is_the_piece_of_code_is_let_go() -> None:
    done = run(
        FromCode(size=1, calls=1, patience=1), lambda ask: both(f"```python\n{shown(ask)}\n```"), SEEDS[1:]
    )
    assert done.kinds == {"copied": 1}


@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        ("[Problem]\na\n[Solution]\nb", Parts("a", "b")),
        ("[Problem Description]:\na\n\n**[Solution]**\nb", Parts("a", "b")),
        ("## Problem\na\n## Solution\nb\nc", Parts("a", "b\nc")),
        ("Sure!\n\n**Problem:**\na\n\n**Solution:**\nb", Parts("a", "b")),
        ("【题目】\n甲\n【解答】\n乙", Parts("甲", "乙")),
        ("[Problem]\nA problem.\n[Solution]\nA solution.", Parts("A problem.", "A solution.")),
        ("[Problem]\na", None),
        ("Problem a, solution b", None),
    ],
)
def test_the_two_parts_of_a_reply_are_found_by_their_headings(reply: str, expected: Parts | None) -> None:
    assert parts(reply) == expected


def test_code_is_what_stands_between_fences_or_all_of_a_text() -> None:
    assert code_of(SEEDS[0], "fenced") == CODE
    assert code_of(SEEDS[1], "fenced") == "list.sort((a, b) => a - b);"
    assert code_of(SEEDS[1], "prompt") == "Sort a list."
    assert code_of(SEEDS[0], "output") == "It multiplies."
    assert code_of(new_record("no code"), "fenced") == ""


@given(st.text("ab \n\t", min_size=1).filter(str.strip), st.integers(0, 99))
def test_a_piece_is_up_to_fifteen_lines_in_a_row_with_something_in_the_first(code: str, seed: int) -> None:
    drawn = piece(code, random.Random(seed))
    assert 1 <= len(drawn.splitlines()) <= 15
    assert drawn.splitlines()[0].strip()
    assert drawn in "\n".join(code.splitlines())


def test_pieces_are_of_all_lengths_up_to_fifteen() -> None:
    lengths = {len(piece(CODE + "\n" + CODE, random.Random(seed)).splitlines()) for seed in range(400)}
    assert lengths == set(range(1, 16))


def test_records_without_code_are_counted() -> None:
    done = run(FromCode(size=1), teller(), [*SEEDS, new_record("Why?", lang="en")])
    assert done.facts["records_without_code"] == 1


@pytest.mark.parametrize("seeds", [[], [new_record("def f(): pass", lang="en")]])
def test_without_code_it_says_where_to_look(seeds: list[Record]) -> None:
    with pytest.raises(
        FactoryError, match=r"no record that comes in has code between fences .*`field: prompt`"
    ):
        run(FromCode(size=1), teller(), seeds)
    if seeds:
        assert run(FromCode(size=1, field="prompt"), teller(), seeds).kept  # as it advises


@pytest.mark.slow
@settings(max_examples=40)
@given(
    st.lists(
        st.sampled_from([*(both(new_task(n)) for n in range(6)), both("Sort a list."), "", both("")]),
        min_size=1,
    ),
    st.integers(1, 8),
)
def test_the_laws(replies: list[str], size: int) -> None:
    step = FromCode(size=size, calls=3, patience=2)
    obey_the_laws(step, teller(lambda number: replies[number % len(replies)]), SEEDS)


def test_an_estimate_counts_one_call_for_each_problem() -> None:
    recipe = build_recipe(
        {
            "name": "coded",
            "models": {"m": {"provider": "openai", "base_url": "http://127.0.0.1:1/v1", "model": "x"}},
            "steps": [{"read": {"path": "factory:seeds"}}, {"from_code": {"size": 10}}],
        },
        "coded",
    )
    plan = asyncio.run(dry_run(recipe, 5))
    assert (plan.steps[1].once["m"].calls, plan.made) == (10 * 4, 10)
