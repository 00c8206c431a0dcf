"""Measures of a set without tags: words, languages, verbs and objects, the Vendi score."""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass, field

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from factory.data.text import rouge_tokens
from factory.errors import MissingDependency
from factory.statistics.vendi import vendi_score
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


@dataclass
class Parsed:
    """A word as a parser gives it."""

    lemma_: str
    pos_: str
    dep_: str
    children: list[Word] = field(default_factory=list)


def test_the_first_root_verb_with_an_object_is_the_pair() -> None:
    poem = Parsed("Poem", "NOUN", "dobj")
    please = Parsed("please", "INTJ", "ROOT")
    write = Parsed("Write", "VERB", "ROOT", [Parsed("a", "DET", "det"), poem])
    assert verb_noun([please, write, poem]) == ("write", "poem")
    assert verb_noun([please, poem]) is None
    assert verb_noun([Parsed("sleep", "VERB", "ROOT", [Parsed("it", "PRON", "dobj")])]) is None


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
