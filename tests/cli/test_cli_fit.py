"""`factory fit` as a person types it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

import factory as sft
from factory.cli.app import app
from factory.errors import FactoryError
from factory.report.fits import _recipe
from factory.statistics.mixing.repeats import DataConstrained


def fit(*words: object) -> str:
    result = CliRunner().invoke(app, ["fit", *map(str, words)], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


@pytest.fixture
def grown(tmp_path: Path) -> Path:
    file = tmp_path / "scores.csv"
    lines = ["task,size,score,run"]
    for size in (250, 500, 1000, 2000, 4000):
        lines += [
            f"math,{size},{20 + 8 * np.log2(size / 250):.3f},a",
            f"chat,{size},50.0,a",
            f"math,{size},1,b",
        ]
    file.write_text("\n".join(lines))
    return file


def test_growth_is_told_for_each_task(grown: Path) -> None:
    told = fit("growth", grown, "--where", "run=a")
    assert "math: still grows: +2" in told
    assert "chat: flat from 250 rows: 250 are enough" in told
    found = json.loads(fit("growth", grown, "--where", "run=a", "--json"))
    assert [one["verdict"] for one in found] == ["still grows", "flat"]


def test_doremi_and_doge_print_shares_for_a_recipe(tmp_path: Path) -> None:
    log = tmp_path / "log.jsonl"
    log.write_text('{"excess_math": 1.0, "excess_chat": 0.0}\n{"excess_math": 1.0, "excess_chat": null}\n')
    told = fit("weights", log)
    assert "For the step `mixture`:  shares: {chat: 0." in told
    log.write_text('{"proxy_math": 2.0, "reference_math": 1.0, "proxy_chat": 1.0, "reference_chat": 1.0}\n')
    assert "clips it token by token" in sft.fit_weights(log, "doremi")[1]
    log.write_text('{"lr": 0.01, "dots": {"math": {"math": 2, "chat": 1}, "chat": {"math": 1, "chat": 3}}}\n')
    assert "math" in fit("weights", log, "--rule", "doge", "--target", "chat")


@pytest.mark.slow
def test_a_mixture_is_told_with_every_law_beside_the_mean(tmp_path: Path) -> None:
    chance = np.random.default_rng(0)
    table = tmp_path / "proxies.jsonl"
    rows = []
    for _ in range(16):
        shares = dict(zip(("math", "chat"), chance.dirichlet([1, 1]).tolist(), strict=True))
        losses = {f"loss_{group}": 1 + float(np.exp(-3 * share)) for group, share in shares.items()}
        rows.append({**{f"p_{group}": share for group, share in shares.items()}, **losses, "loss_code": 1.0})
    table.write_text("".join(json.dumps(row) + "\n" for row in rows))
    told = fit("mixture", table, "--law", "exponential", "--of", "math=3", "--of", "chat")
    assert "mean " in told
    assert "exponential" in told
    assert "For the step `mixture`:  shares: {math: 0." in told
    found = json.loads(
        fit("mixture", table, "--law", "exponential", "--of", "math=3", "--of", "chat", "--json")
    )
    assert found["shares"]["math"] == pytest.approx(0.5 + np.log(3) / 6, abs=0.03)


@pytest.mark.slow
def test_scaling_tells_what_repeats_are_worth_where_data_was_seen_more_than_once(tmp_path: Path) -> None:
    law, chance = DataConstrained(), np.random.default_rng(0)
    lines = ["parameters,tokens,unique,loss"]
    for at in range(40):
        unique, size = 10 ** chance.uniform(8, 10), 10 ** chance.uniform(7.5, 9.0)
        tokens = unique * (chance.uniform(2, 30) if at % 2 else 1)
        lines.append(
            f"{size},{tokens},{unique},{law.loss(size, tokens, unique) * np.exp(chance.normal(0, 1e-4))}"
        )
    (tmp_path / "runs.csv").write_text("\n".join(lines))
    told = fit("scaling", tmp_path / "runs.csv", "--unique", "unique")
    assert "20 points. Mean error" in told
    assert "20 points with repeated data" in told
    assert "Four epochs are worth 3." in told


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["growth", "FILE", "--score", "scor"], "there is no column 'scor'; did you mean 'score'"),
        (["growth", "FILE", "--where", "run=c"], "no row has run = c; there are: a, b"),
        (["growth", "FILE", "--where", "rn=c"], "there is no column 'rn'; did you mean 'run'"),
        (["growth", "FILE", "--where", "run"], "run: write it as NAME=VALUE"),
        (["growth", "FILE", "--score", "run"], "scores.csv:2: run is 'a', no number"),
        (["mixture", "FILE"], "there is no column of shares: none begins with 'p_'"),
        (["mixture", "FILE", "--bound", "math=x:1"], "--bound math=x:1: 'x' is no number"),
        (["scaling", "FILE"], "there is no column 'parameters'"),
        (["scaling", "FILE", "--parameters", "size", "--tokens", "size", "--loss", "score"], "at least"),
        (["weights", "FILE", "--rule", "dog"], "--rule dog: it is doremi or doge"),
        (["weights", "FILE"], "there is no column of excess losses"),
    ],
)
def test_bad_input_is_one_sentence(grown: Path, words: list[str], said: str) -> None:
    if said == "at least":
        grown.write_text("\n".join(grown.read_text().splitlines()[:4]))
    with pytest.raises(FactoryError, match=said):
        CliRunner().invoke(
            app, ["fit", *(str(grown) if word == "FILE" else word for word in words)], catch_exceptions=False
        )


def test_shares_for_a_recipe_sum_to_1_as_they_are_written() -> None:
    written = _recipe({"a": 1 / 3, "b": 1 / 3, "c": 1 / 3})
    assert sum(float(part.split(": ")[1]) for part in written.split(", ")) == pytest.approx(1, abs=1e-12)


def test_the_functions_take_rows_as_they_are() -> None:
    rows = [{"task": "a", "size": size, "score": 0.5} for size in (100, 200, 400, 800, 1600)]
    assert sft.fit_growth(rows)[0].verdict == "flat"
    with pytest.raises(FactoryError, match="row 2: score is 'x', no number"):
        sft.fit_growth([rows[0], {**rows[1], "score": "x"}])
