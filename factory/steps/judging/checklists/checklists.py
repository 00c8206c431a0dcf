"""A checklist for one record, its answers graded by it: what the step `rubric` and `respond` have in common."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from factory.data.answers import said
from factory.data.record import Candidate, Event, Missing, Record
from factory.step import Context
from factory.steps.judging.checklists.biases import Biases
from factory.steps.judging.checklists.checklist import Criterion, checklist_of
from factory.steps.judging.checklists.grade import AnswerVerdicts, ChecklistJudge, score_of, shown_order
from factory.steps.judging.checklists.write import ChecklistWriter

SCORE = "rubric"
"""The score by a record's own checklist, and what the names of verdicts on its criteria begin with."""


@dataclass(frozen=True, slots=True)
class Graded:
    """A record's answers by its checklist.

    criteria: the checklist; or why there is none
    verdicts: of each answer; none without a checklist
    events: what the record's history says
    """

    criteria: tuple[Criterion, ...] | Missing
    verdicts: tuple[AnswerVerdicts, ...]
    events: tuple[Event, ...]

    def scores(self) -> list[float | None]:
        """The score of each answer."""
        if isinstance(self.criteria, Missing):
            return []
        return [score_of(self.criteria, one) for one in self.verdicts]


@dataclass(frozen=True, slots=True)
class Checklists:
    """Writes a record's checklist, or takes the one that it keeps, and grades its answers by it."""

    writer: ChecklistWriter
    judge: ChecklistJudge

    async def graded(
        self,
        record: Record,
        answers: Sequence[Candidate],
        context: Context,
        biases: Biases,
        *,
        reference: str = "",
        rehearsing: bool = False,
    ) -> Graded:
        """The answers of `record` graded by its checklist, to which harder criteria are added where there are two.

        The two that are compared are the one that meets most of the checklist and the one that meets least of it; where
        all meet as much, the first and the last that differ.

        Raises:
            RecordFailed: the record keeps something that is no checklist ("bad_checklist").
        """
        criteria: tuple[Criterion, ...] = checklist_of(record)
        events: list[Event] = []
        context.count("checklists_kept_from_before", bool(criteria))
        kept = bool(criteria)
        if not kept:
            written, asked = await self.writer.write(record, context, reference, rehearsing=rehearsing)
            events += asked
            if isinstance(written, Missing):
                return Graded(written, (), tuple(events))
            criteria = tuple(written)
        texts = [answer.text for answer in answers]
        verdicts, asked = await self.judge.verdicts(record, texts, criteria, context)
        events += asked
        orders = [shown_order(record, len(criteria), context)]
        if not kept and self.writer.harder:
            pair = _apart(answers, [score_of(criteria, one) for one in verdicts], rehearsing)
            if pair is None:
                context.count("without_two_answers_to_compare")
            else:
                harder, event = await self.writer.contrast(
                    record, criteria, pair, context, rehearsing=rehearsing
                )
                events += [event] if event is not None else []
                context.count("harder_criteria", len(harder))
                if harder:
                    more, asked = await self.judge.verdicts(record, texts, harder, context)
                    events += asked
                    orders.append(shown_order(record, len(harder), context))
                    verdicts = [one.joined(other) for one, other in zip(verdicts, more, strict=True)]
                    criteria = (*criteria, *harder)
        graded = Graded(criteria, tuple(verdicts), tuple(events))
        biases.add(answers, criteria, verdicts, graded.scores(), orders)
        return graded


def _apart(
    answers: Sequence[Candidate], scores: Sequence[float | None], rehearsing: bool
) -> tuple[Candidate, Candidate] | None:
    """A strong and a weak answer; None where fewer than two that say different things have a score."""
    known = [at for at, score in enumerate(scores) if score is not None]
    if rehearsing:
        return (answers[0], answers[-1]) if answers else None
    if not known:
        return None
    strong = max(known, key=lambda at: (scores[at] or 0.0, -at))
    others = [at for at in known if said(answers[at]) != said(answers[strong])]
    if not others:
        return None
    weak = min(others, key=lambda at: (scores[at] or 0.0, -at))
    return answers[strong], answers[weak]


def told(answer: Candidate, graded: Graded, at: int) -> Candidate:
    """The answer with its score and its verdicts by the checklist in place of those it had."""
    scores = {name: value for name, value in answer.scores.items() if name != SCORE}
    verdicts = {
        name: verdict for name, verdict in answer.verdicts.items() if not name.startswith(f"{SCORE}.")
    }
    if isinstance(graded.criteria, Missing):
        return answer._replace(scores=scores, verdicts=verdicts)
    score = graded.scores()[at]
    if score is not None:
        scores[SCORE] = score
        for number, share in enumerate(graded.verdicts[at].shares(), start=1):
            verdicts[f"{SCORE}.{number}"] = "met" if share == 1 else "failed" if share == 0 else "split"
    return answer._replace(scores=scores, verdicts=verdicts)


def why_missing(graded: Graded, at: int) -> Missing:
    """Why an answer has no score."""
    if isinstance(graded.criteria, Missing):
        return graded.criteria
    return graded.verdicts[at].problem or Missing("bad_reply", "there are no verdicts")


def note_of(graded: Graded, at: int) -> str:
    """Which criteria an answer does not meet, in words."""
    if isinstance(graded.criteria, Missing) or not graded.verdicts[at].opinions:
        return ""
    shares = graded.verdicts[at].shares()
    lacking = [one.text for one, share in zip(graded.criteria, shares, strict=True) if share < 1]
    met = f"{len(shares) - len(lacking)} of {len(shares)} criteria are met"
    return f"{met}; not: {'; '.join(lacking)}" if lacking else met


def scored(record: Record, graded: Graded, own: int, context: Context) -> Record:
    """The record with the score of its own answer, at this place (-1: it has none), or with why it has no score."""
    event = context.event(SCORE)
    if isinstance(graded.criteria, Missing):
        return record.with_score(SCORE, graded.criteria, event)
    if own < 0:
        why = Missing("no_answer", "none of the answers is the record's: choose one")
        return record.with_score(SCORE, why, event)
    score = graded.scores()[own]
    if score is None:
        return record.with_score(SCORE, why_missing(graded, own), event)
    return record.with_score(SCORE, score, event, note_of(graded, own))


def best_place(scores: Sequence[float | None], own: int) -> int | None:
    """The place of the highest score, None where there is none; of equals the one at `own`, else the first."""
    known = [at for at, score in enumerate(scores) if score is not None]
    if not known:
        return None
    return max(known, key=lambda at: (scores[at] or 0.0, at == own, -at))


def tell_biases(biases: Biases, context: Context) -> None:
    """Say what the verdicts of a run tell of its judges."""
    context.facts.update(biases.facts())
    context.count("answers_graded_by_who_wrote_them", biases.own_graded)
    if sentence := biases.sentence():
        context.tell(f"{context.step}: {sentence}")
    if biases.own_graded:
        context.tell(
            f"{context.step}: {biases.own_graded:,} answers are graded by the model that wrote them, which may like "
            "its own words best: another `judge` has no such interest"
        )
