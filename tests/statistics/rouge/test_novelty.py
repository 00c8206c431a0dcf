"""The index gives, at every moment of a stream, what comparing with all its texts by rouge-score gives."""

import gzip
import json
import math
import random
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from rouge_score.rouge_scorer import RougeScorer

from factory.data.text import rouge_tokens
from factory.statistics.rouge.novelty import Near, NoveltyIndex
from factory.steps.dedup.rouge.join import rouge_join

SHARED = Path(__file__).parents[3] / "../shared/data"


class OurWords:
    """`rouge_tokens` as rouge-score takes it."""

    def tokenize(self, text: str) -> list[str]:
        return rouge_tokens(text)


SCORER = RougeScorer(["rougeL"], tokenizer=OurWords())
thresholds = st.sampled_from([0.3, 0.5, 2 / 3, 0.7, 0.75, 0.8, 1.0]) | st.floats(1e-6, 1)


def by_rouge_score(texts: list[str], text: str, threshold: float) -> Near | None:
    """The definition: every text is compared; of those of the highest F the first."""
    best = None
    for number, other in enumerate(texts):
        f = float(SCORER.score(target=other, prediction=text)["rougeL"].fmeasure)
        if f >= threshold and (best is None or f > best.f):
            best = Near(number, f)
    return best


@st.composite
def streams(draw: st.DrawFn, longest: int = 20) -> list[tuple[bool, str]]:
    """Texts over few words or characters and slight edits of them, each to be added or only looked for."""
    chinese = draw(st.booleans())
    words = [chr(0x4E00 + n) if chinese else f"w{n}" for n in range(draw(st.integers(1, 12)))]
    words += draw(st.lists(st.sampled_from(["été", "сад", "Ünder", "x", "。", "?"]), max_size=2))
    texts = draw(st.lists(st.lists(st.sampled_from(words), max_size=longest), min_size=1, max_size=8))
    for _ in range(draw(st.integers(0, 8))):
        copy = list(draw(st.sampled_from(texts)))
        for _ in range(draw(st.integers(0, 3))):
            at = draw(st.integers(0, len(copy)))
            copy[at : at + draw(st.integers(0, 1))] = draw(st.lists(st.sampled_from(words), max_size=1))
        texts.append(copy)
    order = draw(st.permutations(texts))
    return [(draw(st.booleans()), " ".join(text)) for text in order]


@pytest.mark.slow
@settings(max_examples=150, deadline=None)
@given(streams(), thresholds)
@example([(True, "a b c d e f g"), (False, "a b c d e f g h i j k l m")], 0.7)
def test_at_every_moment_the_index_equals_comparing_with_all_its_texts(
    stream: list[tuple[bool, str]], threshold: float
) -> None:
    index, added = NoveltyIndex(), list[str]()
    for add, text in stream:
        assert index.nearest(text, threshold) == by_rouge_score(added, text, threshold)
        if add:
            assert index.add(text) == len(added)
            added.append(text)
            assert len(index) == len(added)


@pytest.mark.slow
@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000), st.sampled_from([0.4, 0.6, 0.7, 0.9]))
def test_texts_of_hundreds_of_words_are_compared_as_exactly(seed: int, threshold: float) -> None:
    chance = random.Random(seed)
    index, added = NoveltyIndex(), list[str]()
    for _ in range(8):
        words = chance.choice(added).split() if added and chance.random() < 0.7 else []
        words = words or [f"w{chance.randrange(40)}" for _ in range(chance.choice([5, 63, 64, 65, 150]))]
        for _ in range(chance.randrange(0, len(words) // 3)):
            words[chance.randrange(len(words))] = f"w{chance.randrange(400)}"
        text = " ".join(words)
        assert index.nearest(text, threshold) == by_rouge_score(added, text, threshold)
        index.add(text)
        added.append(text)


@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@given(streams(), thresholds)
def test_what_is_only_looked_for_leaves_nothing_behind(
    stream: list[tuple[bool, str]], threshold: float
) -> None:
    looked_at, untouched = NoveltyIndex(), NoveltyIndex()
    for add, text in stream:
        if add:
            looked_at.add(text)
            untouched.add(text)
        looked_at.nearest(text + " seen once only", threshold)
    for _, text in stream:
        assert looked_at.nearest(text, threshold) == untouched.nearest(text, threshold)


def test_a_text_at_the_threshold_is_not_novel_and_one_just_below_it_is() -> None:
    index = NoveltyIndex(["a b c d"])
    assert index.nearest("a b c x", 0.75) == Near(0, 0.75)
    assert index.nearest("a b c x", math.nextafter(0.75, 1)) is None


def test_of_texts_that_are_as_near_the_first_added_is_named() -> None:
    index = NoveltyIndex(["one two three four", "one two three five", "one two three four"])
    assert index.nearest("one two three six", 0.5) == Near(0, 0.75)
    assert index.nearest("One, two, three: FOUR!", 0.5) == Near(0, 1.0)


def test_chinese_is_compared_character_by_character() -> None:
    index = NoveltyIndex(["请写一首关于大海的诗。"])
    near = index.nearest("请写一首关于天空的诗。", 0.7)
    assert near == by_rouge_score(["请写一首关于大海的诗。"], "请写一首关于天空的诗。", 0.7)
    assert near is not None
    assert near.f == pytest.approx(0.8)
    assert index.nearest("解释一下光合作用。", 0.7) is None


@pytest.mark.parametrize("nothing", ["", "。！？", "\u200b", "!?"])
def test_a_text_without_words_is_near_to_nothing_and_nothing_is_near_to_it(nothing: str) -> None:
    index = NoveltyIndex([nothing, "a word"])
    assert index.nearest(nothing, 0.1) is None
    assert index.nearest("a word", 0.1) == Near(1, 1.0)
    assert len(index) == 2


def test_a_text_far_longer_than_any_other_is_looked_for_and_added() -> None:
    index = NoveltyIndex(["a b"])
    long = " ".join(f"w{n % 900}" for n in range(5_000))
    assert index.nearest(long, 0.7) is None
    index.add(long)
    near = index.nearest(long + " one more", 0.7)
    assert near is not None
    p, r = 5000 / 5002, 1.0
    assert near == Near(1, 2 * p * r / (p + r))


@pytest.mark.parametrize("threshold", [0, -0.1, 1.1, math.nan])
def test_a_threshold_that_no_near_text_can_have_is_refused(threshold: float) -> None:
    with pytest.raises(ValueError, match="above 0 and at most 1"):
        NoveltyIndex(["a"]).nearest("a", threshold)


@pytest.mark.parametrize("language", ["en", "zh"])
def test_real_seeds_come_through_as_they_do_through_the_join(language: str) -> None:
    path = SHARED / f"seeds/seed_tasks_{language}.jsonl.gz"
    if not path.exists():
        pytest.skip("the seed tasks are not beside the project")
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        texts = [json.loads(line)["instruction"] for line in lines]
    index, numbers, nearest = NoveltyIndex(), list[int](), list[int]()
    for at, text in enumerate(texts):
        near = index.nearest(text, math.nextafter(0.7, 1))  # the join drops above its threshold
        nearest.append(numbers[near.number] if near else -1)
        if near is None:
            index.add(text)
            numbers.append(at)
    assert nearest == rouge_join([rouge_tokens(text) for text in texts], 0.7).nearest.tolist()
