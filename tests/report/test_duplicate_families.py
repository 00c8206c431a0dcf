"""Families of duplicates, as the steps that drop them name the record kept."""

from __future__ import annotations

import asyncio

from step_context import scripted_context

from factory.data.record import Record, new_record
from factory.data.table import Table
from factory.report.duplicate_families import duplicate_families
from factory.steps.dedup.rouge.step import DedupRouge


def dropped(kind: str, against: str, at: int = 0) -> Record:
    return new_record("a", occurrence=at).drop("02-x", kind, "so", against=against)


def test_what_a_step_drops_is_in_the_family_of_what_it_kept() -> None:
    texts = ["Write a poem about the sea.", "Name a river.", "Write a poem about the moon.", "Name a river!"]
    records = [new_record(text) for text in [*texts, "Write a poem about a sea."]]
    context, _ = scripted_context(lambda ask: "")
    result = asyncio.run(DedupRouge(threshold=0.7).run(Table.from_records(records), context))
    first, second = duplicate_families(result.records())
    assert (first.kept, [id for id, _ in first.dropped]) == (records[0].id, [records[2].id, records[4].id])
    assert (second.kept, [id for id, _ in second.dropped]) == (records[1].id, [records[3].id])
    assert first.causes == {"near_duplicate": 2}
    assert (first.size, second.size) == (3, 2)


def test_a_family_whose_head_is_dropped_later_joins_the_other() -> None:
    early = dropped("near_duplicate", new_record("a", occurrence=1).id)
    late = dropped("same_meaning", "00ff00ff00ff00ff", 1)
    (family,) = duplicate_families([early, late])
    assert family.kept == "00ff00ff00ff00ff"
    assert family.size == 3
    assert family.causes == {"near_duplicate": 1, "same_meaning": 1}


def test_other_drops_and_those_that_name_no_record_make_no_family() -> None:
    odd = [
        new_record("a"),
        dropped("refined", "00ff00ff00ff00ff"),
        new_record("a").drop("02-x", "near_duplicate", "ROUGE-L 0.90 with 00ff00ff00ff00ff (an older run's)"),
    ]
    assert duplicate_families(odd) == []


def test_a_record_that_was_read_three_times_is_a_family_of_three() -> None:
    again = dropped("exact_duplicate", new_record("a").id)
    (family,) = duplicate_families([again, again])
    assert (family.kept, family.size, family.causes) == (again.id, 3, {"exact_duplicate": 2})


def test_two_that_name_each_other_do_not_go_round_for_ever() -> None:
    one, two = dropped("near_duplicate", "", 1), dropped("near_duplicate", "", 2)
    pair = [
        one.drop("x", "same_meaning", "so", against=two.id),
        two.drop("x", "same_meaning", "so", against=one.id),
    ]
    assert sum(len(family.dropped) for family in duplicate_families(pair)) == 2
