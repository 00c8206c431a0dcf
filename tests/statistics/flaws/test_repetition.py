"""A text that goes round in a loop, and what only looks like one."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st
from step_context import scripted_context

from factory.data.prompt import load_prompt
from factory.data.record import Message, new_record
from factory.models.base import Answer, Sampling
from factory.statistics.flaws.repetition import loop_flaw, repeated
from factory.steps.agents.flaws.answer import checked_answer
from factory.steps.agents.flaws.eliminate import answer_flaw
from factory.steps.agents.inventing.single import copy_flaw, task_flaw

LOOP = "and then again the same thing " * 20
LOOP_ZH = "然后再说一遍同样的话，" * 20
TABLE = "\n".join(f"| city {n} | 20{n:02d} | {n * 7} people | {n * 3} dogs |" for n in range(30))
VERSE = "\n".join(
    f"On day {n} of winter my neighbour {verb}, and we all sang: oh the snow comes down, oh the snow comes down."
    for n, verb in enumerate(["left", "laughed", "wept", "slept", "danced"])
)


@pytest.mark.parametrize("text", [LOOP, LOOP_ZH, "A good start, with a few words of sense. " + LOOP])
def test_a_text_that_says_the_same_again_and_again_is_a_loop(text: str) -> None:
    flaw = loop_flaw(text, "Explain the tides.", "the answer")
    assert flaw is not None
    assert flaw.kind == "repetition"
    assert flaw.reason.startswith("the answer goes round in a loop: '")


@pytest.mark.parametrize("text", [TABLE, VERSE, "", "word " * 30, "same words here " * 3])
def test_tables_refrains_and_short_texts_are_none(text: str) -> None:
    assert loop_flaw(text, "Explain the tides.", "the answer") is None


@pytest.mark.parametrize("said", ["Repeat it 20 times.", "把这句话说二十遍。", f"Shorten this: {LOOP}"])
def test_what_was_asked_for_or_shown_is_no_loop(said: str) -> None:
    assert loop_flaw(LOOP, said, "the answer") is None


@given(st.lists(st.text(alphabet="abcdefgh", min_size=1, max_size=3), unique=True))
def test_words_that_all_differ_are_never_a_loop(words: list[str]) -> None:
    assert loop_flaw(" ".join(words), "", "the answer") is None
    assert repeated(" ".join(words), "") == ""


@pytest.mark.parametrize(
    ("reply", "kind"),
    [("Explain the tides.", "echo"), (LOOP, "repetition"), ("I'm sorry, but I can't.", "refusal")],
)
@pytest.mark.parametrize("system", ["", "You teach."])
def test_an_answer_is_let_go_with_its_kind_whatever_the_system_turn(
    reply: str, kind: str, system: str
) -> None:
    child = new_record("Explain the tides.", history=[Message("system", system)] if system else [])
    context, _ = scripted_context(lambda ask: reply)
    answered, flaw = asyncio.run(checked_answer(child, "teacher", Sampling(1.0, 64), context))
    assert flaw is not None
    assert flaw.kind == kind
    assert answered.output == reply.strip()


def test_an_answer_that_says_more_than_its_prompt_is_no_echo() -> None:
    assert answer_flaw("Explain the tides. The moon pulls at the sea.", "Explain the tides.") is None


def test_a_task_that_is_a_loop_is_let_go() -> None:
    reply: Answer[object] = Answer(LOOP, "m", ("key",))
    flaw = task_flaw(LOOP, reply, ["A beekeeper."], {"en"}, load_prompt("persona/instruction", "en"))
    assert flaw is not None
    assert flaw.kind == "repetition"


def test_a_task_that_is_what_it_was_made_from_is_let_go() -> None:
    flaw = copy_flaw("a beekeeper  in the Alps.", "A beekeeper in the Alps.", "persona")
    assert flaw == ("unchanged", "the persona is what it was to be made from", {})
    assert copy_flaw("When do bees swarm?", "A beekeeper in the Alps.") is None
