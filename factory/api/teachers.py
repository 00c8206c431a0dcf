"""Which teacher's answers fit a student: each answers the same prompts, and the student scores them all."""

from __future__ import annotations

import math
import random
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from factory.api.dataset import Dataset, load
from factory.data.record import Candidate, Message, Record
from factory.data.text import is_blank, word_count
from factory.engine.progress import RunProgress
from factory.errors import CannotScore, InputError
from factory.report.teachers import Answers, TeacherFits, compare
from factory.steps.score.likelihood.fit import NO_LOGPROBS

PROMPTS = 200
"""Prompts that each teacher answers: as many as the authors of RSR found to be enough (arXiv 2601.14249)."""


def compare_teachers(
    data: Dataset,
    student: Any,
    teachers: Mapping[str, Any],
    *,
    prompts: int = PROMPTS,
    temperature: float = 0.7,
    max_tokens: int = 1024,
    template: str = "chat",
    seed: int = 0,
    journal: str | Path | None = None,
    show_progress: bool | None = None,
) -> tuple[TeacherFits, list[RunProgress]]:
    """How well each teacher's answers to prompts of `data` fit the student, by GRAPE and RSR (the step `fit`).

    A prompt that a teacher gives no answer to counts for that teacher alone. Also gives what came of each run: those of
    the teachers, then that of the student.

    Args:
        student, teachers: models, as a step's `model` takes them; the teachers by name
        prompts: at most so many of the set's prompts, drawn by the seed

    Raises:
        InputError: no record has a prompt, or no teacher answered one.
        RecipeError, RunStopped: a model cannot be had, or cannot score a given text.
    """
    asked = [
        replace(record, messages=record.conversation, answers=(), chosen=-1, scores={}, notes={}, missing={})
        for record in data
        if not is_blank(record.prompt)
    ]
    if not asked:
        raise InputError("no record has a prompt to answer")
    if len(asked) > prompts:
        asked = [
            asked[at] for at in sorted(random.Random(f"teachers {seed}").sample(range(len(asked)), prompts))
        ]
    ran: list[RunProgress] = []

    def run(dataset: Dataset) -> Dataset:
        done = dataset.run(seed=seed, journal=journal, show_progress=show_progress)
        if done.progress is not None:
            ran.append(done.progress)
        return done

    answered: list[dict[int, Candidate]] = []
    failures: list[dict[str, int]] = []
    # Numbers tell apart prompts that are the same row twice.
    numbered = [replace(record, id=f"{at:08d}") for at, record in enumerate(asked)]
    # All of them before any is asked: an option that is none is found at once.
    answering = {
        name: load(numbered).then(
            "respond", model=teacher, temperature=temperature, max_tokens=max_tokens, overwrite=True
        )
        for name, teacher in teachers.items()
    }
    # A student that cannot score is found before a teacher is paid.
    turns = (*numbered[0].conversation, Message("assistant", "Yes."))
    tried = replace(numbered[0], messages=turns, answers=(), chosen=-1)
    for record in (
        load([tried])
        .then("fit", model=student, template=template)
        .run(seed=seed, journal=journal, show_progress=False)
    ):
        if NO_LOGPROBS in record.missing.values():
            raise CannotScore(NO_LOGPROBS.reason)
    for name, asking in answering.items():
        done = run(asking)
        answered.append(
            {int(record.id): Candidate(record.messages[record.last_user + 1 :], name) for record in done}
        )
        failures.append(dict(Counter(_why(record) for record in done.dropped).most_common()))
    if not any(answered):
        raise InputError(
            f"no teacher answered a prompt: {next(iter(Counter(failures[0])), 'nothing came back')}"
        )
    together = []
    for at, record in enumerate(numbered):
        answers = tuple(answers[at] for answers in answered if at in answers)
        if answers:
            together.append(replace(record, answers=answers))
    scored = run(load(together).then("fit", model=student, template=template))
    found = {int(record.id): {answer.model: answer for answer in record.answers} for record in scored}
    suffix = "" if template == "chat" else f".{template}"
    columns = [
        Answers(
            name,
            _column(found, name, len(numbered), f"grape{suffix}"),
            _column(found, name, len(numbered), f"rsr{suffix}"),
            np.array(
                [word_count(answers[at].text) if at in answers else math.nan for at in range(len(numbered))]
            ),
            failed,
        )
        for name, answers, failed in zip(teachers, answered, failures, strict=True)
    ]
    return compare(columns, seed), ran


def _column(
    found: Mapping[int, Mapping[str, Candidate]], name: str, rows: int, score: str
) -> np.ndarray[Any, Any]:
    empty = Candidate(())
    return np.array(
        [found.get(at, {}).get(name, empty).scores.get(score, math.nan) for at in range(rows)], np.float64
    )


def _why(record: Record) -> str:
    return record.dropped.reason if record.dropped is not None else ""


def labels(names: Sequence[str]) -> list[str]:
    """Names that differ: a model that is named again has its number behind it."""
    seen: Counter[str] = Counter()
    found = []
    for name in names:
        seen[name] += 1
        found.append(name if seen[name] == 1 else f"{name} ({seen[name]})")
    return found
