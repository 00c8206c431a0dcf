"""The notebook face: load -> chained steps -> look -> save.

A `Dataset` is lazy: a step's method only writes the step down, so that neighbouring steps stream into each
other and a paid model is asked when you say so. What is pending runs once, on `run()` or when the records are
needed: `len`, iteration, indexing, `dropped`, `to_pandas`, `save`. Showing a dataset never runs anything.
"""

from __future__ import annotations

import itertools
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, SupportsIndex, overload

from factory.api import frames
from factory.api.dataset_view import Shown
from factory.api.saving import added_columns, as_read, write_table
from factory.api.selecting import Selecting
from factory.api.showing import live, told_how_to_go_on
from factory.api.step_methods import StepMethods
from factory.api.steps import make_step
from factory.api.why_empty import why_empty
from factory.data.formats.read import BadRow
from factory.data.formats.read_files import read_files
from factory.data.named_files import named_file
from factory.data.record import Record
from factory.data.table import Table
from factory.data.whole_file import write_whole
from factory.engine.blocking import run_blocking
from factory.engine.calls.watch import ALIKE
from factory.engine.execute import Execution
from factory.engine.folder import OUTPUTS, rows_as_json
from factory.engine.journal.journal import Journal
from factory.engine.progress import RunProgress
from factory.errors import InputError, NoSuchRecord, OutputError, UnknownName, nearest
from factory.models.naming import ModelEntry
from factory.step import Step
from factory.steps.files.read import bad_row

if TYPE_CHECKING:
    import datasets
    import pandas as pd
    import polars as pl
    import pyarrow as pa

    from factory.data.formats.write import WrittenFile


def load(
    data: Any,
    *,
    format: str | None = None,
    shape: str | None = None,
    encoding: str = "",
    text: str = "",
    limit: int | None = None,
    strict: bool = False,
) -> Dataset:
    """A `Dataset` of a file's rows, or of a Python object's; those that cannot be read are in `dropped`.

    Args:
        data: a path (JSONL, JSON, CSV, TSV, Parquet, Arrow, packed ones too, documents), of a file, a folder or a
            pattern such as data/*.jsonl, or several; "factory:seeds", "hf:NAME" or "hf:NAME@TAG" for one of Hugging
            Face, a list of dicts or Records, a pandas or polars frame, an Arrow table, a datasets.Dataset.
        format: the file format, by default what the name says.
        shape: one of `formats.shapes.SHAPES`, by default recognised.
        encoding: what the text of files is in, such as "gb18030", by default UTF-8.
        text: the column that holds the text of a document; each row is one then.
        limit: read at most this many records.
        strict: raise at the first row that cannot be read.

    Raises:
        InputError: nothing can be read.
    """
    rows: Iterator[Record | BadRow]
    names = [data] if isinstance(data, (str, Path)) else data
    if isinstance(data, str) and data.startswith("hf:"):
        from factory.data.formats.python_objects import hub_records

        rows = hub_records(data, text=text)
    elif isinstance(names, (list, tuple)) and names and all(isinstance(name, (str, Path)) for name in names):
        paths = [named_file(str(name)) for name in names]
        rows = read_files(paths, format=format, shape=shape, encoding=encoding, text=text)
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
                raise InputError(row.sentence)
            bad.append(bad_row(row, "00-load"))
        else:
            kept.append(row)
    return Dataset(Table.from_records(kept), Table.from_records(bad))


