"""Writing a data set: a folder that trainers and `datasets.load_dataset` read as it is, or a single file.

Every file appears whole or not at all, and the same records give the same bytes.
"""

from __future__ import annotations

import contextlib
import csv
import difflib
import gzip
import hashlib
import io
import itertools
import os
from collections.abc import Collection, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, NamedTuple, cast

import orjson

from factory.data.arrow import to_array
from factory.data.formats.card import MARK, card, llama_factory, twin
from factory.data.formats.json_traps import JsonTraps
from factory.data.formats.layouts import FILE_LAYOUTS, LAYOUTS, Row, Survey, mended, row, schema, survey
from factory.data.record import Record
from factory.data.whole_file import cannot_write, part_of, whole_file
from factory.errors import OutputError

if TYPE_CHECKING:
    import pyarrow as pa

_ROW_GROUP = 10_000
_FITTING = {
    ".jsonl": ("messages", "sharegpt", "alpaca", "records"),
    ".json": ("messages", "sharegpt", "alpaca", "records"),
    ".csv": ("alpaca",),
    ".parquet": ("parquet",),
}
"""The layouts that go into a file, by its ending; the first is the default."""


class WrittenFile(NamedTuple):
    """A file that was written.

    rows: how many records it holds; 0 for what lies beside the data
    sha256: of its bytes, hexadecimal
    replaced: texts in which lone surrogates, which no file can hold, became U+FFFD
    """

    path: Path
    rows: int
    sha256: str
    replaced: int = 0


def write_dataset(records: Iterable[Record], folder: str | Path, formats: Sequence[str]) -> list[WrittenFile]:
    """Write a data set folder: one sub-folder for each format, a card, and LLaMA-Factory's dataset_info.json.

    `datasets.load_dataset(folder)` loads the first format, `load_dataset(folder, "sharegpt")` another. It
    reads all formats of a folder from one kind of file; so where parquet is asked for too, or the JSON loader
    would change a JSON Lines file (see `json_traps`), each of these has a Parquet twin that is loaded in its
    place. The files of an earlier export are replaced, or removed where their format is not asked for again.

    Args:
        records: all answered; an iterator is read into memory, anything else is gone through several times.
        folder: absent, empty, or an earlier export.
        formats: of "alpaca", "sharegpt", "messages" (JSON Lines) and "parquet"; the first is the default.

    Raises:
        OutputError: a format is unknown or cannot hold a record, there is no record, the folder holds
            something else, or it cannot be written.
        ValueError: a record has no request or no answer.
    """
    folder, formats = Path(folder), list(dict.fromkeys(formats))
    _known(formats, folder)
    records = list(records) if isinstance(records, Iterator) else records
    facts = _surveyed(records, formats, folder)
    _claim(folder)
    files = {
        name: f"{name}/train.parquet" if name == "parquet" else f"{name}/train.jsonl" for name in formats
    }
    # The card goes first: it marks the folder as an export, so that one cut short can be written over.
    _write_bytes(folder / "README.md", card(facts, files).encode())
    written, trapped = [], False
    for name in formats:
        if name == "parquet":
            written.append(_write_parquet(records, folder / files[name], name, facts))
        else:
            traps = JsonTraps()
            written.append(_write_json_lines(records, folder / files[name], name, facts, traps))
            trapped = trapped or traps.sprung
    loaded = dict(files)
    if trapped or "parquet" in formats:
        for name in (name for name in formats if name != "parquet"):
            loaded[name] = twin(name)
            written.append(_write_parquet(records, folder / twin(name), name, facts))
    entries = llama_factory(facts, loaded if trapped else files)
    written.append(_write_bytes(folder / "dataset_info.json", entries))
    written.append(_write_bytes(folder / "README.md", card(facts, loaded).encode()))
    _remove_others(folder, {file.path for file in written})
    return written


def write_file(records: Iterable[Record], path: str | Path, format: str | None = None) -> WrittenFile:
    """Write one file, replacing what is there: .jsonl, .json or .csv (each may end in .gz), or .parquet.

    Args:
        records: a pool or a set; those without an answer have an empty output, or end with the user's turn.
        path: its ending says how rows are written.
        format: "alpaca", "sharegpt", "messages" (the default), "records" (lossless) for JSON; CSV holds alpaca
            rows.

    Raises:
        OutputError: the name does not tell how to write, the layout does not fit it or cannot hold a record,
            there is no record, or the file cannot be written.
        ValueError: a record has no request.
    """
    path = Path(path)
    ending, packed, layout = _file_layout(path, format)
    records = list(records) if isinstance(records, Iterator) else records
    facts = _surveyed(records, [layout], path, unanswered=True)
    if layout == "parquet":
        return _write_parquet(records, path, layout, facts)
    counted = _Rows(records, layout, facts)
    with whole_file(path) as file, _packing(file, packed) as stream:
        if ending == ".csv":
            _csv(counted, stream)
        elif ending == ".json":
            for index, item in enumerate(counted):
                stream.write((b",\n" if index else b"[\n") + orjson.dumps(item))
            stream.write(b"\n]\n")
        else:
            stream.writelines(orjson.dumps(item) + b"\n" for item in counted)
    return _written(path, facts.rows, counted.replaced)


