"""One embedding model, asked outside of a run; its replies are journalled as a run's are."""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import TypeVar

from factory.engine.blocking import run_blocking
from factory.engine.calls.pool import ModelPool
from factory.engine.calls.usage import Gate
from factory.engine.folder import OUTPUTS
from factory.engine.journal.journal import Journal
from factory.engine.progress import RunProgress
from factory.models.base import EmbeddingModel
from factory.models.naming import ModelEntry

Result = TypeVar("Result")


def with_embedder(
    models: Mapping[str, ModelEntry],
    journal: Path | None,
    work: Callable[[EmbeddingModel], Awaitable[Result]],
    progress: RunProgress | None = None,
) -> Result:
    """What `work` makes of the one embedding model in `models`, or of the packaged one where there is none.

    Args:
        journal: the file that keeps the replies; by default the one that runs in this folder share.
        progress: counts what is done, for whoever shows it.

    Raises:
        FactoryError: the model or the journal cannot be used.
    """
    kept = Journal(journal or OUTPUTS / "journal.db")
    counted = progress or RunProgress()
    if kept.recovered:
        counted.warn(kept.recovered)

    async def ask() -> Result:
        pool = ModelPool(models, kept, counted, Gate(), 0)
        try:
            return await work(pool.embedder(""))
        finally:
            await pool.close()

    try:
        return run_blocking(ask)
    finally:
        kept.close()
        for warning in counted.warnings:
            sys.stderr.write(f"warning: {warning}\n")
