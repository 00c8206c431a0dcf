"""An address as it may be stored: it tells servers apart and holds no secret."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from factory.models.address import server_of, shown_address
from factory.models.options import (
    LangChainOptions,
    LocalOptions,
    ModelOptions,
    OpenAIEmbeddingOptions,
    OpenAIOptions,
)


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("http://127.0.0.1:8000/v1", "http://127.0.0.1:8000/v1"),
        ("https://API.openai.com/v1/", "https://api.openai.com/v1"),
        ("http://[::1]:8000/v1", "http://[::1]:8000/v1"),
        ("https://me:secret@host.example/v1", "https://***@host.example/v1"),
        ("https://host.example/v1?api-key=secret&version=2", "https://host.example/v1?***"),
        ("https://host.example/sk-93ab17/v1", "https://host.example/***/v1"),
        ("https://gateway.example/v1/0123abcd0123abcd0123abcd/models", "https://gateway.example/v1/***/models"),
        ("https://host.example/openai/deployments/gpt-4o-mini", "https://host.example/openai/deployments/gpt-4o-mini"),
        ("https://host.example/${TOKEN}/v1", "https://host.example/${TOKEN}/v1"),
        ("https://host.example/v1#secret", "https://host.example/v1"),
        ("https://例子.example/模型/v1", "https://例子.example/模型/v1"),
        ("http://host:99999999/v1", "***"),
        ("http://[half", "***"),
    ],
)  # fmt: skip
def test_what_is_secret_in_an_address_is_hidden_and_the_server_is_told(address: str, shown: str) -> None:
    assert shown_address(address) == shown
    assert shown_address(shown) == shown


@given(st.text(st.characters(codec="ascii", categories=["L", "N"]), min_size=8))
def test_no_password_and_no_query_is_ever_shown(secret: str) -> None:
    for address in (
        f"https://user:Q{secret}@host/v1",
        f"https://host/v1?Q{secret}",
        f"https://host/v1#Q{secret}",
    ):
        assert f"Q{secret}" not in shown_address(address)


@pytest.mark.parametrize(
    ("options", "server"),
    [
        (OpenAIOptions(model="m", base_url="http://a:1/v1"), "http://a:1/v1"),
        (
            OpenAIOptions(model="m", base_url=("http://a:1/v1", "http://b:1/v1")),
            "http://a:1/v1 http://b:1/v1",
        ),
        (OpenAIOptions(model="m", serve=True), "vllm-serve"),
        (OpenAIOptions(model="m", batch="folder"), "batch"),
        (OpenAIEmbeddingOptions(model="m", base_url="http://a:1/v1"), "http://a:1/v1"),
        (LangChainOptions(model="p:m", arguments={"base_url": "http://a:1/"}), "http://a:1"),
        (LocalOptions(), ""),
    ],
)
def test_each_way_to_a_model_has_its_server(options: ModelOptions, server: str) -> None:
    assert server_of(options) == server
