"""Writing a data set: a folder that trainers and `datasets.load_dataset` read as it is, or a single file.

Every file appears whole or not at all, and the same records give the same bytes.
"""

from __future__ import annotations

import contextlib
import difflib
import os
import tempfile
from collections.abc import Collection, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import orjson

from factory.data.formats.card import MARK, card, llama_factory, twin
from factory.data.formats.json_traps import JsonTraps
from factory.data.formats.layouts import FILE_LAYOUTS, LAYOUTS, Asked, Row, Survey, survey
from factory.data.formats.parquet_files import ONE_FILE, Shards, part_of_shard, write_parquet
from factory.data.formats.row_files import (
    Rows,
    WrittenFile,
    counts,
    packing,
    together,
    write_bytes,
    write_csv,
    write_json_lines,
    written_file,
)
from factory.data.formats.set_parts import PART, TRAIN, InPart, part_names
from factory.data.record import Record
from factory.data.whole_file import cannot_write, whole_file
from factory.errors import OutputError

if TYPE_CHECKING:
    pass

_OF_JSON = ("messages", *(name for name in FILE_LAYOUTS if name not in ("messages", "parquet")))
_FITTING = {
    ".jsonl": _OF_JSON,
    ".json": _OF_JSON,
    ".csv": ("alpaca", "source"),
    ".parquet": ("parquet", "records"),
}
"""The layouts that go into a file, by its ending; the first is the default."""


__all__ = ["DatasetFiles", "WrittenFile", "check_file_place", "write_dataset", "write_file"]


class DatasetFiles(list[WrittenFile]):
    """The files of a data set folder; `told` is what a person should know of them, a sentence each."""

    def __init__(self, files: Iterable[WrittenFile], told: Iterable[str]) -> None:
        super().__init__(files)
        self.told = list(told)


def write_dataset(
    records: Iterable[Record],
    folder: str | Path,
    formats: Sequence[str],
    *,
    carry: Sequence[str] = (),
    reasoning: Literal["field", "think", "none"] = "field",
    parts: bool = True,
    shards: Shards = ONE_FILE,
) -> DatasetFiles:
    """Write a data set folder: one sub-folder for each format, a card, and LLaMA-Factory's dataset_info.json.

    `datasets.load_dataset(folder)` loads the first format, `load_dataset(folder, "sharegpt")` another. It
    reads all formats of a folder from one kind of file; so where parquet is asked for too, or the JSON loader
    would change a JSON Lines file (see `json_traps`), each of these has a Parquet twin that is loaded in its
    place. The files of an earlier export are replaced, or removed where their format is not asked for again.

    A set with parts (`set_parts`: train, validation and test, stages, experts) has a file for each, in the order of
    the records: `messages/stage_1.jsonl`, which `load_dataset(folder, "messages", split="stage_1")` loads.

    Args:
        records: all answered; an iterator is read into memory, anything else is gone through several times.
        folder: absent, empty, or an earlier export.
        formats: of `layouts.LAYOUTS`; the first is the default. All but parquet are JSON Lines.
        carry: what travels with each row beside the format's own columns: "license", "source" and the user's
            own columns (the user's "id" too). A name that the format has itself is written as `meta.NAME`.
        reasoning: what a model thought: as a key of its own, in <think> tags before the text, or left out.
        parts: whether each part has a file; else all records are in one, in their order
        shards: how large a Parquet file may grow before another is begun

    Raises:
        OutputError: a format is unknown or can hold no record, there is no record, the folder holds
            something else, or it cannot be written.
        ValueError: a record has no request or no answer.
    """
    folder, formats = Path(folder), list(dict.fromkeys(formats))
    _known(formats, folder)
    records = list(records) if isinstance(records, Iterator) else records
    facts = _surveyed(records, formats, folder, Asked(reasoning, tuple(carry)))
    _claim(folder)
    files = _files_of(records, facts, formats if parts else ())
    files |= {name: {TRAIN: _file_name(name, TRAIN)} for name in formats if name not in files}
    # The card goes first: it marks the folder as an export, so that one cut short can be written over.
    write_bytes(folder / "README.md", card(facts, files).encode())
    written, told, trapped = list[WrittenFile](), list[str](), False
    loaded = {name: dict(own) for name, own in files.items()}
    default, rows = next((name for name in formats if name != "source"), formats[0]), dict[str, int]()
    for name in formats:
        made = list[WrittenFile]()
        for part, path in files[name].items():
            own = records if len(files[name]) == 1 else InPart(records, part)
            if name == "parquet":
                shard = write_parquet(own, folder / path, facts.layouts[name], shards)
                made += shard
                loaded[name][part] = _pattern(path, shard)
            else:
                traps = JsonTraps()
                shard = [write_json_lines(own, folder / path, facts.layouts[name], traps)]
                made += shard
                # Objects of a tool's schema have other keys in each row, which the loader mixes.
                mixed = name.startswith("openai") and "tools" in facts.layouts[name].held.needs
                trapped = trapped or (name != "source" and (traps.sprung or mixed))
            if name == default:
                rows[part] = sum(file.rows for file in shard)
        written += made
        told += together(made).told
    if trapped or "parquet" in formats:
        for name in (name for name in formats if name not in ("parquet", "source")):
            loaded[name] = {part: twin(name, part) for part in files[name]}
            for part, path in list(loaded[name].items()):
                own = records if len(files[name]) == 1 else InPart(records, part)
                shard = write_parquet(own, folder / path, facts.layouts[name], shards)
                written += shard
                loaded[name][part] = _pattern(path, shard)
    entries = llama_factory(facts, loaded if trapped else files)
    written.append(write_bytes(folder / "dataset_info.json", entries))
    written.append(write_bytes(folder / "README.md", card(facts, loaded, rows).encode()))
    _remove_others(folder, {file.path for file in written})
    return DatasetFiles(written, [*told, *_of_all(facts, formats)])


