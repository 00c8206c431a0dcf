"""How alike two texts are, word for word."""

from __future__ import annotations

from factory.data.text import rouge_tokens


def rouge_l(first: str, second: str) -> float:
    """ROUGE-L F-measure of two texts over `rouge_tokens`, from 0 to 1; 0 where one has no word.

    The same number as rouge-score's. For the few turns of a conversation: no compiled loops have to be loaded for it.

    Source: Lin (2004); the longest common subsequence by bit vectors, Hyyrö (2004).
    """
    one, other = rouge_tokens(first), rouge_tokens(second)
    if not one or not other:
        return 0.0
    places: dict[str, int] = {}
    for at, word in enumerate(one):
        places[word] = places.get(word, 0) | 1 << at
    full = free = (1 << len(one)) - 1
    for word in other:
        met = free & places.get(word, 0)
        free = ((free + met) | (free - met)) & full
    common = len(one) - free.bit_count()
    precision, recall = common / len(other), common / len(one)
    return 2 * precision * recall / (precision + recall) if common else 0.0
