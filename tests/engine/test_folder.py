"""A run's folder is held before it is touched, and what a killed run left is known as its own."""

from __future__ import annotations

import shutil
import threading
import time
from pathlib import Path
from typing import Any

import orjson
import pytest
from scripted_server import ScriptedServer

import factory as sft
from factory.data.run_manifest import MANIFEST, Identity, Manifest
from factory.engine.folder import claimed, locked, output_facts
from factory.errors import OutputError, RunStopped


def recipe(server: ScriptedServer, folder: Path, count: int = 6, **more: Any) -> dict[str, Any]:
    rows = [{"instruction": f"Explain number {n}."} for n in range(count)]
    (folder / "seeds.jsonl").write_bytes(b"\n".join(map(orjson.dumps, rows)))
    return {
        "name": "small",
        "models": {
            "teacher": {
                "provider": "openai",
                "base_url": server.base_url,
                "model": "scripted",
                "concurrency": 2,
            }
        },
        "steps": [
            {"read": {"path": str(folder / "seeds.jsonl")}},
            {"respond": {}},
            {"dedup_exact": {}},
            {"judge": {}},
        ],
        **more,
    }


def contents(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


@pytest.mark.slow
@pytest.mark.parametrize("overwrite", [False, True])
def test_the_folder_of_a_run_in_progress_is_left_alone(
    overwrite: bool, server: ScriptedServer, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    first = sft.run(recipe(server, tmp_path), out=out, journal=tmp_path / "j.db")
    before = contents(out)
    with locked(out), pytest.raises(OutputError, match=r"another process|holds a run"):
        sft.run(
            recipe(server, tmp_path, name="other"), out=out, journal=tmp_path / "j.db", overwrite=overwrite
        )
    assert contents(out) == before
    other = recipe(server, tmp_path, seed=5)
    again = sft.run(other, out=out, journal=tmp_path / "j.db", overwrite=True)
    assert again.kept == first.kept


@pytest.mark.slow
def test_a_run_whose_files_are_removed_under_it_ends_with_an_error(
    server: ScriptedServer, tmp_path: Path
) -> None:
    data = recipe(server, tmp_path, 12)
    data["steps"] = [
        data["steps"][0], data["steps"][1], {"dedup_exact": {}}, {"judge": {}},
    ]  # fmt: skip
    out = tmp_path / "run"
    whole = sft.run(data, out=tmp_path / "whole", journal=tmp_path / "whole.db")
    assert whole.kept == 12
    server.delay = 0.2
    removed = threading.Event()

    def remove() -> None:
        while not (out / "steps" / "03-dedup_exact" / "dropped.parquet").exists():
            time.sleep(0.001)
        shutil.rmtree(out / "steps" / "03-dedup_exact")
        removed.set()

    thread = threading.Thread(target=remove)
    thread.start()
    with pytest.raises(RunStopped, match=r"is gone: .* run the same command again"):
        sft.run(data, out=out, journal=tmp_path / "j.db")
    thread.join()
    assert removed.is_set()
    server.delay = 0
    assert sft.run(data, out=out, journal=tmp_path / "j.db").kept == 12


@pytest.mark.slow
@pytest.mark.parametrize(
    "left",
    [
        [".lock"],
        [".lock", ".manifest.json.part"],
        [".manifest.json.part"],
        [".lock", ".recipe.yaml.part", ".report.html.part"],
    ],
)
def test_what_a_run_leaves_that_was_killed_at_its_first_write_is_its_own(
    left: list[str], server: ScriptedServer, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    out.mkdir()
    for name in left:
        (out / name).write_bytes(b"{")
    assert sft.run(recipe(server, tmp_path), out=out, journal=tmp_path / "j.db").kept == 6
    assert not list(out.rglob(".*.part"))


@pytest.mark.slow
def test_parts_that_a_killed_run_left_deep_inside_are_removed(server: ScriptedServer, tmp_path: Path) -> None:
    out = tmp_path / "run"
    data = recipe(server, tmp_path)
    sft.run(data, out=out, journal=tmp_path / "j.db")
    for place in ("steps/02-respond/.kept.parquet.part", "dataset/.old.jsonl.part"):
        (out / place).parent.mkdir(parents=True, exist_ok=True)
        (out / place).write_bytes(b"half")
    sft.run(data, out=out, journal=tmp_path / "j.db")
    assert not list(out.rglob(".*.part"))


@pytest.mark.parametrize("stranger", ["notes.txt", ".hidden", "data/rows.jsonl"])
def test_a_folder_of_somebody_else_is_refused_and_gets_no_file(stranger: str, tmp_path: Path) -> None:
    (tmp_path / "own" / stranger).parent.mkdir(parents=True)
    (tmp_path / "own" / stranger).write_text("mine")
    before = contents(tmp_path)
    with (
        pytest.raises(OutputError, match="is not empty and holds no run"),
        claimed(tmp_path / "own", Identity(recipe="a"), overwrite=True),
    ):
        pass
    assert contents(tmp_path) == before


def test_overwrite_that_is_killed_on_the_way_leaves_a_folder_that_is_still_a_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "run"
    (out / "steps" / "01-read").mkdir(parents=True)
    (out / MANIFEST).write_bytes(Manifest(identity=Identity(recipe="a")).to_bytes())
    (out / "recipe.yaml").write_text("steps: []")

    def killed(place: Path) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as broken:
        broken.setattr(shutil, "rmtree", killed)
        with pytest.raises(KeyboardInterrupt), claimed(out, Identity(recipe="b"), overwrite=True):
            pass
    with claimed(out, Identity(recipe="b"), overwrite=True):
        assert [entry.name for entry in out.iterdir()] == [".lock"]


@pytest.mark.slow
def test_a_journal_in_the_run_s_folder_is_no_output(server: ScriptedServer, tmp_path: Path) -> None:
    out = tmp_path / "run"
    data = recipe(server, tmp_path)
    for _ in range(2):
        result = sft.run(data, out=out, journal=out / "journal.db")
        assert not [facts for facts in output_facts(out) if "journal" in facts.path]
        assert result.kept == 6


def test_a_folder_that_may_not_be_written_is_named(server: ScriptedServer, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="cannot be written: not a directory: name another with --out"):
        sft.run(recipe(server, tmp_path), out=tmp_path / "file" / "run", journal=tmp_path / "j.db")
