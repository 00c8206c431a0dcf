"""Every step explains itself and is found by name; a plug-in that is broken is one sentence."""

from __future__ import annotations

import asyncio
import inspect
import subprocess
import sys
import textwrap
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import replace
from importlib.metadata import EntryPoint
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel
from step_context import process, scripted_context

from factory import step as step_module
from factory.data.prompt import load_prompt
from factory.data.record import Drop, Event, Record, new_record
from factory.errors import RecipeError, nearest
from factory.models.base import Answer, Sampling
from factory.recipe.option_docs import option_rows
from factory.step import Context, Filter, PerRecord, Source, Step, WholeSet, find_step, step_names

BUILT_IN = [
    "assemble",
    "backtranslate",
    "continue_conversation",
    "converse",
    "decontaminate",
    "dedup_rouge",
    "dedup_semantic",
    "evolve",
    "explore",
    "export",
    "from_code",
    "from_documents",
    "fuse",
    "invent",
    "judge",
    "judge_counterfactual",
    "pair",
    "persona",
    "quality_model",
    "read",
    "respond",
    "tag",
]


def examples(step: type[Step]) -> list[dict[str, Any]]:
    """The entries of the `Example:` block of a step's docstring."""
    _, _, block = inspect.cleandoc(step.__doc__ or "").partition("Example:\n")
    entries = yaml.safe_load(textwrap.dedent(block.split("\n\n")[0]))
    assert isinstance(entries, list)
    return entries


def context(step: str = "02-evolve", seed: int = 0) -> Context:
    def nobody(name: str) -> Any:
        raise AssertionError("no model is asked")

    return Context(step, seed, nobody, nobody)


def test_every_built_in_step_is_installed() -> None:
    assert set(BUILT_IN) <= set(step_names())
    assert step_names() == sorted(step_names())


@pytest.mark.parametrize("name", BUILT_IN)
def test_a_steps_manual_holds_an_example_that_a_recipe_takes(name: str) -> None:
    step = find_step(name)
    assert examples(step)
    for entry in examples(step):
        assert list(entry) == [name]
        assert isinstance(step.model_validate(entry[name]), step)


@pytest.mark.slow
@pytest.mark.parametrize("name", BUILT_IN)
def test_a_step_says_in_a_sentence_what_it_does_and_what_each_option_means(name: str) -> None:
    step = find_step(name)
    assert step.name == name
    assert step.__doc__ != Step.__doc__
    assert step.summary().endswith(".")
    assert "\n" not in step.summary()
    assert [field for field, _, _, description in option_rows(step) if not description] == []


@pytest.mark.parametrize("name", BUILT_IN)
def test_a_step_refuses_options_it_does_not_have_and_does_not_change(name: str) -> None:
    step = find_step(name)
    options = examples(step)[0][name]
    with pytest.raises(ValueError, match="not_an_option"):
        step.model_validate({**options, "not_an_option": 1})
    with pytest.raises(ValueError, match="frozen"):
        step.model_validate(options).anything = 1  # type: ignore[attr-defined]


def test_a_step_says_which_of_its_fields_name_a_model() -> None:
    assert find_step("respond").model_fields_of("chat") == ["model", "student", "judge"]
    assert find_step("respond").model_fields_of("embedding") == []
    assert find_step("dedup_semantic").model_fields_of("embedding") == ["model"]


@pytest.mark.parametrize(
    ("typed", "meant"), [("evlove", "evolve"), ("dedup-rouge", "dedup_rouge"), ("tags", "tag")]
)
def test_a_step_that_does_not_exist_is_answered_with_the_nearest(typed: str, meant: str) -> None:
    with pytest.raises(RecipeError, match=f"^there is no step '{typed}'; did you mean '{meant}'\\?$"):
        find_step(typed)


def test_a_name_that_is_near_none_is_answered_with_all_there_are() -> None:
    assert nearest("zzz", ["evolve", "tag"]) == "; known are evolve, tag"
    assert nearest("zzz", []) == ""
    assert nearest("", ["tag"]) == "; known are tag"


