"""What every capability asks: a chat model or an embedding model, whoever serves it.

Two faces. A *provider* (`provider.py`) is the smallest thing that sends one request and reads the
reply. A *model* (`ChatModel`, `EmbeddingModel`) is what a step is handed: a provider behind the journal, the limits and
the counters. Steps never see a provider.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import (
    TYPE_CHECKING,
    Any,
    Generic,
    NamedTuple,
    Protocol,
    Self,
    TypeAlias,
    TypeVar,
    overload,
)

from pydantic import BaseModel

from factory.data.record import Message, ToolCall
from factory.errors import RecordFailed
from factory.models.opening import Opening

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Vectors: TypeAlias = "NDArray[np.float32]"
"""Embeddings: shape (number of texts, dimensions), float32, each row of length 1."""


Fields = TypeVar("Fields", bound=BaseModel)
"""The schema that a reply must fit."""
Data = TypeVar("Data", covariant=True)
"""What an answer holds besides its text: an instance of its schema, None for free text."""


NO_LEVELS = (
    "does not tell the log-probabilities of what it generates, of which this score is made: a vLLM server does; or use "
    "`judge`, which takes the level that is stated"
)
"""What is said of a model whose replies are read from them, behind its name."""


@dataclass(frozen=True, slots=True)
class Sampling:
    """How a reply is drawn: with the messages and the schema, all that decides it.

    temperature: 0 takes the likeliest token each time
    max_tokens: most tokens of the reply
    top_p: the likeliest tokens that have this probability together are drawn from
    stop: texts before which the reply ends
    logprobs: tell each generated token's log-probability, and so many likeliest ones at its place; None tells none
    """

    temperature: float
    max_tokens: int
    top_p: float = 1.0
    stop: tuple[str, ...] = ()
    logprobs: int | None = None


@dataclass(frozen=True, slots=True)
class ChatRequest:
    """One request as a provider sends it.

    schema: the JSON schema that the reply must fit, or None for free text
    seed: set where the temperature is above 0
    sample: numbers several replies to the same prompt
    tools: the schemas of the tools that the model may call, as plain JSON objects in their source's spelling
    template_arguments: what the chat template is given besides the messages
    opening: a text that the model goes on from as it stands, without a template; there are no messages then
    """

    messages: tuple[Message, ...]
    sampling: Sampling
    schema: Mapping[str, Any] | None = None
    seed: int | None = None
    sample: int = 0
    tools: tuple[Mapping[str, Any], ...] = ()
    template_arguments: Mapping[str, Any] = field(default_factory=dict)
    opening: str = ""


class TokenLogprob(NamedTuple):
    """One generated token.

    logprob: its natural log-probability, given all before it
    top: the likeliest tokens at its place with theirs, the likeliest first; none where none of them has a number
        in it: they are asked for to read scores, and would make the journal of a judge seven times as large
    """

    token: str
    logprob: float
    top: tuple[tuple[str, float], ...] = ()

    @classmethod
    def read(cls, token: str, logprob: float, top: Iterable[tuple[str, float]]) -> Self:
        """What a provider was told of a token."""
        likeliest = tuple(top)
        number = any(letter.isnumeric() for other, _ in likeliest for letter in other)
        return cls(token, logprob, likeliest if number else ())


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens that one call took, as the server counted them."""

    prompt_tokens: int = 0
    completion_tokens: int = 0


@dataclass(frozen=True, slots=True)
class Reply:
    """What a provider read.

    text: the answer, without the model's reasoning, which is kept apart; "" where it only calls tools
    finish_reason: "stop", "tool_calls" where the model waits for its tools, or "length" where the token limit cut
        the reply short; "repetition" and whatever is in no table of `reply.ends` make it no answer
        (`reply.read.unusable`)
    logprobs: one for each generated token, those of reasoning and of the end among them; () if not asked for
    calls: the tools that the model calls, whether any were offered or not
    noted: what reading it took off its text or took for granted, one of `reply.noted.KINDS` each time
    """

    text: str
    finish_reason: str = "stop"
    usage: Usage = Usage()
    reasoning: str = ""
    logprobs: tuple[TokenLogprob, ...] = ()
    calls: tuple[ToolCall, ...] = ()
    noted: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class TokenLogprobs:
    """What a provider read of a given text: its tokens, and how likely the model holds each of them.

    logprobs: natural log-probability of each token, given all before it; None for the first, which nothing
        precedes. Where the model puts a token of its own before every text, that one is the first.
    """

    tokens: tuple[str, ...]
    logprobs: tuple[float | None, ...]
    usage: Usage = Usage()


