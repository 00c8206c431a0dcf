"""A recipe that names prompts of one's own: what is sent, what is told of it, and how it is run again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson
import pytest
import yaml
from scripted_server import ScriptedServer, in_thread

import factory as sft
from factory.data.prompt import shipped_path
from factory.engine.blocking import run_blocking
from factory.engine.plan.rehearsal import dry_run
from factory.errors import RecipeError
from factory.recipe.recipe import load_recipe

ANSWER = shipped_path("tag/task", "en").read_text(encoding="utf-8")
QUALITY = shipped_path("rubrics/quality", "en").read_text(encoding="utf-8")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a recipe, its rows, and one prompt of its own."""
    (tmp_path / "rows.jsonl").write_bytes(orjson.dumps({"instruction": "Name a river.", "output": "Rhine."}))
    own = tmp_path / "mine" / "en" / "tag" / "task.md"
    own.parent.mkdir(parents=True)
    own.write_text(ANSWER.replace("[system]\n", "[system]\nOUR WORDS. ", 1), encoding="utf-8")
    return tmp_path


def write(folder: Path, server: ScriptedServer | None = None, **more: Any) -> Path:
    address = server.base_url if server is not None else "http://127.0.0.1:9/v1"
    data = {
        "name": "small",
        "prompts": "mine",
        "models": {"teacher": {"provider": "openai", "base_url": address, "model": "scripted"}},
        "steps": [{"read": {"path": str(folder / "rows.jsonl")}}, {"task": {}}],
        **more,
    }
    path = folder / "recipe.yaml"
    path.write_text(
        yaml.dump({key: value for key, value in data.items() if value is not None}), encoding="utf-8"
    )
    return path


@pytest.mark.slow
def test_the_own_prompt_is_sent_recorded_and_kept_for_the_next_run(folder: Path) -> None:
    sent: list[str] = []

    def reply(request: dict[str, Any]) -> str:
        sent.append(request["messages"][0]["content"])
        return '{"category": "brainstorming"}'

    journal = folder / "journal.db"
    with in_thread(ScriptedServer(reply)) as server:
        shipped = sft.run(write(folder, server, prompts=None), out=folder / "shipped", journal=journal)
        own = sft.run(write(folder, server), out=folder / "own", journal=journal)
        asked = len(sent)
        again = sft.run(own.folder / "recipe.yaml", out=folder / "own", journal=journal)
    assert asked == len(sent), "the same prompts ask nothing again"
    assert not sent[0].startswith("OUR WORDS.")
    assert sent[asked // 2].startswith("OUR WORDS."), "another prompt is another call"
    assert "prompts" not in shipped.manifest
    (told,) = own.manifest["prompts"]
    assert told["path"] == "en/tag/task.md"
    kept = own.folder / "prompts-used" / "en" / "tag" / "task.md"
    assert kept.read_bytes() == (folder / "mine" / "en" / "tag" / "task.md").read_bytes()
    (record,) = own.table().records()
    assert "+own." in record.events[-1].prompt
    assert own.manifest["identity"] == again.manifest["identity"]


def test_the_folder_is_relative_to_the_recipe_and_its_texts_make_the_run(
    folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = write(folder)
    monkeypatch.chdir(tmp_path_factory.mktemp("elsewhere"))
    recipe = load_recipe(str(path))
    assert recipe.data["prompts"] == str(folder / "mine")
    (folder / "mine").rename(folder / "moved")
    path.write_text(path.read_text().replace("mine", "moved"))
    assert load_recipe(str(path)).hash() == recipe.hash(), "where they lie does not count"
    own = folder / "moved" / "en" / "tag" / "task.md"
    own.write_text(own.read_text().replace("OUR WORDS", "OTHER WORDS"))
    assert load_recipe(str(path)).hash() != recipe.hash()
    assert load_recipe(str(write(folder, prompts=None))).prompts.texts == {}


def test_a_dry_run_shows_the_own_prompt(folder: Path) -> None:
    recipe = load_recipe(str(write(folder)))
    (messages,) = run_blocking(lambda: dry_run(recipe)).steps[1].prompts
    assert messages[0].content.startswith("OUR WORDS.")


def test_a_rubric_of_the_same_name_is_the_own_one(folder: Path) -> None:
    rubric = folder / "mine" / "en" / "rubrics" / "quality.md"
    rubric.parent.mkdir()
    rubric.write_text(QUALITY.replace("maximum: 5", "maximum: 7"), encoding="utf-8")
    steps = [{"read": {"path": str(folder / "rows.jsonl")}}, {"judge": {}}]
    judge = load_recipe(str(write(folder, steps=steps))).steps[1]
    assert judge._grader.rubric("en").maximum == 7  # type: ignore[attr-defined]
    assert judge._grader.rubric("zh").maximum == 5  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("said", "sentence"),
    [
        ("none", r"recipe.yaml: line \d+: prompts: there is no folder of prompts .*none"),
        (3, "`prompts` is a folder of prompts of your own"),
        ("", "`prompts` is a folder of prompts of your own"),
    ],
)
def test_what_is_wrong_is_told_with_the_line(folder: Path, said: object, sentence: str) -> None:
    with pytest.raises(RecipeError, match=sentence):
        load_recipe(str(write(folder, prompts=said)))


def test_a_folder_is_named_for_one_run(folder: Path) -> None:
    recipe = load_recipe(str(write(folder, prompts=None)), [f"prompts={folder / 'mine'}"])
    assert list(recipe.prompts.prompts) == [("en", "tag/task")]
