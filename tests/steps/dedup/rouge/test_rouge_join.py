"""The ROUGE-L join gives what comparing every pair with rouge-score gives."""

import gzip
import json
import math
import random
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from rouge_score.rouge_scorer import RougeScorer

from factory.data.text import rouge_tokens
from factory.steps.dedup.joins.signs import Signs
from factory.steps.dedup.rouge.join import RougeMatches, rouge_join

ALPACA = Path(__file__).parents[4] / "../shared/data/nc_optional/alpaca_en_52k.jsonl.gz"
SCORER = RougeScorer(["rougeL"], use_stemmer=False)
WORDS = RougeScorer(["rougeL"], tokenizer=SimpleNamespace(tokenize=str.split))

Rows = list[list[str]]
thresholds = st.sampled_from([0.3, 0.4, 0.5, 0.6, 2 / 3, 0.7, 0.75, 0.8, 0.9, 1.0]) | st.floats(0, 1)


def every_pair(rows: Rows, threshold: float, reference: Rows = []) -> list[tuple[int, str, bool]]:  # noqa: B006
    """The definition: (nearest, F as written, in the reference) of each row."""
    kept = [(text, j, True) for j, text in enumerate(reference)]
    matches = []
    for i, row in enumerate(rows):
        best, best_f, best_in_reference = -1, threshold, False
        for text, j, in_reference in kept:
            f = SCORER.score(target=" ".join(text), prediction=" ".join(row))["rougeL"].fmeasure
            if f > best_f:
                best, best_f, best_in_reference = j, f, in_reference
        if best < 0:
            kept.append((row, i, False))
        matches.append((best, repr(float(best_f if best >= 0 else math.nan)), best_in_reference))
    return matches


def as_list(matches: RougeMatches) -> list[tuple[int, str, bool]]:
    columns = matches.nearest.tolist(), map(repr, matches.f.tolist()), matches.in_reference.tolist()
    return list(zip(*columns, strict=True))


@st.composite
def families(draw: st.DrawFn, longest: int = 24, most: int = 10) -> Rows:
    """Texts over few words and slight edits of them, so that most are near the threshold of some other."""
    words = [f"w{n}" for n in range(draw(st.integers(1, 12)))]
    texts = st.lists(st.sampled_from(words), max_size=longest)
    rows = draw(st.lists(texts, min_size=1, max_size=most))
    for _ in range(draw(st.integers(0, most))):
        copy = list(draw(st.sampled_from(rows)))
        for _ in range(draw(st.integers(0, 4))):
            at = draw(st.integers(0, len(copy)))
            copy[at : at + draw(st.integers(0, 1))] = draw(st.lists(st.sampled_from(words), max_size=1))
        rows.append(copy)
    return draw(st.permutations(rows))


@pytest.mark.slow
@settings(max_examples=400, deadline=None)
@given(rows=families(), threshold=thresholds)
def test_the_join_equals_comparing_every_pair(rows: Rows, threshold: float) -> None:
    assert as_list(rouge_join(rows, threshold)) == every_pair(rows, threshold)


@pytest.mark.slow
@settings(max_examples=100, deadline=None)
@given(rows=families(longest=8), seed=st.integers(0, 99), known=st.integers(0, 6), threshold=thresholds)
def test_pairs_that_differ_in_signs_alone_are_never_close(
    rows: Rows, seed: int, known: int, threshold: float
) -> None:
    """The definition: every pair is compared, but for those of the same letters and other signs."""
    chance = np.random.default_rng(seed)
    groups = {tuple(row): chance.integers(3) for row in rows}  # the same tokens have the same letters
    letters = np.array([groups[tuple(row)] for row in rows], np.int32)
    signs = Signs(letters, chance.integers(0, 3, len(rows)).astype(np.int32))
    reference, after = rows[:known], rows[known:]
    matches = rouge_join(after, threshold, reference=reference, signs=signs, workers=2)
    kept = list(range(len(reference)))
    for at, row in enumerate(after, len(reference)):
        best, most = -1, threshold
        for other in kept:
            if signs.letters[at] != signs.letters[other] or signs.forms[at] == signs.forms[other]:
                f = SCORER.score(target=" ".join(rows[other]), prediction=" ".join(row))["rougeL"].fmeasure
                if f > most:
                    best, most = other, f
        nearest = int(matches.nearest[at - len(reference)])
        if nearest >= 0 and not matches.in_reference[at - len(reference)]:
            nearest += len(reference)
        assert nearest == best
        if best < 0:
            kept.append(at)


