"""The step that reads records from files."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Literal

from pydantic import Field, field_validator

from factory.data.formats.read import BadRow
from factory.data.formats.read_files import count_records, read_files
from factory.data.formats.shapes import SHAPES
from factory.data.named_files import named_file, named_files
from factory.data.record import Message, Record, record_id
from factory.errors import FactoryError
from factory.step import Context, Source


class Read(Source):
    """Read records from JSONL, JSON, CSV, TSV, Parquet or Arrow files, packed ones too (gzip, bzip2, xz, zstd).

    The shape of a file is recognised by itself: Alpaca's instructions, ShareGPT's and OpenAI's conversations with
    tools, thoughts, pictures and weights, prompts with completions, preferences, KTO's labels, Open Assistant's trees,
    agents' trajectories and session logs (a session is one record). Columns that factory does not know stay in `meta`,
    and so does what is no turn. A row that cannot be read is set aside with its file, line and reason, and the others
    go on; one that is odd (two user turns in a row, an answer to a call that is not there) is kept, and told.
    Of a folder all parts are read in the order of their names; a part that cannot be read is set aside as a row is.
    `factory:seeds` names the seed tasks that ship with the package, `factory:seeds/chinese` those of that recipe.

    Example:
        - read: {path: seeds.jsonl}
    """

    name = "read"

    path: str | tuple[str, ...] = Field(
        description="the file, a folder of them, a pattern such as data/*.jsonl, or a list of these; relative to the "
        "current folder"
    )
    format: Literal["", "jsonl", "json", "csv", "tsv", "parquet", "arrow"] = Field(
        "", description="the file format; empty: what the file's name and first bytes say"
    )
    shape: str = Field(
        "", description=f"the shape of the rows: {', '.join(SHAPES)}; empty: recognised from the first rows"
    )

    encoding: str = Field(
        "",
        description="what text is in, such as gb18030 or cp1252; empty: UTF-8, or what the file's mark says",
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

    def _paths(self) -> list[Path]:
        return [named_file(name) for name in ([self.path] if isinstance(self.path, str) else self.path)]

    def paths(self) -> list[Path]:
        """The files to read, in order."""
        return named_files(self.path)

    def inputs(self) -> Sequence[Path]:
        """See `Source.inputs`."""
        return [path for path in self.paths() if path.is_file()]

    def expected(self) -> int | None:
        """See `Source.expected`: all rows, those that cannot be read too; None of a pipe or a damaged file."""
        try:
            return count_records(
                self._paths(), format=self.format or None, shape=self.shape or None, encoding=self.encoding
            )
        except FactoryError:  # said when it is read
            return None

    def records(self, context: Context) -> Iterator[Record]:
        """See `Source.records`."""
        for row in read_files(
            self._paths(),
            format=self.format or None,
            shape=self.shape or None,
            encoding=self.encoding,
            tell=context.warn,
        ):
            yield bad_row(row, context.step) if isinstance(row, BadRow) else row


def bad_row(row: BadRow, step: str) -> Record:
    """A row that is no record, as a record that was set aside: its text and why."""
    messages = (Message("user", row.text),)
    record = Record(id=record_id(messages, row.file, str(row.line)), messages=messages, source=row.file)
    return record.drop(
        step, "bad_row", f"{row.file}:{row.line}: {row.reason}", {"line": row.line}, failed=True
    )
