"""Fixtures for every test."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from hypothesis import settings
from scripted_server import ScriptedServer, in_thread

# A gate must give the same answer twice; on a developer's machine new examples are tried each time.
settings.register_profile("ci", derandomize=True, deadline=None)
settings.register_profile("here", deadline=None)
settings.register_profile("quick", deadline=None, max_examples=5)  # make check
settings.load_profile("ci" if os.environ.get("CI") else "here")


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
