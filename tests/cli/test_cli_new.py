"""`factory new` writes a recipe for documents, rows, or a brief: one that runs, and that a person can edit."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import Phase, example, given, settings
from hypothesis import strategies as st
from made_documents import Reader, manual_chunk
from scripted_server import ScriptedServer, in_thread
from typer.testing import CliRunner, Result

from factory.cli.app import app
from factory.cli.new import propose
from factory.data.text import shorten
from factory.errors import FactoryError
from factory.recipe.proposing.look import DocumentSample, RowSample
from factory.recipe.proposing.propose import for_brief, for_documents, for_rows, proposed_shares
from factory.recipe.recipe import parse_recipe
from factory.steps.agents.grounding.kinds import SHARES

NAMED = {str(kind): share for kind, share in SHARES.items()}


@pytest.fixture(autouse=True)
def own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is written lands in the test's folder."""
    monkeypatch.chdir(tmp_path)


def new(*words: str) -> Result:
    return CliRunner().invoke(app, ["new", *words])


def manual(folder: str, chinese: bool = False, parts: int = 6) -> Path:
    """A folder with a manual of so many parts, as Markdown."""
    Path(folder).mkdir()
    text = "\n\n".join(
        f"## Part {number}\n\n{manual_chunk(number, chinese=chinese).prompt}" for number in range(parts)
    )
    path = Path(folder) / "manual.md"
    path.write_text(f"# Orrin manual\n\n{text}\n", encoding="utf-8")
    return path


def steps(text: str) -> dict[str, Any]:
    return {name: options for step in yaml.safe_load(text)["steps"] for name, options in step.items()}


@pytest.mark.slow
def test_a_folder_of_documents_becomes_a_recipe_that_runs() -> None:
    manual("docs")
    done = new("docs/", "--brief", "Operators look up values")
    assert done.exit_code == 0, done.output
    text = Path("recipe.yaml").read_text(encoding="utf-8")
    recipe = parse_recipe(text, "recipe.yaml")
    assert [step.name for step in recipe.steps] == [
        "read",
        "chunk",
        "dedup_minhash",
        "from_documents",
        "dedup_rouge",
        "export",
    ]
    asked = steps(text)["from_documents"]
    assert asked["brief"] == "Operators look up values"
    assert sum(asked["kinds"].values()) == pytest.approx(1)
    assert text.count("#") >= 8
    assert "1 document (1 md); 1 looked at, mostly English: about " in done.output
    assert "factory run recipe.yaml" in done.output


@pytest.mark.slow
def test_a_wanted_size_sets_how_much_is_asked() -> None:
    manual("docs", parts=20)
    few = steps(propose("docs/", "", "local", 1).text)
    many = steps(propose("docs/", "", "local", 40).text)
    assert few["from_documents"]["most_chunks"] * few["from_documents"]["per_chunk"] <= 3
    assert few["assemble"] == {"size": 1}
    assert many["from_documents"]["per_chunk"] > few["from_documents"]["per_chunk"]


def test_rows_become_a_recipe_by_what_they_are() -> None:
    def rows(number: int, **row: str) -> str:
        path = Path(f"{number}-{len(row)}.jsonl")
        lines = [json.dumps({name: f"{value} {at}" for name, value in row.items()}) for at in range(number)]
        path.write_text("\n".join(lines) + "\n")
        return str(path)

    seeds = propose(rows(30, instruction="Why is the sea salty", output="Rivers"), "", "local", None)
    pool = propose(rows(400, instruction="Why is the sea salty", output="Rivers"), "", "local", None)
    asked = propose(rows(400, instruction="Why is the sea salty"), "", "local", 100)
    assert "invent" in steps(seeds.text)
    assert not {"invent", "respond"} & steps(pool.text).keys()
    assert "respond" in steps(asked.text)
    assert steps(asked.text)["assemble"] == {"size": 100}


