"""Reads the manifest of a run for those who show it."""

from __future__ import annotations

from pathlib import Path

from factory.data.run_manifest import MANIFEST, Manifest
from factory.errors import InputError


def read_manifest(folder: Path) -> Manifest:
    """The manifest of the run in this folder; a stopped run's has not all of its facts.

    Raises:
        InputError: there is no run, or its manifest cannot be read.
    """
    path = folder / MANIFEST
    try:
        return Manifest.read(path)
    except FileNotFoundError:
        raise InputError(f"{folder} holds no run: there is no {MANIFEST} in it") from None
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror or error})") from error
    except ValueError as error:
        raise InputError(f"{path}: is not the manifest of a run ({error})") from error


def runs_in(outputs: Path) -> list[tuple[Path, Manifest]]:
    """The runs in this folder with their manifests, the one that was started last first."""
    found = []
    for path in sorted(outputs.glob(f"*/{MANIFEST}")):
        try:
            found.append((path.parent, read_manifest(path.parent)))
        except InputError:
            continue
    return sorted(found, key=lambda run: run[1].started, reverse=True)


def latest_run(outputs: Path) -> Path:
    """The folder of the run that was started last.

    Raises:
        InputError: there is no run in `outputs`.
    """
    runs = runs_in(outputs)
    if not runs:
        raise InputError(f"{outputs} holds no run yet: run a recipe first, or name the folder of one")
    return runs[0][0]