@settings(deadline=None)
@given(st.text(), st.lists(st.text(), max_size=4))
def test_the_nearest_of_any_names_is_one_of_them(name: str, names: list[str]) -> None:
    hint = nearest(name, names)
    close = [known for known in names if hint == f"; did you mean {known!r}?"]
    assert close or hint == (f"; known are {', '.join(names)}" if names else "")


DRAWS = """
from factory.step import Context
context = Context("02-evolve", 7, None, None)
print(*(context.random("r1", 3, "中文\\ud800").random() for _ in range(2)), context.random().random())
"""


@pytest.mark.slow
def test_random_draws_are_the_same_in_another_process() -> None:
    told = subprocess.run([sys.executable, "-c", DRAWS], capture_output=True, text=True, check=True).stdout
    here = context("02-evolve", 7)
    draw = here.random("r1", 3, "中文\ud800").random()
    assert told.split() == [str(draw), str(draw), str(here.random().random())]


def test_random_draws_do_not_depend_on_the_steps_number() -> None:
    assert context("02-evolve").random("a").random() == context("11-evolve").random("a").random()


def test_random_draws_differ_by_seed_step_and_key() -> None:
    draws = [
        context().random("a", 1),
        context(seed=1).random("a", 1),
        context("02-respond").random("a", 1),
        context().random("a", 2),
        context().random("a", "1"),
        context().random("a1"),
        context().random(),
        context("02-evolve-more").random("a", 1),
    ]
    assert len({draw.random() for draw in draws}) == len(draws)


def test_an_event_names_who_was_asked_and_every_call() -> None:
    answers = [Answer("a", "teacher", ("c1", "c2")), Answer("b", "teacher", ("c3",))]
    event = context().event("deepen", *answers, round=2)
    assert event == Event("02-evolve", "deepen", "teacher", "", ("c1", "c2", "c3"), (), 2)
    assert context().event("dedup") == Event("02-evolve", "dedup")


class Shout(PerRecord):
    """Say it loudly.

    Example:
        - shout: {}
    """

    name = "shout"

    async def process(self, record: Record, context: Context) -> AsyncIterator[Record]:
        """See `PerRecord.process`."""
        yield record


class Unfinished(WholeSet):
    """Lacks its method."""

    name = "shout"


class Neither(Step):
    """A step of no kind, which no engine can run."""

    name = "shout"


class Nameless(Source):
    """Has no name of its own."""

    def records(self, context: Context) -> Iterator[Record]:
        """See `Source.records`."""
        yield from ()


PLUG_IN = SimpleNamespace(
    Shout=Shout, Unfinished=Unfinished, Neither=Neither, Nameless=Nameless, function=len, instance=Shout()
)


@pytest.fixture
def install(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], None]]:
    """Installs a plug-in that offers the step "shout" at the place told."""

    def clear() -> None:
        step_module._entry_points.cache_clear()
        step_module.find_step.cache_clear()

    def install(value: str) -> None:
        entry = EntryPoint("shout", value, step_module.STEP_GROUP)
        monkeypatch.setitem(sys.modules, "plug_in", PLUG_IN)
        monkeypatch.setattr(step_module, "entry_points", lambda group: [entry])
        clear()

    yield install
    clear()


def test_a_plug_in_is_found_like_a_built_in_step(install: Callable[[str], None]) -> None:
    install("plug_in:Shout")
    assert find_step("shout") is Shout
    assert step_names() == ["shout"]


@pytest.mark.parametrize(
    ("value", "fault"),
    [
        ("plug_in:function", "is not a Step class: a Source, a PerRecord or a WholeSet"),
        ("plug_in:instance", "is not a Step class: a Source, a PerRecord or a WholeSet"),
        ("plug_in:Neither", "is not a Step class: a Source, a PerRecord or a WholeSet"),
        ("plug_in:Unfinished", "has not all of its methods: it lacks run"),
        ("plug_in:Nameless", "has another name: set `name = 'shout'` in the class"),
        ("plug_in:Absent", "cannot be loaded (AttributeError: "),
        ("no_such_module:Shout", "cannot be loaded (ModuleNotFoundError: No module named 'no_such_module')"),
    ],
)
def test_a_broken_plug_in_is_one_sentence(install: Callable[[str], None], value: str, fault: str) -> None:
    install(value)
    with pytest.raises(RecipeError) as caught:
        find_step("shout")
    assert str(caught.value).startswith(f"the plug-in {value}, which offers the step 'shout', {fault}")
    assert "\n" not in str(caught.value)


