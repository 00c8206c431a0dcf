"""What a set is held against, by name: files, earlier releases, runs, and data sets on the hub."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from factory.data.formats.files import base_name
from factory.data.formats.places import data_files
from factory.data.formats.release import release_files
from factory.data.hub import HubName, fetch_dataset, is_hub_name
from factory.data.named_files import SHIPPED, named_file
from factory.data.run_manifest import MANIFEST, Manifest
from factory.errors import InputError

TAKES = (
    "a file of records, a pattern, the folder of a run or of an earlier export, hf:org/name or hf:org/name@tag for a "
    "data set on the Hugging Face hub, or `factory:seeds`; or a list of these"
)
"""What a name may be, for the help of options."""


class Reference(NamedTuple):
    """One file of what a name stands for, and the name as a drop tells it."""

    name: str
    path: Path


def references(names: str | Sequence[str]) -> list[Reference]:
    """The files of what these names stand for: see `TAKES`; an empty name is none.

    Of a run that is the records that it kept; of a release all splits of the configuration that its card names as the
    default.

    Raises:
        InputError: one does not stand for any file, its run has not finished, or it cannot be fetched.
        MissingDependency: a data set on the hub is named, and huggingface_hub is not installed.
    """
    named = [names] if isinstance(names, str) else names
    return [found for name in named if name for found in _of(name)]


def reference_files(names: str | Sequence[str]) -> list[Path]:
    """The paths of `references`."""
    return [one.path for one in references(names)]


def is_run(folder: Path) -> bool:
    """Whether this is the folder of a run."""
    return (folder / MANIFEST).is_file() and (folder / "recipe.yaml").is_file()


def finished_run(folder: Path) -> Manifest:
    """The manifest of the run in this folder.

    Raises:
        InputError: there is none, or the run has not finished.
    """
    try:
        manifest = Manifest.read(folder / MANIFEST)
    except (OSError, ValueError) as error:
        raise InputError(f"{folder / MANIFEST}: is not the manifest of a run ({error})") from error
    if not manifest.finished:
        raise InputError(
            f"the run in {folder} has not finished ({manifest.status}): run its recipe again to its end"
        )
    return manifest


def kept_file(folder: Path) -> Path:
    """The file of the records that the run in this folder kept.

    Raises:
        InputError: it has not finished, or its files are gone.
    """
    manifest = finished_run(folder)
    path = folder / "steps" / manifest.steps[-1].label / "kept.parquet" if manifest.steps else folder
    if not path.is_file():
        raise InputError(
            f"the run in {folder} has no records any more ({path} is gone): run its recipe again"
        )
    return path


def _of(name: str) -> list[Reference]:
    if is_hub_name(name):
        hub = HubName.read(name)
        folder = fetch_dataset(hub)
        return [Reference(str(hub), path) for path in release_files(folder) or data_files(folder)]
    path = named_file(name)
    if not path.is_dir():
        return [Reference(name if name in SHIPPED else base_name(one), one) for one in data_files(path)]
    if is_run(path):
        return [Reference(path.name or str(path), kept_file(path))]
    inside = path / "dataset"
    folder = inside if inside.is_dir() and not release_files(path) and release_files(inside) else path
    return [Reference(path.name or str(path), one) for one in release_files(folder) or data_files(folder)]
