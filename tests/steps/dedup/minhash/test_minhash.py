"""Near copies of documents: none is dropped wrongly, and what is missed is told."""

from __future__ import annotations

import asyncio
import random
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from step_context import scripted_context

from factory.data.record import new_record
from factory.data.table import Table
from factory.errors import MissingDependency
from factory.report.duplicate_families import duplicate_families
from factory.step import Context
from factory.steps.dedup.minhash.join import (
    document,
    jaccard,
    lsh_bands,
    measured_recall,
    minhash_join,
    shingles,
    similarity,
)
from factory.steps.dedup.minhash.step import DedupMinHash


def documents(number: int, seed: int = 0, words: int = 120) -> list[str]:
    """Texts of random words; each third is a copy of an earlier one with a few words replaced."""
    draw = random.Random(seed)
    made: list[list[str]] = []
    for at in range(number):
        if at % 3 == 2:
            copy = list(draw.choice(made))
            for _ in range(draw.randrange(8)):
                copy[draw.randrange(len(copy))] = f"new{draw.randrange(10**6)}"
            made.append(copy)
        else:
            made.append([f"w{draw.randrange(5000)}" for _ in range(words)])
    return [" ".join(text) for text in made]


def brute(texts: list[str], threshold: float) -> list[int]:
    """The kept document that drops each text, by comparing every pair; -1 where it is kept."""
    of = [shingles(text, 5) for text in texts]
    kept: list[int] = []
    nearest = []
    for at, own in enumerate(of):
        close = [(jaccard(own, of[other]), -other) for other in kept if own and of[other]]
        most, other = max(close, default=(0.0, 1))
        nearest.append(-other if most > threshold else -1)
        if most <= threshold:
            kept.append(at)
    return nearest


def test_a_shingle_is_a_run_of_words_and_a_chinese_character_is_a_word() -> None:
    assert shingles("The cat, the CAT, the cat", 2) == {"the cat", "cat the"}
    assert shingles("我爱北京", 3) == {"我 爱 北", "爱 北 京"}
    assert shingles("Too short", 5) == {"too short"}
    assert shingles(" ?! ", 5) == frozenset()


@pytest.mark.parametrize("threshold", [0.5, 0.7, 0.8])
def test_with_a_long_sketch_the_join_is_that_of_all_pairs(threshold: float) -> None:
    texts = documents(240)
    matches = minhash_join(texts, threshold, num_perm=1024)
    expected = brute(texts, threshold)
    assert matches.nearest.tolist() == expected
    assert sum(at >= 0 for at in expected) > 20
    assert np.isnan(matches.jaccard).tolist() == [at < 0 for at in expected]


@settings(max_examples=25)
@given(seed=st.integers(0, 10**6), num_perm=st.sampled_from([16, 32]))
def test_nothing_is_dropped_for_less_than_the_threshold(seed: int, num_perm: int) -> None:
    texts = documents(45, seed, words=25)
    matches = minhash_join(texts, 0.6, num_perm=num_perm, seed=seed)
    for at in np.flatnonzero(matches.nearest >= 0).tolist():
        kept = int(matches.nearest[at])
        similarity = jaccard(shingles(texts[at], 5), shingles(texts[kept], 5))
        assert kept < at
        assert matches.nearest[kept] == -1
        assert matches.jaccard[at] == similarity > 0.6


@pytest.mark.slow
def test_the_recall_is_what_comparing_all_pairs_finds() -> None:
    texts = [*documents(240), "", "!"]
    short = minhash_join(texts, 0.6, num_perm=16)
    kept = [at for at in range(len(texts)) if short.nearest[at] < 0]
    of = [shingles(text, 5) for text in texts]
    close = [
        at
        for at in range(240)
        if any(other < at and of[other] and jaccard(of[at], of[other]) > 0.6 for other in kept)
    ]
    recall = measured_recall(texts, short, 0.6)
    assert (recall.close, recall.found) == (len(close), sum(short.nearest[at] >= 0 for at in close))
    nothing = short._replace(nearest=np.full(len(texts), -1))
    assert measured_recall(texts, nothing, 0.6).found == 0
    assert measured_recall(texts, nothing, 0.6).close > 0


