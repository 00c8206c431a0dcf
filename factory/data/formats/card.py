"""What lies beside the data: the data set card (README.md) and LLaMA-Factory's dataset_info.json."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import orjson
import yaml

from factory.data.formats.layouts import Survey, Written
from factory.data.formats.layouts_chat import ShareGPT
from factory.data.formats.licenses import by_id, conflicts, one_known
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
_MANY = 20
"""Sources that the card names; the others are counted."""
_USED = {
    "reasoning": "`reasoning_content` (what the model thought before the turn)",
    "calls": "`tool_calls` (arguments as JSON text)",
    "call ids": "`tool_call_id` (the call that a tool's turn answers)",
    "names": "`name`",
    "weight": "`weight` (0: not to be learned)",
}
"""Keys of a turn that only some sets need."""
_STAGES = """
The stages are trained on one after the other, `stage_1` first. Most trainers shuffle the rows of a file.
"""
_TWINS = """
Each JSON Lines file holds the same rows as the Parquet file named here. `datasets` loads a folder from one kind
of file, and from JSON Lines it would take a column of nothing but dates for times.
"""


def card(facts: Survey, files: Mapping[str, Mapping[str, str]]) -> str:
    """The card's text. `files` maps each configuration's name to its parts' files; the first is the default.

    The `configs` block is what makes `datasets.load_dataset(folder)` load one format and not all at once.
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
    table = "\n".join(
        f"| `{name}` | {', '.join(f'[{path}]({path})' for path in parts.values())} | {_columns(facts.layouts[name])} |"
        for name, parts in files.items()
    )
    twins = (path == twin(name, part) for name, parts in files.items() for part, path in parts.items())
    note = _TWINS if any(twins) else ""
    default = next(iter(loadable))
    if any(part.startswith("stage_") for parts in files.values() for part in parts):
        note += _STAGES
    return f"""---
{MARK}
{yaml.safe_dump(header, sort_keys=False, allow_unicode=True)}---

# Supervised fine-tuning set

{facts.rows:,} conversations. {_rows_of(facts)}

| configuration | file | columns |
| --- | --- | --- |
{table}
{note}
```python
from datasets import load_dataset

load_dataset("this folder", "{default}", split="{next(iter(loadable[default]), "train")}")
```

{_origin(facts, licenses)}
{_rounds(facts)}
`dataset_info.json` names the files for LLaMA-Factory (`dataset_dir`: this folder).
"""


def twin(layout: str, part: str) -> str:
    """Where the Parquet twin of a part's JSON Lines lies, in a folder of its own: one kind of file each."""
    return f"{layout}_parquet/{part}.parquet"


def llama_factory(facts: Survey, files: Mapping[str, Mapping[str, str]]) -> bytes:
    """LLaMA-Factory's dataset_info.json: one entry for each file that it reads, `messages`, `messages_test`, ...

    It reads no tool calls and no lists of parts in messages unless as OpenAI's, and then adds to the system turn of
    rows without tools: those files have no entry, and sharegpt is the format for them. Nor have preference,
    openai_preference, kto and prompt_completion, whose turns it takes for texts; its pairs are dpo. It sets every key
    that is left out of `columns` or `tags` to null, so all keys in use are written.
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


def _columns(written: Written) -> str:
    layout, needs = written.layout, written.held.needs
    text = "`id`, " * layout.has_id + layout.about
    if layout.name == "alpaca":
        text += ", `system`" * ("system" in needs)
        text += ", `history` (earlier question and answer pairs)" * ("history" in needs)
    if layout.name == "parquet" and written.held.scores:
        scores = ", ".join(f"`score.{_plain(name)}`" for name in written.held.scores)
        text += f", {scores} (empty where a score could not be had)"
    if layout.has_columns:
        names = [name for name, _ in layout.columns(written.held, written.asked)]
        if not layout.name.startswith("openai"):
            text += ", `tools` (schemas as JSON text)" * ("tools" in names)
        text += ", `chat_template_kwargs` (for the chat template)" * ("chat_template_kwargs" in names)
        text += "".join(f", `{name}`" for name in ShareGPT.LISTS.values() if name in names)
        text += "".join(f", `{_plain(column)}`" for column in written.carried.names.values())
    if layout.name not in ("alpaca", "sharegpt", "source"):
        asked = written.asked.reasoning == "field" and not layout.name.startswith("openai")
        used = [said for name, said in _USED.items() if name in needs and (asked or name != "reasoning")]
        text += f"; turns also have {', '.join(used)}" if used else ""
    if layout.name == "sharegpt" and "calls" in needs:
        text += "; a `function_call` turn holds calls as JSON text"
    if "reasoning" in needs and written.asked.reasoning == "think":
        text += "; what the model thought stands in <think> tags before the text"
    return text


def _rows_of(facts: Survey) -> str:
    """Which row of a format is which record."""
    fewer = {name: one.held.records for name, one in facts.layouts.items() if one.held.left_out}
    if not fewer:
        return "Row k is the same record in every format; `id` names it."
    said = ", ".join(f"{name} {count:,}" for name, count in fewer.items())
    return (
        f"Rows are in the same order in every format; `id` names the record. Fewer records fit into: {said}."
    )


def _origin(facts: Survey, licenses: Mapping[str, int]) -> str:
    """Where the rows come from and under which licence, with what is to be known of them."""
    if set(licenses) == {""}:
        first = "No row names its licence."
    else:
        first = _table("licence", {name or "(not named)": rows for name, rows in licenses.items()})
    flags = "".join(f"\n**{sentence}**\n" for sentence in conflicts(licenses))
    sources = sorted(facts.sources.items(), key=lambda item: (-item[1], item[0]))
    shown = {name or "(not named)": rows for name, rows in sources[:_MANY]}
    if len(sources) > _MANY:
        others = sources[_MANY:]
        shown[f"{len(others):,} others"] = sum(rows for _, rows in others)
    return f"## Where it comes from\n\n{first}\n{flags}\n{_table('source', shown)}"


def _rounds(facts: Survey) -> str:
    """How many rows went how often through a model that writes and a check that chooses; "" where no row tells."""
    if not facts.rounds:
        return ""
    told = sum(facts.rounds.values())
    rows = "\n".join(f"| {number} | {count:,} |" for number, count in sorted(facts.rounds.items()))
    silent = f" {facts.rows - told:,} rows tell no round." if told < facts.rows else ""
    return f"""
## Rounds of self-training

{facts.rounds.get(0, 0):,} of {facts.rows:,} rows ({facts.rounds.get(0, 0) / facts.rows:.1%}) were written by no model.
`self_training_round` says of each row how often a model wrote in it before a check chose it.{silent}

| round | rows |
| --- | --- |
{rows}
"""


def _table(what: str, counts: Mapping[str, int]) -> str:
    rows = "\n".join(f"| {_cell(name)} | {count:,} |" for name, count in counts.items())
    return f"| {what} | rows |\n| --- | --- |\n{rows}"


def _cell(name: str) -> str:
    """A name from the data as a cell of the table that nothing in it can end."""
    return f"`{shorten(name, 60).replace('`', chr(39)).replace('|', '/')}`"


def _plain(name: str) -> str:
    return re.sub(r"[^\w.-]", "_", shorten(name, 60))
