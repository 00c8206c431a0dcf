"""Logs of a training run are read whole, and what they do not tell is not said."""

from __future__ import annotations

import ast
import asyncio
import json
import math
import random
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from factory.api.following import answer_likeness, next_tasks, when_to_stop, which_overfits
from factory.cli.app import app
from factory.data.record import new_record
from factory.data.text import rouge_tokens
from factory.data.training_log import read_trajectories
from factory.errors import FactoryError, InputError
from factory.statistics.training.curves import overfit, slope, trend
from factory.statistics.training.probes import cut, examples, probes
from factory.statistics.training.trajectories import fates, smoothed, window
from factory.statistics.training.uncertainty import task_uncertainty, variant

DOCS = Path(__file__).parents[2] / "docs" / "following.md"
LOG = Path("log.jsonl")


def lines(*rows: Mapping[str, Any]) -> list[tuple[int, Mapping[str, Any]]]:
    return list(enumerate(rows, start=1))


def curve(values: Sequence[float], metric: str = "eval_loss") -> list[tuple[int, Mapping[str, Any]]]:
    return lines(*({"step": 100 * at, metric: value} for at, value in enumerate(values)))


def stop(values: Sequence[float], **more: Any) -> Any:
    options = {"lower": True, "least": None, "window": 5, **more}
    return when_to_stop(LOG, curve(values), "eval_loss", **options)


def test_a_loss_that_falls_goes_on_one_that_lies_flat_or_rises_stops() -> None:
    assert stop([2.0, 1.8, 1.6, 1.4, 1.2, 1.0]).facts["state"] == "improving"
    flat = stop([2.0, 1.5, 1.0, 1.0, 1.001, 1.0, 0.999, 1.0])
    assert flat.facts["state"] == "plateau"
    assert "a plateau: by the interval it gains less than" in flat.lines[-1]
    worse = stop([2.0, 1.0, 1.1, 1.2, 1.3, 1.4])
    assert worse.facts["state"] == "worsening"
    assert worse.lines[-1] == "it gets worse: stop, and take step 100"


def test_a_curve_of_noise_cannot_be_told() -> None:
    noise = stop([1.0, 1.4, 0.9, 1.3, 0.95, 1.35])
    assert noise.facts["state"] == "unknown"
    assert "cannot be told" in noise.lines[-1]


def test_under_noise_alone_going_on_or_stopping_for_worse_is_said_as_rarely_as_the_interval_says() -> None:
    chance = np.random.default_rng(0)
    told = [trend(range(8), chance.normal(size=8).tolist(), lower=True, least=0.0).state for _ in range(1000)]
    assert 0.03 < sum(state != "unknown" for state in told) / 1000 < 0.07


def test_a_target_is_told_when_it_was_reached() -> None:
    found = when_to_stop(
        LOG, curve([0.3, 0.6, 0.91, 0.93], "ifs"), "ifs", lower=False, least=0.01, window=5, target=0.9
    )
    assert found.lines[-1] == "0.9 was reached at step 200"
    assert found.facts["state"] == "improving"


def test_a_trainer_state_is_read_by_its_history() -> None:
    state = {
        "log_history": [{"step": at, "eval_loss": 2.0 - at} for at in range(4)] + [{"step": 1, "loss": 3.0}]
    }
    assert (
        when_to_stop(LOG, lines(state), "eval_loss", lower=True, least=None, window=5).facts["best"] == -1.0
    )


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ([{"step": 1, "eval_los": 1.0}], r'no row has "eval_loss"; did you mean \'eval_los\'\?'),
        ([{"step": 1, "eval_loss": 1.0}], "1 evaluation of .* a trend needs 3"),
        ([{"eval_loss": 1.0}], r'log.jsonl:1: it has no "step" \(nor global_step, current_steps'),
        (
            [{"step": 1, "eval_loss": 2.0}, {"step": 2, "eval_loss": math.nan}],
            "at step 2, is NaN: .* of step 1",
        ),
        ([{"step": 1, "eval_loss": None}], "at step 1, is NaN: the run has diverged"),
        ([{"step": 1, "eval_loss": "1_0"}], "is '1_0', not a number"),
        ([{"step": True, "eval_loss": 1.0}], "is True, not a number"),
    ],
)
def test_a_damaged_evaluation_is_one_sentence_with_its_line(rows: list[dict[str, Any]], said: str) -> None:
    with pytest.raises(InputError, match=said):
        when_to_stop(LOG, lines(*rows), "eval_loss", lower=True, least=None, window=5)


