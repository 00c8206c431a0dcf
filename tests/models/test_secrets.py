"""A key is never written: not in a recipe, and from there nowhere."""

from __future__ import annotations

import inspect
import traceback
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from asking import chat_request
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from scripted_server import ScriptedServer, in_thread, refuse

import factory as sft
from factory.errors import FactoryError, MissingSecret, RecipeError, RecordFailed
from factory.models.openai.chat import OpenAIChat
from factory.models.options import LangChainOptions, OpenAIOptions
from factory.models.secrets import filled_in, key_in, looks_like_key
from factory.recipe.complaints import option_classes
from factory.recipe.recipe import parse_recipe

KEY = "sk-planted-0123456789abcdefXYZ"

KEYS = [
    KEY,
    "sk-proj-AbC_dEf-0123456789abcdefABCDEF01234",
    "sk-ant-api03-0123456789abcdefABCDEF",
    "hf_" + "aB3" * 11,
    "gsk_" + "aB3" * 16,
    "ghp_" + "aB3" * 12,
    "github_pat_" + "aB3" * 20,
    "AIza" + "Sy0_-" * 7,
    "xai-" + "aB3" * 20,
    "nvapi-" + "aB3" * 20,
    "r8_" + "aB3" * 12,
    "AKIAIOSFODNN7EXAMPLE",
    "LTAI5tAbCdEfGhIjKlMnOpQr",
    "0123456789abcdef0123456789abcdef.AbCdEfGhIjKlMnOp",
    "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.abc_DEF-123",
    "Bearer 0123456789abcdef",
    "https://me:password1@host/v1",
    "-----BEGIN RSA PRIVATE KEY-----",
]

NO_KEYS = [
    "",
    "none",
    "Qwen/Qwen3-8B-Instruct-2507",
    "meta-llama/Llama-3.3-70B-Instruct",
    "sk-learn-style-estimators-in-2024",
    "api-documentation-for-version-2-of-it",
    "task-0123456789abcdef0123",
    "claude-haiku-4-5-20251001",
    "gpt-4.1-mini-2025-04-14",
    "http://127.0.0.1:8000/v1",
    "https://api.cloudflare.com/client/v4/accounts/0123456789abcdef0123456789abcdef/ai/v1",
    "{% for message in messages %}{{ message['content'] }}{% endfor %}",
    "请用一句话回答",
]


@pytest.mark.parametrize("key", KEYS)
def test_what_providers_call_a_key_looks_like_one(key: str) -> None:
    assert looks_like_key(key)
    assert looks_like_key(f"the key {key}") or key.startswith("Bearer")


@pytest.mark.parametrize("text", NO_KEYS)
def test_names_and_prose_do_not(text: str) -> None:
    assert not looks_like_key(text)


@pytest.mark.parametrize(
    "body",
    [
        {"api_key": "0123"},
        {"apiKey": "0123"},
        {"headers": {"Authorization": "Token 0123"}},
        {"extra_headers": {"X-API-Key": "0123"}},
        {"headers": [{"api-key": "0123"}]},
        {"password": "hunter2"},
        {"client_secret": "x"},
        {"Ocp-Apim-Subscription-Key": "x"},
        {"token": "0123456789abcdef"},
        {"anything": {"deep": [[{"x": KEY}]]}},
        {"stop": ["a", KEY]},
    ],
)
def test_a_key_in_the_body_is_refused_with_a_mend_and_unseen(body: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match=r"holds a key.*\$\{NAME\}") as caught:
        OpenAIOptions.model_validate({"model": "m", "base_url": "http://h/v1", "extra_body": body})
    assert KEY not in str(caught.value)
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    "body",
    [
        {"top_k": 5, "prompt_cache_key": "a-cache-of-mine-that-is-long", "max_tokens": 5, "user": "me"},
        {"stop_token": "<|endoftext|>", "bos_token": "<s>", "tokenizer_mode": "auto"},
        {"token": "short", "key": "topic"},
        {"guided_json": {"properties": {"password": {"type": "string"}, "api_key": {"type": "string"}}}},
        {"guided_json": {"required": ["api_key", "password", "token"]}},
        {"chat_template_kwargs": {"enable_thinking": False}, "chat_template": NO_KEYS[-2]},
        {"api_key": "${GATEWAY_KEY}", "headers": {"Authorization": "${GATEWAY_KEY}"}},
        {"api_key": ""},
    ],
)
def test_what_is_no_key_passes(body: dict[str, Any]) -> None:
    assert OpenAIOptions(model="m", base_url="http://h/v1", extra_body=body).extra_body == body


@pytest.mark.parametrize(
    "options",
    [
        {"provider": "openai", "model": KEY},
        {"provider": "openai", "model": "m", "serve": True, "serve_arguments": ["--api-key", "0123"]},
        {"provider": "openai", "model": "m", "serve": True, "serve_arguments": ["--hf-token=0123"]},
        {"provider": "openai", "model": "m", "serve": True, "serve_arguments": ["--x", KEY]},
        {"provider": "openai", "model": "m", "batch": "d", "extra_body": {"api_key": "${GATEWAY_KEY}"}},
        {"provider": "openai_embeddings", "model": "m", "base_url": f"http://h/{KEY}/v1"},
        {"provider": "langchain", "model": "x:y", "arguments": {"api_key": "0123"}},
        {"provider": "langchain", "model": "x:y", "arguments": {"default_headers": {"Authorization": KEY}}},
        {"provider": "langchain", "model": "x:y", "arguments": {"base_url": "http://me:pass1@h/v1"}},
        {"provider": "vllm", "model": "m", "arguments": {"hf_token": "0123"}},
        {"provider": "transformers", "model": KEY},
        {"provider": "local", "model": KEY},
    ],
)
def test_no_option_of_any_provider_takes_a_key(options: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match=r"key|value of GATEWAY_KEY") as caught:
        option_classes()[options["provider"]].model_validate(options)
    assert KEY not in str(caught.value)
    assert "0123" not in str(caught.value)
    assert "pass1" not in str(caught.value)


