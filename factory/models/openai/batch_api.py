"""Hands request files to a Batch API and fetches their results, through the official `openai` package.

Beside each request file that was handed in lies NAME.batch.json with the batch's id, so that a file is handed in once,
whoever is killed when: the file is written before the batch is made, and a batch whose id was never written is found
again among the server's by the digest of its request file.

Source: OpenAI's Batch API (files and batches), which other providers and gateways speak too.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import orjson

from factory.data.whole_file import whole_file, write_whole
from factory.errors import OutputError, RunStopped
from factory.models.openai.batch_files import REQUESTS, RESULTS, URL, one_line
from factory.models.openai.endpoint import key_variable
from factory.models.refusal import redact
from factory.models.secrets import read_key

if TYPE_CHECKING:
    from openai import OpenAI

    from factory.models.options import OpenAIOptions

STATE = ".batch.json"
ENDED = frozenset({"completed", "expired", "cancelled"})
"""States of a batch that has results, of all requests or of some."""
WINDOW: Final = "24h"
"""The time that Batch APIs give themselves; they know no other."""
_TRIES = 4
_MARK = "factory_requests"


class State(NamedTuple):
    """What is known of a request file that was handed in.

    digest: of the request file
    batch: the batch's id; "" where the process ended before it was known
    """

    digest: str
    batch: str


class BatchAPI:
    """The Batch API of one server, for the request files of one folder.

    Raises:
        MissingSecret, RecipeError, MissingDependency: as the provider itself.
    """

    def __init__(self, options: OpenAIOptions) -> None:
        self.server = options.addresses[0]
        self._options = options
        self._key = read_key(key_variable(options, self.server))
        self._made: OpenAI | None = None

    @property
    def _client(self) -> OpenAI:
        if self._made is None:
            from factory.models.openai.sdk import sync_client

            self._made = sync_client(self._options, self.server, self._key)
        return self._made

    def fetch(self, requests: Sequence[Path]) -> bool:
        """Fetch the results of the batches that ended; whether there were any.

        A batch that expired or was cancelled has results of a part: what it did not answer is asked again.

        Raises:
            RunStopped: the server cannot be asked, or refused a request file for good.
            OutputError: the results cannot be written.
        """
        fetched = False
        for path in requests:
            state = self._state(path)
            if state is None:
                continue
            batch = self._batch(state)
            if batch is None:
                continue
            if batch.status == "failed":
                raise RunStopped(self._failed(path, batch))
            if batch.status in ENDED:
                self._download(path, batch)
                state_of(path).unlink()
                fetched = True
        return fetched

    def submit(self, requests: Sequence[Path]) -> list[str]:
        """Hand in the request files that are not yet; what is to be said of each.

        Raises:
            RunStopped: the server refused a file or a batch.
            OutputError: the folder cannot be written.
        """
        said: list[str] = []
        for path in requests:
            state = self._state(path)
            if state is None:
                state = State(_digest(path), "")
                _write(path, state)
                batch = self._hand_in(path, state)
            else:
                batch = self._batch(state) or self._hand_in(path, state)
            said.append(f"{batch.id} ({_progress(batch)})")
        return said

    def _state(self, path: Path) -> State | None:
        file = state_of(path)
        try:
            stored = orjson.loads(file.read_bytes())
            return State(str(stored["digest"]), str(stored["batch"]))
        except FileNotFoundError:
            return None
        except OSError as error:
            raise OutputError(f"{file}: cannot be read ({error.strerror or error})") from error
        except (ValueError, LookupError, TypeError):
            raise RunStopped(
                f"{file} is not what was written there: look for the batch of {path.name} at {self.server}, save its "
                f"results as {results_of(path).name} beside it, and remove {file.name}; without a batch there, "
                "remove it alone"
            ) from None

    def _batch(self, state: State) -> Any:
        """The batch of a request file, None where there is none."""
        if state.batch:
            with self._told():
                return self._client.with_options(max_retries=_TRIES).batches.retrieve(state.batch)
        # All of them are looked at: by a clock that was wrong, none is too old to be it.
        with self._told():
            for batch in self._client.with_options(max_retries=_TRIES).batches.list(limit=100):
                if (batch.metadata or {}).get(_MARK) == state.digest:
                    return batch
        return None

    def _hand_in(self, path: Path, state: State) -> Any:
        # Tried once: a batch that was made, and whose reply was lost, is found by its mark when this is run again.
        with self._told(), path.open("rb") as file:
            uploaded = self._client.files.create(file=(path.name, file), purpose="batch")
            batch = self._client.batches.create(
                input_file_id=uploaded.id,
                endpoint=URL,
                completion_window=WINDOW,
                metadata={_MARK: state.digest},
            )
        _write(path, state._replace(batch=batch.id))
        return batch

    def _download(self, path: Path, batch: Any) -> None:
        """Write the results and the errors of a batch beside its requests, whole or not at all."""
        with whole_file(results_of(path)) as file:
            for number in (batch.output_file_id, batch.error_file_id):
                if not number:
                    continue
                last = b"\n"
                with (
                    self._told(),
                    self._client.with_options(max_retries=_TRIES).files.with_streaming_response.content(
                        number
                    ) as reply,
                ):
                    for part in reply.iter_bytes():
                        file.write(part)
                        last = part[-1:] or last
                if last != b"\n":
                    file.write(b"\n")

    def _failed(self, path: Path, batch: Any) -> str:
        told = [one_line(error.message) for error in (batch.errors.data if batch.errors else None) or ()]
        why = "; ".join(told[:3]) + (f" and {len(told) - 3:,} more" if len(told) > 3 else "")
        return (
            f"{self.server} refused the batch {batch.id} of {path} "
            f"({redact(why, self._key) or 'it does not say why'}): "
            f"mend that, remove {state_of(path)} and run the same command again to hand it in anew"
        )

    @contextmanager
    def _told(self) -> Iterator[None]:
        """Tell what the package raises in one sentence."""
        import openai

        try:
            yield
        except openai.APIConnectionError as error:
            raise RunStopped(
                f"{self.server} cannot be reached for its batches ({one_line(error.__cause__ or error)}): run the same "
                "command again"
            ) from None
        except openai.APIStatusError as error:
            words = redact(one_line(error.message), self._key)
            raise RunStopped(
                f"{self.server} refused to serve a batch with HTTP {error.status_code}: {words}; leave `submit` out to "
                "hand the files in by hand"
            ) from None


def state_of(requests: Path) -> Path:
    """Where it is kept that a request file was handed in."""
    return requests.with_name(requests.name.removesuffix(REQUESTS) + STATE)


def results_of(requests: Path) -> Path:
    """Where the results of a request file belong."""
    return requests.with_name(requests.name.removesuffix(REQUESTS) + RESULTS)


def _write(path: Path, state: State) -> None:
    write_whole(state_of(path), orjson.dumps(state._asdict()))


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _progress(batch: Any) -> str:
    counts = batch.request_counts
    status = str(batch.status).replace("_", " ")
    if counts is None or not counts.total:
        return status
    return f"{status}, {counts.completed + counts.failed:,} of {counts.total:,} done"
