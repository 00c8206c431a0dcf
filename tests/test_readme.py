"""The README keeps its word: every command and program in it runs, in its order, in one folder.

python tests/test_readme.py    writes the table of steps anew (`make readme`)
"""

from __future__ import annotations

import difflib
import os
import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from scripted_server import ScriptedServer, echo, in_thread

from factory.errors import RecipeError
from factory.recipe.complaints import option_classes
from factory.recipe.recipe import load_recipe, parse_recipe
from factory.step import find_step

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")
SERVER = "http://127.0.0.1:8000/v1"
"""The address that stands for a reader's own server; the scripted server takes its place."""
SERVED = "Qwen/Qwen3-8B"
STEPS_BEGIN, STEPS_END = "<!-- steps -->\n", "<!-- /steps -->"
_BLOCK = re.compile(r"^```([^\n]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_EXIT = re.compile(r"#.*\bexit code (\d+)")


class Block(NamedTuple):
    """A fenced block of the README; `line` is that of its first line of text."""

    kind: str
    text: str
    line: int


def blocks(text: str) -> list[Block]:
    """The fenced blocks, in order."""
    return [
        Block(match[1].strip(), match[2], text[: match.start(2)].count("\n") + 1)
        for match in _BLOCK.finditer(text)
    ]


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


def helpful(request: dict[str, Any]) -> str:
    """A teacher that evolves by adding words, finds a gain, and grades well."""
    wanted = request.get("response_format")
    if wanted:
        return echo(request).replace('"equal":true', '"equal":false').replace('"score":1', '"score":5')
    said = request["messages"][-1]["content"]
    if "<instruction>" in said:
        body = said.split("<instruction>")[-1].split("</instruction>")[0].strip()
        return (
            f"{body} Give {len(body) % 7 + 2} concrete examples from daily life and compare them in a table."
        )
    return f"An answer of some length to: {said[:80]}"


class Reader:
    """Follows the README from top to bottom in an empty folder, as a person would."""

    def __init__(self, folder: Path, address: str) -> None:
        self.folder = folder
        self.address = address
        scripts = str(Path(sys.executable).parent)
        own = {"PATH": os.pathsep.join([scripts, os.environ["PATH"]])}
        # Away from the checkout there is no PYTHONPATH, and no key that a reader need not have.
        self.environment = {
            name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "OPENAI_API_KEY")
        } | own

    def follow(self, block: Block) -> None:
        """Do what a block says; a block or command of an unknown kind fails."""
        text = block.text.replace(SERVER, self.address)
        if block.kind == "sh":
            for offset, line in enumerate(text.splitlines()):
                if line.strip() and not line.startswith("#"):
                    self.command(line, block.line + offset)
        elif block.kind == "python":
            self.run([sys.executable, "-c", text], 0, block.line)
        elif block.kind in ("yaml", "jsonl"):
            # A recipe's first line is a comment that names its file; rows are the seeds that the text speaks of.
            name = re.match(r"# (\S+\.yaml)\n", text)
            assert name or block.kind == "jsonl", f"README.md:{block.line}: a recipe begins with its name"
            path = self.folder / (name[1] if name else "seeds.jsonl")
            path.write_text(text, encoding="utf-8")
            if block.kind == "yaml":
                parse_recipe(text, str(path))
        else:
            assert block.kind == "text", f"README.md:{block.line}: nobody runs a block of {block.kind!r}"

    def command(self, line: str, number: int) -> None:
        """Run one command of a shell block and compare its exit code."""
        told = _EXIT.search(line)
        words = shlex.split(line, comments=True)
        if words[0] == "make":
            # Running it here would run these tests again, or the demo, which is a test of its own.
            assert re.search(rf"^{words[1]}:", MAKEFILE, re.MULTILINE), (
                f"README.md:{number}: no target {words[1]}"
            )
        elif words[:2] == ["pip", "install"]:
            # test_wheel installs the wheel; here the names are compared.
            name, _, extras = words[2].rstrip("]").partition("[")
            assert name == PROJECT["name"]
            assert set(filter(None, extras.split(","))) <= set(PROJECT["optional-dependencies"])
        else:
            assert words[0] == "factory", f"README.md:{number}: nobody runs {words[0]}"
            self.run(words, int(told[1]) if told else 0, number)

    def run(self, command: list[str], code: int, number: int) -> None:
        done = subprocess.run(
            command,
            cwd=self.folder,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=500,
        )
        said = f"README.md:{number}: {shlex.join(command)}\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}"
        assert done.returncode == code, said
        assert "Traceback" not in done.stdout + done.stderr, said


@pytest.mark.model
@pytest.mark.timeout(900)
def test_every_block_of_the_readme_runs_in_its_order(tmp_path: Path) -> None:
    found = blocks(README.read_text(encoding="utf-8"))
    assert {block.kind for block in found} >= {"sh", "python", "yaml", "jsonl"}
    with in_thread(ScriptedServer(helpful, models=(SERVED,))) as server:
        reader = Reader(tmp_path, server.base_url)
        for block in found:
            reader.follow(block)
        assert server.requests


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