def check_file_place(path: Path, format: str | None = None) -> None:
    """Make sure, before the work that leads to them, that records can be written to this file.

    Raises:
        OutputError: as `write_file`, for what can be told without the records.
    """
    _file_layout(path, format)
    part = part_of(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        part.touch()
        part.unlink()
    except OSError as error:
        raise cannot_write(path, error) from error


def _file_layout(path: Path, format: str | None) -> tuple[str, bool, str]:
    """The ending of a file without .gz, whether it has that, and the layout of its rows."""
    packed = path.name.lower().endswith(".gz")
    ending = os.path.splitext(path.name[:-3] if packed else path.name)[1].lower()
    if ending not in _FITTING or (packed and ending == ".parquet"):
        raise OutputError(
            f"{path}: the name does not tell how to write it: end it in .jsonl, .json, .csv or .parquet"
        )
    layout = format or _FITTING[ending][0]
    _known([layout], path, FILE_LAYOUTS)
    if layout not in _FITTING[ending]:
        raise OutputError(f"{path}: a {ending} file holds {', '.join(_FITTING[ending])} rows, not {layout}")
    return ending, packed, layout


class _Rows:
    """The records as rows of a layout; `replaced` counts the texts mended on the way."""

    def __init__(self, records: Iterable[Record], layout: str, facts: Survey) -> None:
        self.records, self.layout, self.facts = records, layout, facts
        self.replaced = 0

    def __iter__(self) -> Iterator[Row]:
        for record in self.records:
            record, replaced = mended(record)
            self.replaced += replaced
            yield row(record, self.layout, self.facts)


def _write_json_lines(
    records: Iterable[Record], path: Path, layout: str, facts: Survey, traps: JsonTraps
) -> WrittenFile:
    rows = _Rows(records, layout, facts)
    with whole_file(path) as file:
        for item in rows:
            line = orjson.dumps(item) + b"\n"
            file.write(line)
            traps.see(item, len(line))
    return _written(path, facts.rows, rows.replaced)


def _write_parquet(records: Iterable[Record], path: Path, layout: str, facts: Survey) -> WrittenFile:
    import pyarrow.parquet as pq

    rows, columns = _Rows(records, layout, facts), schema(layout, facts)
    with whole_file(path) as file, pq.ParquetWriter(file, columns, compression="zstd") as writer:
        left = iter(rows)
        while group := list(itertools.islice(left, _ROW_GROUP)):
            for batch in _batches(group, columns):
                writer.write_batch(batch)
    return _written(path, facts.rows, rows.replaced)


def _batches(rows: Sequence[Row], columns: pa.Schema) -> Iterator[pa.RecordBatch]:
    """Rows as one Arrow batch, or as several where their texts are too long for the offsets of one."""
    import pyarrow as pa

    try:
        arrays = [to_array([row[column.name] for row in rows], column.type) for column in columns]
    except OverflowError:
        if len(rows) == 1:
            raise
        half = len(rows) // 2
        yield from _batches(rows[:half], columns)
        yield from _batches(rows[half:], columns)
    else:
        yield pa.RecordBatch.from_arrays(arrays, schema=columns)


def _csv(rows: Iterable[Row], stream: BinaryIO) -> None:
    text = io.TextIOWrapper(stream, encoding="utf-8", newline="")
    # Every cell is quoted: unquoted, a lone carriage return would end the row.
    writer = csv.writer(text, quoting=csv.QUOTE_ALL, lineterminator="\n")
    for index, item in enumerate(rows):
        if index == 0:
            writer.writerow(item)
        writer.writerow(v if isinstance(v, str) else orjson.dumps(v).decode() for v in item.values())
    text.detach()


def _write_bytes(path: Path, data: bytes) -> WrittenFile:
    with whole_file(path) as file:
        file.write(data)
    return _written(path, 0, 0)


def _written(path: Path, rows: int, replaced: int) -> WrittenFile:
    with path.open("rb") as file:
        return WrittenFile(path, rows, hashlib.file_digest(file, "sha256").hexdigest(), replaced)


@contextlib.contextmanager
def _packing(file: BinaryIO, packed: bool) -> Iterator[BinaryIO]:
    if not packed:
        yield file
        return
    # No name and no time in the header: the same rows give the same bytes.
    with gzip.GzipFile(filename="", fileobj=file, mode="wb", mtime=0) as stream:
        yield cast(BinaryIO, stream)


def _known(layouts: Sequence[str], where: Path, known: Sequence[str] = LAYOUTS) -> None:
    if not layouts:
        raise OutputError(f"{where}: no format is asked for: choose of {', '.join(known)}")
    for layout in layouts:
        if layout not in known:
            near = difflib.get_close_matches(layout, known, 1)
            hint = f"did you mean {near[0]}?" if near else f"choose of {', '.join(known)}"
            raise OutputError(f"{where}: there is no output format {layout!r}: {hint}")


def _surveyed(
    records: Iterable[Record], layouts: Sequence[str], where: Path, *, unanswered: bool = False
) -> Survey:
    facts = survey(records, layouts, unanswered=unanswered)
    if not facts.rows:
        raise OutputError(f"{where}: there is no record to write: loosen the steps that dropped them")
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


def _file_name(layout: str) -> str:
    return f"{layout}/train.{'parquet' if layout == 'parquet' else 'jsonl'}"


def _remove_others(folder: Path, keep: Collection[Path]) -> None:
    """Remove the data files of an earlier export that this one did not write again."""
    ours = [*map(_file_name, LAYOUTS), *map(twin, LAYOUTS)]
    for path in (folder / name for name in ours):
        if path not in keep and path.is_file():
            with contextlib.suppress(OSError):
                path.unlink()
                path.parent.rmdir()
