"""What travels with a record into the rows of a trainer: its licence, its source, and the user's own columns."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import TYPE_CHECKING, Any

import orjson

from factory.data.formats.values import plain
from factory.data.record import Record

if TYPE_CHECKING:
    import pyarrow as pa

_OF_RECORD: dict[str, Callable[[Record], str]] = {
    "license": lambda record: record.license,
    "source": lambda record: record.source,
}
"""Columns that a record knows by name; where it is silent, the user's own of that name counts."""

_INT64 = 1 << 63  # what no column of whole numbers holds


class Kinds:
    """Names whose values may be anything, each made one type: that of all its values, else JSON text.

    Text, whole numbers, numbers and truth values stay what they are; whole numbers among others become numbers.
    """

    def __init__(self) -> None:
        self._seen: dict[str, set[type]] = {}

    def see(self, name: str, value: Any) -> None:
        """Take note of a value; None is none, but its name is known."""
        seen = self._seen.setdefault(name, set())
        if value is not None:
            seen.add(object if isinstance(value, int) and not -_INT64 <= value < _INT64 else type(value))

    @property
    def names(self) -> list[str]:
        """Names that were seen, sorted."""
        return sorted(self._seen)

    def filled(self, name: str) -> bool:
        """Whether a name has any value."""
        return bool(self._seen.get(name))

    def cell(self, name: str, value: Any) -> Any:
        """A value as the one type of its name."""
        kind = self._kind(name)
        if value is None or kind in (str, bool, int):
            return value
        return float(value) if kind is float else orjson.dumps(plain(value)).decode()

    def type(self, name: str) -> pa.DataType:
        """The Arrow type of a name's cells."""
        import pyarrow as pa

        types = {bool: pa.bool_(), int: pa.int64(), float: pa.float64()}
        return types.get(self._kind(name), pa.string())

    def _kind(self, name: str) -> Any:
        kinds = self._seen.get(name) or {str}
        if kinds == {int, float}:
            return float
        (kind, *others) = kinds
        return object if others or kind not in (str, bool, int, float) else kind


def carried_value(record: Record, name: str) -> Any:
    """What a record has under a name: its licence or source, or a column that its source carried along."""
    return (_OF_RECORD[name](record) if name in _OF_RECORD else None) or record.meta.get(name)


class Carried:
    """Columns beside a format's own, each of one type in all rows (`Kinds`).

    A name that the format has for itself is written as `meta.NAME`; but `source` is the same there.
    """

    def __init__(self, names: Sequence[str], taken: Collection[str], kinds: Kinds) -> None:
        wanted = [name for name in dict.fromkeys(names) if not (name == "source" and name in taken)]
        self.names = {name: f"meta.{name}" if name in taken else name for name in wanted}
        self._kinds = kinds

    def of(self, record: Record) -> dict[str, Any]:
        """The columns of one record; None where it has nothing."""
        return {
            column: self._kinds.cell(name, carried_value(record, name)) for name, column in self.names.items()
        }

    def columns(self) -> list[tuple[str, pa.DataType]]:
        """The columns as Arrow types."""
        return [(column, self._kinds.type(name)) for name, column in self.names.items()]
