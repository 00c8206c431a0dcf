"""`factory prompts`: the prompts that ship with the package, and how one's own differ from them."""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

from factory.data.whole_file import write_whole
from factory.errors import OutputError, RecipeError

app = typer.Typer(help="List and show the prompts, and compare your own with them.", no_args_is_help=True)


@app.command("list")
def list_() -> None:
    """List the shipped prompts: name, version in English and Chinese, and the steps that use it."""
    from factory.data.prompt import shipped_prompt
    from factory.recipe.prompt_users import prompt_users

    users = prompt_users()
    width = max(map(len, users))
    for name, steps in users.items():
        versions = " ".join(
            f"{language}@{shipped_prompt(name, language).version}" for language in ("en", "zh")
        )
        typer.echo(f"{name:<{width}}  {versions}  {', '.join(steps) or '(any step that asks for JSON)'}")


@app.command()
def show(
    name: Annotated[str, typer.Argument(help="The prompt's name, such as evolve/deepen.")],
    language: Annotated[str, typer.Option("--language", "-l", help="en (English) or zh (Chinese).")] = "en",
    own: Annotated[
        Path | None,
        typer.Option("--own", help="Write it into this folder of prompts of your own, to be changed there."),
    ] = None,
) -> None:
    """Print a shipped prompt, or start your own from it."""
    text = _shipped_text(name, language)
    if own is None:
        typer.echo(text, nl=False)
        return
    path = own / language / f"{name}.md"
    if path.exists():
        raise OutputError(f"{path}: there is one of your own already")
    write_whole(path, text.encode())
    typer.echo(f"{path}: change it, and write `prompts: {own}` into your recipe")


@app.command()
def diff(
    own: Annotated[
        Path, typer.Argument(help="Your folder of prompts, or the recipe that names it (prompts: FOLDER).")
    ],
    name: Annotated[str, typer.Argument(help="Compare this prompt alone, such as evolve/deepen.")] = "",
) -> None:
    """Show how your own prompts differ from the shipped ones, as a unified diff."""
    from factory.data.prompt import shipped_prompts
    from factory.errors import nearest

    if name and name not in (known := shipped_prompts()):
        raise RecipeError(f"there is no prompt {name!r}{nearest(name, known)}")
    texts = {place: text for place, text in _own_texts(own).items() if not name or place[3:] == f"{name}.md"}
    if not texts:
        typer.echo(f"{own} has no prompt {name}: the shipped one is used")
    for place, text in sorted(texts.items()):
        for line in _compared(place, text.decode("utf-8-sig")):
            typer.echo(line)


def _own_texts(own: Path) -> dict[str, bytes]:
    from factory.data.own_prompts import read_own_prompts
    from factory.recipe.recipe import load_recipe

    if own.is_dir():
        return dict(read_own_prompts(own).texts)
    texts = load_recipe(str(own)).prompts.texts
    if not texts:
        raise RecipeError(f"{own}: the recipe names no prompts of your own; it would say `prompts: FOLDER`")
    return dict(texts)


def _compared(place: str, text: str) -> Iterator[str]:
    language, name = place[:2], place[3:].removesuffix(".md")
    shipped = _shipped_text(name, language).splitlines()
    lines = list(
        difflib.unified_diff(shipped, text.splitlines(), f"shipped/{place}", f"own/{place}", lineterm="")
    )
    yield from lines or [f"own/{place}: the same as the shipped one"]


def _shipped_text(name: str, language: str) -> str:
    from factory.data.own_prompts import LANGUAGES
    from factory.data.prompt import shipped_path, shipped_prompts
    from factory.errors import nearest

    if language not in LANGUAGES:
        raise RecipeError(f"there are prompts in en and zh, not in {language!r}")
    if name not in (known := shipped_prompts()):
        raise RecipeError(f"there is no prompt {name!r}{nearest(name, known)}")
    return shipped_path(name, language).read_text(encoding="utf-8")
