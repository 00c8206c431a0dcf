"""Requests sent by the official `openai` package instead of factory's own client: `client: openai`.

The package takes 2 to 3 ms of processor time for a request, ten times what factory's own client takes, and 0.8 s to
import. It knows Azure OpenAI, organizations and projects, and ways to sign in that change their token on the way.
What is sent, and what is made of a reply or a refusal, is the same for both.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Any

import orjson

from factory.errors import MissingDependency, RecipeError, RunStopped
from factory.models.openai.connection import BrokenOff, Response
from factory.models.openai.http import ConnectFailed, TLSRefused
from factory.models.secrets import filled_in, filled_in_address

if TYPE_CHECKING:
    from openai import AsyncOpenAI, OpenAI

    from factory.models.options import OpenAIClientOptions

TOKEN_GROUP = "factory.token_providers"
"""Entry points of ways to sign in: functions without arguments that give a token for the next request."""
# By name: the package changed the library that it sends with, and another version may have the one before.
_NOT_CONNECTED = frozenset({"ConnectError", "ProxyError", "UnsupportedProtocol"})
_AZURE_SCOPE = "https://cognitiveservices.azure.com/.default"


def azure_token() -> Callable[[], str]:
    """Tokens of Microsoft Entra ID, as `azure-identity` finds who we are: a managed identity, `az login`, variables.

    Raises:
        MissingDependency: azure-identity is not installed.
    """
    try:
        from azure.identity import (  # type: ignore[import-not-found,unused-ignore]
            DefaultAzureCredential,
            get_bearer_token_provider,
        )
    except ImportError:
        raise MissingDependency(
            "token_provider: azure needs azure-identity: pip install azure-identity"
        ) from None
    provider: Callable[[], str] = get_bearer_token_provider(DefaultAzureCredential(), _AZURE_SCOPE)
    return provider


def find_token_provider(name: str) -> Callable[[], str]:
    """The function of this name that gives a token, the built-in one or a plug-in's.

    Raises:
        RecipeError: there is none of this name, or it cannot be loaded.
        MissingDependency: a package that it needs is not installed.
    """
    if name == "azure":
        return azure_token()
    offered = {entry.name: entry for entry in entry_points(group=TOKEN_GROUP)}
    if name not in offered:
        known = ", ".join(sorted({"azure", *offered}))
        raise RecipeError(f"there is no token_provider {name!r}; there is {known}")
    try:
        loaded = offered[name].load()
    except Exception as error:
        raise RecipeError(
            f"the plug-in {offered[name].value}, which offers the token_provider {name!r}, cannot be loaded "
            f"({type(error).__name__}); mend it or take it off"
        ) from error
    if not callable(loaded):
        raise RecipeError(f"the plug-in {offered[name].value} is no function that gives a token")
    provider: Callable[[], str] = loaded
    return provider


class SDKTransport:
    """Sends requests through the `openai` package, once each: tries are counted elsewhere.

    key: sent where no `token_provider` gives tokens
    """

    def __init__(self, options: OpenAIClientOptions, base_url: str, key: str) -> None:
        self._client = async_client(options, base_url, key)
        self._seconds = options.timeout

    async def request(
        self, method: str, path: str, payload: bytes = b"", *, seconds: float | None = None
    ) -> Response:
        """Send one request and return the whole reply, whatever its status.

        Raises:
            ConnectFailed, TLSRefused, BrokenOff, TimeoutError: as the other client.
            RunStopped: no token could be had.
        """
        import openai

        whole = openai.HttpxBinaryResponseContent
        async with asyncio.timeout(seconds or self._seconds):
            try:
                if method == "GET":
                    reply = (await self._client.get(path, cast_to=whole)).response
                else:
                    sent = orjson.loads(payload)
                    reply = (await self._client.post(path, cast_to=whole, body=sent)).response
            except openai.APITimeoutError:
                raise TimeoutError from None
            except openai.APIConnectionError as error:
                raise _unreached(error) from None
            except openai.APIStatusError as error:
                reply = error.response
            body = await reply.aread()
        headers = {name.lower(): value for name, value in reply.headers.items()}
        headers.pop("content-encoding", None)  # it is unpacked
        return Response(reply.status_code, headers, body)

    async def close(self) -> None:
        """Close every socket."""
        await self._client.close()


def async_client(options: OpenAIClientOptions, base_url: str, key: str) -> AsyncOpenAI:
    """The package's client for calls: Azure's where `client_arguments` name an api_version.

    Raises:
        RecipeError: `client_arguments` are not what the client takes; there is no such token_provider.
        MissingDependency: a package that the token_provider needs is not installed.
    """
    from openai import AsyncAzureOpenAI, AsyncOpenAI

    arguments, azure = _arguments(options, base_url)
    if options.token_provider:
        token = _asked_aside(find_token_provider(options.token_provider))
        signed: dict[str, Any] = {"azure_ad_token_provider": token} if azure else {"api_key": token}
    else:
        signed = {"api_key": key or "none"}
    made: AsyncOpenAI = _made(AsyncAzureOpenAI if azure else AsyncOpenAI, {**arguments, **signed})
    return made


def sync_client(options: OpenAIClientOptions, base_url: str, key: str) -> OpenAI:
    """The package's client for files and batches. Raises as `async_client`."""
    from openai import AzureOpenAI, OpenAI

    arguments, azure = _arguments(options, base_url)
    if options.token_provider:
        token = _checked(find_token_provider(options.token_provider))
        signed: dict[str, Any] = {"azure_ad_token_provider": token} if azure else {"api_key": token}
    else:
        signed = {"api_key": key or "none"}
    made: OpenAI = _made(AzureOpenAI if azure else OpenAI, {**arguments, **signed})
    return made


