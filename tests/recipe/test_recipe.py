"""A recipe is what it says; a mistake in one is a sentence that names the file, the line, the step and the field."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from factory.engine.run import with_export
from factory.errors import RecipeError
from factory.models.options import LocalEmbeddingOptions, OpenAIOptions
from factory.recipe.complaints import option_classes
from factory.recipe.option_docs import option_rows
from factory.recipe.overrides import option_value
from factory.recipe.recipe import Recipe, build_recipe, builtin_recipes, load_recipe, parse_recipe
from factory.step import find_step, step_names
from factory.steps.agents.evolve import Evolve
from factory.steps.files.read import Read

SECRET = "sk-proj-Abc123DoNotShow"
GOOD = """\
name: 我的配方
description: 说明，with both languages
seed: 7
models:
  teacher: {provider: openai, base_url: http://127.0.0.1:8000/v1, model: Qwen/Qwen3-8B}
  向量: {provider: local_embeddings}
steps:
  - read: {path: 种子.jsonl}
  - evolve:
      model: teacher
      rounds: 2
  - respond
  - dedup_rouge:
  - judge: {keep: ">= 4"}
  - judge: {rubric: complexity}
"""


def mistake(text: str, *overrides: str) -> str:
    """The sentence that a recipe's text is refused with."""
    with pytest.raises(RecipeError) as caught:
        parse_recipe(text, "r.yaml", overrides)
    sentence = str(caught.value)
    assert "\n" not in sentence
    assert len(sentence) < 400
    return sentence


def with_steps(*lines: str, models: str = "") -> str:
    head = f"models:\n  {models}\n" if models else ""
    return head + "steps:\n" + "".join(f"  {line}\n" for line in ("- read: {path: a.jsonl}", *lines))


# -- what a recipe says -------------------------------------------------------------------------------------


def test_a_recipe_is_its_name_seed_models_and_steps() -> None:
    recipe = parse_recipe(GOOD)
    assert (recipe.name, recipe.seed) == ("我的配方", 7)
    assert isinstance(recipe.models["teacher"], OpenAIOptions)
    assert isinstance(recipe.models["向量"], LocalEmbeddingOptions)
    assert recipe.labels() == [
        "01-read",
        "02-evolve",
        "03-respond",
        "04-dedup_rouge",
        "05-judge",
        "06-judge",
    ]
    assert recipe.steps[0] == Read(path="种子.jsonl")
    assert recipe.steps[1] == Evolve(model="teacher", rounds=2)


def test_a_recipe_may_be_given_as_plain_data_that_is_not_changed() -> None:
    data = {"steps": [{"read": {"path": ["a.jsonl", "b.jsonl"]}}, "respond"]}
    copy = {"steps": [{"read": {"path": ["a.jsonl", "b.jsonl"]}}, "respond"]}
    recipe = build_recipe(data, overrides=["respond.temperature=0"])
    assert data == copy
    assert recipe.name == "recipe"
    assert recipe.steps[0] == Read(path=("a.jsonl", "b.jsonl"))


@pytest.mark.parametrize("name", builtin_recipes())
def test_every_built_in_recipe_is_right(name: str) -> None:
    recipe = load_recipe(name)
    assert recipe.name == name
    assert recipe.data["description"]


def test_a_recipe_file_is_named_after_itself_unless_it_says_otherwise(tmp_path: Path) -> None:
    for stem in ("配方", "my.recipe-2"):
        path = tmp_path / f"{stem}.yaml"
        path.write_text("\ufeff" + with_steps(), encoding="utf-8")
        assert load_recipe(str(path)).name == stem
        assert with_export(load_recipe(str(path))).name == stem


def test_aliases_and_merge_keys_work(tmp_path: Path) -> None:
    text = with_steps(
        "- judge: &first {model: '', rubric: quality, temperature: 0.5}",
        "- judge: {<<: *first, rubric: complexity}",
    )
    first, second = parse_recipe(text).data["steps"][1:]
    assert second["judge"] == {**first["judge"], "rubric": "complexity"}


# -- mistakes -----------------------------------------------------------------------------------------------

MISTAKES = {
    "an empty file": ("", "r.yaml: a recipe is a mapping with the keys name, "),
    "a file of comments": ("# nothing\n", "r.yaml: a recipe is a mapping with the keys name, "),
    "a list": ("- read\n", "r.yaml: a recipe is a mapping with the keys name, "),
    "an unknown top key": (
        "stpes: []\n" + with_steps(),
        "r.yaml: line 1: unknown key 'stpes'; did you mean 'steps'?",
    ),
    "no steps": ("name: a\n", "r.yaml: line 1: `steps` must be a list with at least one step"),
    "an empty list of steps": ("name: a\nsteps: []\n", "r.yaml: line 2: `steps` must be a list"),
    "steps that are no list": ("steps: {read: {path: a}}\n", "r.yaml: line 1: `steps` must be a list"),
    "an unknown step": (
        with_steps("- evlove"),
        "r.yaml: line 3: there is no step `evlove`; did you mean 'evolve'?",
    ),
    "an unknown option": (
        with_steps("- respond:", "    temprature: 0"),
        "r.yaml: line 4: step `respond`: unknown key `temprature`; did you mean 'temperature'?",
    ),
    "a wrong type": (
        with_steps("- respond:", "    temperature: hot"),
        "r.yaml: line 4: step `respond`: `temperature`: input should be a valid number",
    ),
    "an option out of range": (
        with_steps("- dedup_rouge: {threshold: 7}"),
        "r.yaml: line 3: step `dedup_rouge`: `threshold`: input should be less than or equal to 1, not 7",
    ),
    "an option that is no number": (
        with_steps("- dedup_rouge: {threshold: .nan}"),
        "r.yaml: line 3: step `dedup_rouge`: `threshold`: input should be ",
    ),
    "a choice that there is not": (
        with_steps("- dedup_rouge: {field: outptu}"),
        "r.yaml: line 3: step `dedup_rouge`: `field`: input should be 'instruction', 'prompt', 'output' or 'both', "
        "not 'outptu'",
    ),
    "a choice in a list that there is not": (
        with_steps("- export:", "    formats:", "      - alpaca", "      - mesages"),
        "r.yaml: line 6: step `export`: `formats.1`: input should be ",
    ),
    "a missing option": ("steps:\n- read\n", "r.yaml: line 2: step `read`: `path` is missing"),
    "an option of several types": (
        "steps:\n- read: {path: 5}\n",
        "r.yaml: line 2: step `read`: `path`: input should be a valid string, not 5",
    ),
    "an unknown model": (
        with_steps("- respond: {model: techer}", models="teacher: {provider: local}"),
        "r.yaml: line 5: step `respond`, `model`: `models` has no chat model 'techer'; did you mean 'teacher'?",
    ),
    "an embedding model where chat is wanted": (
        with_steps("- respond: {model: e5}", models="e5: {provider: local_embeddings}"),
        "r.yaml: line 5: step `respond`, `model`: the model 'e5' is not a chat model",
    ),
    "a chat model where embeddings are wanted": (
        with_steps("- dedup_semantic: {model: teacher}", models="teacher: {provider: local}"),
        "r.yaml: line 5: step `dedup_semantic`, `model`: the model 'teacher' is not an embedding model",
    ),
    "several chat models and none named": (
        with_steps("- respond", models="a: {provider: local}\n  b: {provider: local}"),
        "r.yaml: line 6: step `respond`, `model`: there are several chat models (a, b): name the one to use",
    ),
    "a step that is no mapping": (
        with_steps("- respond: 5"),
        "r.yaml: line 3: the options of step `respond` must be a mapping, not 5",
    ),
    "a step that is a number": (
        with_steps("- 5"),
        "r.yaml: line 3: step 2 must be one name with its options",
    ),
    "a step of two names": (
        with_steps("- respond:", "  model: teacher"),
        "r.yaml: line 3: step 2 must be one name with its options",
    ),
    "a first step that brings nothing in": (
        "steps:\n- respond\n",
        "r.yaml: line 2: the first step must bring records in (`read`), not `respond`",
    ),
    "a source in the middle": (
        with_steps("- respond", "- read: {path: b.jsonl}"),
        "r.yaml: line 4: `read` brings records in: put it before the other steps",
    ),
    "a name with slashes": (
        "name: ../../etc\n" + with_steps(),
        "r.yaml: line 1: the name '../../etc' names the run's",
    ),
    "a name of one dot": ("name: '..'\n" + with_steps(), "r.yaml: line 1: the name '..' names the run's"),
    "a seed that is no number": (
        "seed: yes\n" + with_steps(),
        "r.yaml: line 1: the seed must be a whole number",
    ),
    "models that are a list": (
        "models: [a]\n" + with_steps(),
        "r.yaml: line 1: `models` must map a name to its",
    ),
    "a model without options": (
        with_steps(models="teacher:"),
        "r.yaml: line 2: model `teacher`: write its options, such as `teacher: {provider: local}`",
    ),
    "a model without a provider": (
        with_steps(models="teacher: {model: m}"),
        "r.yaml: line 2: model `teacher`: `provider` must be one of openai, local, langchain, ",
    ),
    "a model's unknown option": (
        with_steps(models="teacher: {provider: openai, model: m, base_ulr: http://a}"),
        "r.yaml: line 2: model `teacher`: unknown key `base_ulr`; did you mean 'base_url'?",
    ),
    "a model's missing option": (
        with_steps(models="teacher: {provider: openai}"),
        "r.yaml: line 2: model `teacher`: `model` is missing",
    ),
    "a model with the name of the embedded one": (
        with_steps(models="embedded: {provider: local}"),
        "r.yaml: line 2: `embedded` is the model that comes with factory: choose another name",
    ),
    "a syntax error": ("steps:\n  - read: {path: [a}\n  - respond\n", "r.yaml: line 2: not valid YAML: "),
    "a tab": ("steps:\n\t- read\n", "r.yaml: line 2: not valid YAML: "),
    "a control character": (
        "name: a\nseed: \x07\n",
        "r.yaml: line 2: not valid YAML: unacceptable character",
    ),
    "two documents": (
        with_steps() + "---\n" + with_steps(),
        "r.yaml: line 3: not valid YAML: but found another",
    ),
    "a date that is none": (
        "seed: 2024-13-45\n" + with_steps(),
        "r.yaml: not valid YAML: month must be in 1..12",
    ),
    "a key that is a list": ("? [a, b]\n: 1\n" + with_steps(), "r.yaml: line 1: a key must be plain text"),
    "a key that is a date": (
        "2024-01-01: 1\n" + with_steps(),
        "r.yaml: a recipe is plain text, numbers, lists",
    ),
    "a key at the top twice": (
        "seed: 1\n" + with_steps() + "seed: 2\n",
        "r.yaml: line 4: the key 'seed' was given before, in line 1",
    ),
    "an option twice": (
        with_steps("- respond:", "    temperature: 0", "    temperature: 1"),
        "r.yaml: line 5: the key 'temperature' was given before, in line 4",
    ),
    "a model twice on a line": (
        "models: {数: {provider: local}, 数: {provider: local}}\n" + with_steps(),
        "r.yaml: line 1: the key '数' was given before, in line 1",
    ),
}


@pytest.mark.parametrize(("text", "sentence"), MISTAKES.values(), ids=MISTAKES.keys())
def test_a_mistake_is_one_sentence_that_says_where(text: str, sentence: str) -> None:
    assert mistake(text).startswith(sentence)


def test_a_chinese_step_and_key_are_named_as_they_are_written() -> None:
    assert mistake(with_steps("- 回答")).startswith(
        "r.yaml: line 3: there is no step `回答`; known are assemble, "
    )
    assert "unknown key `温度`" in mistake(with_steps("- respond: {温度: 0}"))


@pytest.mark.parametrize(
    "value",
    [
        "!!python/object/apply:os.system ['touch {}']",
        "!!python/name:os.system",
        "!secret x",
        "!!python/tuple [1]",
    ],
)
def test_a_tag_of_any_other_type_is_refused_and_nothing_is_executed(tmp_path: Path, value: str) -> None:
    mark = tmp_path / "executed"
    text = f"description: {value.format(mark)}\n" + with_steps()
    assert mistake(text).startswith(
        "r.yaml: line 1: not valid YAML: could not determine a constructor for the tag"
    )
    option = f"read.path={value.format(mark)}"
    assert parse_recipe(with_steps(), overrides=[option]).steps == (Read(path=value.format(mark)),)
    assert not mark.exists()


BOMBS = {
    "lists": "a0: &a0 [x, x]\n"
    + "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 12)),
    "merged mappings": "a0: &a0 {x: 1}\n"
    + "".join(f"a{n}: &a{n} {{<<: [{', '.join([f'*a{n - 1}'] * 9)}]}}\n" for n in range(1, 12)),
    "a list in itself": "a: &a [*a]\n",
    "a mapping in itself": "a: &a {b: *a}\n",
    "many levels": "a: " + "[" * 200 + "]" * 200 + "\n",
    "more levels than Python has": "a: " + "[" * 20_000 + "]" * 20_000 + "\n",
}


@pytest.mark.slow
@pytest.mark.parametrize("bomb", BOMBS.values(), ids=BOMBS.keys())
def test_a_recipe_that_grows_without_bound_is_refused(bomb: str) -> None:
    sentence = mistake(bomb + with_steps())
    assert any(
        words in sentence for words in ("more than 100,000 values", "more than 64 levels", "recursion")
    )


@pytest.mark.parametrize(
    "entry",
    [
        f"teacher: {SECRET}",
        f"teacher: [{SECRET}]",
        f"teacher: {{provider: {SECRET}}}",
        f"teacher: {{provider: openai, model: m, api_key: {SECRET}}}",
        f"teacher: {{provider: openai, model: m, api_key_env: {SECRET}}}",
        f"teacher: {{provider: openai, model: m, base_url: {SECRET}}}",
        f"teacher: {{provider: openai, model: m, base_url: 'https://me:{SECRET}@example.org/v1'}}",
        f"teacher: {{provider: openai, model: m, timeout: {SECRET}}}",
        f"teacher: {{provider: openai, model: m, extra_body: {SECRET}}}",
        f"teacher: {{provider: openai, model: m, price: {{input: {SECRET}}}}}",
        f"teacher: {{provider: openai, model: [{SECRET}]}}",
        f"teacher: {{provider: langchain, model: {SECRET}}}",
        f"teacher: {{provider: langchain, model: 'openai:m', arguments: {{api_key: {SECRET}}}}}",
    ],
)
def test_a_key_pasted_into_a_models_options_is_refused_and_not_shown(entry: str) -> None:
    sentence = mistake(with_steps(models=entry))
    assert sentence.startswith("r.yaml: line 2: model `teacher`: ")
    assert SECRET not in sentence


@pytest.mark.parametrize("field", ["api_key_env", "timeout", "provider", "price.input", "api_key"])
def test_a_key_pasted_behind_set_is_not_shown(field: str) -> None:
    text = with_steps(models="teacher: {provider: openai, model: m}")
    assert SECRET not in mistake(text, f"models.teacher.{field}={SECRET}")
    assert SECRET not in mistake(text, f"models.techer.{field}={SECRET}")


@pytest.mark.slow
@settings(deadline=None, max_examples=200)
@given(st.text(st.sampled_from("abc:-[]{}&*!|>'\"# \n\t,?%@`<~1.0é中\ud800"), max_size=40))
def test_any_text_is_a_recipe_or_one_sentence(text: str) -> None:
    for recipe in (text, f"steps:\n- read: {text}\n", f"models:\n  teacher: {text}\n" + with_steps()):
        with contextlib.suppress(RecipeError):
            parse_recipe(recipe)


# -- where recipes lie --------------------------------------------------------------------------------------


def test_a_recipe_that_does_not_exist_is_answered_with_the_nearest() -> None:
    with pytest.raises(
        RecipeError, match=r"^quikstart: no such recipe file, and no built-in .*'quickstart'\?$"
    ):
        load_recipe("quikstart")


@pytest.mark.parametrize("name", ["../recipes/quickstart", "quickstart.yaml", "", ".", "a\0b"])
def test_a_built_in_recipe_is_found_by_its_name_alone(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(RecipeError, match="no such recipe file"):
        load_recipe(name)


def test_a_recipe_that_is_not_utf8_is_one_sentence(tmp_path: Path) -> None:
    path = tmp_path / "r.yaml"
    path.write_bytes("name: 配方\n".encode("gb18030"))
    with pytest.raises(RecipeError, match=r"r\.yaml: cannot be read as UTF-8 text"):
        load_recipe(str(path))


@pytest.mark.parametrize("written", ["{deepen:1}", "{deepen: 1, breadth:2}", "{deepen=1}", "{deepen：1}"])
def test_a_key_without_a_space_behind_its_colon_is_named_with_its_line_and_the_mend(written: str) -> None:
    name = "breadth" if "breadth" in written else "deepen"
    text = with_steps(f"- evolve: {{model: teacher, operations: {written}}}")
    assert mistake(text).endswith(
        f"{name!r} has no value: write {{{name}: VALUE}}, with a colon and a space behind it"
    )
    assert mistake(text).startswith("r.yaml: line ")
    said = mistake(GOOD, f"evolve.operations={written}")
    assert said.startswith(f"--set evolve.operations: {name!r} has no value")


# -- overrides ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("override", "path", "value"),
    [
        ("seed=9", ["seed"], 9),
        ("name=other", ["name"], "other"),
        ("description=说明", ["description"], "说明"),
        ("evolve.rounds=3", ["steps", 1, "evolve", "rounds"], 3),
        (" evolve.rounds = 3", ["steps", 1, "evolve", "rounds"], 3),
        (
            "evolve.operations=[deepen, concretize]",
            ["steps", 1, "evolve", "operations"],
            ["deepen", "concretize"],
        ),
        ("respond.temperature=0", ["steps", 2, "respond", "temperature"], 0),
        ("dedup_rouge.threshold=0.5", ["steps", 3, "dedup_rouge", "threshold"], 0.5),
        ("judge.1.keep=>= 3", ["steps", 4, "judge", "keep"], ">= 3"),
        ("judge.2.rubric=quality", ["steps", 5, "judge", "rubric"], "quality"),
        ("evolve.1.rounds=1", ["steps", 1, "evolve", "rounds"], 1),
        ("read.path=a=b.jsonl", ["steps", 0, "read", "path"], "a=b.jsonl"),
        ("read.path=[甲.jsonl, 乙.jsonl]", ["steps", 0, "read", "path"], ["甲.jsonl", "乙.jsonl"]),
        ("read.path=2024-01-01", ["steps", 0, "read", "path"], "2024-01-01"),
        ("read.path=2024-13-45", ["steps", 0, "read", "path"], "2024-13-45"),
        ("read.format=", ["steps", 0, "read", "format"], ""),
        ("models.teacher.temperature=0.5", ["models", "teacher", "temperature"], 0.5),
        ("models.teacher.price.input=2", ["models", "teacher", "price", "input"], 2),
        (
            "models.teacher.extra_body.chat_template_kwargs.enable_thinking=false",
            ["models", "teacher", "extra_body", "chat_template_kwargs", "enable_thinking"],
            False,
        ),
        ("models.向量.batch_size=8", ["models", "向量", "batch_size"], 8),
    ],
)
def test_an_override_sets_one_value(override: str, path: list[Any], value: object) -> None:
    recipe = parse_recipe(GOOD, overrides=[override])
    found: Any = recipe.data
    for part in path:
        found = found[part]
    assert found == value
    assert recipe.hash() == parse_recipe(recipe.to_yaml()).hash()


def test_overrides_apply_in_their_order_and_reach_the_steps() -> None:
    recipe = parse_recipe(GOOD, overrides=["evolve.rounds=3", "evolve.rounds=4", "seed=1"])
    assert recipe.steps[1] == Evolve(model="teacher", rounds=4)
    assert recipe.seed == 1


def test_an_override_reaches_a_model_whose_name_holds_dots() -> None:
    text = with_steps(models="qwen2: {provider: local}\n  qwen2.5: {provider: local}")
    recipe = parse_recipe(text, overrides=["models.qwen2.5.temperature=0.5"])
    assert recipe.data["models"]["qwen2.5"] == {"provider": "local", "temperature": 0.5}


@pytest.mark.parametrize(
    ("override", "sentence"),
    [
        ("", "--set : write step.field=value, such as --set evolve.rounds=2"),
        ("evolve.rounds", "--set evolve.rounds: write step.field=value"),
        ("=3", "--set : write step.field=value"),
        ("evolve..rounds=3", "--set evolve..rounds: write step.field=value"),
        ("evolve=3", "--set evolve: write step.field=value"),
        ("judge=3", "--set judge: write step.field=value"),
        ("evlove.rounds=3", "--set evlove.rounds: the recipe has no step 'evlove'; did you mean 'evolve'?"),
        (
            "judge.keep=>3",
            "--set judge.keep: the recipe has 2 steps `judge`; write judge.1.keep for the first",
        ),
        (
            "judge.3.keep=>3",
            "--set judge.3.keep: there is no step `judge` number 3; the recipe has 2 of them",
        ),
        (
            "judge.0.keep=>3",
            "--set judge.0.keep: there is no step `judge` number 0; the recipe has 2 of them",
        ),
        ("judge.².keep=>3", "--set judge.².keep: the recipe has 2 steps `judge`"),
        ("models=3", "--set models: write models.NAME.field=value"),
        ("models.teacher=3", "--set models.teacher: write models.NAME.field=value"),
        (
            "models.techer.timeout=3",
            "--set models.techer.timeout: the recipe has no model 'techer'; did you mean 'tea",
        ),
        ("read.path.a=3", "--set read.path.a: path is not a mapping"),
        ("evolve.ruonds=3", "r.yaml: line 9: step `evolve`: unknown key `ruonds`; did you mean 'rounds'?"),
        ("evolve.rounds=many", "r.yaml: line 11: step `evolve`: `rounds`: input should be a valid integer"),
        ("seed=many", "r.yaml: line 3: the seed must be a whole number, not 'many'"),
        ("name=a/b", "r.yaml: line 1: the name 'a/b' names the run's folder"),
    ],
)
def test_a_mistake_in_an_override_is_one_sentence(override: str, sentence: str) -> None:
    assert mistake(GOOD, override).startswith(sentence)


@pytest.mark.parametrize("models", ["models: [a]\n", "models: a\n", "models:\n", ""])
def test_an_override_of_a_model_where_there_are_none_is_one_sentence(models: str) -> None:
    assert mistake(models + with_steps(), "models.a.timeout=3").startswith(
        "--set models.a.timeout: the recipe has no"
    )


@settings(deadline=None)
@given(st.text())
def test_any_value_can_be_typed(text: str) -> None:
    yaml.safe_dump(option_value(text))


# -- what a recipe is known by ------------------------------------------------------------------------------


def test_the_order_of_keys_does_not_change_a_recipes_hash_and_what_changes_a_result_does() -> None:
    def reversed_keys(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: reversed_keys(value[key]) for key in reversed(value)}
        return [reversed_keys(item) for item in value] if isinstance(value, list) else value

    data = yaml.safe_load(GOOD)
    recipe = build_recipe(data)
    assert build_recipe(reversed_keys(data)).hash() == recipe.hash()
    assert len(recipe.hash()) == 12
    changes = ["seed=8", "name=b", "evolve.rounds=3", "models.teacher.temperature=1", "judge.1.keep=>= 5"]
    hashes = {build_recipe(data, overrides=[change]).hash() for change in changes}
    fewer = {**data, "steps": data["steps"][:-1]}
    swapped = {**data, "steps": [*data["steps"][:-2], *reversed(data["steps"][-2:])]}
    hashes |= {recipe.hash(), build_recipe(fewer).hash(), build_recipe(swapped).hash()}
    assert len(hashes) == len(changes) + 3


def test_a_steps_three_ways_of_writing_are_one_recipe() -> None:
    ways = ["- respond", "- respond:", "- respond: {}"]
    assert len({parse_recipe(with_steps(way)).hash() for way in ways}) == 1


@pytest.mark.slow
def test_a_hash_is_the_same_in_another_process() -> None:
    program = (
        "import sys; from factory.recipe.recipe import parse_recipe; print(parse_recipe(sys.argv[1]).hash())"
    )
    told = subprocess.run(
        [sys.executable, "-X", "utf8", "-c", program, GOOD], capture_output=True, text=True, check=True
    )
    assert told.stdout.strip() == parse_recipe(GOOD).hash()


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)


