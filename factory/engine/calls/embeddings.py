"""Embedding models as steps are handed them: batched, journalled, never asked twice for one text."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from factory.engine.calls.caller import Caller
from factory.engine.calls.usage import Gate, ModelUsage
from factory.engine.journal.journal import Journal
from factory.engine.journal.keys import call_key
from factory.errors import RecordFailed, RunStopped, TextsFailed
from factory.models.failures import Denied
from factory.models.provider import EmbeddingProvider

if TYPE_CHECKING:
    from factory.models.base import Vectors


class _Counted:
    """One request's texts in the counts of a model, from its beginning to its end."""

    def __init__(self, usage: ModelUsage, texts: int) -> None:
        self._usage, self._texts, self._done = usage, texts, 0
        usage.to_embed += texts

    def add(self, texts: int) -> None:
        """So many more have a vector, or will have none."""
        self._done += texts
        self._usage.embedded += texts

    def end(self) -> None:
        """The request is through."""
        self._usage.to_embed -= self._texts
        self._usage.embedded -= self._done


class JournalledEmbeddings(Caller):
    """An embedding provider behind the journal: the `EmbeddingModel` that steps ask."""

    def __init__(
        self,
        name: str,
        provider: EmbeddingProvider,
        journal: Journal,
        usage: ModelUsage,
        gate: Gate,
        *,
        concurrency: int = 1,
    ) -> None:
        super().__init__(name, concurrency, usage, gate)
        self._provider = provider
        self._journal = journal

    @property
    def identity(self) -> str:
        """What embeds, as the journal knows it: provider, model, and whatever changes its vectors."""
        return self._provider.identity

    async def embed(self, texts: Sequence[str]) -> Vectors:
        """See `EmbeddingModel.embed`.

        Raises:
            TextsFailed: the model does not take some of the texts; all others are journalled.
            RunStopped: the vectors, journalled ones among them, are not of one size.
        """
        keys = [call_key("embedding", self._provider.identity, text) for text in texts]
        asked = dict(zip(keys, texts, strict=True))
        known: dict[bytes, bytes] = {}
        refused: dict[bytes, RecordFailed] = {}
        counted = _Counted(self.usage, len(asked))
        try:
            await self._embed_missing(asked, known, refused, counted)
        finally:
            counted.end()
        if refused:
            raise TextsFailed({at: refused[key] for at, key in enumerate(keys) if key in refused}, len(keys))
        if not keys:
            return np.zeros((0, 0), dtype=np.float32)
        sizes = {len(row) // 4 for row in known.values()}
        if len(sizes) > 1:
            raise RunStopped(
                f"model `{self.name}` has vectors of {' and '.join(map(str, sorted(sizes)))} numbers: is one model "
                "served under this name? Give the run a journal of its own, or the model another name"
            )
        return np.stack([np.frombuffer(known[key], dtype=np.float32) for key in keys])

    async def _embed_missing(
        self,
        asked: Mapping[bytes, str],
        known: dict[bytes, bytes],
        refused: dict[bytes, RecordFailed],
        counted: _Counted,
    ) -> None:
        """Fill `known` with the vectors of all texts asked for, and `refused` with the others."""
        while missing := [key for key in asked if key not in known and key not in refused]:
            # What another caller is asking at this moment is waited for.
            waiting = {self.in_flight[key] for key in missing if key in self.in_flight}
            wanted: list[bytes] = []
            for key in missing:
                if key in self.in_flight:
                    continue
                row = self._journal.find(key)
                if row is None:
                    wanted.append(key)
                else:
                    self.usage.replay(row.server)
                    known[key] = row.reply
            counted.add(len(missing) - len(wanted) - sum(key in self.in_flight for key in missing))
            known |= await self._embed(wanted, asked, refused, counted)
            for future in waiting:
                done = await _result(future)
                known |= (fresh := {key: done[key] for key in done.keys() & asked.keys()})
                counted.add(len(fresh))

    async def _embed(
        self,
        wanted: Sequence[bytes],
        texts: Mapping[bytes, str],
        refused: dict[bytes, RecordFailed],
        counted: _Counted,
    ) -> dict[bytes, bytes]:
        # Texts of like length share a batch: a batch costs what its longest text costs.
        order = sorted(wanted, key=lambda key: len(texts[key]))
        size = self._provider.batch_size
        batches = [order[at : at + size] for at in range(0, len(order), size)]
        loop = asyncio.get_running_loop()
        futures: list[asyncio.Future[dict[bytes, bytes]]] = [loop.create_future() for _ in batches]
        for batch, future in zip(batches, futures, strict=True):
            self.in_flight.update(dict.fromkeys(batch, future))

        async def embed(batch: Sequence[bytes], future: asyncio.Future[dict[bytes, bytes]]) -> None:
            done = await self._embed_parts(batch, texts, refused, whole=True)
            counted.add(len(batch))
            if not future.done():
                future.set_result(done)

        try:
            pairs = list(zip(batches, futures, strict=True))
            alone = 0 if self.usage.calls else 1  # the first batch shows whether the model takes any
            for pair in pairs[:alone]:
                await embed(*pair)
            await asyncio.gather(*(embed(*pair) for pair in pairs[alone:]))
            return {key: row for future in futures for key, row in future.result().items()}
        finally:
            for key in order:
                del self.in_flight[key]
            for future in futures:
                future.cancel()  # who waits for one that did not come asks for it

    async def _embed_parts(
        self,
        batch: Sequence[bytes],
        texts: Mapping[bytes, str],
        refused: dict[bytes, RecordFailed],
        *,
        whole: bool = False,
    ) -> dict[bytes, bytes]:
        """The vectors of a batch; one that is refused is halved until the texts to blame are alone: `refused`."""
        fault: RecordFailed | Denied
        try:
            return await self._embed_batch(batch, texts)
        except Denied as error:  # before any text was taken: one text may be to blame, or none is ever taken
            if len(batch) == 1:
                if whole:
                    raise
                refused[batch[0]] = RecordFailed("bad_request", error.alone)
                return {}
            fault = error
        except RecordFailed as error:
            if error.kind == "call_failed":  # the server's fault: another try of the run goes on from here
                raise
            if len(batch) == 1:
                refused[batch[0]] = error
                return {}
            fault = error
        middle = len(batch) // 2
        rows = await self._embed_parts(batch[:middle], texts, refused)
        rows |= await self._embed_parts(batch[middle:], texts, refused)
        nothing_taken = not rows and not self.usage.calls
        if nothing_taken and (isinstance(fault, Denied) or fault.kind == "bad_request"):
            raise fault  # a server that took nothing yet, and nothing of this, takes no such requests
        return rows

    async def _embed_batch(self, batch: Sequence[bytes], texts: Mapping[bytes, str]) -> dict[bytes, bytes]:
        wanted = [texts[key] for key in batch]
        identity = self._provider.identity

        async def attempt() -> dict[bytes, bytes]:
            vectors = await self._provider.embed(wanted)
            rows = {
                key: np.ascontiguousarray(row, dtype=np.float32).tobytes()
                for key, row in zip(batch, vectors, strict=True)
            }
            kept = await asyncio.gather(
                *(
                    self._journal.put(
                        key,
                        "embedding",
                        identity,
                        texts[key].encode("utf-8", "replace"),
                        row,
                        self.usage.server,
                    )
                    for key, row in rows.items()
                )
            )
            self.usage.calls += 1
            return dict(zip(rows, kept, strict=True))

        stored: dict[bytes, bytes] = await self.send(attempt, hold=False)
        return stored


async def _result(future: asyncio.Future[dict[bytes, bytes]]) -> dict[bytes, bytes]:
    """What another caller's batch brings; nothing where that caller failed or was cancelled."""
    try:
        return await asyncio.shield(future)
    except asyncio.CancelledError:
        task = asyncio.current_task()
        if not future.cancelled() or (task is not None and task.cancelling()):
            raise
        return {}
