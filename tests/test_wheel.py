"""The wheel is all that a stranger needs: built, installed in a new environment, run far from the checkout."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
UNREACHABLE = (
    "name resolution",
    "Failed to establish a new connection",
    "Network is unreachable",
    "ProxyError",
)
"""What pip says where there is no network; then nothing can be installed, whatever the wheel is like."""

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


def must(command: list[str], cwd: Path, environment: dict[str, str] | None = None) -> str:
    """Run a command that has to succeed and give what it printed; skip where the package index is away."""
    done = subprocess.run(
        command,
        cwd=cwd,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=600,
    )
    if done.returncode and any(words in done.stderr + done.stdout for words in UNREACHABLE):
        pytest.skip("no package index can be reached")
    assert done.returncode == 0, f"{command}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from the checkout."""
    folder = tmp_path_factory.mktemp("wheel")
    must([sys.executable, "-m", "build", "--wheel", "--outdir", str(folder), str(ROOT)], folder)
    (path,) = folder.glob("*.whl")
    return path


def test_the_wheel_holds_what_runs_and_nothing_else(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    sources = [
        path for path in (ROOT / "factory").rglob("*") if path.is_file() and "__pycache__" not in path.parts
    ]
    expected = {path.relative_to(ROOT).as_posix() for path in sources}
    expected |= {f"factory/_{path.relative_to(ROOT).as_posix()}" for path in (ROOT / "prompts").rglob("*.md")}
    assert {
        "factory/py.typed",
        "factory/recipe/ready/quickstart.yaml",
        "factory/data/seeds/seeds.jsonl",
        "factory/report/page/page.css",
        "factory/_prompts/en/tag/instag.md",
        "factory/_prompts/zh/tag/instag.md",
    } <= expected
    assert {name for name in names if ".dist-info/" not in name} == expected
    assert any(name.endswith("licenses/LICENSE") for name in names)


def test_the_wheel_works_in_a_new_environment_far_from_the_checkout(wheel: Path, tmp_path: Path) -> None:
    home, away = tmp_path / "env", tmp_path / "away"
    away.mkdir()
    venv.create(home, with_pip=True)
    scripts = home / ("Scripts" if sys.platform == "win32" else "bin")
    environment = {
        name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")
    }
    python, factory = str(scripts / "python"), str(scripts / "factory")
    must([python, "-m", "pip", "install", "--quiet", str(wheel)], away, environment)
    must([factory, "models", "get", "smollm2"], away, environment)

    printed = must([factory, "run", "quickstart", "--limit", "2"], away, environment)
    (folder,) = away.glob("outputs/quickstart-*")
    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    assert manifest["status"] == "finished"
    assert " records kept" in printed
    for layout in ("messages", "alpaca", "sharegpt"):
        rows = (folder / "dataset" / layout / "train.jsonl").read_text(encoding="utf-8").splitlines()
        assert len(rows) == manifest["steps"][-1]["passed"] > 0
    assert (folder / "report.html").stat().st_size > 10_000

    absent = (
        "import importlib.util as u; print([n for n in ('datasets', 'torch', 'pandas') if u.find_spec(n)])"
    )
    assert must([python, "-c", absent], away, environment).strip() == "[]"
    where = must([python, "-c", "import factory; print(factory.__file__)"], away, environment)
    assert where.startswith(str(home))
