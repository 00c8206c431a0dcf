"""Any LangChain chat model: one that a recipe names, or an instance from a notebook."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NoReturn

import orjson

from factory.data.record import Message, ToolCall
from factory.data.text import shorten
from factory.errors import MissingDependency, MissingSecret, RecipeError
from factory.models.base import ChatRequest, Reply, Usage
from factory.models.failures import Denied, TransientFailure, Unreachable
from factory.models.openai.chat import identity_of
from factory.models.openai.structured import instruct_json
from factory.models.options import LangChainOptions
from factory.models.refusal import ModelNotFound, meaning_of, raise_for, redact
from factory.models.refusal_reply import UNKNOWN, Told, read_exception
from factory.models.refusal_table import Meaning
from factory.models.reply.read import read_reply
from factory.models.reply.usage import token_count
from factory.models.secrets import filled_in
from factory.models.wire import no_tools, wire_messages, wire_tools

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel
    from langchain_core.messages import AIMessage, BaseMessage
    from langchain_core.runnables import Runnable

_log = logging.getLogger(__name__)
# What models call the limit on a reply's tokens, the commonest first.
_LIMITS = ("max_tokens", "max_output_tokens", "num_predict", "max_new_tokens")
# What providers' packages call the way in which a reply ended.
_ENDS = ("finish_reason", "stop_reason", "done_reason", "stopReason", "finishReason", "completion_reason")
# Arguments that do not change a reply, and an address, which an identity must not hold.
_NOT_IDENTITY = ("url", "endpoint", "timeout", "retries", "headers", "proxy")


def langchain_chat(options: LangChainOptions) -> LangChainChat:
    """The model that `options` name, made by `langchain.chat_models.init_chat_model`.

    Raises:
        MissingDependency: langchain or the provider's package is not installed.
        MissingSecret: the provider's key is not in the environment.
        RecipeError: LangChain does not know the provider or refuses the arguments.
    """
    provider = options.model.partition(":")[0]
    package = f"langchain-{provider.replace('_', '-')}"
    try:
        from langchain.chat_models import init_chat_model

        arguments: dict[str, Any] = filled_in(options.arguments)
        model = init_chat_model(options.model, **arguments)
    except ImportError:
        raise MissingDependency(
            f"{options.model} needs LangChain: pip install 'sft-factory[langchain]' {package}"
        ) from None
    except Exception as error:  # providers raise what they like; their words may quote an argument's value
        if "api_key" in str(error).lower() or "credentials" in str(error).lower():
            raise MissingSecret(
                f"{options.model} needs a key: export {provider.upper()}_API_KEY=... (see {package})"
            ) from None
        raise RecipeError(
            f"LangChain cannot make {options.model} of these arguments ({type(error).__name__}): "
            "check the provider and `arguments`"
        ) from None
    return LangChainChat(model, options)


class LangChainChat:
    """Sends chat requests through a LangChain chat model.

    The request's temperature, top_p, limit and seed are set where the model has such a field and whoever made
    the model did not set it. A schema is asked for in words, which every model understands. Retries are the
    engine's; a model that retries by itself multiplies them (`arguments: {max_retries: 0}`).

    `identity` holds the class, the model's name and what was set on it; for an instance of a class that does
    not say its model's name, two models of the class are one.
    """

    def __init__(self, model: BaseChatModel, options: LangChainOptions | None = None) -> None:
        self._model = model
        self._options = options
        self._told_template = False
        # Some classes set fields by themselves, which is not told apart from a user's doing; a recipe's is.
        held = model.model_fields_set if options is None else set(options.arguments)
        self._fields = frozenset(type(model).model_fields) - held
        self._limit = next((name for name in _LIMITS if name in type(model).model_fields), "")
        self._secrets = [
            value.get_secret_value()
            for value in vars(model).values()
            if callable(getattr(value, "get_secret_value", None))
        ]
        name = str(getattr(model, "model_name", None) or getattr(model, "model", None) or "")
        self._name = options.model if options else f"{type(model).__name__}:{name}"
        self.identity = identity_of("langchain", self._name, self._choices())
        self.concurrency = options.concurrency if options else LangChainOptions(model="any:any").concurrency

    async def send(self, request: ChatRequest) -> Reply:
        """Send one request once; raises as `ChatProvider.send`."""
        messages = request.messages
        if request.schema is not None:
            messages = instruct_json(messages, request.schema)
        if request.template_arguments and not self._told_template:
            self._told_template = True
            _log.warning("%s takes no arguments for a chat template; they are left out", self._name)
        turns, stop = _turns(messages), list(request.sampling.stop) or None
        model: Runnable[Any, AIMessage] = self._prepared(request)
        if request.tools:
            try:
                model = self._prepared(request).bind_tools(wire_tools(request.tools))
            except NotImplementedError:
                raise no_tools(self._name, "its LangChain class has no way to offer them") from None
        try:
            answer = await model.ainvoke(turns, stop=stop)
        except Exception as error:
            self._fail(error)
        return _read(answer, request)

    async def close(self) -> None:
        """Nothing is held: LangChain models have no way to be closed."""

    def _choices(self) -> dict[str, Any]:
        if self._options is None:
            chosen = ("temperature", "top_p", "seed", "top_k", *_LIMITS)
            return {
                name: getattr(self._model, name) for name in chosen if name in self._model.model_fields_set
            }
        arguments = {
            name: value
            for name, value in self._options.arguments.items()
            if not any(part in name for part in _NOT_IDENTITY)
        }
        return {**arguments, **self._options.overrides()}

    def _prepared(self, request: ChatRequest) -> BaseChatModel:
        """The model with the request's sampling set on a shallow copy."""
        sampling = request.sampling
        if self._options is not None:
            sampling = self._options.sampling(sampling)
        wanted: dict[str, Any] = {"temperature": sampling.temperature, self._limit: sampling.max_tokens}
        if sampling.top_p != 1.0:
            wanted["top_p"] = sampling.top_p
        if request.seed is not None:
            wanted["seed"] = request.seed
        update = {name: value for name, value in wanted.items() if name in self._fields}
        return self._model.model_copy(update=update)

    def _fail(self, error: Exception) -> NoReturn:
        """Raise what a provider's exception means, by its status and its words where it has them."""
        words = str(error)
        for secret in self._secrets:
            words = redact(words, secret)
        kind = type(error).__name__
        status, told, headers = read_exception(error)
        message = told.message
        for secret in self._secrets:
            message = redact(message, secret)
        told = Told(message, (*told.codes, kind), told.param)
        if status != UNKNOWN or meaning_of(UNKNOWN, told) not in (None, Meaning.FAULT):
            key_env = f"{self._name.partition(':')[0].upper()}_API_KEY"
            try:
                raise_for(status, told, headers, address=self._name, key="set", key_env=key_env)
            except ModelNotFound:
                what = shorten(message, 200)
                raise Denied(
                    f"{self._name} is not known to its provider: {what}",
                    f"the provider refused the request: {what}",
                ) from None
        said = f"{self._name} failed ({kind}): {shorten(words, 200)}"
        if "Connect" in kind and "Timeout" not in kind:
            raise Unreachable(said) from None
        raise TransientFailure(said) from None


