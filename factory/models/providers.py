"""From a recipe's options to a provider. What a provider needs is imported only when one is asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias, assert_never

from factory.models.options import (
    ChatOptions,
    EmbeddingOptions,
    HiddenStatesOptions,
    LangChainOptions,
    LocalEmbeddingOptions,
    LocalOptions,
    OpenAIEmbeddingOptions,
    OpenAIOptions,
    TransformersOptions,
    VLLMOptions,
)
from factory.models.provider import ChatProvider, EmbeddingProvider

if TYPE_CHECKING:
    from factory.models.vllm.server import LocalServer


Servers: TypeAlias = "dict[tuple[str, tuple[str, ...]], LocalServer]"
"""The servers that a run starts for itself, by model and arguments."""


def chat_provider(options: ChatOptions, servers: Servers | None = None) -> ChatProvider:
    """The chat provider that `options` describe; options that want the same server share one of `servers`.

    Raises:
        MissingSecret: the key it needs is not in the environment, or cannot be a key.
        MissingDependency: a package or weights that it needs are not installed.
        RecipeError: the model it names is not there or cannot be loaded.
    """
    match options:
        case OpenAIOptions(serve=True):
            servers = {} if servers is None else servers
            from factory.models.vllm.served_chat import ServedChat
            from factory.models.vllm.server import LocalServer

            key = (options.model, options.serve_arguments)
            if key not in servers:
                servers[key] = LocalServer(options.model, arguments=options.serve_arguments)
            return ServedChat(options, servers[key])
        case OpenAIOptions():
            from factory.models.openai.chat import OpenAIChat

            chats = [OpenAIChat(options, address) for address in options.addresses]
            if len(chats) == 1:
                return chats[0]
            from factory.models.openai.balanced import BalancedChat

            return BalancedChat(chats)
        case LocalOptions():
            from factory.models.llama.chat import LocalChat

            return LocalChat(options)
        case LangChainOptions():
            from factory.models.langchain import langchain_chat

            return langchain_chat(options)
        case VLLMOptions():
            from factory.models.vllm.offline import VLLMChat

            return VLLMChat(options)
        case TransformersOptions():
            from factory.models.torch.scorer import TransformersScorer

            return TransformersScorer(options)
        case _:
            assert_never(options)


def embedding_provider(options: EmbeddingOptions) -> EmbeddingProvider:
    """The embedding provider that `options` describe. Raises as `chat_provider`."""
    match options:
        case LocalEmbeddingOptions():
            from factory.models.local_embeddings import LocalEmbeddings

            return LocalEmbeddings(options)
        case HiddenStatesOptions():
            from factory.models.torch.hidden_states import HiddenStates

            return HiddenStates(options)
        case OpenAIEmbeddingOptions():
            from factory.models.openai.embeddings import OpenAIEmbeddings

            return OpenAIEmbeddings(options)
        case _:
            assert_never(options)
