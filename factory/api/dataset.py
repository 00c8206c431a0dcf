"""The notebook face: load -> chained steps -> look -> save.

A `Dataset` is lazy: a step's method only writes the step down, so that neighbouring steps stream into each
other and a paid model is asked when you say so. What is pending runs once, on `run()` or when the records are
needed: `len`, iteration, indexing, `dropped`, `to_pandas`, `save`. Showing a dataset never runs anything.
"""

from __future__ import annotations

import contextlib
import html
import itertools
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from factory.api.steps import make_step
from factory.data.formats.read import BadRow, read_records
from factory.data.record import Record
from factory.data.table import Table
from factory.data.text import shorten
from factory.data.whole_file import write_whole
from factory.engine.execute import Execution
from factory.engine.folder import OUTPUTS, rows_as_json
from factory.engine.journal.journal import Journal
from factory.engine.progress import RunProgress
from factory.engine.run import run_blocking
from factory.errors import InputError
from factory.models.naming import ModelEntry
from factory.step import Source, Step, find_step, named_file, nearest, step_names
from factory.steps.files.read import bad_row

if TYPE_CHECKING:
    import pandas as pd
    import polars as pl
    import pyarrow as pa

_SHOWN = 8


def load(
    data: Any,
    *,
    format: str | None = None,
    shape: str | None = None,
    limit: int | None = None,
    strict: bool = False,
) -> Dataset:
    """A `Dataset` of a file's rows, or of a Python object's.

    Rows that cannot be read are in `dropped`, each with its reason.

    Args:
        data: a path (JSONL, JSON, CSV, TSV, Parquet, gzip too), "factory:seeds", "hf:NAME" for a Hugging Face
            data set, a list of dicts or Records, a pandas or polars frame, an Arrow table, a datasets.Dataset.
        format: the file format, by default what the name says.
        shape: "alpaca", "sharegpt" or "messages", by default recognised.
        limit: read at most this many records.
        strict: raise at the first row that cannot be read.

    Raises:
        InputError: nothing can be read.
    """
    rows: Iterator[Record | BadRow]
    if isinstance(data, (str, Path)):
        text = str(data)
        if text.startswith("hf:"):
            from factory.data.formats.python_objects import read_hub

            rows = iter(read_hub(text[3:]))
        else:
            rows = read_records(named_file(text), format=format, shape=shape)
    else:
        from factory.data.formats.python_objects import records_from

        rows = iter(records_from(data))
    kept: list[Record] = []
    bad: list[Record] = []
    for row in rows:
        if limit is not None and len(kept) >= limit:
            break
        if isinstance(row, BadRow):
            if strict:
                raise InputError(f"{row.file}:{row.line}: {row.reason}")
            bad.append(bad_row(row, "00-load"))
        else:
            kept.append(row)
    return Dataset(Table.from_records(kept), Table.from_records(bad))


