"""Classifiers over embeddings, from labelled examples, and how well they do on examples they have not seen."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from factory.models.base import Vectors

Method = Literal["logistic", "ridge", "centroid"]


class Predicted(NamedTuple):
    """One entry for each row.

    labels: the likeliest label
    certainty: float64 between 0 and 1; for logistic the probability, else a softmax of the scores, which
        orders rows by how sure the classifier is but is no probability
    """

    labels: list[str]
    certainty: NDArray[np.float64]


class Classifier:
    """Labels by embedding: a linear classifier, or the nearest centroid.

    logistic: multinomial logistic regression; ridge: least squares on one-hot labels with an L2 penalty;
    centroid: the label whose mean embedding is nearest. Features are standardised first, since embeddings of a
    sentence encoder lie in a narrow cone.

    Args:
        vectors: shape (examples, dimensions).
        labels: one for each example, two different ones at least.

    Raises:
        ValueError: there are not two labels.
    """

    def __init__(self, vectors: Vectors, labels: Sequence[str], method: Method = "logistic") -> None:
        if len(set(labels)) < 2:
            raise ValueError("a classifier needs examples of two labels or more")
        rows = np.asarray(vectors, np.float64)
        self._mean, deviation = rows.mean(axis=0), rows.std(axis=0)
        self._scale = np.where(deviation > 1e-9, deviation, 1.0)
        self._method = method
        standard, names = self._standard(vectors), np.array(labels)
        if method == "centroid":
            self._classes = sorted(set(labels))
            self._centroids = np.stack([standard[names == label].mean(axis=0) for label in self._classes])
        else:
            self._linear = _linear(method).fit(standard, names)
            self._classes = [str(label) for label in self._linear.classes_]

    def predict(self, vectors: Vectors) -> Predicted:
        """The labels of these rows, shape (rows, dimensions)."""
        if not len(vectors):
            return Predicted([], np.zeros(0))
        rows = self._standard(vectors)
        shares = (
            self._linear.predict_proba(rows) if self._method == "logistic" else softmax(self._scores(rows))
        )
        best = shares.argmax(axis=1)
        return Predicted([self._classes[at] for at in best.tolist()], shares[np.arange(len(best)), best])

    def _scores(self, rows: NDArray[np.float64]) -> NDArray[np.float64]:
        if self._method == "centroid":  # the squared distance, by dimension, so that a softmax can tell
            squares = (rows**2).sum(axis=1, keepdims=True) + (self._centroids**2).sum(axis=1)
            nearness: NDArray[np.float64] = (2 * rows @ self._centroids.T - squares) / rows.shape[1]
            return nearness
        scores: NDArray[np.float64] = self._linear.decision_function(rows)
        return scores if scores.ndim == 2 else np.stack([-scores, scores], axis=1)

    def _standard(self, vectors: Vectors) -> NDArray[np.float64]:
        result: NDArray[np.float64] = (np.asarray(vectors, np.float64) - self._mean) / self._scale
        return result


def softmax(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    """Scores, shape (rows, labels), as shares that add up to 1 in each row."""
    powers = np.exp(scores - scores.max(axis=1, keepdims=True))
    shares: NDArray[np.float64] = powers / powers.sum(axis=1, keepdims=True)
    return shares


def _linear(method: Method) -> Any:
    from sklearn.linear_model import LogisticRegression, RidgeClassifier

    # Standardised features of a few hundred examples: a strong penalty keeps either from learning them by heart.
    if method == "logistic":
        return LogisticRegression(C=0.01, max_iter=500)
    return RidgeClassifier(alpha=300.0)


class Validated(NamedTuple):
    """How well a classifier does on examples it has not seen.

    accuracy: the share that got its own label; macro_f1: the mean of the labels' F1
    majority: the accuracy of always saying the commonest label
    """

    examples: int
    labels: int
    accuracy: float
    macro_f1: float
    majority: float


def cross_validate(
    vectors: Vectors, labels: Sequence[str], method: Method = "logistic", folds: int = 5, seed: int = 0
) -> Validated:
    """Accuracy by stratified cross-validation: each example is labelled by a classifier that has not seen it.

    A label of fewer examples than folds is spread over as many folds as it has examples.

    Raises:
        ValueError: without one of the folds there are not two labels left to learn.
    """
    names = np.array(labels)
    predicted = np.empty(len(names), dtype=object)
    fold = np.empty(len(names), np.int64)
    chance = np.random.default_rng(seed)
    for label in sorted(set(labels)):
        rows = chance.permutation(np.flatnonzero(names == label))
        # Begin anywhere, so that the remainders of the labels do not all fall to the first fold.
        fold[rows] = (np.arange(len(rows)) + chance.integers(folds)) % folds
    for held_out in range(folds):
        test = fold == held_out
        if test.any():
            model = Classifier(vectors[~test], names[~test].tolist(), method)
            predicted[test] = model.predict(vectors[test]).labels
    f1 = []
    for label in sorted(set(labels)):
        right = int(((predicted == label) & (names == label)).sum())
        f1.append(2 * right / (int((predicted == label).sum()) + int((names == label).sum())))
    return Validated(
        examples=len(names),
        labels=len(f1),
        accuracy=float((predicted == names).mean()),
        macro_f1=float(np.mean(f1)),
        majority=max(Counter(labels).values()) / len(names),
    )
