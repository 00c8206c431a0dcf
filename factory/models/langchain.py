"""Any LangChain chat model: one that a recipe names, or an instance from a notebook."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NoReturn

from factory.data.record import Message
from factory.data.text import shorten
from factory.errors import MissingDependency, MissingSecret, RecipeError, RunStopped
from factory.models.base import ChatRequest, Reply, TransientFailure, Unreachable, Usage
from factory.models.openai.chat import identity_of
from factory.models.openai.completion import split_reasoning
from factory.models.openai.refusal import ModelNotFound, raise_for_status, redact
from factory.models.openai.structured import instruct_json
from factory.models.options import LangChainOptions

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel
    from langchain_core.messages import AIMessage, BaseMessage

# What models call the limit on a reply's tokens, the commonest first.
_LIMITS = ("max_tokens", "max_output_tokens", "num_predict", "max_new_tokens")
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

        arguments: dict[str, Any] = dict(options.arguments)
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
        try:
            answer = await self._prepared(request).ainvoke(_turns(messages), stop=list(request.stop) or None)
        except Exception as error:
            self._fail(error)
        return _read(answer)

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
        temperature, top_p, max_tokens = request.temperature, request.top_p, request.max_tokens
        if self._options is not None:
            temperature, top_p, max_tokens = self._options.sampling(request)
        wanted: dict[str, Any] = {"temperature": temperature, self._limit: max_tokens}
        if top_p != 1.0:
            wanted["top_p"] = top_p
        if request.seed is not None:
            wanted["seed"] = request.seed
        update = {name: value for name, value in wanted.items() if name in self._fields}
        return self._model.model_copy(update=update)

    def _fail(self, error: Exception) -> NoReturn:
        """Raise what a provider's exception means, by its HTTP status where it has one."""
        words = str(error)
        for secret in self._secrets:
            words = redact(words, secret)
        response = getattr(error, "response", None)
        status = getattr(error, "status_code", None) or getattr(response, "status_code", None)
        if isinstance(status, int) and status >= 400:
            key_env = f"{self._name.partition(':')[0].upper()}_API_KEY"
            headers = getattr(response, "headers", None) or {}
            try:
                raise_for_status(
                    status, headers, words.encode(), address=self._name, key="set", key_env=key_env
                )
            except ModelNotFound:
                raise RunStopped(
                    f"{self._name} is not known to its provider: {shorten(words, 200)}"
                ) from None
        kind = type(error).__name__
        said = f"{self._name} failed ({kind}): {shorten(words, 200)}"
        if "Connect" in kind and "Timeout" not in kind:
            raise Unreachable(said) from None
        raise TransientFailure(said) from None


def _turns(messages: Sequence[Message]) -> list[BaseMessage]:
    from langchain_core.messages import AIMessage, HumanMessage, SystemMessage

    kinds: dict[str, type[BaseMessage]] = {"system": SystemMessage, "assistant": AIMessage}
    return [kinds.get(turn.role, HumanMessage)(content=turn.content) for turn in messages]


def _read(answer: AIMessage) -> Reply:
    said, thought = split_reasoning(str(answer.text))
    reasoning = answer.additional_kwargs.get("reasoning_content") or "".join(
        str(block.get("reasoning") or block.get("thinking") or "")
        for block in answer.content
        if isinstance(block, dict) and block.get("type") in ("reasoning", "thinking")
    )
    about = answer.response_metadata
    end = str(about.get("finish_reason") or about.get("stop_reason") or about.get("done_reason") or "stop")
    cut = end.lower() in ("length", "max_tokens")
    usage = answer.usage_metadata
    counted = Usage(usage["input_tokens"], usage["output_tokens"]) if usage else Usage()
    return Reply(said, "length" if cut else "stop", counted, str(reasoning) or thought)
