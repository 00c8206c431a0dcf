"""Licences by name: the same one however a source spells it, and what is to be known where several meet."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping

KNOWN = frozenset(
    [
        "apache-2.0",
        "mit",
        "openrail",
        "bigscience-openrail-m",
        "bigcode-openrail-m",
        "afl-3.0",
        "artistic-2.0",
        "bsl-1.0",
        "bsd",
        "bsd-2-clause",
        "bsd-3-clause",
        "bsd-3-clause-clear",
        "c-uda",
        "cc",
        "cc0-1.0",
        "cc-by-2.0",
        "cc-by-2.5",
        "cc-by-3.0",
        "cc-by-4.0",
        "cc-by-sa-3.0",
        "cc-by-sa-4.0",
        "cc-by-nc-2.0",
        "cc-by-nc-3.0",
        "cc-by-nc-4.0",
        "cc-by-nd-4.0",
        "cc-by-nc-nd-3.0",
        "cc-by-nc-nd-4.0",
        "cc-by-nc-sa-2.0",
        "cc-by-nc-sa-3.0",
        "cc-by-nc-sa-4.0",
        "cdla-sharing-1.0",
        "cdla-permissive-1.0",
        "cdla-permissive-2.0",
        "wtfpl",
        "ecl-2.0",
        "epl-1.0",
        "epl-2.0",
        "etalab-2.0",
        "eupl-1.1",
        "eupl-1.2",
        "agpl-3.0",
        "gfdl",
        "gpl",
        "gpl-2.0",
        "gpl-3.0",
        "lgpl",
        "lgpl-2.1",
        "lgpl-3.0",
        "isc",
        "lppl-1.3c",
        "ms-pl",
        "mpl-2.0",
        "odc-by",
        "odbl",
        "ofl-1.1",
        "osl-3.0",
        "pddl",
        "unlicense",
        "zlib",
        "ncsa",
        "llama2",
        "llama3",
        "llama3.1",
        "llama3.2",
        "llama3.3",
        "llama4",
        "gemma",
    ]
)
"""The names that a data set card on the Hugging Face Hub knows."""

_SHARE_ALIKE = re.compile(r"(^|-)(sa|gpl|agpl|lgpl|gfdl|odbl|sharing)(-|$)")
_VERSION = re.compile(r"-v(?=\d)")
_SPELLED = {"apache": "apache-2.0", "apache-2": "apache-2.0", "cc0": "cc0-1.0", "odc-by-1.0": "odc-by"}


def license_id(name: str) -> str:
    """A licence's name as the Hub spells it, where it is one that the Hub knows; else in small letters with hyphens."""
    text = re.sub(r"[\s_()/,-]+", "-", name.strip().lower()).strip("-")
    text = re.sub(r"-?licen[cs]e-?", "-", text).strip("-").removeprefix("the-")
    text = _VERSION.sub("-", re.sub(r"-version-(?=\d)", "-", text))
    text = (
        text.removeprefix("creative-commons-")
        if text.removeprefix("creative-commons-").startswith("cc")
        else text
    )
    return _SPELLED.get(text, text)


def by_id(licenses: Mapping[str, int]) -> dict[str, int]:
    """Rows by licence, those that differ in spelling alone together, the most rows first; "" where none is named."""
    counts: Counter[str] = Counter()
    for name, rows in licenses.items():
        counts[license_id(name)] += rows
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))


def one_known(counts: Mapping[str, int]) -> str:
    """The licence of all rows, where it is one and the Hub knows it; else ""."""
    (first, *others) = counts or [""]
    return first if not others and first in KNOWN else ""


def conflicts(counts: Mapping[str, int], *, chinese: bool = False) -> Iterator[str]:
    """What stands against giving all rows on under one licence, a sentence each. `counts` is that of `by_id`."""
    named = [name for name in counts if name]
    if not named:
        return
    if "" in counts:
        verb = "name" if counts[""] > 1 else "names"
        yield (
            f"{counts['']:,} 行未注明许可：转发前请先查明。"
            if chinese
            else f"{_rows(counts[''])} {verb} no licence: find out before you pass them on."
        )
    unknown = [name for name in named if name not in KNOWN]
    if unknown:
        rows = sum(counts[name] for name in unknown)
        have = "have" if rows > 1 else "has"
        yield (
            f"{rows:,} 行的许可未能识别：请自行阅读。"
            if chinese
            else f"{_rows(rows)} {have} a licence that is not known here: read it yourself."
        )
    if len(counts) < 2:
        return
    if len(named) > 1:
        yield (
            f"本数据集含 {len(named):,} 种许可：各行仍遵循其自身的许可。"
            if chinese
            else f"{len(named):,} licences meet in this set: each row stays under its own."
        )
    for english, said, found in (
        (
            "forbid commercial use, the others do not say so",
            "禁止商业使用，其余未作此规定",
            [name for name in named if "nc" in name.split("-")],
        ),
        (
            "bind what is made of them to the same licence",
            "要求衍生作品采用相同许可",
            list(filter(_SHARE_ALIKE.search, named)),
        ),
        (
            "forbid to pass on what is made of them",
            "禁止传播衍生作品",
            [name for name in named if "nd" in name.split("-")],
        ),
    ):
        if found and len(found) < len(counts):
            rows, names = sum(counts[name] for name in found), ", ".join(map(_safe, found))
            yield f"{rows:,} 行（{names}）{said}。" if chinese else f"{_rows(rows)} ({names}) {english}."


def _safe(name: str) -> str:
    """A licence's name, which comes from the data, without what Markdown would take for its own."""
    return re.sub(r"[^\w.+-]", " ", name)[:60]


def _rows(count: int) -> str:
    return f"{count:,} row{'s' * (count != 1)}"
