"""A dataset as frames and tables: the user's own id and columns, whatever they hold, come along."""

from __future__ import annotations

import orjson
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

import factory as sft
from factory.errors import FactoryError

ROWS = [
    {"id": 7, "instruction": "Name a river.", "output": "Po.", "url": "u1", "odd": {"a": 1}, "kind": "mine"},
    {"id": None, "instruction": "说出一条河。", "output": "长江。", "url": None, "odd": "text"},
    {"instruction": "Name a river.", "output": "Po.", "stars": 2},
]


@pytest.mark.slow
def test_the_id_that_a_row_had_is_a_column_beside_ours() -> None:
    dataset = sft.load(ROWS)
    frame = dataset.to_pandas()
    assert frame["row_id"].tolist()[0] == 7, "a whole number, though others have none"
    assert frame["row_id"].isna().tolist() == [False, True, True]
    assert frame["id"].tolist() == [record.id for record in dataset]
    assert dataset.to_polars()["row_id"].to_list() == [7, None, None]
    assert dataset.to_arrow().column("row_id").to_pylist() == [7, None, None]
    assert dataset.to_datasets()["row_id"][:] == [7, None, None]
    assert dataset["row_id"] == [7, None, None]
    assert "row_id  lang" in repr(dataset)
    assert "<th>row_id</th>" in dataset._repr_html_()


def test_where_no_row_has_an_id_there_is_no_such_column() -> None:
    dataset = sft.load([{"instruction": "a", "output": "b"}])
    assert "row_id" not in dataset.to_pandas()
    assert "row_id" not in dataset.to_arrow().column_names
    assert "row_id" not in repr(dataset)


@pytest.mark.slow
def test_the_users_columns_come_on_request_under_their_names() -> None:
    dataset = sft.load(ROWS)
    assert "url" not in dataset.to_pandas()
    frame = dataset.to_pandas(meta=True)
    assert frame["url"].tolist()[0] == "u1"
    assert frame["odd"].tolist()[:2] == [{"a": 1}, "text"]
    assert frame["stars"].tolist()[2] == 2
    assert dataset["url"] == ["u1", None, None]
    assert dataset.to_polars(meta=True)["odd"].to_list() == ['{"a":1}', '"text"', None]
    assert set(dataset.to_datasets(meta=True).column_names) == set(frame.columns)
    whole = dataset.to_arrow(meta=True)
    assert whole.column("stars").to_pylist() == [None, None, 2]
    assert {"messages", "events"} <= set(whole.column_names)


def test_a_users_column_never_takes_the_place_of_ours() -> None:
    dropped = sft.load(ROWS).dedup_exact().dropped
    frame = dropped.to_pandas(meta=True)
    assert frame["kind"].tolist() == ["exact_duplicate"]
    taken = sft.load([{**ROWS[0], "events": 5, "meta.events": 6}])
    assert taken.to_pandas(meta=True)["events"].tolist() == [5]
    columns = taken.to_arrow(meta=True)
    assert columns.column("events").to_pylist() == [[]]
    assert columns.column_names.count("meta.events") == 1
    assert sorted(
        columns.column(name).to_pylist()[0] for name in columns.column_names[-5:] if "events" in name
    ) == [5, 6]


def test_reasons_can_be_asked_for_where_nothing_was_let_go() -> None:
    assert sft.load(ROWS[:2]).dedup_exact().dropped["reason"] == []


def test_reasons_stand_in_a_column_of_their_own_beside_the_scores() -> None:
    dataset = sft.load(ROWS).dedup_exact()
    assert dataset.dropped.to_pandas()["dropped_by"].tolist() == ["01-dedup_exact"]
    head = repr(dataset.dropped).splitlines()[1]
    assert head.split()[-2:] == ["scores", "why"]
    assert "exact_duplicate: identical with" in repr(dataset.dropped)
    assert "why" not in repr(dataset.run()).splitlines()[1]


@pytest.mark.slow
@given(
    st.lists(
        st.dictionaries(
            st.text(st.characters(codec="utf-8", categories=["L", "N"]), min_size=1, max_size=8),
            st.recursive(
                st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.text(max_size=5),
                lambda inner: (
                    st.lists(inner, max_size=2)
                    | st.dictionaries(st.text("ab", min_size=1), inner, max_size=2)
                ),
                max_leaves=4,
            ),
            max_size=3,
        ),
        min_size=1,
        max_size=3,
    )
)
def test_whatever_the_users_columns_hold_each_has_one_column_in_every_frame(
    metas: list[dict[str, object]],
) -> None:
    records = [
        sft.Record(id=f"r{at}", messages=(sft.Message("user", "a"), sft.Message("assistant", "b")), meta=meta)
        for at, meta in enumerate(metas)
    ]
    dataset = sft.load(records)
    names = set(dataset.to_pandas(meta=True).columns)
    polars = dataset.to_polars(meta=True)
    assert set(polars.columns) == names
    assert set(dataset.to_arrow(meta=True).column_names) >= {"messages"}
    for name in {name for meta in metas for name in meta} - {"id"}:
        column = name if polars.columns.count(name) and name not in _OURS else f"meta.{name}"
        there = [meta.get(name) is not None for meta in metas]
        assert polars[column].is_not_null().to_list() == there


_OURS = set(sft.load([{"instruction": "a", "output": "b"}]).to_pandas().columns) | {"row_id"}


def test_a_name_or_number_that_is_not_there_is_said_as_the_language_has_it() -> None:
    dataset = sft.load(ROWS)
    with pytest.raises(KeyError) as missing:
        dataset["urls"]
    assert str(missing.value) == "there is no column 'urls'; did you mean 'url'?"
    assert isinstance(missing.value, FactoryError)
    with pytest.raises(IndexError, match="has 3 records"):
        dataset[3]
    assert not hasattr(dataset, "to_panda")
    with pytest.raises(AttributeError, match="did you mean 'to_pandas'"):
        dataset.to_panda()


def test_polars_loses_no_value_of_a_column_of_several_types() -> None:
    frame = sft.load([{**ROWS[0], "mixed": 1}, {**ROWS[1], "mixed": "one"}]).to_polars(meta=True)
    assert frame.schema["mixed"] == pl.String
    assert [orjson.loads(value) for value in frame["mixed"]] == [1, "one"]
