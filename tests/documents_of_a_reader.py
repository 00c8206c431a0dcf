"""The documents that a reader of `docs/documents.md` has, and a teacher who can read them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from made_documents import Reader, manual_chunk

_TEACHER = Reader()


def bring(folder: Path) -> None:
    """Write them into `folder`: a manual in English and a leaflet in Chinese, and articles."""
    docs = folder / "docs"
    docs.mkdir()
    for name, chinese, title in (("manual.md", False, "Orrin manual"), ("手册.md", True, "青禾手册")):
        parts = [manual_chunk(number, chinese=chinese).prompt for number in range(10)]
        text = "\n\n".join(f"## {number}\n\n{part}" for number, part in enumerate(parts, start=1))
        (docs / name).write_text(f"# {title}\n\n{text}\n", encoding="utf-8")
    rows = [{"instruction": manual_chunk(number).prompt} for number in range(5)]
    (folder / "articles.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


def teacher(request: dict[str, Any]) -> str:
    """What a model that reads well replies."""
    if "response_format" in request:
        return _TEACHER.served(request)
    said = request["messages"][-1]["content"]
    return "Sound.\nScore: 5" if "<rubric>" in said else "How are the parts of an Orrin machine looked after?"
