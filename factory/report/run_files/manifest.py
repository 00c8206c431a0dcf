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
