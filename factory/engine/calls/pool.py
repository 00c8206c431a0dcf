"""The models of a run, by name, made when a step first asks for them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import TypeAlias

from factory.data.record import Message
from factory.engine.batch.chat import Batches
from factory.engine.calls.caller import Caller
from factory.engine.calls.chat import JournalledChat
from factory.engine.calls.descriptors import sockets_left
from factory.engine.calls.probes import TEXT
from factory.engine.calls.usage import Gate, ModelUsage
from factory.engine.journal.journal import Journal
from factory.engine.progress import RunProgress
from factory.errors import RunStopped
from factory.models.address import BATCH, server_of
from factory.models.base import NO_LEVELS, ChatModel, ChatRequest, EmbeddingModel, Sampling
from factory.models.failures import Denied
from factory.models.naming import EMBEDDED, EMBEDDING_OPTIONS, ModelEntry, check_use, resolve_model
from factory.models.options import (
    ChatOptions,
    EmbeddingOptions,
    LocalEmbeddingOptions,
    LocalOptions,
    OpenAIEmbeddingOptions,
    OpenAIOptions,
)
from factory.models.provider import ChatProvider, EmbeddingProvider, LetsGo, TextScorer
from factory.models.providers import Servers, chat_provider, embedding_provider

Asks: TypeAlias = "Callable[[], Awaitable[object]]"


class ModelPool:
    """Makes each model once and closes them all at the end."""

    def __init__(
        self,
        models: Mapping[str, ModelEntry],
        journal: Journal,
        progress: RunProgress,
        gate: Gate,
        seed: int,
    ) -> None:
        self._options = models
        self._journal = journal
        self._progress = progress
        self._gate = gate
        self._seed = seed
        self._chats: dict[str, ChatModel] = {}
        self._embedders: dict[str, EmbeddingModel] = {}
        self._made_chats: dict[str, ChatProvider] = {}
        self._made_embedders: dict[str, EmbeddingProvider] = {}
        self._providers: list[ChatProvider | EmbeddingProvider] = []
        self._servers: Servers = {}
        self._sockets = 0
        self.batches = Batches(journal, progress.warn, lambda: gate.watch.most)

    def chat(self, name: str) -> ChatModel:
        """The chat model of this name. See `Context.chat`."""
        made = self._chats.get(name)
        if made is not None:  # asked for by every record: resolving a name each time shows in a profile
            return made
        asked, name = name, resolve_model(self._options, name, "chat")
        if name not in self._chats:
            options = self._options.get(name) or LocalOptions()
            assert not isinstance(options, EMBEDDING_OPTIONS)
            if isinstance(options, OpenAIOptions) and options.batch is not None:
                provider: ChatProvider = self.batches.chat(name, options)
                self._providers.append(provider)
                # Nothing is sent, so there is no rate to keep.
                options = options.model_copy(update={"requests_per_minute": None, "tokens_per_minute": None})
            else:
                provider = self._chat_provider(name, options)
            usage = self._usage(name, provider.identity, options)
            self._chats[name] = JournalledChat(
                name,
                provider,
                self._journal,
                usage,
                self._gate,
                concurrency=usage.concurrency,
                seed=self._seed,
                requests_per_minute=getattr(options, "requests_per_minute", None),
                tokens_per_minute=getattr(options, "tokens_per_minute", None),
            )
        self._chats[asked] = self._chats[name]
        return self._chats[name]

    def chat_seeded(self, name: str, seed: int) -> ChatModel:
        """The same model, behind the same limits and journal, drawing its samples by another seed."""
        chat = self.chat(name)
        return chat.seeded(seed) if isinstance(chat, JournalledChat) else chat

    def embedder(self, name: str) -> EmbeddingModel:
        """The embedding model of this name. See `Context.embedder`."""
        from factory.engine.calls.embeddings import JournalledEmbeddings

        name = resolve_model(self._options, name, "embedding")
        if name not in self._embedders:
            options = self._options.get(name) or LocalEmbeddingOptions()
            assert isinstance(options, EMBEDDING_OPTIONS)
            provider = self._embedding_provider(name, options)
            usage = self._usage(
                f"{name} (embeddings)" if name == EMBEDDED else name, provider.identity, options
            )
            usage.embeds = True
            self._embedders[name] = JournalledEmbeddings(
                name, provider, self._journal, usage, self._gate, concurrency=usage.concurrency
            )
        return self._embedders[name]

    def name_of(self, name: str, kind: str) -> str:
        """The model that a step means by `name`, which may be ""; see `resolve_model`."""
        return resolve_model(self._options, name, kind)

    def prepare(self, name: str, kind: str, *, scores: bool = False) -> None:
        """Make the provider of a model that will be asked later; it counts as a model of the run once it is.

        Of a model in batch mode its key is looked for, and its folder stays as it is.

        Raises:
            FactoryError: it cannot be made, or cannot do what is wanted; see `check_use`, `chat_provider`.
        """
        name = resolve_model(self._options, name, kind)
        if kind == "embedding":
            embedding = self._options.get(name) or LocalEmbeddingOptions()
            assert isinstance(embedding, EMBEDDING_OPTIONS)
            self._embedding_provider(name, embedding)
            return
        check_use(self._options, name, scores=scores)
        options = self._options.get(name) or LocalOptions()
        assert not isinstance(options, EMBEDDING_OPTIONS)
        if isinstance(options, OpenAIOptions) and options.batch is not None:
            if options.batch.submit:
                from factory.models.openai.batch_api import BatchAPI

                BatchAPI(options)
        else:
            self._chat_provider(name, options)

    def probe_of(self, name: str, use: str) -> Asks | None:
        """What asks a model's server once for what not every server can; None where none is to be asked.

        That is to score a text ("score"), to embed one ("embedding"), or to tell the log-probabilities of what it
        generates ("levels"); all chat servers answer ("chat"), and what runs here was made to. A model of which the
        journal has such replies has shown that it can, and it may be that no more are needed.
        """
        options = self._options.get(name)
        if use == "embedding" and isinstance(options, OpenAIEmbeddingOptions):
            embedder = self._embedding_provider(name, options)
            embed = embedder.embed
            if not self._journal.knows("embedding", embedder.identity):
                return lambda: _asked(self.embedder(name), lambda: embed([TEXT]))
        if use == "levels" and isinstance(options, OpenAIOptions):
            answering = self._chat_provider(name, options)
            if not self._journal.knows("chat", answering.identity, '"logprobs":[['):
                return lambda: _asked(self.chat(name), lambda: _told_levels(answering))
        if use == "score" and isinstance(options, OpenAIOptions):
            provider = self._chat_provider(name, options)
            if isinstance(provider, TextScorer) and not self._journal.knows("score", provider.identity):
                score = provider.score_text
                return lambda: _asked(self.chat(name), lambda: score(TEXT))
        return None

    def _chat_provider(self, name: str, options: ChatOptions | ChatProvider) -> ChatProvider:
        if not isinstance(options, ChatOptions):  # made by the caller, who closes it
            return options
        if name not in self._made_chats:
            self._made_chats[name] = chat_provider(options, self._servers)
            self._providers.append(self._made_chats[name])
        return self._made_chats[name]

    def _embedding_provider(self, name: str, options: EmbeddingOptions) -> EmbeddingProvider:
        if name not in self._made_embedders:
            self._made_embedders[name] = embedding_provider(options)
            self._providers.append(self._made_embedders[name])
        return self._made_embedders[name]

    def _usage(self, name: str, identity: str, options: ModelEntry) -> ModelUsage:
        price = getattr(options, "price", None)
        server = server_of(options)
        usage = ModelUsage(identity, self._calls_at_once(name, options, server), server=server)
        if price is not None:
            usage.price_input, usage.price_output = price.input, price.output
        self._progress.models[name] = usage
        return usage

    def _calls_at_once(self, name: str, options: ModelEntry, server: str) -> int:
        """How many calls a model may have in flight: its `concurrency`, or what there are descriptors for."""
        wanted = options.concurrency
        if not server or server == BATCH:
            return wanted
        allowed = sockets_left(wanted, self._sockets)
        self._sockets += allowed
        if allowed < wanted:
            self._progress.warn(
                f"model `{name}`: {allowed:,} calls at once instead of {wanted:,}, since this process may open no more "
                f"files and sockets: raise the limit (ulimit -n {2 * wanted + 1024})"
            )
        return allowed

    def let_go(self) -> int:
        """Have models in this process leave undone what they are asked; returns how many calls that ends."""
        return sum(provider.let_go() for provider in self._providers if isinstance(provider, LetsGo))

    async def close(self) -> None:
        """Free what the providers hold, and tell what became of the journal's replies."""
        for remark in self._journal.remarks():
            self._progress.warn(remark)
        for provider in self._providers:
            await provider.close()
        self.batches.close()


async def _told_levels(provider: ChatProvider) -> None:
    """Have one token generated, with its log-probability.

    Raises:
        RunStopped: the server answers and tells none.
    """
    sampling = Sampling(0.0, 1, logprobs=20)
    reply = await provider.send(ChatRequest((Message("user", TEXT),), sampling))
    if not reply.logprobs:
        raise RunStopped(f"{provider.identity} {NO_LEVELS}")


async def _asked(model: ChatModel | EmbeddingModel, call: Asks) -> None:
    """Make one call as any call of the model is made, but for what comes of it.

    Raises:
        RecordFailed, RunStopped: as `Caller.send`; the run goes on, so that whoever asked may say for what.
    """
    assert isinstance(model, Caller)

    async def attempt() -> RunStopped | None:
        try:
            await call()
        except Denied:
            raise
        except RunStopped as error:
            return error
        return None

    if (stopped := await model.send(attempt, hold=False)) is not None:
        raise stopped
