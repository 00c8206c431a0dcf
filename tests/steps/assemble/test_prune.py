"""Rows are pruned by a training run's log: the hard ones stay, and what the log does not know is told."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import orjson
import pytest

from factory.data.record import Record, new_record
from factory.data.table import Table
from factory.errors import InputError
from factory.step import Context
from factory.steps.assemble.prune import Prune

RECORDS = [new_record(f"question {at}", output="x", meta={"id": f"row-{at}"}) for at in range(20)]


def run(
    step: Prune, rows: Sequence[Mapping[str, Any]], records: Sequence[Record] = RECORDS
) -> tuple[list[Record], list[str], Context]:
    told: list[str] = []
    context = Context("07-prune", 0, None, None, warn=told.append, tell=told.append)  # type: ignore[arg-type]
    context = replace(context, read_rows=lambda path: iter(enumerate(rows, start=1)))
    result = asyncio.run(step.run(Table.from_records(records), context))
    orjson.dumps(context.facts)  # as the manifest holds them
    return list(result.records()), told, context


def log(records: Sequence[Record] = RECORDS, epochs: int = 3) -> list[dict[str, Any]]:
    """The k-th record has a loss of about k / 10 at each epoch."""
    return [
        {"id": one.id, "losses": [at / 10 + 0.001 * e for e in range(epochs)]}
        for at, one in enumerate(records)
    ]


def test_the_hardest_share_stays_but_for_the_very_hardest() -> None:
    found, told, _ = run(Prune(log="l", keep=0.5, offset=0.1), log())
    kept = [at for at, record in enumerate(found) if record.dropped is None]
    assert kept == list(range(8, 18)), "the window is what is kept, not what is pruned"
    assert found[19].dropped is not None
    assert found[19].dropped.kind == "pruned"
    assert found[5].scores["prune.score"] == pytest.approx(0.5, abs=0.01)
    assert any("keeps 10 of 20 rows by losses" in sentence for sentence in told)


def test_what_was_never_learned_or_forgotten_goes_where_it_is_named() -> None:
    rows = log()
    rows[0]["losses"] = [0.1, 2.0, 2.0]
    found, told, context = run(Prune(log="l", let_go=("never_learned", "forgotten")), rows)
    kinds = Counter(record.dropped.kind for record in found if record.dropped)
    assert kinds == {"never_learned": 13, "forgotten": 1}
    assert context.facts["fates"] == {"learned": 6, "forgotten": 1, "never_learned": 13}
    assert found[0].scores["prune.forgettings"] == 1.0
    assert "never learned 65.0% (95 % interval" in told[-1]


def test_el2n_is_taken_where_it_is_asked_for() -> None:
    rows = [{**row, "el2n": [1.4 - at / 20] * 3} for at, row in enumerate(log())]
    found, _, _ = run(Prune(log="l", by="el2n", keep=0.25), rows)
    assert [at for at, record in enumerate(found) if record.dropped is None] == list(range(5))


def test_the_users_own_id_names_a_record_too() -> None:
    rows = [{"id": f"row-{at}", "losses": [at / 10]} for at in range(20)]
    found, told, _ = run(Prune(log="l", keep=0.5), rows)
    assert sum(record.dropped is None for record in found) == 10
    assert any("the log has one epoch" in sentence for sentence in told)


def test_what_the_log_does_not_have_is_kept_and_told_and_so_is_what_the_set_does_not_have() -> None:
    rows = [*log()[:10], {"id": "unknown", "losses": [1.0, 1.0, 1.0]}]
    found, told, context = run(Prune(log="l", keep=0.5), rows)
    assert all(record.dropped is None for record in found[10:])
    assert sum(record.dropped is None for record in found[:10]) == 5
    assert "1 ids of the log are of no record, and 10 records are not in the log and are kept" in told[0]
    assert context.facts["ids_of_the_log_without_record"] == 1


def test_another_sets_log_a_missing_epoch_and_a_missing_column_are_refused() -> None:
    with pytest.raises(InputError, match="20 of its 20 ids are of no record of this set"):
        run(Prune(log="l", keep=0.5), [{"id": f"other-{at}", "losses": [1.0]} for at in range(20)])
    short = log()
    short[7]["losses"] = [1.0]
    with pytest.raises(InputError, match=r"l:8: .* has 1 epochs and .* has 3"):
        run(Prune(log="l", keep=0.5), short)
    with pytest.raises(InputError, match='has no list "el2n"'):
        run(Prune(log="l", keep=0.5, by="el2n"), log())


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({}, "nothing is pruned"),
        ({"keep": 0.8, "offset": 0.3}, "more than all rows together"),
        ({"let_go": "never_learned", "offset": 0.1}, "give `keep`"),
        ({"keep": 0.0}, "greater than 0"),
    ],
)
def test_options_that_do_not_fit_are_refused(options: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        Prune(log="l", **options)


def test_the_log_is_an_input_of_the_run() -> None:
    assert Prune(log="a/losses.jsonl", keep=0.5).inputs() == [Path("a/losses.jsonl")]


def test_several_files_are_one_log_unless_they_have_other_epochs_or_the_same_rows(tmp_path: Path) -> None:
    def files(first: list[dict[str, Any]], second: list[dict[str, Any]]) -> list[Record]:
        rows = {"a.jsonl": first, "b.jsonl": second}
        for name, own in rows.items():
            (tmp_path / name).write_bytes(b"".join(orjson.dumps(row) + b"\n" for row in own))
        context = Context("07-prune", 0, None, None)  # type: ignore[arg-type]
        context = replace(context, read_rows=lambda path: iter(enumerate(rows[path.name], start=1)))
        step = Prune(log=str(tmp_path / "*.jsonl"), keep=0.5)
        return list(asyncio.run(step.run(Table.from_records(RECORDS), context)).records())

    found = files(log()[:5], log()[5:])
    assert [at for at, record in enumerate(found) if record.dropped is None] == list(range(10, 20))
    with pytest.raises(
        InputError, match=r"b\.jsonl: its rows have 2 epochs and those of the files before it 3"
    ):
        files(log()[:5], log(epochs=2)[5:])
    with pytest.raises(InputError, match=r"b\.jsonl: .* is in another file of the log already"):
        files(log()[:5], log()[4:])
