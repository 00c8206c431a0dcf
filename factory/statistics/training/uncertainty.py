"""Prompt uncertainty of tasks: how much what a model thinks of its answer hangs on the wording of the instruction."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple, TypeAlias

import numpy as np

from factory.data.text import rouge_tokens
from factory.statistics.interval import Interval, mean_interval

DROPPED = 0.2
VARIANTS = 10
INSTANCES = 10

Kind: TypeAlias = Literal["ambiguous", "difficult", "easy"]


class TaskUncertainty(NamedTuple):
    """How uncertain a task's prompts leave a model.

    uncertainty: the mean over instances and variants of |P(y | variant) - P(y | instruction)|, from 0 to 1, where P is
        the probability of a token of the answer, as a geometric mean
    interval: over the instances; None below two
    probability: the mean of P(y | instruction)
    kind: ambiguous: uncertain; of the others difficult where the probability is below the median, else easy
    """

    task: str
    instances: int
    uncertainty: float
    interval: Interval | None
    probability: float
    kind: Kind


def task_uncertainty(rows: Mapping[str, Sequence[tuple[float, Sequence[float]]]]) -> list[TaskUncertainty]:
    """The tasks, the most uncertain first.

    rows: for each task its instances: the loss of the answer, nats a token, under the instruction, and under variants
        of it from which words were dropped

    Source: Active Instruction Tuning (arXiv 2311.00288): 10 instances, 10 variants, a word is dropped with probability
    0.2. The halves of the task map (uncertainty and probability above their medians) are ours.
    """
    found = []
    for task, instances in rows.items():
        own = [
            float(np.mean(np.abs(np.exp(-np.asarray(others, np.float64)) - np.exp(-loss))))
            for loss, others in instances
        ]
        sure = float(np.mean([np.exp(-loss) for loss, _ in instances]))
        found.append((task, len(own), float(np.mean(own)), mean_interval(own), sure))
    middle, typical = (float(np.median([row[at] for row in found])) for at in (2, 4))
    kinds: list[Kind] = [
        "ambiguous" if row[2] > middle else "difficult" if row[4] < typical else "easy" for row in found
    ]
    return sorted(
        (
            TaskUncertainty(task, number, mean, _within(sure), likely, kind)
            for (task, number, mean, sure, likely), kind in zip(found, kinds, strict=True)
        ),
        key=lambda one: (-one.uncertainty, one.task),
    )


def _within(interval: Interval | None) -> Interval | None:
    return None if interval is None else (max(0.0, interval[0]), min(1.0, interval[1]))


def variant(text: str, chance: random.Random, dropped: float = DROPPED) -> str:
    """The text with each word, or Chinese character, dropped with this probability; one at least stays.

    What stands between the words stays, white space folded.
    """
    words = rouge_tokens(text)
    if not words:
        return text
    gone = [chance.random() < dropped for _ in words]
    if all(gone):
        gone[chance.randrange(len(words))] = False
    lowered, at, kept = text.lower(), 0, []
    if len(lowered) != len(text):  # a letter whose small form is longer: then places do not fit
        lowered = text = lowered
    for word, drop in zip(words, gone, strict=True):
        start = lowered.find(word, at)
        if start < 0:
            continue
        kept.append(text[at:start])
        if not drop:
            kept.append(text[start : start + len(word)])
        at = start + len(word)
    return " ".join("".join([*kept, text[at:]]).split())
