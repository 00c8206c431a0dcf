"""Rubrics: what a judge is told to look for, and the scale it answers on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from factory.data.prompt import PROMPTS, Prompt, load_prompt, parse_prompt
from factory.data.text import detect_language, prompt_language
from factory.errors import RecipeError, nearest


@dataclass(frozen=True, slots=True)
class Rubric:
    """One criterion and its levels.

    name: the last part of the file's name in its header; a score by it is called "judge.<name>"
    text: the criterion and what each level means, as the judge reads it
    minimum, maximum: the lowest and highest level, whole numbers
    judges_answer: False where the instruction alone is judged, so that a record may lack an answer
    """

    name: str
    text: str
    minimum: int
    maximum: int
    judges_answer: bool = True


def load_rubric(rubric: str, language: str) -> Rubric:
    """The shipped rubric of this name for records of `language`, or the one in the file of this path.

    A path ends in .md; its rubric serves every language. The file is a prompt file without inputs and with
    one [system] turn, whose header has `minimum` and `maximum`, and `judges: instruction` where no answer
    is needed.

    Raises:
        RecipeError: there is no such rubric, or its file is wrong.
    """
    if not rubric.endswith(".md"):
        known = shipped_rubrics()
        if rubric not in known:
            raise RecipeError(
                f"there is no rubric {rubric!r} (one of your own is the path of a file that ends in .md)"
                f"{nearest(rubric, known)}"
            )
        return _read(load_prompt(f"rubrics/{rubric}", language), f"rubric {rubric!r}")
    try:
        text = Path(rubric).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise RecipeError(f"the rubric {rubric} cannot be read: {reason}") from error
    return _read(parse_prompt(text, Path(rubric), prompt_language(detect_language(text))), rubric)


def shipped_rubrics() -> list[str]:
    """Names of the rubrics that come with the package, sorted."""
    return sorted(path.stem for path in (PROMPTS / "en" / "rubrics").glob("*.md"))


def _read(prompt: Prompt, where: str) -> Rubric:
    if prompt.inputs or [role for role, _ in prompt.turns] != ["system"]:
        raise RecipeError(f"{where}: a rubric is one [system] turn without inputs")
    minimum, maximum = _level(prompt.meta, "minimum", where), _level(prompt.meta, "maximum", where)
    if minimum >= maximum:
        raise RecipeError(f"{where}: minimum ({minimum}) must be below maximum ({maximum})")
    judges = prompt.meta.get("judges", "answer")
    if judges not in ("answer", "instruction"):
        raise RecipeError(f"{where}: judges must be answer or instruction, not {judges!r}")
    return Rubric(prompt.name.split("/")[-1], prompt.turns[0][1], minimum, maximum, judges == "answer")


def _level(meta: Mapping[str, Any], key: str, where: str) -> int:
    level = meta.get(key)
    if not isinstance(level, int) or isinstance(level, bool):
        raise RecipeError(f"{where}: the header needs {key}, a whole number, not {level!r}")
    return level
