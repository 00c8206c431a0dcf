"""A folder of one's own prompts stands in place of the shipped ones, or says in one sentence why it cannot."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from factory.data.own_prompts import read_own_prompts
from factory.data.prompt import in_place_of_shipped, load_prompt, shipped_path, shipped_prompts
from factory.errors import RecipeError

DEEPEN = shipped_path("evolve/deepen", "en").read_text(encoding="utf-8")


def put(folder: Path, place: str, text: str | bytes) -> Path:
    path = folder / place
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def test_a_file_stands_in_place_of_the_shipped_one_in_its_language_alone(tmp_path: Path) -> None:
    put(tmp_path, "en/evolve/deepen.md", DEEPEN.replace("[system]\n", "[system]\nOurs. "))
    put(tmp_path, "README.md", "what these are")
    put(tmp_path, ".git/config", "x")
    own = read_own_prompts(tmp_path)
    assert list(own.prompts) == [("en", "evolve/deepen")]
    assert list(own.digests()) == ["en/evolve/deepen.md"]
    before = load_prompt("evolve/deepen", "en")
    with in_place_of_shipped(own.prompts):
        ours = load_prompt("evolve/deepen", "en")
        assert ours.turns[0][1].startswith("Ours. ")
        assert (
            ours.reference
            == f"en/evolve/deepen@{ours.version}+own.{own.digests()['en/evolve/deepen.md'][:8]}"
        )
        assert load_prompt("evolve/deepen", "zh") == load_prompt("evolve/deepen", "zh")
        assert not load_prompt("evolve/deepen", "zh").own
        assert not load_prompt("evolve/breadth", "en").own
    assert load_prompt("evolve/deepen", "en") is before


def test_two_runs_at_once_each_have_their_own(tmp_path: Path) -> None:
    put(tmp_path, "en/evolve/deepen.md", DEEPEN.replace("[system]\n", "[system]\nOurs. "))
    own = read_own_prompts(tmp_path)

    async def one(prompts: dict[tuple[str, str], object]) -> bool:
        with in_place_of_shipped(prompts):  # type: ignore[arg-type]
            await asyncio.sleep(0)
            return await asyncio.create_task(asked())

    async def asked() -> bool:
        await asyncio.sleep(0)
        return bool(load_prompt("evolve/deepen", "en").own)

    async def both() -> list[bool]:
        return await asyncio.gather(one(dict(own.prompts)), one({}))

    assert asyncio.run(both()) == [True, False]


@pytest.mark.slow
def test_every_shipped_prompt_can_be_put_in_place_of_itself(tmp_path: Path) -> None:
    for name in shipped_prompts():
        for language in ("en", "zh"):
            put(tmp_path, f"{language}/{name}.md", shipped_path(name, language).read_bytes())
    own = read_own_prompts(tmp_path)
    assert len(own.prompts) == 2 * len(shipped_prompts())
    for (language, name), prompt in own.prompts.items():
        assert prompt.turns == load_prompt(name, language).turns


def test_a_file_from_windows_is_read(tmp_path: Path) -> None:
    put(tmp_path, "en/evolve/deepen.md", b"\xef\xbb\xbf" + DEEPEN.replace("\n", "\r\n").encode())
    assert (
        read_own_prompts(tmp_path).prompts["en", "evolve/deepen"].turns
        == load_prompt("evolve/deepen", "en").turns
    )


@pytest.mark.parametrize(
    ("place", "change", "sentence"),
    [
        (
            "en/evolve/deepn.md",
            str,
            r"deepn\.md: it stands in place of no shipped prompt; did you mean en/evolve/deepen\.md",
        ),
        ("en/evolve/deepen.txt", str, r"deepen\.txt: it stands in place of no shipped prompt; did you mean"),
        ("evolve/deepen.md", str, r"deepen\.md: a prompt lies in a folder en or zh"),
        ("deepen.md", str, "a prompt lies in a folder en or zh"),
        (
            "en/evolve/deepen.md",
            lambda text: text.replace("{{{instruction}}}", "it"),
            "inputs says .* but the text uses",
        ),
        (
            "en/evolve/deepen.md",
            lambda text: text.replace("{{{instruction}}}", "it").replace("[instruction]", "[]"),
            r"it lacks \{\{\{instruction\}\}\}, which the shipped prompt evolve/deepen inserts",
        ),
        (
            "en/evolve/deepen.md",
            lambda text: text.replace("{{{instruction}}}", "{{{instruction}}} {{{topic}}}").replace(
                "[instruction]", "[instruction, topic]"
            ),
            "evolve/deepen has no input 'topic'; its inputs are instruction",
        ),
        (
            "en/evolve/deepen.md",
            lambda text: text.replace("evolve/deepen", "deepen", 1),
            "write `name: evolve/deepen`",
        ),
        (
            "en/evolve/deepen.md",
            lambda text: text + "\n[assistant]\nSure.",
            r"its last turn is \[assistant\]",
        ),
        (
            "en/evolve/deepen.md",
            lambda text: text.replace("[system]\n", "[assistant]\n"),
            r"the turns go \[user\], \[assistant\]",
        ),
        ("en/evolve/deepen.md", lambda text: "Make it deeper.", "begins with a header"),
        ("en/evolve/deepen.md", lambda text: text.encode("utf-16"), "it is not UTF-8 text"),
        (
            "en/evolve/deepen.md",
            lambda text: text.replace("{{{instruction}}}", "{{instruction}}"),
            "HTML-escaped",
        ),
    ],
)
def test_what_is_wrong_with_a_file_is_one_sentence_that_names_it(
    tmp_path: Path, place: str, change: Callable[[str], str | bytes], sentence: str
) -> None:
    path = put(tmp_path, place, change(DEEPEN))
    with pytest.raises(RecipeError, match=sentence) as caught:
        read_own_prompts(tmp_path)
    assert str(caught.value).startswith(str(path))
    assert "\n" not in str(caught.value)


def test_a_folder_that_is_not_there_or_holds_none_is_told(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="there is no folder of prompts"):
        read_own_prompts(tmp_path / "none")
    with pytest.raises(RecipeError, match=r"holds none: put one at .*en/evolve/deepen\.md"):
        read_own_prompts(tmp_path)
