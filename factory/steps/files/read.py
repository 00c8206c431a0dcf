"""The step that reads records from files."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Literal

from pydantic import Field, field_validator

from factory.data.formats.files import base_name, byte_lines, file_format
from factory.data.formats.read import BadRow, read_records
from factory.data.formats.shapes import SHAPES
from factory.data.record import Message, Record, record_id
from factory.step import Context, Source, named_files


class Read(Source):
    """Read records from JSONL, JSON, CSV, TSV or Parquet files, gzip too.

    The shape of a file is recognised by itself: Alpaca's instructions, ShareGPT's and OpenAI's conversations with
    tools, thoughts, pictures and weights, prompts with completions, preferences, KTO's labels, Open Assistant's trees,
    agents' trajectories and session logs (a session is one record). Columns that factory does not know stay in `meta`,
    and so does what is no turn. A row that cannot be read is set aside with its file, line and reason, and the others
    go on; one that is odd (two user turns in a row, an answer to a call that is not there) is kept, and told.
    `factory:seeds` names the seed tasks that ship with the package.

    Example:
        - read: {path: seeds.jsonl}
    """

    name = "read"

    path: str | tuple[str, ...] = Field(
        description="the file, or a list of files; relative to the current folder"
    )
    format: Literal["", "jsonl", "json", "csv", "tsv", "parquet"] = Field(
        "", description="the file format; empty: what the file's name says"
    )
    shape: str = Field(
        "", description=f"the shape of the rows: {', '.join(SHAPES)}; empty: recognised from the first rows"
    )

    @field_validator("shape")
    @classmethod
    def _known(cls, shape: str) -> str:
        if shape and shape not in SHAPES:
            raise ValueError(f"there is no shape {shape!r}: choose one of {', '.join(SHAPES)}")
        return shape

    @field_validator("path")
    @classmethod
    def _not_empty(cls, path: str | tuple[str, ...]) -> str | tuple[str, ...]:
        if not path or not all([path] if isinstance(path, str) else path):
            raise ValueError("name at least one file")
        return path

    def paths(self) -> list[Path]:
        """The files to read, in order."""
        return named_files(self.path)

    def inputs(self) -> Sequence[Path]:
        """See `Source.inputs`."""
        return [path for path in self.paths() if path.is_file()]

    def expected(self) -> int | None:
        """See `Source.expected`: lines of JSONL files, which are counted fast."""
        total = 0
        for path in self.paths():
            if (self.format or file_format(path)) != "jsonl" or not path.is_file():
                return None
            total += sum(1 for line in byte_lines(path) if not line.isspace())
        return total

    def records(self, context: Context) -> Iterator[Record]:
        """See `Source.records`."""
        named: set[str] = set()
        for path in self.paths():
            source = base_name(path)
            if source in named and path.parent.name:  # files of one name in two folders are two sources
                source = f"{path.parent.name}/{source}"
            first, number = source, 1
            while source in named:
                number += 1
                source = f"{first} ({number})"
            named.add(source)
            for row in read_records(
                path, format=self.format or None, shape=self.shape or None, source=source, tell=context.warn
            ):
                yield bad_row(row, context.step) if isinstance(row, BadRow) else row


def bad_row(row: BadRow, step: str) -> Record:
    """A row that is no record, as a record that was set aside: its text and why."""
    messages = (Message("user", row.text),)
    record = Record(id=record_id(messages, row.file, str(row.line)), messages=messages, source=row.file)
    return record.drop(
        step, "bad_row", f"{row.file}:{row.line}: {row.reason}", {"line": row.line}, failed=True
    )
