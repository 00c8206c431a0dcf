"""A closed tag set: what the model is shown, and what becomes of names outside it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from step_context import process, scripted_context

from factory.data.record import Record, Tag, new_record
from factory.engine.plan.rehearsal import dry_run
from factory.errors import InputError
from factory.recipe.recipe import build_recipe
from factory.step import Context
from factory.steps.tags.tag import TagIntents
from factory.steps.tags.tag_sets.vocabulary import Vocabulary

MAP = [
    {"raw": "SQL", "final": "sql"},
    {"raw": "database query", "final": "sql"},
    {"raw": "诗歌", "final": "poetry"},
    {"raw": "noise", "final": ""},
]


def tagged(
    reply: str, rows: Sequence[Mapping[str, Any]] = MAP, text: str = "Write SQL.", **options: Any
) -> tuple[Record, Context, str]:
    """The record after tagging with a closed set, the step's context, and what the model was asked."""
    context, chat = scripted_context(lambda ask: reply)

    def read_rows(path: Path) -> Iterator[tuple[int, Mapping[str, Any]]]:
        return iter(list(enumerate(rows, start=1)))

    context = replace(context, read_rows=read_rows, get_embedder=lambda name: LetterEmbedder())  # type: ignore[arg-type,return-value]
    step = TagIntents(vocabulary=Path("tags.jsonl"), **options)
    (record,) = process(step, new_record(text), context)
    return record, context, chat.asks[0].text


def reply(*names: str) -> str:
    return json.dumps({"tags": [{"tag": name, "explanation": "why"} for name in names]})


class LetterEmbedder:
    """An `EmbeddingModel` that sees which letters a text holds."""

    name = "letters"

    async def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        rows = (
            np.array([[chr(97 + at) in text.lower() for at in range(26)] for text in texts], np.float32)
            + 1e-3
        )
        return rows / np.linalg.norm(rows, axis=1, keepdims=True)


@pytest.mark.parametrize(("text", "language"), [("Write SQL.", "en"), ("写一条查询语句。", "zh")])
def test_the_model_is_shown_the_tags_and_asked_in_its_language(text: str, language: str) -> None:
    record, context, asked = tagged(reply("sql"), text=text)
    assert "\npoetry\nsql\n" in asked
    assert record.events[-1].prompt == f"{language}/tag/instag_closed@1"
    assert record.tags == (Tag("sql", "why"),)
    assert (context.facts["vocabulary"], context.facts["outside"]) == (2, 0)


def test_other_names_of_a_tag_mean_it_and_come_once() -> None:
    record, context, _ = tagged(reply("Database queries", "SQL", "诗歌", "cooking", "noise"))
    assert [tag.name for tag in record.tags] == ["sql", "poetry"]
    assert context.facts["outside"] == 2


def test_a_set_that_fits_nothing_leaves_the_record_untagged_with_the_reason() -> None:
    record, context, _ = tagged(reply("cooking", "烹饪"))
    assert record.tags == ()
    assert record.events[-1].operation == "untagged"
    assert (
        "none of the tags that the model named is in the vocabulary: cooking, 烹饪"
        in record.missing["tag"].reason
    )
    assert (context.facts["outside"], record.missing["tag"].kind) == (2, "outside_vocabulary")


def test_of_a_large_set_the_nearest_tags_are_shown() -> None:
    rows = [{"tag": name} for name in ("aaa", "abc", "xyz", "sql", "lsq", "ttt")]
    _, _, asked = tagged(reply("sql"), rows, text="s q l", shown=2)
    shown = asked.split("<tags>\n")[1].split("\n</tags>")[0]
    assert shown.splitlines() == ["lsq", "sql"]


@pytest.mark.parametrize("rows", [[], [{"raw": "a", "final": ""}]])
def test_a_set_without_tags_is_refused(rows: list[dict[str, str]]) -> None:
    with pytest.raises(InputError, match=r"tags\.jsonl: holds no tag"):
        tagged(reply("sql"), rows)


def test_a_row_that_is_no_tag_is_refused_with_its_line() -> None:
    for row in ({"name": "poetry"}, {"tag": " "}):
        with pytest.raises(InputError, match=r"tags\.jsonl:2: a row of a tag set says"):
            tagged(reply("sql"), [{"tag": "sql"}, row])
    with pytest.raises(InputError, match=r"tags\.jsonl:1: a row of a tag map says"):
        tagged(reply("sql"), [{"raw": "sql"}])


def test_a_vocabulary_is_embedded_once() -> None:
    asked: list[int] = []

    class Counting(LetterEmbedder):
        async def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
            asked.append(len(texts))
            return await super().embed(texts)

    async def twice() -> None:
        vocabulary = Vocabulary.of(["a", "b", "c"])
        for query in ("a", "c"):
            assert await vocabulary.near(query, 1, Counting()) == [query]

    asyncio.run(twice())
    assert asked == [3, 1, 1]


def test_a_dry_run_shows_the_tags_that_a_model_would_choose_from(tmp_path: Path) -> None:
    (tmp_path / "rows.jsonl").write_text('{"instruction": "Write SQL."}\n', encoding="utf-8")
    names = [f"tag {at}" for at in range(70)]
    (tmp_path / "tags.jsonl").write_text("".join(json.dumps({"tag": name}) + "\n" for name in names))
    steps = [
        {"read": {"path": str(tmp_path / "rows.jsonl")}},
        {"tag": {"vocabulary": str(tmp_path / "tags.jsonl"), "shown": 60}},
    ]
    plan = asyncio.run(dry_run(build_recipe({"name": "closed", "steps": steps}, "closed")))
    (prompt,) = plan.steps[1].prompts
    shown = prompt[-1].content.split("<tags>\n")[1].split("\n</tags>")[0].splitlines()
    assert len(shown) == 60
    assert set(shown) <= set(names)
