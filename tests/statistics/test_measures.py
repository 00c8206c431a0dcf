"""Measures of a set without tags: words, languages, verbs and objects, the Vendi score."""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass, field

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from factory.data.text import rouge_tokens
from factory.errors import MissingDependency
from factory.statistics.vendi import centred, sampled_vendi, vendi_score
from factory.statistics.verb_noun import Word, verb_noun, verb_noun_pairs
from factory.statistics.words import distinct_n, language_mix, lengths, spread

TEXTS = st.lists(st.text(alphabet="ab 诗歌", max_size=12), max_size=8)


@given(TEXTS, st.integers(1, 4))
def test_distinct_n_is_different_over_all(texts: list[str], n: int) -> None:
    tokens = [rouge_tokens(text) for text in texts]
    grams = [tuple(row[at : at + n]) for row in tokens for at in range(len(row) - n + 1)]
    expected = len(set(grams)) / len(grams) if grams else None
    assert distinct_n(texts, n) == (expected if expected is None else pytest.approx(expected))


def test_a_repeated_text_adds_no_new_n_gram() -> None:
    assert distinct_n(["write a poem"] * 4, 2) == 0.25
    assert distinct_n(["写一首诗"] * 2, 2) == 0.5


def test_a_text_shorter_than_n_has_no_n_gram() -> None:
    assert distinct_n(["one two"], 3) is None
    assert distinct_n([], 1) is None


def test_lengths_leave_blank_texts_out() -> None:
    found = lengths(["one two three", " ", "写一首诗"])
    assert found is not None
    assert (found.values, found.mean, found.smallest, found.largest) == (2, 3.5, 3, 4)
    assert spread([]) is None


def test_a_given_language_goes_before_a_guess() -> None:
    assert language_mix(["Hello", "你好", "123"]) == {"en": 1, "zh": 1, "unknown": 1}
    assert language_mix(["Bonjour", "你好"], ["fr", ""]) == {"fr": 1, "zh": 1}


def test_equal_rows_count_as_one_and_right_angles_as_all() -> None:
    assert vendi_score(np.tile([[0.6, 0.8]], (50, 1)).astype(np.float32)) == pytest.approx(1)
    assert vendi_score(np.eye(7, dtype=np.float32)) == pytest.approx(7)


@given(st.integers(1, 12), st.integers(1, 12), st.integers(0, 2**32 - 1))
def test_the_vendi_score_is_that_of_the_papers_definition(rows: int, columns: int, seed: int) -> None:
    vectors = np.random.default_rng(seed).normal(size=(rows, columns))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    values = np.linalg.eigvalsh(vectors @ vectors.T / rows)
    values = values[values > 1e-12]
    expected = np.exp(-(values * np.log(values)).sum())
    score = vendi_score(vectors.astype(np.float32))
    assert score == pytest.approx(expected, rel=1e-4)
    assert 1 - 1e-6 <= score <= min(rows, columns) + 1e-4


@pytest.mark.parametrize("rows", [np.zeros((0, 3)), np.array([[np.nan, 1]])])
def test_no_rows_or_no_numbers_have_no_vendi_score(rows: np.ndarray) -> None:
    with pytest.raises(ValueError, match="at least one row"):
        vendi_score(rows)


def cone(rows: int, columns: int, common: float, seed: int = 0) -> NDArray[np.float32]:
    """Unit vectors that share a direction, as the texts of some embedding models do."""
    vectors = np.random.default_rng(seed).normal(size=(rows, columns)) / np.sqrt(columns)
    vectors[:, 0] += common
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


@pytest.mark.slow
def test_a_direction_that_all_texts_share_does_not_hide_how_far_they_differ() -> None:
    """As e5-small's cosines of 0.8 do, by which a hundred different instructions came to 3.9 of 100."""
    vectors = cone(100, 384, common=2.0)
    assert float((vectors @ vectors.T).mean()) == pytest.approx(0.8, abs=0.02)
    found = sampled_vendi(vectors, 100)
    assert found.plain < 5
    assert found.score > 60
    assert found.score == pytest.approx(found.null, rel=0.05), "they differ as much as they can"
    assert found.deviation == 0, "there is one sample of all rows"


