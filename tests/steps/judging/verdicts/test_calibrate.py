"""Scores against labels, by arithmetic and by the command."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from factory.cli.app import app
from factory.data.record import Event, new_record
from factory.data.table import Table
from factory.errors import InputError
from factory.statistics import interval as interval_module
from factory.statistics.agreement import cohen_kappa, quadratic_kappa
from factory.statistics.bound import binomial_tail
from factory.steps.judging.verdicts.calibrate import calibrate_classes, calibrate_pairs, calibrate_scores
from factory.steps.judging.verdicts.threshold import (
    area_interval,
    area_under_curve,
    suggest_threshold,
)
from factory.steps.keep import Condition

LABELS = Path(__file__).parents[4] / "../shared/data/labels"


def command(*arguments: str) -> str:
    result = CliRunner().invoke(app, ["calibrate", *arguments])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.output


@pytest.mark.slow
def test_scores_that_follow_the_labels_correlate_and_separate() -> None:
    found = calibrate_scores([1, 2, 3, 4, 5, 5] * 4, [0, 0, 0, 1, 1, 1] * 4, lengths=[9, 8, 7, 3, 2, 1] * 4)
    assert found.auc == found.validated == 1.0
    assert found.threshold is not None
    assert (found.threshold.at, found.threshold.accuracy, found.threshold.balanced) == (4.0, 1.0, 1.0)
    assert found.confusion == {("good", "good"): 12, ("bad", "bad"): 12}
    assert found.length_of_score is not None
    assert found.length_of_score < -0.9


@pytest.mark.slow
def test_a_missing_score_is_left_out_and_counted_never_taken_for_zero() -> None:
    scores, labels = [1.0, 2.0, np.nan, 4.0, 5.0], [1.0, 2.0, 3.0, 4.0, np.nan]
    found = calibrate_scores(scores, labels)
    assert (found.rows, found.missing) == (3, 2)
    assert found.spearman == pytest.approx(1)


@pytest.mark.slow
def test_a_condition_says_which_labels_are_good() -> None:
    found = calibrate_scores([1, 2, 3, 4] * 5, [1, 3, 4, 5] * 5, good=Condition.parse(">= 4"))
    assert found.auc == 1.0
    assert found.threshold is not None
    assert found.threshold.at == 3.0
    assert calibrate_scores([1, 2, 3, 4], [1, 3, 4, 5]).threshold is None


def test_labels_of_one_kind_separate_nothing() -> None:
    found = calibrate_scores([1, 2, 3], [1, 1, 1])
    assert found.auc is found.threshold is found.spearman is None
    assert found.lines() == [
        "3 rows have a score and a label",
        "correlation: not defined where all labels are equal",
        "no threshold: all labels are equal",
    ]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("scores", "labels", "good", "says"),
    [
        ([5, 5, 5, 5], [1, 2, 1, 2], None, "no score tells good from bad better than chance"),
        ([4, 3, 2, 1], [1, 1, 2, 2], None, "no score tells good from bad better than chance"),
        ([1, 2, 3, 4], [1, 2, 3, 4], None, "the labels have 4 values; say which are good"),
        ([1, 2, 3, 4], [1, 2, 3, 4], ">= 9", "no label is good"),
        ([1, 2, 3, 4], [1, 2, 3, 4], ">= 0", "every label is good"),
    ],
    ids=["ties", "turned round", "a scale", "none good", "all good"],
)
def test_where_no_threshold_can_be_suggested_the_reason_is_told(
    scores: list[float], labels: list[float], good: str | None, says: str
) -> None:
    found = calibrate_scores(scores, labels, good=None if good is None else Condition.parse(good))
    assert found.threshold is None
    assert found.confusion == {}
    assert says in found.lines()[-1]


@given(st.lists(st.tuples(st.integers(1, 5), st.booleans()), min_size=2, max_size=40))
def test_the_area_and_the_threshold_are_what_their_definitions_say(rows: list[tuple[int, bool]]) -> None:
    scores, good = np.array([s for s, _ in rows], float), np.array([g for _, g in rows])
    area, threshold = area_under_curve(scores, good), suggest_threshold(scores, good)
    if good.all() or not good.any():
        assert area is threshold is None
        return
    wins = [(a > b) + 0.5 * (a == b) for a in scores[good] for b in scores[~good]]
    assert area == pytest.approx(np.mean(wins))

    def balanced(at: float) -> float:
        return float(((scores[good] >= at).mean() + (scores[~good] < at).mean()) / 2)

    assert threshold is not None
    assert threshold.balanced == pytest.approx(max(balanced(at) for at in scores))
    assert threshold.balanced == pytest.approx(balanced(threshold.at))
    assert threshold.accuracy == pytest.approx(((scores >= threshold.at) == good).mean())


def test_kappa_is_1_for_full_agreement_and_0_for_chance() -> None:
    assert cohen_kappa({("a", "a"): 5, ("b", "b"): 5}) == 1.0
    assert cohen_kappa({("a", "a"): 4, ("a", "b"): 4, ("b", "a"): 4, ("b", "b"): 4}) == 0.0
    assert cohen_kappa({("a", "a"): 5}) is None
    assert cohen_kappa({}) is None


def test_classes_are_counted_by_label_and_score() -> None:
    found = calibrate_classes(["qa", "code", None, "qa"], ["qa", "qa", "qa", None])
    assert (found.rows, found.missing, found.accuracy) == (2, 2, 0.5)
    assert found.confusion == {("qa", "qa"): 1, ("qa", "code"): 1}


def test_pairs_tell_bias_towards_length_and_place() -> None:
    found = calibrate_pairs([1, 1, 1, 0, None], [1, 2, 2, 0, 1], [9, 9, 1, 5, 5], [1, 1, 9, 5, 5])
    assert (found.rows, found.missing, found.accuracy) == (4, 1, 0.5)
    assert (found.longer_of_score, found.longer_of_label) == (pytest.approx(2 / 3), pytest.approx(2 / 3))
    assert (found.first_of_score, found.first_of_label) == (1.0, pytest.approx(1 / 3))


@pytest.mark.parametrize(
    ("name", "label", "columns", "rows"),
    [
        ("pandalm_dev.jsonl.gz", "majority", ("response1", "response2"), 200),
        ("llmbar_natural_dev.jsonl.gz", "label", ("output_1", "output_2"), 100),
    ],
)
def test_human_labels_of_pairs_are_held_against_a_length_heuristic(
    name: str, label: str, columns: tuple[str, str], rows: int
) -> None:
    if not (LABELS / name).is_file():
        pytest.skip(f"the labels {name} are not here")
    said = command(
        str(LABELS / name),
        "--score",
        "longer",
        "--label",
        label,
        "--first",
        columns[0],
        "--second",
        columns[1],
    )
    assert f"{rows} rows have a score and a label" in said
    accuracy = float(said.split("accuracy ")[1].split("%")[0])
    assert 50 < accuracy < 65, "people prefer the longer answer, but far from always"
    assert re.search(
        r"the longer answer wins: 100\.0% \(95 % interval \d+\.\d% to 100\.0%\) by the scores", said
    )
    assert "confusion" in said


@pytest.mark.slow
def test_the_command_reads_scores_of_a_runs_records(tmp_path: Path) -> None:
    event = Event("02-judge", "judge.quality")
    records = [
        new_record(f"Q{at}?", output="x" * at, occurrence=at, meta={"human": at % 2}).with_score(
            "judge.quality", None if at == 0 else 1 + at % 2, event
        )
        for at in range(20)
    ]
    Table.from_records(records).write(tmp_path / "kept.parquet")
    said = command(str(tmp_path / "kept.parquet"), "--score", "judge.quality", "--label", "human")
    assert said.startswith("19 rows have a score and a label, 1 lack one")
    assert "suggested threshold: >= 2 " in said
    assert "Spearman with the answer's length" in said


def test_the_command_reads_verdicts_of_judge_pair_as_winners(tmp_path: Path) -> None:
    rows = [
        {"judge_pair.quality": said, "better": label, "a": "long answer", "b": "short"}
        for said, label in ((1.0, "A"), (0.0, "B"), (0.5, "tie"), (1.0, 2), (None, 1))
    ]
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    said = command(
        str(path), "--score", "judge_pair.quality", "--label", "better", "--first", "a", "--second", "b"
    )
    assert "4 rows have a score and a label, 1 lack one" in said
    assert "accuracy 75.0%" in said


def test_texts_are_classes(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text("task,wanted\nqa,qa\ncode,qa\nqa,qa\n")
    said = command(str(path), "--score", "task", "--label", "wanted")
    assert "accuracy 66.7%" in said


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (
            ["--score", "scor", "--label", "human"],
            "no row has 'scor', the column of --score; there are score, human",
        ),
        (["--score", "score", "--label", "hum"], "the column of --label"),
        (["--score", "score", "--label", "human", "--first", "a"], "go together"),
        (["--score", "score", "--label", "human", "--good", "high"], "--good must be"),
    ],
)
def test_a_mistake_is_one_sentence(tmp_path: Path, options: list[str], says: str) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text('{"score": 1, "human": 2}\n{"score": 2, "human": 1}\n')
    with pytest.raises(InputError, match=says):
        command(str(path), *options)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("rows", "options", "says"),
    [
        ([{"score": None, "human": 1}], [], "'score', the column of --score, is empty in every row"),
        ([{"score": 1, "human": ""}], [], "'human', the column of --label, is empty in every row"),
        ([{"score": 1}, {"human": 1}], [], "no row has both a score and a label"),
        ([{"score": "nan", "human": 1}], [], "no row has both a score and a label"),
        ([{"score": 1, "human": "好"}, {"score": 2, "human": "差"}], [], "has texts such as '好'.*--good"),
        ([{"score": 1, "human": "好"}], ["--good", "better"], "has texts such as '好'.*--good"),
        ([{"score": 4, "human": 1}, {"score": "4.5/5", "human": 2}], [], "'score' has the text '4.5/5'"),
        ([{"score": "a", "human": "a"}], ["--good", ">= 1"], "these scores are classes"),
        ([{"score": 1, "human": 1}], ["--text", "answer"], "no row has an answer in 'answer'"),
        ([{"score": 1, "human": 1}], ["--score", "longer"], "name them with --first and --second"),
        ([{"score": 1, "human": 1}], ["--score", "length"], "no row has an answer in 'output'"),
        (
            [{"score": 1, "human": 1, "a": "x", "b": "y"}],
            ["--first", "a", "--second", "b"],
            "nothing tells which names the first answer",
        ),
        (
            [{"human": 1, "a": "x", "b": "y"}],
            ["--first", "a", "--second", "b", "--score", "length"],
            "longer",
        ),
    ],
    ids=lambda case: None,
)
def test_what_cannot_be_calibrated_is_one_sentence_and_no_number(
    tmp_path: Path, rows: list[dict[str, object]], options: list[str], says: str
) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    with pytest.raises(InputError, match=says):
        command(str(path), "--score", "score", "--label", "human", *options)


@pytest.mark.slow
def test_a_text_label_that_is_good_is_named(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    rows = [{"score": at, "human": "好" if at > 2 else "差", "output": "字" * at} for at in range(1, 5)]
    path.write_text("".join(json.dumps(row) + "\n" for row in [*rows * 5, {"score": 9, "human": ""}]))
    said = command(str(path), "--score", "score", "--label", "human", "--good", "好")
    assert "20 rows have a score and a label, 1 lack one" in said
    assert "read as: scores are numbers, the label 好 is good and any other is bad" in said
    assert "suggested threshold: >= 3 (95 % interval 3 to 3; on rows that it was not chosen by" in said
    assert "on all rows accuracy 100.0% (95 % interval " in said


def test_winners_that_cannot_be_read_are_counted_aloud(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    rows = [{"score": "A", "human": label, "a": "xx", "b": "y"} for label in (1, 2, "both bad\x1b[0m", None)]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    said = command(str(path), "--score", "score", "--label", "human", "--first", "a", "--second", "b")
    assert "warning: 1 values of 'human', such as 'both bad [0m', name no winner" in said
    assert "2 rows have a score and a label, 2 lack one" in said


@pytest.fixture
def few_draws(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that sets by the hundred are calibrated in a moment."""
    monkeypatch.setattr(interval_module, "DRAWS", 100)
    monkeypatch.setattr(interval_module, "_FEWEST_DRAWS", 100)


