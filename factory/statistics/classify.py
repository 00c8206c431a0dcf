"""Classifiers over embeddings, from labelled examples, and how well they do on examples they have not seen."""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from factory.statistics.interval import share_interval

if TYPE_CHECKING:
    from factory.models.base import Vectors

Method = Literal["logistic", "ridge", "centroid"]

PENALTIES: dict[Method, tuple[float, ...]] = {
    "logistic": (100.0, 30.0, 300.0, 10.0, 1000.0),
    "ridge": (300.0, 1000.0, 100.0, 3000.0, 30.0),
}
"""Strengths of the L2 penalty to choose among: embeddings of a few hundred examples are learnt by heart without a
strong one. The first is what suits most sets, and is taken where others do no better."""
CHOOSING_FOLDS = 3
CHOOSING_EXAMPLES = 2000
"""Examples that a penalty is chosen on, so that choosing does not take long with many."""


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
        penalty: the strength of the L2 penalty; by default chosen by cross-validation within these examples, so
            that the accuracy on others stays honest.

    Raises:
        ValueError: there are not two labels.
    """

    def __init__(
        self,
        vectors: Vectors,
        labels: Sequence[str],
        method: Method = "logistic",
        penalty: float | None = None,
    ) -> None:
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
            penalty = choose_penalty(vectors, labels, method) if penalty is None else penalty
            with _threads().limit(limits=1):
                self._linear = _linear(method, penalty).fit(standard, names)
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


def _linear(method: Method, penalty: float) -> Any:
    from sklearn.linear_model import LogisticRegression, RidgeClassifier

    if method == "logistic":
        return LogisticRegression(C=1 / penalty, max_iter=500)
    return RidgeClassifier(alpha=penalty)


@functools.cache
def _threads() -> Any:
    """What limits the threads of numeric libraries: on small sets these wait for each other most of the time."""
    import sklearn.linear_model  # noqa: F401  the libraries to limit are found where they are loaded
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()


def choose_penalty(vectors: Vectors, labels: Sequence[str], method: Method) -> float:
    """The penalty of a linear method that labels most of these examples rightly in cross-validation."""
    names = np.array(labels)
    chance = np.random.default_rng(0)
    some = np.sort(chance.permutation(len(names))[:CHOOSING_EXAMPLES])
    rows, names = np.asarray(vectors)[some], names[some]
    fold = fold_numbers(names.tolist(), CHOOSING_FOLDS, 0)
    parts = [fold == held_out for held_out in range(CHOOSING_FOLDS) if (fold == held_out).any()]
    first, *others = PENALTIES[method]
    if any(len(set(names[~test].tolist())) < 2 for test in parts):
        return first

    def right(penalty: float) -> int:
        found = 0
        for test in parts:
            model = Classifier(rows[~test], names[~test].tolist(), method, penalty)
            found += int((np.array(model.predict(rows[test]).labels) == names[test]).sum())
        return found

    return max((first, *others), key=right)


def fold_numbers(labels: Sequence[str], folds: int, seed: int) -> NDArray[np.int64]:
    """The fold of each example, shape (examples,): each label is spread over the folds evenly."""
    names = np.array(labels)
    fold = np.empty(len(names), np.int64)
    chance = np.random.default_rng(seed)
    for label in sorted(set(labels)):
        rows = chance.permutation(np.flatnonzero(names == label))
        # Begin anywhere, so that the remainders of the labels do not all fall to the first fold.
        fold[rows] = (np.arange(len(rows)) + chance.integers(folds)) % folds
    return fold


def group_folds(labels: Sequence[str], groups: NDArray[np.int64], folds: int, seed: int) -> NDArray[np.int64]:
    """As `fold_numbers`, the examples of one group in one fold, and each label spread as evenly as that allows.

    groups: the number of each example's group, from 0, shape (examples,)
    """
    sizes = np.bincount(groups)
    if sizes.max(initial=0) < 2:
        return fold_numbers(labels, folds, seed)
    _, label = np.unique(np.array(labels), return_inverse=True)
    parts = np.zeros((len(sizes), label.max() + 1))
    np.add.at(parts, (groups, label), 1)
    parts /= parts.sum(axis=0)
    chance = np.random.default_rng(seed)
    order = chance.permutation(np.flatnonzero(sizes))
    held = np.zeros((folds, parts.shape[1]))
    fold = np.zeros(len(sizes), np.int64)
    for group in order[np.argsort(-sizes[order], kind="stable")].tolist():
        # The fold that has least of what this group has most of.
        fold[group] = np.argmin(((held + parts[group]) ** 2).sum(axis=1) - (held**2).sum(axis=1))
        held[fold[group]] += parts[group]
    return fold[groups]


def predict_unseen(
    vectors: Vectors, labels: Sequence[str], fold: NDArray[np.int64], method: Method = "logistic"
) -> Predicted:
    """The label of each example by a classifier that has not seen its fold.

    Raises:
        ValueError: without one of the folds there are not two labels left to learn.
    """
    names = np.array(labels)
    predicted, certainty = np.empty(len(names), dtype=object), np.zeros(len(names))
    for held_out in np.unique(fold).tolist():
        test = fold == held_out
        model = Classifier(vectors[~test], names[~test].tolist(), method)
        predicted[test], certainty[test] = model.predict(vectors[test])
    return Predicted(predicted.tolist(), certainty)


class Validated(NamedTuple):
    """How well a classifier does on examples it has not seen.

    accuracy: the share that got its own label, with its 95 % interval (Wilson's) as low and high
    macro_f1: the mean of the labels' F1
    majority: the accuracy of always saying the commonest label
    """

    examples: int
    labels: int
    accuracy: float
    macro_f1: float
    majority: float
    low: float
    high: float


def cross_validate(
    vectors: Vectors, labels: Sequence[str], method: Method = "logistic", folds: int = 5, seed: int = 0
) -> Validated:
    """Accuracy by stratified cross-validation: each example is labelled by a classifier that has not seen it.

    The penalty too is chosen without the held-out examples (nested cross-validation). A label of fewer examples
    than folds is spread over as many folds as it has examples.

    Raises:
        ValueError: without one of the folds there are not two labels left to learn.
    """
    predicted = predict_unseen(vectors, labels, fold_numbers(labels, folds, seed), method)
    return validated(predicted.labels, labels)


def validated(
    predicted: Sequence[str], labels: Sequence[str], groups: NDArray[np.int64] | None = None
) -> Validated:
    """How well labels that were predicted for unseen examples do.

    groups: the lineage of each example, as `share_interval` takes it
    """
    found, names = np.array(predicted, dtype=object), np.array(labels)
    f1 = []
    for label in sorted(set(labels)):
        right = int(((found == label) & (names == label)).sum())
        f1.append(2 * right / (int((found == label).sum()) + int((names == label).sum())))
    low, high = share_interval(found == names, groups) or (0.0, 1.0)
    return Validated(
        examples=len(names),
        labels=len(f1),
        accuracy=float((found == names).mean()),
        macro_f1=float(np.mean(f1)),
        majority=max(Counter(labels).values()) / len(names),
        low=low,
        high=high,
    )
