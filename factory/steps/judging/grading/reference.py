"""The reference answer of a record: one that is known to be right, for a judge to hold another against.

Source: MT-bench (arXiv 2306.05685), which shows the judge a reference where a question has one right answer.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from factory.data.record import Record
from factory.step import Context

COLUMNS = (
    *("reference_answer", "reference", "ref_answer", "reference_output", "reference_response"),
    *("gold", "gold_answer", "ground_truth", "correct_answer", "answer", "solution"),
    *("参考答案", "标准答案", "正确答案"),
)
"""The columns of a source that `reference: true` looks for, the first that holds a text."""


def reference_of(record: Record, wanted: bool | str) -> str:
    """The reference answer to the last turn; "" where the record has none, or none is wanted.

    wanted: the name of the source's column that holds it; or True: the first of `COLUMNS`, else the only answer
        that the record holds (`Record.answers`) besides the one it ends with
    """
    if not wanted:
        return ""
    for column in (wanted,) if isinstance(wanted, str) else COLUMNS:
        text = _text(record.meta, column)
        if text:
            return text
    if isinstance(wanted, str):
        return ""
    others = {answer.text.strip() for answer in record.answers} - {record.output.strip(), ""}
    return others.pop() if len(others) == 1 else ""


def note_reference(context: Context, wanted: bool | str, found: str) -> None:
    """Count, where references are wanted, with and without one; both prompts' grades stand in one column."""
    if not wanted:
        return
    context.count("judged_with_reference", bool(found))
    context.count("judged_without_reference", not found)
    if not found:
        where = f"in {wanted!r}" if isinstance(wanted, str) else "in any of its columns (name one)"
        context.warn(
            f"{context.step}: some records have no reference answer {where} and are judged without one"
        )


def _text(meta: Mapping[str, Any], column: str) -> str:
    value = meta.get(column)
    if isinstance(value, list) and all(isinstance(one, str) for one in value):
        return "\n".join(value).strip()
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        return ""
    return str(value).strip()