TRIALS = 150


def noise(seed: int, rows: int, lineages: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Scores and labels that know nothing of each other; the rows of one lineage have them in common."""
    draw = np.random.default_rng(seed)
    lineage = draw.integers(lineages, size=rows)
    return draw.integers(1, 6, lineages)[lineage], draw.integers(2, size=lineages)[lineage], lineage


@pytest.mark.slow
@pytest.mark.usefixtures("few_draws")
@pytest.mark.parametrize(("rows", "lineages"), [(12, 12), (100, 100), (200, 40)])
def test_noise_is_seldom_given_a_threshold(rows: int, lineages: int) -> None:
    """The interval of the AUC leaves chance out on the upper side in one of forty sets."""
    suggested = 0
    for seed in range(TRIALS):
        scores, labels, lineage = noise(seed, rows, lineages) if lineages < rows else noise_alone(seed, rows)
        suggested += calibrate_scores(scores, labels, groups=lineage).threshold is not None
    assert suggested <= next(k for k in range(TRIALS) if binomial_tail(k, TRIALS, 0.05) >= 0.99)


def noise_alone(seed: int, rows: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    draw = np.random.default_rng(seed)
    return draw.integers(1, 6, rows), draw.integers(2, size=rows), np.arange(rows)


@pytest.mark.slow
@pytest.mark.usefixtures("few_draws")
def test_rows_of_one_lineage_taken_for_rows_of_their_own_make_noise_look_sure() -> None:
    suggested = 0
    for seed in range(50):
        scores, labels, _ = noise(seed, 200, 20)
        suggested += calibrate_scores(scores, labels).threshold is not None
    assert suggested > 8


@pytest.mark.slow
@pytest.mark.usefixtures("few_draws")
def test_intervals_hold_the_truth_as_often_as_they_say() -> None:
    held: dict[str, list[bool]] = {"auc": [], "spearman": [], "accuracy": [], "kappa": []}
    for seed in range(TRIALS):
        draw = np.random.default_rng(seed)
        good = draw.integers(2, size=120)
        scores = good + draw.normal(size=120)  # the AUC is the chance that N(1, sqrt 2) is above 0
        found = calibrate_scores(scores, good)
        held["auc"].append(found.intervals["auc"][0] <= 0.7602 <= found.intervals["auc"][1])
        one = draw.normal(size=120)
        other = one + draw.normal(size=120)  # Pearson 0.7071, Spearman 6/pi asin(r/2)
        rho = 6 / np.pi * np.arcsin(np.sqrt(0.5) / 2)
        low, high = calibrate_scores(one, other).intervals["spearman"]
        held["spearman"].append(low <= rho <= high)
        said = np.where(draw.random(120) < 0.8, good, 1 - good)
        classes = calibrate_classes([str(x) for x in said], [str(x) for x in good])
        held["accuracy"].append(classes.intervals["accuracy"][0] <= 0.8 <= classes.intervals["accuracy"][1])
        held["kappa"].append(classes.intervals["kappa"][0] <= 0.6 <= classes.intervals["kappa"][1])
    assert {name: float(np.mean(flags)) >= 0.88 for name, flags in held.items()} == dict.fromkeys(held, True)


@given(st.floats(0, 1), st.integers(1, 200), st.integers(1, 200))
def test_the_interval_of_an_area_holds_it_and_is_wide_where_little_is_known(
    area: float, m: int, n: int
) -> None:
    low, high = area_interval(area, m, n)
    assert 0 <= low <= area <= high <= 1
    assert area_interval(area, 10 * m, 10 * n)[0] >= low - 1e-6
    assert area_interval(1 - area, m, n) == pytest.approx((1 - high, 1 - low), abs=1e-6)


@pytest.mark.slow
def test_two_good_and_two_bad_rows_in_order_are_not_enough_for_a_threshold() -> None:
    found = calibrate_scores([1, 2, 3, 4], [0, 0, 1, 1])
    assert found.threshold is None
    assert "chance alone may order these rows as well" in "\n".join(found.lines())


def test_levels_are_compared_as_levels() -> None:
    found = calibrate_scores([1, 2, 3, 4, 5], [1, 2, 3, 4, 4], levels=True)
    assert (found.accuracy, found.pearson) == (0.8, None)
    assert found.kappa == quadratic_kappa(np.array([1.0, 2, 3, 4, 5]), np.array([1.0, 2, 3, 4, 4]))
    assert found.kappa == pytest.approx(1 - 0.2 / (11 + 9.2 - 2 * 3 * 2.8))
    assert "quadratic kappa" in found.lines()[1]


PAIR_ROWS = [
    {"said": said, "human": label, "a": "long answer", "b": "short"}
    for said, label in [(1, 1)] * 6 + [(0, 0)] * 3 + [(1, 0)]
]


def calibrated(folder: Path, rows: list[dict[str, object]], *options: str) -> str:
    path = folder / "rows.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return command(str(path), "--score", "said", "--label", "human", *options)


@pytest.mark.slow
def test_winners_written_as_1_and_0_are_asked_for_never_guessed(tmp_path: Path) -> None:
    pair = ("--first", "a", "--second", "b")
    with pytest.raises(
        InputError, match=r"are 0, 1, and nothing tells which names the first answer.*--labels"
    ):
        calibrated(tmp_path, PAIR_ROWS, *pair)
    said = calibrated(tmp_path, PAIR_ROWS, *pair, "--labels", "first=1,second=0")
    assert "accuracy 90.0%" in said
    assert (
        "read as: pairs (said: 1 the first answer, 0 the second; human: 1 the first answer, 0 the second)"
        in said
    )
    turned = calibrated(tmp_path, PAIR_ROWS, *pair, "--labels", "first=0,second=1")
    assert "accuracy 90.0%" in turned, "what --labels says holds for scores of the same values"
    other = calibrated(
        tmp_path, PAIR_ROWS, *pair, "--labels", "first=1,second=0", "--verdicts", "first=0,second=1"
    )
    assert "accuracy 10.0%" in other


@pytest.mark.slow
@pytest.mark.parametrize(
    ("labels", "accuracy"),
    [((1, 2, 0), "100.0%"), ((1, 0, 0.5), "100.0%"), ((1, -1, 0), "100.0%"), (("A", "B", "tie"), "100.0%")],
)
def test_winners_whose_meaning_is_plain_are_read_and_told(
    tmp_path: Path, labels: tuple[object, ...], accuracy: str
) -> None:
    verdicts = ("first", "second", "tie")
    rows = [
        {"said": verdicts[at % 3], "human": labels[at % 3], "a": "x" * (at % 3 + 1), "b": "y"}
        for at in range(9)
    ]
    said = calibrated(tmp_path, rows, "--first", "a", "--second", "b")
    assert f"accuracy {accuracy}" in said
    assert f"human: {str(labels[0]).lower()} the first answer" in said
    alone = calibrated(tmp_path, rows, "--kind", "pair")
    assert f"accuracy {accuracy}" in alone
    assert "longer" not in alone


@pytest.mark.slow
def test_three_codes_may_be_classes_levels_or_winners_so_that_the_kind_is_asked_for(tmp_path: Path) -> None:
    rows: list[dict[str, object]] = [
        {"said": at % 3, "human": at % 3 if at % 4 else (at + 1) % 3, "output": "x" * at} for at in range(40)
    ]
    with pytest.raises(InputError, match="may be classes, levels of a scale, or winners of pairs"):
        calibrated(tmp_path, rows)
    assert re.search(
        r"accuracy 75\.0% \(95 % interval .*kappa 0\.6", calibrated(tmp_path, rows, "--kind", "nominal")
    )
    assert "correlation" not in calibrated(tmp_path, rows, "--kind", "nominal")
    ordinal = calibrated(tmp_path, rows, "--kind", "ordinal")
    assert "quadratic kappa" in ordinal
    assert "Spearman" in ordinal
    assert "correlation: Spearman" in calibrated(tmp_path, rows, "--kind", "number")
    assert "accuracy 75.0%" in calibrated(tmp_path, rows, "--kind", "pair")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--kind", "classes"], "it is one of nominal, ordinal, number, pair"),
        (["--kind", "nominal", "--labels", "first=1,second=0"], "is for single answers"),
        (["--labels", "1=first"], "write first=1,second=0,tie=0.5"),
        (["--labels", "first=1"], "say which label is `first` and which is `second`"),
        (["--labels", "first=1,second=1.0"], "has two meanings"),
        (["--group", "seed"], "no row has 'seed', the column of --group"),
    ],
)
def test_a_mistake_in_the_meaning_is_one_sentence(tmp_path: Path, options: list[str], says: str) -> None:
    with pytest.raises(InputError, match=says):
        calibrated(tmp_path, PAIR_ROWS, *options)


@pytest.mark.slow
def test_rows_of_one_prompt_or_seed_belong_together(tmp_path: Path) -> None:
    rows: list[dict[str, object]] = [
        {"said": at % 5, "human": at % 2, "instruction": f"Q{at // 4}", "output": "x", "seed": at // 8}
        for at in range(40)
    ]
    assert "; lineages: 10\n" in calibrated(tmp_path, rows)
    assert "; lineages: 5\n" in calibrated(tmp_path, rows, "--group", "seed")
    path = tmp_path / "kept.parquet"
    seed = new_record("Seed?", output="x", meta={"human": 1})
    records = [seed.child(f"Evolved {at}?", Event("02-evolve", "deepen"), output="y") for at in range(6)]
    judged = [
        replace(one, scores={"judge.quality": float(at)}, meta={"human": at % 2})
        for at, one in enumerate(
            [seed, *records, *[new_record(f"Other {at}", output="z") for at in range(3)]]
        )
    ]
    Table.from_records(judged).write(path)
    said = command(str(path), "--score", "judge.quality", "--label", "human")
    assert said.startswith("10 rows have a score and a label; lineages: 4\n")


def test_the_threshold_of_an_expectation_is_told_to_be_none_for_a_keep(tmp_path: Path) -> None:
    judged = [
        replace(
            new_record(f"Question {at}?", output="x", meta={"human": at % 2}),
            scores={"judge.quality": 2.9 + 0.2 * (at % 2), "judge_level.quality": 3.0 + at % 2},
        )
        for at in range(40)
    ]
    path = tmp_path / "kept.parquet"
    Table.from_records(judged).write(path)
    said = command(str(path), "--score", "judge.quality", "--label", "human")
    assert "suggested threshold" in said
    assert "for a `keep` calibrate with --score judge_level.quality" in said
    assert "note:" not in command(str(path), "--score", "judge_level.quality", "--label", "human")


def test_a_bad_row_is_told_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text('{"score": 1, "human": 2}\n[1]\n')
    with pytest.raises(InputError, match=r"rows\.jsonl:2"):
        command(str(path), "--score", "score", "--label", "human")