def _arguments(options: OpenAIClientOptions, base_url: str) -> tuple[dict[str, Any], bool]:
    """What either client is made with, and whether it is Azure's."""
    from factory.models.openai.endpoint import is_openai

    given = filled_in(options.client_arguments)
    base_url, _ = filled_in_address(base_url)
    arguments: dict[str, Any] = {"timeout": options.timeout, "max_retries": 0, **given}
    azure = "api_version" in arguments
    arguments["azure_endpoint" if azure else "base_url"] = base_url
    if not is_openai(base_url):
        # The package would send the organization and the project that the environment names to anyone.
        own = arguments.get("default_headers")
        headers: dict[str, Any] = dict(own) if isinstance(own, Mapping) else {}
        arguments["default_headers"] = {**_unsent(arguments), **headers}
    return arguments, azure


def _unsent(arguments: Mapping[str, Any]) -> dict[str, Any]:
    from openai import Omit

    headers = {"organization": "OpenAI-Organization", "project": "OpenAI-Project"}
    return {header: Omit() for name, header in headers.items() if name not in arguments}


def _made(kind: Callable[..., Any], arguments: dict[str, Any]) -> Any:
    try:
        return kind(**arguments)
    except ImportError as error:  # the environment names a SOCKS proxy, which needs a package more
        raise MissingDependency(f"the openai package cannot send: {error}") from None
    except (TypeError, ValueError) as error:
        raise RecipeError(
            f"client_arguments are not what the client of the openai package takes: {error}"
        ) from None


def _asked_aside(provider: Callable[[], str]) -> Callable[[], Awaitable[str]]:
    """The same, asked in a thread: it may go over the network."""
    checked = _checked(provider)

    async def token() -> str:
        return await asyncio.to_thread(checked)

    return token


def _checked(provider: Callable[[], str]) -> Callable[[], str]:
    def token() -> str:
        try:
            given = provider()
        except Exception as error:  # whatever a plug-in raises: its words may hold secrets
            raise RunStopped(
                f"the token_provider gave no token ({type(error).__name__}): sign in again"
            ) from None
        if not isinstance(given, str) or not given:
            raise RunStopped("the token_provider gave no token: sign in again")
        return given

    return token


def _unreached(error: Exception) -> Exception:
    """The failure of a connection, as factory's own client tells it."""
    cause = error.__cause__
    words = str(cause or error) or type(cause or error).__name__
    if "CERTIFICATE" in words.upper() or "SSL" in words.upper():
        return TLSRefused(words)
    if type(cause).__name__ in _NOT_CONNECTED:
        return ConnectFailed(words)
    return BrokenOff(words)
