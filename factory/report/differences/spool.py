"""Records that wait on disk: a comparison goes over millions of rows and looks at few of them again."""

from __future__ import annotations

import itertools
import tempfile
from collections.abc import Iterable, Iterator, Sequence

from factory.data.at_rest import from_batch, record_schema, to_batch
from factory.data.record import Record
from factory.data.table import BATCH
from factory.errors import OutputError


class Spool:
    """Records in their order, in a file without a name that is gone when the process is."""

    def __init__(self, records: Iterable[Record]) -> None:
        """Write them down.

        Raises:
            OutputError: the folder for temporary files has no room for them.
        """
        import pyarrow as pa

        self._rows = 0
        try:
            self._file = tempfile.TemporaryFile(prefix="factory-")  # noqa: SIM115 - open as long as the spool is
            with pa.ipc.new_file(self._file, record_schema()) as writer:
                for some in _batches(records):
                    self._rows += len(some)
                    writer.write_batch(to_batch(some))
            self._batches = pa.ipc.open_file(self._file)
        except OSError as error:
            raise OutputError(
                f"the rows do not fit into {tempfile.gettempdir()} ({error.strerror or error}): set TMPDIR to a folder "
                "with more room"
            ) from error

    def __len__(self) -> int:
        return self._rows

    def records(self, rows: Sequence[int]) -> Iterator[Record]:
        """The records of these rows, in this order; rows near to each other are read together."""
        for number, some in itertools.groupby(rows, lambda row: row // BATCH):
            batch = self._batches.get_batch(number)
            yield from from_batch(batch.take([row % BATCH for row in some]))


def _batches(records: Iterable[Record]) -> Iterator[list[Record]]:
    rest = iter(records)
    while some := list(itertools.islice(rest, BATCH)):
        yield some
