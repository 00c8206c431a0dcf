"""The stages of tag normalisation as plain functions: spellings, meanings, associations, maps."""

from __future__ import annotations

import itertools
import random
from collections import Counter

import numpy as np
import pytest
from efficient_apriori import apriori
from hypothesis import given
from hypothesis import strategies as st
from sklearn.cluster import DBSCAN

from factory.data.record import Tag
from factory.errors import InputError
from factory.steps.tags.tag_sets.association import Rule, association_rules, merge_by_association, tag_pairs
from factory.steps.tags.tag_sets.normalization import Normalization
from factory.steps.tags.tag_sets.rules import folded, merge_by_key, plain_words, stemmed
from factory.steps.tags.tag_sets.semantic import clusters, merge_by_meaning
from factory.steps.tags.tag_sets.tag_map import MapRow, TagMap, renamed

TAGS = st.sampled_from(
    [
        "SQL",
        "sql",
        "Sql query",
        "SQL queries",
        "sql_query",
        "C",
        "C++",
        "C#",
        "翻译",
        "翻 译",
        "翻译。",
        "",
        "!",
    ]
)
LISTS = st.lists(st.lists(TAGS, max_size=5), max_size=12)


# -- spellings ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("one", "other", "key"),
    [
        ("SQL", "sql", folded),
        ("ＳＱＬ", "sql", folded),
        ("sql-query", "SQL  query", plain_words),
        ("sql_query", "sql query", plain_words),
        ("翻译。", "翻译", plain_words),
        ("Python 编程", "Python编程", plain_words),
        ("Python\u3000编程", "Ｐｙｔｈｏｎ编程", plain_words),
        ("《诗歌》", "「诗歌」", plain_words),
        ("写作（创意）", "写作(创意)", folded),
        ("数据、分析？", "数据-分析", plain_words),
        ("C＃ 编程", "c#编程", plain_words),
        ("writing poems", "write poem", stemmed),
        ("data analysis!", "Data Analysis", stemmed),
    ],
)
def test_spellings_of_one_tag_share_a_key(one: str, other: str, key: object) -> None:
    assert callable(key)
    assert key(one) == key(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("C", "C++"),
        ("C++", "C#"),
        ("C+", "C++"),
        ("翻译", "文本翻译"),
        ("!", "?"),
        ("sql", "nosql"),
    ],
)
def test_different_tags_keep_different_keys(one: str, other: str) -> None:
    assert stemmed(one) != stemmed(other)


def test_the_most_used_spelling_stays() -> None:
    counts = Counter({"write poem": 2, "writing poems": 5, "Write poems": 1, "other": 9})
    assert merge_by_key(counts, stemmed) == {"write poem": "writing poems", "Write poems": "writing poems"}


# -- meanings ----------------------------------------------------------------------------------------------


def directions(*degrees: float) -> np.ndarray:
    angles = np.radians(degrees)
    return np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)


def test_close_names_become_the_most_used_of_them() -> None:
    counts = {"maths": 1, "math": 5, "数学": 2, "poem": 3}
    merged = merge_by_meaning(counts, ["maths", "math", "数学", "poem"], directions(0, 5, 8, 90), 0.01)
    assert merged == {"maths": "math", "数学": "math"}


def test_a_chain_of_close_names_is_one_family() -> None:
    labels = clusters(directions(0, 5, 10, 15, 60), 0.005)
    assert labels.tolist() == [0, 0, 0, 0, -1]


def test_a_name_without_direction_is_close_to_nothing() -> None:
    vectors = np.array([[0, 0], [np.nan, 1], [1, 0], [1, 0]], np.float32)
    assert clusters(vectors, 0.5).tolist() == [-1, -1, 0, 0]


def test_ten_thousand_equal_names_are_one_family_at_once() -> None:
    assert set(clusters(np.tile(directions(30), (10_000, 1)), 0.05).tolist()) == {0}


@pytest.mark.slow
@given(st.lists(st.integers(0, 359), max_size=30), st.floats(0.001, 0.3))
def test_clusters_are_those_of_dbscan_on_cosine_distances(degrees: list[int], distance: float) -> None:
    vectors = directions(*degrees)
    gaps = {round((a - b) % 360) for a in degrees for b in degrees}
    if any(abs(1 - np.cos(np.radians(gap)) - distance) < 1e-3 for gap in gaps):
        return  # at the edge rounding decides
    found = clusters(vectors, distance)
    if len(degrees) < 2:
        assert set(found.tolist()) <= {-1}
        return
    exact = np.maximum(0, 1 - vectors.astype(np.float64) @ vectors.T)
    expected = DBSCAN(eps=distance, min_samples=2, metric="precomputed").fit(exact).labels_
    same = found[:, None] == found[None, :]
    assert ((same & (found >= 0)) == ((expected[:, None] == expected[None, :]) & (expected >= 0))).all()


