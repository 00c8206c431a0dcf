"""Calls that are written to files for a batch and answered by files: nothing is sent from here.

A call that the journal cannot answer is written down, and its record waits. When every other record has gone
as far as it can, all that was written down becomes request files and the run stops. The next run takes the
results in, each under the key of its call, and goes on: to the calls that follow, or to the end.

Results are joined to calls, not put into the journal as they stand: a line whose custom_id is the key of no
call that the recipe makes of a batch model has no effect.

Source: OpenAI's Batch API, and vLLM's `run-batch`, which reads and writes its files.
"""

from __future__ import annotations

import shlex
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, TYPE_CHECKING

from factory.engine.journal.journal import Journal
from factory.errors import RunStopped
from factory.models.base import ChatRequest, Reply, TokenLogprobs
from factory.models.openai.chat import OpenAIBodies
from factory.models.options import OpenAIOptions

# A run without a batch, which is nearly every one, does not wait for these imports.
if TYPE_CHECKING:
    from factory.engine.batch.folder import BatchFolder

SHOWN = 5
"""Request files that the sentence at the end names."""


class CallWaits(BaseException):
    """The reply will come with a batch. No `Exception`: no step may take it for a failure of its own."""


class BatchWaiting(RunStopped):
    """All that is left to do waits for the replies of batches."""


def is_waiting(error: BaseException) -> bool:
    """Whether a step ended because a call of it waits, alone or in a group of tasks."""
    if isinstance(error, BaseExceptionGroup):
        return error.subgroup(CallWaits) is not None
    return isinstance(error, CallWaits)


class BatchChat:
    """A `ChatProvider` that sends nothing: it knows replies that came with a batch, and notes what has none.

    What is noted goes to a file without a name at once, so that memory holds a key and a place for each.
    """

    def __init__(self, name: str, options: OpenAIOptions, folder: BatchFolder) -> None:
        self._bodies = OpenAIBodies(options)
        self.identity = self._bodies.identity
        self.concurrency = options.concurrency
        self.model = options.model
        self.name = name
        self.again: dict[str, Path] = {}
        self._folder = folder
        self._noted: dict[str, tuple[int, int]] = {}
        self._taken = 0
        self._spool: IO[bytes] | None = None

    @property
    def waiting(self) -> int:
        """Calls of this run that wait, those in files that were written before counted."""
        return len(self._noted) + len(self.again)

    @property
    def ahead(self) -> int:
        """Requests noted in this run less replies taken in, which an earlier run wrote the requests for."""
        return len(self._noted) - self._taken

    def take(self, key: bytes, request: ChatRequest) -> Reply:
        """The reply to the call of this key.

        Raises:
            CallWaits: there is none yet; the request is noted.
            RecordFailed: there will be none.
        """
        from factory.models.openai.batch_files import request_line

        custom_id = key.hex()
        reply = self._folder.take(custom_id)
        if reply is not None:
            self._taken += 1
            return reply
        if custom_id in self._folder.outstanding:
            self.again[custom_id] = self._folder.outstanding[custom_id]
        elif custom_id not in self._folder.noted:
            self._note(custom_id, request_line(custom_id, self._bodies.body(request)))
        raise CallWaits

    def _note(self, custom_id: str, line: bytes) -> None:
        try:
            if self._spool is None:
                self._spool = tempfile.TemporaryFile(dir=self._folder.path)  # noqa: SIM115
            offset = self._spool.seek(0, 2)
            self._spool.write(line)
        except OSError as error:
            raise RunStopped(
                f"{self._folder.path}: cannot be written ({error.strerror or error}); free some space"
            ) from error
        self._noted[custom_id] = offset, len(line)
        self._folder.noted.add(custom_id)

    def write(self) -> list[Path]:
        """Write what was noted to request files, in the order of the keys; those where this run's calls wait."""
        from factory.models.openai.batch_files import write_requests

        def lines() -> Iterator[bytes]:
            assert self._spool is not None
            for _, (offset, length) in sorted(self._noted.items()):
                self._spool.seek(offset)
                yield self._spool.read(length)

        written = write_requests(lines(), self._folder.free_names(self.name)) if self._noted else []
        return [*sorted(set(self.again.values())), *written]

    async def send(self, request: ChatRequest) -> Reply:
        """Nothing is sent: see `take`."""
        raise RunStopped(f"model `{self.name}` is asked by batch, which this way of asking cannot be")

    async def score_text(self, text: str) -> TokenLogprobs:
        """No batch format has a place for it."""
        raise RunStopped(f"model `{self.name}` cannot score a given text by batch: leave `batch` out")

    async def close(self) -> None:
        """Remove what was noted and not written."""
        if self._spool is not None:
            self._spool.close()


class Batches:
    """The batch models of a run, and their folders."""

    def __init__(self, journal: Journal, warn: Callable[[str], None]) -> None:
        self._journal = journal
        self._warn = warn
        self._folders: dict[Path, BatchFolder] = {}
        self._chats: list[BatchChat] = []

    def chat(self, name: str, options: OpenAIOptions) -> BatchChat:
        """The model of this name; results in its folder are read when the first model asks for them.

        Raises:
            OutputError: the folder cannot be used, or another process does.
        """
        from factory.engine.batch.folder import BatchFolder

        assert options.batch is not None
        path = Path(options.batch)
        known = path.resolve()
        if known not in self._folders:
            self._folders[known] = BatchFolder(path, self._warn)
        chat = BatchChat(name, options, self._folders[known])
        self._chats.append(chat)
        return chat

    @property
    def waiting(self) -> int:
        """Calls that wait."""
        return sum(chat.waiting for chat in self._chats)

    @property
    def ahead(self) -> int:
        """By how many the requests that this run writes are more than the replies that it counts as its calls."""
        return sum(chat.ahead for chat in self._chats)

    def settle(self) -> None:
        """Put aside what was taken in; where calls wait, write their request files first.

        Raises:
            BatchWaiting: calls wait: how many, in which files, and how to go on.
            OutputError: a folder cannot be written.
        """
        waiting = [(chat, chat.write()) for chat in self._chats if chat.waiting]
        for folder in self._folders.values():
            folder.settle(self._journal)
        if waiting:
            raise BatchWaiting(_sentence(waiting))

    def close(self) -> None:
        """Let go of the folders."""
        for folder in self._folders.values():
            folder.close()


def _sentence(waiting: list[tuple[BatchChat, list[Path]]]) -> str:
    from factory.engine.batch.folder import REQUESTS, RESULTS

    count = sum(chat.waiting for chat, _ in waiting)
    waits = "1 request waits" if count == 1 else f"{count:,} requests wait"
    files = [(path, chat.model) for chat, paths in waiting for path in paths]
    shown = ", ".join(str(path) for path, _ in files[:SHOWN])
    more = f" and {len(files) - SHOWN:,} more" if len(files) > SHOWN else ""
    first, model = files[0]
    results = first.with_name(first.name.removesuffix(REQUESTS) + RESULTS)
    return (
        f"{waits} for a batch in {shown}{more}: run each file "
        f"(vllm run-batch -i {shlex.quote(str(first))} "
        f"-o {shlex.quote(str(results))} --model {shlex.quote(model)}), or give it to a Batch API and save its "
        f"results as {results.name} in the same folder, then run the same command again"
    )
