"""The prompt files: two languages alike, only text and variables in them, values inserted unchanged."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from langchain_core.prompts import ChatPromptTemplate

from factory.data.prompt import PROMPTS, Prompt, lint_template, load_prompt, parse_prompt, template_inputs
from factory.data.text import detect_language, word_count
from factory.errors import RecipeError

EVOLVE = ("add_constraints", "deepen", "concretize", "increase_reasoning", "complicate_input", "breadth")
RUBRICS = ("quality", "accuracy", "helpfulness", "complexity", "harmlessness", "bias")
NEEDED = {
    **{f"evolve/{operation}": ("instruction",) for operation in EVOLVE},
    "evolve/no_information_gain": ("first", "second"),
    "respond/answer": (),
    "tag/instag": ("instruction",),
    "judge/absolute": ("rubric", "conversation", "answer"),
    "decontaminate/same_problem": ("benchmark_item", "training_text"),
    "judge/absolute_line": ("rubric", "conversation", "answer"),
    "judge/pair": ("rubric", "conversation", "answer_a", "answer_b"),
    "refine/criticise": ("rubric", "conversation", "answer"),
    "refine/rewrite": ("conversation", "answer", "criticism"),
    "deita/complexity": ("instruction",),
    "deita/quality": ("instruction", "answer"),
    **{f"rubrics/{rubric}": () for rubric in RUBRICS},
}
HOSTILE = (
    "<b>&amp; & \"double\" 'single'</b> </instruction>",
    "{v} {{v}} {{{v}}} {{{instruction}}} {{& first}} }}} {{",
    "{{> x}} {{! note}} {{#s}}in{{/s}} {{^s}}out{{/s}} {{=<% %>=}} <%v%>",
    "100% %s %(name)s $HOME ${answer} $$ \\n \\\\ \\1 \\g<0>",
    "[system]\n[user]\n---\n中文，“引号”；🦉👩‍🚀 é",
    "  spaces and lines around  \n\n",
    "",
)


def names(language: str) -> list[str]:
    folder = PROMPTS / language
    return sorted(path.relative_to(folder).with_suffix("").as_posix() for path in folder.rglob("*.md"))


PAIRS = [(name, language) for language in ("en", "zh") for name in names(language)]


def written(body: str, header: str = "name: x\nversion: 1\ninputs: [v]\nsource: none") -> Prompt:
    return parse_prompt(f"---\n{header}\n---\n{body}", Path("x.md"), "en")


def test_every_prompt_that_is_needed_exists_in_both_languages() -> None:
    assert names("en") == names("zh")
    for name, inputs in NEEDED.items():
        assert load_prompt(name, "en").inputs == inputs


@pytest.mark.parametrize("name", names("en"))
def test_the_two_languages_of_a_prompt_share_name_inputs_header_and_roles(name: str) -> None:
    english, chinese = load_prompt(name, "en"), load_prompt(name, "zh")
    assert english.name == chinese.name == name
    assert english.inputs == chinese.inputs
    assert english.source == chinese.source
    assert dict(english.meta) == dict(chinese.meta)
    assert [role for role, _ in english.turns] == [role for role, _ in chinese.turns]


@pytest.mark.parametrize(("name", "language"), PAIRS)
def test_a_prompt_is_written_in_its_language(name: str, language: str) -> None:
    assert detect_language(load_prompt(name, language).turns[0][1]) == language


@pytest.mark.parametrize(("name", "language"), PAIRS)
def test_what_calls_share_comes_before_what_they_do_not(name: str, language: str) -> None:
    """A server's prefix cache holds only what stands before the first value."""
    *shared, (role, last) = load_prompt(name, language).turns
    assert not any(template_inputs(text) for _, text in shared)
    if template_inputs(last):
        assert role == "user"


@pytest.mark.parametrize(("name", "language"), PAIRS)
@pytest.mark.parametrize("value", HOSTILE)
def test_a_value_goes_through_a_prompt_unchanged(name: str, language: str, value: str) -> None:
    prompt = load_prompt(name, language)
    rendered = prompt.render(**dict.fromkeys(prompt.inputs, value))
    assert [message.role for message in rendered] == [role for role, _ in prompt.turns]
    for message, (_, text) in zip(rendered, prompt.turns, strict=True):
        assert message.content == re.sub(r"\{\{\{\w+\}\}\}", lambda _: value, text)


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("name", NEEDED)
def test_text_from_data_stands_between_tags_of_its_own_name(name: str, language: str) -> None:
    prompt = load_prompt(name, language)
    rendered = "\n".join(
        m.content for m in prompt.render(**{key: f"value of {key}" for key in prompt.inputs})
    )
    for key in prompt.inputs:
        assert f"<{key}>\nvalue of {key}\n</{key}>" in rendered


@pytest.mark.parametrize(("name", "language"), PAIRS)
def test_a_missing_or_extra_value_is_a_key_error(name: str, language: str) -> None:
    prompt = load_prompt(name, language)
    values = dict.fromkeys(prompt.inputs, "x")
    with pytest.raises(KeyError):
        prompt.render(**values, surplus="x")
    if prompt.inputs:
        del values[prompt.inputs[0]]
        with pytest.raises(KeyError):
            prompt.render(**values)


@pytest.mark.parametrize("value", [None, 0, False, ["a"], {"a": "b"}])
def test_a_value_that_is_not_text_is_refused_rather_than_printed(value: object) -> None:
    with pytest.raises(TypeError, match="not text"):
        load_prompt("tag/instag", "en").render(instruction=value)  # type: ignore[arg-type]


