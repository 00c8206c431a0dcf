"""In a notebook: an error is its sentence and the user's line, and a run's table ends with the last counts."""

from __future__ import annotations

import runpy
import sys
import types
from pathlib import Path
from typing import Any

import pytest
from scripted_server import Say, ScriptedServer, echo, refuse

import factory as sft
from factory.errors import FactoryError, RunStopped

ROWS = [{"instruction": f"Name <b>{n}</b> fish.", "output": "Cod."} for n in ("one", "two", "three")]


class Kernel:
    """Stands for IPython: what a front end would hold of each display."""

    def __init__(self) -> None:
        self.kernel = object()
        self.displays: list[list[Any]] = []

    def display(self, shown: Any, *, display_id: bool) -> Any:
        assert display_id
        states = [shown]
        self.displays.append(states)
        return types.SimpleNamespace(update=states.append)


@pytest.fixture
def kernel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Kernel:
    """A process that is the kernel of a notebook."""
    monkeypatch.chdir(tmp_path)
    kernel = Kernel()
    ipython: Any = types.ModuleType("IPython")
    ipython.get_ipython = lambda: kernel
    ipython.display = types.ModuleType("IPython.display")
    ipython.display.display = kernel.display
    monkeypatch.setitem(sys.modules, "IPython", ipython)
    monkeypatch.setitem(sys.modules, "IPython.display", ipython.display)
    return kernel


def rendered(code: str) -> list[str]:
    """What a notebook shows of the error that this line of a cell ends with."""
    Path("cell.py").write_text(f"{code}\n", encoding="utf-8")
    with pytest.raises(FactoryError) as caught:
        runpy.run_path("cell.py", {"sft": sft, "ds": sft.load(ROWS)})
    return caught.value._render_traceback_()


@pytest.mark.parametrize(
    ("code", "sentence"),
    [
        (
            "ds.dedup_rouge(treshold=1)",
            "RecipeError: dedup_rouge: unknown key `treshold`; did you mean 'threshold'?",
        ),
        ("ds.dedup_ruge()", "did you mean 'dedup_rouge'?"),
        ("sft.model('openai', modl='m')", "RecipeError: model: unknown key `modl`; did you mean 'model'?"),
        ("sft.run('quikstart')", "did you mean 'quickstart'?"),
        ("sft.run({'steps': [{'read': {'pth': 'x'}}]})", "unknown key `pth`; did you mean 'path'?"),
        ("sft.run('quickstart', set='judge.rubrik=quality')", "did you mean 'rubric'?"),
        ("sft.as_runnable('respond', modl='m')", "did you mean 'model'?"),
        ("ds['langs']", "did you mean 'lang'?"),
        ("ds[9]", "has 3 records"),
        ("sft.load('no-such.jsonl')", "no-such.jsonl"),
        ("sft.why('x', 'no-such-run')", "no-such-run holds no run"),
    ],
)
def test_an_error_is_its_sentence_and_the_line_that_led_to_it(
    code: str, sentence: str, kernel: Kernel
) -> None:
    told = rendered(code)
    assert sentence in told[0]
    assert told[1:] == [f"    line 1: {code}"]


def test_a_misspelt_option_drags_no_other_error_along(tmp_path: Path) -> None:
    for wrong in (
        lambda: sft.load(ROWS).dedup_rouge(treshold=1),
        lambda: sft.run({"steps": [{"read": {"pth": "x"}}]}),
        lambda: sft.run({"budget": {"cals": 1}, "steps": [{"read": {"path": "x"}}]}),
    ):
        with pytest.raises(FactoryError) as caught:
            wrong()
        assert caught.value.__cause__ is None
        assert caught.value.__suppress_context__


def test_the_table_of_a_run_ends_with_the_last_counts(kernel: Kernel) -> None:
    done = sft.load([*ROWS, ROWS[0]]).dedup_exact().run()
    (states,) = kernel.displays
    assert len(done) == 3
    assert repr(states[-1]).splitlines()[1].split() == ["01-dedup_exact", "4", "3", "1", "0", "0"]
    assert repr(states[-1]).splitlines()[2].startswith("done, ")
    assert "<td>01-dedup_exact</td>" in states[-1]._repr_html_()


@pytest.mark.slow
def test_a_recipe_shows_its_progress_too_and_its_result_in_a_line(kernel: Kernel) -> None:
    sft.load(ROWS).save("rows.jsonl")
    recipe = {
        "name": "shown",
        "steps": [{"read": {"path": "rows.jsonl"}}, {"dedup_rouge": {"threshold": 0.5}}],
    }
    result = sft.run(recipe, out="<i>out</i>")
    (states,) = kernel.displays
    assert [line.split()[0] for line in repr(states[-1]).splitlines()[1:4]] == [
        "01-read",
        "02-dedup_rouge",
        "03-export",
    ]
    assert repr(result) == (
        f"RunResult(folder='<i>out</i>', kept={result.kept}, dropped={3 - result.kept}, failed=0, cost=None)"
    )
    assert "&lt;i&gt;out&lt;/i&gt;" in result._repr_html_()
    assert "<i>" not in result._repr_html_()
    sft.run(recipe, out="<i>out</i>", show_progress=False)
    assert len(kernel.displays) == 1


def test_warnings_are_shown_escaped_and_counted_where_the_set_shows_itself(kernel: Kernel) -> None:
    done = sft.load(ROWS).assemble(size=9, score="<script>").run()
    assert done.progress is not None
    assert len(done.progress.warnings) == 1
    assert "warnings: 1 (see .progress.warnings)" in repr(done)
    shown = kernel.displays[0][-1]
    assert "warning: 01-assemble: no record has the score '<script>'" in repr(shown)
    assert "<script>" not in shown._repr_html_()


def test_a_run_that_stops_says_so_and_how_to_go_on(kernel: Kernel, server: ScriptedServer) -> None:
    def out_of_credit(request: dict[str, Any]) -> str | Say:
        return echo(request) if len(server.requests) == 1 else refuse(402, "no credit")

    server.script = out_of_credit
    model = sft.model("openai", base_url=server.base_url, model="scripted", concurrency=1)
    with pytest.raises(RunStopped, match="saved: 1 replies in the journal; run the same again to go on"):
        sft.load(ROWS).respond(model=model, overwrite=True).run()
    assert "\nstopped, " in repr(kernel.displays[0][-1])


@pytest.mark.slow
def test_without_a_notebook_nothing_is_shown_unasked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    sft.load(ROWS).dedup_exact().run()
    sft.load(ROWS).save("rows.jsonl")
    sft.run({"name": "quiet", "steps": [{"read": {"path": "rows.jsonl"}}]})
    assert capsys.readouterr() == ("", "")


@pytest.mark.slow
def test_where_lines_are_written_the_last_one_has_the_last_counts(
    server: ScriptedServer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("factory.report.terminal.live.LINE_SECONDS", 0.2)
    server.script = lambda request: Say("Cod.", delay=0.1 if "one" in str(request["messages"]) else 0.7)
    model = sft.model("openai", base_url=server.base_url, model="scripted")
    asked = sft.load([{"instruction": row["instruction"]} for row in ROWS]).respond(model=model)
    asked.run(show_progress=True)
    assert "01-respond 3" in capsys.readouterr().err.splitlines()[-1]
