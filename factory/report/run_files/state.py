"""How a run stands: going, stopped, dead or done, as its manifest and its lock tell."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path

from factory.data.run_manifest import Manifest
from factory.report.plain import duration, visible

LOCK = ".lock"
"""The file in a run's folder that its process holds."""


def run_state(folder: Path, manifest: Manifest) -> str:
    """How the run in this folder stands, in words: "" for one that is finished."""
    if manifest.finished:
        return ""
    if manifest.status != "running":
        return visible(manifest.status)
    if not is_held(folder):
        return "ended without a word (killed, or the machine went down): run the same command again to go on"
    age = _seconds_since(manifest.updated or manifest.started)
    return "running" if age is None else f"running (counts of {duration(max(age, 0))} ago)"


def is_held(folder: Path) -> bool:
    """Whether a process runs in this folder; True where that cannot be told."""
    try:
        import fcntl
    except ImportError:
        return True
    try:
        descriptor = os.open(folder / LOCK, os.O_RDONLY)
    except FileNotFoundError:
        return False
    except OSError:
        return True
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(descriptor)
    return False


def _seconds_since(moment: str) -> float | None:
    try:
        return (datetime.now(UTC) - datetime.fromisoformat(moment)).total_seconds()
    except (ValueError, TypeError):
        return None
