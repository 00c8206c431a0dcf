"""A record with other values in some fields."""

from __future__ import annotations

from dataclasses import fields, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from factory.data.record import Record, new_record

RECORD = new_record("Name a bee.", input="now", output="Maya", task="chat", meta={"url": "x"})
NAMES = [field.name for field in fields(Record)]


@given(st.dictionaries(st.sampled_from(NAMES), st.integers(), max_size=4))
def test_a_record_with_other_values_is_what_dataclasses_make_of_it(values: dict[str, int]) -> None:
    assert RECORD.but(**values) == replace(RECORD, **values)  # type: ignore[arg-type]
    assert RECORD.task == "chat"


def test_a_field_that_there_is_not_is_refused() -> None:
    with pytest.raises(TypeError, match="Record has no field 'tusk'"):
        RECORD.but(tusk="chat")
