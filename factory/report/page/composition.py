"""What a set is made of: counts over all of its rows, a column at a time, lengths over an even sample."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from factory.data.arrow import to_array, to_numbers
from factory.data.text import word_count
from factory.report.run_files.rows import evenly, open_rows, rows_at
from factory.statistics.correlation import spearman
from factory.statistics.interval import Interval, correlation_interval

if TYPE_CHECKING:
    from numpy.typing import NDArray

LENGTH_ROWS = 4000
"""How many rows are measured: their words have to be found one by one."""


@dataclass(slots=True)
class Composition:
    """Counts of a set by what its records are.

    scores: by name, float64 values of the records that have one; the others are missing
    instruction_words, output_words: int64, shape (measured rows,)
    length_correlation: by score, Spearman's correlation with the words of the output over the measured rows
        that have both; None where it is not defined
    length_intervals: the 95 % interval of each of these
    """

    rows: int = 0
    tasks: Counter[str] = field(default_factory=Counter)
    languages: Counter[str] = field(default_factory=Counter)
    sources: Counter[str] = field(default_factory=Counter)
    rounds: Counter[int] = field(default_factory=Counter)
    scores: dict[str, NDArray[np.float64]] = field(default_factory=dict)
    instruction_words: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))
    output_words: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))
    length_correlation: dict[str, float | None] = field(default_factory=dict)
    length_intervals: dict[str, Interval] = field(default_factory=dict)


def compose(path: Path) -> Composition:
    """The composition of the records in a Parquet file; memory does not grow with their number.

    Raises:
        InputError: the file is damaged.
    """
    found = Composition()
    scores: dict[str, list[NDArray[np.float64]]] = {}
    columns = ["task", "lang", "source", "events", "scores"]
    for batch in open_rows(path).iter_batches(batch_size=1 << 14, columns=columns):
        found.rows += batch.num_rows
        for name, counter in (("task", found.tasks), ("lang", found.languages), ("source", found.sources)):
            for item in batch.column(name).value_counts().to_pylist():
                counter[item["values"] or ""] += item["counts"]
        found.rounds.update(Counter(_rounds(batch.column("events"), batch.num_rows).tolist()))
        for name, values in _scores(batch.column("scores")).items():
            scores.setdefault(name, []).append(values)
    found.scores = {name: np.concatenate(parts) for name, parts in sorted(scores.items())}
    sample = rows_at(path, evenly(found.rows, LENGTH_ROWS))
    found.instruction_words = np.array([word_count(record.prompt) for record in sample], np.int64)
    answered = [record for record in sample if record.output]
    found.output_words = np.array([word_count(record.output) for record in answered], np.int64)
    for name in found.scores:
        graded = [record.scores.get(name, np.nan) for record in answered]
        rho = found.length_correlation[name] = spearman(graded, found.output_words)
        if rho is not None:
            found.length_intervals[name] = correlation_interval(rho, int(np.isfinite(graded).sum()))
    return found


def _rounds(events: Any, rows: int) -> NDArray[np.int64]:
    """The last round of evolution of each row, 0 for one that was never evolved."""
    import pyarrow.compute as pc

    rounds = np.zeros(rows, np.int64)
    owners = to_numbers(pc.list_parent_indices(events))
    np.maximum.at(rounds, owners, to_numbers(pc.list_flatten(events).field("round")))
    return rounds


def _scores(column: Any) -> dict[str, NDArray[np.float64]]:
    """Each score's values in a batch, without the rows that miss it."""
    import pyarrow as pa
    import pyarrow.compute as pc

    names = pc.unique(column.keys).to_pylist()
    keys = to_array(names, pa.string())
    found = [pc.map_lookup(column, key, "first").drop_null() for key in keys]
    values = {name: to_numbers(array) for name, array in zip(names, found, strict=True)}
    return {name: array[np.isfinite(array)] for name, array in values.items() if len(array)}