@pytest.mark.slow
@settings(max_examples=150, deadline=None)
@given(rows=families(), reference=families(), threshold=thresholds)
def test_with_a_reference_the_join_equals_comparing_every_pair(
    rows: Rows, reference: Rows, threshold: float
) -> None:
    assert as_list(rouge_join(rows, threshold, reference=reference)) == every_pair(rows, threshold, reference)


@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@given(rows=families(most=60), threshold=thresholds, workers=st.integers(2, 4))
def test_the_number_of_workers_changes_nothing(rows: Rows, threshold: float, workers: int) -> None:
    rows = rows * 4  # several blocks, with repeats of what was kept and of what was dropped
    assert as_list(rouge_join(rows, threshold, workers=workers)) == as_list(rouge_join(rows, threshold))


@pytest.mark.slow
def test_over_several_blocks_the_join_equals_comparing_every_pair() -> None:
    chance = random.Random(5)
    rows = [[f"w{chance.randrange(12)}" for _ in range(chance.randrange(4, 9))] for _ in range(300)]
    rows += [list(chance.choice(rows)) for _ in range(60)]
    reference = [[f"w{chance.randrange(12)}" for _ in range(6)] for _ in range(20)]
    for threshold in (0.5, 0.8):
        expected = every_pair(rows, threshold, reference)
        assert as_list(rouge_join(rows, threshold, reference=reference, workers=3)) == expected


@pytest.mark.slow
def test_long_texts_over_the_same_few_words_equal_comparing_every_pair() -> None:
    """As bags of words all are close; as sequences few are."""
    chance = random.Random(6)
    first = [f"w{chance.randrange(20)}" for _ in range(300)]
    rows = [chance.sample(first, len(first)) for _ in range(12)]
    for _ in range(12):
        copy = list(chance.choice(rows))
        at = chance.randrange(250)
        copy[at : at + 50] = chance.sample(copy[at : at + 50], 50)
        rows.append(copy[chance.randrange(20) :])
    for threshold in (0.5, 0.7, 0.9):
        matches = as_list(rouge_join(rows, threshold))
        assert matches == every_pair(rows, threshold)
        assert any(nearest >= 0 for nearest, _, _ in matches)


