"""The step `clean`: report, mark, mend and drop by a profile, with a tally that no order changes."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from step_context import process, scripted_context

from factory.data.record import Message, Record, new_record
from factory.data.run_manifest import CLEANING
from factory.errors import RecipeError
from factory.report.cleaning import group_rows
from factory.steps.clean.clean import Clean
from factory.steps.clean.cleaning.mending import ORIGINAL
from factory.steps.clean.rules.rule import Found, Rule
from factory.steps.clean.rules.view import LONGEST, Part

FAULTY = new_record("Tell me of Rome.", output="It&#39;s the capital of Italy. \n")
REFUSES = new_record("怎样排序？", output="抱歉，我无法回答这个问题。")
GOOD = new_record("Why is the sea salty?", output="Rivers bring salt.")


def run(step: Clean, *records: Record) -> tuple[list[Record], dict[str, Any]]:
    context, _ = scripted_context(lambda ask: "", step="01-clean")
    made = [one for record in records for one in process(step, record, context)]
    step.finish(context)
    return made, context.facts[CLEANING]


def test_by_default_nothing_is_changed_and_all_is_counted() -> None:
    made, tally = run(Clean(), FAULTY, REFUSES, GOOD)
    assert made == [FAULTY, REFUSES, GOOD]
    assert (tally["rows"], tally["faulty"], tally["mended"], tally["dropped"]) == (3, 2, 0, 0)
    assert tally["rules"]["html_entities"]["rows"] == 1
    assert tally["rules"]["refusal"]["languages"] == {"zh": 1}
    (example,) = tally["rules"]["html_entities"]["examples"]
    assert (example["before"], example["fault"], example["after"]) == (
        "It",
        "&#39;",
        "s the capital of Italy. \n",
    )


def test_a_mended_record_keeps_its_id_an_event_and_what_it_said() -> None:
    (made,), tally = run(Clean(profile="mend"), FAULTY)
    assert made.output == "It's the capital of Italy."
    assert made.id == FAULTY.id
    assert [(event.step, event.operation) for event in made.events] == [("01-clean", "mend")]
    assert made.meta[ORIGINAL] == [{"turn": 1, "where": "content", "text": FAULTY.output}]
    assert tally["mended"] == 1


def test_a_marked_record_names_the_rules_that_found_something() -> None:
    (made, good), _ = run(Clean(rules={"refusal": "mark", "whitespace": "off"}), REFUSES, GOOD)
    assert made.meta["clean"] == ["refusal"]
    assert good == GOOD


def test_a_dropped_record_says_which_rule_and_what_it_found() -> None:
    (made,), tally = run(Clean(profile="strict"), REFUSES)
    assert made.dropped is not None
    assert (made.dropped.kind, made.dropped.step) == ("refusal", "01-clean")
    assert "抱歉" in made.dropped.reason
    assert tally["dropped"] == 1


def test_what_a_mend_does_away_with_drops_nothing() -> None:
    row = new_record("Name a fruit.", input="<noinput>", output="An apple.")
    (made,), _ = run(Clean(profile="strict", rules={"html_tags": "drop"}), row)
    assert made.dropped is None
    assert (made.instruction, made.input) == ("Name a fruit.", "")


def test_a_groups_action_is_that_of_its_rules_and_a_rules_own_word_goes_first() -> None:
    cleaner = Clean(rules={"voice": "mark", "refusal": "drop", "text": "off"}).cleaner
    assert cleaner.actions["sycophancy"] == "mark"
    assert cleaner.actions["refusal"] == "drop"
    assert "html_entities" not in cleaner.actions


def test_only_these_rules_look() -> None:
    assert list(Clean(only=("refusal", "html_entities")).cleaner.rules) == ["html_entities", "refusal"]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"rules": {"refusals": "drop"}}, "did you mean 'refusal'?"),
        ({"only": ("refusal", "refusal")}, "the rule 'refusal' is given twice"),
        ({"only": ("loops",)}, "did you mean 'loop'?"),
        ({"profile": "strickt"}, "did you mean 'strict'?"),
        ({"rules": {"refusal": "mend"}}, "has no certain mend"),
        ({"only": ("license_denied",)}, "no rule to go by"),
    ],
)
def test_what_is_wrong_with_its_options_is_one_sentence(options: dict[str, Any], said: str) -> None:
    with pytest.raises(RecipeError, match=said.replace("?", r"\?")) as error:
        Clean(**options)
    assert "Traceback" not in str(error.value)


def test_licences_and_dates_are_held_against_what_the_profile_wants() -> None:
    step = Clean(
        licenses={"deny": ["cc-by-nc*"]}, dates={"column": "made", "after": 2020}, rules={"all": "drop"}
    )
    base = new_record("Name a fruit.", output="An apple.")
    rows = [
        Record("a", base.messages, license="CC BY-NC 4.0", meta={"made": "2021-05-01"}),
        Record("b", base.messages, license="Apache-2.0", meta={"made": "2019年3月"}),
        Record("c", base.messages, license="Apache-2.0", meta={"made": 2023}),
        Record("d", base.messages, meta={}),
    ]
    made, _ = run(step, *rows)
    assert [one.dropped.kind if one.dropped else "" for one in made] == [
        "license_denied",
        "data_age",
        "",
        "data_age",
    ]


def test_a_rule_that_raises_is_counted_and_told_and_the_others_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    def bad(part: Part) -> Iterator[Found]:
        raise ZeroDivisionError("oh")

    step = Clean(only=("refusal", "html_entities"))
    step.cleaner.rules["html_entities"] = Rule("html_entities", "text", "Bad.", bad)
    context, _ = scripted_context(lambda ask: "", step="01-clean")
    told: list[str] = []
    object.__setattr__(context, "warn", told.append)
    process(step, REFUSES, context)
    step.finish(context)
    assert context.facts[CLEANING]["raised"]["html_entities"]["rows"] == 2 - 1
    assert context.facts[CLEANING]["rules"]["refusal"]["rows"] == 1
    assert "html_entities failed on 1 rows" in told[0]
    assert "ZeroDivisionError: oh" in told[0]


def test_the_tally_is_the_same_in_any_order() -> None:
    rows = [
        new_record(f"Name fruit {at}.", output=f"It&#39;s number {at}.", source=f"s{at % 3}")
        for at in range(40)
    ]
    _, tally = run(Clean(), *rows)
    mixed = list(rows)
    random.Random(1).shuffle(mixed)
    _, other = run(Clean(), *mixed)
    assert tally == other
    assert len(tally["rules"]["html_entities"]["examples"]) == 5


def test_a_group_that_loses_more_than_the_others_is_told() -> None:
    bad = [
        new_record(f"怎样排序 {at}？", output="抱歉，我无法回答这个问题。", source="forum")
        for at in range(40)
    ]
    good = [
        new_record(f"Name fruit {at}.", output="An apple, or a pear.", source="books") for at in range(60)
    ]
    _, tally = run(Clean(profile="strict"), *bad, *good)
    told = {(row.kind, row.name): row for row in group_rows(tally)}
    assert told["source", "forum"].more
    assert not told["source", "books"].more
    assert told["language", "zh"].lost == 40
    assert told["language", "zh"].interval[0] > 0.9


def test_plug_ins_are_found_by_their_entry_points(monkeypatch: pytest.MonkeyPatch) -> None:
    from importlib.metadata import EntryPoint

    from factory.steps.clean.rules import registry

    entry = EntryPoint("shouting", "test_clean_step:SHOUTING", registry.GROUP)
    monkeypatch.setattr(registry, "entry_points", lambda group: [entry])
    monkeypatch.setattr(EntryPoint, "load", lambda self: SHOUTING)
    registry.rules.cache_clear()
    try:
        assert registry.rules()["shouting"] is SHOUTING
        monkeypatch.setattr(EntryPoint, "load", lambda self: 7)
        registry.rules.cache_clear()
        with pytest.raises(RecipeError, match="is no rule: make it a Rule"):
            registry.rules()
    finally:
        monkeypatch.undo()
        registry.rules.cache_clear()


SHOUTING = Rule("shouting", "own", "Capitals.", lambda part: iter(()))


@pytest.mark.parametrize(
    "text",
    [
        "\x00\x01\x02\xff" * 3000,
        "😀👩‍👩‍👧‍👦🏳️‍🌈" * 2000,
        "𓀀𓁐𒀀ꙮ᚛ᚑᚌ" * 2000,
        "\ud800 lone \udfff surrogates " * 500,
        "(" * 30_000 + "[" * 30_000,
        "`" * 60_000,
        "$" * 60_000,
        "a," * 30_000,
        "&" * 30_000 + "&#" * 15_000,
        "<think>" * 8000,
        " \n" * 30_000,
        "the " * 15_000,
        "我" * 30_000,
        "\\[" * 20_000,
        "1. Write\n" * 6000,
    ],
    ids=lambda text: ascii(text[:6]),
)
@pytest.mark.slow
def test_odd_rows_are_looked_at_and_no_rule_fails_on_them(text: str) -> None:
    record = Record("x", (Message("user", text), Message("assistant", text, reasoning=text[:1000])))
    made, tally = run(Clean(profile="strict"), record)
    assert len(made) == 1
    assert tally["raised"] == {}


@pytest.mark.slow
def test_of_a_text_of_ten_megabytes_the_beginning_is_read_and_that_is_told() -> None:
    step = Clean()
    context, _ = scripted_context(lambda ask: "", step="01-clean")
    told: list[str] = []
    object.__setattr__(context, "warn", told.append)
    row = new_record("Tell me all.", output="It&#39;s a long tale of the sea. " * 350_000)
    process(step, row, context)
    step.finish(context)
    tally = context.facts[CLEANING]
    assert tally["read_in_part"] == 1
    assert 0 < tally["rules"]["html_entities"]["found"] <= LONGEST / 32 + 1
    assert any("first 400,000 characters" in sentence for sentence in told)


def test_a_profile_file_is_among_the_inputs(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text("rules: {refusal: off}\n")
    step = Clean(profile=str(file))
    assert step.inputs() == (file,)
    assert "refusal" not in step.cleaner.rules
    assert Clean().inputs() == ()


@pytest.mark.parametrize(
    ("column", "rules", "held", "told"),
    [
        ("clean", {"all": "mark"}, "mine", True),
        ("clean", {"all": "report"}, "mine", False),
        ("clean", {"all": "mark"}, ["seen"], False),
        (ORIGINAL, {"html_entities": "mend"}, 5, True),
    ],
)
def test_a_column_of_the_users_own_is_not_written_over_in_silence(
    column: str, rules: dict[str, Any], held: object, told: bool
) -> None:
    warned: list[str] = []
    context = replace(scripted_context(lambda ask: "", step="01-clean")[0], warn=warned.append)
    list(process(Clean(rules=rules), replace(FAULTY, meta={column: held}), context))
    assert [repr(column) in sentence for sentence in warned] == [True] * told
