"""Looking at a sample of what a person has: how much there is, in which language, and of what kind."""

from __future__ import annotations

import itertools
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from factory.data.document import document_of
from factory.data.documents.kinds import document_kind
from factory.data.documents.read import DocumentReader, Limits, check_packages
from factory.data.formats.places import data_files
from factory.data.formats.read import BadRow
from factory.data.formats.read_files import count_records, read_files
from factory.data.record import Record
from factory.data.text import estimate_tokens, is_blank
from factory.errors import InputError
from factory.statistics.interval import mean_interval

DOCUMENTS, ROWS = 12, 200
"""Documents and rows that are looked at."""
SECONDS = 30.0
"""Seconds that each of those documents may take."""

_STEP = re.compile(
    r"^\s*(?:\d{1,2}[.)、．]|[一二三四五六七八九十]+、|(?:step|步骤)\s*\d+)\s*\S",
    re.IGNORECASE | re.MULTILINE,
)
_TABLE = re.compile(r"^\s*\|.*\|\s*$", re.MULTILINE)

Item = TypeVar("Item")


@dataclass(slots=True)
class DocumentSample:
    """A look at documents.

    files: how many there are, by kind; looked_at: how many were read; unread: why others were not, a sentence each
    tokens: about how many all of them have, with the 95 % interval: of those looked at exactly, of the others by them
    steps, tables: the shares of lines that are numbered steps, and rows of a table
    languages: of those read, by their tokens
    """

    files: Counter[str]
    looked_at: int = 0
    unread: list[str] = field(default_factory=list)
    tokens: tuple[int, int, int] = (0, 0, 0)
    steps: float = 0.0
    tables: float = 0.0
    languages: Counter[str] = field(default_factory=Counter)

    @property
    def language(self) -> str:
        """The language that most of the text is in, "" where none was read."""
        return max(self.languages, key=lambda name: self.languages[name], default="")


@dataclass(slots=True)
class RowSample:
    """A look at rows.

    rows: how many there are, None where that is not cheap to tell; looked_at: how many were read
    answered, several_turns: how many of those have an answer, and more than one exchange
    """

    rows: int | None
    looked_at: int = 0
    answered: int = 0
    several_turns: int = 0
    unread: list[str] = field(default_factory=list)
    languages: Counter[str] = field(default_factory=Counter)

    @property
    def language(self) -> str:
        """The language that most rows are in, "" where none was read."""
        return max(self.languages, key=lambda name: self.languages[name], default="")


def look_at(place: Path) -> DocumentSample | RowSample:
    """A look at the files of a place: documents where it holds some, else rows.

    Raises:
        InputError: there is nothing that can be read.
        MissingDependency: its documents take a package that is not installed.
    """
    if str(place).startswith("hf:"):
        raise InputError(
            f"{place}: a data set of the hub is not looked at: plan from a file of some of its rows, and "
            "name the data set in the recipe's `read` then"
        )
    if not place.exists() and not any(sign in str(place) for sign in "*?["):
        raise InputError(
            f"{place}: there is no such file or folder: check the name, or leave it out to plan from a brief"
        )
    paths = data_files(place, documents=True)
    kinds = [document_kind(path) for path in paths]
    return _documents(paths, kinds) if paths and all(kinds) else _rows(place)


def _documents(paths: Sequence[Path], kinds: Sequence[str]) -> DocumentSample:
    sample = DocumentSample(Counter(kinds))
    check_packages(sample.files, str(paths[0]))
    chosen = spread(paths, DOCUMENTS)
    reader = DocumentReader("", Limits(SECONDS), _silent, _silent)
    lines = steps = tables = 0
    tokens: list[int] = []
    try:
        for found in reader.read(chosen):
            if isinstance(found, BadRow):
                sample.unread.append(found.reason)
                continue
            about = document_of(found)
            assert about is not None
            text = found.prompt
            own = estimate_tokens(text)
            sample.looked_at += 1
            sample.languages[found.language] += own
            tokens.append(own)
            lines += sum(not is_blank(line) for line in text.splitlines())
            steps += len(_STEP.findall(text))
            tables += len(_TABLE.findall(text))
    finally:
        reader.close()
    if not any(tokens):
        raise InputError(
            f"{chosen[0].parent}: no document has a text: {'; '.join(sample.unread[:2]) or 'all are empty'}"
        )
    unseen = len(paths) - len(chosen)
    mean, sure = sum(tokens) / len(chosen), mean_interval([*tokens, *[0] * len(sample.unread)])
    low, high = sure or (0.0, 2 * mean)
    sample.tokens = tuple(  # type: ignore[assignment]
        round(sum(tokens) + unseen * max(0.0, each)) for each in (mean, low, high)
    )
    sample.steps, sample.tables = steps / max(1, lines), tables / max(1, lines)
    return sample


def _rows(place: Path) -> RowSample:
    sample = RowSample(count_records([place]))
    for row in _first(read_files([place], tell=_silent, notice=_silent), ROWS):
        if isinstance(row, BadRow):
            sample.unread.append(row.reason)
            continue
        sample.looked_at += 1
        sample.answered += row.answered
        sample.several_turns += sum(turn.role == "user" for turn in row.messages) > 1
        sample.languages[row.language] += 1
    if not sample.looked_at:
        raise InputError(f"{place}: no row can be read: {'; '.join(sample.unread[:2])}")
    return sample


def _first(rows: Iterator[Record | BadRow], number: int) -> Iterator[Record | BadRow]:
    return itertools.islice(rows, number)


def spread(items: Sequence[Item], number: int) -> list[Item]:
    """Up to `number` of them, evenly spread, the first and the last among them."""
    if len(items) <= number:
        return list(items)
    return [items[at * (len(items) - 1) // (number - 1)] for at in range(number)]


def _silent(sentence: str) -> None:
    """A run says it when it comes to it."""
