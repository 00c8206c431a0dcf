"""Ask for a reply that fits a JSON schema: natively, in OpenAI's strict dialect, or in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from factory.data.record import Message
from factory.data.text import detect_language, prompt_language

# What OpenAI's strict mode refuses in a schema. The bounds still hold: the reply is validated against the
# schema that was asked for.
_REFUSED_BY_STRICT = frozenset(
    {
        "minLength",
        "maxLength",
        "pattern",
        "format",
        "minimum",
        "maximum",
        "exclusiveMinimum",
        "exclusiveMaximum",
    }
    | {"multipleOf", "minItems", "maxItems", "uniqueItems", "contains", "minContains", "maxContains"}
    | {"patternProperties", "propertyNames", "minProperties", "maxProperties", "unevaluatedItems"}
    | {"unevaluatedProperties", "default", "title", "examples"}
)
_SUBSCHEMAS = ("properties", "$defs", "definitions")
_IN_WORDS = {
    "en": "Answer with one JSON object that fits this JSON schema, and with nothing else:",
    "zh": "请只回答一个符合以下 JSON Schema 的 JSON 对象，不要输出任何其他内容：",
}


def strict_schema(schema: Any) -> Any:
    """`schema` as OpenAI's strict mode takes it: closed objects, every property required, bounds removed."""
    if isinstance(schema, list):
        return [strict_schema(item) for item in schema]
    if not isinstance(schema, Mapping):
        return schema
    if "$ref" in schema:
        return {"$ref": schema["$ref"]}  # strict mode takes nothing beside a reference
    strict: dict[str, Any] = {}
    for key, value in schema.items():
        if key in _SUBSCHEMAS:
            strict[key] = {name: strict_schema(inner) for name, inner in value.items()}
        elif key in ("enum", "const", "required"):
            strict[key] = value
        elif key not in _REFUSED_BY_STRICT:
            strict["anyOf" if key == "oneOf" else key] = strict_schema(value)
    if "properties" in strict or strict.get("type") == "object":
        strict.setdefault("properties", {})
        strict["required"] = list(strict["properties"])
        strict["additionalProperties"] = False
    return strict


def instruct_json(messages: Sequence[Message], schema: Mapping[str, Any]) -> tuple[Message, ...]:
    """`messages` with the schema spelled out at the end of the last user turn, in that turn's language.

    Where there is no user turn, at the end of the last turn of any role.
    """
    users = [index for index, message in enumerate(messages) if message.role == "user"]
    at = users[-1] if users else len(messages) - 1
    asked = messages[at]
    words = _IN_WORDS[prompt_language(detect_language(asked.content))]
    turn = asked._replace(content=f"{asked.content}\n\n{words}\n{orjson.dumps(schema).decode()}")
    return (*messages[:at], turn, *messages[at + 1 :])
