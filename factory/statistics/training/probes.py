"""Probes of a model in training: texts that are answers or are not, and prompts that are whole or cut."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from factory.data.text import rouge_tokens

if TYPE_CHECKING:
    from factory.data.record import Record

FEWEST_WORDS = 8
"""Words, or Chinese characters, of an instruction that is cut in two."""
ANSWER, CONTINUATION = "answer", "continuation"


def cut(text: str) -> tuple[str, str] | None:
    """A text in two at the middle of its words; None where it has fewer than `FEWEST_WORDS`."""
    words = rouge_tokens(text)
    if len(words) < FEWEST_WORDS:
        return None
    lowered, at = text.lower(), 0
    if len(lowered) != len(text):
        text = lowered
    for word in words[: len(words) // 2]:
        found = lowered.find(word, at)
        if found < 0:
            return None
        at = found + len(word)
    return text[:at].rstrip(), text[at:].lstrip()


def examples(records: Iterable[Record], most: int, seed: int) -> tuple[list[str], list[str]]:
    """Texts and whether each is an answer, half of them: the answers of some records, of others a continuation of the
    instruction, every second one with the answer behind. No record is on both sides.

    Source: Becoming self-instruct (arXiv 2307.03692): R is an answer; Ic and Ic + R are none.
    """
    usable = [
        (halves[1], record.output)
        for record in records
        if record.output.strip() and (halves := cut(record.instruction)) is not None
    ]
    order = np.random.default_rng(seed).permutation(len(usable))[: most - most % 2].tolist()
    texts, labels = [], []
    for number, at in enumerate(order[: len(order) - len(order) % 2]):
        continuation, answer = usable[at]
        if number % 2:
            texts.append(continuation if number % 4 == 1 else f"{continuation}\n{answer}")
            labels.append(CONTINUATION)
        else:
            texts.append(answer)
            labels.append(ANSWER)
    return texts, labels


def probes(records: Sequence[Record], number: int, seed: int) -> Iterator[dict[str, Any]]:
    """So many prompts for a model in training, every second one cut in the middle (`fragment`)."""
    usable = [(record, halves) for record in records if (halves := cut(record.instruction)) is not None]
    for count, at in enumerate(np.random.default_rng(seed).permutation(len(usable))[:number].tolist()):
        record, halves = usable[at]
        fragment = count % 2 == 0
        yield {"id": record.id, "fragment": fragment, "prompt": halves[0] if fragment else record.prompt}