def test_a_refused_key_is_in_no_traceback() -> None:
    asked: list[Callable[[], Any]] = [
        lambda: sft.model("openai", model="m", extra_body={"api_key": KEY}),
        lambda: parse_recipe(
            f"models: {{teacher: {{provider: openai, model: m, extra_body: {{x: {KEY}}}}}}}\nsteps: [read: {{path: x}}]"
        ),
    ]
    for ask in asked:
        with pytest.raises(RecipeError, match=r"holds a key") as caught:
            ask()
        assert KEY not in "".join(traceback.format_exception(caught.value)).replace(
            inspect.getsource(ask), ""
        )


def test_the_identity_of_old_recipes_is_what_it_was() -> None:
    body = {"top_k": 5, "chat_template_kwargs": {"enable_thinking": False}}
    assert (
        OpenAIChat(OpenAIOptions(base_url="http://h/v1", model="m", extra_body=body)).identity
        == "openai:m#26e5a4676d7a"
    )
    assert LangChainOptions(model="x:y", arguments={"max_retries": 2}).arguments == {"max_retries": 2}


@pytest.mark.anyio
async def test_a_variable_is_filled_in_where_it_is_sent_and_nowhere_told(
    server: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GATEWAY_KEY", KEY)
    options = OpenAIOptions(
        base_url=server.base_url, model="scripted", extra_body={"auth": {"api_key": "${GATEWAY_KEY}"}}
    )
    provider = OpenAIChat(options)
    await provider.send(chat_request("hello", temperature=0.0))
    assert server.requests[0]["auth"] == {"api_key": KEY}
    server.script = lambda _: refuse(400, f"the key {KEY} is not welcome")
    with pytest.raises(RecordFailed, match=r"the key \*\*\* is not welcome"):
        await provider.send(chat_request("hello", temperature=0.0))
    await provider.close()
    assert KEY not in repr(options)
    assert KEY not in provider.identity


@pytest.mark.anyio
async def test_a_variable_in_the_path_is_filled_in(
    server: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    base = f"{server.base_url.removesuffix('/v1')}/${{GATEWAY_PATH}}"
    monkeypatch.setenv("GATEWAY_PATH", "v1")
    provider = OpenAIChat(OpenAIOptions(base_url=base, model="scripted"))
    assert (await provider.send(chat_request("hello", temperature=0.0))).text
    await provider.close()
    monkeypatch.setenv("GATEWAY_PATH", "k/e?y#")
    provider = OpenAIChat(OpenAIOptions(base_url=base, model="scripted"))
    with pytest.raises(Exception, match=r"\$\{GATEWAY_PATH\} is not") as caught:
        await provider.send(chat_request("hello", temperature=0.0))
    assert "k/e" not in str(caught.value)
    assert "k%2Fe" not in str(caught.value)
    await provider.close()
    monkeypatch.delenv("GATEWAY_PATH")
    with pytest.raises(MissingSecret, match="export GATEWAY_PATH="):
        OpenAIChat(OpenAIOptions(base_url=base, model="scripted"))


plain = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


@given(plain)
def test_plain_data_without_variables_is_filled_in_as_it_is(value: Any) -> None:
    if "${" not in repr(value):
        assert filled_in(value) == value


@given(plain, st.lists(st.text(), max_size=4))
def test_a_key_is_found_however_deep_it_lies(value: Any, names: list[str]) -> None:
    buried: Any = [value, {"x": KEY}]
    for name in names:
        buried = {name: buried}
    assert key_in({"extra": buried}) is not None


@pytest.mark.slow
@pytest.mark.parametrize("refused", [False, True])
def test_no_file_of_a_run_holds_a_key_that_was_sent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, refused: bool
) -> None:
    monkeypatch.setenv("GATEWAY_KEY", KEY)
    words = refuse(400, f"the key {KEY} is not welcome")
    seeds = tmp_path / "seeds.jsonl"
    seeds.write_text('{"instruction": "Why are there tides?"}\n')
    with in_thread(ScriptedServer((lambda _: words) if refused else None)) as server:
        teacher = {
            "provider": "openai",
            "base_url": server.base_url,
            "model": "scripted",
            "api_key_env": "GATEWAY_KEY",
            "extra_body": {"auth": {"api_key": "${GATEWAY_KEY}"}},
        }
        steps = [{"read": {"path": str(seeds)}}, {"respond": {}}]
        with suppress(FactoryError):
            sft.run(
                {"models": {"teacher": teacher}, "steps": steps},
                out=tmp_path / "run",
                journal=tmp_path / "journal.db",
            )
        assert server.requests[0]["auth"] == {"api_key": KEY}
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert (tmp_path / "run" / "recipe.yaml") in files
    assert (tmp_path / "journal.db") in files
    for path in files:
        assert KEY.encode() not in path.read_bytes(), path
