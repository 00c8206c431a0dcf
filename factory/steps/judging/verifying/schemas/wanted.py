"""The JSON schemas of a row: of its answer, and of the arguments of the tools that it offers."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from factory.data.record import Missing, Record

COLUMNS = (
    *("json_schema", "schema", "response_format", "response_schema", "output_schema"),
    *("guided_json", "format_schema"),
)
"""The columns that hold a schema, the first that does."""
_KEYWORDS = frozenset(
    ("type", "properties", "required", "$ref", "anyOf", "oneOf", "allOf", "enum", "additionalProperties")
)

Schema = Mapping[str, Any] | bool


def schema_of(record: Record, column: str = "") -> Schema | Missing:
    """The schema of a record's answer, in this column or the first of `COLUMNS` that has any; else why there is none.

    It may stand as JSON text, and within a `response_format` as OpenAI's requests have it.
    """
    for name in (column,) if column else COLUMNS:
        value = record.meta.get(name)
        if value in (None, ""):
            continue
        if isinstance(value, str):
            try:
                value = json.loads(value)
            except (ValueError, RecursionError):
                return Missing("bad_schema", f"the schema in {name!r} is no JSON")
        found = _unwrapped(value)
        if found is None:
            return Missing("bad_schema", f"what stands in {name!r} is no JSON schema")
        return found
    where = f"in {column!r}" if column else "in any of the usual columns"
    return Missing("no_schema", f"there is no JSON schema {where}")


def _unwrapped(value: Any) -> Schema | None:
    if isinstance(value, bool):
        return value
    if not isinstance(value, dict):
        return None
    if value.get("type") == "json_object":
        return {"type": "object"}
    inner = value.get("json_schema") if value.get("type") == "json_schema" else value
    if isinstance(inner, dict) and isinstance(inner.get("schema"), dict) and not _KEYWORDS & inner.keys():
        inner = inner["schema"]
    return inner if isinstance(inner, dict) else None


def tool_schemas(record: Record) -> dict[str, Schema]:
    """The schema of the arguments of each tool that a record offers, by the tool's name.

    Parameters that are no schema but a mapping of names (xLAM's) tell which names there are, and no more.
    """
    found: dict[str, Schema] = {}
    for tool in record.tools:
        inner = tool.get("function", tool)
        name = inner.get("name") if isinstance(inner, Mapping) else None
        if not isinstance(name, str):
            continue
        parameters = next((inner[key] for key in ("parameters", "input_schema") if key in inner), None)
        if not isinstance(parameters, Mapping):
            parameters = {}
        elif parameters and not _KEYWORDS & parameters.keys():
            parameters = {
                "type": "object",
                "properties": dict.fromkeys(parameters, True),
                "additionalProperties": False,
            }
        found[name] = dict(parameters)
    return found
