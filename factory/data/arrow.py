"""Python lists as Arrow arrays, made buffer by buffer.

pyarrow's own conversions of Python and NumPy objects import pandas wherever it is installed: a quarter of a second and
40 MB in every process that writes a record.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray


def to_array(values: Sequence[Any] | NDArray[Any], kind: pa.DataType) -> pa.Array:
    """Values as an Arrow array of this type; None is a null.

    kind: text, numbers, truth values, and lists, maps and structs of those. A struct's value is a tuple or
        a dict in the order of its fields, a map's a list of pairs. Where all of a struct's values end before its last
        fields, those are null.

    Raises:
        OverflowError: 32 bits do not reach over the bytes of a string column, or the items of a list column.
        UnicodeEncodeError: a text holds a lone surrogate.
    """
    import numpy as np
    import pyarrow as pa
    import pyarrow.types as types

    if types.is_string(kind) or types.is_large_string(kind):
        encoded = [b"" if value is None else value.encode() for value in values]
        width = np.int64 if types.is_large_string(kind) else np.int32
        buffers = [_buffer(_offsets(encoded, width)), pa.py_buffer(b"".join(encoded))]
        return pa.Array.from_buffers(kind, len(values), [_validity(values), *buffers])
    if types.is_struct(kind):
        fields = [kind.field(at) for at in range(kind.num_fields)]
        none = (None,) * len(fields)
        rows = (none if row is None else row.values() if isinstance(row, dict) else row for row in values)
        parts = list(zip(*rows, strict=True)) or [()] * len(fields)
        children = [to_array(part, field.type) for part, field in zip(parts, fields, strict=False)]
        children += [pa.nulls(len(values), field.type) for field in fields[len(parts) :]]
        return pa.Array.from_buffers(kind, len(values), [_validity(values)], children=children)
    if types.is_list(kind) or types.is_map(kind):
        lists = [() if value is None else value for value in values]
        inside = pa.struct([kind.key_field, kind.item_field]) if types.is_map(kind) else kind.value_type
        items = to_array(list(chain.from_iterable(lists)), inside)
        buffers = [_validity(values), _buffer(_offsets(lists, np.int32))]
        return pa.Array.from_buffers(kind, len(values), buffers, children=[items])
    numbers = np.array([0 if value is None else value for value in values], kind.to_pandas_dtype())
    data = np.packbits(numbers, bitorder="little") if types.is_boolean(kind) else numbers
    return pa.Array.from_buffers(kind, len(values), [_validity(values), _buffer(data)])


def to_numbers(array: pa.Array) -> NDArray[Any]:
    """The numbers of an Arrow array without nulls, as a NumPy array over the same memory."""
    import numpy as np

    assert array.null_count == 0
    numbers = np.frombuffer(array.buffers()[1] or b"", array.type.to_pandas_dtype())
    return numbers[array.offset : array.offset + len(array)]


def _offsets(values: Sequence[Any], width: type[np.signedinteger[Any]]) -> NDArray[np.signedinteger[Any]]:
    """Where each value begins among all that they hold, and where the last one ends."""
    import numpy as np

    ends = np.cumsum(np.fromiter(map(len, values), np.int64, len(values)))
    if len(ends) and ends[-1] > np.iinfo(width).max:
        raise OverflowError(f"{ends[-1]} bytes or items in one column of a batch")
    return np.concatenate([[0], ends]).astype(width)


def _validity(values: Sequence[Any] | NDArray[Any]) -> pa.Buffer | None:
    """The bitmap of values that are there; None where all are."""
    import numpy as np

    there = np.fromiter((value is not None for value in values), np.bool_, len(values))
    return None if there.all() else _buffer(np.packbits(there, bitorder="little"))


def _buffer(data: NDArray[Any]) -> pa.Buffer:
    import pyarrow as pa

    return pa.py_buffer(data)