def _turns(messages: Sequence[Message]) -> list[BaseMessage]:
    from langchain_core.messages import AIMessage, HumanMessage, SystemMessage, ToolMessage

    turns: list[BaseMessage] = []
    for sent in wire_messages(messages):
        match sent["role"]:
            case "system":
                turns.append(SystemMessage(content=sent["content"]))
            case "assistant":
                good, bad = _calls(sent.get("tool_calls", ()))
                turns.append(AIMessage(content=sent["content"], tool_calls=good, invalid_tool_calls=bad))
            case "tool" if "tool_call_id" in sent:
                turns.append(
                    ToolMessage(sent["content"], tool_call_id=sent["tool_call_id"], name=sent.get("name"))
                )
            case _:
                turns.append(HumanMessage(content=sent["content"], name=sent.get("name")))
    return turns


def _calls(sent: Sequence[Mapping[str, Any]]) -> tuple[list[Any], list[Any]]:
    """Calls as LangChain keeps them: those whose arguments are a JSON object, and the others."""
    good: list[Any] = []
    bad: list[Any] = []
    for call in sent:
        name, arguments = call["function"]["name"], call["function"]["arguments"]
        try:
            read = orjson.loads(arguments or "{}")
        except ValueError:
            read = None
        if isinstance(read, dict):
            good.append({"type": "tool_call", "id": call["id"], "name": name, "args": read})
        else:
            bad.append(
                {
                    "type": "invalid_tool_call",
                    "id": call["id"],
                    "name": name,
                    "args": arguments,
                    "error": None,
                }
            )
    return good, bad


def _read(answer: AIMessage, request: ChatRequest) -> Reply:
    more = answer.additional_kwargs
    reasoning = (
        more.get("reasoning_content")
        or more.get("reasoning")
        or "".join(
            str(block.get("reasoning") or block.get("thinking") or "")
            for block in answer.content
            if isinstance(block, dict) and block.get("type") in ("reasoning", "thinking")
        )
    )
    usage: Mapping[str, Any] = answer.usage_metadata or {}
    counted = Usage(token_count(usage.get("input_tokens")), token_count(usage.get("output_tokens")))
    calls = (
        *(
            ToolCall(call["name"], orjson.dumps(call["args"]).decode(), call["id"] or "")
            for call in answer.tool_calls
        ),
        *(
            ToolCall(call["name"] or "", call["args"] or "", call["id"] or "")
            for call in answer.invalid_tool_calls
        ),
    )
    refusal = more.get("refusal")
    return read_reply(
        str(answer.text),
        _end(answer.response_metadata),
        request,
        usage=counted,
        reasoning=reasoning if isinstance(reasoning, str) else "",
        calls=calls,
        refusal=refusal if isinstance(refusal, str) else "",
    )


def _end(about: Mapping[str, Any]) -> object:
    """How a reply ended, under the name that its provider's package gives it."""
    if (told := next((about[name] for name in _ENDS if about.get(name)), None)) is not None:
        return told
    incomplete = about.get("incomplete_details")  # OpenAI's Responses
    if isinstance(incomplete, Mapping) and incomplete.get("reason"):
        return incomplete["reason"]
    return about.get("status")