class Dataset:
    """Records and the steps still to be run on them. Each installed step is a method with its options.

    Example:
        >>> ds = load("factory:seeds", limit=4).evolve(rounds=1).dedup_rouge(threshold=0.7)
        >>> ds.run(seed=42)
    """

    def __init__(
        self,
        table: Table,
        dropped: Table | None = None,
        pending: tuple[Step, ...] = (),
        models: Mapping[str, ModelEntry] | None = None,
        done: int = 0,
    ) -> None:
        self._table = table
        self._dropped = dropped if dropped is not None else Table.from_records([])
        self._pending = pending
        self._models: dict[str, ModelEntry] = dict(models or {})
        self._done = done
        self._result: Dataset | None = None
        self.progress: RunProgress | None = None

    # -- steps ---------------------------------------------------------------------------------------------

    def __getattr__(self, name: str) -> Callable[..., Dataset]:
        if name.startswith("_") or name not in step_names():
            raise AttributeError(f"a Dataset has no step or method {name!r}{nearest(name, step_names())}")
        kind = find_step(name)
        if issubclass(kind, Source):
            raise AttributeError(f"`{name}` brings records in: use factory.load")

        def method(**options: Any) -> Dataset:
            return self.then(name, **options)

        method.__name__, method.__doc__ = name, kind.__doc__
        return method

    def __dir__(self) -> list[str]:
        return [*super().__dir__(), *step_names()]

    def then(self, name: str, /, **options: Any) -> Dataset:
        """This dataset with one more step to run; what `ds.<name>(...)` calls.

        A field that names a model takes a `model(...)` or a LangChain chat model as well.

        Raises:
            RecipeError: there is no such step or option.
        """
        models = dict(self._models)
        step = make_step(name, options, models)
        return Dataset(self._table, self._dropped, (*self._pending, step), models, self._done)

    # -- running -------------------------------------------------------------------------------------------

    def run(
        self, *, seed: int = 0, journal: str | Path | None = None, show_progress: bool = False
    ) -> Dataset:
        """Run what is pending and give the finished dataset; a second call gives the same one.

        Every reply is journalled (in outputs/journal.db unless told otherwise): running again asks only what
        is new. With `show_progress` counts, rates and the time left are shown while it runs, in a notebook, on a
        terminal, or as a line every few seconds on the standard error stream.

        Raises:
            RunStopped: no record could go on.
        """
        if not self._pending:
            return self
        if self._result is None:
            path = Path(journal) if journal is not None else OUTPUTS / "journal.db"
            self._result = self._run(seed, path, show_progress)
        return self._result

    def _run(self, seed: int, journal_path: Path, show_progress: bool) -> Dataset:
        journal = Journal(journal_path)
        try:
            with tempfile.TemporaryDirectory(prefix="factory-") as folder:
                execution = Execution(
                    self._pending, self._models, seed, journal, Path(folder), first_number=self._done + 1
                )
                if journal.recovered:
                    execution.progress.warn(journal.recovered)
                with _shown(execution.progress) if show_progress else contextlib.nullcontext():
                    kept = Table.read(run_blocking(lambda: execution.run(self._table), execution.stop))
                dropped = [Table.read(path) for path in sorted(Path(folder).glob("*/dropped.parquet"))]
                everything = itertools.chain(self._dropped.records(), *(table.records() for table in dropped))
                result = Dataset(
                    kept,
                    Table.from_records(everything),
                    models=self._models,
                    done=self._done + len(self._pending),
                )
        finally:
            journal.close()
        result.progress = execution.progress
        return result

    # -- looking -------------------------------------------------------------------------------------------

    def __len__(self) -> int:
        return len(self.run()._table)

    def __iter__(self) -> Iterator[Record]:
        return self.run()._table.records()

    def __getitem__(self, index: int) -> Record:
        table = self.run()._table
        if not -len(table) <= index < len(table):
            raise IndexError(f"the dataset has {len(table)} records, so there is no number {index}")
        return next(table.take([index % len(table)]).records())

    @property
    def dropped(self) -> Dataset:
        """The records that were let go; each says by which step and why (`record.dropped`)."""
        return Dataset(self.run()._dropped)

    @property
    def pending(self) -> tuple[Step, ...]:
        """The steps that have not run yet."""
        return () if self._result is not None else self._pending

    def _rows(self) -> tuple[list[str], list[list[str]]]:
        shown = self if self._result is None else self._result
        columns = ["id", "lang", "task", "instruction", "output", "tags", "scores"]
        rows = []
        for record in itertools.islice(shown._table.records(), _SHOWN):
            scores = ", ".join(f"{name} {value:.3g}" for name, value in sorted(record.scores.items()))
            tags = ", ".join(tag.name for tag in record.tags)
            last = f"{record.dropped.kind}: {record.dropped.reason}" if record.dropped else scores
            texts = [record.instruction, record.output, tags, last]
            rows.append([record.id, record.lang, record.task, *(shorten(text, 60) for text in texts)])
        return columns, rows

    def _caption(self) -> str:
        shown = self if self._result is None else self._result
        count = f"{len(shown._table):,} records" + (
            f", {len(shown._dropped):,} dropped" if len(shown._dropped) else ""
        )
        if not self.pending:
            return count
        steps = " -> ".join(step.name for step in self._pending)
        return f"{count}; pending: {steps} (nothing has run yet: call .run())"

    def __repr__(self) -> str:
        columns, rows = self._rows()
        short = [[shorten(cell, 28) for cell in row] for row in [columns, *rows]]
        widths = [max(len(row[at]) for row in short) for at in range(len(columns))]
        lines = [
            "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
            for row in short
        ]
        return "\n".join([f"Dataset: {self._caption()}", *(lines if rows else [])])

    def _repr_html_(self) -> str:
        columns, rows = self._rows()
        head = "".join(f"<th>{html.escape(name)}</th>" for name in columns)
        body = "".join(
            "<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in row) + "</tr>" for row in rows
        )
        return f"<p>{html.escape(self._caption())}</p><table><tr>{head}</tr>{body}</table>"

    # -- leaving -------------------------------------------------------------------------------------------

    def to_arrow(self) -> pa.Table:
        """The records as an Arrow table, all columns."""
        return self.run()._table.arrow

    def to_pandas(self) -> pd.DataFrame:
        """The records as a pandas frame: one column for each score, NaN where it is missing."""
        try:
            import pandas as pd
        except ImportError as error:
            raise _lacks("pandas") from error
        return pd.DataFrame(self._flat())

    def to_polars(self) -> pl.DataFrame:
        """The records as a polars frame: one column for each score, null where it is missing."""
        try:
            import polars as pl
        except ImportError as error:
            raise _lacks("polars") from error
        return pl.DataFrame(self._flat(), infer_schema_length=None, strict=False)

    def _flat(self) -> dict[str, list[Any]]:
        table = self.run()._table
        names = table.score_names()
        columns: dict[str, list[Any]] = {
            "id": table.ids(),
            "instruction": table.texts("instruction"),
            "input": table.texts("input"),
            "output": table.texts("output"),
            "lang": table.values("lang"),
            "task": table.values("task"),
            "source": table.values("source"),
            "tags": [[tag["name"] for tag in tags] for tags in table.values("tags")],
        }
        for name in names:
            columns[name] = [None if value != value else value for value in table.scores(name).tolist()]
        drops = table.values("dropped")
        if any(drops):
            columns["dropped_by"] = [drop["step"] if drop else "" for drop in drops]
            columns["reason"] = [drop["reason"] if drop else "" for drop in drops]
        return columns

    def save(self, path: str | Path, format: str | None = None) -> Path:
        """Write the records to one file.

        Args:
            path: the file; its ending says how (.jsonl, .json, .csv, .parquet, with .gz or without).
            format: "alpaca", "sharegpt", "messages", "parquet" or "records" (lossless: read back as it is); by
                default what suits the ending: for JSON "messages", and "records" where a record has tags, a
                task or scores, which messages would lose.

        Raises:
            OutputError: it cannot be written.
        """
        from factory.data.formats.write import write_file

        path = Path(path).expanduser()
        if format is None and path.name.lower().removesuffix(".gz").endswith((".json", ".jsonl")):
            format = "records" if self.annotations() else "messages"
        write_file(self, path, format)
        return path

    def annotations(self) -> list[str]:
        """Which of tags, task and scores any record has: what CSV and rows for training have no place for."""
        table = self.run()._table
        return [name for name in ("tags", "task", "scores") if any(table.values(name))]

    def save_tables(self, path: str | Path) -> list[Path]:
        """Write what the steps handed out beside the records (`tag_map`) beside `path`; returns the files.

        A table's file has its name after that of `path`: set.jsonl, set.tag_map.jsonl. A file of that name
        with other rows may have been edited by hand: it stays, and the new one is set.tag_map-2.jsonl.

        Raises:
            OutputError: one cannot be written.
        """
        path = Path(path).expanduser()
        steps = done.steps if (done := self.run().progress) is not None else []
        tables = {name: rows for step in steps for name, rows in step.tables.items()}
        written = []
        for name, rows in tables.items():
            plain, data = f"{path.name.split('.')[0]}.{name}", rows_as_json(rows)
            place, number = path.with_name(f"{plain}.jsonl"), 1
            while place.is_file() and place.read_bytes() != data:
                number += 1
                place = path.with_name(f"{plain}-{number}.jsonl")
            write_whole(place, data)
            written.append(place)
        return written


def _shown(progress: RunProgress) -> contextlib.AbstractContextManager[object]:
    """Shows the progress while the block lasts; warnings and last counts are the caller's to say."""
    from rich.console import Console

    from factory.report.terminal.live import LiveProgress

    return LiveProgress(progress, Console(stderr=True), brief=True)


def _lacks(package: str) -> Exception:
    from factory.errors import MissingDependency

    return MissingDependency(f"{package} is not installed: pip install 'sft-factory[{package}]'")
