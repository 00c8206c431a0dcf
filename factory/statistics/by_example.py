"""Rows like good examples and unlike bad ones, by a classifier that has to prove itself first."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from factory.statistics.arrays import Floats, Ints, Rows
from factory.statistics.classify import (
    Classifier,
    Predicted,
    Validated,
    fold_numbers,
    group_folds,
    predict_unseen,
    validated,
)

Features: TypeAlias = NDArray[np.floating]

FEWEST = 10
"""Examples of each kind that a classifier is learnt from, at least."""
GOOD, BAD = "good", "bad"


class Learnt(NamedTuple):
    """A classifier of good and bad examples, and what it says of examples that it has not seen.

    unseen: the probability of each example to be good, by a classifier that has not seen its fold, shape (examples,)
    fold: the fold of each example, shape (examples,)
    """

    classifier: Classifier
    validated: Validated
    unseen: Floats
    fold: Ints

    @property
    def proven(self) -> bool:
        """Whether it is better than always naming the commoner kind: the interval of its accuracy lies above that."""
        return self.validated.low > self.validated.majority

    def good(self, rows: Features) -> Floats:
        """How likely each of these rows is to be good, shape (rows,)."""
        return probability_of_good(self.classifier.predict(rows))


def learn_by_example(
    rows: Features, is_good: Sequence[bool], seed: int = 0, groups: Ints | None = None, folds: int = 5
) -> Learnt:
    """Learn good from bad examples by a logistic regression, cross-validated with nested choice of its penalty.

    Args:
        rows: shape (examples, dimensions).
        groups: the lineage of each example, from 0, such as its prompt; those of one lineage are in one fold, and tell
            less than as many of their own.

    Raises:
        ValueError: there are fewer than `FEWEST` examples of a kind, or too few lineages to hold some out.
    """
    labels = [GOOD if good else BAD for good in is_good]
    for kind in (GOOD, BAD):
        if (count := labels.count(kind)) < FEWEST:
            raise ValueError(f"a classifier needs {FEWEST} {kind} examples or more, and there are {count:,}")
    fold = fold_numbers(labels, folds, seed) if groups is None else group_folds(labels, groups, folds, seed)
    unseen = predict_unseen(rows, labels, fold)
    found = validated(unseen.labels, labels, groups)
    return Learnt(Classifier(rows, labels), found, probability_of_good(unseen), fold)


def probability_of_good(predicted: Predicted) -> Floats:
    """The probability of each row to be good, of labels and how sure they are."""
    is_good = np.array([label == GOOD for label in predicted.labels], bool)
    return np.where(is_good, predicted.certainty, 1 - predicted.certainty)


class Judged(NamedTuple):
    """What the classifier says.

    good: the probability that a row is like the good examples, shape (rows,)
    validated: how well it tells good from bad examples that it has not seen
    proven: whether that is better than always naming the commoner kind
    """

    good: Floats
    validated: Validated
    proven: bool


def judge_by_example(pool: Rows, good: Rows, bad: Rows, seed: int = 0) -> Judged:
    """Learn good from bad examples, and how likely each row is to be good.

    A logistic regression; the authors' random forest over a code model's embeddings needs a hundred thousand labels.

    Args:
        pool: shape (rows, dimensions); good, bad: shape (examples, dimensions), of the same model.

    Raises:
        ValueError: there are fewer than `FEWEST` examples of a kind.

    Source: Textbooks Are All You Need (phi-1, arXiv 2306.11644), section 2.1.
    """
    learnt = learn_by_example(np.concatenate([good, bad]), [True] * len(good) + [False] * len(bad), seed)
    return Judged(learnt.good(pool), learnt.validated, learnt.proven)
