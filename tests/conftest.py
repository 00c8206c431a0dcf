"""Fixtures for every test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from scripted_server import ScriptedServer, in_thread


@pytest.fixture
def anyio_backend() -> str:
    """Async tests run on asyncio, as factory does."""
    return "asyncio"


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    """A scripted OpenAI-compatible server in a thread; a test sets its `script`."""
    with in_thread(ScriptedServer()) as running:
        yield running
