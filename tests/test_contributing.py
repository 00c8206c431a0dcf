"""CONTRIBUTING.md keeps its word: a plug-in package made from its text adds a step."""

from __future__ import annotations

import json
import os
import re
import site
import venv
from pathlib import Path

import pytest
from test_wheel import must

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
SECTION = TEXT.split("## Add a step in ten minutes")[1].split("\n## ")[0]


def block(kind: str) -> str:
    found = re.search(rf"^```{kind}\n(.*?)^```$", SECTION, re.MULTILINE | re.DOTALL)
    assert found is not None
    return found[1]


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_plug_in_package_made_as_the_text_says_adds_a_step(tmp_path: Path) -> None:
    home, desk = tmp_path / "env", tmp_path / "desk"
    (desk / "shout").mkdir(parents=True)
    (desk / "shout" / "pyproject.toml").write_text(block("toml"), encoding="utf-8")
    (desk / "shout" / "shout.py").write_text(block("python"), encoding="utf-8")
    venv.create(home, with_pip=True)
    (mine,) = home.glob("lib/python*/site-packages")
    (mine / "shared.pth").write_text("\n".join(site.getsitepackages()), encoding="utf-8")
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    environment["PATH"] = os.pathsep.join([str(home / "bin"), environment["PATH"]])
    must([str(home / "bin" / "pip"), "install", "-q", "--no-deps", "-e", str(ROOT)], desk, environment)
    printed = must(["bash", "-euc", block("sh")], desk, environment)
    assert "Drop a record whose instruction is mostly capitals." in printed
    assert "shouting 1" in printed
    (kept,) = (desk / "calm.jsonl").read_text(encoding="utf-8").splitlines()
    assert "为什么海水是咸的？" in json.dumps(json.loads(kept), ensure_ascii=False)


def test_the_commands_named_first_are_those_of_the_makefile() -> None:
    targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    named = re.findall(r"^make (\S+)", TEXT, re.MULTILINE)
    assert named
    assert set(named) <= set(targets)