class NoAddresses(Filter):
    """Let a record go whose answer holds a web address."""

    name = "no_addresses"

    async def check(self, record: Record, context: Context) -> Drop | None:
        found = record.output.count("https://")
        return context.drop("url", "the answer holds an address", {"found": found}) if found else None


def test_a_filter_of_one_method_keeps_a_record_as_it_is_or_drops_it_with_its_reason() -> None:
    context, _ = scripted_context(lambda ask: pytest.fail("no model is asked"), step="03-no_addresses")
    kept, dropped = new_record("?", output="Yes."), new_record("?", output="See https://example.org")
    assert process(NoAddresses(), kept, context)[0] is kept
    (marked,) = process(NoAddresses(), dropped, context)
    assert marked.dropped == Drop("03-no_addresses", "url", "the answer holds an address", {"found": 1})
    assert replace(marked, dropped=None) == dropped


def test_a_filter_without_its_method_is_no_step() -> None:
    assert inspect.isabstract(Filter)
    assert not inspect.isabstract(NoAddresses)


class Equal(BaseModel):
    """A schema of one answer."""

    equal: bool


@pytest.mark.parametrize(
    ("lang", "text", "prompt"),
    [
        ("", "Name a river.", "en/evolve/no_information_gain@1"),
        ("", "说出一条河。", "zh/evolve/no_information_gain@1"),
        ("zh", "Name a river.", "zh/evolve/no_information_gain@1"),
        ("fr", "说出一条河。", "en/evolve/no_information_gain@1"),
    ],
)
def test_one_call_loads_the_prompt_of_the_records_language_asks_and_notes_it(
    lang: str, text: str, prompt: str
) -> None:
    context, chat = scripted_context(lambda ask: '{"equal": true}', step="02-compare")
    record = new_record(text, lang=lang)
    sampling = Sampling(0.5, 9)
    answer, event = asyncio.run(
        context.ask(
            "",
            "evolve/no_information_gain",
            record,
            sampling,
            schema=Equal,
            sample=2,
            round=3,
            first="a",
            second="b",
        )
    )
    assert answer.data == Equal(equal=True)
    assert event == Event("02-compare", "compare", "scripted", prompt, ("call-1",), (), 3)
    (ask,) = chat.asks
    assert (ask.sampling, ask.schema, ask.sample) == (sampling, Equal, 2)
    language = prompt.partition("/")[0]
    assert ask.messages == load_prompt("evolve/no_information_gain", language).render(first="a", second="b")


TYPED = """
from typing import assert_type
from factory.steps.agents.evolve import Comparison
from factory.models.base import Answer, ChatModel, Sampling
from factory.data.record import Message, Record
from factory.step import Asked, Context

async def asks(chat: ChatModel, context: Context, record: Record, wanted: type[Comparison] | None) -> None:
    said, how = [Message("user", "Equal?")], Sampling(0.0, 9)
    assert_type(await chat.ask(said, how), Answer[None])
    assert_type(await chat.ask(said, how, schema=Comparison), Answer[Comparison])
    assert_type(await chat.ask(said, how, schema=wanted), Answer[Comparison | None])
    assert_type(await chat.ask_many(said, how, n=2, schema=Comparison), list[Answer[Comparison]])
    asked = await context.ask("", "evolve/deepen", record, how, schema=Comparison, instruction="x")
    assert_type(asked, Asked[Comparison])
    assert_type(asked.answer.data.equal, bool)
    (await chat.ask(said, how)).data.equal  # type: ignore[attr-defined]
"""


@pytest.mark.slow
def test_an_answer_is_typed_by_the_schema_that_was_asked_for(tmp_path: Path) -> None:
    (tmp_path / "typed.py").write_text(TYPED)
    root = Path(step_module.__file__).parents[1]
    checked = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", str(tmp_path / "typed.py")],
        cwd=root,
        capture_output=True,
        text=True,
    )
    assert checked.returncode == 0, checked.stdout