def _pattern(path: str, shards: Sequence[WrittenFile]) -> str:
    """What names the file, or all of its shards."""
    return path if len(shards) == 1 else f"{path.removesuffix('.parquet')}-*.parquet"


def _files_of(records: Iterable[Record], facts: Survey, formats: Sequence[str]) -> dict[str, dict[str, str]]:
    """The file of each part of each format; a part of which a format holds no record has none."""
    parts = part_names(records) if formats else []
    held = dict.fromkeys(formats, parts)
    if len(parts) > 1:
        held = {
            name: part_names(record for record in records if facts.layouts[name].holds(record))
            for name in formats
        }
    return {name: {part: _file_name(name, part) for part in held[name]} for name in formats}


def _of_all(facts: Survey, formats: Sequence[str]) -> Iterator[str]:
    """What is to be told of all records, whatever the format."""
    for name in facts.unknown:
        yield f"carry: no record has {name!r}: its column is empty"
    layouts = [facts.layouts[name] for name in formats]
    holds = any(one.layout.has_columns and "chat_template_kwargs" in one.schema().names for one in layouts)
    for name, rows in sorted(facts.arguments.items()):
        if holds and rows < facts.rows:
            yield (
                f"chat_template_kwargs: {facts.rows - rows:,} of {facts.rows:,} records do not say "
                f"{name!r:.42}: `datasets` fills it with null there, which a chat template may take for false"
            )
    if facts.out_of_turn and {"messages", "sharegpt"} & set(formats):
        yield (
            f"in {facts.out_of_turn:,} of {facts.rows:,} records requests and answers do not take turns: LLaMA-Factory "
            "leaves such rows out without a word"
        )


def write_file(
    records: Iterable[Record],
    path: str | Path,
    format: str | None = None,
    *,
    carry: Sequence[str] = (),
    reasoning: Literal["field", "think", "none"] = "field",
    csv_safe: bool = True,
) -> WrittenFile:
    """Write one file, replacing what is there: .jsonl, .json or .csv (each may end in .gz), or .parquet.

    Args:
        records: a pool or a set; those without an answer have an empty output, or end with the user's turn.
        path: its ending says how rows are written.
        format: one of `layouts.FILE_LAYOUTS`; by default "messages" for JSON, "alpaca" for CSV, which holds "source"
            too, and "parquet" for Parquet, which holds "records" (lossless) too.
        carry, reasoning: as for `write_dataset`
        csv_safe: in CSV, put ' before a cell that a spreadsheet would take for a formula; counted in `guarded`

    Raises:
        OutputError: the name does not tell how to write, the layout does not fit it or can hold no record,
            there is no record, or the file cannot be written.
        ValueError: a record has no request.
    """
    path = Path(path)
    ending, packed, layout = _file_layout(path, format)
    records = list(records) if isinstance(records, Iterator) else records
    asked = Asked(reasoning, tuple(carry), unanswered=True)
    facts = _surveyed(records, [layout], path, asked, parquet=ending == ".parquet")
    written = facts.layouts[layout]
    if ending == ".parquet":
        (whole,) = write_parquet(records, path, written)
        return whole
    counted, guarded = Rows(records, written), 0
    with whole_file(path) as file, packing(file, packed) as stream:
        if ending == ".csv":
            columns = None if written.layout.has_columns else _columns_of(counted)
            guarded = write_csv(counted, stream, columns, safe=csv_safe)
        elif ending == ".json":
            for index, item in enumerate(counted):
                stream.write((b",\n" if index else b"[\n") + orjson.dumps(item))
            stream.write(b"\n]\n")
        else:
            stream.writelines(orjson.dumps(item) + b"\n" for item in counted)
    return written_file(path, counted, guarded)


