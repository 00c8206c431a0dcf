"""The pages of `docs/` keep their word: what they tell runs, links lead somewhere, and no option goes unexplained."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from followed_pages import ROOT, blocks, follow

from factory.recipe.recipe import builtin_recipes, load_recipe

DOCS = ROOT / "docs"
PAGES = sorted(DOCS.rglob("*.md"))
RECIPES = DOCS / "recipes"
_LINK = re.compile(r"\]\(([^)#:]+)(?:#[^)]*)?\)")


def named(pages: list[Path]) -> Any:
    return pytest.mark.parametrize("page", pages, ids=lambda page: page.relative_to(DOCS).as_posix())


def recipe_pages() -> list[Path]:
    """The pages of recipes, `chinese.md` and `chinese.zh.md` alike."""
    return sorted(page for page in RECIPES.glob("*.md") if page.name != "README.md")


def test_every_recipe_has_a_page_and_no_page_speaks_of_another() -> None:
    assert {page.name.split(".")[0] for page in recipe_pages()} == set(builtin_recipes())
    assert (RECIPES / "chinese.zh.md").is_file()
    listed = (RECIPES / "README.md").read_text(encoding="utf-8")
    assert {page.name for page in recipe_pages()} <= set(_LINK.findall(listed))


@pytest.mark.parametrize(
    "page", [ROOT / "README.md", *PAGES], ids=lambda page: page.relative_to(ROOT).as_posix()
)
def test_links_lead_to_files(page: Path) -> None:
    for link in _LINK.findall(page.read_text(encoding="utf-8")):
        assert (page.parent / link).exists(), link


@named(recipe_pages())
def test_every_option_that_a_recipe_sets_is_explained_on_its_page(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    for step in load_recipe(page.name.split(".")[0]).data["steps"]:
        ((name, options),) = step.items()
        assert f"`{name}`" in text
        for option in options or {}:
            assert f"`{option}" in text, f"{name}: {option}"


@named(recipe_pages())
def test_a_printed_run_is_one_of_the_recipe_as_it_stands(page: Path) -> None:
    labels = load_recipe(page.name.split(".")[0]).labels()
    printed = [block.text for block in blocks(page.read_text(encoding="utf-8")) if "records  " in block.text]
    assert printed
    for text in printed:
        assert re.findall(r"^(\d\d-\w+)\b", text, re.MULTILINE) == labels


def test_a_page_in_two_languages_has_the_same_commands() -> None:
    def commands(name: str) -> list[str]:
        found = blocks((RECIPES / name).read_text(encoding="utf-8"))
        lines = [line for block in found if block.kind == "sh" for line in block.text.splitlines()]
        return [line.split("#")[0].strip() for line in lines]

    assert commands("chinese.md") == commands("chinese.zh.md") != []


@named(PAGES)
@pytest.mark.model
@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_every_block_of_a_page_runs_in_its_order(page: Path, tmp_path: Path) -> None:
    follow(page, tmp_path)
