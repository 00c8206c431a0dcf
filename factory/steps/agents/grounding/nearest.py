"""The passage that shares most words with a question: where an answer would be that another page gives."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Sequence

from factory.steps.agents.flaws.stop_words import content_words
from factory.steps.agents.grounding.passages import Passage, rank

LEAST_SHARED = 2
"""Words that a passage shares with a question at the least, to be looked at."""


class NearestPassages:
    """Passages by the words that they hold.

    Words are counted, not weighed by how rare they are: so a page that changes changes no answer but its own.
    """

    def __init__(self, passages: Sequence[Passage]) -> None:
        self._holding: defaultdict[str, list[int]] = defaultdict(list)
        self._passages = passages
        for at, passage in enumerate(passages):
            for word in dict.fromkeys(content_words(passage.text)):
                self._holding[word].append(at)

    def to(self, question: str, but: Collection[str]) -> Passage | None:
        """The passage with most of the question's words, those with these ids apart; None where none has two."""
        shared = Counter(at for word in set(content_words(question)) for at in self._holding.get(word, ()))
        found = [
            (-number, rank(self._passages[at].id), at)
            for at, number in shared.items()
            if number >= LEAST_SHARED and self._passages[at].id not in but
        ]
        return self._passages[min(found)[2]] if found else None