# -- associations ------------------------------------------------------------------------------------------


@given(st.lists(st.lists(st.sampled_from("abcdef"), max_size=5), min_size=1, max_size=30), st.integers(1, 4))
def test_rules_are_those_of_apriori_on_item_sets_of_two(lists: list[list[str]], support: int) -> None:
    support = min(support, len(lists))
    transactions = [tuple(set(tags)) for tags in lists]
    _, expected = apriori(
        transactions, min_support=support / len(lists) - 1e-9, min_confidence=0.6, max_length=2
    )
    expected_rules = {
        (rule.lhs[0], rule.rhs[0], rule.count_full)
        for rule in expected
        if len(rule.lhs) == len(rule.rhs) == 1
    }
    found = association_rules(lists, support, 0.6 - 1e-9)
    assert {rule[:3] for rule in found} == expected_rules


def test_pairs_are_counted_in_blocks_of_tags_alike(monkeypatch: pytest.MonkeyPatch) -> None:
    chance = random.Random(0)
    lists = [[f"t{chance.randrange(9)}" for _ in range(4)] for _ in range(60)]
    whole = list(tag_pairs(lists, 2))
    monkeypatch.setattr("factory.steps.tags.tag_sets.association.BLOCK", 2)
    assert sorted(tag_pairs(lists, 2)) == sorted(whole)
    assert all(pair.records == sum({pair[0], pair[1]} <= set(tags) for tags in lists) for pair in whole)


def rules(*pairs: str) -> list[Rule]:
    return [Rule(a, b, 50, 1.0) for a, b in pairs]


def test_only_tags_that_imply_each_other_are_joined() -> None:
    counts = {"a": 50, "b": 51, "c": 900}
    assert merge_by_association(rules("ab", "ba", "ac"), counts) == {"a": "b"}


def test_one_way_a_tag_goes_into_the_more_used_one_it_implies() -> None:
    counts = {"a": 50, "b": 51, "c": 900}
    assert merge_by_association(rules("ab", "ba", "ac"), counts, one_way=True) == {"a": "c", "b": "c"}


def test_a_rare_tag_never_joins_the_two_common_ones_it_implies() -> None:
    merged = merge_by_association(rules("ax", "ay"), {"a": 40, "x": 500, "y": 700}, one_way=True)
    assert merged == {"a": "y"}


@given(
    st.lists(st.tuples(st.sampled_from("abcdef"), st.sampled_from("abcdef")), max_size=12),
    st.lists(st.integers(1, 4), min_size=6, max_size=6),
    st.booleans(),
    st.randoms(),
)
def test_merging_does_not_depend_on_the_order_of_the_rules(
    pairs: list[tuple[str, str]], numbers: list[int], one_way: bool, chance: random.Random
) -> None:
    counts = dict(zip("abcdef", numbers, strict=True))
    found = [Rule(a, b, 50, 1.0) for a, b in pairs if a != b]
    merged = merge_by_association(found, counts, one_way=one_way)
    chance.shuffle(found)
    assert merge_by_association(found, counts, one_way=one_way) == merged
    assert not set(merged) & set(merged.values())


# -- all stages --------------------------------------------------------------------------------------------


def normalised(lists: list[list[str]]) -> Normalization:
    normal = Normalization(lists)
    normal.drop_unusable()
    normal.drop_rare(2)
    normal.merge_spellings()
    normal.merge_associated(2, 0.99)
    return normal


@given(LISTS, st.randoms())
def test_the_outcome_does_not_depend_on_the_order_of_the_records(
    lists: list[list[str]], chance: random.Random
) -> None:
    rows = normalised(lists).rows()
    chance.shuffle(lists)
    assert normalised(lists).rows() == rows


@given(LISTS)
def test_every_given_tag_is_in_the_map_and_no_final_one_is_renamed(lists: list[list[str]]) -> None:
    normal = normalised(lists)
    rows = {row.raw: row for row in normal.rows()}
    assert set(rows) == {tag for tags in lists for tag in tags if tag}
    for row in rows.values():
        assert bool(row.rule) == (row.raw != row.final)
        if row.final:
            assert rows[row.final].final == row.final
    assert set(normal.counts) == {row.final for row in rows.values() if row.final}


