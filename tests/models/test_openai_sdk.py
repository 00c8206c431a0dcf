"""The official `openai` package as the client: the same replies, refusals and bodies, other ways to sign in."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from importlib.metadata import EntryPoint
from typing import Any

import pytest
from asking import chat_request
from pydantic import BaseModel, Field, ValidationError
from scripted_server import HTML, Say, ScriptedServer, refuse

from factory.errors import MissingDependency, RecipeError, RecordFailed, RunStopped
from factory.models.base import Reply
from factory.models.failures import Overloaded, TransientFailure, Unreachable
from factory.models.openai import sdk
from factory.models.openai.chat import OpenAIChat
from factory.models.openai.embeddings import OpenAIEmbeddings
from factory.models.options import OpenAIEmbeddingOptions, OpenAIOptions

pytestmark = pytest.mark.anyio

KEY = "sk-planted-0123456789abcdefXYZ"


class Grade(BaseModel):
    """A schema with bounds."""

    grade: int = Field(ge=1, le=5)


async def send(server: ScriptedServer, client: str = "openai", **fields: Any) -> Reply:
    """One call by a provider of its own."""
    given = {"base_url": server.base_url, "model": "scripted", "client": client, **fields}
    provider = OpenAIChat(OpenAIOptions(**given))
    schema = Grade.model_json_schema() if fields.get("model") == "scripted" else None
    try:
        return await provider.send(
            chat_request("Say hello.", temperature=0.5, max_tokens=50, seed=7, schema=schema)
        )
    finally:
        await provider.close()


def says(reply: Say | str) -> Callable[[dict[str, Any]], Say | str]:
    return lambda _: reply


@pytest.mark.slow
async def test_both_clients_send_the_same_body_and_give_the_same_reply(server: ScriptedServer) -> None:
    replies = [await send(server, client, model="scripted") for client in ("factory", "openai")]
    assert replies[0] == replies[1]
    assert server.requests[0] == server.requests[1]
    assert "response_format" in server.requests[1]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("say", "raised", "words"),
    [
        (refuse(429, "slow down", headers={"Retry-After": "3"}), Overloaded, "slow down"),
        (refuse(500, "oh dear"), TransientFailure, "HTTP 500.*oh dear"),
        (refuse(503, "busy"), Overloaded, "busy"),
        (refuse(400, "no", code="context_length_exceeded"), RecordFailed, "context"),
        (refuse(401, "bad key"), RunStopped, "refused access"),
        (Say(fault="reset"), TransientFailure, "broke off"),
        (Say("cut", fault="truncate"), TransientFailure, "broke off"),
        (Say("late", delay=1), TransientFailure, "took longer than 0.3 s"),
        (HTML, RunStopped, "/v1"),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
async def test_a_failure_means_what_it_means_to_the_other_client(
    server: ScriptedServer, say: Say, raised: type[Exception], words: str
) -> None:
    server.script = says(say)
    counts = []
    for client in ("factory", "openai"):
        before = len(server.requests)
        with pytest.raises(raised, match=words):
            await send(server, client, timeout=0.3 if say.delay else 20)
        counts.append(len(server.requests) - before)
    assert counts[0] == counts[1], "its own tries are off"


@pytest.mark.slow
async def test_nobody_there_is_unreachable(server: ScriptedServer) -> None:
    with pytest.raises(Unreachable, match="nobody answers"):
        await send(server, base_url="http://127.0.0.1:9/v1")


async def test_what_the_environment_names_for_openai_goes_to_no_other_server(
    server: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.setenv("OPENAI_ORG_ID", "org-planted")
    monkeypatch.setenv("OPENAI_PROJECT_ID", "proj-planted")
    await send(server)
    assert "planted" not in str(server.headers)
    monkeypatch.setenv("OTHER_KEY", "sk-other-0123456789")
    await send(server, api_key_env="OTHER_KEY", client_arguments={"organization": "org-mine"})
    sent = {name.lower(): value for name, value in server.headers[-1].items()}
    assert sent["authorization"] == "Bearer sk-other-0123456789"
    assert sent["openai-organization"] == "org-mine"


async def test_a_key_among_the_arguments_is_named_by_its_variable(
    server: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GATEWAY_KEY", KEY)
    server.script = says(refuse(400, f"{KEY} is not welcome"))
    with pytest.raises(RecordFailed, match=r"\*\*\* is not welcome"):
        await send(server, client_arguments={"default_headers": {"X-Api-Key": "${GATEWAY_KEY}"}})
    assert {name.lower(): value for name, value in server.headers[-1].items()}["x-api-key"] == KEY


async def test_a_key_that_the_server_quotes_is_not_told(
    server: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTHER_KEY", KEY)
    server.script = says(refuse(403, f"Incorrect API key provided: {KEY}."))
    with pytest.raises(RunStopped) as raised:
        await send(server, api_key_env="OTHER_KEY")
    assert KEY not in str(raised.value)


async def test_a_token_is_asked_for_anew_at_each_request(
    server: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    plug_in(monkeypatch, "mine")
    given = {"base_url": server.base_url, "model": "scripted", "client": "openai", "token_provider": "mine"}
    provider = OpenAIChat(OpenAIOptions(**given))
    for _ in range(2):
        await provider.send(chat_request("Say hello."))
    await provider.close()
    tokens = [headers["Authorization"] for headers in server.headers]
    assert tokens[0].startswith("Bearer token-")
    assert tokens[0] != tokens[1]


@pytest.mark.parametrize("kind", ["raises", "empty"])
async def test_a_sign_in_that_gives_no_token_stops_the_run(
    server: ScriptedServer, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    plug_in(monkeypatch, kind)
    with pytest.raises(RunStopped, match="sign in again") as raised:
        await send(server, token_provider=kind)
    assert "secret" not in str(raised.value)


async def test_an_unknown_way_to_sign_in_names_those_there_are(server: ScriptedServer) -> None:
    with pytest.raises(RecipeError, match="no token_provider 'azzure'; there is azure"):
        await send(server, token_provider="azzure")


async def test_azure_without_its_package_says_what_to_install(
    server: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "azure", None)
    with pytest.raises(MissingDependency, match="pip install azure-identity"):
        await send(server, token_provider="azure", client_arguments={"api_version": "2024-10-21"})


async def test_azure_is_asked_at_the_deployments_address_with_its_own_header(
    server: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AZURE_OPENAI_API_KEY", "azure-0123456789abcdef")
    bare = server.base_url.removesuffix("/v1")
    with pytest.raises(RunStopped) as raised:  # the scripted server has no such path; it notes what was asked
        await send(
            server,
            base_url=bare,
            api_key_env="AZURE_OPENAI_API_KEY",
            client_arguments={"api_version": "2024-10-21"},
        )
    assert "azure-0123456789abcdef" not in str(raised.value)
    assert server.paths[0] == "/openai/deployments/scripted/chat/completions?api-version=2024-10-21"
    assert server.strangers[0]["api-key"] == "azure-0123456789abcdef"


async def test_embeddings_go_through_it_too(server: ScriptedServer) -> None:
    given = {"base_url": server.base_url, "model": "scripted"}
    vectors = []
    for client in ("factory", "openai"):
        provider = OpenAIEmbeddings(OpenAIEmbeddingOptions(**given, client=client))  # type: ignore[arg-type]
        vectors.append((await provider.embed(["one", "two"])).tolist())
        await provider.close()
    assert vectors[0] == vectors[1]


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"client_arguments": {"project": "p"}}, "is for `client: openai`"),
        ({"token_provider": "azure"}, "is for `client: openai`"),
        ({"client": "openai", "token_provider": "azure", "api_key_env": "KEY"}, "not both"),
        ({"client": "openai", "client_arguments": {"api_key": KEY}}, "holds a key"),
        ({"client": "openai", "client_arguments": {"max_retries": 3}}, "factory counts the tries"),
        ({"client": "openai", "client_arguments": {"base_url": "http://x"}}, "it is `base_url`"),
    ],
)
def test_what_cannot_be_meant_is_refused_in_the_recipe(fields: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError, match=words) as raised:
        OpenAIOptions(model="m", **fields)
    assert KEY not in str(raised.value)


async def test_an_argument_that_the_package_does_not_know_is_named(server: ScriptedServer) -> None:
    with pytest.raises(RecipeError, match="colour"):
        await send(server, client_arguments={"colour": "red"})


@pytest.mark.slow
def test_the_package_is_imported_only_where_it_is_used() -> None:
    code = """
import sys
from factory.models.openai.chat import OpenAIChat
from factory.models.options import OpenAIOptions
OpenAIChat(OpenAIOptions(model="m", base_url="http://127.0.0.1:9/v1"))
assert "openai" not in sys.modules
OpenAIChat(OpenAIOptions(model="m", base_url="http://127.0.0.1:9/v1", client="openai"))
assert "openai" in sys.modules
"""
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def plug_in(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    entry = EntryPoint(name, f"test_openai_sdk:{name}_token", sdk.TOKEN_GROUP)
    monkeypatch.setattr(sdk, "entry_points", lambda group: (entry,))


def mine_token() -> str:
    mine_token.count = getattr(mine_token, "count", 0) + 1  # type: ignore[attr-defined]
    return f"token-{mine_token.count}"  # type: ignore[attr-defined]


def raises_token() -> str:
    raise ValueError("the secret is secret")


def empty_token() -> str:
    return ""
