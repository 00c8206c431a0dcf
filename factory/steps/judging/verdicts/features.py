"""What a cheap model may know of a record without asking anybody: lengths, form, and scores it has already."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from factory.data.record import Record
from factory.data.text import prompt_language, rouge_tokens

if TYPE_CHECKING:
    from numpy.typing import NDArray

_LIST = re.compile(r"^\s*(?:[-*•]|\d+[.)、])\s", re.MULTILINE)
_END = re.compile(r"[.!?。！？…)\]）】」』\"'”`|]\s*\Z")


def simple_features(records: Sequence[Record]) -> NDArray[np.float64]:
    """Lengths and form of the instruction and the answer, shape (rows, 12)."""
    return np.array([_row(record) for record in records], np.float64).reshape(len(records), 12)


def _row(record: Record) -> list[float]:
    asked, said = rouge_tokens(record.prompt), rouge_tokens(record.output)
    shared = len(set(asked) & set(said))
    return [
        math.log1p(len(asked)),
        math.log1p(len(said)),
        math.log1p(len(said)) - math.log1p(len(asked)),
        len(set(said)) / max(1, len(said)),
        shared / max(1, len(set(asked))),
        math.log1p(record.output.count("\n")),
        math.log1p(len(_LIST.findall(record.output))),
        float("```" in record.output),
        sum(map(str.isdigit, record.output)) / max(1, len(record.output)),
        float(_END.search(record.output) is not None),
        float(len(record.messages) > 2),
        float(prompt_language(record.lang) == "zh"),
    ]


def score_features(records: Sequence[Record], names: Sequence[str]) -> NDArray[np.float64]:
    """The scores of these names, and for each whether it is missing, shape (rows, 2 * names).

    A missing one takes the mean of the others, which says nothing; that it is missing may.
    """
    columns: list[NDArray[np.float64]] = []
    for name in names:
        values = np.array([record.scores.get(name, np.nan) for record in records], np.float64)
        missing = ~np.isfinite(values)
        mean = values[~missing].mean() if not missing.all() else 0.0
        columns += [np.where(missing, mean, values), missing.astype(np.float64)]
    return np.column_stack(columns) if columns else np.zeros((len(records), 0))


def standardised(features: NDArray[np.float64]) -> NDArray[np.float64]:
    """The columns with mean 0 and standard deviation 1, without those that never change."""
    if not len(features):
        return features
    changing = features[:, np.ptp(features, axis=0) > 0]
    scaled: NDArray[np.float64] = (changing - changing.mean(axis=0)) / changing.std(axis=0)
    return scaled


def principal_components(vectors: NDArray[np.floating], number: int = 64) -> NDArray[np.float64]:
    """The directions in which the rows differ most, shape (rows, at most `number`), the largest first.

    A few hundred labels cannot teach the weights of every dimension of an embedding. All columns are scaled
    alike, to a mean variance of 1, so that a ridge holds back the directions in which little differs.
    """
    centred = vectors.astype(np.float64) - vectors.mean(axis=0, dtype=np.float64)
    _, directions = np.linalg.eigh(centred.T @ centred)
    found: NDArray[np.float64] = centred @ directions[:, ::-1][:, :number]
    size = float(np.sqrt(np.mean(found**2))) if found.size else 0.0
    return found / size if size > 0 else found
