"""The step that normalises tags: records, facts, the map beside them, and sets that make no sense."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from factory.data.record import Record, Tag, new_record
from factory.data.table import Table
from factory.errors import InputError
from factory.step import Context
from factory.steps.tags.normalize import NormalizeTags

ANGLES = {"math": 0, "maths": 5, "数学": 10, "mathematics": 6}


class ScriptedEmbedder:
    """An `EmbeddingModel` in the plane: known names by their angle, any other at right angles to them."""

    name = "scripted"

    async def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        far = {text: 90 + 40 * at for at, text in enumerate(sorted(set(texts) - set(ANGLES)))}
        angles = np.radians([ANGLES.get(text, far.get(text, 0)) for text in texts])
        return np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)


def run(
    step: NormalizeTags, tag_lists: Sequence[Sequence[str]], rows: Sequence[Mapping[str, Any]] = ()
) -> tuple[list[Record], Context, list[str]]:
    """The records after the step, its context, and what it said."""

    def nobody(name: str) -> object:
        raise AssertionError("this step asks no chat model")

    def read_rows(path: Path) -> Iterator[tuple[int, Mapping[str, Any]]]:
        assert path == step.map
        return iter(list(enumerate(rows, start=1)))

    said: list[str] = []
    context = Context(
        "05-normalize_tags",
        0,
        get_chat=nobody,  # type: ignore[arg-type]
        get_embedder=lambda name: ScriptedEmbedder(),  # type: ignore[arg-type,return-value]
        warn=said.append,
        tell=said.append,
        read_rows=read_rows,
    )
    event = context.event("tag")
    records = [
        new_record(f"query {at}").with_tags((Tag(name, f"why {name}") for name in names), event)
        for at, names in enumerate(tag_lists)
    ]
    result = asyncio.run(step.run(Table.from_records(records), context))
    return list(result.records()), context, said


def names(record: Record) -> list[str]:
    return [tag.name for tag in record.tags]


def test_names_of_one_intention_become_the_most_used_one() -> None:
    records, context, _ = run(
        NormalizeTags(semantic=0.01),
        [["math", "Poem"], ["maths", "poem"], ["Math", "math"], ["poems"], ["poem"]],
    )
    assert [names(record) for record in records] == [
        ["math", "poem"],
        ["math", "poem"],
        ["math"],
        ["poem"],
        ["poem"],
    ]
    assert [record.events[-1].operation for record in records] == ["normalize_tags"] * 4 + ["tag"]
    assert records[1].tags[0].explanation == "why maths"
    rows = {row["raw"]: (row["final"], row["rule"]) for row in context.tables["tag_map"]}
    assert rows == {
        "math": ("math", ""),
        "Math": ("math", "case"),
        "maths": ("math", "stem"),
        "poem": ("poem", ""),
        "Poem": ("poem", "case"),
        "poems": ("poem", "stem"),
    }


def test_a_merge_by_meaning_is_recorded_as_such() -> None:
    _, context, _ = run(NormalizeTags(semantic=0.01), [["math"], ["math"], ["mathematics"]])
    assert {row["raw"]: row["rule"] for row in context.tables["tag_map"]}["mathematics"] == "semantic"
    assert context.facts["largest_family"] == 2


def test_the_facts_count_the_tags_after_each_stage() -> None:
    _, context, _ = run(
        NormalizeTags(min_count=2), [["math", "rare"], ["Math"], ["math", "poem"], ["poem"], []]
    )
    stages = {stage["name"]: (stage["tags"], stage["uses"]) for stage in context.facts["stages"]}
    assert stages == {
        "given": (4, 6),
        "usable": (4, 6),
        "frequency": (3, 5),
        "rules": (2, 5),
        "semantic": (2, 5),
        "association": (2, 5),
    }
    assert context.facts["records"] == 5
    assert context.facts["min_count"] == 2


def test_a_stage_that_is_left_out_changes_nothing() -> None:
    step = NormalizeTags(rules=False, semantic=None, association="none")
    records, context, _ = run(step, [["math"], ["Math"], ["maths"]])
    assert [names(record) for record in records] == [["math"], ["Math"], ["maths"]]
    assert [stage["name"] for stage in context.facts["stages"]] == ["given", "usable", "frequency"]


def test_tags_that_always_come_together_become_one() -> None:
    lists = [["cook", "recipe"]] * 40 + [["cook"]] + [["poem"]] * 3
    step = NormalizeTags(semantic=None, min_confidence=0.97)
    records, context, _ = run(step, lists)
    assert names(records[0]) == ["cook"]
    assert context.facts["association_rules"] == 2


def test_a_record_whose_tags_all_went_is_left_untagged_with_a_note() -> None:
    records, _, said = run(NormalizeTags(min_count=2, semantic=None), [["math"], ["math"], ["odd"]])
    assert records[2].tags == ()
    assert records[2].missing["tag"].kind == "no_tag_left"
    assert "rare" in records[2].missing["tag"].reason
    assert any("1 records have no tag left" in sentence for sentence in said)


@pytest.mark.parametrize("lists", [[], [[]], [[], []], [["", " "]]])
def test_a_set_without_tags_is_passed_on_with_a_word(lists: list[list[str]]) -> None:
    records, context, said = run(NormalizeTags(), lists)
    assert len(records) == len(lists)
    assert "no record has tags" in said[0]
    assert context.facts["stages"][0]["tags"] == 0


def test_untagged_records_are_counted_and_stay_untagged() -> None:
    records, context, said = run(NormalizeTags(semantic=None), [["math"], [], []])
    assert [names(record) for record in records] == [["math"], [], []]
    assert context.facts["stages"][-1]["records"] == 1
    assert any("2 of 3 records came without tags" in sentence for sentence in said)


def test_one_tag_for_everything_is_told() -> None:
    _, _, said = run(NormalizeTags(semantic=None), [["query", f"t{at}"] for at in range(30)])
    assert any("'query' is on 30 of 30" in sentence for sentence in said)


def test_a_chain_over_many_tags_is_told() -> None:
    ANGLES.update({f"word{chr(97 + at)}": at for at in range(20)})
    _, context, said = run(
        NormalizeTags(rules=False, semantic=0.01), [[f"word{chr(97 + at)}"] for at in range(20)]
    )
    assert context.facts["largest_family"] == 20
    assert any("lower `semantic`" in sentence for sentence in said)


def test_two_languages_are_told_and_joined_by_a_map() -> None:
    lists = [["math"], ["数学"], ["math"]]
    _, context, said = run(NormalizeTags(semantic=None), lists)
    assert context.facts["tag_languages"] == {"en": 1, "zh": 1}
    assert any("1 tags are English and 1 Chinese" in sentence for sentence in said)
    rows = [{**row, "final": "math"} for row in context.tables["tag_map"]]
    records, context, _ = run(NormalizeTags(map=Path("map.jsonl")), lists, rows)
    assert [names(record) for record in records] == [["math"]] * 3
    assert {row["raw"]: row["rule"] for row in context.tables["tag_map"]} == {"math": "", "数学": "map"}


@pytest.mark.parametrize(("unknown", "left"), [("keep", ["math", "new"]), ("drop", ["math"])])
def test_tags_that_a_map_lacks_are_kept_or_dropped_as_asked(unknown: Any, left: list[str]) -> None:
    step = NormalizeTags(map=Path("map.jsonl"), unknown=unknown)
    records, context, _ = run(step, [["maths", "new"]], [{"raw": "maths", "final": "math"}])
    assert names(records[0]) == left
    assert context.facts["unknown"] == 1
    assert step.inputs() == (Path("map.jsonl"),)


def test_tags_that_a_map_drops_are_told_as_such() -> None:
    records, _, said = run(NormalizeTags(map=Path("map.jsonl")), [["junk"]], [{"raw": "junk", "final": ""}])
    assert records[0].missing["tag"].reason == "all of its tags were dropped by the tag map"
    assert any(sentence.endswith("all of theirs were dropped by the tag map") for sentence in said)


def test_a_bad_map_stops_with_its_line() -> None:
    with pytest.raises(InputError, match=r"map\.jsonl:1"):
        run(NormalizeTags(map=Path("map.jsonl")), [["a"]], [{"raw": "a"}])
