"""Embeddings from a causal language model of transformers: what its last layer knows of a text."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import numpy as np

from factory.data.text import shorten
from factory.errors import MissingDependency, RecipeError, RecordFailed, RunStopped
from factory.models.base import Vectors
from factory.models.failures import LetGo
from factory.models.installed import is_installed
from factory.models.options import HiddenStatesOptions
from factory.models.torch.device import check_device, threads_of
from factory.models.torch.folder import model_place, name_of_weights

if TYPE_CHECKING:
    from factory.models.torch.causal_scoring import CausalScorer


class HiddenStates:
    """Embeds texts by the position-weighted mean of a model's last hidden states (`mean_states`).

    The model is loaded with the first text. It runs no code that comes with the model. A text is read as it stands,
    without a chat template; one beyond the model's context is refused, not cut. All texts of a causal model lie close
    together: a threshold of another model does not fit.

    Raises:
        MissingDependency: torch or transformers is not installed, or the hub cannot be reached.
        RecipeError: there is no such model, or this machine lacks the device.
    """

    def __init__(self, options: HiddenStatesOptions) -> None:
        for package in ("torch", "transformers"):
            if not is_installed(package):
                raise MissingDependency(
                    f"the hidden_states provider needs {package}: pip install 'sft-factory[torch]'"
                )
        check_device(options.device)
        self._options = options
        self._place = model_place(options.model)
        dtype = "" if options.dtype == "auto" else f":{options.dtype}"
        self.identity = f"hidden_states:{name_of_weights(options.model, self._place)}{dtype}:weighted_mean"
        self.batch_size = options.batch_size
        self.concurrency = options.concurrency
        self._slots = threads_of(options.device)
        self._threads = ThreadPoolExecutor(self._slots, thread_name_prefix="torch")
        self._loading: asyncio.Future[CausalScorer] | None = None
        self._stopped = threading.Event()
        self._asked = 0

    async def embed(self, texts: Sequence[str]) -> Vectors:
        """One vector of length 1 for each text: shape (texts, dimensions of the model), float32.

        Raises:
            RecordFailed: a text is longer than the model's context, or has no token.
            RecipeError: there is no such model, or it cannot be loaded.
            RunStopped: there is not enough memory for a batch.
            LetGo: see `let_go`.
        """
        if self._stopped.is_set():
            raise LetGo
        self._asked += 1
        try:
            return await self._embed(texts)
        finally:
            self._asked -= 1

    def let_go(self) -> int:
        """See `LetsGo`: no part of the texts is begun any more."""
        self._stopped.set()
        return self._asked

    async def close(self) -> None:
        """Free the model once the parts that are being computed are done."""
        self._stopped.set()
        await asyncio.to_thread(self._threads.shutdown, cancel_futures=True)
        self._loading = None

    async def _embed(self, texts: Sequence[str]) -> Vectors:
        loop = asyncio.get_running_loop()
        if self._loading is None:
            self._loading = loop.run_in_executor(self._threads, self._load)
        model = await asyncio.shield(self._loading)
        sequences = [model.tokenize(text)[1] for text in texts]
        for ids in sequences:
            if not ids or len(ids) > model.context:
                raise RecordFailed(
                    "context_length",
                    f"the text has {len(ids):,} tokens, and the model reads 1 to {model.context:,}",
                )
        order = sorted(range(len(texts)), key=lambda at: len(sequences[at]))
        parts: list[list[int]] = []
        while order:
            most = max(1, model.batch_tokens // len(sequences[order[-1]]))
            parts.append(order[-most:])
            del order[-most:]
        free = asyncio.Semaphore(self._slots if model.on_processor else 1)

        async def means(part: Sequence[int]) -> Vectors:
            async with free:
                some = [sequences[at] for at in part]
                return await loop.run_in_executor(self._threads, self._means, model, some)

        computed = await asyncio.gather(*map(means, parts))
        found = {
            at: row
            for part, rows in zip(parts, computed, strict=True)
            for at, row in zip(part, rows, strict=True)
        }
        return np.stack([found[at] for at in range(len(texts))])

    def _means(self, model: CausalScorer, sequences: Sequence[Sequence[int]]) -> Vectors:
        """The vectors of a part of the texts, in a thread of its own."""
        from factory.models.torch.mean_states import mean_states

        if self._stopped.is_set():
            raise LetGo
        try:
            return mean_states(model, sequences)
        except RuntimeError as error:
            if "out of memory" not in str(error).lower():
                raise RecordFailed(
                    "call_failed", f"{self._options.model}: {shorten(str(error), 160)}"
                ) from error
            raise RunStopped(
                f"{self._options.model}: there is not enough memory for a batch: set a smaller `batch_size`, or "
                "another `device`"
            ) from error

    def _load(self) -> CausalScorer:
        from factory.models.torch.causal_scoring import CausalScorer

        options = self._options
        try:
            return CausalScorer(
                self._place, dtype=options.dtype, device=options.device, share_threads=self._slots == 1
            )
        except Exception as error:  # transformers lets its own and its transport's errors through
            why = shorten(str(error).split("\n")[0], 160) or type(error).__name__
            raise RecipeError(
                f"the model {options.model!r} cannot be loaded by transformers ({why}): name a folder with a causal "
                "language model and its tokenizer, or its name on the Hugging Face hub"
            ) from error
