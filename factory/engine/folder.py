"""A run's folder: who may write where, and what is never overwritten unasked."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import orjson

from factory.data.run_manifest import MANIFEST, FileFacts, Identity, Manifest
from factory.data.whole_file import is_part, put_in_place, write_whole
from factory.errors import OutputError

OUTPUTS = Path("outputs")
"""Where runs and the journal land, below the current folder, unless told otherwise."""

OWN_ENTRIES = ("recipe.yaml", MANIFEST, "steps", "dropped.parquet", "dataset", "report.html", ".lock")


def read_manifest(folder: Path) -> Manifest | None:
    """The manifest of the run in this folder; None where there is no run.

    Raises:
        OutputError: there is a manifest, but it cannot be read.
    """
    path = folder / MANIFEST
    try:
        return Manifest.read(path)
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise OutputError(
            f"{path}: cannot be read ({error}); remove the folder or name another with --out"
        ) from error


def claim_folder(folder: Path, identity: Identity, overwrite: bool) -> None:
    """Make sure that the folder may hold the run of this identity (recipe, limit, input files).

    The same recipe over the same input goes on in its folder; anything else needs `overwrite`, which removes
    what the other run left there, and touches nothing that is not a run's own.

    Raises:
        OutputError: the folder holds another run, or something else.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for entry in folder.iterdir():
            if is_part(entry):  # what a killed run was writing
                entry.unlink()
        there = sorted(entry.name for entry in folder.iterdir())
    except OSError as error:
        raise OutputError(
            f"{folder}: cannot be written ({error.strerror or error}); name another with --out"
        ) from error
    manifest = read_manifest(folder)
    strangers = [name for name in there if name not in OWN_ENTRIES]
    if there and manifest is None and [name for name in there if name != ".lock"]:
        raise OutputError(
            f"{folder} is not empty and holds no run ({there[0]}, ...): name another with --out"
        )
    if manifest is not None and manifest.identity != identity:
        was = manifest.identity
        changed = [key for key in Identity.model_fields if getattr(was, key, None) != getattr(identity, key)]
        what = {
            "recipe": "another recipe",
            "limit": "another --limit",
            "inputs": "input files that have changed since",
        }
        reason = " and ".join(what.get(key, key) for key in changed)
        if not overwrite:
            raise OutputError(
                f"{folder} holds a run of {reason}: name another folder with --out, or replace it with --overwrite"
            )
        if strangers:
            raise OutputError(
                f"{folder} holds files that no run made ({strangers[0]}): name another with --out"
            )
        for name in OWN_ENTRIES:
            entry = folder / name
            if entry.is_dir() and not entry.is_symlink():
                shutil.rmtree(entry)
            elif name != ".lock":
                entry.unlink(missing_ok=True)


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold the folder against other processes.

    Raises:
        OutputError: another process runs in it.
    """
    try:
        import fcntl
    except ImportError:  # Windows has no flock; runs there are not guarded against each other
        yield
        return
    descriptor = os.open(folder / ".lock", os.O_RDWR | os.O_CREAT, 0o644)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise OutputError(
                f"{folder}: another process is running this recipe here; wait for it, or name another folder with --out"
            ) from error
        yield
    finally:
        os.close(descriptor)


def write_rows(path: Path, rows: Iterable[Mapping[str, Any]]) -> Path | None:
    """Write rows as JSON lines, whole or not at all.

    A file with other rows may have been edited by hand: it goes aside first, and its new name is returned.

    Raises:
        OutputError: it cannot be written.
    """
    data = rows_as_json(rows)
    aside = None
    try:
        if path.is_file() and path.read_bytes() != data:
            aside, number = path.with_name(f"{path.stem}-before{path.suffix}"), 1
            while aside.exists():
                number += 1
                aside = path.with_name(f"{path.stem}-before-{number}{path.suffix}")
            put_in_place(path, aside)
    except OSError as error:
        raise OutputError(f"{path}: cannot be moved aside ({error.strerror or error})") from error
    write_whole(path, data)
    return aside


def rows_as_json(rows: Iterable[Mapping[str, Any]]) -> bytes:
    """Rows as JSON lines."""
    return b"".join(orjson.dumps(row) + b"\n" for row in rows)


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Write the run's manifest as indented JSON."""
    write_whole(folder / MANIFEST, manifest.to_bytes())


def file_facts(path: Path, name: str) -> FileFacts:
    """Name, size and SHA-256 of a file, as a manifest lists it."""
    digest = hashlib.sha256()
    size = 0
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
            size += len(block)
    return FileFacts(path=name, bytes=size, sha256=digest.hexdigest())


def output_facts(folder: Path) -> tuple[FileFacts, ...]:
    """Facts of every result file of a run: all but the manifest itself and the report, which tell of it."""
    skip = {MANIFEST, "report.html", ".lock"}
    paths = sorted(
        p for p in folder.rglob("*") if p.is_file() and p.relative_to(folder).as_posix() not in skip
    )
    return tuple(file_facts(path, path.relative_to(folder).as_posix()) for path in paths)