@given(LISTS)
def test_applying_the_map_of_a_set_gives_the_same_tags(lists: list[list[str]]) -> None:
    normal = normalised(lists)
    again = Normalization(lists)
    assert again.apply_map(TagMap.of(normal.rows()), keep_unknown=False) == 0
    assert again.lists == normal.lists


@given(LISTS)
def test_no_stage_makes_tags_or_uses(lists: list[list[str]]) -> None:
    stages = normalised(lists).stages
    assert [stage.name for stage in stages] == ["given", "usable", "frequency", "rules", "association"]
    for before, after in itertools.pairwise(stages):
        assert (after.tags, after.uses, after.records) <= (before.tags, before.uses, before.records)


def test_spellings_that_differ_by_case_are_rare_together_or_not_at_all() -> None:
    normal = Normalization([["SQL"], ["sql"], ["poem"]])
    normal.drop_rare(2)
    assert set(normal.counts) == {"SQL", "sql"}


def test_a_tag_of_two_hundred_words_is_dropped_and_recorded() -> None:
    essay = "word " * 200
    normal = normalised([["sql", essay], ["sql", " "]])
    assert {row.raw: (row.final, row.rule) for row in normal.rows()} == {
        "sql": ("sql", ""),
        essay: ("", "too long"),
    }


# -- maps --------------------------------------------------------------------------------------------------


def test_an_edited_map_finds_other_spellings_of_what_it_knows() -> None:
    tag_map = TagMap.of([MapRow("translate", "翻译"), MapRow("noise", "")])
    assert tag_map.final("Translating") == "翻译"
    assert tag_map.final("翻译") == "翻译"
    assert tag_map.final("noise") == ""
    assert tag_map.final("poem") is None
    assert tag_map.names() == ["翻译"]


@pytest.mark.parametrize(
    ("row", "says"),
    [
        ({"raw": "sql"}, "a row of a tag map says"),
        ({"raw": "", "final": "x"}, "a row of a tag map says"),
        ({"raw": 1, "final": "x"}, "a row of a tag map says"),
        ({"raw": "a", "final": "z"}, "stands in line 1 too"),
    ],
)
def test_a_bad_map_is_refused_with_its_line(row: dict[str, object], says: str) -> None:
    with pytest.raises(InputError, match=rf"map\.jsonl:2: .*{says}"):
        TagMap.read([(1, {"raw": "a", "final": "b"}), (2, row)], "map.jsonl")


def test_a_family_is_renamed_by_the_row_of_its_name() -> None:
    rows = [MapRow("SQL", "sql"), MapRow("sql", "databases"), MapRow("noise", "junk"), MapRow("junk", "")]
    tag_map = TagMap.of(rows)
    assert {raw: tag_map.final(raw) for raw in ("SQL", "sql", "noise", "junk")} == {
        "SQL": "databases",
        "sql": "databases",
        "noise": "",
        "junk": "",
    }
    assert tag_map.names() == ["databases"]


@given(st.lists(st.tuples(st.sampled_from("abcdef"), st.sampled_from(["", *"abcdefg"])), max_size=8))
def test_applying_a_map_twice_is_applying_it_once_unless_it_is_a_circle(pairs: list[tuple[str, str]]) -> None:
    rows = [MapRow(raw, final) for raw, final in dict(pairs).items()]
    try:
        tag_map = TagMap.of(rows)
    except ValueError:
        return  # a circle
    for row in rows:
        final = tag_map.final(row.raw)
        assert final is not None
        assert final == "" or tag_map.final(final) == final


def test_a_map_that_renames_in_a_circle_is_refused() -> None:
    rows = [{"raw": "x", "final": "a"}, {"raw": "a", "final": "b"}, {"raw": "b", "final": "a"}]
    with pytest.raises(InputError, match=r"map\.jsonl: .* a circle, 'x' -> 'a' -> 'b' -> 'a'"):
        TagMap.read(enumerate(rows, start=1), "map.jsonl")


def test_a_long_chain_of_renames_is_followed_at_once() -> None:
    rows = [MapRow(f"t{at}", f"t{at + 1}") for at in range(20_000)]
    assert TagMap.of(rows).final("t0") == "t20000"


def test_renamed_tags_keep_the_first_explanation_and_come_once() -> None:
    tags = (Tag("SQL", "first"), Tag("sql", "second"), Tag("noise"), Tag("other", "as it was"))
    finals = {"SQL": "sql", "sql": "sql", "noise": ""}
    assert renamed(tags, finals) == (Tag("sql", "first"), Tag("other", "as it was"))
