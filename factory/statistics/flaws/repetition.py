"""Texts that go round in a loop, as those of small models do that find no end."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable

from factory.data.text import rouge_tokens, shorten
from factory.statistics.flaws.flaw import Flaw

RUN = 6
"""So many words, or Chinese characters, in a row that come again are a repetition."""
TIMES = 3
LEAST_WORDS = 40
"""A shorter text is no loop: a refrain or a row of a table comes again, too."""
LEAST_SHARE = 0.75
"""Of a loop so much of the text comes again and again; of tables, verse and code it is less."""

_ASKED_FOR = re.compile(r"\brepeat|\btimes\b|\bover and over\b|重复|重複|反复|[遍次]", re.IGNORECASE)


def repeated(text: str, said: str) -> str:
    """The first words that a text has three times and more, and `said` has not; or ""."""
    counts, known = Counter(_runs(text)), set(_runs(said))
    return " ".join(next((run for run, n in counts.items() if n >= TIMES and run not in known), ()))


def loop_flaw(text: str, said: str, what: str) -> Flaw | None:
    """`what` (such as "the answer") says little but the same words again and again, which `said` does not ask for."""
    least = LEAST_WORDS + RUN - 1
    if len(text) < (2 * least - 1 if text.isascii() else least):  # too short for so many words, or characters
        return None
    if _ASKED_FOR.search(said):
        return None
    runs = _runs(text)
    # What comes three times and more is at most a third of its places; the rest may all be different.
    if len(runs) < LEAST_WORDS or len(set(runs)) > (1 - LEAST_SHARE * (1 - 1 / TIMES)) * len(runs) + 1:
        return None
    counts, known = Counter(runs), set(_runs(said))
    again = [run for run in runs if counts[run] >= TIMES and run not in known]
    if len(again) < LEAST_SHARE * len(runs):
        return None
    share = len(again) / len(runs)
    return Flaw("repetition", f"{what} goes round in a loop: {_words(again[0])!r}", {"share": share})


def _words(run: Iterable[str]) -> str:
    return shorten(" ".join(run), 60)


def _runs(text: str) -> list[tuple[str, ...]]:
    words = rouge_tokens(text)
    return list(zip(*(words[at:] for at in range(RUN)), strict=False))
