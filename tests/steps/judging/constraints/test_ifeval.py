"""IFEval's own prompts (arXiv 2311.07911): arguments are read as they are, and answers made by them are told apart."""

from __future__ import annotations

import gzip
import json
import os
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from factory.steps.judging.constraints.constraint import Checked
from factory.steps.judging.constraints.registry import IFEVAL, make_constraint
from factory.steps.judging.constraints.strictness import Variants, follows

ROOT = Path(__file__).parents[4]
FOLDERS = (
    os.environ.get("FACTORY_TEST_DATA", "data"),
    ROOT / "shared" / "data",
    ROOT.parent / "shared" / "data",
)
FILES = [Path(folder) / "eval_targets" / "ifeval.jsonl.gz" for folder in FOLDERS]
"""Where the prompts may lie; they are not part of the project."""


@pytest.fixture(scope="module")
def rows() -> list[dict[str, Any]]:
    """The 541 prompts, where they are at hand."""
    file = next((file for file in FILES if file.is_file()), None)
    if file is None:
        pytest.skip("IFEval's prompts are not at hand: FACTORY_TEST_DATA names the folder of eval_targets/")
    with gzip.open(file, "rt", encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def constraints(rows: list[dict[str, Any]]) -> list[tuple[Checked, dict[str, Any]]]:
    found = []
    for row in rows:
        for name, arguments in zip(row["instruction_id_list"], row["kwargs"], strict=True):
            constraint = make_constraint(name, arguments)
            assert isinstance(constraint, Checked)
            found.append((constraint, arguments))
    return found


def test_every_argument_of_every_prompt_is_read(rows: list[dict[str, Any]]) -> None:
    read = constraints(rows)
    assert len(read) == 834
    assert {constraint.kind for constraint, _ in read} == set(IFEVAL)
    assert all(constraint.arguments() == arguments for constraint, arguments in read)


def good(kind: str, arguments: dict[str, Any]) -> str | None:
    """An answer that meets a constraint, written from its arguments alone; None where that takes a writer."""
    of = arguments.get
    name = kind.split(":")[1]
    few = "less than" in (of("relation"), of("let_relation"), of("capital_relation"))
    if name in ("number_words", "number_sentences"):
        number = of("num_words") or of("num_sentences") or 0
        return "Yes. " * (number - 1 if few else number)
    if name == "frequency":
        return "" if few else f"{of('keyword')} . " * int(of("frequency") or 0)
    if name == "letter_frequency":
        return "0" if few else f"{of('letter')} " * int(of("let_frequency") or 0)
    if name == "capital_word_frequency":
        return "no" if few else "YES " * int(of("capital_frequency") or 0)
    if name == "nth_paragraph_first_word":
        return "\n\n".join(
            f"{of('first_word')} it." if at == of("nth_paragraph") else "Well."
            for at in range(1, int(of("num_paragraphs") or 0) + 1)
        )
    written = {
        "existence": " ".join(of("keywords") or []),
        "forbidden_words": "0",
        "number_paragraphs": "\n***\n".join(["Text."] * int(of("num_paragraphs") or 0)),
        "number_placeholders": "[name] " * int(of("num_placeholders") or 0),
        "postscript": f"Text.\n{of('postscript_marker')} more",
        "number_bullet_lists": "* item\n" * int(of("num_bullets") or 0),
        "constrained_response": "My answer is no.",
        "number_highlighted_sections": "*this* " * int(of("num_highlights") or 0),
        "multiple_sections": " ".join(
            f"{of('section_spliter')} {at}" for at in range(int(of("num_sections") or 0))
        ),
        "json_format": '```json\n{"a": 1}\n```',
        "title": "<<a title>>",
        "two_responses": "One.\n******\nTwo.",
        "repeat_prompt": f"{of('prompt_to_repeat')} Here.",
        "end_checker": f"Text. {of('end_phrase')}",
        "english_capital": "THIS IS WHAT THEY SAID TO US.",
        "english_lowercase": "this is what they said to us.",
        "no_comma": "Text.",
        "quotation": '"Text."',
    }
    return written.get(name)


BAD = "¿Qué, no ve? Sí, claro."
"""An answer that meets nearly none of IFEval's constraints: commas, two languages, and no form."""


def test_an_answer_made_from_the_arguments_meets_them_and_one_that_ignores_them_does_not(
    rows: list[dict[str, Any]],
) -> None:
    met, failed, made = Counter[str](), Counter[str](), Counter[str]()
    for constraint, arguments in constraints(rows):
        answer = good(constraint.kind, arguments)
        if answer is None or not answer.strip():
            continue
        made[constraint.kind] += 1
        met[constraint.kind] += follows(constraint, Variants(answer))
        failed[constraint.kind] += not follows(constraint, Variants(BAD), loose=True)
    assert met == made
    assert made.keys() >= set(IFEVAL) - {"language:response_language"}
    easy = {
        "keywords:forbidden_words",
        "keywords:frequency",
        "keywords:letter_frequency",
        "length_constraints:number_words",
        "length_constraints:number_sentences",
        "change_case:capital_word_frequency",
    }
    assert {kind for kind in made if failed[kind] < made[kind]} <= easy