@pytest.mark.slow
@pytest.mark.parametrize("length", [63, 64, 65, 128, 129, 200])
def test_long_texts_equal_comparing_every_pair(length: int) -> None:
    chance = random.Random(length)
    rows = []
    for words in (3, 40, 1000):
        first = [f"w{chance.randrange(words)}" for _ in range(length)]
        for edits in (0, 1, length // 8, length // 5, length // 3, length // 2):
            copy = list(first)
            for _ in range(edits):
                at = chance.randrange(len(copy))
                copy[at : at + chance.randrange(2)] = [f"w{chance.randrange(words)}"] * chance.randrange(2)
            rows.append(copy)
    chance.shuffle(rows)
    for threshold in (0.5, 0.7, 0.9):
        assert as_list(rouge_join(rows, threshold)) == every_pair(rows, threshold)


@pytest.mark.slow
@pytest.mark.parametrize("threshold", [0.5, 0.6, 2 / 3, 0.7, 0.75, 0.8])
def test_a_tie_with_the_threshold_falls_as_the_floating_point_of_rouge_score_says(threshold: float) -> None:
    fell = set()
    for m in range(1, 61):
        for n in range(1, 61):
            lcs = round(threshold * (m + n) / 2)
            if not 0 < lcs <= min(m, n) or abs(2 * lcs / (m + n) - threshold) > 1e-9:
                continue
            common = [f"w{k}" for k in range(lcs)]
            rows = [common + [f"a{k}" for k in range(m - lcs)], common + [f"b{k}" for k in range(n - lcs)]]
            score = SCORER.score(target=" ".join(rows[0]), prediction=" ".join(rows[1]))["rougeL"].fmeasure
            dropped = bool(rouge_join(rows, threshold).nearest[1] == 0)
            assert dropped == (score > threshold), (m, n, lcs)
            fell.add(dropped)
    assert False in fell
    assert threshold != 0.7 or True in fell  # rounding lifts some of its ties above 0.7


@pytest.mark.slow
@settings(max_examples=100, deadline=None)
@given(rows=families(), threshold=thresholds)
def test_joining_the_kept_rows_again_drops_none(rows: Rows, threshold: float) -> None:
    kept = [row for row, j in zip(rows, rouge_join(rows, threshold).nearest, strict=True) if j < 0]
    assert (rouge_join(kept, threshold).nearest == -1).all()


@pytest.mark.slow
@settings(max_examples=100, deadline=None)
@given(rows=families(), later=families(), threshold=thresholds)
@example(rows=[["a", "b"]], later=[["a", "b"]], threshold=0.7)
def test_rows_that_come_later_change_nothing(rows: Rows, later: Rows, threshold: float) -> None:
    assert as_list(rouge_join(rows + later, threshold))[: len(rows)] == as_list(rouge_join(rows, threshold))


def test_the_first_of_a_family_is_kept_whatever_the_order() -> None:
    rows = [["a", "b", "c", "d"], ["a", "b", "c", "d", "e"], ["a", "b", "c", "d", "e", "f"]]
    for order in (rows, rows[::-1]):
        assert rouge_join(order, 0.7).nearest.tolist() == [-1, 0, 0]


def test_only_a_kept_row_drops_another() -> None:
    rows = [list("abcdefgh"), list("cdefghij"), list("efghijkl")]  # each is close to its neighbour only
    assert rouge_join(rows, 0.7).nearest.tolist() == [-1, 0, -1]


def test_the_nearest_is_the_closest_and_of_equals_the_earliest() -> None:
    rows = [list("abcdxy"), list("abefxy"), list("abcdef"), list("abcdefx"), list("abcdex")]
    matches = rouge_join(rows, 0.7)
    assert matches.nearest.tolist() == [-1, -1, -1, 2, 0]
    assert as_list(matches) == every_pair(rows, 0.7)


def test_a_repeat_of_a_dropped_row_finds_what_was_kept_in_between() -> None:
    rows = [list("abcdefgh"), list("abcdefxy"), list("abcdexyz"), list("abcdefxy")]
    assert rouge_join(rows, 0.7).nearest.tolist() == [-1, 0, -1, 2]
    assert as_list(rouge_join(rows, 0.7)) == every_pair(rows, 0.7)


def test_a_row_in_the_reference_is_named_as_such_and_goes_before_a_row() -> None:
    matches = rouge_join([["x"], ["a", "b"], ["x"]], 0.7, reference=[["q"], ["a", "b"], ["a", "b"]])
    assert matches.nearest.tolist() == [-1, 1, 0]
    assert matches.in_reference.tolist() == [False, True, False]


def test_rows_without_tokens_are_kept_and_drop_none() -> None:
    matches = rouge_join([[], [], ["a"], [], ["a"]], 0.0, reference=[[]])
    assert matches.nearest.tolist() == [-1, -1, -1, -1, 2]


@pytest.mark.parametrize("rows", [[], [[]], [[], []]])
def test_nothing_to_compare_gives_nothing(rows: Rows) -> None:
    matches = rouge_join(rows, 0.7)
    assert matches.nearest.tolist() == [-1] * len(rows)
    assert np.isnan(matches.f).all()


def test_identical_chinese_rows_are_dropped_and_close_ones_too() -> None:
    texts = ["请写一首关于春天的诗", "请写一首关于春天的诗", "请写一首关于秋天的诗", "解释什么是机器学习"]
    matches = rouge_join([rouge_tokens(text) for text in texts], 0.7)
    assert matches.nearest.tolist() == [-1, 0, 0, -1]
    assert matches.f[1:3].tolist() == [1.0, 0.9]


def test_five_thousand_identical_rows_keep_one() -> None:
    matches = rouge_join([["a", "b", "c"]] * 5000, 0.7)
    assert matches.nearest.tolist() == [-1] + [0] * 4999


def test_five_thousand_copies_of_a_dropped_row_are_dropped_by_the_same() -> None:
    matches = rouge_join([list("abcdefgh"), *[list("abcdefgx")] * 5000], 0.7)
    assert matches.nearest.tolist() == [-1] + [0] * 5000


@pytest.mark.slow
def test_texts_of_a_hundred_thousand_tokens_are_compared() -> None:
    chance = np.random.default_rng(0)
    text = [f"w{n}" for n in np.minimum(chance.zipf(1.3, 100_000), 20_000)]
    near = [*text[:500], "x", *text[502:90_000], "y", *text[90_000:]]
    matches = rouge_join([text, near, text[:5000]], 0.7)
    assert matches.nearest.tolist() == [-1, 0, -1]
    lcs = 99_998
    p, r = lcs / len(near), lcs / len(text)
    assert matches.f[1] == 2 * p * r / (p + r)


@pytest.mark.parametrize("threshold", [-0.1, 1.1, math.nan])
def test_a_threshold_that_no_f_can_have_is_refused(threshold: float) -> None:
    with pytest.raises(ValueError, match="between 0 and 1"):
        rouge_join([["a"]], threshold)


@pytest.mark.slow
def test_joins_run_side_by_side_without_the_interpreter_lock() -> None:
    from factory.statistics.rouge.kernel import search

    assert search.targetoptions["nogil"]
    chance = random.Random(0)
    sets = [[[f"w{chance.randrange(30)}" for _ in range(8)] for _ in range(1500)] for _ in range(4)]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(lambda rows: as_list(rouge_join(rows, 0.5)), sets))
    assert together == [as_list(rouge_join(rows, 0.5)) for rows in sets]


