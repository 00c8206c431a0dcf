"""What a provider is: the smallest thing that sends one request and reads the reply. Steps never see one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

from factory.data.record import Message
from factory.models.base import AnswerLogprobs, ChatRequest, Reply, TokenLogprobs, Vectors
from factory.models.learning import AnswerGradient
from factory.models.opening import Opening


class ChatProvider(Protocol):
    """The smallest thing that can send a chat request and read the reply.

    `identity` names what answers (model name, file hash, whatever changes the reply) and is part of the
    journal's key; it holds no secret and no address.
    """

    identity: str
    concurrency: int

    async def send(self, request: ChatRequest) -> Reply:
        """Send one request once; no retries.

        Raises:
            Overloaded: the server asks to wait (429, 503).
            TransientFailure: a time-out, a reset, a truncated body, a 5xx: worth another try.
            RecordFailed: this request can never succeed (prompt beyond the context).
            RunStopped: no request can succeed (refused key, no credit); Denied: none, or this one alone.
        """
        ...

    async def close(self) -> None:
        """Free sockets, threads and memory."""
        ...


@runtime_checkable
class TextScorer(Protocol):
    """A chat provider that can also tell how likely its model holds a given text, token by token."""

    async def score_text(self, text: str) -> TokenLogprobs:
        """The log-probabilities of the tokens of `text`, taken as it stands, without a chat template.

        Raises:
            RunStopped: the server has no way to tell them.
            Overloaded, TransientFailure, RecordFailed: as `ChatProvider.send`.
        """
        ...


@runtime_checkable
class AnswerScorer(Protocol):
    """A chat provider that can also tell of a given answer how likely, and how high in rank, each token of it is."""

    async def score_answer(self, context: str, answer: str, *, opened: bool = False) -> AnswerLogprobs:
        """The log-probabilities and ranks of the tokens of `answer` behind `context`, which are read as one text.

        opened: the context is what a chat template wrote, so that the tokenizer puts no token of its own before it

        Raises:
            RunStopped: the server has no way to tell them.
            Overloaded, TransientFailure, RecordFailed: as `ChatProvider.send`.
        """
        ...


@runtime_checkable
class Learner(Protocol):
    """A chat provider whose model can be trained for a moment, and tell gradients: see `LearningModel`."""

    def after_training(self, examples: Sequence[tuple[str, str]]) -> ChatProvider:
        """A provider of the same model trained on these, under another identity; it is closed with this one."""
        ...

    async def answer_gradient(self, context: str, answer: str) -> AnswerGradient:
        """See `LearningModel.answer_gradient`.

        Raises:
            TransientFailure, RecordFailed: as `ChatProvider.send`.
        """
        ...


@runtime_checkable
class LetsGo(Protocol):
    """A provider that computes here, for longer than a person who stops a run wants to wait."""

    def let_go(self) -> int:
        """Leave undone what is not begun, and what is computed at its next break; returns how many calls.

        Each of these ends with LetGo, and so does every later one.
        """
        ...


@runtime_checkable
class TurnOpener(Protocol):
    """A chat provider that can also have its model write a user's turn: it takes requests with an `opening`."""

    async def user_opening(self, messages: Sequence[Message]) -> Opening:
        """The text of a conversation in the model's own chat template, up to where a user's next words begin.

        Raises:
            RunStopped: the server has no way to tell it, or the template has no such place.
            Overloaded, TransientFailure, RecordFailed: as `ChatProvider.send`.
        """
        ...


@runtime_checkable
class AnswerOpener(Protocol):
    """An `AnswerScorer` that can also tell where an answer begins in its model's own chat template."""

    async def answer_opening(self, messages: Sequence[Message]) -> Opening:
        """The text of a conversation in the model's own chat template, up to where the words of its answer begin.

        Raises:
            RecordFailed: the model has no template, or none that takes this conversation.
            Overloaded, TransientFailure: as `ChatProvider.send`.
        """
        ...


@runtime_checkable
class SampleSender(Protocol):
    """A chat provider that can also ask for several samples of one prompt in one request.

    sends_samples: False once the server was found to take no such request
    """

    @property
    def sends_samples(self) -> bool: ...

    async def send_samples(self, requests: Sequence[ChatRequest]) -> list[Reply]:
        """Replies for the first of `requests`, which differ in seed and sample alone: one at least.

        Fewer than asked for where the server gives fewer. Samples of one request cannot have seeds of their
        own: the first one's is sent, from which the server draws them all. The prompt's tokens are counted
        with the first reply.

        Raises:
            Overloaded, TransientFailure, RecordFailed, RunStopped: as `ChatProvider.send`.
        """
        ...


class EmbeddingProvider(Protocol):
    """The smallest thing that can turn texts into vectors."""

    identity: str
    batch_size: int

    async def embed(self, texts: Sequence[str]) -> Vectors:
        """One unit-length vector for each text. Raises as `ChatProvider.send`."""
        ...

    async def close(self) -> None:
        """Free sockets, threads and memory."""
        ...
