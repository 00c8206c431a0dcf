"""Fixtures for every test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import settings
from scripted_server import ScriptedServer, in_thread

# A gate gives the same answer twice, wherever it stands; `make fuzz` looks for new examples.
settings.register_profile("gate", derandomize=True, deadline=None)
settings.register_profile("quick", derandomize=True, deadline=None, max_examples=5)  # make check
settings.register_profile("fuzz", deadline=None, max_examples=500)  # make fuzz
settings.load_profile("gate")


def pytest_make_parametrize_id(config: pytest.Config, val: object, argname: str) -> str | None:
    """Name bytes by their parameter: a packed file holds the time, and the processes would collect other names."""
    return argname if isinstance(val, bytes) else None


@pytest.fixture
def anyio_backend() -> str:
    """Async tests run on asyncio, as factory does."""
    return "asyncio"


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    """A scripted OpenAI-compatible server in a thread; a test sets its `script`."""
    with in_thread(ScriptedServer()) as running:
        yield running
