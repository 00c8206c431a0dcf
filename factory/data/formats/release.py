"""An earlier release: a folder with a data set card that says where its rows are, as `export` writes them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

import yaml

from factory.errors import InputError

CARD = "README.md"
_LONGEST = 1 << 20
"""Bytes of a card that are read."""


def card_header(folder: Path) -> dict[str, Any]:
    """The YAML header of the card in this folder; empty where there is none that can be read."""
    try:
        with (folder / CARD).open("rb") as file:
            text = file.read(_LONGEST).decode("utf-8", "replace")
    except OSError:
        return {}
    if not text.startswith("---\n") or (end := text.find("\n---", 4)) < 0:
        return {}
    try:
        header = yaml.safe_load(text[4:end])
    except (yaml.YAMLError, RecursionError, ValueError):
        return {}
    return header if isinstance(header, dict) else {}


def card_patterns(folder: Path) -> list[str]:
    """Patterns of the files of the card's default configuration, all its splits; empty where it names none.

    A pattern that leads out of the folder is left out.
    """
    configs = card_header(folder).get("configs")
    named = [one for one in configs if isinstance(one, Mapping)] if isinstance(configs, list) else []
    if not named:
        return []
    chosen = next((one for one in named if one.get("default") is True), named[0])
    return list(dict.fromkeys(pattern for pattern in _patterns(chosen.get("data_files")) if _inside(pattern)))


def release_files(folder: Path) -> list[Path]:
    """The files of a release's default configuration, all its splits; empty where the folder has no card of one.

    Raises:
        InputError: the card names files that are not there.
    """
    patterns = card_patterns(folder)
    found = list(
        dict.fromkeys(path for one in patterns for path in sorted(folder.glob(one)) if path.is_file())
    )
    if patterns and not found:
        raise InputError(
            f"{folder} lacks the files that its card names ({patterns[0]}): fetch or export it again"
        )
    return found


def _patterns(value: Any) -> Iterator[str]:
    """The patterns of a `data_files`: one, several, or those of splits, as the hub's cards spell them."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        if "path" in value:
            yield from _patterns(value["path"])
        else:
            for one in value.values():
                yield from _patterns(one)
    elif isinstance(value, list):
        for one in value:
            yield from _patterns(one)


def _inside(pattern: str) -> bool:
    path = PurePosixPath(pattern)
    return bool(path.parts) and not path.is_absolute() and ".." not in path.parts and "\\" not in pattern