@pytest.mark.slow
@settings(deadline=None)
@given(
    st.text(), st.dictionaries(st.text(), json_values, max_size=3), st.lists(st.text(min_size=1), min_size=1)
)
def test_a_recipe_comes_back_from_its_yaml_as_it_was(
    description: str, extra: dict[str, Any], paths: list[str]
) -> None:
    recipe = build_recipe(
        {
            "description": description,
            "models": {"教师": {"provider": "local"}, "e": {"provider": "local_embeddings"}},
            "steps": [{"read": {"path": paths}}, "respond"],
        },
        "配方.yaml",
    )
    back = parse_recipe(recipe.to_yaml(), "elsewhere.yaml")
    assert back == recipe
    assert back.hash() == recipe.hash()
    # Finite values only: what a server is sent is JSON.
    served = {"provider": "openai", "model": "m", "extra_body": extra}
    try:
        recipe = build_recipe({"models": {"s": served}, "steps": [{"read": {"path": "a"}}]})
    except RecipeError:
        return
    back = parse_recipe(recipe.to_yaml())
    assert (back.data, back.hash()) == (recipe.data, recipe.hash())


def test_what_ran_is_read_back_under_its_own_name(tmp_path: Path) -> None:
    path = tmp_path / "配方.yaml"
    path.write_text(with_steps("- respond"), encoding="utf-8")
    ran: Recipe = with_export(load_recipe(str(path)))
    (tmp_path / "recipe.yaml").write_text(ran.to_yaml(), encoding="utf-8")
    again = load_recipe(str(tmp_path / "recipe.yaml"))
    assert (again.name, again.hash()) == ("配方", ran.hash())


# -- what help texts show -----------------------------------------------------------------------------------


@pytest.mark.slow
def test_every_option_of_every_step_and_model_is_described() -> None:
    for kind in (*(find_step(name) for name in step_names()), *option_classes().values()):
        for name, annotation, default, description in option_rows(kind):
            assert annotation
            assert default
            assert "factory." not in annotation
            assert description or name == "provider"


def test_the_providers_are_known_by_their_names() -> None:
    chat = ["openai", "local", "langchain", "vllm", "transformers"]
    embedding = ["local_embeddings", "hidden_states", "openai_embeddings"]
    assert list(option_classes()) == chat + embedding
