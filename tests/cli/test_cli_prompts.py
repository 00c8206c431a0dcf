"""`factory prompts`: list, show, and compare."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from factory.cli.app import app
from factory.data.prompt import shipped_path, shipped_prompts
from factory.errors import FactoryError
from factory.recipe.prompt_users import prompt_users


def factory(*arguments: str) -> str:
    done = CliRunner().invoke(app, ["prompts", *arguments])
    if done.exception is not None:
        raise done.exception
    return done.output


@pytest.mark.slow
def test_who_uses_a_prompt_is_read_from_the_steps() -> None:
    users = prompt_users()
    assert list(users) == shipped_prompts()
    assert users["evolve/deepen"] == ("evolve",)
    assert users["judge/pair_reference"] == ("judge_pair",)
    assert {"evolve", "respond"} <= set(users["respond/answer"])
    assert "judge" not in users["respond/answer"]
    assert users["tag/instag"] == ("tag",)
    assert {"judge", "judge_pair", "refine"} <= set(users["rubrics/quality"])
    assert [name for name, steps in users.items() if not steps] == ["repair/json"]


@pytest.mark.slow
def test_all_are_listed_with_their_versions_and_users() -> None:
    lines = factory("list").splitlines()
    assert [line.split()[0] for line in lines] == shipped_prompts()
    (pair,) = (line for line in lines if line.startswith("judge/pair "))
    assert pair.split() == ["judge/pair", "en@1", "zh@1", "judge_pair"]


@pytest.mark.parametrize("language", ["en", "zh"])
def test_one_is_shown_as_its_file_is(language: str) -> None:
    text = shipped_path("tag/task", language).read_text(encoding="utf-8")
    assert factory("show", "tag/task", "--language", language) == text


@pytest.mark.slow
def test_a_shipped_prompt_begins_an_own_one_and_the_difference_is_told(tmp_path: Path) -> None:
    own = tmp_path / "mine" / "zh" / "tag" / "task.md"
    assert str(own) in factory("show", "tag/task", "-l", "zh", "--own", str(tmp_path / "mine"))
    assert own.read_bytes() == shipped_path("tag/task", "zh").read_bytes()
    with pytest.raises(FactoryError, match="there is one of your own already"):
        factory("show", "tag/task", "-l", "zh", "--own", str(tmp_path / "mine"))
    same = "own/zh/tag/task.md: the same as the shipped one\n"
    assert factory("diff", str(tmp_path / "mine")) == same
    own.write_text(
        own.read_text(encoding="utf-8").replace("[system]\n", "[system]\n我们的话。\n"), encoding="utf-8"
    )
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text("prompts: mine\nsteps:\n  - read: {path: factory:seeds}\n", encoding="utf-8")
    for place in (tmp_path / "mine", recipe):
        told = factory("diff", str(place), "tag/task").splitlines()
        assert told[:2] == ["--- shipped/zh/tag/task.md", "+++ own/zh/tag/task.md"]
        assert [line for line in told[2:] if line.startswith("+")] == ["+我们的话。"]
    assert "the shipped one is used" in factory("diff", str(recipe), "evolve/deepen")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("show", "evolve/deepn"), "there is no prompt 'evolve/deepn'; did you mean 'evolve/deepen'"),
        (("show", "../../etc/passwd"), "there is no prompt"),
        (("show", "tag/task", "--language", "fr"), "there are prompts in en and zh, not in 'fr'"),
        (("diff", "nowhere"), "nowhere: no such recipe"),
        (("diff", "quickstart"), "the recipe names no prompts of your own; it would say `prompts: FOLDER`"),
        (("diff", ".", "evolve/deepn"), "did you mean 'evolve/deepen'"),
    ],
)
def test_a_mistake_is_one_sentence(arguments: tuple[str, ...], sentence: str) -> None:
    with pytest.raises(FactoryError, match=sentence.replace("(", r"\(")):
        factory(*arguments)
