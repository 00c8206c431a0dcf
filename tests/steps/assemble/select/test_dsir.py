"""DSIR against the published features and a plain reading of the paper."""

from __future__ import annotations

import hashlib
import itertools
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from factory.steps.assemble.select import dsir as module
from factory.steps.assemble.select.dsir import (
    BUCKETS,
    dsir,
    gumbel_top,
    hashed_grams,
    kl_divergence,
    log_weights,
    taken,
)

MATHS = ["add two numbers", "add three numbers and divide by two", "how many apples are left"]
POETRY = ["write a poem about the sea", "a sonnet of the moon and the sea", "rhyme the moon with a spoon"]


def bucket(text: str) -> int:
    return int(hashlib.sha256(text.encode()).hexdigest(), 16) % 10_000


def plain_counts(text: str) -> NDArray[np.int64]:
    """The features as the authors' program counts them: NLTK's WordPunct, unigrams, bigrams."""
    words = re.findall(r"\w+|[^\w\s]+", text.lower())
    counts = np.zeros(10_000, np.int64)
    for gram in [*words, *(" ".join(pair) for pair in itertools.pairwise(words))]:
        counts[bucket(gram)] += 1
    return counts


def counts(text: str) -> NDArray[np.int64]:
    return np.bincount(hashed_grams([text]).buckets, minlength=BUCKETS)


def test_the_published_buckets_come_out() -> None:
    grams = hashed_grams(["Alice went to the store"])
    assert grams.buckets[:3].tolist() == [6720, bucket("went"), 114], "alice, went, alice went"
    assert len(grams.buckets) == 9
    assert grams.tokens.tolist() == [5]


@given(st.text(alphabet=st.sampled_from("ab Z9_.,!'\n\té ßİ\u00a0€🦉-"), max_size=200))
def test_a_text_in_a_spaced_script_has_the_published_features(text: str) -> None:
    assert counts(text).tolist() == plain_counts(text).tolist()


@pytest.mark.parametrize("length", [0, 1, 54, 55, 56, 63, 64, 65, 119, 120, 200, 5000])
def test_a_word_of_any_length_is_hashed_rightly(length: int) -> None:
    """SHA-256 works in blocks of 64 bytes, the last of which holds the length."""
    word = "x" * length
    assert hashed_grams([f"{word} y"]).buckets[-1] == bucket(f"{word} y" if length else "y")


def test_chinese_is_counted_character_by_character() -> None:
    expected = sorted(map(bucket, ["写", "一", "写 一", "gpt", "一 gpt", "诗", "gpt 诗", "。", "诗 。"]))
    assert sorted(hashed_grams(["写一GPT诗。"]).buckets.tolist()) == expected


@given(st.lists(st.text(alphabet="ab 诗.", max_size=20), max_size=8))
def test_texts_together_are_what_they_are_alone(texts: list[str]) -> None:
    grams = hashed_grams(texts)
    assert len(grams.starts) == len(texts) + 1
    for at, text in enumerate(texts):
        own = grams.buckets[grams.starts[at] : grams.starts[at + 1]]
        assert own.tolist() == hashed_grams([text]).buckets.tolist()


def test_batches_make_no_difference(monkeypatch: pytest.MonkeyPatch) -> None:
    texts = [*MATHS, "", *POETRY, "诗" * 30]
    whole = hashed_grams(texts)
    monkeypatch.setattr(module, "_BATCH", 20)
    parts = hashed_grams(texts)
    assert parts.buckets.tolist() == whole.buckets.tolist()
    assert parts.starts.tolist() == whole.starts.tolist()


def test_the_weight_is_the_sum_of_the_logs_of_the_shares() -> None:
    pool, target = [*MATHS, *POETRY], POETRY[:1]
    raw = sum(map(plain_counts, pool))
    wanted = sum(map(plain_counts, target))
    differ = np.log(wanted / wanted.sum() + 1e-8) - np.log(raw / raw.sum() + 1e-8)
    found = log_weights(hashed_grams(pool), hashed_grams(target))
    assert found == pytest.approx([float(differ @ plain_counts(text)) for text in pool])


