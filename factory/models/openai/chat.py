"""A chat model behind an OpenAI-compatible server, asked over plain HTTP.

The `openai` package is not used to send: importing it takes 0.8 s and its transport 2 to 3 ms of processor
time for each request, several times what the rest of a call costs.
"""

from __future__ import annotations

import hashlib
import logging
import re
from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from factory.data.record import Message
from factory.errors import CannotScore, RecordFailed, RunStopped
from factory.models.base import AnswerLogprobs, ChatRequest, Reply, TokenLogprobs
from factory.models.border import answer_logprobs
from factory.models.openai.completion import read_completion, read_ranks, read_samples, read_scores
from factory.models.openai.endpoint import Endpoint, NotServed, is_openai
from factory.models.openai.served_opening import served_opening
from factory.models.openai.structured import instruct_json, strict_schema
from factory.models.opening import Opening, no_template
from factory.models.options import OpenAIOptions
from factory.models.refusal import BadRequest
from factory.models.secrets import filled_in, read_key, variables_in
from factory.models.wire import wire_messages, wire_template_arguments, wire_tools

_log = logging.getLogger(__name__)
_SCORING = "it takes `echo` and `logprobs` in /completions: vLLM has them, and `provider: transformers` needs no server"
# What a request can do without, where a model refuses it (reasoning models take no temperature, for one).
_OPTIONAL = frozenset({"temperature", "top_p", "seed", "stop"})
_TEMPLATE_ARGUMENTS = "chat_template_kwargs"


def identity_of(provider: str, model: str, choices: Mapping[str, Any]) -> str:
    """The name of what answers: provider, model, and a hash of the options that change its replies."""
    chosen = {name: value for name, value in choices.items() if value not in (None, {}, "")}
    if not chosen:
        return f"{provider}:{model}"
    digest = hashlib.sha256(orjson.dumps(chosen, option=orjson.OPT_SORT_KEYS)).hexdigest()
    return f"{provider}:{model}#{digest[:12]}"


class OpenAIBodies:
    """The bodies of chat requests to a model, and its identity; needs no server and no key."""

    def __init__(self, options: OpenAIOptions, address: str | None = None) -> None:
        self.identity = identity_of(
            "openai", options.model, {**options.overrides(), "extra_body": options.extra_body}
        )
        self._options = options
        self._extra_body = options.extra_body
        self._openai = is_openai(address or options.addresses[0])
        self._limit = "max_completion_tokens" if self._openai else "max_tokens"
        self._formats: dict[bytes, orjson.Fragment] = {}
        self._left_out: set[str] = set()

    def body(self, request: ChatRequest, n: int = 1) -> dict[str, Any]:
        """What is sent for a request of `n` samples; a schema goes out as `response_format`."""
        if request.schema is None:
            return self._body(request, n)
        return self._fitting_body(request, orjson.dumps(request.schema), request.schema, n)

    def _fitting_body(
        self, request: ChatRequest, key: bytes, schema: Mapping[str, Any], n: int
    ) -> dict[str, Any]:
        """The body of a request whose reply has to fit `schema`, which is `key` as JSON."""
        body = self._body(request, n)
        body["response_format"] = self._formats.get(key) or self._format(key, schema)
        return body

    def _body(self, request: ChatRequest, n: int = 1) -> dict[str, Any]:
        sampling = self._options.sampling(request.sampling)
        body: dict[str, Any] = {
            "model": self._options.model,
            "messages": wire_messages(request.messages),
            "temperature": sampling.temperature,
            self._limit: sampling.max_tokens,
        }
        if request.tools:
            body["tools"] = wire_tools(request.tools)
        if sampling.top_p != 1.0:
            body["top_p"] = sampling.top_p
        if sampling.stop:
            body["stop"] = sampling.stop
        if request.seed is not None:
            body["seed"] = request.seed
        if n > 1:
            body["n"] = n
        if sampling.logprobs is not None:
            body.update(logprobs=True, top_logprobs=sampling.logprobs)
        for name in self._left_out:
            body.pop(name, None)
        body.update(self._extra_body)
        if request.template_arguments:
            self._add_template_arguments(body, request.template_arguments)
        return body

    def _add_template_arguments(self, body: dict[str, Any], arguments: Mapping[str, Any]) -> None:
        """The record's arguments for the chat template, under those that the recipe sets for every request."""
        if _TEMPLATE_ARGUMENTS in self._left_out:
            return
        if self._openai:
            self._left_out.add(_TEMPLATE_ARGUMENTS)
            _log.warning("%s does not support %s; it is left out", self._options.model, _TEMPLATE_ARGUMENTS)
            return
        chosen = self._options.extra_body.get(_TEMPLATE_ARGUMENTS)
        own = chosen if isinstance(chosen, dict) else {}
        body[_TEMPLATE_ARGUMENTS] = {**wire_template_arguments(arguments), **own}

    def _format(self, key: bytes, schema: Mapping[str, Any]) -> orjson.Fragment:
        """The `response_format` of a schema, serialised once for all its requests."""
        name = re.sub(r"[^A-Za-z0-9_-]", "_", str(schema.get("title") or "reply"))[:64]
        sent = strict_schema(schema) if self._openai else schema
        wanted = {"type": "json_schema", "json_schema": {"name": name, "schema": sent, "strict": True}}
        self._formats[key] = orjson.Fragment(orjson.dumps(wanted))
        return self._formats[key]


