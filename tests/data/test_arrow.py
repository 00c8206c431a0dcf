"""Arrow arrays made from Python lists: the same as pyarrow's own, without pandas."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from factory.data.arrow import to_array

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
KINDS: dict[str, tuple[pa.DataType, st.SearchStrategy[Any]]] = {
    "string": (pa.string(), TEXT),
    "large_string": (pa.large_string(), TEXT),
    "int32": (pa.int32(), st.integers(-(2**31), 2**31 - 1)),
    "int64": (pa.int64(), st.integers(-(2**63), 2**63 - 1)),
    "float64": (pa.float64(), st.floats(allow_nan=False)),
    "bool": (pa.bool_(), st.booleans()),
    "list": (pa.list_(pa.large_string()), st.lists(st.none() | TEXT, max_size=4)),
    "map": (
        pa.map_(pa.string(), pa.float64()),
        st.dictionaries(TEXT, st.floats(allow_nan=False), max_size=3).map(lambda d: list(d.items())),
    ),
    "struct": (
        pa.struct([("a", pa.string()), ("b", pa.list_(pa.string())), ("c", pa.bool_())]),
        st.tuples(st.none() | TEXT, st.none() | st.lists(TEXT, max_size=2), st.none() | st.booleans()),
    ),
}


@pytest.mark.parametrize("name", KINDS)
@given(data=st.data())
def test_an_array_equals_the_one_that_pyarrow_makes(name: str, data: st.DataObject) -> None:
    kind, one = KINDS[name]
    values = data.draw(st.lists(st.none() | one, max_size=20))
    array = to_array(values, kind)
    array.validate(full=True)
    assert array.type == kind
    assert array.to_pylist() == pa.array(values, kind).to_pylist()


def test_a_struct_may_be_given_as_a_dict_in_the_order_of_its_fields() -> None:
    kind = pa.struct([("role", pa.string()), ("content", pa.string())])
    array = to_array([{"role": "user", "content": "hi"}, None], kind)
    assert array.to_pylist() == [{"role": "user", "content": "hi"}, None]


def test_a_lone_surrogate_is_refused() -> None:
    with pytest.raises(UnicodeEncodeError):
        to_array(["\ud800"], pa.string())


@pytest.mark.slow
def test_records_are_written_and_exported_without_importing_pandas() -> None:
    pytest.importorskip("pandas", reason="without pandas there is nothing to see")
    code = """
import sys, tempfile, pathlib
from factory.data.formats.write import write_dataset
from factory.data.record import new_record
from factory.data.table import write_records, Table
folder = pathlib.Path(tempfile.mkdtemp())
record = new_record("Hi?", output="Yes.", source="s")
with write_records(folder / "a.parquet") as writer:
    writer.write(record)
write_dataset(Table.read(folder / "a.parquet").records(), folder / "out", ["parquet", "messages"])
assert (folder / "out/parquet/train.parquet").is_file()
sys.exit("pandas" in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