def test_gumbel_top_k_draws_as_the_weights_say() -> None:
    weights = np.log([0.5, 0.3, 0.2])
    random = np.random.default_rng(0)
    first = [int(gumbel_top(weights, 1, random)[0]) for _ in range(4000)]
    assert np.bincount(first) / 4000 == pytest.approx([0.5, 0.3, 0.2], abs=0.03)
    pairs = [tuple(gumbel_top(weights, 2, random).tolist()) for _ in range(4000)]
    assert pairs.count((0, 1)) / 4000 == pytest.approx(0.5 * 0.3 / 0.5, abs=0.03), "without replacement"


def test_what_cannot_be_drawn_is_not() -> None:
    rows = gumbel_top(np.array([-np.inf, 0.0, -np.inf, -3.0]), 4, np.random.default_rng(0))
    assert sorted(rows.tolist()) == [1, 3]


def test_a_pool_comes_nearer_to_its_target_and_short_rows_are_not_left_out() -> None:
    pool = hashed_grams([*MATHS * 60, *POETRY * 5, "   ", "…"])
    drawn = dsir(pool, hashed_grams(POETRY), 12, np.random.default_rng(0))
    assert len(set(drawn.rows.tolist())) == 12
    assert drawn.divergence is not None
    assert drawn.at_random is not None
    assert drawn.divergence < drawn.nearest_at_random <= drawn.at_random
    assert drawn.wordless == 1, "a blank row has no word; dots are one, as published"
    share = np.mean((drawn.rows >= 180) & (drawn.rows < 195))
    assert share > 0.6, "of 8 % of the pool; all these texts have fewer than a hundred tokens"


def test_a_small_target_does_not_draw_the_rows_of_a_word_or_two() -> None:
    """Without a prior every n-gram that the target lacks counts -9 or so, and the fewest of them win."""
    poems = [f"verse {at} tells {at + 7} of the moon and {at + 9} of a poem by the sea" for at in range(20)]
    others = [f"chapter {at} deals {at + 3} with tax and {at + 5} with a contract" for at in range(300)]
    pool = hashed_grams([*poems, *others, "yes", "no", "ok"])
    target = hashed_grams(["the moon, a poem of the sea"])
    random = np.random.default_rng(0)
    published = dsir(pool, target, 3, random, prior=0)
    assert sorted(published.rows.tolist()) == [320, 321, 322]
    smoothed = dsir(pool, target, 10, random)
    assert (smoothed.rows < 20).all()
    assert smoothed.divergence is not None
    assert published.divergence is not None
    assert smoothed.divergence < published.divergence


@given(st.floats(0, 1e6))
def test_a_target_that_is_the_pool_weighs_every_row_alike(prior: float) -> None:
    grams = hashed_grams([*MATHS, *POETRY])
    assert log_weights(grams, grams, prior) == pytest.approx(np.zeros(6), abs=1e-9)


@given(st.integers(0, 2**32 - 1), st.integers(0, 8))
def test_the_draw_is_the_seeds(seed: int, size: int) -> None:
    pool, target = hashed_grams([*MATHS, *POETRY]), hashed_grams(POETRY)
    first, second = (dsir(pool, target, size, np.random.default_rng(seed)) for _ in range(2))
    assert first.rows.tolist() == second.rows.tolist()
    assert len(first.rows) == min(size, 6)


def test_a_target_without_a_word_is_refused() -> None:
    with pytest.raises(ValueError, match="hold no word"):
        dsir(hashed_grams(MATHS), hashed_grams(["  ", ""]), 1, np.random.default_rng(0))
    with pytest.raises(ValueError, match="hold no word"):
        log_weights(hashed_grams([]), hashed_grams(MATHS))


def test_rows_taken_keep_their_n_grams() -> None:
    grams = hashed_grams([*MATHS, ""])
    some = taken(grams, np.array([2, 3, 0]))
    assert some.buckets.tolist() == hashed_grams([MATHS[2], "", MATHS[0]]).buckets.tolist()
    assert kl_divergence(grams.shares(), grams.shares()) == pytest.approx(0)
