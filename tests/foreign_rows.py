"""The rows of trees, agents' logs, other APIs and calls in texts, as records and as rows again."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

from factory.data.formats import read_records
from factory.data.formats.grouped import many_rows
from factory.data.formats.shapes import shape_named, write_source_row
from factory.data.record import Record

SHAPES = Path(__file__).parent / "data" / "formats" / "shapes"
FILES = {
    "oasst_trees": "oasst",
    "oasst_messages": "oasst_messages",
    "oasst_hub": "oasst_messages",
    "oasst_threads": "oasst_threads",
    "atif": "atif",
    "claude_code_session": "claude_code",
    "claude_code_compacted": "claude_code",
    "codex_session": "codex",
    "pi_session": "pi",
    "anthropic_messages": "anthropic",
    "gemini_contents": "gemini",
    "xlam": "xlam",
    "hermes_tool_call": "hermes",
    "responses_items": "responses",
    "glaive_v2": "glaive",
}


def rows_of(name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (SHAPES / f"{name}.jsonl").read_text("utf-8").splitlines()]


def records_in(name: str) -> list[Record]:
    found = list(read_records(SHAPES / f"{name}.jsonl"))
    assert all(isinstance(one, Record) for one in found), found
    return [one for one in found if isinstance(one, Record)]


def shape_of(record: Record) -> str:
    return str(json.loads(record.form)["shape"])


def written(record: Record) -> tuple[list[dict[str, Any]], Counter[str]]:
    lost: Counter[str] = Counter()
    return many_rows(write_source_row(record, lost), shape_named(shape_of(record))), lost


def canonical(value: Any) -> str:
    return json.dumps(value, sort_keys=True, ensure_ascii=False)


def turns(record: Record) -> list[tuple[str, str]]:
    return [(turn.role, turn.content) for turn in record.messages]