def test_the_set_whose_loss_rises_first_is_named() -> None:
    rows = [
        {
            "step": at,
            "eval_math_loss": 1 - 0.1 * min(at, 3) + 0.1 * max(0, at - 3) + 0.01 * (at % 2),
            "eval_chat_loss": 2 - 0.1 * at,
            "eval_code_loss": 1 - 0.1 * min(at, 6) + 0.1 * max(0, at - 6) + 0.01 * (at % 2),
            "eval_loss": 1.0,
        }
        for at in range(12)
    ]
    found = which_overfits(LOG, lines(*rows), "eval_*_loss", "set")
    assert found.facts["first"] == ["math"]
    assert found.facts["sets"]["code"]["overfits"] is True
    assert found.facts["sets"]["chat"]["overfits"] is None
    assert found.lines[-1].startswith("math overfits first, from step 3")
    long = [
        {"step": row["step"], "set": name, "loss": row[f"eval_{name}_loss"]}
        for row in rows
        for name in ("math", "chat", "code")
    ]
    assert which_overfits(LOG, lines(*long), "loss", "set").facts == found.facts


def test_noise_is_rarely_taken_for_overfitting() -> None:
    chance = np.random.default_rng(1)
    told = [overfit(range(20), chance.normal(size=20).tolist()).overfits for _ in range(1000)]
    assert sum(one is True for one in told) / 1000 < 0.05


def test_a_slope_is_that_of_scipy() -> None:
    from scipy.stats import linregress

    x, y = np.arange(6.0), np.array([1.0, 2.0, 1.5, 3.0, 2.5, 4.0])
    found, (low, high) = slope(x, y)
    peer = linregress(x, y)
    assert found == pytest.approx(peer.slope)
    assert (high - low) / 2 == pytest.approx(2.7764451 * peer.stderr)


def test_uncertain_tasks_come_first_and_those_alike_are_named() -> None:
    def rows(task: str, spread: float, loss: float) -> list[dict[str, Any]]:
        return [
            {"task": task, "id": at, "loss": loss, "perturbed": [loss + spread, loss, loss + 0.001 * at]}
            for at in range(10)
        ]

    found = next_tasks(
        LOG, lines(*rows("写作", 2.0, 0.5), *rows("math", 0.01, 3.0), *rows("code", 0.01, 0.1))
    )
    assert found.facts["next"] == "写作"
    assert found.facts["alike"] == []
    assert {one["task"]: one["kind"] for one in found.facts["tasks"]} == {
        "写作": "ambiguous", "math": "difficult", "code": "easy"
    }  # fmt: skip
    twin = next_tasks(LOG, lines(*rows("a", 1.0, 0.5), *rows("b", 1.0, 0.5)))
    assert twin.facts["alike"] == ["b"]
    assert "cannot be told apart from it: b" in twin.lines[-1]


def test_uncertainty_is_the_mean_change_of_the_probability() -> None:
    (one,) = task_uncertainty({"t": [(0.0, [math.log(2), math.log(4)])]})
    assert one.uncertainty == pytest.approx((0.5 + 0.75) / 2)
    assert one.probability == 1.0
    assert one.interval is None


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ({"id": 1, "loss": 1.0, "perturbed": [1]}, 'it has no "task"'),
        ({"task": "a", "loss": 1.0}, 'no list "perturbed"'),
        ({"task": "a", "loss": 1.0, "perturbed": [1.0]}, "has 1 variants, the rows before it 2"),
        ({"task": "a", "loss": None, "perturbed": [1.0, 2.0]}, '"loss" is NaN or null'),
    ],
)
def test_a_damaged_log_of_tasks_is_one_sentence(row: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError, match=said):
        next_tasks(LOG, lines({"task": "a", "loss": 1.0, "perturbed": [1.0, 2.0]}, row))


