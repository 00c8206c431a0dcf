"""What may be given as a server's address: what cannot work is refused in one sentence with the mend."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from factory.errors import RecipeError
from factory.models.base_url import http_address
from factory.models.openai.http import HTTPClient
from factory.models.options import OpenAIOptions
from factory.recipe.recipe import parse_recipe

KEY = "sk-planted-0123456789abcdefXYZ"


@pytest.mark.parametrize(
    ("url", "kept"),
    [
        ("http://127.0.0.1:8000/v1", None),
        ("https://api.example.com/v1/", "https://api.example.com/v1"),
        ("http://[::1]:8000/v1", None),
        ("http://[fe80::1%25eth0]:8000/v1", None),
        ("http://vllm_server:8000/v1", None),
        ("HTTP://Host/v1", None),
        ("http://模型.example/v1", None),
        ("https://host/路径/v1", None),
        ("https://host/openai/deployments/My-GPT4-Deployment-For-Production-2/v1", None),
        ("https://host/accounts/0123456789abcdef0123456789abcdef/ai/v1", None),
        ("https://host/v2/abcd1234efgh56/openai/v1", None),
        ("https://host/0f8fad5b-d9cb-469f-a165-70867728950e/v1", None),
        ("https://host/${GATEWAY_KEY}/v1", None),
        ("http://host:65535", None),
        ("http://host.:1/v1", None),
    ],
)
def test_an_address_that_can_work_is_taken(url: str, kept: str | None) -> None:
    assert http_address(url) == (kept or url)
    HTTPClient(url, {}, 1.0)


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("", "begins with http:// or https://"),
        ("host/v1", "begins with http:// or https://"),
        ("localhost:8000/v1", "begins with http:// or https://"),
        ("ftp://host/v1", "begins with http:// or https://"),
        ("http:/host/v1", "begins with http:// or https://"),
        ("http：//host/v1", "begins with http:// or https://"),
        ("http://http://host/v1", "twice"),
        ("http://host:99999/v1", "port is not a number from 1 to 65535"),
        ("http://host:65536/v1", "port is not a number from 1 to 65535"),
        ("http://host:abc/v1", "port is not a number from 1 to 65535"),
        ("http://host:0/v1", "port is not a number from 1 to 65535"),
        ("http://host:-1/v1", "port is not a number from 1 to 65535"),
        ("http://host:/v1", "port is not a number from 1 to 65535"),
        ("http://host:8000:9000/v1", "port is not a number|neither a name"),
        ("http://ho st/v1", "no spaces"),
        (" http://host/v1", "no spaces"),
        ("http://host/v1\n", "no spaces"),
        ("http://host/\u200bv1", "no spaces"),
        ("'http://host/v1'", "no spaces"),
        ("http://<your-host>/v1", "no spaces"),
        ("http://{host}/v1", "fill in what stands in braces"),
        ("http://${HOST}/v1", "fill in what stands in braces"),
        ("http://host/${key}/v1", "fill in what stands in braces"),
        ("http://host:${PORT}/v1", "fill in what stands in braces"),
        ("http:///v1", "neither a name nor an address"),
        ("http://:8000/v1", "neither a name nor an address"),
        ("http://a..b/v1", "neither a name nor an address"),
        (f"http://{'a' * 64}.example/v1", "neither a name nor an address"),
        (f"http://{'模' * 64}.example/v1", "neither a name nor an address"),
        ("http://ho%73t/v1", "neither a name nor an address"),
        ("http://[::1/v1", "host cannot be read"),
        ("http://[gg::1]/v1", "host cannot be read|neither a name"),
        ("http://host\u2100.example/v1", "host cannot be read"),
        ("http://host/v1?key=abc", "without user, password"),
        ("http://host/v1?", "without user, password"),
        ("http://host/v1#x", "without user, password"),
        (f"http://{KEY}@host/v1", "without user, password"),
        ("http://me:pass@host/v1", "without user, password"),
        (f"http://host/{KEY}/v1", r"looks like a key: write \$\{NAME\}"),
        (f"http://host/{KEY.replace('-', '%2D')}/v1", "looks like a key"),
        ("http://host/gateway/aB3dE5fG7hI9jK1lM3nO5pQ7rS9tU1vW/v1", "looks like a key"),
        ("http://host/token/0123456789abcdef/v1", "looks like a key"),
        ("http://host/v1;api_key=0123456789", "looks like a key"),
        ("https://host/v1/chat/completions", "leave /chat/completions away"),
        ("https://host/v1/embeddings/", "leave /embeddings away"),
    ],
)
def test_an_address_that_cannot_work_is_refused_unseen(url: str, words: str) -> None:
    with pytest.raises(ValueError, match=words) as caught:
        http_address(url)
    assert KEY not in str(caught.value)
    with pytest.raises(ValidationError, match=words):
        OpenAIOptions(model="m", base_url=["http://host/v1", url])  # type: ignore[arg-type]


def test_the_recipe_says_it_in_one_sentence_with_its_line() -> None:
    recipe = """
models:
  teacher: {provider: openai, model: m, base_url: "http://host:99999/v1"}
steps: [read: {path: x.jsonl}]
"""
    with pytest.raises(RecipeError) as caught:
        parse_recipe(recipe)
    assert str(caught.value) == (
        "recipe: line 3: model `teacher`: `base_url`: its port is not a number from 1 to 65535: "
        "give an address such as http://127.0.0.1:8000/v1"
    )


@given(st.text() | st.text().map("http://{}".format) | st.text().map("http://h:{}/v1".format))
def test_whatever_is_taken_can_be_asked_and_anything_else_is_a_sentence(url: str) -> None:
    refused = ""
    try:
        HTTPClient(http_address(url), {}, 1.0)
    except ValueError as error:
        refused = f"{type(error).__name__} {error}"
    assert not refused or re.match(
        r"ValueError .*(give an address|fill in|bare address|leave|\$\{NAME\})", refused
    )
