"""What lies beside the data: the data set card (README.md) and LLaMA-Factory's dataset_info.json."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import orjson
import yaml

from factory.data.formats.layouts import Survey
from factory.data.text import shorten

MARK = "# Written by sft-factory, which replaces this folder's files at the next export."
"""A comment in the card's header: the folder is an earlier export and may be written over."""

_LANGUAGE = re.compile(r"[a-z]{2,3}")
_SIZES = (
    (1_000, "n<1K"),
    (10_000, "1K<n<10K"),
    (100_000, "10K<n<100K"),
    (1_000_000, "100K<n<1M"),
    (10_000_000, "1M<n<10M"),
)
_COLUMNS = {
    "alpaca": "`instruction`, `input` (may be empty), `output`",
    "sharegpt": '`conversations`: turns of `{"from": "human" or "gpt" (system, observation), "value"}`',
    "messages": '`messages`: turns of `{"role": "user" or "assistant" (system, tool), "content"}`',
    "parquet": "`messages`, its last exchange as `instruction`, `input`, `output`, and what is known of it: "
    "`lang`, `task`, `source`, `tags`",
}
_TWINS = """
Each `train.jsonl` holds the same rows as the Parquet file named here. `datasets` loads a folder from one kind
of file, and from JSON Lines it would take a column of nothing but dates for times.
"""


def card(facts: Survey, files: Mapping[str, str]) -> str:
    """The card's text. `files` maps each configuration's name to its file; the first is the default.

    The `configs` block is what makes `datasets.load_dataset(folder)` load one format and not all at once.
    """
    codes = {lang.lower().replace("_", "-").split("-")[0] for lang in facts.languages}
    header: dict[str, Any] = {
        "language": sorted(code for code in codes if _LANGUAGE.fullmatch(code)),
        "task_categories": ["text-generation"],
        "size_categories": [next((name for bound, name in _SIZES if facts.rows < bound), "n>10M")],
        "tags": ["sft", *(["synthetic"] if facts.synthetic else [])],
        "configs": [
            {
                "config_name": name,
                **({"default": True} if index == 0 else {}),
                "data_files": [{"split": "train", "path": path}],
            }
            for index, (name, path) in enumerate(files.items())
        ],
    }
    if not header["language"]:
        del header["language"]
    table = "\n".join(
        f"| `{name}` | [{path}]({path}) | `id`, {_columns(name, facts)} |" for name, path in files.items()
    )
    note = _TWINS if any(path == twin(name) for name, path in files.items()) else ""
    return f"""---
{MARK}
{yaml.safe_dump(header, sort_keys=False, allow_unicode=True)}---

# Supervised fine-tuning set

{facts.rows:,} conversations. Row k is the same record in every format; `id` names it.

| configuration | file | columns |
| --- | --- | --- |
{table}
{note}
```python
from datasets import load_dataset

load_dataset("this folder", "{next(iter(files))}", split="train")
```

`dataset_info.json` names the files for LLaMA-Factory (`dataset_dir`: this folder).
"""


def twin(layout: str) -> str:
    """Where the Parquet twin of a format's JSON Lines lies, in a folder of its own: one kind of file each."""
    return f"{layout}_parquet/train.parquet"


def llama_factory(facts: Survey, files: Mapping[str, str]) -> bytes:
    """LLaMA-Factory's dataset_info.json: one entry for each format but parquet.

    It sets every key that is left out of `columns` or `tags` to null, so all keys in use are written.
    """
    names = {
        "sharegpt": ("from", "value", "human", "gpt", "observation", "function_call", "system"),
        "messages": ("role", "content", "user", "assistant", "tool", "function_call", "system"),
    }
    tags = ("role", "content", "user", "assistant", "observation", "function", "system")
    keys = [f"{tag}_tag" for tag in tags]

    entries: dict[str, Any] = {}
    for layout, path in files.items():
        if layout == "alpaca":
            columns = {"prompt": "instruction", "query": "input", "response": "output"}
            columns |= {"system": "system"} if facts.system else {}
            columns |= {"history": "history"} if facts.history else {}
            entries[layout] = {"file_name": path, "formatting": "alpaca", "columns": columns}
        elif layout != "parquet":
            entries[layout] = {
                "file_name": path,
                "formatting": "sharegpt",
                "columns": {"messages": "conversations" if layout == "sharegpt" else "messages"},
                "tags": dict(zip(keys, names[layout], strict=True)),
            }
    return orjson.dumps(entries, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)


def _columns(layout: str, facts: Survey) -> str:
    text = _COLUMNS[layout]
    if layout == "alpaca":
        text += ", `system`" if facts.system else ""
        text += ", `history` (earlier question and answer pairs)" if facts.history else ""
    if layout == "parquet" and facts.scores:
        names = (re.sub(r"[^\w.-]", "_", shorten(name, 60)) for name in facts.scores)
        text += (
            ", " + ", ".join(f"`score.{name}`" for name in names) + " (empty where a score could not be had)"
        )
    return text
