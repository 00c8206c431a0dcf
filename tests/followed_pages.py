"""Follows a page of Markdown as a person would: every block of it runs, in its order, in one folder.

The README is followed so, and every page of `docs/`.
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
import tomllib
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

import documents_of_a_reader
import logs_of_a_trainer
from scripted_server import ScriptedServer, echo, in_thread

from factory.recipe.recipe import parse_recipe

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")
SERVER = "http://127.0.0.1:8000/v1"
"""The address that stands for a reader's own server; the scripted server takes its place."""
SERVED = "Qwen/Qwen3-8B"
_DOCUMENTS = ("documents.md", "documents-to-sft.md", "documents-to-sft-zh.md")
BROUGHT = {
    "following.md": logs_of_a_trainer.bring,
    **dict.fromkeys(_DOCUMENTS, documents_of_a_reader.bring),
}
"""What the reader of a page has already."""
TEACHERS = dict.fromkeys(_DOCUMENTS, documents_of_a_reader.teacher)
"""Who answers the reader of a page, where `helpful` does not do."""
_BLOCK = re.compile(r"^```([^\n]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_EXIT = re.compile(r"#.*\bexit code (\d+)")


class Block(NamedTuple):
    """A fenced block of a page; `line` is that of its first line of text."""

    kind: str
    text: str
    line: int


def blocks(text: str) -> list[Block]:
    """The fenced blocks, in order."""
    return [
        Block(match[1].strip(), match[2], text[: match.start(2)].count("\n") + 1)
        for match in _BLOCK.finditer(text)
    ]


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
    """Follows a page from top to bottom in an empty folder, as a person would."""

    def __init__(self, folder: Path, address: str, page: str = "README.md") -> None:
        self.folder = folder
        self.address = address
        self.page = page
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
            if re.search(r"^import torch$", text, re.MULTILINE) and find_spec("torch") is None:
                compile(
                    text, f"{self.page}:{block.line}", "exec"
                )  # runs where torch is, in a test of its own
            else:
                self.run([sys.executable, "-c", text], 0, block.line)
        elif block.kind in ("yaml", "jsonl"):
            # A recipe's first line is a comment that names its file; rows are the seeds that the text speaks of.
            name = re.match(r"# (\S+\.yaml)\n", text)
            assert name or block.kind == "jsonl", f"{self.page}:{block.line}: a recipe begins with its name"
            path = self.folder / (name[1] if name else "seeds.jsonl")
            path.write_text(text, encoding="utf-8")
            if block.kind == "yaml":
                parse_recipe(text, str(path))
        else:
            assert block.kind == "text", f"{self.page}:{block.line}: nobody runs a block of {block.kind!r}"

    def command(self, line: str, number: int) -> None:
        """Run one command of a shell block and compare its exit code."""
        told = _EXIT.search(line)
        words = shlex.split(line, comments=True)
        if words[0] == "make":
            # Running it here would run these tests again, or the demo, which is a test of its own.
            assert re.search(rf"^{words[1]}:", MAKEFILE, re.MULTILINE), (
                f"{self.page}:{number}: no target {words[1]}"
            )
        elif words[:2] == ["pip", "install"]:
            # test_wheel installs the wheel; here the names are compared.
            name, _, extras = words[2].rstrip("]").partition("[")
            assert name == PROJECT["name"]
            assert set(filter(None, extras.split(","))) <= set(PROJECT["optional-dependencies"])
        elif words[0] == "printf":
            self.run(["sh", "-c", line], 0, number)
        else:
            assert words[0] == "factory", f"{self.page}:{number}: nobody runs {words[0]}"
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
        said = f"{self.page}:{number}: {shlex.join(command)}\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}"
        assert done.returncode == code, said
        assert "Traceback" not in done.stdout + done.stderr, said


def follow(page: Path, folder: Path) -> list[dict[str, Any]]:
    """Follow a page in `folder`, a scripted server in the place of the reader's own; gives what that was asked."""
    with in_thread(ScriptedServer(TEACHERS.get(page.name, helpful), models=(SERVED,))) as server:
        if page.name in BROUGHT:
            BROUGHT[page.name](folder)
        reader = Reader(folder, server.base_url, page.relative_to(ROOT).as_posix())
        for block in blocks(page.read_text(encoding="utf-8")):
            reader.follow(block)
        return server.requests
