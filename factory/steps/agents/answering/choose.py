"""Choosing one of several answers: by place, length, vote, constraints, a judge's grade, a checklist or fit."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Literal, TypeAlias

from factory.data.answers import with_chosen
from factory.data.record import Candidate, Event, Missing, Record
from factory.data.text import word_count
from factory.step import Context
from factory.steps.agents.retry.until_verified import as_candidate
from factory.steps.judging.checklists.biases import Biases
from factory.steps.judging.checklists.checklist import with_checklist
from factory.steps.judging.checklists.checklists import Checklists, best_place, scored, told
from factory.steps.judging.constraints.stated import Stated
from factory.steps.judging.constraints.verdicts import Verified, verify_answer
from factory.steps.judging.grading.counted_answer import counted_answer
from factory.steps.judging.grading.grader import Grader
from factory.steps.judging.verify import HARD, SOFT, with_verdicts
from factory.steps.score.fit import Fits

Choice: TypeAlias = Literal["first", "longest", "majority", "verified", "best", "rubric", "fit"]

AGREEMENT = "respond.agreement"
FINAL = "final_answer"


def longest(answers: Sequence[Candidate]) -> int:
    """The place of the answer with the most words, those of its reasoning among them; of equals the first."""
    words = [word_count(answer.text) + word_count(answer.reasoning) for answer in answers]
    return words.index(max(words))


def voted(answers: Sequence[Candidate]) -> tuple[list[Candidate], int]:
    """The answers with their final answers as verdicts and what share of all say the same, and the majority's first.

    One without a final answer has no vote. Of final answers with as many votes that one wins which is said first.
    """
    finals = [counted_answer(answer.text) for answer in answers]
    votes = Counter(final for final in finals if final)
    told = [
        _told(answer, {AGREEMENT: votes[final] / len(answers) if final else None}, {FINAL: final})
        for answer, final in zip(answers, finals, strict=True)
    ]
    if not votes:
        return told, 0
    most = max(votes.values())
    return told, next(at for at, final in enumerate(finals) if final and votes[final] == most)


async def verified(
    record: Record, answers: Sequence[Candidate], stated: Sequence[Stated], context: Context, judge: str
) -> tuple[Record, Verified]:
    """`record`, which waits for an answer, with the one that meets the most of its constraints, and its verdicts.

    Of equals it is the first.
    """
    begins = len(record.conversation)
    made: list[tuple[Record, Verified]] = []
    told = []
    events: list[Event] = []
    for answer in answers:
        tried = record.but(messages=(*record.conversation, *answer.turns), chosen=-1)
        found = await verify_answer(tried, stated, context, model=judge)
        tried = with_verdicts(tried, found)
        events += tried.events[len(record.events) :]
        one = as_candidate(tried, found, answer.model, begins)
        scores = {name: one.scores.get(name) for name in (HARD, SOFT)}
        told.append(_told(answer, scores, one.verdicts))
        made.append((tried, found))
    at = max(range(len(made)), key=lambda place: made[place][1].satisfied)
    best, found = made[at]
    # A verdict that the best one lacks is missing, though others have it.
    asked = best.but(messages=record.messages)
    chosen = replace(
        with_chosen(asked, tuple(told), at), missing=best.missing, notes=best.notes, meta=best.meta
    )
    return chosen.but(events=(*record.events, *events)), found


async def graded(
    record: Record, answers: Sequence[Candidate], grader: Grader, context: Context
) -> tuple[Record, int]:
    """`record`, which waits for an answer, with the one that the judge grades highest, and how many have no grade.

    Of equals it is the first. Where none has a grade it is the first answer, and the record's score is missing.
    """
    language = record.language
    score = f"judge.{grader.rubric('en').name}"
    grades = await asyncio.gather(
        *(grader.grade(record.conversation, answer.text, language, context) for answer in answers)
    )
    told = tuple(
        _told(answer, {score: grade.score}, {}) for answer, grade in zip(answers, grades, strict=True)
    )
    events = [
        context.event("judge", *grade.answers, prompt=grader.prompt(language))
        for grade in grades
        if grade.answers
    ]
    places = [at for at, grade in enumerate(grades) if grade.score is not None]
    at = max(places, key=lambda place: grades[place].score or 0.0) if places else 0
    highest = [grades[place].score for place in places].count(grades[at].score)
    context.count("chosen_by_place_among_equal_grades", len(places) > 1 and highest > 1)
    made = replace(with_chosen(record, told, at), events=(*record.events, *events))
    if not places:
        # A grade that the record had is one of an earlier answer.
        scores = {name: value for name, value in made.scores.items() if name != score}
        missing = {**made.missing, score: Missing(grades[0].kind, grades[0].reason)}
        return made.but(scores=scores, missing=missing), len(grades)
    return made.but(notes={**made.notes, score: grades[at].reason}), len(grades) - len(places)


async def by_checklist(
    record: Record,
    answers: Sequence[Candidate],
    checklists: Checklists,
    biases: Biases,
    context: Context,
    *,
    rehearsing: bool,
) -> Record:
    """`record`, which waits for an answer, with the one that meets the most of a checklist written for it.

    Of equals it is the first. Where none has a score it is the first answer, and the record's score is missing.
    """
    graded = await checklists.graded(record, answers, context, biases, rehearsing=rehearsing)
    scores = graded.scores() or [None] * len(answers)
    at = best_place(scores, 0)
    context.count("answers_without_score", sum(score is None for score in scores))
    made = with_chosen(
        record, tuple(told(answer, graded, place) for place, answer in enumerate(answers)), at or 0
    )
    if not isinstance(graded.criteria, Missing):
        made = with_checklist(made, graded.criteria)
    made = made.but(events=(*made.events, *graded.events))
    return scored(made, graded, at if at is not None else 0, context)


async def by_fit(record: Record, answers: tuple[Candidate, ...], fits: Fits, context: Context) -> Record:
    """`record`, which waits for an answer, with the one that fits the student best; the first where none has a fit."""
    (made,) = [one async for one in fits.process(with_chosen(record, answers, 0), context)]
    return made


def _told(answer: Candidate, scores: Mapping[str, float | None], verdicts: Mapping[str, str]) -> Candidate:
    """The answer with these scores and verdicts in place of those it had; None and "" are had no more."""
    return answer._replace(
        scores={name: value for name, value in {**answer.scores, **scores}.items() if value is not None},
        verdicts={name: verdict for name, verdict in {**answer.verdicts, **verdicts}.items() if verdict},
    )