@dataclass(frozen=True, slots=True)
class AnswerLogprobs:
    """What a provider read of an answer behind its context: the answer's own tokens alone.

    logprobs: natural log-probability of each token, given all before it; None where nothing comes before
    ranks: the place of each token among all that the model might have said there, from 1, the likeliest; () where the
        provider tells none
    before: how many tokens stand before the first of them
    merged: context and answer share a token, which is none of the answer's own
    """

    logprobs: tuple[float | None, ...]
    ranks: tuple[int, ...] = ()
    before: int = 0
    merged: bool = False
    usage: Usage = Usage()


@dataclass(frozen=True, slots=True)
class Answer(Generic[Data]):
    """What a step gets: the reply, the fields read from it, and what a record's history says of the call.

    keys: journal keys, one for each time the model was asked
    data: the validated instance of the schema that was asked for; None for free text
    finish_reason: "stop", "tool_calls", or "length" where the token limit cut the text short: it is half an answer
    replayed: the reply came from the journal and was paid for before
    calls: the tools that the model calls, all of them offered
    """

    text: str
    model: str
    keys: tuple[str, ...]
    finish_reason: str = "stop"
    reasoning: str = ""
    data: Data = None  # type: ignore[assignment]  # free text has none, and its answers are Answer[None]
    replayed: bool = False
    logprobs: tuple[TokenLogprob, ...] = ()
    calls: tuple[ToolCall, ...] = ()


class SamplesFailed(RecordFailed):
    """Of several samples some are no answer; the others are, and lie in the journal. With the first one's reason.

    results: what came of each sample, in order: its answer, or why there is none
    """

    def __init__(self, results: Sequence[Answer[Any] | RecordFailed]) -> None:
        first = next(result for result in results if isinstance(result, RecordFailed))
        super().__init__(first.kind, str(first))
        self.results = tuple(results)


@dataclass(frozen=True, slots=True)
class ScoredText:
    """What a step gets of a given text: see `TokenLogprobs` and `Answer`."""

    tokens: tuple[str, ...]
    logprobs: tuple[float | None, ...]
    model: str
    keys: tuple[str, ...]
    replayed: bool = False


@dataclass(frozen=True, slots=True)
class ScoredAnswer:
    """What a step gets of an answer behind its context: see `AnswerLogprobs` and `Answer`."""

    logprobs: tuple[float | None, ...]
    ranks: tuple[int, ...]
    before: int
    merged: bool
    model: str
    keys: tuple[str, ...]
    replayed: bool = False


class Contact(NamedTuple):
    """A server that is to answer; where it does not, the person is told "could not `what` (why): `mend`"."""

    host: str
    port: int
    what: str
    mend: str