@pytest.mark.slow
def test_a_set_of_few_things_lies_far_below_its_null_and_the_spread_over_samples_is_told() -> None:
    few = np.repeat(cone(5, 384, common=2.0), 40, axis=0)
    found = sampled_vendi(few, 100)
    assert 3.5 < found.score < 4.01, "five things leave four directions"
    assert found.null > 2 * found.score
    assert found.size == 100
    varied = np.concatenate([few[:100], cone(100, 384, common=2.0, seed=1)])
    assert sampled_vendi(varied, 50).deviation > 0.1
    assert sampled_vendi(varied, 50) == sampled_vendi(varied, 50)


@pytest.mark.parametrize("rows", [1, 2, 5])
def test_rows_that_are_all_the_same_are_one_thing(rows: int) -> None:
    same = np.tile([[0.6, 0.8]], (rows, 1)).astype(np.float32)
    assert not centred(same).any()
    assert sampled_vendi(same, 100)[:3] == (1, 0, 1)


@dataclass
class Parsed:
    """A word as a parser gives it."""

    lemma_: str
    pos_: str
    dep_: str
    children: list[Word] = field(default_factory=list)


def test_the_root_verb_of_the_first_sentence_and_its_object_are_the_pair() -> None:
    poem = Parsed("Poem", "NOUN", "dobj")
    write = Parsed("Write", "VERB", "ROOT", [Parsed("a", "DET", "det"), poem])
    please = Parsed("please", "INTJ", "ROOT")
    assert verb_noun([write, poem]) == ("write", "poem")
    assert verb_noun([please, write, poem]) is None, "the verb is of the second sentence"
    assert verb_noun([Parsed("sleep", "VERB", "ROOT", [Parsed("it", "PRON", "dobj")])]) is None
    assert verb_noun([Parsed("visit", "VERB", "ROOT", [Parsed("Rome", "PROPN", "dobj")])]) is None, "no noun"
    assert verb_noun([]) is None


def test_where_the_root_is_no_verb_its_first_child_is_looked_at_and_so_on() -> None:
    poem = Parsed("poem", "NOUN", "dobj")
    write = Parsed("write", "VERB", "xcomp", [poem])
    able = Parsed("able", "ADJ", "acomp", [write])
    assert verb_noun([Parsed("is", "AUX", "ROOT", [able, Parsed("you", "PRON", "nsubj")])]) == (
        "write",
        "poem",
    )
    other = Parsed("you", "PRON", "nsubj")
    assert verb_noun([Parsed("is", "AUX", "ROOT", [other, able])]) is None, (
        "the first child has none below it"
    )
    sleep = Parsed("sleep", "VERB", "xcomp", [Parsed("and", "CCONJ", "cc"), write])
    assert verb_noun([Parsed("can", "AUX", "ROOT", [sleep])]) is None, "the first verb has no object"


def test_a_tree_of_any_depth_is_walked() -> None:
    word = Parsed("write", "VERB", "xcomp", [Parsed("poem", "NOUN", "dobj")])
    for _ in range(5000):
        word = Parsed("of", "ADP", "prep", [word])
    word.dep_ = "ROOT"
    assert verb_noun([word]) == ("write", "poem")


def test_pairs_are_counted_over_texts() -> None:
    def parse(texts: object) -> list[list[Parsed]]:
        words = [Parsed("write", "VERB", "ROOT", [Parsed("poem", "NOUN", "obj")])]
        return [words, words, []]

    assert verb_noun_pairs(["a", "b", "c"], parse) == {("write", "poem"): 2}


def test_without_a_parser_the_sentence_says_how_to_get_one() -> None:
    if importlib.util.find_spec("en_core_web_sm") is not None:
        pytest.skip("the English model is installed")
    with pytest.raises(MissingDependency, match="spacy download en_core_web_sm"):
        verb_noun_pairs(["Write a poem."])