def test_a_brief_alone_is_explored() -> None:
    done = new("--brief", "Beekeeping for beginners", "--out", "-", "--size", "20")
    assert done.exit_code == 0
    assert steps(done.output)["explore"]["domain"] == "Beekeeping for beginners"
    assert not Path("recipe.yaml").exists()


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ([], "give a folder of documents or a file of rows, or --brief"),
        (["nowhere/"], "there is no such file or folder"),
        (["hf:org/name"], "a data set of the hub is not looked at"),
        (["--brief", "x", "--model", "opnai:m"], "there is no provider of models 'opnai'"),
        (["--brief", "x", "--out", "-", "--preview"], "--preview runs a recipe that was written"),
    ],
)
def test_what_cannot_be_planned_is_one_sentence(words: list[str], says: str) -> None:
    with pytest.raises(FactoryError, match=says):
        CliRunner().invoke(app, ["new", *words], catch_exceptions=False)


def test_a_recipe_that_is_there_is_not_replaced_unless_told() -> None:
    Path("recipe.yaml").write_text("mine")
    with pytest.raises(FactoryError, match="is there already: name another file with --out"):
        CliRunner().invoke(app, ["new", "--brief", "x"], catch_exceptions=False)
    assert Path("recipe.yaml").read_text() == "mine"
    assert new("--brief", "Bees", "--overwrite").exit_code == 0


def test_documents_without_a_text_are_told_with_the_reason() -> None:
    Path("docs").mkdir()
    Path("docs/scan.md").write_bytes(b"\x89PNG\r\n")
    with pytest.raises(FactoryError, match=r"no document has a text: .*a picture"):
        propose("docs/", "", "local", None)


@pytest.mark.slow
def test_a_preview_runs_ten_records_and_shows_rows_with_their_spans() -> None:
    manual("docs", parts=20)
    with in_thread(ScriptedServer(Reader().served)) as server:
        served = f"openai:scripted@{server.base_url}"
        done = new("docs/", "--model", served, "--preview", "--out", "mine.yaml")
    assert done.exit_code == 0, done.output
    assert "rows were kept" in done.output
    assert "span      The Orrin" in done.output
    assert len([said for said in server.requests if "facts" in str(said["response_format"])]) <= 10


texts = st.text(max_size=60)


@pytest.mark.slow
@settings(max_examples=25, phases=[Phase.explicit, Phase.reuse, Phase.generate])
@example("docs\U0001239a\x85\u2028", '"${KEY}" #\n- {{{x}}}: &a *b', 5, 9000, 500)
@given(texts, texts, st.integers(0, 9), st.integers(1, 10**7), st.sampled_from([None, 1, 500]))
def test_whatever_is_proposed_is_a_recipe(
    place: str, brief: str, steps_: int, tokens: int, size: int | None
) -> None:
    """Whatever a folder is called and a brief says: it is data in the recipe."""
    model = {"provider": "local"}
    sample = DocumentSample(Counter(md=3), 3, [], (tokens, tokens, tokens), steps_ / 10, 0.1, Counter(en=1))
    place = place.strip() or "docs"
    document = for_documents(place, sample, brief, model, size, NAMED).text
    assert steps(document)["read"]["path"] == place
    assert steps(document)["from_documents"]["brief"] == brief
    rows = for_rows(place, RowSample(9, 9, 9), brief, model, size).text
    for text in (document, rows, for_brief(shorten(brief) or "bees", model, size).text):
        parse_recipe(text, "recipe.yaml")


@given(st.floats(0, 0.5), st.floats(0, 0.5), texts, st.integers(1, 1000))
def test_proposed_shares_sum_to_one_and_name_known_kinds(
    numbered: float, tables: float, brief: str, chunks: int
) -> None:
    sample = DocumentSample(Counter(md=1), steps=numbered, tables=tables)
    found = proposed_shares(sample, brief, NAMED, chunks)
    assert found.keys() <= NAMED.keys()
    assert sum(found.values()) == pytest.approx(1)
    assert all(share > 0 for share in found.values())


def test_a_brief_and_the_documents_move_the_shares() -> None:
    plain = DocumentSample(Counter(md=1))
    usual = proposed_shares(plain, "", NAMED, 50)
    assert proposed_shares(plain, "a chat assistant", NAMED, 50)["conversation"] > usual["conversation"]
    assert proposed_shares(plain, "用于客服对话", NAMED, 50)["conversation"] > usual["conversation"]
    steps_ = DocumentSample(Counter(md=1), steps=0.3)
    assert proposed_shares(steps_, "", NAMED, 50)["how_to"] > usual["how_to"]
    assert "multi_hop" not in proposed_shares(plain, "", NAMED, 3)