class ChatModel(Protocol):
    """A chat model as a step sees it: journalled, limited, counted."""

    name: str

    @overload
    async def ask(
        self,
        messages: Sequence[Message],
        sampling: Sampling,
        *,
        schema: None = None,
        sample: int = 0,
        tools: Sequence[Mapping[str, Any]] = (),
        template_arguments: Mapping[str, Any] = {},
    ) -> Answer[None]:
        """Ask once and read the answer; with `schema`, one that fits it (asked again where it does not).

        With `sampling.logprobs`, the answer has each token's log-probability, and so many likeliest ones at the
        places where a number stands or might; none where the model tells none. With `tools`, the model may call
        them: its calls come back as calls, and nothing here runs them.

        Raises:
            RecordFailed: no usable reply was to be had for these messages, or they cannot be sent. Such a reply is
                refused, cut before its first word, thoughts alone, a call where no tool was offered, or ended for a
                reason that is not known to be whole.
            RunStopped: the model cannot answer anything any more.
        """
        ...

    @overload
    async def ask(
        self,
        messages: Sequence[Message],
        sampling: Sampling,
        *,
        schema: type[Fields],
        sample: int = 0,
        tools: Sequence[Mapping[str, Any]] = (),
        template_arguments: Mapping[str, Any] = {},
    ) -> Answer[Fields]: ...

    @overload
    async def ask(
        self,
        messages: Sequence[Message],
        sampling: Sampling,
        *,
        schema: type[Fields] | None,
        sample: int = 0,
        tools: Sequence[Mapping[str, Any]] = (),
        template_arguments: Mapping[str, Any] = {},
    ) -> Answer[Fields | None]: ...

    @overload
    async def ask_many(
        self,
        messages: Sequence[Message],
        sampling: Sampling,
        *,
        n: int,
        schema: None = None,
        tools: Sequence[Mapping[str, Any]] = (),
        template_arguments: Mapping[str, Any] = {},
    ) -> list[Answer[None]]:
        """The samples 0 to n - 1 of one prompt, each journalled as `ask(..., sample=i)` journals it.

        Those that are not in the journal are asked for in one request where the server can, so that it reads
        the prompt once; they are then drawn from the seed of the first of them. Without a temperature all
        samples are the same reply, and one is asked for. With `schema`, a sample that does not fit is asked
        again alone.

        Raises:
            SamplesFailed: no usable reply was to be had for some of the samples; it holds the others.
            RecordFailed: nothing can be sent.
            RunStopped: as `ask`.
        """
        ...

    @overload
    async def ask_many(
        self,
        messages: Sequence[Message],
        sampling: Sampling,
        *,
        n: int,
        schema: type[Fields],
        tools: Sequence[Mapping[str, Any]] = (),
        template_arguments: Mapping[str, Any] = {},
    ) -> list[Answer[Fields]]: ...

    @overload
    async def ask_many(
        self,
        messages: Sequence[Message],
        sampling: Sampling,
        *,
        n: int,
        schema: type[Fields] | None,
        tools: Sequence[Mapping[str, Any]] = (),
        template_arguments: Mapping[str, Any] = {},
    ) -> list[Answer[Fields | None]]: ...

    async def user_opening(self, messages: Sequence[Message]) -> Opening:
        """Where a user's next words begin in the model's own chat template, behind `messages`.

        Raises:
            RunStopped: the model cannot be had to write a user's turn.
        """
        ...

    async def continue_text(self, opening: str, sampling: Sampling, *, sample: int = 0) -> Answer[None]:
        """Have the model go on from a text as it stands, without a template.

        Raises:
            RecordFailed, RunStopped: as `ask`; RunStopped also where the model takes no text without a template.
        """
        ...

    async def score_text(self, text: str) -> ScoredText:
        """How likely the model holds each token of `text`, which is taken as it stands, without a template.

        Raises:
            RecordFailed: the text does not fit the model's context, or could not be scored.
            RunStopped: the model cannot score a given text, or cannot answer anything any more.
        """
        ...

    async def answer_opening(self, messages: Sequence[Message]) -> str:
        """The text of `messages` in the model's own chat template, up to where the words of an answer begin.

        Raises:
            RecordFailed: the model has no template, none that takes this conversation, or cannot tell it.
        """
        ...

    async def score_answer(self, context: str, answer: str, *, opened: bool = False) -> ScoredAnswer:
        """How likely the model holds each token of `answer` behind `context`, and the token's rank where it tells it.

        Both are taken as they stand and read as one text; `opened` says that the context comes of `answer_opening`.
        Answers to one context that are asked for together are the cheaper: a model in this process reads it once.

        Raises:
            RecordFailed, RunStopped: as `score_text`.
        """
        ...


class EmbeddingModel(Protocol):
    """An embedding model as a step sees it: journalled, batched, counted."""

    name: str

    async def embed(self, texts: Sequence[str]) -> Vectors:
        """One unit-length vector for each text, in order; a text that was embedded before is not again.

        Raises:
            TextsFailed: some of the texts cannot be embedded, whatever is done; all others were.
        """
        ...
