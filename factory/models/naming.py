"""Which model a step's `model` field means."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import TypeAlias
from urllib.parse import urlsplit

from factory.errors import RecipeError
from factory.models.options import (
    OPENAI_HOST,
    HiddenStatesOptions,
    LangChainOptions,
    LocalEmbeddingOptions,
    LocalOptions,
    ModelOptions,
    OpenAIEmbeddingOptions,
    OpenAIOptions,
    TransformersOptions,
    VLLMOptions,
)
from factory.models.provider import ChatProvider, TextScorer

EMBEDDED = "embedded"
"""The name of the default models: those that run in this process, with no entry in the recipe."""

ModelEntry: TypeAlias = ModelOptions | ChatProvider
"""What a name stands for: a recipe's options, or in Python a provider that was made already."""

EMBEDDING_OPTIONS = (LocalEmbeddingOptions, HiddenStatesOptions, OpenAIEmbeddingOptions)


def resolve_model(models: Mapping[str, ModelEntry], name: str, kind: str) -> str:
    """The name that a step's model field means; "" is the only model of its kind, or else the embedded one.

    `kind` is "chat" or "embedding".

    Raises:
        RecipeError: there are several to choose from, or none of that name, or it is of the other kind.
    """
    fitting = [
        known
        for known, options in models.items()
        if isinstance(options, EMBEDDING_OPTIONS) == (kind == "embedding")
    ]
    if not name:
        if len(fitting) > 1:
            raise RecipeError(f"there are several {kind} models ({', '.join(fitting)}): name the one to use")
        return fitting[0] if fitting else EMBEDDED
    if name in fitting or name == EMBEDDED:
        return name
    if name in models:
        article = "an" if kind == "embedding" else "a"
        raise RecipeError(f"the model {name!r} is not {article} {kind} model")
    known = [*fitting, EMBEDDED]
    close = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    raise RecipeError(
        f"`models` has no {kind} model {name!r}"
        + (f"; did you mean {close[0]!r}?" if close else f"; known are {', '.join(known)}")
    )


SCORERS = (
    "name one behind a vLLM server (provider: openai), in vLLM itself (provider: vllm), or in transformers, "
    "such as {provider: transformers, model: smollm2}, which is `--model transformers:smollm2` on the command line, "
    "after `pip install 'sft-factory[torch]'` and `factory models get smollm2-torch`"
)


def check_use(models: Mapping[str, ModelEntry], name: str, *, scores: bool) -> None:
    """Refuse a chat model that cannot do what a step wants of it, as far as its options tell.

    Args:
        name: as `resolve_model` gives it.
        scores: the step has given texts scored; else it wants replies.

    Raises:
        RecipeError: the model cannot score given texts, or can do nothing else.
    """
    entry: ModelEntry = models.get(name) or LocalOptions()
    if not scores:
        if isinstance(entry, TransformersOptions):
            raise RecipeError(
                f"the model `{name}` only scores texts (provider: transformers), and this step wants replies: name "
                "one of provider openai, vllm, local or langchain"
            )
        return
    if isinstance(entry, OpenAIOptions) and entry.batch is not None:
        raise RecipeError(f"the model `{name}` cannot score a given text by batch: leave `batch` out")
    if not _scores(entry):
        what = "embedded model" if name == EMBEDDED else f"model `{name}`"
        raise RecipeError(f"the {what} cannot score a given text: {SCORERS}")


def _scores(entry: ModelEntry) -> bool:
    match entry:
        case OpenAIOptions():
            hosts = {urlsplit(address).hostname for address in entry.addresses}
            # Of OpenAI's own models the two plain ones alone tell of a given text.
            return OPENAI_HOST not in hosts or "babbage-002" in entry.model or "davinci-002" in entry.model
        case VLLMOptions() | TransformersOptions():
            return True
        case LocalOptions() | LangChainOptions():
            return False
        case LocalEmbeddingOptions() | HiddenStatesOptions() | OpenAIEmbeddingOptions():
            return False
        case _:
            return isinstance(entry, TextScorer)