def test_where_nothing_can_be_written_the_loops_are_compiled_all_the_same() -> None:
    from factory.statistics.compiled import compiled_at_once

    namespace: dict[str, object] = {}
    exec("def double(n): return 2 * n", namespace)  # noqa: S102 - has no file, so numba finds no folder for it
    double = namespace["double"]
    assert callable(double)
    assert compiled_at_once("int64(int64)")(double)(21) == 42


@pytest.mark.slow
def test_alpaca_keeps_all_but_the_six_that_its_own_filter_let_through() -> None:
    if not ALPACA.exists():
        pytest.skip("the Alpaca data is not beside the project")
    with gzip.open(ALPACA, "rt", encoding="utf-8") as lines:
        rows = [rouge_tokens(json.loads(line)["instruction"]) for line in lines]
    matches = rouge_join(rows, 0.7)
    dropped = np.flatnonzero(matches.nearest >= 0)
    assert (len(rows), len(rows) - len(dropped)) == (52_002, 51_996)
    for i in dropped:
        text, kept = " ".join(rows[i]), " ".join(rows[matches.nearest[i]])
        assert WORDS.score(target=kept, prediction=text)["rougeL"].fmeasure == matches.f[i]


def test_there_must_be_a_worker() -> None:
    with pytest.raises(ValueError, match="worker"):
        rouge_join([["a"]], 0.7, workers=0)


@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.sampled_from(
            ["", "word", "。", "?!…", "请写一首诗", "Write 一首 poem по-русски", "が", "e\u0301te\u0301"]
        )
        | st.text(max_size=30),
        max_size=12,
    ),
    thresholds,
)
def test_texts_of_any_script_are_kept_or_have_a_kept_text_before_them(
    texts: list[str], threshold: float
) -> None:
    rows = [rouge_tokens(text) for text in texts]
    matches = rouge_join(rows, threshold)
    for row, (tokens, nearest) in enumerate(zip(rows, matches.nearest.tolist(), strict=True)):
        if nearest >= 0:
            assert nearest < row
            assert matches.nearest[nearest] == -1
            assert set(tokens) & set(rows[nearest])
        elif threshold < 1 and tokens:
            assert tokens not in [rows[other] for other in range(row) if matches.nearest[other] < 0]
