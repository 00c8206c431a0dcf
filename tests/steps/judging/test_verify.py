"""Holding answers against their constraints: scores, verdicts, what is missing, and what is dropped."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson
import pytest
from pydantic import ValidationError
from step_context import Ask, process, scripted_context

import factory as sft
from factory.data.formats.read import read_records
from factory.data.record import Event, Record, new_record
from factory.errors import RecordFailed
from factory.models.base import Reply
from factory.steps.judging.constraints.stated import COLUMN
from factory.steps.judging.verify import Verify

NO_COMMA = {"kind": "punctuation:no_comma"}
SHORT = {
    "kind": "length_constraints:number_words",
    "arguments": {"relation": "less than", "num_words": 5},
}
DRY = {"kind": "judged:style", "arguments": {"requirement": "Be dry."}}
WARM = {"kind": "judged:situation", "arguments": {"requirement": "It is summer."}}


def record_of(answer: str, *constraints: dict[str, Any], lang: str = "en") -> Record:
    return new_record("Describe rain.", output=answer, lang=lang, meta={COLUMN: list(constraints), "id": 7})


def verified(
    record: Record, script: Callable[[Ask], str | Reply | Exception] | None = None, **options: Any
) -> Record:
    def no_model(ask: Ask) -> str:
        raise AssertionError("no model is asked")

    context, _ = scripted_context(script or no_model, step="02-verify")
    model = {"model": "judge"} if script else {}
    (made,) = process(Verify(**model, **options), record, context)
    return made


def says(*verdicts: str) -> Callable[[Ask], str]:
    rows = [
        {"constraint": at, "reason": f"reason {at}", "satisfied": verdict}
        for at, verdict in enumerate(verdicts, start=1)
    ]
    return lambda ask: json.dumps({"verdicts": rows})


def test_an_answer_that_meets_all_has_one_and_one() -> None:
    made = verified(record_of("Rain falls.", NO_COMMA, SHORT))
    assert made.scores == {"verify.hsr": 1.0, "verify.ssr": 1.0}
    assert made.notes == {}
    assert [one["satisfied"] for one in made.meta[COLUMN]] == [True, True]
    assert made.events == (Event("02-verify", "verify"),)
    assert made.meta["id"] == 7


def test_an_answer_that_fails_one_of_two_says_which_and_what_was_found() -> None:
    made = verified(record_of("Rain falls from clouds all day.", NO_COMMA, SHORT))
    assert made.scores == {"verify.hsr": 0.0, "verify.ssr": 0.5}
    assert made.notes["verify.hsr"] == "1 of 2 constraints not met: Answer with less than 5 words. (found: 6)"
    assert [(one["satisfied"], one["found"]) for one in made.meta[COLUMN]] == [(True, ""), (False, "6")]


def test_a_chinese_record_is_told_in_chinese() -> None:
    made = verified(record_of("雨从云里落下来。", SHORT, lang="zh"))
    assert "回答少于 5 字。 (found: 7)" in made.notes["verify.hsr"]


def test_what_code_cannot_check_goes_to_the_judge_in_one_call() -> None:
    asks: list[Ask] = []

    def script(ask: Ask) -> str:
        asks.append(ask)
        return says("yes", "no")(ask)

    made = verified(record_of("Rain falls.", DRY, NO_COMMA, WARM), script)
    assert len(asks) == 1
    assert asks[0].temperature == 0
    assert "<constraints>\n1. Be dry.\n2. It is summer.\n</constraints>" in asks[0].text
    assert "no commas" not in asks[0].text
    assert made.scores == {"verify.hsr": 0.0, "verify.ssr": pytest.approx(2 / 3)}
    assert [one["satisfied"] for one in made.meta[COLUMN]] == [True, True, False]
    assert made.meta[COLUMN][2]["found"] == "reason 2"
    assert made.events[-1].model == "scripted"
    assert made.events[-1].prompt == "en/constraints/verify@1"


def test_a_judge_is_asked_in_the_records_language() -> None:
    asks: list[Ask] = []

    def script(ask: Ask) -> str:
        asks.append(ask)
        return says("yes")(ask)

    made = verified(record_of("下雨了。", DRY, lang="zh"), script)
    assert "检查员" in asks[0].messages[0].content
    assert made.scores["verify.hsr"] == 1.0


BAD_REPLIES: dict[str, str | Reply | Exception] = {
    "no JSON": "I think they are all met.",
    "too few": says("yes")(Ask((), None, None, 0)),  # type: ignore[arg-type]
    "too many": says("yes", "yes", "yes")(Ask((), None, None, 0)),  # type: ignore[arg-type]
    "another word": says("yes", "maybe")(Ask((), None, None, 0)),  # type: ignore[arg-type]
    "numbered twice": json.dumps({"verdicts": [{"constraint": 1, "reason": "x", "satisfied": "yes"}] * 2}),
    "numbered from 0": json.dumps(
        {"verdicts": [{"constraint": at, "reason": "x", "satisfied": "yes"} for at in (0, 1)]}
    ),
    "no call": RecordFailed("call_failed", "the server is gone"),
    "a refusal": RecordFailed("refused", "the model refused"),
}


@pytest.mark.parametrize("name", BAD_REPLIES)
def test_a_verdict_that_was_not_had_is_missing_and_never_guessed(name: str) -> None:
    made = verified(record_of("Rain falls.", DRY, NO_COMMA, WARM), lambda ask: BAD_REPLIES[name])
    assert made.scores == {}
    assert made.missing["verify.ssr"].kind == made.missing["verify.hsr"].kind == "no_verdict"
    assert "of 2 of 3 constraints there is no verdict" in made.missing["verify.ssr"].reason
    assert [one["satisfied"] for one in made.meta[COLUMN]] == [None, True, None]
    assert made.dropped is None


def test_where_another_constraint_fails_the_answer_is_known_not_to_meet_all() -> None:
    made = verified(record_of("Rain, rain.", DRY, NO_COMMA), lambda ask: "nothing")
    assert made.scores == {"verify.hsr": 0.0}
    assert "verify.ssr" in made.missing


def test_without_a_judge_such_a_constraint_has_no_verdict_and_it_is_warned_of() -> None:
    warnings: list[str] = []
    context, chat = scripted_context(lambda ask: "")
    context = sft.step.Context("01-verify", 0, context.get_chat, context.get_embedder, warn=warnings.append)
    (made,) = process(Verify(), record_of("Rain.", DRY), context)
    assert chat.asks == []
    assert "no model is named to judge" in made.missing["verify.hsr"].reason
    assert "no model is named to judge them" in warnings[0]
    assert context.facts["verdicts_not_had"] == 1


def test_a_record_without_an_answer_lacks_the_scores() -> None:
    made = verified(new_record("Describe rain.", meta={COLUMN: [NO_COMMA]}))
    assert made.missing["verify.hsr"].kind == "no_answer"
    kept = verified(new_record("Describe rain.", meta={COLUMN: [NO_COMMA]}), keep=">= 1")
    assert kept.dropped is not None
    assert (kept.dropped.kind, kept.dropped.failed) == ("no_verdict", True)


def test_a_record_without_constraints_passes_and_is_counted() -> None:
    context, _ = scripted_context(lambda ask: "")
    plain = new_record("Describe rain.", output="Wet.")
    assert process(Verify(keep=">= 1"), plain, context) == [plain]
    assert context.facts == {"records_without_constraints": 1}


def test_constraints_that_cannot_be_read_are_told_with_the_file_and_the_line_of_the_first(
    tmp_path: Path,
) -> None:
    bad = {
        "instruction": "Describe rain.",
        "output": "Wet.",
        "constraints": [{"kind": "punctuation:no_coma"}],
    }
    path = tmp_path / "rows.jsonl"
    good = {**bad, "constraints": [{"kind": "punctuation:no_comma"}]}
    path.write_bytes(b"\n".join(map(orjson.dumps, [good, bad, bad])))
    context, _ = scripted_context(lambda ask: "", step="02-verify")
    told: list[str] = []
    context = replace(context, warn=told.append)
    reasons = []
    for record in read_records(path):
        assert isinstance(record, Record)
        try:
            process(Verify(), record, context)
        except RecordFailed as error:
            reasons.append(str(error))
    why = "number 1 in the column constraints: there is no kind of constraint 'punctuation:no_coma'"
    assert [reason.startswith(f"{path}:{line}: {why}") for line, reason in enumerate(reasons, 2)] == [
        True,
        True,
    ]
    (sentence,) = told
    assert sentence.startswith(f"02-verify: {path}:2: {why}; did you mean 'punctuation:no_comma'?")
    assert list(context.facts["constraints_not_read"].values()) == [2]


def test_a_record_that_was_put_by_is_named_by_its_id_and_source() -> None:
    record = replace(record_of("Wet.", {"kind": "punctuation:no_coma"}), source="seeds")
    context, _ = scripted_context(lambda ask: "", step="02-verify")
    told: list[str] = []
    with pytest.raises(RecordFailed, match=r"^number 1 in the column"):
        process(Verify(), record, replace(context, warn=told.append))
    assert told[0].startswith("02-verify: the record 7 of seeds: number 1 in the column constraints: ")


def test_constraints_that_cannot_be_read_set_the_record_aside_with_the_closest_kind() -> None:
    with pytest.raises(RecordFailed, match="did you mean 'punctuation:no_comma'") as error:
        verified(record_of("Wet.", {"kind": "punctuation:no_coma"}))
    assert error.value.kind == "bad_constraint"


@pytest.mark.parametrize(
    ("answer", "keep", "kind"),
    [
        ("Rain falls.", ">= 1", None),
        ("Rain, it falls all the day.", ">= 1", "constraint_failed"),
        ("Rain, it falls.", ">= 1", "constraint_failed"),
        ("Rain, it falls.", ">= 0.5", None),
        ("Rain falls.", "< 1", "constraint_failed"),
    ],
)
def test_keep_goes_by_the_share_that_is_met(answer: str, keep: str, kind: str | None) -> None:
    made = verified(record_of(answer, NO_COMMA, SHORT), keep=keep)
    assert (made.dropped.kind if made.dropped else None) == kind


def test_a_lost_verdict_is_no_reason_to_drop_unless_all_are_needed() -> None:
    lost = record_of("Rain, rain.", DRY, NO_COMMA)
    strict = verified(lost, lambda ask: "nothing", keep=">= 1")
    assert strict.dropped is not None
    assert strict.dropped.kind == "constraint_failed"
    half = verified(lost, lambda ask: "nothing", keep=">= 0.5")
    assert half.dropped is not None
    assert (half.dropped.kind, half.dropped.failed) == ("no_verdict", True)


def test_the_loose_reading_forgives_what_is_put_around_an_answer() -> None:
    wrapped = record_of("Sure, here it is:\nRain falls.", NO_COMMA, SHORT)
    made = verified(wrapped, loose=True)
    assert made.scores == {
        "verify.hsr": 0.0,
        "verify.ssr": 0.0,
        "verify.hsr_loose": 1.0,
        "verify.ssr_loose": 1.0,
    }
    assert verified(wrapped, loose=True, keep=">= 1").dropped is None
    assert verified(wrapped, keep=">= 1").dropped is not None


def test_verifying_again_replaces_what_was_told_before() -> None:
    first = verified(record_of("Rain, it falls.", NO_COMMA))
    better = first.with_output("Rain falls.", Event("03-x", "rewrite"))
    again = verified(better)
    assert again.scores == {"verify.hsr": 1.0, "verify.ssr": 1.0}
    assert again.notes == {}
    assert again.meta[COLUMN][0]["satisfied"] is True


def test_ifevals_rows_are_verified_as_they_are() -> None:
    made = verified(
        new_record(
            "Write.",
            output="* one\n* two",
            meta={
                "instruction_id_list": [
                    "detectable_format:number_bullet_lists",
                    "change_case:english_capital",
                ],
                "kwargs": [{"num_bullets": 2}, {"num_bullets": None}],
            },
        )
    )
    assert made.scores["verify.ssr"] == 0.5
    assert made.meta["instruction_id_list"], "the source's columns stay"


def test_two_judges_are_one_too_many() -> None:
    with pytest.raises(ValidationError, match="names several models"):
        Verify(model=("a", "b"))


def test_a_whole_set_has_its_figures_with_intervals_and_its_columns_in_every_file(
    tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    rows = [
        {
            "instruction": f"Describe rain {at}.",
            "output": "Rain." if at % 4 else "Rain, rain.",
            "constraints": [NO_COMMA, SHORT],
        }
        for at in range(8)
    ]
    result = sft.load(rows).then("verify").run(seed=0)
    assert result.progress is not None
    facts = result.progress.steps[-1].facts
    assert facts["answers_that_meet_all_constraints"].startswith("75.0% (95 % interval 38.9% to 93.4%)")
    assert facts["by_level"] == [
        {
            "level": 2,
            "answers": 8,
            "HSR": "75.0% (95 % interval 38.9% to 93.4%)",
            "SSR": facts["by_level"][0]["SSR"],
        }
    ]
    assert facts["by_level"][0]["SSR"].startswith("87.5% (95 % interval ")
    assert {"kind": "punctuation:no_comma", "met": 6, "failed": 2, "no_verdict": 0} in facts["by_kind"]
    assert "CSL" not in facts
    for name in ("kept.jsonl", "kept.parquet"):
        result.save(name)
        again = sft.load(name)
        assert [record.meta[COLUMN] for record in again] == [record.meta[COLUMN] for record in result]
        assert again[0].meta[COLUMN][0]["satisfied"] is False
