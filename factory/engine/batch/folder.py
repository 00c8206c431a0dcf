"""A folder with the files of batches: which requests are out, what came back, what failed and how often."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import orjson

from factory.data.whole_file import cannot_write, put_in_place
from factory.engine.calls.watch import alike
from factory.engine.folder import locked
from factory.engine.journal.journal import Journal
from factory.errors import RecordFailed, RunStopped
from factory.models.base import ChatRequest, Reply
from factory.models.failures import TransientFailure
from factory.models.openai.batch_files import (
    REQUESTS,
    RESULTS,
    is_success,
    one_line,
    read_line,
    read_lines,
    read_reply,
    write_durably,
)

DONE = ".done"
FAILURES = "failures.jsonl"
"""Which requests failed, in which results file and why: so that none is asked for ever."""
TRIES = 3
"""How often a request is put into a batch before its record is set aside."""


@dataclass(frozen=True, slots=True)
class _Place:
    path: Path
    offset: int
    length: int
    success: bool


class BatchFolder:
    """A folder of request and result files, held against other processes until it is closed.

    outstanding: requests by custom_id that are in a file without results, with that file
    noted: custom_ids of requests that are to be written
    """

    def __init__(self, path: Path, warn: Callable[[str], None]) -> None:
        self.path = path
        self.outstanding: dict[str, Path] = {}
        self.noted: set[str] = set()
        self._warn = warn
        self._results: dict[str, _Place] = {}
        self._failures: dict[str, dict[str, tuple[str, str]]] = {}
        self._met: set[str] = set()
        self._answered: list[tuple[Path, set[str]]] = []
        self._counts: Counter[str] = Counter()
        self._reasons: dict[str, str] = {}
        self._held = ExitStack()
        try:
            path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise cannot_write(path, error, "name another folder as `batch`") from error
        self._held.enter_context(locked(path))
        self.read()

    def close(self) -> None:
        """Let other processes in."""
        self._held.close()

    def requests_of(self, name: str) -> list[Path]:
        """The request files of the model of this name, in their order."""
        return sorted(path for path in self.path.glob(f"*{REQUESTS}") if _numbered(name).match(path.name))

    def read(self) -> None:
        """Read which requests are out and what came back."""
        self.outstanding.clear()
        self._results.clear()
        self._answered.clear()
        requests = sorted(self.path.glob(f"*{REQUESTS}"))
        stems = {path.name.split(REQUESTS)[0] for path in self.path.glob(f"*{REQUESTS}*")}
        named: set[str] = set()
        for path in sorted(self.path.glob(f"*{RESULTS}")):
            named.add(path.name.removesuffix(RESULTS))
            self._read_results(path)
        # Results under a name of their own answer whichever file has a request of theirs.
        nameless = {
            custom_id
            for custom_id, place in self._results.items()
            if place.path.name.removesuffix(RESULTS) not in stems
        }
        for path in requests:
            ids = {line["custom_id"] for _, _, line in read_lines(path) if line is not None}
            if path.name.removesuffix(REQUESTS) in named or not ids.isdisjoint(nameless):
                self._answered.append((path, ids))
            else:
                self.outstanding.update(dict.fromkeys(ids, path))
        if (self.path / FAILURES).is_file():
            for _, _, line in read_lines(self.path / FAILURES):
                if line is not None:
                    failure = str(line.get("kind") or ""), str(line.get("reason") or "")
                    self._failures.setdefault(line["custom_id"], {})[str(line.get("file"))] = failure

    def _read_results(self, path: Path) -> None:
        unreadable = twice = 0
        for offset, length, line in read_lines(path):
            if line is None:
                unreadable += 1
                continue
            place = _Place(path, offset, length, is_success(line))
            known = self._results.get(line["custom_id"])
            twice += known is not None and known.success and place.success
            # A request that failed at first may have succeeded when the batch was run again.
            if known is None or (place.success and not known.success):
                self._results[line["custom_id"]] = place
        if unreadable:
            self._warn(
                f"{path}: {unreadable:,} lines cannot be read (a file may be cut off at its end), and what they "
                "answered is asked again"
            )
        if twice:
            self._warn(f"{path}: {twice:,} results answer a request that has one, and are left out")

    def check_alike(self, most: int) -> None:
        """Stop where the results that are new all failed alike, `most` of them or more: another batch would too.

        Raises:
            RunStopped: they did; says with which words.
        """
        fresh = [place for custom_id, place in self._results.items() if custom_id not in self._failures]
        if not most or len(fresh) < most or any(place.success for place in self._results.values()):
            return
        first, kinds = "", set()
        for place in fresh:
            try:
                read_reply(self._line(place))
            except (TransientFailure, RecordFailed) as error:
                first = first or str(error)
                kinds.add(alike(getattr(error, "kind", ""), str(error)))
            if len(kinds) > 1:
                return
        raise RunStopped(
            f"{fresh[0].path}: all {len(fresh):,} results failed alike: {one_line(first)}; mend it, remove that "
            "file to have them answered anew and run the same command again, or go on with --stop-after-alike 0"
        )

    def take(self, custom_id: str, request: ChatRequest | None = None) -> Reply | None:
        """The reply to a request, which it is read by; None where there is none and it has to be asked, or asked again.

        Raises:
            RecordFailed: the request can never succeed, or was tried often enough.
        """
        self._met.add(custom_id)
        place = self._results.get(custom_id)
        # A failure that was noted is not noted again; a file of the same name may hold a success by now.
        if place is not None and (place.success or place.path.name not in self._failures.get(custom_id, {})):
            try:
                return read_reply(self._line(place), request)
            except TransientFailure as error:
                self._fail(custom_id, place, "", str(error))
            except RecordFailed as error:
                self._fail(custom_id, place, error.kind, str(error))
        failures = self._failures.get(custom_id, {})
        for kind, reason in failures.values():
            if kind:
                raise RecordFailed(kind, reason)
        if len(failures) >= TRIES:
            raise RecordFailed("call_failed", f"no reply in {len(failures)} batches: {reason}")
        return None

    def _line(self, place: _Place) -> dict[str, object]:
        try:
            with place.path.open("rb") as file:
                file.seek(place.offset)
                line = read_line(file.read(place.length))
        except OSError as error:
            raise RunStopped(f"{place.path}: cannot be read ({error.strerror or error})") from error
        if line is None:
            raise RunStopped(f"{place.path} changed while it was read: run the same command again")
        return line

    def _fail(self, custom_id: str, place: _Place, kind: str, reason: str) -> None:
        reason = one_line(reason)
        self._failures.setdefault(custom_id, {})[place.path.name] = kind, reason
        final = "refused" if kind else "failed"
        self._counts[final] += 1
        self._reasons.setdefault(final, reason)

    def free_names(self, name: str) -> Iterator[Path]:
        """Paths for request files, numbered on from what is there."""
        numbered = _numbered(name)
        there = [int(match[1]) for entry in self.path.iterdir() if (match := numbered.match(entry.name))]
        number = max(there, default=0)
        while True:
            number += 1
            yield self.path / f"{_safe(name)}-{number}{REQUESTS}"

    def settle(self, journal: Journal) -> None:
        """Rename what was taken in to *.done, after the journal and the new request files have all of it.

        Raises:
            OutputError: the folder cannot be written.
        """
        if self._counts["failed"]:
            why = self._reasons["failed"]
            self._warn(
                f"{self._counts['failed']:,} requests got no reply in a batch (the first: {why}), and are asked "
                f"again, {TRIES} times in all"
            )
        if self._counts["refused"]:
            self._warn(
                f"{self._counts['refused']:,} requests were refused for good (the first: "
                f"{self._reasons['refused']}); remove {self.path / FAILURES} to ask them again"
            )
        if self._counts:
            self._write_failures()
        strange: Counter[Path] = Counter(
            place.path for custom_id, place in self._results.items() if not self._settled(custom_id, journal)
        )
        # Requests first: results that are still there are read again, and known to be taken in.
        for path, ids in self._answered:
            if all(self._settled(custom_id, journal) for custom_id in ids):
                _rename(path)
        for path in sorted(self.path.glob(f"*{RESULTS}")):
            if strange[path]:
                self._warn(
                    f"{path}: {strange[path]:,} results answer no call of this run; the file is left as it is"
                )
            else:
                _rename(path)

    def _settled(self, custom_id: str, journal: Journal) -> bool:
        if custom_id in self._met:
            return True
        try:
            return journal.get(bytes.fromhex(custom_id)) is not None
        except ValueError:
            return False

    def _write_failures(self) -> None:
        lines = (
            orjson.dumps(
                {"custom_id": custom_id, "file": file, "kind": kind, "reason": reason},
                option=orjson.OPT_APPEND_NEWLINE,
            )
            for custom_id, failures in sorted(self._failures.items())
            for file, (kind, reason) in failures.items()
        )
        write_durably(self.path / FAILURES, lines)


def _safe(name: str) -> str:
    return re.sub(r"[^\w-]", "_", name)[:80] or "model"


def _numbered(name: str) -> re.Pattern[str]:
    return re.compile(re.escape(_safe(name)) + r"-(\d{1,9})\.")


def _rename(path: Path) -> None:
    try:
        put_in_place(path, path.with_name(path.name + DONE))
    except OSError as error:
        raise cannot_write(path, error) from error
