"""What is wrong with the name of a task, or with an instruction for it, by its text alone."""

from __future__ import annotations

import functools
import json
import re

from factory.data.prompt import Prompt
from factory.data.text import detect_language, normal_form, prompt_language, rouge_tokens, shorten, word_count
from factory.statistics.flaws.flaw import Flaw
from factory.statistics.flaws.refusals import refusal
from factory.steps.agents.exploring.plan_file import NAME_CHARACTERS
from factory.steps.agents.flaws.eliminate import template_leak

LENGTHS = {"en": (3, 150), "zh": (5, 250)}
"""The least and the most words of an instruction, or Chinese characters: with fewer it says nothing, and one with more
is no instruction alone. English as in Self-Instruct (arXiv 2212.10560), as the code of Explore-Instruct counts."""

_LISTED = re.compile(r"\A\s*(?:(?:\d{1,3}\s*[.)、．：:]|[-•–]|\*(?=\s)|#{1,6}|[（(]\d{1,3}[)）])\s*)+")
_QUOTES = {'"': '"', "“": "”", "「": "」", "‘": "’", "《": "》"}
_STRESSED = re.compile(r"(\*{1,3}|_{1,3}|`)(?!\s)((?:(?!\1).)+)(?<!\s)\1")
_KNOWN = ("en", "zh", "ja", "ko", "ru")
"""The languages that a script shows."""


_TAG = re.compile(r"[<＜]\s*[/／]?\s*(?:domain|task|existing|number)(?:-[0-9a-f]{8})?\s*[>＞]", re.IGNORECASE)
"""A tag of the prompts, with the mark that one gets where data holds such a tag."""


def clean_line(text: str) -> str:
    """One line, without the number, dash, quotes or stars that models put about the item of a list."""
    line = " ".join(_LISTED.sub("", text).split())
    while True:
        stressed = _STRESSED.fullmatch(line)
        inner = stressed[2] if stressed else line[1:-1].strip()
        quoted = len(line) > 2 and _QUOTES.get(line[0]) == line[-1] and line[0] not in inner
        if not stressed and not quoted:
            return line
        line = inner


def name_flaw(name: str, above: str, language: str, prompt: Prompt) -> Flaw | None:
    """What is wrong with the name of a sub-task of `above`; that it is too close to another is told elsewhere."""
    if not rouge_tokens(name):
        return Flaw("empty", "a sub-task without a name")
    if len(name) > NAME_CHARACTERS:
        return Flaw("too_long", f"a name of {len(name)} characters")
    return _shared_flaw(name, above, language, prompt)


def instruction_flaw(instruction: str, task: str, language: str, prompt: Prompt) -> Flaw | None:
    """What is wrong with an instruction for `task`; that it is too close to another is told elsewhere."""
    words = word_count(instruction)
    if not words:
        return Flaw("empty", "the instruction is empty")
    if normal_form(clean_line(instruction)) == normal_form(task):
        return Flaw("unchanged", "the instruction is the name of its task")
    least, most = LENGTHS[prompt_language(language)]
    if words < least:
        return Flaw("too_short", f"the instruction has {words} words", {"words": words})
    if words > most:
        return Flaw("too_long", f"the instruction has {words} words", {"words": words})
    return _shared_flaw(instruction, task, language, prompt)


def _shared_flaw(text: str, task: str, language: str, prompt: Prompt) -> Flaw | None:
    if refused := refusal(text, task):
        return Flaw("refusal", f"the model refuses: {shorten(refused, 60)!r}")
    spoken = detect_language(text)
    if spoken and language in _KNOWN and spoken != language and (language != "zh" or not _few_words(text)):
        return Flaw("other_language", f"it is written in {spoken!r}, not in {language!r}")
    if (tag := _TAG.search(text)) and tag[0] not in task:
        return Flaw("template_leak", f"it holds the tag {tag[0]!r} of the prompt")
    if normal_form(text) in _examples(prompt.turns) and normal_form(text) not in normal_form(task):
        return Flaw("template_leak", "it is an example of the prompt")
    if leak := template_leak(text, task, prompt):
        return Flaw("template_leak", f"it copies {shorten(leak, 60)!r} from the prompt")
    return None


def _few_words(text: str) -> bool:
    """Whether a text may be a name that Chinese writes in Latin letters: Photoshop, Python 3."""
    return word_count(text) <= 2


@functools.lru_cache(maxsize=64)
def _examples(turns: tuple[tuple[str, str], ...]) -> frozenset[str]:
    """The texts that the examples of a prompt reply with, in their normal form."""
    found: set[str] = set()

    def gather(value: object) -> None:
        if isinstance(value, str):
            found.add(normal_form(value))
        elif isinstance(value, dict | list):
            for part in value.values() if isinstance(value, dict) else value:
                gather(part)

    for role, text in turns:
        if role == "assistant":
            gather(json.loads(text))
    return frozenset(found)
