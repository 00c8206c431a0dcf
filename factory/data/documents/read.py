"""Documents as records, one at a time; one that cannot be read is told apart, and the others go on."""

from __future__ import annotations

import importlib.util
import math
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from factory.data.document import Document, document_record
from factory.data.documents.convert import PACKAGES
from factory.data.documents.converted import Converted
from factory.data.documents.kinds import ENDINGS, document_kind
from factory.data.formats.files import shown_path
from factory.data.formats.read import BadRow
from factory.data.process_apart import ENDING, ProcessApart
from factory.data.record import Record
from factory.errors import MissingDependency

SECONDS = 120.0
"""Seconds that a document may take to be converted, unless told otherwise."""
LARGEST = 200
"""Megabytes that a document may have, unless told otherwise."""
TEXTLESS = "pages without text, as where they were scanned (recognise their text first to have it)"
UNREAD = "pages that are damaged and left out (fetch the file again, or print it as a new PDF)"
REMOVED = "headers, footers and page numbers left out"
_STARTING = 60.0  # seconds
_GRACE = 5.0
_NAMED = 5  # pages that a sentence names
_BROKE = "broke its converter, which ended without a word: open it and save it anew"
_CODE = "from factory.data.documents.convert import main; main()"
_FORMATS = {"docling": "json", "mineru": "json"}


@dataclass(frozen=True, slots=True)
class Limits:
    """What a document may take: `seconds` to be converted, and `megabytes` as a file."""

    seconds: float = SECONDS
    megabytes: float = LARGEST


class DocumentReader:
    """Reads one document after another, in a process apart; `close` ends it and tells what was odd.

    warn, tell: are told one sentence for each kind of oddity, with its counts, when all is read; `warn` of what asks
        for a look, such as pages without text
    """

    def __init__(
        self, encoding: str, limits: Limits, warn: Callable[[str], None], tell: Callable[[str], None]
    ) -> None:
        self._encoding, self._limits, self._warn, self._tell = encoding, limits, warn, tell
        self._process = ProcessApart(_CODE)
        self._seen: Counter[bytes] = Counter()
        self._odd: dict[str, Counter[str]] = {}
        self._pages: dict[str, str] = {}

    def read(self, paths: Iterable[Path]) -> Iterator[Record | BadRow]:
        """The records of documents; the next one is converted while one is worked on.

        Raises:
            MissingDependency: a document takes a package that is not installed.
        """
        waiting = iter(paths)
        job = self._sent(next(waiting, None))
        while job is not None:
            found = self._received(job)
            if isinstance(found, BadRow) and (ending := ENDING.get()) is not None and ending.over:
                return  # who waits for it has stopped
            job = self._sent(next(waiting, None))
            yield found

    def close(self) -> None:
        """End the process, and tell what was odd in documents."""
        self._process.end()
        for what, files in sorted(self._odd.items()):
            first = next(iter(files)) + self._pages.get(what, "")
            more = f" and {len(files) - 1:,} more" if len(files) > 1 else ""
            tell = self._warn if what in (TEXTLESS, UNREAD) else self._tell
            tell(f"{first}{more}: {what}: {files.total():,}")
        self._odd.clear()

    def _sent(self, path: Path | None) -> _Job | None:
        """Begins to read a document."""
        if path is None:
            return None
        name, kind = shown_path(path), document_kind(path)
        if (named := ENDINGS.get(path.suffix.lower(), kind)) != kind:
            self._tell(f"{name}: is named as {named}, but holds {kind}, and is read so")
        problem = self._problem(path)
        first = not self._process.running
        if not problem:
            check_packages([kind], name)
            if first:
                self._start()
            self._process.send(
                {"path": str(path), "kind": kind, "encoding": self._encoding, "seconds": self._limits.seconds}
            )
        return _Job(name, kind, problem, first)

    def _problem(self, path: Path) -> str:
        """Why a file is not read at all, "" where it is."""
        try:
            size = path.stat().st_size
        except (OSError, ValueError) as error:
            return (
                f"cannot be read ({getattr(error, 'strerror', '') or error}): check the name and its rights"
            )
        if size == 0:
            return "is empty"
        if size > self._limits.megabytes * 1e6:
            return (
                f"has {size / 1e6:,.0f} MB, more than the {self._limits.megabytes:,g} that a document may have: write "
                f"document_megabytes: {math.ceil(size / 1e6)} to read it"
            )
        return ""

    def _start(self) -> None:
        try:
            self._process.start()
        except OSError as error:
            raise MissingDependency(
                f"no process can be started to read documents in ({error.strerror})"
            ) from None

    def _received(self, job: _Job) -> Record | BadRow:
        if job.problem:
            return BadRow(job.name, 0, f"{job.name} {job.problem}", "")
        began, most = time.monotonic(), self._limits.seconds + (_STARTING if job.first else _GRACE)
        told = self._process.receive(most)
        if told is None:
            # The process has an alarm of its own, and is ended where it does not heed that.
            late = self._process.signal == signal.SIGALRM or time.monotonic() - began >= most
            return BadRow(job.name, 0, f"{job.name} {self._too_long() if late else _BROKE}", "")
        if "reason" in told:
            return BadRow(job.name, 0, f"{job.name} {told['reason']}", "")
        return self._record(job, Converted.from_json(told["converted"]))

    def _too_long(self) -> str:
        return (
            f"took more than {self._limits.seconds:g} s to convert: write document_seconds: "
            f"{self._limits.seconds * 5:g} to give it more time, or save it anew"
        )

    def _record(self, job: _Job, found: Converted) -> Record:
        text = found.text.encode("utf-8", "replace").decode()
        odd = {**found.odd, REMOVED: found.lines_removed}
        for what, pages in ((TEXTLESS, found.pages_without_text), (UNREAD, found.pages_unread)):
            odd[what] = len(pages)
            if pages:
                self._pages.setdefault(what, _page_numbers(pages))
        for what, number in odd.items():
            if number:
                self._odd.setdefault(what, Counter())[job.name] += number
        about = Document(
            job.name,
            _FORMATS.get(job.kind, job.kind),
            found.title,
            tuple(found.headings),
            tuple(found.pages),
            found.converter,
            found.lines_removed,
            tuple(found.pages_without_text),
        )
        made = document_record(text, about)
        key = bytes.fromhex(made.id)
        occurrence = self._seen[key]
        self._seen[key] += 1
        made = document_record(text, about, occurrence=occurrence) if occurrence else made
        return replace(made, place=job.name)


@dataclass(frozen=True, slots=True)
class _Job:
    name: str
    kind: str
    problem: str
    first: bool


def _page_numbers(pages: Sequence[int]) -> str:
    """ " (page 3)" or " (pages 3, 4 and 9 more)"."""
    named = ", ".join(map(str, pages[:_NAMED]))
    more = f" and {len(pages) - _NAMED:,} more" if len(pages) > _NAMED else ""
    return f" (page{'s' * (len(pages) > 1)} {named}{more})"


def check_packages(kinds: Iterable[str], name: str) -> None:
    """Raise where a kind of document takes a package that is not installed; `name` is that of one of them.

    Raises:
        MissingDependency: so it is.
    """
    for kind in kinds:
        for package in PACKAGES.get(kind, ()):
            if importlib.util.find_spec(package) is None:
                raise MissingDependency(f"reading {name} takes {package}: pip install 'sft-factory[docs]'")
