"""Which files of a folder an export wrote, told by its card: a folder may hold others, of whoever it is."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from factory.data.formats.layouts import LAYOUTS
from factory.data.formats.parquet_files import part_of_shard
from factory.data.formats.release import card_header

BESIDE = ("README.md", "dataset_info.json")
"""What an export writes beside the rows."""
_UNNAMED = "source"
"""Rows as they came: beside another format the card does not name them."""


def exported_files(folder: Path) -> tuple[list[str], list[str]]:
    """The files of an export by their path in its folder, and the others that lie there; hidden ones are neither.

    An export's are its card, dataset_info.json, and of each format and part that the card names the JSON Lines, and
    Parquet in one file or several.
    """
    parts = list(_parts(folder))
    formats = {name for name, _ in parts} | {_UNNAMED}
    named = {part for _, part in parts}
    ours, others = list[str](), list[str]()
    for path in sorted(folder.rglob("*")):
        place = path.relative_to(folder)
        if any(part.startswith(".") for part in place.parts) or not path.is_file():
            continue
        known = place.as_posix() in BESIDE or (
            len(place.parts) == 2
            and place.parts[0].removesuffix("_parquet") in formats
            and path.suffix in (".jsonl", ".parquet")
            and part_of_shard(path) in named
        )
        (ours if known else others).append(place.as_posix())
    return ours, others


def _parts(folder: Path) -> Iterator[tuple[str, str]]:
    """Each format and part that the card names."""
    configs = card_header(folder).get("configs")
    for config in configs if isinstance(configs, list) else ():
        if not isinstance(config, dict) or (name := config.get("config_name")) not in LAYOUTS:
            continue
        files = config.get("data_files")
        for one in files if isinstance(files, list) else ():
            if isinstance(one, dict) and isinstance(one.get("split"), str):
                yield name, one["split"]
