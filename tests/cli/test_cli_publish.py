"""`factory publish`, `factory diff` and `--reference`, as a person types them, with a stand-in of the hub."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from hub_server import TOKEN, Hub, running_hub
from typer.testing import CliRunner

from factory.cli.app import app
from factory.data.hub import fetch_dataset
from factory.errors import FactoryError

ROWS = [
    ("Name a river.", "The Danube."),
    ("说一个数。", "三"),
    ("What is 2+2?", "4"),
    ("what is 2+2", "Four"),
]
RECIPE = {"name": "tiny", "steps": [{"read": {"path": "rows.jsonl"}}, {"dedup_exact": {}}]}


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Hub]:
    constants = pytest.importorskip("huggingface_hub.constants")
    monkeypatch.chdir(tmp_path)
    with running_hub() as hub:
        monkeypatch.setenv("HF_ENDPOINT", hub.url)
        monkeypatch.setenv("HF_TOKEN", TOKEN)
        monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
        monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
        fetch_dataset.cache_clear()
        yield hub
    fetch_dataset.cache_clear()


def write_rows(path: str, rows: list[tuple[str, str]]) -> None:
    lines = [json.dumps({"instruction": asked, "output": said}) for asked, said in rows]
    Path(path).write_text("\n".join(lines) + "\n", encoding="utf-8")


def say(*words: str) -> str:
    result = CliRunner().invoke(app, list(words))
    if isinstance(result.exception, FactoryError):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result.output


def made(folder: str, rows: list[tuple[str, str]]) -> str:
    write_rows("rows.jsonl", rows)
    Path("tiny.json").write_text(json.dumps(RECIPE))
    say("run", "tiny.json", "--out", folder, "--journal", "journal.db")
    return folder


@pytest.mark.slow
def test_two_versions_are_published_compared_and_taken_as_a_reference(hub: Hub) -> None:
    first, second = made("one", ROWS[:3]), made("two", [*ROWS[1:], ("New?", "Yes.")])
    assert "published\nprivate, commit" in say("publish", first, "hf://org/tiny")
    assert "nothing to do: these rows are there already" in say("publish", first, "hf://org/tiny")
    assert "published in the place of" in say("publish", second, "hf://org/tiny", "--new-version")
    old, new = hub.repositories["org/tiny"].tags
    for one, other in (
        (first, second),
        (f"hf://org/tiny@{old}", f"hf:org/tiny@{new}"),
        (first, "hf:org/tiny"),
    ):
        found = json.loads(say("diff", one, other, "--json").partition("{")[2].join(["{", ""]))
        assert (found["same"], found["gone"], found["added"], found["changed"]) == (2, 1, 1, 0)
        assert found["rows"] == {"first": 3, "second": 3}
    card = hub.repositories["org/tiny"].files["README.md"].decode()
    assert "| `02-dedup_exact` | 4 | 0 | 3 | `exact_duplicate` 1 |" in card
    write_rows("pool.jsonl", [*ROWS, ("Unheard of", "x")])
    told = say("dedup", "pool.jsonl", "--exact", "--reference", f"hf:org/tiny@{old}", "--out", "left.jsonl")
    assert "5 in, 1 out" in told
    assert "Unheard of" in Path("left.jsonl").read_text()


@pytest.mark.slow
def test_a_run_that_was_stopped_is_not_published(hub: Hub) -> None:
    folder = Path(made("one", ROWS))
    manifest = json.loads((folder / "manifest.json").read_text())
    (folder / "manifest.json").write_text(json.dumps({**manifest, "status": "stopped: the disk is full"}))
    with pytest.raises(
        FactoryError, match=r"has not finished \(stopped: the disk is full\): run its recipe again"
    ):
        say("publish", str(folder), "hf://org/tiny")
    assert hub.requests == []


@pytest.mark.slow
def test_a_file_that_was_changed_since_the_run_is_not_published(hub: Hub) -> None:
    folder = Path(made("one", ROWS))
    with (folder / "dataset/messages/train.jsonl").open("a") as file:
        file.write("{}\n")
    with pytest.raises(FactoryError, match=r"train.jsonl is not as the run left it: run its recipe again"):
        say("publish", str(folder), "hf://org/tiny")
    assert hub.requests == []


@pytest.mark.slow
def test_a_file_that_was_put_beside_the_runs_set_stays_here(hub: Hub) -> None:
    folder = Path(made("one", ROWS))
    (folder / "dataset/messages/test.jsonl").write_text("a secret")
    (folder / "dataset/notes.txt").write_text("a secret")
    told = say("publish", str(folder), "hf://org/tiny")
    assert "not sent, as they are no part of the set: messages/test.jsonl, notes.txt in " in told
    assert not {"messages/test.jsonl", "notes.txt"} & set(hub.repositories["org/tiny"].files)


@pytest.mark.slow
def test_two_files_are_compared_and_what_is_gone_is_shown(hub: Hub) -> None:
    write_rows("a.jsonl", ROWS)
    write_rows("b.jsonl", [*ROWS[:2], ("What is 2+2?", "5")])
    told = say("diff", "a.jsonl", "b.jsonl")
    assert "  - " in told
    assert "what is 2+2" in told
    assert say("diff", "a.jsonl", "a.jsonl").count("4") >= 2


@pytest.mark.slow
def test_what_is_no_set_is_told_in_a_sentence(hub: Hub) -> None:
    write_rows("a.jsonl", ROWS)
    for name, said in (("missing.jsonl", "does not exist"), ("hf:not a name", "write hf://org/name")):
        with pytest.raises(FactoryError, match=said):
            say("diff", "a.jsonl", name)
