"""Data sets on the Hugging Face hub: how they are named, and fetching one into the local cache.

`huggingface_hub` is imported where it is used, as importing it takes a while. Nothing of a data set is executed.
"""

from __future__ import annotations

import functools
import os
import re
import sys
from pathlib import Path
from typing import NamedTuple, Self

from factory.data.formats.release import card_patterns
from factory.data.text import shorten
from factory.errors import FactoryError, InputError, MissingDependency, MissingSecret

PREFIXES = ("hf://", "hf:")
PATIENCE = 300.0
"""Seconds that the hub may be silent; it takes a while over a commit of many files."""
TOKENS = ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN")
"""The variables of the environment that may hold the token; it is read from nowhere else."""
_PART = r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,94}[A-Za-z0-9])?"
_NAME = re.compile(rf"(?:datasets/)?((?:{_PART}/)?{_PART})(?:@([A-Za-z0-9][A-Za-z0-9._/-]{{0,99}}))?")
_DATA = (
    "*.parquet",
    "*.jsonl",
    "*.ndjson",
    "*.json",
    "*.csv",
    "*.tsv",
    "*.arrow",
    "*.gz",
    "*.zst",
    "*.xz",
    "*.bz2",
)
"""What is fetched of a data set whose card does not say where its rows are."""


class HubName(NamedTuple):
    """A data set on the hub.

    repository: "org/name"; a few old ones have no org
    revision: a tag, a branch or a commit; "" is the newest
    """

    repository: str
    revision: str = ""

    @classmethod
    def read(cls, name: str) -> Self:
        """The data set that hf:org/name, hf://org/name or hf:org/name@tag stands for.

        Raises:
            InputError: it is no such name.
        """
        rest = next((name[len(prefix) :] for prefix in PREFIXES if name.startswith(prefix)), None)
        found = _NAME.fullmatch(rest) if rest is not None else None
        if found is None or ".." in found[1] or "--" in found[1] or ".." in (found[2] or ""):
            raise InputError(
                f"{shorten(name, 120)!r} is no name of a data set on the hub: write hf://org/name or "
                "hf://org/name@tag, of letters, digits, '-', '_' and '.'"
            )
        return cls(found[1], found[2] or "")

    def __str__(self) -> str:
        return f"hf:{self.repository}" + (f"@{self.revision}" if self.revision else "")


def is_hub_name(name: str) -> bool:
    """Whether a name is meant to be one on the hub."""
    return name.startswith(PREFIXES)


def endpoint() -> str | None:
    """The hub's address as HF_ENDPOINT gives it; None is the library's own."""
    return os.environ.get("HF_ENDPOINT", "").rstrip("/") or None


def token() -> str:
    """The token in the environment, "" where there is none.

    Raises:
        MissingSecret: it holds what no token holds, so that it could not be sent.
    """
    variable = next((one for one in TOKENS if os.environ.get(one, "").strip()), "")
    found = os.environ.get(variable, "").strip()
    if not re.fullmatch(r"[!-~]*", found):
        raise MissingSecret(
            f"what is in {variable} is no token of the hub, as it holds spaces, line ends or letters beyond ASCII: "
            "copy it again from your settings there"
        )
    return found


def require_hub(what: str) -> None:
    """Tell in a sentence where the package is not there; `what` needs it.

    Raises:
        MissingDependency: huggingface_hub is not installed.
    """
    try:
        import huggingface_hub  # noqa: F401 - what is used of it is imported there
    except ImportError as error:
        raise MissingDependency(
            f"{what} takes the package huggingface_hub: pip install huggingface_hub"
        ) from error
    from huggingface_hub import get_session
    from huggingface_hub.utils.tqdm import disable_progress_bars

    session = (
        get_session()
    )  # as it comes it waits for ever, and a hub that says nothing would hold the command
    if getattr(getattr(session, "timeout", None), "read", 0) is None:
        session.timeout = PATIENCE

    if not sys.stderr.isatty():
        disable_progress_bars()


@functools.lru_cache(maxsize=64)
def fetch_dataset(name: HubName) -> Path:
    """A folder with the files of a data set, in the hub's cache; fetched once in a process.

    Fetched are its card and the files that this names, or all data files where it names none.

    Raises:
        InputError: there is no such data set or tag, it is not given to this user, or the hub cannot be reached.
        MissingDependency: huggingface_hub is not installed.
        MissingSecret: the environment holds a token that is none.
    """
    require_hub(f"reading {name}")
    from huggingface_hub import snapshot_download

    def fetch(patterns: list[str]) -> Path:
        return Path(
            snapshot_download(
                name.repository,
                repo_type="dataset",
                revision=name.revision or None,
                allow_patterns=patterns,
                endpoint=endpoint(),
                token=token() or None,
            )
        )

    try:
        folder = fetch(["README.md"])
        return fetch(["README.md", *(card_patterns(folder) or _DATA)])
    except FactoryError:
        raise
    except Exception as error:  # the hub's client lets its transport's own errors through
        raise InputError(_why(name, error)) from error


def _why(name: HubName, error: Exception) -> str:
    from huggingface_hub import errors

    if isinstance(error, errors.GatedRepoError):
        return f"{name} is gated: accept its terms on the hub, and set HF_TOKEN"
    if isinstance(error, errors.RevisionNotFoundError):
        return f"{name}: the data set has no tag, branch or commit {name.revision!r}: check its name"
    if isinstance(error, errors.RepositoryNotFoundError):
        return f"{name}: the hub has no such data set, or it is private: check the name, and set HF_TOKEN"
    return f"{name} cannot be fetched from the hub ({reason(error)}): check the network and HF_ENDPOINT"


def reason(error: BaseException) -> str:
    """The first line of what an error of the hub's client says, which may stand behind others."""
    while error.__cause__ is not None and not isinstance(error, OSError):
        error = error.__cause__
    said = str(error).strip().partition("\n")[0]
    return shorten(said, 160) or type(error).__name__
