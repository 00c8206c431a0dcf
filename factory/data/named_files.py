"""The files that an option names: paths, folders, patterns, and those that come with the package."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from factory.data.formats.places import data_files
from factory.errors import InputError

_SEEDS = Path(__file__).parent / "seeds"
SHIPPED = {
    "factory:seeds": _SEEDS / "seeds.jsonl",
    **{f"factory:seeds/{path.stem}": path for path in sorted(_SEEDS.glob("*.jsonl")) if path.stem != "seeds"},
}
"""Names of the files that come with the package: the seed tasks, and those of single recipes."""


def named_file(name: str) -> Path:
    """The file that an option names: one of `SHIPPED`, or a path, in which ~ is the home folder.

    Raises:
        InputError: the package has no seeds of this name.
    """
    if name.startswith("factory:seeds") and name not in SHIPPED:
        raise InputError(
            f"there are no seeds {name!r}; those that come with factory are {', '.join(SHIPPED)}"
        )
    return SHIPPED.get(name) or Path(os.path.expanduser(name))  # leaves an unknown ~user, where Path's raises


def named_files(names: str | Sequence[str], *, documents: bool = False) -> list[Path]:
    """The files of an option that takes one name or several, of a file, a folder or a pattern; an empty name is none.

    With `documents` they may be documents, where a folder or a pattern holds no rows.

    Raises:
        InputError: a folder or a pattern holds no data file.
    """
    named = [names] if isinstance(names, str) else names
    return [file for name in named if name for file in data_files(named_file(name), documents=documents)]
