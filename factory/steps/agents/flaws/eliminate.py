"""The eliminator of Evol-Instruct: what makes an evolution a failed one (arXiv 2304.12244, section 3.2).

The paper names four rules: (a) the evolved instruction brings no information gain over the original, which
a model decides (see `evolve.py`); (b) the answer says "sorry" and is shorter than 80 words; (c) the answer
holds nothing but punctuation and stop words; (d) the evolved instruction copies words of the evolving
prompt. Here are (b) to (d), with Chinese beside English, and what needs no rule: an empty, an unchanged, a
cut text. By their letter (b) and (c) let asked-for apologies and answers such as "No." go: see `answer_flaw`.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping
from typing import TypeAlias

from factory.data.prompt import Prompt
from factory.data.text import normal_form, rouge_tokens, shorten, word_count
from factory.models.base import Answer
from factory.statistics.flaws.flaw import Flaw
from factory.statistics.flaws.placeholders import placeholder
from factory.statistics.flaws.refusals import REFUSAL_WORDS, refusal
from factory.steps.agents.flaws.short_answers import is_short_answer
from factory.steps.agents.flaws.stop_words import has_content

COPIED_WORDS: Mapping[str, int] = {"en": 8, "zh": 12}
"""So many words in a row, or Chinese characters, are copied from a prompt rather than met by chance."""

_TEMPLATE_WORDS = re.compile(
    r"(?:given|rewritten|created|evolved)[ _](?:prompt|instruction)"
    r"|</?(?:instruction|conversation)(?:-[0-9a-f]{8})?>"
    r"|[#＃][^#＃\n]{0,30}(?:prompt|instruction|提示|指令)[^#＃\n]{0,10}[#＃]"
    r"|(?:给定的?|所给的?|(?:改写|重写|演化)后的?|(?:改写|重写|创建|新建)的|新建)(?:提示词|提示|指令)"
    r"|(?:給定的?|所給的?|(?:改寫|重寫)後的?|(?:改寫|重寫|建立)的)(?:提示詞|提示|指令)",
    re.IGNORECASE,
)


def truncation_flaw(answer: Answer[object], what: str) -> Flaw | None:
    """`what` (such as "the answer") was cut by the token limit."""
    if answer.finish_reason != "length":
        return None
    return Flaw("truncated", f"{what} was cut by the token limit", {"words": word_count(answer.text)})


def instruction_flaw(evolved: str, parent: str, prompt: Prompt) -> Flaw | None:
    """What is wrong with an evolved instruction by its text alone: empty, unchanged, a refusal, or rule (d)."""
    if not rouge_tokens(evolved):
        return Flaw("empty", "the evolved instruction is empty")
    if normal_form(evolved) == normal_form(parent):
        return Flaw("unchanged", "the evolved instruction is the one it was made from")
    # An instruction that began so itself is no refusal.
    if word_count(evolved) < REFUSAL_WORDS and not refusal(parent) and (refused := refusal(evolved, parent)):
        return Flaw("refusal", f"the evolving model says {refused!r} in place of an instruction")
    leak = template_leak(evolved, parent, prompt)
    if leak:
        copied = shorten(leak, 60)
        return Flaw("template_leak", f"the evolved instruction copies {copied!r} from the evolving prompt")
    return None


def template_leak(evolved: str, parent: str, prompt: Prompt) -> str:
    """The words of the evolving prompt that `evolved` copies, or "": rule (d).

    Those are phrases such as "rewritten prompt", marks such as "#Instruction#", and COPIED_WORDS in a row of
    the prompt's rules and examples, which small models like to repeat. What the parent says already was not
    copied: an instruction about prompts may say "the given prompt".
    """
    said = parent.casefold()
    for match in _TEMPLATE_WORDS.finditer(evolved):
        if match[0].casefold() not in said:
            return match[0]
    size = COPIED_WORDS[prompt.language]
    copied = _prompt_runs(prompt.turns, size).difference(_runs(parent, size))
    found = next((run for run in _runs(evolved, size) if run in copied), ())
    return ("" if prompt.language == "zh" else " ").join(found)


def sentence_leak(text: str, prompt: Prompt) -> str:
    """`text` where all its words, four at least, stand in a row in a turn of the prompt; else ""."""
    words = rouge_tokens(text)
    said = f" {' '.join(words)} "
    copied = any(said in f" {' '.join(rouge_tokens(turn))} " for _, turn in prompt.turns)
    return text if copied and len(words) >= 4 else ""


def tag_leak(text: str, said: str, prompt: Prompt) -> str:
    """A tag of the prompt, such as </text>, that `text` holds and what was `said` does not; or ""."""
    names = "|".join(map(re.escape, prompt.inputs))
    found = re.search(rf"</?(?:{names})(?:-[0-9a-f]{{8}})?>", text, re.IGNORECASE) if names else None
    return found[0] if found and found[0].casefold() not in said.casefold() else ""


Run: TypeAlias = tuple[str, ...]


def _runs(text: str, size: int) -> list[Run]:
    """Every `size` words in a row of `text`."""
    words = rouge_tokens(text)
    return [tuple(words[start : start + size]) for start in range(len(words) - size + 1)]


@functools.lru_cache(maxsize=64)
def _prompt_runs(turns: tuple[tuple[str, str], ...], size: int) -> frozenset[Run]:
    return frozenset(run for _, text in turns for run in _runs(text, size))


def echo_flaw(answer: str, prompt: str) -> Flaw | None:
    """The answer only says again what was asked."""
    if not answer.strip() or answer.strip() != prompt.strip():
        return None
    return Flaw("echo", "the model's answer is the prompt again")


def answer_flaw(answer: str, instruction: str = "") -> Flaw | None:
    """What is wrong with an answer to `instruction` by its text alone: the prompt again, and rules (b) and (c).

    The paper's words for these are "sorry" in fewer than 80 words, and nothing but punctuation and stop words.
    Here an apology that was asked for, or that does not open the answer, is no refusal (`refusals.refusal`), and
    an option, a yes or no, a sign that was asked for is an answer (`short_answers.is_short_answer`).
    """
    if flaw := echo_flaw(answer, instruction):
        return flaw
    if not has_content(answer) and not is_short_answer(answer, instruction):
        return Flaw("empty_answer", "the answer holds nothing but punctuation and stop words")
    if left := placeholder(answer, instruction):
        return Flaw("placeholder", f"the answer holds {shorten(left, 40)!r} in place of what was asked")
    words = word_count(answer)
    if words < REFUSAL_WORDS and (refused := refusal(answer, instruction)):
        return Flaw("refusal", f"the answer says {refused!r} in {words} words", {"words": words})
    return None
