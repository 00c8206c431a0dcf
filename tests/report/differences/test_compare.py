"""What two versions of a set differ by: the counts add up, and each row says why."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console

from factory.data.formats.write import write_dataset, write_file
from factory.data.record import Drop, Event, Message, Record, new_record
from factory.data.run_manifest import MANIFEST, Manifest, StepFacts
from factory.data.table import write_records
from factory.errors import InputError, OutputError
from factory.report.differences.compare import Differences, compare
from factory.report.differences.spool import Spool
from factory.report.differences.version import Gone, Version, key_of
from factory.report.terminal.differences import print_differences


def version(
    records: Iterable[Record], dropped: Mapping[str, Gone] | None = None, *, is_run: bool = True
) -> Version:
    records = list(records)
    return Version("v", Spool(records), list(map(key_of, records)), dropped or {}, is_run)


def gone(kind: str, reason: str) -> Gone:
    return Gone(Drop("03-judge", kind, reason), ())


LONG = [new_record(f"row {at}", output="x") for at in range(2600)]
SPOOL = Spool(LONG)
ROWS = [new_record(text, output=text.upper()) for text in ("one", "two", "three", "四")]


def test_a_set_is_the_same_as_itself() -> None:
    found = compare(version(ROWS), version(ROWS))
    assert (found.same, found.changed, found.gone, found.added) == (4, 0, 0, 0)


def test_rows_that_say_the_same_under_other_ids_are_the_same() -> None:
    renamed = [replace(record, id=f"{at:016x}") for at, record in enumerate(ROWS)]
    found = compare(version(ROWS), version(reversed(renamed)))
    assert (found.same, found.by) == (4, Counter({"what it says": 4}))


def test_a_row_that_was_exported_is_found_by_the_id_it_had() -> None:
    exported = [new_record(f"{one.instruction}?", output="x", meta={"id": one.id}) for one in ROWS]
    found = compare(version(ROWS), version(exported))
    assert (found.changed, found.by) == (4, Counter({"the source's id": 4}))
    assert found.parts == Counter({"prompt": 4, "output": 4})


def test_why_a_row_is_gone_is_what_dropped_it() -> None:
    second = version(ROWS[1:3], {ROWS[0].id: gone("low", "2 is less than 4")})
    found = compare(version(ROWS), second)
    assert (found.same, found.gone) == (2, 2)
    assert found.reasons["gone"] == Counter({"03-judge low": 1, "not read": 1})
    assert found.examples["gone"][0].why == "03-judge: 2 is less than 4"


def test_a_row_is_gone_with_what_it_was_made_from() -> None:
    parent = ROWS[0]
    child = parent.child("deeper", Event("02-evolve", "deepen"), output="x")
    found = compare(version([child]), version([], {parent.id: gone("low", "bad")}))
    (row,) = found.examples["gone"]
    assert row.why == f"it was made from {parent.id}, which 03-judge dropped: bad"
    assert compare(version([child]), version([])).reasons["gone"] == Counter({"not made": 1})


def test_a_row_is_new_by_what_made_it_or_where_it_was_read_or_what_had_dropped_it() -> None:
    child = ROWS[0].child("deeper", Event("02-evolve", "deepen"), output="x")
    read = new_record("five", output="5", source="more")
    first = version(ROWS[:1], {ROWS[1].id: gone("low", "2 is less than 4")})
    found = compare(first, version([ROWS[0], ROWS[1], child, read]))
    assert found.reasons["added"] == Counter(
        {"03-judge low before": 1, "made by 02-evolve deepen": 1, "read from more": 1}
    )


def test_of_a_file_it_is_said_that_it_does_not_tell() -> None:
    found = compare(version(ROWS), version(ROWS[:1], is_run=False))
    assert found.reasons["gone"] == Counter({"not told": 3})


def test_texts_scores_and_what_is_known_change_a_row_and_each_is_told_with_both_values() -> None:
    old = replace(ROWS[0], scores={"quality": 3.0, "ifd": 0.5}, task="math", lang="en")
    new = replace(
        old.with_output("else", Event("02-respond", "respond")),
        scores={"quality": 4.0, "ifd": 0.5},
        task="code",
    )
    (row,) = compare(version([old]), version([new])).examples["changed"]
    assert row.changed == {"output": ("ONE", "else"), "score quality": (3.0, 4.0), "task": ("math", "code")}
    assert row.why == "02-respond"


def test_a_thought_a_tool_and_another_turn_count() -> None:
    thought = replace(ROWS[0], messages=(*ROWS[0].conversation, Message("assistant", "ONE", "hm")))
    asked = replace(ROWS[1], tools=({"name": "f"},))
    earlier = replace(ROWS[2], messages=(Message("user", "a"), Message("assistant", "b"), *ROWS[2].messages))
    found = compare(version(ROWS[:3]), version([thought, asked, earlier]))
    assert found.parts == Counter({"thoughts": 1, "tools": 1, "earlier turns": 1})


def test_a_column_of_the_source_counts_and_one_that_is_not_a_number_equals_itself() -> None:
    before = replace(
        ROWS[0], meta={"id": "7", "difficulty": 2, "loss": float("nan"), "topics": ["tea", "海"]}
    )
    after = replace(before, meta={**before.meta, "difficulty": 3, "loss": float("nan")})
    found = compare(version([before]), version([after]))
    assert (found.changed, found.parts) == (1, Counter({"column difficulty": 1}))
    assert found.examples["changed"][0].changed == {"column difficulty": (2, 3)}


def test_what_a_file_does_not_carry_is_no_change_and_is_told() -> None:
    scored = [replace(record, scores={"quality": 3.0}) for record in ROWS]
    found = compare(version(scored), version(ROWS, is_run=False))
    assert (found.same, found.passed_over) == (4, ["score quality"])


records = st.lists(
    st.builds(
        lambda text, output, id: replace(new_record(text, output=output), id=id),
        st.sampled_from("abc"),
        st.sampled_from("xy"),
        st.sampled_from(["1", "2", "3", "4"]),
    ),
    max_size=12,
)


@given(records, records)
def test_the_counts_always_add_up(first: list[Record], second: list[Record]) -> None:
    found = compare(version(first), version(second))
    assert found.same + found.changed + found.gone == len(first)
    assert found.same + found.changed + found.added == len(second)
    assert found.by.total() == found.same + found.changed
    assert found.reasons["gone"].total() == found.gone
    assert found.reasons["added"].total() == found.added


@given(records, records)
def test_what_is_gone_one_way_is_added_the_other_way(first: list[Record], second: list[Record]) -> None:
    there, back = compare(version(first), version(second)), compare(version(second), version(first))
    assert (there.gone, there.added, there.same) == (back.added, back.gone, back.same)


def write_run(folder: Path, kept: list[Record], dropped: list[Record] = []) -> None:  # noqa: B006 - never changed
    step = StepFacts(label="02-keep", entered=len(kept) + len(dropped), passed=len(kept))
    for name, rows in (("steps/02-keep/kept.parquet", kept), ("dropped.parquet", dropped)):
        with write_records(folder / name) as writer:
            for record in rows:
                writer.write(record)
    (folder / "recipe.yaml").write_text("name: x\n")
    (folder / MANIFEST).write_bytes(Manifest(recipe="x", status="finished", steps=(step,)).to_bytes())


def test_runs_files_and_exports_are_versions(tmp_path: Path) -> None:
    write_run(tmp_path / "run", ROWS[:3], [ROWS[3].drop("02-keep", "low", "too low")])
    write_dataset(ROWS, tmp_path / "export", ("messages", "parquet"))
    write_file(ROWS, tmp_path / "rows.jsonl", "records")
    names = [str(tmp_path / name) for name in ("run", "export", "rows.jsonl")]
    run, export, rows = (Version.read(name, print) for name in names)
    assert [len(one) for one in (run, export, rows)] == [3, 4, 4]
    assert compare(export, rows).same == 4
    assert compare(export, run).reasons["gone"] == Counter({"02-keep low": 1})


def test_a_version_that_is_nothing_is_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="does not exist"):
        Version.read(str(tmp_path / "no.jsonl"), print)


def test_what_is_printed_has_the_counts_and_nothing_of_a_row_is_active(
    capsys: pytest.CaptureFixture[str],
) -> None:

    hostile = new_record("\x1b[2J[red]boo[/red]", output="x")
    found: Differences = compare(version([hostile, *ROWS]), version(ROWS))
    print_differences(found, "a\x1b", "b", Console(width=100))
    printed = capsys.readouterr().out
    assert "\x1b" not in printed
    assert "[red]boo[/red]" in printed
    assert "gone" in printed


@pytest.mark.slow
def test_of_changed_rows_the_examples_alone_are_fetched(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [new_record(f"row {at}", output="old") for at in range(2500)]
    changed = [replace(one, messages=(*one.messages[:-1], Message("assistant", "new"))) for one in rows]
    fetched: list[int] = []
    records = Version.records

    def counted(self: Version, wanted: list[int]) -> list[Record]:
        fetched.append(len(wanted))
        return records(self, wanted)

    monkeypatch.setattr(Version, "records", counted)
    found = compare(version(rows), version(changed), examples=2)
    assert (found.changed, found.parts) == (2500, Counter({"output": 2500}))
    assert [row.title for row in found.examples["changed"]] == ["row 0", "row 1"]
    assert fetched == [1, 1, 1, 1]


def test_a_text_that_changed_near_its_end_is_shown_from_there(capsys: pytest.CaptureFixture[str]) -> None:
    long = "The musical is based on a biography. " * 5
    was, now = (new_record("Which book?", output=long + end, meta={"id": "a"}) for end in ("Old.", "New."))
    found = compare(version([was]), version([now]))
    print_differences(found, "a", "b", Console(file=sys.stdout, width=200))
    assert "output: …sed on a biography. Old. -> …sed on a biography. New." in capsys.readouterr().out


def test_equal_numbers_are_no_change_and_a_number_is_no_text() -> None:
    def of(value: object) -> Version:
        return version([new_record("one", output="1", meta={"id": "a", "n": value})])

    assert compare(of(2), of(2.0)).same == 1
    assert compare(of(float("inf")), of(float("inf"))).same == 1
    assert compare(of(2), of("2")).parts == Counter({"column n": 1})
    assert compare(of(2**60), of(2**60 + 1)).changed == 1


@given(st.lists(st.integers(0, 2599), max_size=30))
@settings(max_examples=25)
def test_a_spool_gives_any_rows_in_the_order_asked_for(rows: list[int]) -> None:
    assert [one.id for one in SPOOL.records(rows)] == [LONG[row].id for row in rows]


def test_a_folder_without_room_for_the_rows_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(**options: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("tempfile.TemporaryFile", full)
    with pytest.raises(OutputError, match=r"No space left on device.*set TMPDIR"):
        version(ROWS)