@pytest.mark.parametrize(
    ("row", "said"),
    [
        (
            {"id": "b", "losses": [1.0]},
            "log.jsonl:2: b has 1 epochs and a has 2: log every row at each epoch",
        ),
        ({"id": "a", "losses": [1.0, 2.0]}, "a comes a second time"),
        ({"losses": [1.0, 2.0]}, 'it has no "id"'),
        ({"id": "b", "loses": [1.0, 2.0]}, r"b has no list \"losses\"; did you mean 'loses'"),
        ({"id": "b", "losses": [1.0, None]}, "an epoch of b is NaN or null, not a number"),
    ],
)
def test_a_log_with_a_missing_epoch_is_refused_with_its_line(row: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError, match=said):
        read_trajectories(LOG, lines({"id": "a", "losses": [2.0, 1.0]}, row), "losses")


@pytest.mark.slow
@given(st.lists(st.lists(st.floats(0, 3), min_size=3, max_size=3), min_size=1, max_size=30))
def test_smoothing_is_the_last_epoch_at_alpha_1_and_lies_between_the_epochs_else(
    rows: list[list[float]],
) -> None:
    scores = np.array(rows)
    assert smoothed(scores, 1.0).tolist() == pytest.approx(scores[:, -1].tolist())
    between = smoothed(scores, 0.8)
    assert (between >= scores.min(axis=1) - 1e-9).all()
    assert (between <= scores.max(axis=1) + 1e-9).all()
    assert (smoothed(scores, 0.8, 1.0) >= between - 1e-9).all()


def test_smoothing_of_three_epochs_by_hand() -> None:
    # m: 1, 0.8 * 2 + 0.2 * 1 = 1.8, 0.8 * 0 + 0.2 * 1.8 = 0.36; v: 0, 0.2 * 0.8 * 1, 0.2 * (0.16 + 0.8 * 1.8^2)
    assert smoothed(np.array([[1.0, 2.0, 0.0]]), 0.8).tolist() == pytest.approx([0.36])
    deviation = math.sqrt(0.2 * (0.16 + 0.8 * 1.8**2))
    assert smoothed(np.array([[1.0, 2.0, 0.0]]), 0.8, 1.0).tolist() == pytest.approx([0.36 + deviation])


@pytest.mark.slow
@given(st.lists(st.floats(0, 9), min_size=1, max_size=40), st.floats(0.1, 0.7), st.floats(0, 0.3))
def test_what_is_kept_is_harder_than_what_is_not_but_for_the_offset(
    scores: list[float], keep: float, offset: float
) -> None:
    found = np.array(scores)
    kept = window(found, keep, offset)
    assert abs(int(kept.sum()) - keep * len(scores)) <= 1
    ranked = np.sort(found)[::-1]
    top = round(offset * len(scores))
    if kept.any():
        assert found[kept].max() <= ranked[top]
        assert (found[~kept] >= found[kept].max()).sum() >= top
        assert (found[~kept] > found[kept].min()).sum() <= top


def test_rows_are_learned_forgotten_or_never_learned() -> None:
    found = fates(np.array([[2.0, 0.5, 0.5], [0.5, 2.0, 0.5], [0.5, 2.0, 2.0], [2.0, 2.0, 2.0]]))
    assert found.fate.tolist() == [0, 0, 1, 2]
    assert found.first.tolist() == [2, 1, 1, 0]
    assert found.forgettings.tolist() == [0, 1, 1, 0]


