"""The README keeps its word: every command and program in it runs, in its order, in one folder.

python tests/test_readme.py    writes the table of steps anew (`make readme`)
"""

from __future__ import annotations

import difflib
import re
from pathlib import Path

import pytest
from followed_pages import PROJECT, ROOT, SERVER, Block, Reader, blocks, follow

from factory.errors import RecipeError
from factory.recipe.complaints import option_classes
from factory.recipe.recipe import load_recipe
from factory.step import find_step

README = ROOT / "README.md"
STEPS_BEGIN, STEPS_END = "<!-- steps -->\n", "<!-- /steps -->"


def steps_table() -> str:
    """The table of steps, from the classes, in the order of `pyproject.toml`: that of a usual recipe."""
    rows = ["| step | what it does | papers |", "| --- | --- | --- |"]
    for name in PROJECT["entry-points"]["factory.steps"]:
        step = find_step(name)
        papers = dict.fromkeys(re.findall(r"arXiv (\d{4}\.\d{4,5})", step.__doc__ or ""))
        links = ", ".join(f"[{paper}](https://arxiv.org/abs/{paper})" for paper in papers)
        rows.append(f"| `{name}` | {step.summary().replace('|', chr(92) + '|')} | {links} |")
    return "\n".join(rows) + "\n"


def with_steps_table(text: str) -> str:
    """The README with its table of steps written anew."""
    before, rest = text.split(STEPS_BEGIN)
    return before + STEPS_BEGIN + steps_table() + STEPS_END + rest.split(STEPS_END)[1]


def test_the_table_of_steps_is_that_of_the_code() -> None:
    text = README.read_text(encoding="utf-8")
    stale = difflib.unified_diff(text.splitlines(), with_steps_table(text).splitlines(), lineterm="", n=0)
    assert not list(stale), "run `make readme`"


def test_the_table_of_models_names_every_provider_and_no_other() -> None:
    named = re.findall(
        r"^\| `(\w+)` \| (?:chat|embedding) \|", README.read_text(encoding="utf-8"), re.MULTILINE
    )
    assert sorted(named) == sorted(option_classes())


def test_the_printed_run_is_one_of_quickstart_as_it_stands() -> None:
    printed = next(b.text for b in blocks(README.read_text(encoding="utf-8")) if "01-read" in b.text)
    recipe = load_recipe("quickstart")
    assert re.findall(r"^\d\d-\w+", printed, re.MULTILINE) == recipe.labels()
    chosen = next(step for step in recipe.data["steps"] if "assemble" in step)["assemble"]["size"]
    assert f"quickstart: {chosen} of " in printed, "the recipe has changed: copy what `make demo` prints now"


@pytest.mark.model
@pytest.mark.timeout(900)
def test_every_block_of_the_readme_runs_in_its_order(tmp_path: Path) -> None:
    found = blocks(README.read_text(encoding="utf-8"))
    assert {block.kind for block in found} >= {"sh", "python", "yaml", "jsonl"}
    assert follow(README, tmp_path)


@pytest.mark.slow
def test_the_block_on_documents_cuts_them_without_a_model(tmp_path: Path) -> None:
    (block,) = (one for one in blocks(README.read_text(encoding="utf-8")) if "apply chunk" in one.text)
    Reader(tmp_path, SERVER).follow(block)
    cut = (tmp_path / "chunks.jsonl").read_text(encoding="utf-8").splitlines()
    assert [("lifts water" in line, "keeps water" in line) for line in cut] == [(True, False), (False, True)]


@pytest.mark.slow
def test_a_block_that_nobody_runs_is_noticed(tmp_path: Path) -> None:
    reader = Reader(tmp_path, SERVER)
    for strange in (
        Block("console", "$ factory --help\n", 1),
        Block("sh", "curl http://example.org\n", 1),
        Block("sh", "make tea\n", 1),
        Block("sh", "pip install sft-factory[tea]\n", 1),
        Block("sh", "factory steps no_such_step\n", 1),
        Block("sh", "factory --help  # exit code 3\n", 1),
        Block("python", "import factory; factory.no_such_name\n", 1),
        Block("yaml", "# r.yaml\n- read\n", 1),
    ):
        with pytest.raises((AssertionError, RecipeError)):
            reader.follow(strange)


if __name__ == "__main__":
    README.write_text(with_steps_table(README.read_text(encoding="utf-8")), encoding="utf-8")
