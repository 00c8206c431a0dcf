"""Batch mode: writes requests to files and reads results from files. Nothing is sent from here.

1. A call that the journal cannot answer is noted, and its record waits.
2. When no other record can go further, the run writes the noted calls as request files and stops.
3. The next run reads the result files. It matches each result to its call by the call's key (`custom_id`) and
   goes on, to the end or to further calls, which are again noted.

The journal gets only results that match a call. A result whose `custom_id` is the key of no call that this
recipe makes has no effect.

Source: OpenAI's Batch API, and vLLM's `run-batch`, which reads and writes its files.
"""

from __future__ import annotations

import shlex
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import IO, TYPE_CHECKING

from factory.data.record import Message
from factory.engine.journal.journal import Journal
from factory.errors import BatchWaiting, RunStopped
from factory.models.base import ChatRequest, Reply, TokenLogprobs
from factory.models.openai.chat import OpenAIBodies
from factory.models.opening import Opening
from factory.models.options import OpenAIOptions

# A run without a batch, which is nearly every one, does not wait for these imports.
if TYPE_CHECKING:
    from factory.engine.batch.folder import BatchFolder
    from factory.models.openai.batch_api import BatchAPI

SHOWN = 5
"""Request files that the sentence at the end names."""


class CallWaits(BaseException):
    """The reply will come with a batch.

    A BaseException, so that a step which catches `Exception` does not take it for a failed call.
    """


def is_waiting(error: BaseException) -> bool:
    """Whether this error is a `CallWaits`, or a group of tasks that holds one."""
    if isinstance(error, BaseExceptionGroup):
        return error.subgroup(CallWaits) is not None
    return isinstance(error, CallWaits)


class BatchChat:
    """A `ChatProvider` in batch mode: it answers from result files and notes requests that have no result yet.

    The body of a noted request goes to an unnamed temporary file at once. Memory holds only its key and its
    position in that file.
    """

    def __init__(self, name: str, options: OpenAIOptions, folder: BatchFolder) -> None:
        self._bodies = OpenAIBodies(options)
        self.identity = self._bodies.identity
        self.concurrency = options.concurrency
        self.model = options.model
        self.name = name
        self.again: dict[str, Path] = {}
        self.server: BatchAPI | None = None
        self._folder = folder
        self._noted: dict[str, tuple[int, int]] = {}
        self._taken = 0
        self._spool: IO[bytes] | None = None

    @property
    def waiting(self) -> int:
        """Number of calls that wait: noted in this run, or in request files of an earlier run."""
        return len(self._noted) + len(self.again)

    @property
    def ahead(self) -> int:
        """Requests noted in this run, minus results read in it (whose requests an earlier run wrote)."""
        return len(self._noted) - self._taken

    def take(self, key: bytes, request: ChatRequest) -> Reply:
        """The result for the call with this key.

        Raises:
            CallWaits: there is no result yet; the request is noted.
            RecordFailed: the batch answered this call with an error.
        """
        from factory.models.openai.batch_files import request_line

        custom_id = key.hex()
        reply = self._folder.take(custom_id, request)
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

    def fetch(self, server: BatchAPI) -> None:
        """Fetch what the batches of an earlier run gave, from the server that will get those of this one.

        Raises:
            RunStopped: the server cannot be asked, or refused a batch for good.
        """
        self.server = server
        if server.fetch(self._folder.requests_of(self.name)):
            self._folder.read()

    def write(self) -> list[Path]:
        """Write the noted requests to request files, in order of their keys.

        Returns every request file in which a call of this run waits, older files too.
        """
        from factory.models.openai.batch_files import write_requests

        def lines() -> Iterator[bytes]:
            assert self._spool is not None
            for _, (offset, length) in sorted(self._noted.items()):
                self._spool.seek(offset)
                yield self._spool.read(length)

        written = write_requests(lines(), self._folder.free_names(self.name)) if self._noted else []
        return [*sorted(set(self.again.values())), *written]

    async def send(self, request: ChatRequest) -> Reply:
        """Always raises: in batch mode a call is answered by `take`."""
        raise RunStopped(f"model `{self.name}` is asked by batch, which this way of asking cannot be")

    async def score_text(self, text: str) -> TokenLogprobs:
        """Always raises: batch formats cannot score a given text."""
        raise RunStopped(f"model `{self.name}` cannot score a given text by batch: leave `batch` out")

    async def user_opening(self, messages: Sequence[Message]) -> Opening:
        """Always raises: batch formats take conversations alone."""
        raise RunStopped(f"model `{self.name}` cannot write a user's turn by batch: leave `batch` out")

    async def close(self) -> None:
        """Delete the temporary file, with requests that were noted and not written."""
        if self._spool is not None:
            self._spool.close()