def test_a_text_is_cut_at_the_middle_of_its_words() -> None:
    assert cut("one two three") is None
    assert cut("Name the five largest, oldest and best-known lakes.") == (
        "Name the five largest", ", oldest and best-known lakes."
    )  # fmt: skip
    assert cut("请写出五个最大的湖泊") == ("请写出五个", "最大的湖泊")


def test_examples_hold_no_record_on_both_sides() -> None:
    records = [
        new_record(f"Tell me in words what number {at} means to you", output=f"It means {at}")
        for at in range(41)
    ]
    texts, labels = examples(records, 2000, 0)
    assert labels.count("answer") == labels.count("continuation") == 20
    numbers = [set(re.findall(r"\d+", text)) for text in texts]
    of_answers = set().union(*(own for own, label in zip(numbers, labels, strict=True) if label == "answer"))
    of_others = set().union(*(own for own, label in zip(numbers, labels, strict=True) if label != "answer"))
    assert not of_answers & of_others


def test_half_of_the_probes_are_cut() -> None:
    records = [new_record(f"Tell me in words what number {at} means to you") for at in range(20)]
    found = list(probes(records, 10, 0))
    assert sum(row["fragment"] for row in found) == 5
    assert all(row["prompt"].endswith("to you") != row["fragment"] for row in found)


@given(st.text(alphabet="ab cd,. 写作数学", max_size=60), st.integers(0, 99))
def test_a_variant_has_some_of_the_words_in_their_order(text: str, seed: int) -> None:
    words = rouge_tokens(text)
    left = rouge_tokens(variant(text, random.Random(seed), 0.5))
    assert len("".join(left)) <= len("".join(words))
    assert bool(left) == bool(words)
    places = iter("".join(words))
    assert all(letter in places for letter in "".join(left))


@pytest.mark.slow
def test_the_share_of_answers_rises_from_a_base_model_to_a_tuned_one(monkeypatch: pytest.MonkeyPatch) -> None:
    class Embedder:
        async def embed(self, texts: Sequence[str]) -> Any:
            chance = np.random.default_rng(len(texts))
            rows = chance.normal(0, 0.1, (len(texts), 8))
            rows[:, 0] += [1.0 if text.startswith("It means") else -1.0 for text in texts]
            return rows.astype(np.float32)

    def with_embedder(models: Any, journal: Any, work: Any, progress: Any = None) -> Any:
        return asyncio.run(work(Embedder()))

    monkeypatch.setattr("factory.engine.outside.with_embedder", with_embedder)
    ask = "Tell me in words what number {} means to you"
    records = [new_record(ask.format(at), output=f"It means {at}") for at in range(60)]
    rows = [
        {"step": step, "prompt": "p", "output": output, "fragment": bool(number % 2)}
        for step, outputs in ((0, ["and what else", "It means 1", ""]), (100, ["It means 2"] * 4))
        for number, output in enumerate(outputs)
    ]
    found = answer_likeness(records, LOG, lines(*rows))
    assert [row["ifs"] for row in found.facts["steps"]] == [1 / 3, 1.0]
    assert found.facts["steps"][1]["ifs_partial"] == 1.0
    assert found.facts["steps"][1]["ifs_full_interval"][0] < 0.5, "two outputs say little"
    assert "step 100: IFS 100.0% (95 % interval 51.0% to 100.0%) of 4 outputs" in found.lines
    assert found.warnings == ["1 of 7 outputs are blank, and no answers"]
    assert found.facts["classifier"]["accuracy"] == 1.0
    with pytest.raises(InputError, match="8 conversations have an instruction of 8 words"):
        answer_likeness(records[:8], LOG, lines(*rows))
    with pytest.raises(InputError, match=r'log\.jsonl:1: "output" is no text: write \{"step": 100'):
        answer_likeness(records, LOG, lines({"step": 1, "output": None}))
    with pytest.raises(InputError, match=r'log\.jsonl:1: "step" is no number'):
        answer_likeness(records, LOG, lines({"step": "one", "output": "Yes."}))


def blocks() -> list[str]:
    return re.findall(r"```python\n(.*?)```", DOCS.read_text(encoding="utf-8"), re.DOTALL)


