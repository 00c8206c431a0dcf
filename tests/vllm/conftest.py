"""A real vLLM server on the CPU, started once, for the tests of this folder; `make test-vllm` runs them.

They need an environment of their own (vLLM wants its own torch), so plain `pytest` does not collect them.
"""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from real_server import ARGUMENTS, TOOLS

from factory.models.vllm.server import LocalServer

os.environ.setdefault("VLLM_CPU_KVCACHE_SPACE", "2")
os.environ.setdefault("HF_HUB_OFFLINE", "1")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip what cannot run here, and give the rest time: a server takes minutes to start on a busy machine."""
    spec = importlib.util.find_spec("vllm")
    installed = spec is not None and spec.origin is not None  # this folder's own name is no package
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.timeout(900))
            if not installed:
                item.add_marker(pytest.mark.skip(reason="vLLM is not installed here: run `make test-vllm`"))


@pytest.fixture(scope="session")
def model() -> str:
    """The packaged SmolLM2-135M-Instruct as a Hugging Face folder, kept in this environment."""
    folder = Path(sys.prefix) / "smollm2"
    if not (folder / "config.json").is_file():
        subprocess.run([sys.executable, Path(__file__).parent / "convert.py", folder], check=True)
    return str(folder)


@pytest.fixture(scope="session")
def vllm(model: str) -> Iterator[LocalServer]:
    """A server for that model."""
    with LocalServer(model, arguments=(*ARGUMENTS, *TOOLS)) as server:
        yield server
