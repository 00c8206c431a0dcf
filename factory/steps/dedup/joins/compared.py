"""What is compared of a record by its words: its text, and by the prompt the input apart."""

from __future__ import annotations

import re
from typing import NamedTuple, Self

from factory.data.record import INPUT_SEPARATOR
from factory.data.table import Table
from factory.data.text import rouge_tokens
from factory.step import Context

_LETTER_OR_DIGIT = re.compile(r"[^\W_]")


class Compared(NamedTuple):
    """What is compared of each record.

    texts: the text; "" for one that is compared with nothing
    inputs: what a duplicate must share beside it; "" where there is none
    blank: how many have no text, or by both no prompt
    wordless: how many have signs or emoji but no words
    """

    texts: list[str]
    inputs: list[str]
    blank: int
    wordless: int

    @classmethod
    def of(cls, table: Table, field: str) -> Self:
        """What is compared by `field`: `texts_and_inputs`.

        A text without words is compared with nothing. By both, prompt and output, neither is one whose prompt has
        no words: what two answers share is no likeness of their prompts.
        """
        texts, inputs = texts_and_inputs(table, field)
        asked = table.texts("prompt", compared=True) if field == "both" else texts
        blank = wordless = 0
        for at, prompt in enumerate(asked):
            if not has_words(prompt):
                written = bool(prompt.strip())
                wordless, blank = wordless + written, blank + (not written)
                texts[at] = inputs[at] = ""
        return cls(texts, inputs, blank, wordless)

    def tell(self, context: Context) -> None:
        """Count what is compared with nothing."""
        context.count("records_without_text", self.blank)
        context.count("records_without_words", self.wordless)
        if self.wordless:
            have = "record has" if self.wordless == 1 else "records have"
            context.warn(
                f"{context.step}: {self.wordless:,} {have} signs or emoji but no words to compare, and nothing was "
                "compared with them: `dedup_exact` finds those that are the same"
            )


def has_words(text: str) -> bool:
    """Whether a text has a letter, a digit, or another of `rouge_tokens`."""
    return bool(_LETTER_OR_DIGIT.search(text) or rouge_tokens(text))


def texts_and_inputs(table: Table, field: str) -> tuple[list[str], list[str]]:
    """Of each record the text that is compared, and the input that a duplicate must share; "" where it has none.

    By the prompt the instruction is the text, so that a long instruction does not make two short inputs alike, nor
    a long input two short instructions; where that is blank, the input is. Pictures that the prompt shows count as
    part of the input. By any other field there is the text alone.
    """
    texts = table.texts("instruction" if field == "prompt" else field, compared=True)
    if field != "prompt":
        return texts, [""] * len(texts)
    inputs = [
        f"{shown}{own}" if shown or own.strip() else ""
        for shown, own in zip(_pictures(table), table.texts("input"), strict=True)
    ]
    for at, text in enumerate(texts):
        if not text.strip():
            texts[at], inputs[at] = inputs[at], ""
    return texts, inputs


def _pictures(table: Table) -> list[str]:
    """What each prompt shows, before its words."""
    turns = table.arrow.column("messages").combine_chunks().values
    if turns.field("media").null_count == len(turns):
        return [""] * len(table)
    parts = zip(table.texts("prompt"), table.texts("instruction"), table.texts("input"), strict=True)
    return [
        prompt[: len(prompt) - len(instruction) - (len(own) + len(INPUT_SEPARATOR) if own else 0)]
        for prompt, instruction, own in parts
    ]