def _columns_of(rows: Iterable[Row]) -> list[str]:
    """The columns that any row has, in the order in which they first come."""
    return list(dict.fromkeys(name for row in rows for name in row))


def check_file_place(path: Path, format: str | None = None) -> None:
    """Make sure, before the work that leads to them, that records can be written to this file.

    Raises:
        OutputError: as `write_file`, for what can be told without the records.
    """
    _file_layout(path, format)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=path.parent):
            pass
    except OSError as error:
        raise cannot_write(path, error) from error


def _file_layout(path: Path, format: str | None) -> tuple[str, bool, str]:
    """The ending of a file without .gz, whether it has that, and the layout of its rows."""
    packed = path.name.lower().endswith(".gz")
    ending = os.path.splitext(path.name[:-3] if packed else path.name)[1].lower()
    ending = ".jsonl" if ending == ".ndjson" else ending
    if ending not in _FITTING or (packed and ending == ".parquet"):
        raise OutputError(
            f"{path}: the name does not tell how to write it: end it in .jsonl, .json, .csv or .parquet"
        )
    layout = format or _FITTING[ending][0]
    _known([layout], path, FILE_LAYOUTS)
    if layout not in _FITTING[ending]:
        raise OutputError(f"{path}: a {ending} file holds {', '.join(_FITTING[ending])} rows, not {layout}")
    return ending, packed, layout


def _known(layouts: Sequence[str], where: Path, known: Sequence[str] = LAYOUTS) -> None:
    if not layouts:
        raise OutputError(f"{where}: no format is asked for: choose of {', '.join(known)}")
    for layout in layouts:
        if layout not in known:
            near = difflib.get_close_matches(layout, known, 1)
            hint = f"did you mean {near[0]}?" if near else f"choose of {', '.join(known)}"
            raise OutputError(f"{where}: there is no output format {layout!r}: {hint}")


def _surveyed(
    records: Iterable[Record], layouts: Sequence[str], where: Path, asked: Asked, *, parquet: bool = False
) -> Survey:
    facts = survey(records, layouts, asked, parquet=parquet)
    if not facts.rows:
        raise OutputError(f"{where}: there is no record to write: loosen the steps that dropped them")
    for name, written in facts.layouts.items():
        if not written.held.records:
            raise OutputError(
                f"{where}: {name} can hold none of the {facts.rows:,} records: {counts(written.held.left_out)}: "
                "export another format"
            )
    return facts


def _claim(folder: Path) -> None:
    """Make sure that nothing is lost by writing here."""
    try:
        if folder.is_dir() and any(not entry.name.startswith(".") for entry in folder.iterdir()):
            head = b""
            with contextlib.suppress(FileNotFoundError), (folder / "README.md").open("rb") as file:
                head = file.read(1000)
            if MARK.encode() not in head:
                raise OutputError(
                    f"{folder} holds files that are not an earlier export: choose an empty folder"
                )
    except OSError as error:
        raise cannot_write(folder, error) from error


def _file_name(layout: str, part: str) -> str:
    return f"{layout}/{part}.{'parquet' if layout == 'parquet' else 'jsonl'}"


def _remove_others(folder: Path, keep: Collection[Path]) -> None:
    """Remove the data files of an earlier export that this one did not write again."""
    folders = [folder / name for layout in LAYOUTS for name in (layout, Path(twin(layout, "train")).parent)]
    for place in folders:
        there = sorted(place.iterdir()) if place.is_dir() else []
        for path in there:
            ours = PART.fullmatch(part_of_shard(path)) and path.suffix in (".jsonl", ".parquet")
            if ours and path not in keep and path.is_file():
                with contextlib.suppress(OSError):
                    path.unlink()
        with contextlib.suppress(OSError):
            if there and not any(place.iterdir()):
                place.rmdir()
