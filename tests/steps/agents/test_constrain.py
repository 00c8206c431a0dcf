"""A ladder of constraints with a scripted model: every level, and every way in which one can fail."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from step_context import Ask, process, scripted_context

import factory as sft
from factory.data.record import Record, new_record
from factory.errors import InputError, RecordFailed
from factory.models.base import Reply
from factory.step import Context
from factory.steps.agents.constrain import Constrain
from factory.steps.judging.constraints.conflicts import conflict
from factory.steps.judging.constraints.registry import find_kind
from factory.steps.judging.constraints.stated import COLUMN, stated_constraints

SEED = new_record("Why is the sea salty?", output="Rivers carry salt.", lang="en", meta={"id": "s1"})
SEED_ZH = new_record("海水为什么是咸的？", output="河流带来盐。", lang="zh")
STYLES = ("Write like a sailor of old.", "Use one image from cooking.", "Address a curious child.")

Said = str | Reply | Exception


def writes(*texts: Said) -> Callable[[Ask], Said]:
    """A model that writes these constraints, one after another, and answers anything else."""
    left = list(texts)

    def script(ask: Ask) -> Said:
        if ask.schema is None:
            return "Because rivers carry minerals into it."
        said = left.pop(0)
        return json.dumps({"constraint": said}) if isinstance(said, str) and said[:1] != "!" else said

    return script


def no_model(ask: Ask) -> str:
    raise AssertionError("no model is asked")


def made(
    record: Record = SEED, script: Callable[[Ask], Said] = no_model, **options: Any
) -> tuple[list[Record], Context]:
    context, _ = scripted_context(script, step="02-constrain")
    return process(Constrain(**options), record, context), context


def kinds(records: list[Record]) -> list[str | None]:
    return [record.dropped.kind if record.dropped else None for record in records]


@pytest.mark.parametrize("seed", [SEED, SEED_ZH])
def test_each_level_is_the_one_below_and_one_constraint_more(seed: Record) -> None:
    (first, *levels), _ = made(seed, levels=5, by="code")
    assert first == seed
    assert len(levels) == 5
    for number, level in enumerate(levels, start=1):
        below = levels[number - 2] if number > 1 else seed
        stated = stated_constraints(level)
        assert stated[:-1] == stated_constraints(below)
        assert len(stated) == number == level.round
        assert level.instruction == f"{below.instruction}\n{stated[-1].text}"
        assert level.events[-1].parents == (below.id,)
        assert level.events[-1].operation == stated[-1].constraint.kind
        assert level.output == ""
        assert conflict([one.constraint for one in stated]) == ""
    assert levels[0].meta.get("id") == seed.meta.get("id")


def test_the_same_seed_climbs_the_same_ladder() -> None:
    assert made(levels=4, by="code")[0] == made(levels=4, by="code")[0]


def test_categories_take_turns() -> None:
    levels = made(levels=3, by="code", categories=("content", "style", "format"))[0][1:]
    categories = {stated_constraints(level)[-1].category for level in levels}
    assert categories == {"content", "style", "format"}


def test_material_of_the_instruction_stays_behind_the_constraints() -> None:
    record = new_record("Translate this.", input="Guten Tag.", lang="en")
    level = made(record, levels=1, by="code")[0][1]
    assert level.instruction.startswith("Translate this.\n")
    assert level.input == "Guten Tag."


def test_kinds_can_be_chosen_and_an_unknown_one_names_the_closest() -> None:
    levels = made(levels=1, by="code", kinds=("punctuation:no_comma",))[0]
    assert stated_constraints(levels[1])[0].constraint.kind == "punctuation:no_comma"
    with pytest.raises(ValidationError, match="did you mean 'punctuation:no_comma'"):
        Constrain(kinds=("no_comma",))


def test_a_ladder_ends_where_nothing_fits_and_that_is_counted() -> None:
    records, context = made(levels=3, by="code", kinds=("punctuation:no_comma",))
    assert len(records) == 2
    assert context.facts["ladders_that_end_early"] == 1
    assert context.facts["levels_not_made"] == 2


def test_a_record_for_which_nothing_fits_is_set_aside_where_it_is_not_given_on() -> None:
    with pytest.raises(RecordFailed, match="no constraint of these kinds fits"):
        made(SEED_ZH, levels=1, by="code", kinds=("change_case:english_capital",), keep_parents=False)


def test_the_model_writes_what_no_code_can_check() -> None:
    records, _ = made(script=writes(*STYLES), levels=3, by="model", categories=("style",))
    assert kinds(records) == [None] * 4
    last = records[-1]
    assert last.instruction == "\n".join([SEED.instruction, *STYLES])
    assert [one.constraint.kind for one in stated_constraints(last)] == ["judged:style"] * 3
    assert last.meta[COLUMN][0] == {
        "kind": "judged:style",
        "arguments": {"requirement": STYLES[0]},
        "category": "style",
        "text": STYLES[0],
    }
    assert last.events[-1].prompt == "en/constraints/style@1"
    assert last.events[-1].round == 3


def test_the_model_is_shown_the_instruction_and_what_is_asked_for_already() -> None:
    asks: list[Ask] = []
    script = writes(*STYLES)

    def keeping(ask: Ask) -> Said:
        asks.append(ask)
        return script(ask)

    made(script=keeping, levels=2, by="model", categories=("style",))
    assert "<instruction>\nWhy is the sea salty?\n</instruction>\n<constraints>\n(none)" in asks[0].text
    assert f"<constraints>\n{STYLES[0]}\n</constraints>" in asks[1].text


BAD: dict[str, tuple[Said, str]] = {
    "a copy of the instruction": ("Why is the sea salty?", "unchanged"),
    "the instruction with more": ("Why is the sea salty? Write like a sailor.", "unchanged"),
    "nothing": (" ", "empty"),
    "a leak": (
        "One constraint, in one sentence of at most 30 words, addressed to the one who will answer.",
        "template_leak",
    ),
    "a label": ("Rewritten instruction: be brief.", "template_leak"),
    "a refusal": ("I'm sorry, but I can't help with that request.", "refusal"),
    "another language": ("请用水手的口吻来写。", "other_language"),
    "an essay": ("Write it " + "very " * 95 + "dryly.", "too_long"),
    "broken JSON": ("!{constraint: x", "bad_reply"),
    "a cut reply": (Reply('{"constraint": "Write like a sailor', "length"), "bad_reply"),
    "no call": (RecordFailed("call_failed", "the server is gone"), "call_failed"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_constraint_that_is_none_is_kept_as_dropped_and_asked_for_again(name: str) -> None:
    said, kind = BAD[name]
    records, context = made(script=writes(said, STYLES[0]), levels=1, by="model", categories=("style",))
    assert kinds(records) == [None, kind, None]
    assert records[1].dropped is not None
    assert records[1].dropped.failed is (kind in ("bad_reply", "call_failed"))
    assert records[1].events[-1].parents == (SEED.id,)
    assert records[2].instruction.endswith(STYLES[0])
    assert len({record.id for record in records}) == 3
    assert "ladders_that_end_early" not in context.facts


def test_a_copy_of_a_constraint_that_is_there_is_let_go() -> None:
    script = writes(STYLES[0], STYLES[0].upper(), STYLES[1])
    records, _ = made(script=script, levels=2, by="model", categories=("style",))
    assert kinds(records) == [None, None, "unchanged", None]


def test_a_chinese_record_wants_a_chinese_constraint() -> None:
    script = writes("Write like a sailor.", "用老水手的口吻来写。")
    records, _ = made(SEED_ZH, script, levels=1, by="model", categories=("style",))
    assert kinds(records) == [None, "other_language", None]
    assert records[2].events[-1].prompt == "zh/constraints/style@1"


def test_where_no_try_helps_the_registry_does_and_without_it_the_ladder_ends() -> None:
    only_bad = [" "] * 8
    records, context = made(script=writes(*only_bad), levels=2, by="model", categories=("style",))
    assert kinds(records) == [None, "empty", "empty"]
    assert context.facts["levels_not_made"] == 2
    tried = 0
    for number in range(8):
        seed = new_record(f"Why is sea number {number} salty?", lang="en")
        records, _ = made(seed, writes(*only_bad), levels=1, categories=("style",))
        tried += kinds(records)[1:-1] == ["empty", "empty"]
        assert kinds(records)[-1] is None
        assert not stated_constraints(records[-1])[0].constraint.kind.startswith("judged:")
    assert 0 < tried < 8, "half of them ask the model first"


def test_each_level_is_answered_if_asked() -> None:
    records, _ = made(script=writes(*STYLES), levels=2, by="model", categories=("style",), answer=True)
    assert [record.output for record in records[1:]] == ["Because rivers carry minerals into it."] * 2
    assert [event.operation for event in records[1].events] == ["judged:style", "answer"]
    assert records[2].events[2].parents == () or records[2].events[0].parents == (SEED.id,)


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (Reply("Because riv", "length"), "truncated"),
        ("", "empty_answer"),
        ("I'm sorry, but I can't help with that request.", "refusal"),
        (RecordFailed("refused", "the model refused"), "refused"),
    ],
)
def test_an_answer_that_is_none_lets_its_level_go_and_the_ladder_goes_on(answer: Said, kind: str) -> None:
    written = writes(*STYLES)
    records, _ = made(
        script=lambda ask: answer if ask.schema is None else written(ask),
        levels=2,
        by="model",
        categories=("style",),
        answer=True,
    )
    assert kinds(records) == [None, kind, kind]
    assert len(stated_constraints(records[2])) == 2
    assert records[1].id != records[2].id


def test_a_rewording_is_taken_where_it_says_all_arguments() -> None:
    options = {"levels": 1, "by": "code", "kinds": ("length_constraints:number_words",), "reword": True}
    plain = stated_constraints(made(**{**options, "reword": False})[0][1])[0]
    number = plain.constraint.arguments()["num_words"]
    relation = plain.constraint.arguments()["relation"]
    good = f"Please keep to {relation} {number} words in all."
    records, context = made(script=writes(good), **options)
    assert stated_constraints(records[1])[0].text == good
    assert stated_constraints(records[1])[0].constraint == plain.constraint
    assert context.facts["reworded"] == 1


@pytest.mark.parametrize(
    "said",
    [
        "Write as much as you like.",
        "请写少于一百字。",
        "",
        "I'm sorry, but I can't help with that.",
        "!broken",
    ],
)
def test_any_other_rewording_leaves_the_registrys_words(said: str) -> None:
    options = {"levels": 1, "by": "code", "kinds": ("length_constraints:number_words",)}
    plain = stated_constraints(made(**options)[0][1])[0]
    records, context = made(script=writes(said), reword=True, **options)
    assert stated_constraints(records[1])[0].text == plain.text
    assert context.facts.get("rewordings_left_out", 0) + context.facts.get("rewordings_not_had", 0) == 1


def test_a_record_with_constraints_climbs_on_from_them() -> None:
    record = new_record("Describe rain.", lang="en", meta={COLUMN: [{"kind": "punctuation:no_comma"}]})
    level = made(record, levels=1, by="code")[0][1]
    first, second = stated_constraints(level)
    assert first.constraint.kind == "punctuation:no_comma"
    assert conflict([first.constraint, second.constraint]) == ""


def test_a_record_that_asks_nothing_is_set_aside() -> None:
    with pytest.raises(RecordFailed, match="no user turn"):
        made(new_record(" "), by="code")


def test_constraints_that_cannot_be_read_set_the_record_aside() -> None:
    with pytest.raises(RecordFailed, match="there is no kind"):
        made(new_record("x", meta={COLUMN: [{"kind": "x"}]}), by="code")


def from_file(rows: list[dict[str, Any]], **options: Any) -> list[Record]:
    context, _ = scripted_context(no_model)
    read = Context(
        "02-constrain",
        0,
        context.get_chat,
        context.get_embedder,
        read_rows=lambda path: enumerate(rows, start=1),
    )
    return process(Constrain(constraints="own.jsonl", **options), SEED, read)


def test_constraints_can_come_from_a_file() -> None:
    own = [
        {"kind": "startend:end_checker", "arguments": {"end_phrase": "Over."}, "text": "End with Over."},
        {"kind": "judged:style", "arguments": {"requirement": "Be dry."}},
    ]
    levels = from_file(own, levels=2)[1:]
    assert {one.words("en") for one in stated_constraints(levels[-1])} == {"End with Over.", "Be dry."}


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ({"kind": "end_checker"}, "own.jsonl:2: there is no kind of constraint 'end_checker'; did you mean "),
        (
            {"kind": "startend:end_checker"},
            "own.jsonl:2: startend:end_checker: the argument 'end_phrase' is missing",
        ),
        (
            {"kind": "startend:end_checker", "arguments": {"end_phrase": "x", "case": 1}},
            "own.jsonl:2: startend:end_checker: there is no argument 'case'",
        ),
    ],
)
def test_a_row_of_the_file_that_is_no_constraint_is_told_with_its_line(
    row: dict[str, Any], said: str
) -> None:
    with pytest.raises(InputError) as error:
        from_file([{"kind": "punctuation:no_comma"}, row])
    assert str(error.value).startswith(said)


@given(st.integers(0, 500), st.sampled_from(["en", "zh"]))
def test_no_ladder_repeats_a_kind_and_each_constraint_has_its_words_in_the_instruction(
    number: int, language: str
) -> None:
    text = f"Describe river {number}." if language == "en" else f"介绍第{number}条河。"
    records, _ = made(new_record(text, lang=language), levels=4, by="code")
    stated = stated_constraints(records[-1])
    assert len({one.constraint.kind for one in stated}) == len(stated)
    for one in stated:
        assert one.text in records[-1].instruction
        assert find_kind(one.constraint.kind).model_validate(one.constraint.arguments()) == one.constraint


def test_a_run_keeps_the_column_in_parquet_and_json_lines_and_why_tells_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    climbed = sft.load([{"instruction": "Describe rain."}]).then("constrain", levels=2, by="code").run(seed=0)
    for name in ("ladder.parquet", "ladder.jsonl"):
        climbed.save(name)
        again = sft.load(name)
        assert [record.meta.get(COLUMN) for record in again] == [
            record.meta.get(COLUMN) for record in climbed
        ]
        assert [stated_constraints(record) for record in again] == [
            stated_constraints(record) for record in climbed
        ]


async def rehearsed(step: Constrain, context: Context) -> list[Record]:
    return [record async for record in step.rehearse(SEED, context)]


@pytest.mark.parametrize(
    ("options", "calls"),
    [
        ({"levels": 3, "by": "code"}, 0),
        ({"levels": 3, "by": "code", "reword": True, "answer": True}, 6),
        ({"levels": 3, "by": "model", "tries": 2}, 6),
        ({"levels": 2, "by": "both", "tries": 3, "reword": True, "answer": True}, 10),
    ],
)
def test_an_estimate_counts_every_call_that_could_be_made(options: dict[str, Any], calls: int) -> None:
    context, chat = scripted_context(
        lambda ask: "Stand-in." if ask.schema is None else json.dumps({"constraint": "Stand-in."})
    )
    records = asyncio.run(rehearsed(Constrain(**options), context))
    assert len(chat.asks) == calls
    assert len(records) == 1 + options["levels"]
    assert not any(record.dropped for record in records)


def test_a_model_is_named_only_where_it_is_asked() -> None:
    assert list(Constrain(by="code").models_of("chat")) == []
    for options in ({}, {"by": "code", "reword": True}, {"by": "code", "answer": True}, {"by": "model"}):
        assert list(Constrain(**options).models_of("chat")) == [("model", "")]


@pytest.mark.parametrize("nothing", ["", " ", "\u200b", "\u200b \u3000\n", "\u2060\ufeff"])
def test_a_constraint_that_shows_nothing_is_empty_and_ends_no_record(nothing: str) -> None:
    records, _ = made(levels=1, by="model", tries=1, categories=("style",), script=writes(nothing))
    assert kinds(records) == [None, "empty"]


def test_an_answer_that_is_the_prompt_again_lets_its_level_go() -> None:
    records, _ = made(levels=1, by="code", answer=True, script=lambda ask: ask.messages[-1].content)
    assert kinds(records) == [None, "echo"]


def test_what_was_reached_is_told_with_what_most_were_let_go_for() -> None:
    told: list[str] = []
    context, _ = scripted_context(lambda ask: "I'm sorry, but I can't help.", step="02-constrain")
    context = replace(context, tell=told.append, warn=told.append)
    step = Constrain(levels=2, by="code", answer=True)
    process(step, SEED, context)
    step.finish(context)
    assert told[0].startswith("02-constrain: 0 of 2 children were kept, 0.0% (95 % interval ")
    assert told[1].startswith("02-constrain: 2 of the 2 let go are refusal: the model refuses: ")
