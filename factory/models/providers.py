"""From a recipe's options to a provider. What a provider needs is imported only when one is asked for."""

from __future__ import annotations

from typing import assert_never

from factory.models.base import ChatProvider, EmbeddingProvider
from factory.models.options import (
    ChatOptions,
    EmbeddingOptions,
    LangChainOptions,
    LocalEmbeddingOptions,
    LocalOptions,
    OpenAIEmbeddingOptions,
    OpenAIOptions,
)


def chat_provider(options: ChatOptions) -> ChatProvider:
    """The chat provider that `options` describe.

    Raises:
        MissingSecret: the key it needs is not in the environment, or cannot be a key.
        MissingDependency: a package or weights that it needs are not installed.
        RecipeError: the model it names is not there or cannot be loaded.
    """
    match options:
        case OpenAIOptions():
            from factory.models.openai import OpenAIChat

            chats = [OpenAIChat(options, address) for address in options.addresses]
            if len(chats) == 1:
                return chats[0]
            from factory.models.balanced import BalancedChat

            return BalancedChat(chats)
        case LocalOptions():
            from factory.models.local import LocalChat

            return LocalChat(options)
        case LangChainOptions():
            from factory.models.langchain import langchain_chat

            return langchain_chat(options)
        case _:
            assert_never(options)


def embedding_provider(options: EmbeddingOptions) -> EmbeddingProvider:
    """The embedding provider that `options` describe. Raises as `chat_provider`."""
    match options:
        case LocalEmbeddingOptions():
            from factory.models.local_embeddings import LocalEmbeddings

            return LocalEmbeddings(options)
        case OpenAIEmbeddingOptions():
            from factory.models.openai_embeddings import OpenAIEmbeddings

            return OpenAIEmbeddings(options)
        case _:
            assert_never(options)