class OpenAIChat(OpenAIBodies):
    """Sends one chat request, reads one reply.

    A schema goes out as `response_format`. A server that refuses one is asked in words from then on. An
    optional parameter that a model does not support (temperature, top_p, seed, stop, logprobs, the chat template's
    arguments) is left out from then on. Several samples of a prompt go out as one request with `n`; a server that
    takes none is asked one by one from then on. A call of a tool comes back as a call where the server's parser tells
    it.
    """

    def __init__(self, options: OpenAIOptions, address: str | None = None) -> None:
        super().__init__(options, address)
        self._extra_body = filled_in(options.extra_body)
        self.concurrency = options.concurrency
        self._endpoint = Endpoint(
            address or options.addresses[0],
            model=options.model,
            options=options,
            secrets=tuple(map(read_key, variables_in(options.extra_body))),
        )
        self._scored_once = False
        self._tells_none = ""
        """Why no given text can be scored, once the server has shown it and has never scored one."""
        self._in_words: set[bytes] = set()
        self._taken: set[bytes] = set()
        self.sends_samples = "n" not in options.extra_body

    async def send(self, request: ChatRequest) -> Reply:
        """Send one request once; raises as `ChatProvider.send`."""
        if request.opening:
            return read_completion(
                await self._endpoint.post("/completions", self._opened_body(request)), request
            )
        return read_completion(await self._completion(request), request)

    async def send_samples(self, requests: Sequence[ChatRequest]) -> list[Reply]:
        """See `SampleSender`. At a temperature of 0, where vLLM refuses `n`, it gives the first alone."""
        first, n = requests[0], len(requests)
        if n == 1 or not self.sends_samples or self._options.sampling(first.sampling).temperature == 0:
            return [await self.send(first)]
        try:
            replies, given = read_samples(await self._completion(first, n), first)
        except BadRequest:
            # `n` or something else in the request may be to blame; asking for one tells which.
            replies, given = [await self.send(first)], 0
        if given < n and self.sends_samples:
            self.sends_samples = False
            _log.warning(
                "%s gives no %d samples of one request; it is asked one by one", self._options.model, n
            )
        return replies[:n]

    async def _completion(self, request: ChatRequest, n: int = 1) -> dict[str, Any]:
        """The server's completion of a request, with `n` choices."""
        schema = request.schema
        if schema is None:
            return await self._ask(self._body(request, n))
        key = orjson.dumps(schema)
        if key in self._in_words:
            return await self._ask_in_words(request, schema, n)
        try:
            completion = await self._ask(self._fitting_body(request, key, schema, n))
        except BadRequest:
            if key in self._taken:  # the server took the schema before: it is not to blame
                raise
            # The schema or something else in the request may be to blame; asking in words tells which.
            completion = await self._ask_in_words(request, schema, n)
        else:
            self._taken.add(key)
            return completion
        if key not in self._in_words:
            self._in_words.add(key)
            _log.warning("%s takes no such JSON schema; it is asked for JSON in words", self._options.model)
        return completion

    async def score_text(self, text: str) -> TokenLogprobs:
        """The log-probabilities of a given text; see `TextScorer`.

        Asked of `/completions`, which vLLM and SGLang serve, with `echo` and no token generated.
        """
        scores = read_scores(await self._scored(text, {}))
        if scores is None:
            raise self._cannot_score("")
        self._scored_once = True
        return scores

    async def score_answer(self, context: str, answer: str, *, opened: bool = False) -> AnswerLogprobs:
        """The log-probabilities of a given answer; see `AnswerScorer`.

        Asked as `score_text` asks, and for vLLM's own `prompt_logprobs`, which tell ranks; a server that refuses these
        is asked without them from then on.
        """
        ranked = "prompt_logprobs" not in self._left_out
        more: dict[str, Any] = {"add_special_tokens": False} if opened else {}
        try:
            data = await self._scored(context + answer, {**more, "prompt_logprobs": 0} if ranked else more)
        except RecordFailed as refusal:
            if not ranked or "prompt_logprobs" not in str(refusal):
                raise
            self._left_out |= {"prompt_logprobs"}
            data = await self._scored(context + answer, more)
        scores = read_scores(data)
        if scores is None:
            raise self._cannot_score("")
        self._scored_once = True
        return answer_logprobs(scores, read_ranks(data, scores), context, answer)

    async def _scored(self, text: str, more: Mapping[str, Any]) -> dict[str, Any]:
        """What the server says of a given text; one that tells nothing is not asked again."""
        if self._tells_none:
            raise CannotScore(self._tells_none)
        body = {
            "model": self._options.model,
            "prompt": text,
            "echo": True,
            "max_tokens": 0,
            "logprobs": 1,
            **more,
        }
        try:
            return await self._endpoint.post("/completions", body)
        except NotServed as error:
            raise self._cannot_score(f": {error}") from None
        except BadRequest as refusal:
            # This text or any text may be to blame: both are said.
            raise RecordFailed(refusal.kind, f"{refusal}; {_SCORING}") from None

    async def user_opening(self, messages: Sequence[Message]) -> Opening:
        """See `TurnOpener`: asked of what vLLM's and llama.cpp's servers have beside OpenAI's paths."""
        chosen = self._extra_body.get(_TEMPLATE_ARGUMENTS)
        return await served_opening(self._options, self._endpoint, messages, chosen)

    async def answer_opening(self, messages: Sequence[Message]) -> Opening:
        """See `AnswerOpener`; asked as `user_opening` is."""
        chosen = self._extra_body.get(_TEMPLATE_ARGUMENTS)
        try:
            return await served_opening(self._options, self._endpoint, messages, chosen, "assistant")
        except RunStopped:
            raise no_template(f"{self._endpoint.base_url} tells no chat template that takes this") from None

    def _opened_body(self, request: ChatRequest) -> dict[str, Any]:
        """The body of a request to go on from a text as it stands."""
        body = self._body(request)
        del body["messages"]
        body.pop(_TEMPLATE_ARGUMENTS, None)
        # vLLM's: the text has its first token already, and the mark that ends the turn is to be seen.
        return {**body, "prompt": request.opening, "add_special_tokens": False, "skip_special_tokens": False}

    def _cannot_score(self, why: str) -> CannotScore:
        said = (
            f"{self._endpoint.base_url} does not tell the log-probabilities of a given text{why}; {_SCORING}"
        )
        if not self._scored_once:
            self._tells_none = said
        return CannotScore(said)

    async def close(self) -> None:
        """Close every socket."""
        await self._endpoint.close()

    async def _ask_in_words(self, request: ChatRequest, schema: Mapping[str, Any], n: int) -> dict[str, Any]:
        body = self._body(request, n)
        body["messages"] = wire_messages(instruct_json(request.messages, schema))
        return await self._ask(body)

    async def _ask(self, body: dict[str, Any]) -> dict[str, Any]:
        try:
            return await self._endpoint.post("/chat/completions", body)
        except BadRequest as refusal:
            blamed = refusal.param if refusal.param in _OPTIONAL and refusal.unsupported else ""
            said = f"{refusal.param} {refusal}"  # in many ways, by some without naming the field
            if "logprob" in said:
                blamed = "logprobs"
            elif _TEMPLATE_ARGUMENTS in said:
                blamed = _TEMPLATE_ARGUMENTS
            if blamed not in body or blamed in self._options.extra_body:
                raise
        dropped = {blamed, "top_logprobs"} if blamed == "logprobs" else {blamed}
        self._left_out |= dropped
        _log.warning("%s does not support %s; it is left out", self._options.model, blamed)
        return await self._ask({name: value for name, value in body.items() if name not in dropped})
