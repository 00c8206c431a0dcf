"""The data files that a name stands for: a file, a folder of parts, a pattern such as data/*.jsonl."""

from __future__ import annotations

import glob
import re
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from factory.data.documents.folders import documents_among, documents_of
from factory.data.formats.files import base_name, is_data_file
from factory.data.formats.values import loads
from factory.data.text import shorten
from factory.errors import InputError

_ABOUT = ("dataset_info.json", "dataset_infos.json", "dataset_dict.json", "state.json", "config.json")
"""Files that tell of data and hold none."""
_BESIDE = re.compile(r"readme|licen[cs]e|sha\d+sums|.*\.(md|crc|sha\d+|lock)$", re.IGNORECASE)
_PATTERN = re.compile(r"[*?\[]")
_NAMED = 5


def data_files(
    path: Path, tell: Callable[[str], None] | None = None, *, documents: bool = False
) -> list[Path]:
    """The files that a path stands for, in the order of their names, numbers by size: part-2 before part-10.

    With `documents` they may be documents (`folders.documents_of`) where they are no files of rows.

    A file is itself, also where it does not exist. A folder is the data files that lie in it, or in the one folder
    below that has any; one that `datasets` saved is its parts, and of several splits "train". A pattern is what it
    matches. `tell` is told what was left out.

    Raises:
        InputError: a folder or a pattern holds no data file, or it is not clear which are meant.
    """
    try:
        if path.is_dir():
            found = documents_of(path, tell) if documents else []
            return found or _of_folder(path, tell)
        if path.exists() or not _PATTERN.search(str(path)):
            return [path]
    except (OSError, ValueError):  # told where it is opened
        return [path]
    matched = [Path(name) for name in glob.glob(str(path), recursive=True)]
    files = [one for one in matched if one.is_file()]
    if not files:
        folders = f": it matches {len(matched)} folders, name one of them" if matched else ""
        raise InputError(f"{path} matches no file{folders or ': check the pattern and the folder'}")
    if documents and (found := documents_among(files, path, tell)):
        return found
    return _sorted(_data(files, path, tell))


def _of_folder(folder: Path, tell: Callable[[str], None] | None) -> list[Path]:
    if (folder / "dataset_dict.json").is_file():
        return _of_folder(_split(folder, tell), tell)
    if (folder / "state.json").is_file() and (folder / "dataset_info.json").is_file():
        listed = _json(folder / "state.json").get("_data_files")
        names = [one.get("filename") for one in listed] if isinstance(listed, list) else []
        if names and all(isinstance(name, str) and Path(name).name == name for name in names):
            return [folder / name for name in names]
    if (folder / "manifest.json").is_file() and (folder / "recipe.yaml").is_file():
        raise InputError(f"{folder} is the folder of a run: name one of the folders in {folder / 'dataset'}")
    inside = [one for one in folder.iterdir() if not one.name.startswith((".", "_"))]
    files = _data([one for one in inside if one.is_file()], folder, tell, demanded=False)
    if files:
        _check_twice(files, folder)
        unread = _sorted(one for one in inside if one.is_dir() and _holds_data(one))
        if unread and tell is not None:
            tell(f"{folder}: left out are the data files in the folders below it: {_names(unread)}")
        return _sorted(files)
    below = _sorted(one for one in inside if one.is_dir() and _holds_data(one))
    if len(below) == 1:
        return _of_folder(below[0], tell)
    if below:
        raise InputError(f"{folder} holds several folders of data files: name one of them: {_names(below)}")
    raise InputError(f"{folder} is a folder that holds no data file: name a file")


def _data(
    files: Sequence[Path], place: Path, tell: Callable[[str], None] | None, *, demanded: bool = True
) -> list[Path]:
    """Those of some files whose names are those of data files; all of them where none is, and some are `demanded`."""
    data = [one for one in files if is_data_file(one) and one.name not in _ABOUT]
    if not data:
        return list(files) if demanded else []
    others = [
        one for one in files if one not in data and one.name not in _ABOUT and not _BESIDE.match(one.name)
    ]
    if others and tell is not None:
        tell(f"{place}: left out, as their names are not those of data files: {_names(_sorted(others))}")
    return data


def _check_twice(files: Iterable[Path], folder: Path) -> None:
    """Refuses a folder that seems to hold the same rows in two formats."""
    seen: dict[str, Path] = {}
    for one in files:
        other = seen.setdefault(base_name(one), one)
        if other is not one:
            raise InputError(
                f"{folder} holds {_names(_sorted([one, other]))}, which may be the same rows: name one"
            )


def _split(folder: Path, tell: Callable[[str], None] | None) -> Path:
    splits = _json(folder / "dataset_dict.json").get("splits")
    names = [name for name in splits if isinstance(name, str)] if isinstance(splits, list) else []
    if len(names) != 1 and "train" not in names:
        raise InputError(
            f"{folder} has the splits {', '.join(names) or 'none'}: name the folder of one of them"
        )
    chosen = "train" if "train" in names else names[0]
    if len(names) > 1 and tell is not None:
        left = ", ".join(name for name in names if name != chosen)
        tell(f"{folder}: of its splits {chosen} is read, left out: {left}")
    return folder / chosen


def _json(path: Path) -> dict[str, Any]:
    try:
        value = loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise InputError(f"{path} cannot be read, so that its data files are not known: name them") from error
    return value if isinstance(value, dict) else {}


def _holds_data(folder: Path) -> bool:
    return any(one.name not in _ABOUT and is_data_file(one) and one.is_file() for one in folder.rglob("*"))


def _names(files: Sequence[Path]) -> str:
    more = f" and {len(files) - _NAMED:,} more" if len(files) > _NAMED else ""
    return ", ".join(shorten(one.name, 60) for one in files[:_NAMED]) + more


def _sorted(files: Iterable[Path]) -> list[Path]:
    """In the order of their names, with numbers in them by size."""
    return sorted(
        files, key=lambda one: [(len(part), part) if part.isdigit() else (0, part) for part in _parts(one)]
    )


def _parts(path: Path) -> list[str]:
    return re.split(r"(\d+)", str(path))