class Dataset(StepMethods, Selecting):
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
        self,
        *,
        seed: int = 0,
        journal: str | Path | None = None,
        show_progress: bool | None = None,
        stop_after_alike: int = ALIKE,
    ) -> Dataset:
        """Run what is pending and give the finished dataset; a second call gives the same one.

        Every reply is journalled (in outputs/journal.db unless told otherwise): running again asks only what
        is new. With `show_progress` counts, rates and the time left are shown while it runs, in a notebook, on a
        terminal, or as a line every few seconds on the standard error stream; by default in a notebook alone. When
        `stop_after_alike` records of a step fail alike and none went well, the run stops and says why; 0 never stops.

        Raises:
            RunStopped: no record could go on.
        """
        if not self._pending:
            return self
        if self._result is None:
            path = Path(journal) if journal is not None else OUTPUTS / "journal.db"
            self._result = self._run(seed, path, show_progress, stop_after_alike)
        return self._result

    def _run(
        self, seed: int, journal_path: Path, show_progress: bool | None, stop_after_alike: int
    ) -> Dataset:
        journal = Journal(journal_path)
        try:
            with tempfile.TemporaryDirectory(prefix="factory-") as folder:
                execution = Execution(
                    self._pending,
                    self._models,
                    seed,
                    journal,
                    Path(folder),
                    first_number=self._done + 1,
                    stop_after_alike=stop_after_alike,
                )
                if journal.recovered:
                    execution.progress.warn(journal.recovered)
                progress = execution.progress
                with told_how_to_go_on(progress), live(progress, show_progress, brief=True):
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

    @overload
    def __getitem__(self, wanted: int) -> Record: ...

    @overload
    def __getitem__(self, wanted: slice) -> Dataset: ...

    @overload
    def __getitem__(self, wanted: str) -> list[Any]: ...

    def __getitem__(self, wanted: int | slice | str) -> Record | Dataset | list[Any]:
        """`ds[0]` is a record, `ds[:5]` a dataset of the first five, `ds["output"]` a column of `to_pandas(meta=True)`.

        Raises:
            IndexError, KeyError: there is no such record or column (as NoSuchRecord, UnknownName).
        """
        done = self.run()
        if isinstance(wanted, str):
            columns = frames.columns_of(done._table, meta=True)
            if wanted not in columns:
                raise UnknownName(f"there is no column {wanted!r}{nearest(wanted, list(columns))}")
            return columns[wanted]
        if isinstance(wanted, slice):
            some = done._table.take(range(len(done._table))[wanted])
            return Dataset(some, models=done._models, done=done._done)
        if not isinstance(wanted, SupportsIndex):
            raise TypeError(
                f"a dataset is asked for a number, a slice or a column's name, not for a {type(wanted).__name__}: "
                "ds.to_pandas() takes lists and masks"
            )
        wanted = wanted.__index__()
        if not -len(done._table) <= wanted < len(done._table):
            raise NoSuchRecord(f"the dataset has {len(done._table)} records, so there is no number {wanted}")
        return next(done._table.take([wanted % len(done._table)]).records())

    @property
    def dropped(self) -> Dataset:
        """The records that were let go; each says by which step and why (`record.dropped`)."""
        return Dataset(self.run()._dropped)

    @property
    def pending(self) -> tuple[Step, ...]:
        """The steps that have not run yet."""
        return () if self._result is not None else self._pending

    def _shown(self) -> Shown:
        done = self if self._result is None else self._result
        warnings = done.progress.warnings if done.progress is not None else ()
        return Shown(done._table, done._dropped, () if self._result is not None else self._pending, warnings)

    def __repr__(self) -> str:
        return self._shown().as_text()

    def _repr_html_(self) -> str:
        return self._shown().as_html()

    # -- leaving -------------------------------------------------------------------------------------------

    def to_arrow(self, *, meta: bool = False) -> pa.Table:
        """The records as an Arrow table: all that is known of them, as it lies in Parquet, and `row_id`.

        Args:
            meta: also the user's own columns, each by itself; see `to_pandas`.
        """
        return frames.as_arrow(self.run()._table, meta=meta)

    def to_pandas(self, *, meta: bool = False) -> pd.DataFrame:
        """The records as a pandas frame: one column for each score, NaN where it is missing.

        `id` is the record's, by which `factory why` finds it; `row_id` the one that its row had in the source, where
        any had one.

        Args:
            meta: also the user's own columns, as the source named them (meta.NAME where there is a column NAME).
        """
        return frames.as_pandas(self.run()._table, meta=meta)

    def to_polars(self, *, meta: bool = False) -> pl.DataFrame:
        """The records as a polars frame: the columns of `to_pandas`, null where a value is missing.

        A column of the user's own whose values are of several types is JSON text.
        """
        return frames.as_polars(self.run()._table, meta=meta)

    def to_datasets(self, *, meta: bool = False) -> datasets.Dataset:
        """The records as a Hugging Face `datasets.Dataset`: the columns of `to_polars`."""
        return frames.as_datasets(self.run()._table, meta=meta)

    def save(
        self,
        path: str | Path,
        format: str | None = None,
        *,
        carry: Sequence[str] = (),
        reasoning: Literal["field", "think", "none"] = "field",
        csv_safe: bool = True,
    ) -> Path:
        """Write the records to one file. What the format cannot hold is told by a warning.

        Args:
            path: the file; its ending says how (.jsonl, .json, .csv, .parquet, with .gz or without).
            format: "records" (lossless: read back as it is), "source" (rows as they were read, with their own
                columns), "messages", "sharegpt", "alpaca", "openai", "preference", "dpo", "openai_preference",
                "prompt_completion", "kto" or "parquet". By default "records" where any record has scores, tags or a
                task; else "source" where rows say how they were spelled; else what suits the ending: for JSON
                "messages", for CSV "alpaca" with the user's own columns.
            carry: what travels with each row: "license", "source" and the user's own columns.
            reasoning: what a model thought: as a field of its own, in <think> tags before the text, or left out.
            csv_safe: in CSV, put ' before cells that a spreadsheet would take for a formula.

        Raises:
            OutputError: it cannot be written.
        """
        import warnings

        written = self.write(path, format, carry=carry, reasoning=reasoning, csv_safe=csv_safe)
        for sentence in written.told:
            warnings.warn(f"{written.path}: {sentence}", stacklevel=2)
        return written.path

    def write(
        self,
        path: str | Path,
        format: str | None = None,
        *,
        carry: Sequence[str] = (),
        reasoning: Literal["field", "think", "none"] = "field",
        csv_safe: bool = True,
    ) -> WrittenFile:
        """As `save`, and gives what is to be told of the file (`WrittenFile.told`) in place of warnings."""
        path = Path(path).expanduser()
        if not len(self):
            raise OutputError(f"{path}: there is no record to write: {why_empty(self.run()._dropped.arrow)}")
        return write_table(
            self, self.run()._table, path, format, carry=carry, reasoning=reasoning, csv_safe=csv_safe
        )

    def as_read(self, path: Path) -> str | None:
        """Whether rows go back into the shapes they came in: "source" where they do (`saving.as_read`)."""
        return as_read(self.run()._table, path)

    def annotations(self) -> list[str]:
        """Which of tags, task and scores any record has: what CSV and rows for training have no place for."""
        return added_columns(self.run()._table)

    def save_tables(self, path: str | Path) -> list[Path]:
        """Write what the steps handed out (`tag_map`, `plan.yaml`) beside `path`; returns the files.

        A table's file has its name after that of `path`: set.jsonl, set.tag_map.jsonl. A file of that name
        with other rows may have been edited by hand: it stays, and the new one is set.tag_map-2.jsonl.

        Raises:
            OutputError: one cannot be written.
        """
        path = Path(path).expanduser()
        steps = done.steps if (done := self.run().progress) is not None else []
        given = {f"{name}.jsonl": rows_as_json(rows) for step in steps for name, rows in step.tables.items()}
        given |= {name: text.encode() for step in steps for name, text in step.files.items()}
        written = []
        for name, data in given.items():
            place, number = path.with_name(f"{path.name.split('.')[0]}.{name}"), 1
            plain, ending = place.stem, place.suffix
            while place.is_file() and place.read_bytes() != data:
                number += 1
                place = path.with_name(f"{plain}-{number}{ending}")
            write_whole(place, data)
            written.append(place)
        return written
