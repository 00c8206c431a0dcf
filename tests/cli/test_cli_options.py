"""A step's options on the command line are its fields: names, types, defaults, help."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from factory.cli.app import app
from factory.cli.options import StepOption, options_of, take_options
from factory.cli.steps import steps
from factory.errors import FactoryError
from factory.recipe.model_spec import MODEL_FORMS, model_value
from factory.step import Source, find_step, step_names

STEPS = [name for name in step_names() if not issubclass(find_step(name), Source)]


def factory(*arguments: str) -> Any:
    done = CliRunner().invoke(app, arguments)
    if isinstance(done.exception, FactoryError):
        raise done.exception
    return done


@pytest.mark.slow
@pytest.mark.parametrize("name", STEPS)
def test_help_shows_every_option_of_a_step_with_its_default_and_meaning(name: str) -> None:
    told = " ".join(factory("apply", name, "--help").output.split())
    for option in options_of(name):
        field = find_step(name).model_fields[option.field]
        assert f"--{option.name} " in told
        written, meaning = option.help_record()
        assert meaning.split("[")[0]
        assert ("required" if field.is_required() else "default: ") in meaning
        assert written.startswith(f"--{option.field.replace('_', '-')}")


def option(step: str, field: str) -> StepOption:
    return next(one for one in options_of(step) if one.field == field)


@pytest.mark.parametrize(
    ("step", "field", "texts", "value"),
    [
        ("dedup_rouge", "threshold", ["0.5"], 0.5),
        ("dedup_rouge", "reference", ["a.jsonl"], "a.jsonl"),
        ("dedup_rouge", "reference", ["a.jsonl", "7"], ["a.jsonl", "7"]),
        ("dedup_rouge", "reference", ["[a.jsonl, b.jsonl]"], ["a.jsonl", "b.jsonl"]),
        ("evolve", "operations", ["deepen"], ["deepen"]),
        ("evolve", "operations", ["deepen", "breadth"], ["deepen", "breadth"]),
        ("evolve", "operations", ["[deepen, breadth]"], ["deepen", "breadth"]),
        ("evolve", "operations", ["deepen=3", "breadth=1"], {"deepen": "3", "breadth": "1"}),
        ("evolve", "operations", ["{depth: 5, breadth: 1}"], {"depth": 5, "breadth": 1}),
        ("evolve", "tasks", ["code=code"], {"code": "code"}),
        ("evolve", "by_round", ["{3: [breadth]}"], {"3": ["breadth"]}),
        ("tree", "nodes", ["3"], [3]),
        ("tree", "nodes", ["3", "10"], [3, 10]),
        ("evolve", "check_gain", ["false"], False),
        ("judge", "keep", [">= 4"], ">= 4"),
        ("judge", "rubric", ["1984"], "1984"),
        ("normalize_tags", "semantic", ["null"], None),
        ("normalize_tags", "map", ["7"], "7"),
        ("normalize_tags", "map", ["null"], None),
        ("decontaminate", "against", ["a=x.jsonl", "b=y=z"], {"a": "x.jsonl", "b": "y=z"}),
        ("decontaminate", "against", ["{a: x.jsonl}"], {"a": "x.jsonl"}),
    ],
)
def test_what_is_typed_is_read_by_the_type_of_the_field(
    step: str, field: str, texts: list[str], value: Any
) -> None:
    assert option(step, field).value(texts) == value


def test_a_model_is_typed_as_provider_name_and_address() -> None:
    assert model_value("openai:Qwen/Qwen3-8B@http://127.0.0.1:8000/v1") == {
        "provider": "openai",
        "model": "Qwen/Qwen3-8B",
        "base_url": "http://127.0.0.1:8000/v1",
    }
    assert model_value("openai:gpt@today") == {"provider": "openai", "model": "gpt@today"}
    assert model_value("local") == {"provider": "local"}
    assert model_value("{provider: local}") == {"provider": "local"}
    assert model_value("embedded") == "embedded"
    with pytest.raises(FactoryError, match="no provider of models 'opnai'; did you mean 'openai'"):
        model_value("opnai:x@http://127.0.0.1/v1")
    with pytest.raises(FactoryError, match="a model is written provider:name or provider:name@address"):
        model_value("teacher")


def test_a_step_that_brings_records_in_is_not_one_to_apply() -> None:
    with pytest.raises(FactoryError, match="read brings records in"):
        factory("apply", "read", "rows.jsonl")


@pytest.fixture
def rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.chdir(tmp_path)
    texts = ["Name three rivers of Europe.", "Name three rivers in Europe."]
    lines = [orjson.dumps({"instruction": text, "output": "x"}) for text in texts]
    (tmp_path / "rows.jsonl").write_bytes(b"\n".join(lines))
    return "rows.jsonl"


@pytest.mark.slow
@pytest.mark.parametrize(
    "words",
    [
        ["dedup_rouge", "rows.jsonl", "--threshold", "0.9"],
        ["dedup_rouge", "--threshold", "0.9", "rows.jsonl"],
        ["--threshold", "0.9", "dedup_rouge", "rows.jsonl"],
        ["--threshold=0.9", "--limit", "2", "dedup_rouge", "--", "rows.jsonl"],
    ],
)
def test_options_stand_before_or_after_the_file(rows: str, words: list[str]) -> None:
    assert "01-dedup_rouge: 2 in, 2 out" in factory("apply", *words).output


TYPED = {
    "threshold": ("0.25", 0.25),
    "field": ("output", "output"),
    "reference": ("seeds.jsonl", "seeds.jsonl"),
    "workers": ("3", 3),
}


@given(st.lists(st.sampled_from(sorted(TYPED)), unique=True), st.data())
def test_the_order_of_words_and_the_way_of_writing_change_nothing(fields: list[str], data: Any) -> None:
    parts = [["rows.jsonl"], ["--out", "kept.jsonl"], ["--strict"]]
    for field in fields:
        text = TYPED[field][0]
        parts.append([f"--{field}={text}"] if data.draw(st.booleans()) else [f"--{field}", text])
    order = data.draw(st.permutations(parts))
    options = {one.name: one for one in options_of("dedup_rouge")}
    words = [word for part in order for word in part]
    chosen, rest = take_options(words, options, {"out": True, "strict": False})
    assert chosen == ({"dedup_rouge": {field: TYPED[field][1] for field in fields}} if fields else {})
    assert rest == [word for part in order for word in part if part in parts[:3]]


@pytest.mark.slow
def test_a_field_is_named_with_dashes_or_as_in_a_recipe(rows: str) -> None:
    for name in ("--num-perm", "--num_perm"):
        assert "2 in" in factory("apply", "dedup_minhash", rows, name, "16").output


@pytest.mark.slow
@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--treshold", "0.5"], "--treshold: there is no such option; did you mean 'threshold'?"),
        (["--jornal", "x"], "did you mean 'journal'?"),
        (["--threshold"], "--threshold: needs a value"),
        (["--threshold", "--strict"], "--threshold: needs a value"),
        (["--field", "answer"], "`field`: input should be 'instruction', 'prompt', 'output' or 'both'"),
        (["--threshold", "half"], "`threshold`: "),
        (["--workers", "0"], "`workers`: "),
        (["--no-workers"], "--no-workers: there is no such option"),
    ],
)
def test_a_wrong_option_is_one_sentence_with_the_nearest(rows: str, words: list[str], said: str) -> None:
    with pytest.raises(FactoryError) as caught:
        factory("apply", "dedup_rouge", rows, *words)
    assert said in str(caught.value)


@pytest.mark.slow
def test_a_switch_is_turned_off_by_no_and_takes_no_other_word(rows: str) -> None:
    switch = ["apply", "normalize_tags", rows, "--semantic", "null"]
    assert "2 in" in factory(*switch, "--no-rules").output
    assert "2 in" in factory(*switch, "--rules", "false").output
    with pytest.raises(FactoryError, match="`rules`: input should be a valid boolean"):
        factory(*switch, "--rules=perhaps")


def test_an_option_that_the_command_has_itself_is_written_with_the_steps_name(rows: str) -> None:
    names = [one.name for one in options_of("dedup_minhash", taken=["seed", "out"])]
    assert "dedup-minhash-seed" in names
    assert "seed" not in names
    assert (
        "2 in" in factory("apply", "dedup_minhash", rows, "--seed", "3", "--dedup-minhash-seed", "4").output
    )


def test_a_model_is_reached_by_its_short_form(rows: str, server: Any) -> None:
    done = factory("apply", "respond", rows, "--overwrite", "--model", f"openai:scripted@{server.base_url}")
    assert "2 in, 2 out" in done.output
    assert len(server.requests) == 2


@pytest.mark.slow
@pytest.mark.parametrize("name", step_names())
def test_the_manual_of_a_step_tells_how_its_models_are_typed(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    steps(name)
    step = find_step(name)
    named = {*step.model_fields_of("chat"), *step.model_fields_of("embedding")}
    assert (MODEL_FORMS[1:] in capsys.readouterr().out) == bool(named)


def test_a_field_that_takes_a_rule_or_a_mapping_is_typed_as_either(rows: str) -> None:
    option = {one.name: one for one in options_of("mixture")}
    assert option["shares"].value(["balanced"]) == "balanced"
    assert option["shares"].value(["math=0.3", "chat=0.7"]) == {"math": "0.3", "chat": "0.7"}
    assert option["minimum"].value(["0.1"]) == 0.1
    assert "name=value|" in option["shares"].help_record()[0]
    assert "2 in, 2 out" in factory("apply", "mixture", rows, "--by", "lang", "--shares", "balanced").output


@pytest.mark.parametrize(
    ("step", "field", "text", "named"),
    [
        ("schedule", "weights", "{math:1}", "math"),
        ("mixture", "shares", "{math: 0.5, code:0.5}", "code"),
        ("mixture", "shares", "{数学：1}", "数学"),
        ("mixture", "minimum", "{math=0.1}", "math"),
        ("decontaminate", "against", "{gsm8k:test.jsonl}", "gsm8k"),
        ("evolve", "operations", "{depth:5}", "depth"),
        ("evolve", "by_round", "{3: {breadth:1}}", "breadth"),
        ("tag", "model", "{provider:openai}", "provider"),
        ("tag", "model", "{provider: openai, api_key:sk-123}", "api_key"),
    ],
)
def test_a_mapping_without_a_space_behind_its_colon_is_told_so_and_shows_no_value(
    step: str, field: str, text: str, named: str
) -> None:
    options = {one.name: one for one in options_of(step)}
    flag = field.replace("_", "-")
    with pytest.raises(FactoryError) as caught:
        take_options([f"--{flag}", text], options, {})
    assert str(caught.value) == (
        f"--{flag}: {named!r} has no value: write {{{named}: VALUE}}, with a colon and a space behind it"
    )


def test_a_mapping_in_json_or_with_a_colon_in_its_value_is_read() -> None:
    options = {one.name: one for one in options_of("decontaminate")}
    for text in ('{"gsm":"http:x"}', "{gsm: 'http:x'}", "{gsm: http:x}", "gsm=http:x"):
        chosen, _ = take_options(["--against", text], options, {})
        assert chosen["decontaminate"]["against"] == {"gsm": "http:x"}
