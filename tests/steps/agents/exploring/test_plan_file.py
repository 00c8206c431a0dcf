"""A coverage plan as a file: read back as written, edited by hand, and every mistake in a sentence with its line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from factory.data.text import is_blank, normal_form
from factory.errors import InputError
from factory.steps.agents.exploring.plan_file import load_plan, read_plan, write_plan
from factory.steps.agents.exploring.tree import Plan, Pruned, Task

EDITED = """\
domain: home cooking
language: en
tasks:
  - baking
  - name: soups
    count: 3
    reason: warm
    tasks: [{name: cold soups, count: 2}, {name: 汤}]
    made: 1
    why: dry
pruned:
  - {name: baking bread, under: baking, like: baking, rouge_l: 0.8}
"""


def shape(task: Task) -> object:
    return task.name, task.count, task.reason, [shape(child) for child in task.tasks]


def test_a_person_writes_names_alone_or_with_counts() -> None:
    plan = read_plan(EDITED, "plan.yaml")
    assert shape(plan.root) == (
        "home cooking",
        None,
        "",
        [
            ("baking", None, "", []),
            ("soups", 3, "warm", [("cold soups", 2, "", []), ("汤", None, "", [])]),
        ],
    )
    assert plan.language == "en"
    assert plan.pruned == [Pruned("baking bread", "baking", "baking", 0.8)]
    assert (plan.root.tasks[1].made, plan.root.tasks[1].why) == (1, "dry")
    plan.forget()
    assert (plan.root.tasks[1].made, plan.root.tasks[1].why) == (0, "")


names = (
    st.text(min_size=1, max_size=20)
    .filter(lambda text: not is_blank(text))
    .map(lambda t: " ".join(t.split()))
)


@st.composite
def trees(draw: st.DrawFn) -> Plan:
    texts = draw(st.lists(names.filter(bool), min_size=1, max_size=12, unique_by=normal_form))
    tasks = [Task(text, draw(st.none() | st.integers(0, 10**6)), draw(st.text(max_size=5))) for text in texts]
    for at, task in enumerate(tasks[1:], start=1):
        tasks[draw(st.integers(0, at - 1))].tasks.append(task)
    pruned = [Pruned(text, "a", "b", 0.75) for text in draw(st.lists(st.text(max_size=8), max_size=2))]
    return Plan(tasks[0], draw(st.sampled_from(["", "en", "zh"])), pruned)


def none_for_zero(task: Task) -> object:
    """As a plan is read back: that an inner task wants none of its own is not written."""
    count = None if task.count == 0 and task.tasks else task.count
    return task.name, count, task.reason, [none_for_zero(child) for child in task.tasks]


@given(trees())
def test_a_plan_is_read_back_as_it_was_written(plan: Plan) -> None:
    try:
        json.dumps([shape(task) for _, task in plan.walk()], ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return  # half of a surrogate pair is in no file
    read = read_plan(write_plan(plan), "plan.yaml")
    assert shape(read.root) == none_for_zero(plan.root)
    assert (read.language, read.pruned) == (plan.language, plan.pruned)


def test_json_is_read_too_with_tabs_and_halves_of_a_pair() -> None:
    data = {"domain": "火锅 🍲", "tasks": [{"name": "Sichuan\thotpot", "count": 2}]}
    assert shape(read_plan(json.dumps(data, indent="\t"), "plan.json").root) == (
        "火锅 🍲",
        None,
        "",
        [("Sichuan hotpot", 2, "", [])],
    )


WRONG = {
    "empty": ("", "plan.yaml is empty: a plan says `domain: NAME`"),
    "no mapping": ("- a\n", "plan.yaml:1: a plan is a mapping"),
    "no domain": ("tasks: [a]\n", "plan.yaml:1: a plan says what it is of: write `domain: NAME`"),
    "blank domain": ("domain: ' '\n", "plan.yaml:1: a task's name is empty"),
    "unknown key": (
        "domain: a\ntask: [b]\n",
        "plan.yaml:2: the plan has no key 'task'; did you mean 'tasks'?",
    ),
    "unknown key of a task": (
        "domain: a\ntasks:\n- name: b\n  cuont: 1\n",
        "plan.yaml:4: a task of 'a' has no key 'cuont'; did you mean 'count'?",
    ),
    "a key twice": ("domain: a\ndomain: b\n", "plan.yaml:2: the plan has the key 'domain' a second time"),
    "a negative count": (
        "domain: a\ntasks:\n- {name: b, count: -1}\n",
        "plan.yaml:3: the count of 'b' must be a whole number, 0 or more, not -1",
    ),
    "half a record": (
        "domain: a\ncount: 1.5\n",
        "the count of 'a' must be a whole number, 0 or more, not 1.5",
    ),
    "a count in words": ("domain: a\ncount: many\n", "plan.yaml:2: the count of 'a' must be a whole number"),
    "a count as text": ("domain: a\ncount: '3'\n", "plan.yaml:2: the count of 'a' must be a whole number"),
    "a list for a count": (
        "domain: a\ncount: [1]\n",
        "the count of 'a' must be a whole number, 0 or more, not a list",
    ),
    "a count out of reach": (
        "domain: a\ncount: 1000001\n",
        "plan.yaml:2: the count of 'a' is 1000001: at most 1,000,000 can be asked for",
    ),
    "an endless count": (f"domain: a\ncount: {'9' * 5000}\n", "at most 1,000,000 can be asked for"),
    "two equal names": (
        "domain: a\ntasks:\n- soups\n- name: b\n  tasks: [Soups]\n",
        "plan.yaml:5: the task 'Soups' is named a second time (first in line 3): rename one, or take it out",
    ),
    "two equal names in one line": (
        "{domain: a, tasks: [b, B]}",
        "plan.yaml:1: the task 'B' is named a second time",
    ),
    "a task named as the domain": (
        "domain: a\ntasks: [A]\n",
        "the task 'A' is named a second time (first in line 1)",
    ),
    "a task that holds itself": (
        "domain: a\ntasks:\n- &loop\n  name: b\n  tasks: [*loop]\n",
        "plan.yaml:5: the task 'b' holds itself, by an alias: write the tasks meant out",
    ),
    "a plan that holds itself": ("&a\ndomain: a\ntasks: [*a]\n", "the task 'a' holds itself"),
    "one task in two places": (
        "domain: a\ntasks:\n- &b {name: b}\n- {name: c, tasks: [*b]}\n",
        "plan.yaml:3: the task 'b' is named a second time",
    ),
    "a task without a name": ("domain: a\ntasks:\n- {count: 1}\n", "plan.yaml:3: a task has a name"),
    "a blank name": ("domain: a\ntasks: ['\u200b']\n", "plan.yaml:2: a task's name is empty"),
    "a long name": (f"domain: {'a' * 81}\n", "has 81 characters: 80 at the most"),
    "tasks that are no list": ("domain: a\ntasks: b\n", "plan.yaml:2: the tasks of 'a' must be a list"),
    "a task that is a list": ("domain: a\ntasks: [[b]]\n", "plan.yaml:2: a task of 'a' must be a name"),
    "a name that is a list": ("domain: a\ntasks:\n- {name: [b]}\n", "plan.yaml:3: `name` must be a text"),
    "pruned that is no list": ("domain: a\npruned: b\n", "plan.yaml:2: `pruned` must be a list"),
    "pruned without a mapping": (
        "domain: a\npruned: [b]\n",
        "plan.yaml:2: an entry of `pruned` must be a mapping",
    ),
    "a measure in words": ("domain: a\npruned: [{rouge_l: x}]\n", "plan.yaml:2: `rouge_l` must be a number"),
    "broken YAML": ("domain: a\ntasks: [b\n", "plan.yaml:3: not valid YAML"),
    "a control character": ("domain: a\nx: \x07\n", "plan.yaml:2: not valid YAML"),
    "Python": ("domain: !!python/name:os.system\n", "a task's name is empty"),
    "too deep": (
        "".join("  " * at + ("domain: a\n" if not at else "") + "  " * bool(at) + "" for at in range(1))
        + "tasks: "
        + "".join(f"[{{name: t{at}, tasks: " for at in range(20))
        + "[]"
        + "}]" * 20
        + "\n",
        "tasks are nested more than 16 levels deep",
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_mistake_is_one_sentence_with_its_line(case: str) -> None:
    text, sentence = WRONG[case]
    with pytest.raises(InputError) as caught:
        read_plan(text, "plan.yaml")
    assert sentence in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1


def tried(text: str) -> tuple[Plan | None, str]:
    """The plan that a text says, or what is told of it."""
    try:
        return read_plan(text, "plan.yaml"), "plan.yaml is one"
    except InputError as error:
        return None, str(error)


@given(st.text(st.sampled_from("abc:-[]{}&*!|>'\"# \n\t,?%@`<~1.0é中domaintasksname"), max_size=60))
def test_no_text_is_more_than_a_sentence(text: str) -> None:
    plan, told = tried(text)
    assert told.startswith("plan.yaml")
    assert plan is None or len(plan.names()) == sum(1 for _ in plan.walk())


@given(
    st.recursive(
        st.integers() | st.text("ab", max_size=3),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(["domain", "tasks", "name", "count", "pruned"]), inner, max_size=4
            )
        ),
    )
)
def test_no_value_is_more_than_a_sentence(value: object) -> None:
    assert tried(yaml.safe_dump(value))[1].startswith("plan.yaml")


def test_a_file_that_is_missing_or_no_text_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="does not exist"):
        load_plan(tmp_path / "plan.yaml")
    (tmp_path / "plan.yaml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match="cannot be read as UTF-8 text"):
        load_plan(tmp_path / "plan.yaml")


def test_a_recipe_is_no_plan_and_is_told_from_one() -> None:
    with pytest.raises(InputError, match=r"plan\.yaml:1: this is a recipe: `factory run` runs it"):
        read_plan("name: mine\nsteps:\n- read: {path: rows.jsonl}\n", "plan.yaml")
