"""Which files of a folder or of a pattern are documents to read."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from factory.data.documents.kinds import ENDINGS, document_kind, is_document_name
from factory.data.formats.files import is_data_file, shown_path

_BESIDE = re.compile(r"(?:readme|licen[cs]e|notice|changelog|contributing|citation)\b", re.IGNORECASE)
"""Names of texts that lie beside rows and tell of them."""
_LIST = "_content_list.json"
_OF_MINERU = ("_middle.json", "_model.json", "_layout.pdf", "_span.pdf", "_spans.pdf", "_origin.pdf")
_NAMED = 5

Tell = Callable[[str], None]


def documents_of(folder: Path, tell: Tell | None) -> list[Path]:
    """The documents of a folder and of those below it, in the order of their names; none where it holds rows.

    Files of rows that lie in it count for more than documents beside them, and documents that lie in it for more than
    rows in folders below; a README or a licence is neither. Links to folders are not followed. What is left out is
    told.
    """
    inside = [one for one in sorted(folder.iterdir()) if not one.name.startswith(".") and one.is_file()]
    rows = [one for one in inside if _is_rows(one)]
    documents = [one for one in inside if one not in rows and document_kind(one)]
    if rows:
        left = [one for one in documents if not _BESIDE.match(one.name)]
        if left and tell is not None:
            tell(
                f"{shown_path(folder)}: its rows are read, its documents are left out ({_names(left)}): name them by a "
                f"pattern such as {shown_path(folder)}/*{left[0].suffix}, or put them into a folder of their own"
            )
        return []
    below, others, links = _below(folder)
    found = sorted([*documents, *below], key=_natural)
    certain = [
        one for one in documents if ENDINGS.get(one.suffix.lower()) != "txt" and not _BESIDE.match(one.name)
    ]
    if any(map(_is_rows, others)) and not certain:
        return []
    if found and tell is not None:
        others = [one for one in (*others, *inside) if one not in found]
        if others:
            tell(f"{shown_path(folder)}: left out, as they are no documents: {_names(others)}")
        if links:
            tell(f"{shown_path(folder)}: links to folders are not followed: {_names(links)}")
    return _once(found, folder, tell)


def documents_among(files: Sequence[Path], place: Path, tell: Tell | None) -> list[Path]:
    """The documents among the files of a pattern, in the order of their names; none where some are files of rows."""
    if any(map(_is_rows, files)):
        return []
    found = sorted((one for one in files if document_kind(one)), key=_natural)
    left = [one for one in files if one not in set(found)]
    if found and left and tell is not None:
        tell(f"{shown_path(place)}: left out, as they are no documents: {_names(left)}")
    return _once(found, place, tell)


def _is_rows(path: Path) -> bool:
    """Whether a file is one of rows, by its name; another converter's JSON is a document."""
    return is_data_file(path) and not path.name.endswith(_OF_MINERU) and not document_kind(path)


def _below(folder: Path) -> tuple[list[Path], list[Path], list[Path]]:
    """The documents in the folders below one, the other files there, and links to folders."""
    documents: list[Path] = []
    others: list[Path] = []
    links: list[Path] = []
    for root, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        links += [Path(root, name) for name in folders if Path(root, name).is_symlink()]
        if Path(root) == folder:
            continue
        for name in names:
            path = Path(root, name)
            if not name.startswith(".") and path.is_file():
                (documents if is_document_name(path) or document_kind(path) else others).append(path)
    return documents, others, links


def _once(found: list[Path], place: Path, tell: Tell | None) -> list[Path]:
    """Documents without what MinerU wrote beside its list of contents; those of one name in two kinds are told."""
    ours = {one.with_name(one.name.removesuffix(_LIST)) for one in found if one.name.endswith(_LIST)}
    twice = [
        one
        for one in found
        if any(
            one == start.with_name(start.name + ending)
            for start in ours
            for ending in (".md", *_OF_MINERU, "_content_list_v2.json")
        )
    ]
    if twice and tell is not None:
        tell(f"{shown_path(place)}: left out, as their list of contents is read: {_names(twice)}")
    kept = [one for one in found if one not in set(twice)]
    seen: dict[Path, Path] = {}
    doubles = [one for one in kept if seen.setdefault(one.with_suffix(""), one) is not one]
    if doubles and tell is not None:
        pair = [seen[doubles[0].with_suffix("")], doubles[0]]
        tell(
            f"{shown_path(place)}: {_names(pair)} may be the same document, and {len(doubles):,} more such: all are "
            "read; `dedup_minhash` after `chunk` finds what is the same"
            if len(doubles) > 1
            else f"{shown_path(place)}: {_names(pair)} may be the same document: both are read; `dedup_minhash` after "
            "`chunk` finds what is the same"
        )
    return kept


def _natural(path: Path) -> list[tuple[int, str]]:
    """The order of names with numbers in them by size."""
    parts = re.split(r"(\d+)", str(path))
    return [(len(part), part) if part.isdigit() else (0, part) for part in parts]


def _names(files: Iterable[Path]) -> str:
    names = [shown_path(Path(one.name)) for one in files]
    more = f" and {len(names) - _NAMED:,} more" if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + more
