"""The manifest of a run: one model that whoever writes and whoever reads it share."""

from __future__ import annotations

import json
import tarfile
from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from factory.data.run_manifest import FileFacts, Identity, Manifest, ModelFacts, StepFacts
from factory.errors import InputError, OutputError
from factory.report.page.page import render_report
from factory.report.run_files.manifest import read_manifest
from factory.report.terminal.funnel import print_funnel

BEFORE = Path(__file__).parents[1] / "fixtures" / "before_0_2" / "made.tar.xz"
counts = st.dictionaries(st.text(min_size=1), st.integers(0, 10**9), max_size=3)
files = st.lists(st.builds(FileFacts, path=st.text(), bytes=st.integers(0, 2**53)), max_size=2).map(tuple)
steps = st.builds(
    StepFacts,
    label=st.text(),
    entered=st.integers(0, 10**9),
    dropped=counts,
    failed=counts,
    seconds=st.floats(0, 1e9),
    facts=st.dictionaries(st.text(), st.none() | st.booleans() | st.text() | counts, max_size=3),
    missing=st.dictionaries(st.text(), counts, max_size=2),
)
manifests = st.builds(
    Manifest,
    recipe=st.text(),
    identity=st.builds(Identity, recipe=st.text(), limit=st.none() | st.integers(1, 99), inputs=files),
    cost=st.none() | st.floats(0, 1e6),
    steps=st.lists(steps, max_size=3).map(tuple),
    models=st.dictionaries(st.text(), st.builds(ModelFacts, calls=st.integers(0, 10**9)), max_size=2),
    status=st.text(),
)


def write(folder: Path, manifest: Any) -> Path:
    (folder / "manifest.json").write_bytes(orjson.dumps(manifest))
    return folder


@pytest.mark.slow
@given(manifest=manifests)
def test_a_manifest_is_read_as_it_was_written(manifest: Manifest, tmp_path_factory: Any) -> None:
    path = tmp_path_factory.mktemp("run") / "manifest.json"
    path.write_bytes(manifest.to_bytes())
    read = Manifest.read(path)
    assert read == manifest
    assert read.to_bytes() == manifest.to_bytes()
    assert read.records == read.kept + read.dropped + read.failed


def test_the_manifest_of_an_older_version_is_written_again_byte_for_byte(tmp_path: Path) -> None:
    with tarfile.open(BEFORE) as made:
        made.extract("run/manifest.json", tmp_path, filter="data")
    path = tmp_path / "run" / "manifest.json"
    manifest = Manifest.read(path)
    assert manifest.to_bytes() == path.read_bytes()
    assert (manifest.status, manifest.kept, manifest.records) == ("finished", 7, 32)
    assert manifest.estimate is not None
    assert manifest.estimate.calls.at_most
    assert manifest.identity is not None
    assert manifest.identity.inputs == manifest.inputs


def test_keys_that_are_not_there_have_defaults_and_unknown_ones_are_passed_over(tmp_path: Path) -> None:
    (tmp_path / "manifest.json").write_text("{}")
    assert read_manifest(tmp_path) == Manifest()
    assert "Nothing was kept." in render_report(tmp_path)
    newer = {"recipe": "r", "galaxy": [1], "steps": [{"label": "01-read", "warp": {"factor": 9}}]}
    assert read_manifest(write(tmp_path, newer)).steps == (StepFacts(label="01-read"),)


@pytest.mark.parametrize(
    ("wrong", "where"),
    [
        ({"seed": "42"}, "seed"),
        (
            {"steps": [{"label": "01-read"}, {"label": "02-x", "dropped": {"low": 1.5}}]},
            r"steps\.1\.dropped\.low",
        ),
        ({"models": {"m": {"calls": True}}}, r"models\.m\.calls"),
        ({"steps": {}}, "steps"),
        ([], "object"),
    ],
)
def test_what_has_another_type_is_told_with_its_file_and_key(wrong: Any, where: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=rf"manifest\.json: is not the manifest of a run \(.*{where}"):
        read_manifest(write(tmp_path, wrong))


def test_a_run_does_not_go_on_in_a_folder_whose_manifest_is_broken(tmp_path: Path) -> None:
    from factory.engine.folder import claimed

    folder = write(tmp_path, {"seed": []})
    with (
        pytest.raises(OutputError, match=r"manifest\.json: cannot be read .* name another with --out"),
        claimed(folder, Identity(recipe="a"), overwrite=True),
    ):
        pass


def test_a_manifest_cannot_be_changed_and_takes_no_wrong_facts() -> None:
    manifest = Manifest(recipe="r")
    with pytest.raises(ValueError, match="frozen"):
        manifest.recipe = "s"  # type: ignore[misc]
    with pytest.raises(ValueError, match="status"):
        manifest.with_facts(status=1)
    assert json.loads(manifest.with_facts(status="running").to_bytes()) == {
        "recipe": "r",
        "status": "running",
    }


def test_a_step_that_left_records_without_a_score_says_so_in_the_funnel(tmp_path: Path) -> None:
    import io

    from rich.console import Console

    step = StepFacts(label="02-judge", passed=3, missing={"judge.quality": {"bad_reply": 2, "refused": 1}})
    file = io.StringIO()
    print_funnel(Manifest(steps=(step,), status="finished"), Console(file=file, width=100), tmp_path)
    assert "no judge.quality: bad_reply 2, refused 1" in file.getvalue()
