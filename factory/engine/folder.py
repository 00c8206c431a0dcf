"""A run's folder: who may write where, and what is never overwritten unasked."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import orjson

from factory.data.run_manifest import MANIFEST, FileFacts, Identity, Manifest
from factory.data.whole_file import cannot_write, is_part, put_in_place, write_whole
from factory.errors import OutputError, RunStopped

OUTPUTS = Path("outputs")
"""Where runs and the journal land, below the current folder, unless told otherwise."""

LOCK = ".lock"
OWN_PROMPTS = "prompts-used"
"""The prompts that stood in place of the shipped ones."""
OWN_ENTRIES = (
    "recipe.yaml",
    MANIFEST,
    "steps",
    "dropped.parquet",
    "dataset",
    "report.html",
    "coverage.jsonl",
    OWN_PROMPTS,
    LOCK,
)
_SAID = (LOCK, MANIFEST, "recipe.yaml", "report.html", OWN_PROMPTS)
"""What tells of a run, and is nothing that it made."""
_FIRST = (LOCK,)
"""What a run may leave in its folder before its manifest is there."""


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


@contextmanager
def claimed(folder: Path, identity: Identity, overwrite: bool) -> Iterator[None]:
    """Hold a folder for the run of this identity (recipe, limit, input files).

    The same recipe over the same input goes on in its folder. Where another run made something there, `overwrite` is
    needed, which removes that and touches nothing that is not a run's own. Nothing is touched before the folder is
    held: whoever runs in it goes on undisturbed.

    Raises:
        OutputError: the folder holds another run or something else, cannot be written, or another process runs in it.
    """
    with ExitStack() as held:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            _check(folder, identity, overwrite)  # before `.lock` is made in a folder that is none of ours
            held.enter_context(locked(folder))
            _remove_parts(folder)
            if _check(folder, identity, overwrite):
                _clear(folder)
        except OSError as error:
            raise cannot_write(folder, error, "name another with --out") from error
        yield


def _check(folder: Path, identity: Identity, overwrite: bool) -> bool:
    """Whether there is another run to be removed first.

    Raises:
        OutputError: the folder holds something that may not be touched.
    """
    there = [entry.name for entry in sorted(folder.iterdir()) if not is_part(entry)]
    manifest = read_manifest(folder)
    if manifest is None and (others := [name for name in there if name not in _FIRST]):
        raise OutputError(
            f"{folder} is not empty and holds no run ({others[0]}, ...): name another with --out"
        )
    if manifest is None or manifest.identity == identity:
        return False
    was = manifest.identity
    changed = [key for key in Identity.model_fields if getattr(was, key, None) != getattr(identity, key)]
    what = {
        "recipe": "another recipe",
        "limit": "another --limit",
        "inputs": "input files that have changed since",
    }
    reason = " and ".join(what.get(key, key) for key in changed)
    if not overwrite and _made_something(folder):
        raise OutputError(
            f"{folder} holds a run of {reason}: name another folder with --out, or replace it with --overwrite"
        )
    if strangers := [name for name in there if name not in OWN_ENTRIES]:
        raise OutputError(f"{folder} holds files that no run made ({strangers[0]}): name another with --out")
    return True


def _made_something(folder: Path) -> bool:
    """Whether the run in a folder came so far that there is anything to lose: one refused at its first step did not."""
    made = (folder / name for name in OWN_ENTRIES if name not in _SAID)
    return any(entry.is_file() for place in made for entry in (place, *place.rglob("*")))


def _remove_parts(folder: Path) -> None:
    """Remove what a killed run was writing."""
    for place in (folder, *(folder / name for name in OWN_ENTRIES)):
        entries = place.iterdir() if place == folder else place.rglob("*")
        for entry in [entry for entry in entries if is_part(entry) and not entry.is_dir()]:
            entry.unlink(missing_ok=True)


def _clear(folder: Path) -> None:
    """Remove a run: its manifest last, so that one that is killed on the way is still known as a run."""
    for name in sorted(OWN_ENTRIES, key=lambda name: name == MANIFEST):
        entry = folder / name
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry)
        elif name != LOCK:
            entry.unlink(missing_ok=True)


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold the folder against other processes.

    Raises:
        OutputError: another process runs in it, or its lock cannot be made.
    """
    try:
        import fcntl
    except ImportError:  # Windows has no flock; runs there are not guarded against each other
        yield
        return
    try:
        descriptor = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT, 0o644)
    except OSError as error:
        raise cannot_write(folder, error, "name another folder") from error
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise OutputError(
                f"{folder}: another process is running this recipe here; wait for it, or name another folder with --out"
            ) from error
        except OSError as error:
            raise OutputError(
                f"{folder} cannot be locked ({error.strerror or error}): name a folder on another disk"
            ) from error
        yield
    finally:
        os.close(descriptor)


def write_beside(path: Path, data: bytes) -> Path | None:
    """Write what a step hands out beside its records, whole or not at all.

    A file with other bytes may have been edited by hand: it goes aside first, and its new name is returned.

    Raises:
        OutputError: it cannot be written.
    """
    aside = None
    try:
        if path.is_file() and path.read_bytes() != data:
            aside, number = path.with_name(f"{path.stem}-before{path.suffix}"), 1
            while aside.exists():
                number += 1
                aside = path.with_name(f"{path.stem}-before-{number}{path.suffix}")
            put_in_place(path, aside)
    except OSError as error:
        raise cannot_write(path, error, "move it out of the way") from error
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
    """Facts of every result file of a run: all but the manifest itself and the report, which tell of it.

    Of a run's own entries alone: a journal that lies beside them may be in use.

    Raises:
        OutputError: a file cannot be read, or went away meanwhile.
    """
    skip = {MANIFEST, "report.html", "coverage.jsonl", LOCK}
    entries = [folder / name for name in OWN_ENTRIES if name not in skip]
    paths = sorted(p for entry in entries for p in (entry, *entry.rglob("*")) if p.is_file())
    try:
        return tuple(file_facts(path, path.relative_to(folder).as_posix()) for path in paths)
    except OSError as error:
        raise RunStopped(
            f"{error.filename or folder} cannot be read ({error.strerror or error}): the run's files changed under it; "
            "run the same command again"
        ) from error
