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


@pytest.mark.slow
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


def test_a_negative_share_is_told_with_its_file_and_line(tmp_path: Path) -> None:
    file = tmp_path / "runs.csv"
    file.write_text("p_a,p_b,loss_a,loss_b\n0.5,0.5,2,2\n-0.5,1.5,2,2\n")
    with pytest.raises(FactoryError, match=r"runs\.csv:3: the share p_a is negative \(-0\.5\)"):
        CliRunner().invoke(app, ["fit", "mixture", str(file)], catch_exceptions=False)


def test_shares_for_a_recipe_sum_to_1_as_they_are_written() -> None:
    written = _recipe({"a": 1 / 3, "b": 1 / 3, "c": 1 / 3})
    assert sum(float(part.split(": ")[1]) for part in written.split(", ")) == pytest.approx(1, abs=1e-12)


def test_the_functions_take_rows_as_they_are() -> None:
    rows = [{"task": "a", "size": size, "score": 0.5} for size in (100, 200, 400, 800, 1600)]
    assert sft.fit_growth(rows)[0].verdict == "flat"
    with pytest.raises(FactoryError, match="row 2: score is 'x', no number"):
        sft.fit_growth([rows[0], {**rows[1], "score": "x"}])


def shares_of(shares: np.ndarray) -> list[dict[str, object]]:
    return [
        {"p_a": one, "p_b": two, "loss_a": 2 - 3 * float(str(one).rstrip("%")), "loss_b": 2.0}
        for one, two in shares.tolist()
    ]


TRIED = np.column_stack([np.linspace(0.1, 0.9, 15), np.linspace(0.9, 0.1, 15)])


@pytest.mark.slow
def test_shares_in_percent_and_rounded_ones_are_read_as_shares_and_that_is_said() -> None:
    plain = sft.fit_mixture(shares_of(TRIED), law="linear")
    assert plain.remarks == ()
    percent = sft.fit_mixture(
        [{**row, "p_a": row["p_a"] * 100, "p_b": row["p_b"] * 100} for row in shares_of(TRIED)],
        law="linear",  # type: ignore[operator]
    )
    assert percent.shares == pytest.approx(plain.shares)
    assert "read as percent" in percent.remarks[0]
    signed = sft.fit_mixture(
        [{**row, "p_a": f"{row['p_a']:.4%}", "p_b": f"{row['p_b']:.4%}"} for row in shares_of(TRIED)],
        law="linear",
    )
    assert signed.shares == pytest.approx(plain.shares, abs=1e-4)
    rounded = sft.fit_mixture([{**row, "p_b": row["p_b"] - 0.01} for row in shares_of(TRIED)], law="linear")  # type: ignore[operator]
    assert "15 rows miss a sum of 1 by up to 0.01" in rounded.remarks[0]
    with pytest.raises(FactoryError, match=r"row 1: the shares sum to 0\.9, not to 1"):
        sft.fit_mixture([{**row, "p_b": row["p_b"] - 0.1} for row in shares_of(TRIED)])  # type: ignore[operator]


@pytest.mark.slow
def test_a_fit_does_not_depend_on_the_unit_of_the_losses() -> None:
    rows = shares_of(TRIED)
    plain = sft.fit_mixture(rows, law="exponential")
    for unit in (1e12, 1e-12):
        scaled = [{**row, "loss_a": row["loss_a"] * unit, "loss_b": row["loss_b"] * unit} for row in rows]  # type: ignore[operator]
        found = sft.fit_mixture(scaled, law="exponential")
        assert found.shares == pytest.approx(plain.shares, abs=1e-3)
        assert found.loss == pytest.approx(plain.loss * unit, rel=1e-3)


@pytest.mark.slow
def test_columns_of_any_name_are_listed_and_a_file_has_its_encoding(tmp_path: Path) -> None:
    file = tmp_path / "runs.csv"
    lines = ["数学比例,code (%),最终损失", *(f"{a},{b},{2 - a}" for a, b in TRIED.tolist())]
    file.write_text("\n".join(lines), encoding="gb18030")
    words = ("--shares", "数学比例,code (%)", "--losses", "最终损失,", "--law", "linear")
    told = fit("mixture", file, *words, "--encoding", "gb18030")
    assert "数学比例: 0.9" in told
    with pytest.raises(FactoryError, match="there is no column 'maths'"):
        CliRunner().invoke(
            app,
            ["fit", "mixture", str(file), "--shares", "maths,code", "--encoding", "gb18030"],
            catch_exceptions=False,
        )
