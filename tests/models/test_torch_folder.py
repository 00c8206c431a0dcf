"""Where transformers is to load a model from: what is not there is told when the model is named, not later."""

from __future__ import annotations

from pathlib import Path

import pytest

from factory.errors import MissingDependency, RecipeError
from factory.models.llama.weights import check_model_folder
from factory.models.torch import folder
from factory.models.torch.folder import cached_smollm2, model_place


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def model_in(place: Path) -> Path:
    place.mkdir(parents=True)
    (place / "config.json").write_text("{}")
    return place


def test_a_folder_with_a_model_is_itself(cache: Path) -> None:
    assert model_place(str(model_in(cache / "m"))) == str(cache / "m")


def test_the_packaged_weights_are_taken_from_the_cache_once_they_are_converted(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(folder, "is_installed", lambda package: False)
    with pytest.raises(
        MissingDependency, match=r"sft-factory\[torch\]', then `factory models get smollm2-torch`"
    ):
        model_place("smollm2")
    monkeypatch.setattr(folder, "is_installed", lambda package: True)
    monkeypatch.setattr(folder, "find_smollm2", lambda: None)
    with pytest.raises(MissingDependency, match="run `factory models get smollm2-torch`"):
        model_place("smollm2")
    monkeypatch.setattr(folder, "find_smollm2", lambda: cache / "x.gguf")
    monkeypatch.setattr(folder, "smollm2", lambda: cache / "x.gguf")
    asked: list[Path] = []
    monkeypatch.setattr(folder, "convert", lambda weights, place: asked.append(model_in(place)))
    assert model_place("smollm2") == model_place("smollm2") == str(cached_smollm2())
    assert asked == [cached_smollm2()]


@pytest.mark.parametrize("name", ["./absent", "/absent/model", "~/absent-model", "a/b/c", "../x"])
def test_a_path_that_leads_nowhere_is_refused(name: str) -> None:
    with pytest.raises(RecipeError, match="there is no model folder"):
        model_place(name)
    with pytest.raises(RecipeError, match="there is no model folder"):
        check_model_folder(name)


def test_a_folder_without_a_model_and_a_file_are_refused(cache: Path) -> None:
    (cache / "empty").mkdir()
    with pytest.raises(RecipeError, match=r"holds no config\.json"):
        model_place("empty")
    (cache / "w.gguf").write_bytes(b"GGUF")
    with pytest.raises(RecipeError, match="is a file: transformers wants a folder"):
        model_place("w.gguf")


def test_a_name_on_the_hub_is_looked_for_there(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[str, str]] = []
    monkeypatch.setattr(folder, "download", lambda *place: asked.append(place))
    assert model_place("org/model") == "org/model"
    assert asked == [("org/model", "config.json")]
    check_model_folder("org/model")  # a server's business
    check_model_folder("s3://bucket/a/b")
