"""What a set is like, alone and beside another, from Python."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any, NamedTuple

import orjson

from factory.api.costly_measures import PARSED, VENDI, embedded_of, verb_noun_of
from factory.api.dataset import Dataset, load
from factory.api.showing import live
from factory.data.table import Table
from factory.data.whole_file import write_whole
from factory.engine.progress import RunProgress
from factory.engine.run import RunResult
from factory.report.as_text import AsText
from factory.report.measures import TaggedSet, measure_lines, measures
from factory.report.page.comparison import comparison_lines, write_comparison
from factory.report.run_files.rows import kept_files, open_rows
from factory.steps.tags.tag_sets.measure import TagSummary, tag_counts

__all__ = ["PARSED", "VENDI", "Comparison", "Measures", "compare", "measure"]


class Measures(AsText, dict[str, Any]):
    """The measures of a set by name, as plain JSON; shows itself as `factory measure` prints it."""

    __slots__ = ()
    __repr__ = AsText.__repr__

    def as_text(self) -> str:
        """What `factory measure` prints."""
        return "\n".join(measure_lines(self))

    def save(self, path: str | Path) -> Path:
        """Write the measures to a JSON file.

        Raises:
            OutputError: it cannot be written.
        """
        path = Path(path).expanduser()
        write_whole(path, orjson.dumps(dict(self), option=orjson.OPT_INDENT_2) + b"\n")
        return path


class Comparison(AsText):
    """Two sets by their tags; shows itself as `factory tags compare` prints it."""

    __slots__ = ("first", "second")

    def __init__(self, first: TaggedSet, second: TaggedSet) -> None:
        self.first = first
        self.second = second

    @property
    def measures(self) -> list[list[TagSummary]]:
        """The measures of each set and of its sources; diversity is the share of the tags of both."""
        counts = [tag_counts(one.tag_lists) for one in (self.first, self.second)]
        pool = counts[0].keys() | counts[1].keys()
        return [one.summaries(pool) for one in (self.first, self.second)]

    def as_text(self) -> str:
        """What `factory tags compare` prints."""
        return "\n".join(comparison_lines(self.first, self.second))

    def save(self, path: str | Path) -> Path:
        """Write the comparison as one HTML page.

        Raises:
            OutputError: it cannot be written.
        """
        path = Path(path).expanduser()
        write_comparison(path, self.first, self.second)
        return path


def measure(
    data: Any,
    *,
    pool: Any = None,
    vendi: int | None = None,
    verb_noun: bool | None = None,
    limit: int | None = None,
    journal: str | Path | None = None,
) -> Measures:
    """Measure a set: words, languages, tasks, verb-noun pairs, diversity of words and of meaning, tags, complexity.

    Args:
        data: a `Dataset`, what `run` gave or a run's folder, or whatever `load` takes.
        pool: the set, in any of these forms, whose tags diversity is a share of.
        vendi: embed so many instructions, evenly spaced, for the Vendi score, NovelSum, k-NN distance, radius and
            log-determinant; 0: none. By default `VENDI`, where the embedded model is there.
        verb_noun: count verb-noun pairs. By default in `PARSED` instructions, where spaCy's model is installed.
        limit: take only the first so many records.
        journal: where embeddings are kept; by default outputs/journal.db.

    Raises:
        InputError: there is no such set.
        MissingDependency: what was asked for is not installed.
    """
    name, table = _set(data, limit)
    tags = None
    if pool is not None:
        tags = tag_counts(TaggedSet.of(*_set(pool, None)).tag_lists)
    found = Measures(measures(table, name, tags))
    if verb_noun is not False:
        found["verb_noun"] = verb_noun_of(table, needed=verb_noun is True)
    if vendi != 0:
        place = Path(journal) if journal is not None else None
        progress = RunProgress()
        with live(progress, None, brief=True):
            found |= embedded_of(table, vendi or VENDI, place, vendi is not None, progress)
    return found


def compare(first: Any, second: Any, *, limit: int | None = None) -> Comparison:
    """Put two sets side by side by their tags: diversity, complexity, tags of one set only, largest differences.

    Args:
        first: a `Dataset`, what `run` gave or a run's folder, or whatever `load` takes; `second` as well.
        limit: take only the first so many records of each.

    Raises:
        InputError: there is no such set.
    """
    one, other = (TaggedSet.of(*_set(data, limit)) for data in (first, second))
    if one.name == other.name:
        one, other = one._replace(name=f"{one.name} (first)"), other._replace(name=f"{other.name} (second)")
    return Comparison(one, other)


class _Named(NamedTuple):
    name: str
    table: Table


def _set(data: Any, limit: int | None) -> _Named:
    """A set's name and records. Rows that cannot be read are told by a warning.

    Raises:
        InputError: there is no such file or run.
    """
    if isinstance(data, RunResult):
        data = data.folder
    name = "set"
    if isinstance(data, (str, Path)):
        folder = Path(data).expanduser()
        name = folder.name
        if folder.is_dir() and (files := kept_files(folder)):
            open_rows(files[0])
            return _Named(name, _first(Table.read(files[0]), limit))
    if not isinstance(data, Dataset):
        data = load(data, limit=limit)
        if bad := len(data.dropped):
            warnings.warn(f"{name}: {bad:,} rows could not be read and are left out", stacklevel=3)
    return _Named(name, _first(Table(data.to_arrow()), limit))


def _first(table: Table, limit: int | None) -> Table:
    return table if limit is None else table.take(range(min(limit, len(table))))
