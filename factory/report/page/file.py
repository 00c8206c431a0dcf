"""What every page that is written has in common: it fetches nothing, and is there whole or not at all."""

from __future__ import annotations

from pathlib import Path

from factory.data.whole_file import write_whole

# Nothing is fetched and nothing runs, whatever a row holds: a second wall behind the escaping.
POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"


def write_page(path: Path, page: str, mend: str) -> None:
    """Write a page to `path`, whole or not at all; its folder is made.

    Args:
        mend: what the user can do where it cannot be written.

    Raises:
        OutputError: it cannot be written.
    """
    write_whole(path, page.encode(), mend)