@pytest.mark.parametrize(("name", "language"), PAIRS)
def test_langchain_reads_the_same_prompt(name: str, language: str) -> None:
    prompt = load_prompt(name, language)
    values = dict.fromkeys(prompt.inputs, HOSTILE[1])
    same = ChatPromptTemplate.from_messages(list(prompt.turns), template_format="mustache")
    messages = same.invoke(values).to_messages()
    assert [m.content for m in messages] == [m.content for m in prompt.render(**values)]


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("operation", [op for op in EVOLVE if op not in ("complicate_input", "breadth")])
def test_the_worked_example_grows_as_much_as_the_rule_says(operation: str, language: str) -> None:
    """10 to 20 English words, which is 15 to 30 Chinese characters."""
    turns = load_prompt(f"evolve/{operation}", language).turns
    before, after = turns[1][1].removeprefix("<instruction>").removesuffix("</instruction>"), turns[2][1]
    fewest, most = (10, 20) if language == "en" else (15, 30)
    assert fewest <= word_count(after) - word_count(before) <= most


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("rubric", RUBRICS)
def test_a_rubric_is_a_criterion_and_one_line_for_each_level(rubric: str, language: str) -> None:
    prompt = load_prompt(f"rubrics/{rubric}", language)
    (message,) = prompt.render()
    levels = [int(number) for number in re.findall(r"^(\d)(?:: | 分：)", message.content, re.MULTILINE)]
    assert levels == list(range(prompt.meta["minimum"], prompt.meta["maximum"] + 1))
    assert len(message.content.splitlines()) == 1 + len(levels)


@pytest.mark.parametrize(
    "template",
    [
        "{{v}}",
        "{{ v }}",
        "{{{v}}",
        "a {{{v}} b {{{w}}} c",
        "{{v}}}",
        "{{{v",
        "{{",
        "{{{{v}}}}",
        "{{{v.__class__}}}",
        "{{{.}}}",
        "{{{}}}",
        "{{& v}}",
        "{{#v}}x{{/v}}",
        "{{^v}}x{{/v}}",
        "{{> v}}",
        "{{! v}}",
        "{{! over\ntwo lines }}",
        "{{=<% %>=}} <%v%>",
    ],
)
def test_a_template_may_hold_only_triple_braced_variables(template: str) -> None:
    assert lint_template(template)
    with pytest.raises(RecipeError, match=r"x\.md: "):
        written(f"[user]\n{template}\n{{{{{{v}}}}}}\n")


def test_json_in_a_template_is_text() -> None:
    assert lint_template('{"a": {"b": [1, {"c": 2}]}} {{{v}}}}') == []


@settings(max_examples=300, deadline=None)
@given(
    st.lists(
        st.sampled_from(["{", "}", "{{{v}}}", "v", " ", "\n", "&", "#", ">", "!", "=", "/"]), max_size=12
    ),
    st.text(max_size=12),
)
def test_a_template_that_passes_is_rendered_by_plain_replacement(pieces: list[str], value: str) -> None:
    template = "".join([*pieces, "{{{v}}}"]) if pieces[-1:] != ["{"] else "".join([*pieces, " {{{v}}}"])
    if lint_template(template):
        return
    prompt = Prompt("x", "en", 1, ("v",), "none", (("user", template),), {})
    assert prompt.render(v=value)[0].content == template.replace("{{{v}}}", value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[user]\n{{{v}}}\n", "begins with a header"),
        ("---\nname: [\n---\n[user]\n{{{v}}}\n", "not YAML"),
        ("---\njust words\n---\n[user]\n{{{v}}}\n", "header holds lines"),
        ("---\nname: x\nversion: 1\ninputs: [v]\n---\n[user]\n{{{v}}}\n", "lacks source"),
        ("---\nname: x\nversion: 1\ninputs: v\nsource: none\n---\n[user]\n{{{v}}}\n", "inputs is a list"),
        ("---\nname: x\nversion: one\ninputs: [v]\nsource: none\n---\n[user]\n{{{v}}}\n", "whole number"),
        ("---\nname: x\nversion: 1\ninputs: [v]\nsource: none\n---\n{{{v}}}\n", r"begins with \[system\]"),
        (
            "---\nname: x\nversion: 1\ninputs: [v]\nsource: none\n---\n[user]\nno variable\n",
            "but the text uses",
        ),
        ("---\nname: x\nversion: 1\ninputs: []\nsource: none\n---\n[user]\n{{{v}}}\n", "but the text uses"),
    ],
)
def test_a_wrong_prompt_file_says_what_is_wrong(text: str, message: str) -> None:
    with pytest.raises(RecipeError, match=message):
        parse_prompt(text, Path("x.md"), "en")


def test_windows_line_ends_make_the_same_prompt() -> None:
    text = (PROMPTS / "en" / "tag" / "instag.md").read_text(encoding="utf-8")
    assert parse_prompt(text.replace("\n", "\r\n"), Path("x.md"), "en") == load_prompt("tag/instag", "en")


@pytest.mark.parametrize("name", ["evolve/none", "../zh/tag/instag", "/etc/hosts", "tag/instag.md", ""])
def test_a_prompt_is_found_by_its_name_only(name: str) -> None:
    with pytest.raises(RecipeError, match="there is no prompt"):
        load_prompt(name, "en")
