"""Scores against labels, by arithmetic and by the command."""

from __future__ import annotations

import json
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
from factory.steps.judging.verdicts.calibrate import (
    area_under_curve,
    calibrate_classes,
    calibrate_pairs,
    calibrate_scores,
    cohen_kappa,
    suggest_threshold,
)
from factory.steps.keep import Condition

LABELS = Path(__file__).parents[4] / "../shared/data/labels"


def command(*arguments: str) -> str:
    result = CliRunner().invoke(app, ["calibrate", *arguments])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.output


def test_scores_that_follow_the_labels_correlate_and_separate() -> None:
    found = calibrate_scores([1, 2, 3, 4, 5, 5], [0, 0, 0, 1, 1, 1], lengths=[9, 8, 7, 3, 2, 1])
    assert found.auc == 1.0
    assert found.threshold is not None
    assert (found.threshold.at, found.threshold.accuracy, found.threshold.balanced) == (4.0, 1.0, 1.0)
    assert found.confusion == {("good", "good"): 3, ("bad", "bad"): 3}
    assert found.length_of_score is not None
    assert found.length_of_score < -0.9


def test_a_missing_score_is_left_out_and_counted_never_taken_for_zero() -> None:
    scores, labels = [1.0, 2.0, np.nan, 4.0, 5.0], [1.0, 2.0, 3.0, 4.0, np.nan]
    found = calibrate_scores(scores, labels)
    assert (found.rows, found.missing) == (3, 2)
    assert found.spearman == pytest.approx(1)


def test_a_condition_says_which_labels_are_good() -> None:
    found = calibrate_scores([1, 2, 3, 4], [1, 3, 4, 5], good=Condition.parse(">= 4"))
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
    assert "the longer answer wins: 100.0% by the scores" in said
    assert "confusion" in said


def test_the_command_reads_scores_of_a_runs_records(tmp_path: Path) -> None:
    event = Event("02-judge", "judge.quality")
    records = [
        new_record("Q?", output="x" * at, occurrence=at, meta={"human": at % 2}).with_score(
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
            [{"score": 1, "human": "X", "a": "x", "b": "y"}],
            ["--first", "a", "--second", "b"],
            "1 or A, 2 or B",
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


def test_a_text_label_that_is_good_is_named(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    rows = [{"score": at, "human": "好" if at > 2 else "差", "output": "字" * at} for at in range(1, 5)]
    path.write_text("".join(json.dumps(row) + "\n" for row in [*rows, {"score": 9, "human": ""}]))
    said = command(str(path), "--score", "score", "--label", "human", "--good", "好")
    assert "4 rows have a score and a label, 1 lack one" in said
    assert "suggested threshold: >= 3 (accuracy 100.0%" in said


def test_winners_that_cannot_be_read_are_counted_aloud(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    rows = [{"score": 1, "human": label, "a": "xx", "b": "y"} for label in (1, 2, "both bad\x1b[0m", None)]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    said = command(str(path), "--score", "score", "--label", "human", "--first", "a", "--second", "b")
    assert "warning: 1 values of 'human', such as 'both bad [0m', name no winner" in said
    assert "2 rows have a score and a label, 2 lack one" in said


def test_a_bad_row_is_told_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text('{"score": 1, "human": 2}\n[1]\n')
    with pytest.raises(InputError, match=r"rows\.jsonl:2"):
        command(str(path), "--score", "score", "--label", "human")
