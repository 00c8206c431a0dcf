"""The ROUGE-L join past one machine."""

from __future__ import annotations

import functools
from collections.abc import Sequence

from factory.steps.dedup.joins.ray import SMALLEST, join_on_ray
from factory.steps.dedup.joins.signs import Signs
from factory.steps.dedup.rouge.join import RougeMatches, as_matches, encode, rouge_join, rouge_join_block


def rouge_join_on_ray(
    tokens: Sequence[Sequence[str]],
    threshold: float,
    *,
    reference: Sequence[Sequence[str]] = (),
    signs: Signs | None = None,
) -> RougeMatches:
    """`rouge_join`, by the processors of the `ray_session` that it is called in.

    The tokens are numbered here, so that this machine has room for all texts.

    Raises:
        ValueError: as `rouge_join`.
    """
    if len(tokens) + len(reference) <= SMALLEST or not 0 <= threshold < 1:
        return rouge_join(tokens, threshold, reference=reference, signs=signs)
    from factory.statistics.rouge import kernel as rouge_kernel  # noqa: F401 - compiled once, before the workers ask for it

    texts, vocabulary = encode([*reference, *tokens], signs)
    join = functools.partial(rouge_join_block, threshold=threshold, vocabulary=vocabulary)
    nearest, f = join_on_ray(texts.take, len(reference), len(tokens), join)
    return as_matches(nearest, f, len(reference))
