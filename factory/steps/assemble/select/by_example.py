"""Rows like good examples and unlike bad ones, by a classifier over embeddings that has to prove itself first."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from factory.statistics.arrays import Floats, Rows
from factory.statistics.classify import Classifier, Validated, cross_validate

FEWEST = 10
"""Examples of each kind that a classifier is learnt from, at least."""
GOOD, BAD = "good", "bad"


class Judged(NamedTuple):
    """What the classifier says.

    good: the probability that a row is like the good examples, shape (rows,)
    validated: how well it tells good from bad examples that it has not seen
    """

    good: Floats
    validated: Validated

    @property
    def proven(self) -> bool:
        """Whether it is better than always naming the commoner kind: the interval of its accuracy lies above that."""
        return self.validated.low > self.validated.majority


def judge_by_example(pool: Rows, good: Rows, bad: Rows, seed: int = 0) -> Judged:
    """Learn good from bad examples, and how likely each row is to be good.

    A logistic regression; the authors' random forest over a code model's embeddings needs a hundred thousand labels.

    Args:
        pool: shape (rows, dimensions); good, bad: shape (examples, dimensions), of the same model.

    Raises:
        ValueError: there are fewer than `FEWEST` examples of a kind.

    Source: Textbooks Are All You Need (phi-1, arXiv 2306.11644), section 2.1.
    """
    for examples, kind in ((good, GOOD), (bad, BAD)):
        if len(examples) < FEWEST:
            raise ValueError(
                f"a classifier needs {FEWEST} {kind} examples or more, and there are {len(examples):,}"
            )
    vectors = np.concatenate([good, bad])
    labels = [GOOD] * len(good) + [BAD] * len(bad)
    validated = cross_validate(vectors, labels, seed=seed)
    predicted = Classifier(vectors, labels).predict(pool)
    is_good = np.array([label == GOOD for label in predicted.labels], bool)
    return Judged(np.where(is_good, predicted.certainty, 1 - predicted.certainty), validated)