@pytest.mark.parametrize("block", blocks(), ids=["TRL", "LLaMA-Factory"])
def test_the_callbacks_of_the_docs_compile_and_are_short(block: str) -> None:
    tree = ast.parse(block)
    compile(block, str(DOCS), "exec")
    (callback,) = [node for node in tree.body if isinstance(node, ast.ClassDef)]
    assert callback.end_lineno is not None
    assert callback.end_lineno - callback.lineno + 1 <= 30
    hooks = [node.name for node in callback.body if isinstance(node, ast.FunctionDef)]
    assert hooks == ["__init__", "on_epoch_end"]


def test_the_callback_of_the_docs_writes_a_log_that_is_read(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    pytest.importorskip("transformers")
    from types import SimpleNamespace

    scope: dict[str, Any] = {}
    exec(compile(blocks()[0], str(DOCS), "exec"), scope)  # noqa: S102  our own docs

    class Model:
        device = "cpu"

        def eval(self) -> None: ...

        def train(self) -> None: ...

        def __call__(self, input_ids: Any) -> Any:
            return SimpleNamespace(logits=torch.zeros(1, input_ids.shape[1], 4))

    def collate(rows: list[Any]) -> dict[str, Any]:
        ids = torch.tensor([rows[0]])
        return {"input_ids": ids, "labels": ids.clone()}

    trainer = SimpleNamespace(train_dataset=[[1, 2, 3], [0, 1]], data_collator=collate)
    callback = scope["LogRows"](trainer, ["a", "b"], tmp_path / "log.jsonl")
    for _ in range(2):
        callback.on_epoch_end(None, None, None, model=Model())
    rows = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    found = read_trajectories(LOG, lines(*rows), "losses")
    assert found["a"] == pytest.approx([math.log(4)] * 2)
    el2n = read_trajectories(LOG, lines(*rows), "el2n")
    assert el2n["b"] == pytest.approx([math.sqrt(0.75**2 + 3 * 0.25**2)] * 2)


def follow(*words: str) -> str:
    result = CliRunner().invoke(app, ["follow", *words])
    if isinstance(result.exception, FactoryError):
        return str(result.exception)
    assert result.exit_code == 0, result.output
    return result.output


@pytest.mark.slow
def test_the_commands_read_files(tmp_path: Path) -> None:
    log = tmp_path / "eval.jsonl"
    log.write_text("\n".join(json.dumps({"step": at, "eval_loss": 2.0 - 0.1 * at}) for at in range(6)))
    assert "it still gets better: go on" in follow("stop", str(log))
    assert json.loads(follow("stop", str(log), "--json"))["state"] == "improving"
    assert 'no row has "eval_*_loss"' in follow("sets", str(log))
    assert "tasks.jsonl" in follow("tasks", str(tmp_path / "tasks.jsonl"))
    rows = tmp_path / "rows.jsonl"
    rows.write_text(
        "\n".join(
            json.dumps(
                {
                    "instruction": f"Say in a few words what {at} is good for, please",
                    "output": "x",
                    "task": "t",
                }
            )
            for at in range(12)
        )
    )
    out = tmp_path / "variants.jsonl"
    assert "10 prompts of 1 tasks" in follow("variants", str(rows), "--out", str(out))
    (first, *_) = map(json.loads, out.read_text().splitlines())
    assert len(first["variants"]) == 10
    short = tmp_path / "short.jsonl"
    row = {"instruction": "推荐  Rust", "output": "x", "task": "t"}
    short.write_text("\n".join(json.dumps(row) for _ in range(2)))
    told = follow("variants", str(short), "--out", str(out))
    equal = sum(row["variants"].count("推荐 Rust") for row in map(json.loads, out.read_text().splitlines()))
    assert f"{equal} of the 20 variants equal their prompt" in told
    assert equal > 3
    assert "6 prompts written" in follow(
        "probes", str(rows), "--out", str(tmp_path / "p.jsonl"), "--number", "6"
    )
