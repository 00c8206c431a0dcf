"""A dataset's methods complete with their options, in a notebook, an editor and a type checker."""

from __future__ import annotations

import ast
import inspect
import subprocess
import sys
from collections.abc import AsyncIterator
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest
from pydantic import Field

import factory as sft
from factory import step
from factory.api.dataset import Dataset
from factory.api.signatures import STUB, stub
from factory.data.record import Record
from factory.step import Context, PerRecord, Source, find_step, step_names

ROOT = Path(__file__).parents[2]
STEPS = [name for name in step_names() if not issubclass(find_step(name), Source)]
ROWS = [{"instruction": "Name a river.", "output": "The Po."}, {"instruction": "Name a lake."}]


class Shout(PerRecord):
    """Write the instruction in capitals.

    Example:
        - shout: {marks: 2}
    """

    name = "shout"

    marks: int = Field(1, description="exclamation marks at its end")

    async def process(self, record: Record, context: Context) -> AsyncIterator[Record]:
        yield record


@pytest.fixture
def plug_in(monkeypatch: pytest.MonkeyPatch) -> None:
    entries = {**step._entry_points(), "shout": EntryPoint("shout", f"{__name__}:Shout", step.STEP_GROUP)}
    monkeypatch.setattr(step, "_entry_points", lambda: entries)


@pytest.mark.slow
def test_the_stub_is_that_of_the_steps() -> None:
    assert STUB.read_text(encoding="utf-8") == stub(), "run `make stub`"


@pytest.mark.slow
def test_the_stub_has_a_method_for_each_step_with_its_options_and_what_they_mean() -> None:
    (kind,) = (node for node in ast.parse(stub()).body if isinstance(node, ast.ClassDef))
    methods = {node.name: node for node in kind.body if isinstance(node, ast.FunctionDef)}
    assert set(methods) == {*STEPS, "__getattr__", "__dir__"}
    for name in STEPS:
        fields = find_step(name).model_fields
        method = methods[name]
        assert {argument.arg for argument in method.args.kwonlyargs} == set(fields)
        told = ast.get_docstring(method) or ""
        assert all(f"{field} (" in told for field in fields)


@pytest.mark.slow
@pytest.mark.parametrize("name", STEPS)
def test_a_method_tells_its_options_and_its_manual_at_run_time(name: str) -> None:
    method = getattr(sft.load(ROWS), name)
    kind = find_step(name)
    signature = inspect.signature(method)
    assert set(signature.parameters) == set(kind.model_fields)
    for field, info in kind.model_fields.items():
        parameter = signature.parameters[field]
        assert parameter.kind is inspect.Parameter.KEYWORD_ONLY
        assert (parameter.default is inspect.Parameter.empty) == info.is_required()
        assert f"{field} (" in method.__doc__
    assert kind.summary().split(" ")[0] in method.__doc__


def test_a_default_at_run_time_is_that_of_the_step() -> None:
    signature = inspect.signature(sft.load(ROWS).evolve)
    assert signature.parameters["rounds"].default == find_step("evolve").model_fields["rounds"].default
    assert "rounds: int = 4" in str(signature)


@pytest.mark.usefixtures("plug_in")
def test_a_plug_in_has_its_method_with_its_options_but_no_place_in_the_stub() -> None:
    dataset = sft.load(ROWS)
    assert "shout" in dir(dataset)
    assert str(inspect.signature(dataset.shout)).startswith("(*, marks: int = 1)")
    assert "exclamation marks" in (dataset.shout.__doc__ or "")
    assert dataset.shout(marks=2).pending == (Shout(marks=2),)
    assert "shout" not in stub()


def test_no_step_hides_a_method_of_a_dataset() -> None:
    assert not set(STEPS) & set(vars(Dataset))


NOTEBOOK = """
import factory as sft

ds = sft.load("factory:seeds")
done = ds.evolve(rounds=2, model=sft.model("local")).judge(keep=">= 4").dedup_rouge(reference=["a", "b"]).run()
first: str = done[0].output
some: sft.Dataset = done[:5]
column: list[object] = done["output"]
ds.plug_in(anything=1)
ds.evolve(rouns=2)
ds.evolve(rounds="two")
ds.dedup_rouge(field="answer")
ds.keep_top()
"""


@pytest.mark.slow
def test_a_type_checker_takes_what_a_step_takes_and_refuses_the_rest(tmp_path: Path) -> None:
    (tmp_path / "notebook.py").write_text(NOTEBOOK)
    command = [sys.executable, "-m", "mypy", "--strict", "--no-error-summary", str(tmp_path / "notebook.py")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=280)
    wrong = NOTEBOOK[: NOTEBOOK.index("ds.evolve(rouns")].count("\n") + 1
    told = [line.split("notebook.py:")[1] for line in done.stdout.splitlines() if ": error:" in line]
    assert [int(line.split(":")[0]) for line in told] == [wrong, wrong + 1, wrong + 2, wrong + 3], done.stdout
    assert 'Unexpected keyword argument "rouns"' in told[0]
    assert 'Missing named argument "score"' in told[3]