def test_bands_are_as_long_as_the_chance_at_the_threshold_allows() -> None:
    for threshold in (0.1, 0.3, 0.5, 0.7, 0.8, 0.9, 0.95):
        for num_perm in (64, 128, 256):
            bands, rows, chance = lsh_bands(threshold, num_perm)
            assert bands * rows <= num_perm
            assert chance == pytest.approx(1 - (1 - threshold**rows) ** bands)
            if rows > 1:
                assert chance >= 0.99
            longer = rows + 1
            assert 1 - (1 - threshold**longer) ** (num_perm // longer) < 0.99


LONG = (
    "Rewrite the passage that stands below so that a child of ten years can read it without any help at all."
)
SHORT_INPUTS = [
    ("3 5", "3 7"),
    ("yes", "no"),
    ("大海", "高山"),
    ("你好", ""),
    ("+", "-"),
    ("?", "x"),
    ("😀", "😢"),
]


@pytest.mark.parametrize(("one", "other"), SHORT_INPUTS)
def test_a_long_instruction_does_not_make_two_short_inputs_one_family(one: str, other: str) -> None:
    inputs = [one, other, one, other]
    matches = minhash_join([LONG] * 4, 0.8, inputs=inputs)
    assert matches.nearest.tolist() == [-1, -1, 0, 1]
    assert measured_recall([LONG] * 4, matches, 0.8, inputs=inputs) == (2, 2)


def test_a_near_copy_of_a_long_input_is_found_behind_the_same_instruction_alone() -> None:
    english = documents(1, words=200)[0]
    chinese = "".join(chr(0x4E00 + 7 * at) for at in range(200))
    for passage, copy in ((english, f"{english} and more"), (chinese, f"改{chinese}")):
        texts = ["Summarise it.", "Summarise it!", "Translate it.", LONG, f"Now {LONG}", "Summarise it."]
        matches = minhash_join(texts, 0.8, inputs=[passage, copy, copy, passage, copy, ""])
        assert matches.nearest.tolist() == [-1, 0, -1, -1, 3, -1]


def test_an_input_is_not_the_same_as_its_words_in_the_instruction() -> None:
    text = documents(1)[0]
    assert minhash_join([text, text], 0.5, inputs=["", text]).nearest.tolist() == [-1, -1]
    assert minhash_join(["", "?", text, text], 0.5, inputs=["", "!", "", ""]).nearest.tolist() == [
        -1,
        -1,
        -1,
        2,
    ]


@pytest.mark.slow
@settings(max_examples=25)
@given(seed=st.integers(0, 10**6))
def test_with_inputs_both_parts_decide_and_the_recall_is_what_comparing_all_pairs_finds(seed: int) -> None:
    draw = random.Random(seed)
    texts = [draw.choice([LONG, "Sum.", f"Now {LONG}", "?", LONG.lower()]) for _ in range(40)]
    passages = documents(12, seed, words=25)
    inputs = [draw.choice(["", "7", "8", "!", "!?", *passages]) for _ in texts]
    matches = minhash_join(texts, 0.6, inputs=inputs, num_perm=1024)
    of = [document(text, passage, 5) for text, passage in zip(texts, inputs, strict=True)]
    kept: list[int] = []
    for at, own in enumerate(of):
        close = [(similarity(own, of[other]), -other) for other in kept if own.all and of[other].all]
        most, other = max(close, default=(0.0, 1))
        assert matches.nearest[at] == (-other if most > 0.6 else -1)
        if matches.nearest[at] >= 0:
            before = int(matches.nearest[at])
            assert (
                shingles(texts[at], 5) == shingles(texts[before], 5)
                or jaccard(shingles(texts[at], 5), shingles(texts[before], 5)) > 0.6
            )
            assert bool(inputs[at]) == bool(inputs[before])
        else:
            kept.append(at)
    dropped = int((matches.nearest >= 0).sum())
    assert measured_recall(texts, matches, 0.6, inputs=inputs) == (dropped, dropped)


@pytest.mark.slow
def test_the_same_seed_gives_the_same_matches_in_any_process() -> None:
    program = (
        "from test_minhash import documents; from factory.steps.dedup.minhash.join import minhash_join\n"
        "print(minhash_join(documents(150, words=30), 0.5, num_perm=16, seed=7).nearest.tolist())"
    )
    environment = {"PYTHONPATH": ":".join(sys.path)}
    printed = {
        subprocess.run(
            [sys.executable, "-c", program],
            env={**environment, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(printed) == 1


def context(warnings: list[str]) -> Context:
    made, _ = scripted_context(lambda ask: "", step="03-minhash")
    return replace(made, tell=warnings.append)


def test_a_near_copy_is_dropped_with_the_document_it_repeats_and_the_recall_is_told() -> None:
    english = documents(2, words=200)
    chinese = "".join(chr(0x4E00 + random.Random(1).randrange(3000) + at) for at in range(150))
    texts = [english[0], chinese, english[1], english[0] + " and more", "改" + chinese, "", ""]
    records = [new_record("Write.", input=str(at), output=text) for at, text in enumerate(texts)]
    warnings: list[str] = []
    told = context(warnings)
    step = DedupMinHash(threshold=0.8, field="output")
    result = list(asyncio.run(step.run(Table.from_records(records), told)).records())
    assert [at for at, record in enumerate(result) if record.dropped is None] == [0, 1, 2, 5, 6]
    drop = result[3].dropped
    assert drop is not None
    assert drop.kind == "shingle_duplicate"
    assert drop.reason.startswith(f"Jaccard 0.99 with {records[0].id} (w")
    assert drop.numbers["jaccard"] == pytest.approx(196 / 198)
    assert {family.kept for family in duplicate_families(result)} == {records[0].id, records[1].id}
    assert told.facts["recall_in_a_sample"] == {"duplicates": 2, "found": 2}
    assert told.facts["search"]["chance_at_threshold"] >= 0.99
    assert "found 2 of the 2 duplicates, 100.0% (95 % interval 34.2% to 100.0%), in" in warnings[0]


def test_a_set_without_duplicates_or_without_records_says_so() -> None:
    warnings: list[str] = []
    for records in ([], [new_record("", occurrence=1)], [new_record("a b c d e f")]):
        result = list(
            asyncio.run(DedupMinHash().run(Table.from_records(records), context(warnings))).records()
        )
        assert result == records
    assert all("found no duplicate in a sample" in warning for warning in warnings)


def test_without_the_library_one_sentence_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "rensa", None)
    with pytest.raises(MissingDependency, match="pip install rensa"):
        minhash_join(["a"], 0.5)
