"""Schemas in OpenAI's strict dialect and in words, and options as a recipe gives them."""

from __future__ import annotations

from typing import Any, Literal

import pytest
from pydantic import BaseModel, Field, TypeAdapter, ValidationError
from scripted_server import instance

from factory.data.record import Message
from factory.models.openai.structured import instruct_json, strict_schema
from factory.models.options import LocalOptions, ModelOptions, OpenAIOptions
from factory.models.providers import chat_provider, embedding_provider


class Part(BaseModel):
    title: str = Field("", max_length=10)
    kind: Literal["a", "b"] = "a"


class Whole(BaseModel):
    parts: list[Part] = Field(min_length=1, max_length=3)
    best: Part | None = Field(None, description="the best one")
    score: float = Field(ge=0, le=1)
    free: dict[str, Any] = {}


def test_a_strict_schema_closes_every_object_and_requires_every_property() -> None:
    strict = strict_schema(Whole.model_json_schema())
    assert strict["required"] == ["parts", "best", "score", "free"]
    assert strict["additionalProperties"] is False
    part = strict["$defs"]["Part"]
    assert part["required"] == ["title", "kind"]
    assert part["properties"] == {"title": {"type": "string"}, "kind": {"enum": ["a", "b"], "type": "string"}}
    assert strict["properties"]["score"] == {"type": "number"}
    assert strict["properties"]["best"]["description"] == "the best one"
    assert strict["properties"]["free"] == {
        "type": "object",
        "properties": {},
        "required": [],
        "additionalProperties": False,
    }


def test_the_schema_asked_for_is_left_as_it_was() -> None:
    schema = Whole.model_json_schema()
    strict_schema(schema)
    assert schema == Whole.model_json_schema()


def test_the_scripted_servers_instance_fits_the_schema() -> None:
    Whole.model_validate(instance(Whole.model_json_schema(), "a long text"))


def test_a_schema_in_words_follows_the_last_user_turn_in_its_language() -> None:
    said = (
        Message("user", "你好"),
        Message("assistant", "好"),
        Message("user", "Rate this."),
        Message("assistant", "{"),
    )
    asked = instruct_json(said, {"type": "object"})
    assert asked[2].content == (
        "Rate this.\n\nAnswer with one JSON object that fits this JSON schema, and with nothing else:\n"
        '{"type":"object"}'
    )
    assert asked[:2] + asked[3:] == said[:2] + said[3:]
    assert "请只回答" in instruct_json((Message("system", "打分。"),), {})[0].content


def test_an_entry_of_a_recipe_becomes_the_options_of_its_provider() -> None:
    adapter: TypeAdapter[Any] = TypeAdapter(ModelOptions)
    assert isinstance(adapter.validate_python({"provider": "local"}), LocalOptions)
    read = adapter.validate_python({"provider": "openai", "model": "m", "base_url": "http://h:1/v1/"})
    assert read == OpenAIOptions(model="m", base_url="http://h:1/v1")
    with pytest.raises(ValidationError):
        adapter.validate_python({"provider": "openai", "model": "m", "concurency": 3})


@pytest.mark.parametrize(
    "url", ["localhost:8000", "ftp://h/v1", "http://user:pw@h/v1", "http://h/v1?key=x", ""]
)
def test_an_address_that_is_none_or_holds_a_secret_is_refused(url: str) -> None:
    with pytest.raises(ValidationError):
        OpenAIOptions(model="m", base_url=url)


def test_every_option_is_described() -> None:
    adapter: TypeAdapter[Any] = TypeAdapter(ModelOptions)
    for name, definition in adapter.json_schema()["$defs"].items():
        for field, about in definition.get("properties", {}).items():
            assert field == "provider" or about.get("description"), f"{name}.{field}"


def test_options_lead_to_their_provider() -> None:
    adapter: TypeAdapter[Any] = TypeAdapter(ModelOptions)
    chat = chat_provider(
        adapter.validate_python({"provider": "openai", "model": "m", "base_url": "http://h/v1"})
    )
    assert (chat.identity, chat.concurrency) == ("openai:m", 64)
    embedder = embedding_provider(adapter.validate_python({"provider": "local_embeddings"}))
    assert embedder.batch_size == 32
