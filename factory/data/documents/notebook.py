"""Jupyter notebooks as Markdown: their texts as they are and their code in blocks; outputs are left out."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

from factory.data.documents.converted import CannotConvert, Converted
from factory.data.documents.markdown import find_headings
from factory.data.documents.unseen import without_unseen


def read_notebook(text: str) -> Converted:
    """The cells of a notebook in their order. Nothing of it is run.

    Raises:
        CannotConvert: it is no notebook, or has no text.
    """
    try:
        notebook = json.loads(text)
        # Of the third edition, cells lie in worksheets.
        cells = notebook.get("cells") or [cell for sheet in notebook["worksheets"] for cell in sheet["cells"]]
        language = str(notebook.get("metadata", {}).get("kernelspec", {}).get("language") or "python")
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise CannotConvert("is no notebook: open it in Jupyter and save it anew") from None
    parts: list[str] = []
    odd: Counter[str] = Counter()
    for cell in cells if isinstance(cells, list) else []:
        if not isinstance(cell, dict):
            continue
        said = _source(cell.get("source", cell.get("input"))).strip("\n")
        outputs = cell.get("outputs")
        odd["outputs of code left out"] += len(outputs) if isinstance(outputs, list) else 0
        if cell.get("cell_type") != "code":
            said, unseen = without_unseen(said)
            odd.update(unseen)
        if said.strip():
            parts.append(f"```{language}\n{said}\n```" if cell.get("cell_type") == "code" else said)
    if not parts:
        raise CannotConvert("has no cell with text")
    whole = "\n\n".join(parts)
    headings = find_headings(whole)
    title = next((heading.text for heading in headings if heading.level == 1), "")
    return Converted(whole, title, headings, converter="as it is", odd=dict(+odd))


def _source(value: Any) -> str:
    return "".join(map(str, value)) if isinstance(value, list) else value if isinstance(value, str) else ""
