"""The step that reads records from files, rows or documents."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Literal

from pydantic import Field, field_validator

from factory.data.document import document_of
from factory.data.documents.kinds import document_kind
from factory.data.documents.read import LARGEST, SECONDS, Limits, check_packages
from factory.data.formats.places import data_files
from factory.data.formats.python_objects import hub_records
from factory.data.formats.read import BadRow
from factory.data.formats.read_files import count_records, read_files
from factory.data.formats.shapes import SHAPES
from factory.data.named_files import named_file
from factory.data.record import Message, Record, record_id
from factory.errors import FactoryError
from factory.step import Context, Source


class Read(Source):
    """Read records: rows of JSONL, JSON, CSV, TSV, Parquet or Arrow files, packed ones too; or documents.

    The shape of a file is recognised by itself: Alpaca's instructions, ShareGPT's and OpenAI's conversations with
    tools, thoughts, pictures and weights, prompts with completions, preferences, KTO's labels, Open Assistant's trees,
    agents' trajectories and session logs (a session is one record). Columns that factory does not know stay in `meta`,
    and so does what is no turn. A row that cannot be read is set aside with its file, line and reason, and the others
    go on; one that is odd (two user turns in a row, an answer to a call that is not there) is kept, and told.
    Of a folder all parts are read in the order of their names; a part that cannot be read is set aside as a row is.
    `factory:seeds` names the seed tasks that ship with the package, `factory:seeds/chinese` those of that recipe, and
    hf:org/name or hf:org/name@tag a data set of the Hugging Face hub.

    Documents (.pdf .docx .epub .html .md .txt .ipynb, and the JSON of Docling and MinerU) are records of their own,
    for `chunk`: one for each, its text as Markdown, with title, headings and pages. Of a PDF, headers, footers and
    page numbers that repeat over the pages are left out, tables with rules become Markdown, headings are the
    outline's titles or lines of larger type. A folder of documents is read with those below it; one that holds rows
    too gives its rows, and tells. A document that is scanned, encrypted, broken, too large, or takes too long is set
    aside with a sentence, and the others go on. Nothing in a document is run or fetched; each is converted in a
    process apart. PDF, EPUB and HTML take the extra `docs`. Rows become documents by `text`, the column that
    holds theirs.

    Example:
        - read: {path: seeds.jsonl}
        - read: {path: docs/}
        - read: {path: pages.parquet, text: content}
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

    text: str = Field(
        "", description="the column of rows that holds the text of a document: each row is a document then"
    )
    document_seconds: float = Field(
        SECONDS, gt=0, description="most seconds that a document may take to be converted"
    )
    document_megabytes: float = Field(LARGEST, gt=0, description="most megabytes that a document may have")

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

    @property
    def _names(self) -> list[str]:
        return [self.path] if isinstance(self.path, str) else list(self.path)

    def _paths(self) -> list[Path]:
        return [named_file(name) for name in self._names if not name.startswith("hf:")]

    def paths(self) -> list[Path]:
        """The files to read, in order."""
        documents = not self.format and not self.text
        return [file for path in self._paths() for file in data_files(path, documents=documents)]

    def inputs(self) -> Sequence[Path]:
        """See `Source.inputs`; of documents in a folder, those that are empty are told when they are read."""
        named = set(self._paths())
        return [path for path in self.paths() if path.is_file() and (path in named or path.stat().st_size)]

    def check_ready(self) -> None:
        """See `Step.check_ready`."""
        if self.format or self.text:
            return
        for path in self.paths():
            check_packages([document_kind(path)], str(path))

    def is_slow(self) -> bool:
        """See `Source.is_slow`: where there are documents."""
        return not (self.format or self.text) and any(map(document_kind, self.paths()))

    def expected(self) -> int | None:
        """See `Source.expected`: all rows, those that cannot be read too; None of a pipe or a damaged file."""
        if len(self._paths()) < len(self._names):
            return None
        try:
            return count_records(
                self._paths(),
                format=self.format or None,
                shape=self.shape or None,
                encoding=self.encoding,
                text=self.text,
            )
        except FactoryError:  # said when it is read
            return None

    def records(self, context: Context) -> Iterator[Record]:
        """See `Source.records`."""
        for row in itertools.chain(self._of_files(context), self._of_hub()):
            if isinstance(row, BadRow):
                yield bad_row(row, context.step)
                continue
            document = document_of(row)
            if document is not None:
                context.count("documents")
                context.count("pages", len(document.pages))
                context.count("lines_removed", document.lines_removed)
                context.count("pages_without_text", len(document.pages_without_text))
            yield row

    def _of_files(self, context: Context) -> Iterator[Record | BadRow]:
        return read_files(
            self._paths(),
            format=self.format or None,
            shape=self.shape or None,
            encoding=self.encoding,
            text=self.text,
            limits=Limits(self.document_seconds, self.document_megabytes),
            tell=context.warn,
            notice=context.tell,
        )

    def _of_hub(self) -> Iterator[Record | BadRow]:
        for name in self._names:
            if name.startswith("hf:"):
                yield from hub_records(name, shape=self.shape or None, text=self.text)


def bad_row(row: BadRow, step: str) -> Record:
    """A row that is no record, as a record that was set aside: its text and why."""
    messages = (Message("user", row.text),)
    record = Record(id=record_id(messages, row.file, str(row.line)), messages=messages, source=row.file)
    return record.drop(step, "bad_row", row.sentence, {"line": row.line}, failed=True)
