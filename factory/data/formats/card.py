"""What lies beside the data: the data set card (README.md) and LLaMA-Factory's dataset_info.json."""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import orjson
import yaml

from factory.data.formats.card_body import body
from factory.data.formats.layouts import Survey
from factory.data.formats.layouts_chat import ShareGPT
from factory.data.formats.licenses import by_id, one_known

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


def card(
    facts: Survey, files: Mapping[str, Mapping[str, str]], rows: Mapping[str, int] = MappingProxyType({})
) -> str:
    """The card's text. `files` maps each configuration's name to its parts' files; the first is the default.

    `rows` has the rows of each part of the default. The card is in Chinese where most of the records are. The
    `configs` block is what makes `datasets.load_dataset(folder)` load one format and not all at once.
    """
    # Rows as they came are of many shapes, which `datasets` does not load from one file.
    loadable = {name: path for name, path in files.items() if name != "source" or len(files) == 1}
    licenses = by_id(facts.licenses)
    codes = {lang.lower().replace("_", "-").split("-")[0] for lang in facts.languages}
    header: dict[str, Any] = {
        **({"license": known} if (known := one_known(licenses)) else {}),
        "language": sorted(code for code in codes if _LANGUAGE.fullmatch(code)),
        "task_categories": ["text-generation"],
        "size_categories": [next((name for bound, name in _SIZES if facts.rows < bound), "n>10M")],
        "tags": ["sft", *(["synthetic"] if facts.synthetic else [])],
        "configs": [
            {
                "config_name": name,
                **({"default": True} if index == 0 else {}),
                "data_files": [{"split": part, "path": path} for part, path in parts.items()],
            }
            for index, (name, parts) in enumerate(loadable.items())
        ],
    }
    if not header["language"]:
        del header["language"]
    twins = any(path == twin(name, part) for name, parts in files.items() for part, path in parts.items())
    text = body(facts, files, next(iter(loadable)), licenses, rows, twins=twins)
    return f"---\n{MARK}\n{yaml.safe_dump(header, sort_keys=False, allow_unicode=True)}---\n\n{text}"


def twin(layout: str, part: str) -> str:
    """Where the Parquet twin of a part's JSON Lines lies, in a folder of its own: one kind of file each."""
    return f"{layout}_parquet/{part}.parquet"


def llama_factory(facts: Survey, files: Mapping[str, Mapping[str, str]]) -> bytes:
    """LLaMA-Factory's dataset_info.json: one entry for each file that it reads, `messages`, `messages_test`, ...

    It reads no tool calls and no lists of parts in messages unless as OpenAI's, and then adds to the system turn of
    rows without tools: those files have no entry, and sharegpt is the format for them. Nor have preference,
    openai_preference, kto and prompt_completion, whose turns it takes for texts; its pairs are dpo. It sets every key
    that is left out of `columns` or `tags` to null, so all keys in use are written. It takes a file or a whole folder,
    so that of several parts in several files each there is no entry.
    """
    names = {
        "sharegpt": ("from", "value", "human", "gpt", "observation", "function_call", "system"),
        "messages": ("role", "content", "user", "assistant", "tool", "function_call", "system"),
    }
    tags = ("role", "content", "user", "assistant", "observation", "function", "system")
    keys = [f"{tag}_tag" for tag in tags]

    entries: dict[str, Any] = {}
    each = [(layout, part, path) for layout, parts in files.items() for part, path in parts.items()]
    for layout, part, path in each:
        if "*" in path:  # a folder is read whole: that of one part alone will do
            if len(files[layout]) > 1:
                continue
            path = path.rpartition("/")[0]
        name = layout if part == "train" else f"{layout}_{part}"
        needs = facts.layouts[layout].held.needs
        if layout == "alpaca":
            columns = {"prompt": "instruction", "query": "input", "response": "output"}
            columns |= {key: key for key in ("system", "history") if key in needs}
            entries[name] = {"file_name": path, "formatting": "alpaca", "columns": columns}
        elif layout == "sharegpt" or (layout == "messages" and not needs & {"calls", "media"}):
            columns = {"messages": "conversations" if layout == "sharegpt" else "messages"}
            columns |= {"tools": "tools"} if "tools" in needs else {}
            if layout == "sharegpt":
                columns |= {key: key for kind, key in ShareGPT.LISTS.items() if kind in needs}
            entries[name] = {
                "file_name": path,
                "formatting": "sharegpt",
                "columns": columns,
                "tags": dict(zip(keys, names[layout], strict=True)),
            }
        elif layout == "dpo":
            columns = {key: key for key in ("messages", "chosen", "rejected")}
            columns |= {"tools": "tools"} if "tools" in needs else {}
            tags_used = dict(zip(keys, names["messages"], strict=True))
            entries[name] = {"file_name": path, "formatting": "sharegpt", "ranking": True}
            entries[name] |= {"columns": columns, "tags": tags_used}
    return orjson.dumps(entries, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)
