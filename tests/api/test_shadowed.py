"""Where factory_boy, whose package is named `factory` too, lies in the way, one sentence says so."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

OURS = Path(__file__).parents[2] / "factory"
THEIRS = {
    "__init__.py": "from .declarations import Sequence\nfrom .errors import FactoryError\n",
    "declarations.py": "class Sequence: ...\n",
    "errors.py": "class FactoryError(Exception): ...\n",
}
"""What factory_boy's files are like; two of them have names that files of ours have."""
COMMAND = ["-m", "factory", "--version"]
SCRIPT = ["-c", "import sys; sys.argv = ['factory', '--version']\nfrom factory.__main__ import main; main()"]


def ours_first(package: Path) -> None:
    """sft-factory is installed, then factory_boy."""
    for name, text in THEIRS.items():
        (package / name).unlink(missing_ok=True)
        (package / name).write_text(text)


def theirs_first(package: Path) -> None:
    """factory_boy is installed, then sft-factory."""
    (package / "declarations.py").write_text(THEIRS["declarations.py"])


def theirs_removed(package: Path) -> None:
    """Both are installed, then factory_boy is removed with the files that both have."""
    for name in ("__init__.py", "errors.py"):
        (package / name).unlink()


def untouched(package: Path) -> None:
    """sft-factory alone."""


@pytest.fixture
def packages(tmp_path: Path) -> Path:
    """A folder to install into, with a package of ours that can be spoilt."""
    (tmp_path / "factory").mkdir()
    for path in OURS.iterdir():
        if path.name != "__pycache__":
            (tmp_path / "factory" / path.name).symlink_to(path)
    return tmp_path


def python(packages: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a program, or `-m factory ...`, that finds the package in that folder and nowhere else."""
    program = arguments[1]
    if arguments[0] == "-m":
        program = (
            f"import runpy, sys; sys.argv = {list(arguments[1:])}\n"
            "runpy.run_module('factory', run_name='__main__', alter_sys=True)"
        )
    alone = (
        "import os, sys; "
        f"sys.path[:] = [{str(packages)!r}, *(p for p in sys.path if not os.path.exists(p + '/factory/__init__.py'))]\n"
    )
    return subprocess.run(
        [sys.executable, "-P", "-c", alone + program],
        cwd=packages,
        capture_output=True,
        text=True,
        timeout=60,
    )


@pytest.mark.slow
@pytest.mark.parametrize("start", [COMMAND, SCRIPT], ids=["python -m factory", "factory"])
@pytest.mark.parametrize(
    ("happened", "code", "said"),
    [
        (untouched, 0, ""),
        (ours_first, 2, "error: factory_boy has overwritten files of sft-factory in "),
        (theirs_first, 0, "warning: factory_boy lies in the folder of sft-factory, "),
        (theirs_removed, 2, "error: files of sft-factory are missing from "),
    ],
)
def test_one_sentence_says_what_lies_in_the_way_and_how_to_mend_it(
    packages: Path, start: list[str], happened: Callable[[Path], None], code: int, said: str
) -> None:
    happened(packages / "factory")
    done = python(packages, *start)
    assert done.returncode == code, done.stderr
    assert done.stderr.startswith(said)
    assert done.stderr.count("\n") == (1 if said else 0)
    assert ("pip install --force-reinstall --no-deps sft-factory" in done.stderr) == bool(said)
    assert done.stdout.startswith("factory ") == (code == 0)


def test_a_name_of_theirs_that_ours_has_not_is_told_with_the_reason(packages: Path) -> None:
    asked = "import factory; factory.Sequence"
    assert "factory_boy" not in python(packages, "-c", asked).stderr
    theirs_first(packages / "factory")
    said = python(packages, "-c", asked).stderr
    assert "AttributeError: module 'factory' has no attribute 'Sequence'; factory_boy lies in " in said
    assert "pip uninstall factory_boy" in said


def test_no_file_of_ours_has_the_name_by_which_theirs_is_known() -> None:
    from factory.api.shadowed import THEIRS as known

    assert not (OURS / known).exists()