class Batches:
    """All models of a run that are in batch mode, and the folders of their request and result files."""

    def __init__(
        self, journal: Journal, warn: Callable[[str], None], stop_after_alike: Callable[[], int] = lambda: 0
    ) -> None:
        self._journal = journal
        self._stop_after_alike = stop_after_alike
        self._warn = warn
        self._folders: dict[Path, BatchFolder] = {}
        self._chats: list[BatchChat] = []

    def chat(self, name: str, options: OpenAIOptions) -> BatchChat:
        """The batch model of this name. Result files of its folder are read when the folder is first used.

        Raises:
            OutputError: the folder cannot be used, or another process uses it.
            RunStopped: all of its results failed alike.
        """
        from factory.engine.batch.folder import BatchFolder

        assert options.batch is not None
        path = Path(options.batch.folder)
        known = path.resolve()
        if known not in self._folders:
            self._folders[known] = BatchFolder(path, self._warn)
        chat = BatchChat(name, options, self._folders[known])
        if options.batch.submit:
            from factory.models.openai.batch_api import BatchAPI

            chat.fetch(BatchAPI(options))
        self._folders[known].check_alike(self._stop_after_alike())
        self._chats.append(chat)
        return chat

    @property
    def waiting(self) -> int:
        """Number of calls that wait, over all models."""
        return sum(chat.waiting for chat in self._chats)

    @property
    def ahead(self) -> int:
        """Requests noted in this run, minus results read in it, over all models."""
        return sum(chat.ahead for chat in self._chats)

    def settle(self) -> None:
        """Write the request files, rename files whose results are all in the journal to *.done, hand files in.

        Raises:
            BatchWaiting: calls wait. Says how many, in which files, and how to go on.
            OutputError: a folder cannot be written.
        """
        waiting = [(chat, chat.write()) for chat in self._chats if chat.waiting]
        for folder in self._folders.values():
            folder.settle(self._journal)
        if waiting:
            raise BatchWaiting(_sentence(waiting))

    def close(self) -> None:
        """Release the folders for other processes."""
        for folder in self._folders.values():
            folder.close()


def _sentence(waiting: list[tuple[BatchChat, list[Path]]]) -> str:
    by_hand = [(path, chat.model) for chat, paths in waiting if chat.server is None for path in paths]
    handed_in = [
        f"{_shown(chat.server.submit(paths))} at {chat.server.server}"
        for chat, paths in waiting
        if chat.server is not None
    ]
    count = sum(chat.waiting for chat, _ in waiting)
    waits = "1 request waits" if count == 1 else f"{count:,} requests wait"
    ways: list[str] = []
    if handed_in:
        ways.append(f"the batch {', '.join(handed_in)}")
    if by_hand:
        ways.append(_by_hand(by_hand))
    return (
        f"{waits} for {', and for '.join(ways)}{', then' if by_hand else ':'} run the same command again"
        + ("" if by_hand else " when it has ended")
    )


def _shown(names: list[str]) -> str:
    more = f" and {len(names) - SHOWN:,} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more


def _by_hand(files: list[tuple[Path, str]]) -> str:
    from factory.models.openai.batch_files import REQUESTS, RESULTS

    first, model = files[0]
    results = first.with_name(first.name.removesuffix(REQUESTS) + RESULTS)
    return (
        f"a batch in {_shown([str(path) for path, _ in files])}: run each file "
        f"(python -m vllm.entrypoints.openai.run_batch -i {shlex.quote(str(first))} "
        f"-o {shlex.quote(str(results))} --model {shlex.quote(model)}), or give it to a Batch API and save its "
        f"results as {results.name} in the same folder"
    )
