"""Libraries that are put before the C library, so that Python's files, Arrow's and SQLite's are met alike."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest


def preloaded(name: str, place: Path) -> Path:
    """The library of this name, made of the C file beside this one; the test is skipped where that cannot be."""
    compiler = shutil.which("cc")
    if compiler is None or not sys.platform.startswith("linux"):
        pytest.skip("needs a C compiler, and Linux's way to put a library before the C library")
    library = place / f"{name}.so"
    source = Path(__file__).with_name(f"{name}.c")
    subprocess.run([compiler, "-shared", "-fPIC", "-o", library, source, "-ldl"], check=True)
    return library
