"""Self-feedback: a model criticises an answer and rewrites it, as long as a judge finds it better."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict, Field, PrivateAttr

from factory.data.record import Event, Missing, Record
from factory.errors import RecipeError, RecordFailed
from factory.models.base import Sampling
from factory.statistics.interval import mean_interval
from factory.step import ChatModelName, ChatModelNames, Context, PerRecord
from factory.steps.agents.flaws.eliminate import answer_flaw, truncation_flaw
from factory.steps.judging.grading.grader import Grader, transcript
from factory.steps.judging.grading.rubric import load_rubric

_FENCE = re.compile(r"<(?P<fence>answer(?:-[0-9a-f]+)?)>\s*(?P<inside>.*?)\s*</(?P=fence)>", re.DOTALL)


class Refine(PerRecord):
    """Improve each answer by criticism and rewriting, round by round, until a judge finds no gain.

    Each round the model names what keeps the answer from the rubric's highest level, rewrites it, and the
    judge grades the rewritten answer. One that gains at least `min_gain` is what the next round works on;
    otherwise it is let go and the rounds end. They also end where the criticism finds nothing to change,
    where the answer has the highest level, and where a call fails. The best answer is kept, not the last.

    A refined answer is a new record made from the old one; the old one is dropped ("refined"), unless
    `keep_parents`. A record that is not bettered goes on as it is. The grades that an answer was chosen by tell no
    gain: of noisy grades the highest are taken, and even rewriting that changes nothing would seem to help. So the
    first and the best answer are graded anew once the choice is made, by `check`, or by the judge at temperature
    1: these are the scores "refine.before" and "refine.after". The facts of the step have the mean gain by them with
    its 95 % interval beside the gain that was chosen by. Of a record that was not refined both are its first grade.
    "refine.rounds" counts the rounds that were kept; the note "refine.after" says why the rounds ended. A first
    answer that cannot be graded is not refined: there is nothing to tell a gain by. The history has every call, those
    of rounds that were let go too.

    A model that judges itself likes its own words best: name another `judge` where there is one. And a judge that
    likes a certain text likes it again: only another model as `check` is a fair one.

    With `critiques` each criticism is a new record besides: its instruction shows the question and the answer and asks
    for a review, its answer is the criticism (Critique Fine-Tuning). Nothing checks whether a criticism is right.

    Source: Self-Refine (arXiv 2303.17651), of up to 4 rounds; SELF (arXiv 2310.00533), whose training between
    rounds is left out; Critique Fine-Tuning (arXiv 2501.17703). The stop by a judge's grade is ours, since the
    models' own word that nothing is left to change comes early or never.

    Example:
        - refine: {model: teacher, judge: other, rounds: 2}
        - refine: {model: teacher, judge: teacher, check: other}
    """

    name: ClassVar[str] = "refine"

    model: ChatModelName = ""
    """The chat model that criticises and rewrites."""
    judge: ChatModelName = ""
    """The chat model that grades; a different one than `model` is the fairer judge."""
    check: ChatModelNames = ()
    """The chat model that grades first and best answer anew after the choice, or a list of them; by default the judge,
    at temperature 1."""
    rubric: str = "quality"
    """A shipped rubric, or the path of a rubric file that ends in .md, that rates an answer."""
    rounds: int = Field(3, ge=1)
    """Most rounds of criticism and rewriting."""
    min_gain: float = Field(1.0, gt=0)
    """The least gain in the judge's grade for a rewritten answer to be kept."""
    keep_parents: bool = False
    """Give a record whose answer was refined on too, before the new one, for instance to make pairs."""
    critiques: bool = False
    """Give each criticism as a record of its own too: to review the answer that it is of."""
    temperature: float = Field(0.7, ge=0)
    """Sampling temperature of rewriting; criticism and grades are at 0."""
    max_tokens: int = Field(2048, ge=1)
    """Most tokens of a criticism and of an answer."""

    _grader: Grader = PrivateAttr()
    _checker: Grader = PrivateAttr()

    def model_post_init(self, context: object) -> None:
        rubrics = {language: load_rubric(self.rubric, language) for language in ("en", "zh")}
        if not rubrics["en"].judges_answer:
            raise RecipeError(f"the rubric {self.rubric!r} rates instructions: name one that rates answers")
        self._grader = Grader(rubrics, (self.judge,))
        # At temperature 0 the judge would give the grades again that the answer was chosen by.
        checkers = ((self.check,) if isinstance(self.check, str) else self.check) or (self.judge,)
        self._checker = Grader(rubrics, checkers, temperature=1.0 if self.judge in checkers else 0.0)

    async def process(self, record: Record, context: Context) -> AsyncIterator[Record]:
        if not record.output.strip():
            raise RecordFailed("no_answer", "there is no answer to refine")
        work = _Work(record, record.output)
        work.ended = await self._rounds(work, context)
        rounds = {"refine.rounds": float(work.kept)}
        if not work.kept:
            same = replace(record, scores={**record.scores, **rounds})
            if work.before is None:
                why = Missing(work.kind, work.ended)
                same = same.with_score("refine.after", why, work.events[-1])
            else:
                grades = {"refine.before": work.before, "refine.after": work.before}
                notes = {**record.notes, "refine.after": work.ended}
                same = replace(same, scores={**same.scores, **grades}, notes=notes)
            yield replace(same, events=(*record.events, *work.events))
            for critique in self._critiques(work, context):
                yield critique
            return
        grades, missing = await self._anew(work, context)
        chosen = {"chosen_from": work.before or 0.0, "chosen_to": work.after or 0.0}
        told = (
            "and not graded anew"
            if missing
            else f"from {grades['refine.before']:g} to {grades['refine.after']:g}"
        )
        reason = f"its answer was refined in {work.kept} rounds, {told}"
        first, *rest = work.events
        child = record.child(record.instruction, first, input=record.input, output=work.answer)
        numbers = {name.removeprefix("refine."): value for name, value in {**rounds, **grades}.items()}
        yield (
            record
            if self.keep_parents
            else record.drop(context.step, "refined", reason, {**numbers, **chosen}, against=child.id)
        )
        yield replace(
            child,
            tags=record.tags,
            scores={**rounds, **grades},
            missing=missing,
            notes={} if missing else {"refine.after": work.ended},
            events=(*child.events, *rest),
        )
        for critique in self._critiques(work, context):
            yield critique

    def _critiques(self, work: _Work, context: Context) -> Iterator[Record]:
        """A record for each criticism that was made, where they are asked for."""
        if not self.critiques:
            return
        record = work.record
        conversation = transcript(record.conversation, record.language)
        # The question is part of the new instruction: nothing stands before it.
        alone = replace(record, messages=(), tools=(), template_arguments={}, lang=record.language)
        for answer, criticism, event in work.criticisms:
            context.count("critiques")
            asked = context.prompt("refine/critique_task", record).render(
                conversation=conversation, answer=answer
            )
            yield alone.child(asked[-1].content, event, output=criticism)

    async def _anew(self, work: _Work, context: Context) -> tuple[dict[str, float], dict[str, Missing]]:
        """The grades of the first and the best answer given after the choice, or why there are none."""
        language, grades = work.record.language, dict[str, float]()
        for name, answer in (("refine.before", work.record.output), ("refine.after", work.answer)):
            grade = await self._checker.grade(work.record.conversation, answer, language, context)
            prompt = self._checker.prompt(language)
            work.events.append(context.event("grade_anew", *grade.answers, prompt=prompt))
            if grade.score is None:
                context.count("not_graded_anew")
                return {}, {"refine.after": Missing(grade.kind, f"not graded anew: {grade.reason}")}
            grades[name] = grade.score
        _tell_gain(
            context, grades["refine.after"] - grades["refine.before"], (work.after or 0) - (work.before or 0)
        )
        return grades, {}

    async def rehearse(self, record: Record, context: Context) -> AsyncIterator[Record]:
        """See `PerRecord.rehearse`: a gain in every round."""
        if not record.output.strip():
            return
        work = _Work(record, record.output)
        language = record.language
        await self._grade(work, work.answer, language, context)
        for round in range(1, self.rounds + 1):
            work.answer = await self._rewrite(work, round, context) or work.answer
            await self._grade(work, work.answer, language, context)
        await self._anew(work, context)
        if self.keep_parents:
            yield record
        yield record.child(record.instruction, work.events[0], input=record.input, output=work.answer)
        for critique in self._critiques(work, context):
            yield critique

    async def _rounds(self, work: _Work, context: Context) -> str:
        """Refine until it ends; says why it did."""
        language = work.record.language
        work.before = work.after = await self._grade(work, work.answer, language, context)
        if work.after is None:
            return f"the first answer has no grade: {work.problem}"
        highest = self._grader.rubric(language).maximum
        for round in range(1, self.rounds + 1):
            if work.after > highest - self.min_gain:
                return f"the grade {work.after:g} leaves no gain of {self.min_gain:g}"
            try:
                rewritten = await self._rewrite(work, round, context)
            except RecordFailed as error:
                return f"round {round} failed: {error}"
            if not rewritten:
                return work.problem
            grade = await self._grade(work, rewritten, language, context)
            if grade is None:
                return f"the answer of round {round} has no grade: {work.problem}"
            if grade < work.after + self.min_gain:
                return f"round {round} brought {grade:g} after {work.after:g}"
            work.answer, work.after, work.kept = rewritten, grade, round
        return f"all {self.rounds} rounds brought a gain"

    async def _rewrite(self, work: _Work, round: int, context: Context) -> str:
        """The answer rewritten by a criticism of it; "" where there is none, and the reason in `work`."""
        record = work.record
        conversation = transcript(record.conversation, record.language)
        said, event = await context.ask(
            self.model,
            "refine/criticise",
            record,
            Sampling(0.0, self.max_tokens),
            schema=Criticism,
            operation="criticise",
            rubric=self._grader.rubric(record.language).text,
            conversation=conversation,
            answer=work.answer,
        )
        work.events.append(event)
        if said.data.nothing_to_change or not said.data.criticism.strip():
            work.problem = f"the criticism of round {round} finds nothing to change"
            return ""
        work.criticisms.append((work.answer, said.data.criticism.strip(), event))
        reply, event = await context.ask(
            self.model,
            "refine/rewrite",
            record,
            Sampling(self.temperature, self.max_tokens),
            operation="rewrite",
            sample=round,
            conversation=conversation,
            answer=work.answer,
            criticism=said.data.criticism,
        )
        work.events.append(event)
        text = _unfenced(reply.text.strip(), work.answer)
        flaw = truncation_flaw(reply, "the rewritten answer") or answer_flaw(
            text, f"{record.system}\n{record.prompt}"
        )
        if flaw is not None or text == work.answer.strip():
            work.problem = f"round {round}: {flaw.reason if flaw else 'the answer came back unchanged'}"
            return ""
        return text

    async def _grade(self, work: _Work, answer: str, language: str, context: Context) -> float | None:
        grade = await self._grader.grade(work.record.conversation, answer, language, context)
        prompt = self._grader.prompt(language)
        work.events.append(context.event("grade", *grade.answers, prompt=prompt))
        work.problem, work.kind = grade.reason, grade.kind
        return grade.score


def _unfenced(text: str, before: str) -> str:
    """An answer without the prompt's fence around it, where the model repeated that; `before` is the old answer."""
    found = _FENCE.fullmatch(text)
    return text if found is None or _FENCE.fullmatch(before.strip()) is not None else found["inside"]


@dataclass(slots=True)
class _Work:
    """An answer as it is refined.

    answer, after: the best so far and its grade
    events: all that was asked; rounds are told by their order, since an event's round is one of evolution
    kept: the last round whose answer was kept
    criticisms: the answers that were criticised, with what was said of them and the event
    """

    record: Record
    answer: str
    before: float | None = None
    after: float | None = None
    kept: int = 0
    events: list[Event] = field(default_factory=list)
    criticisms: list[tuple[str, str, Event]] = field(default_factory=list)
    problem: str = ""
    kind: str = ""
    ended: str = ""


def _tell_gain(context: Context, anew: float, chosen: float) -> None:
    """Put into the step's facts how often each gain was found, by both grades, and the means."""
    for name, gain in (("graded_anew", anew), ("chosen_by", chosen)):
        counts = context.facts.setdefault(f"gains_{name}", {})
        counts[f"{gain:g}"] = counts.get(f"{gain:g}", 0) + 1
        # By size, so that the sums do not hang on the order in which records come.
        sizes, times = zip(*sorted((float(size), number) for size, number in counts.items()), strict=True)
        mean = sum(size * number for size, number in zip(sizes, times, strict=True)) / sum(times)
        told: dict[str, Any] = {"mean": round(mean, 4)}
        sure = mean_interval(sizes, times)
        if sure is not None and name == "graded_anew":
            told["interval"] = [round(edge, 4) for edge in sure]
        context.facts[f"gain_{name}"] = told


class Criticism(BaseModel):
    """What the model replies when it criticises an answer."""

    model_config = ConfigDict(extra="forbid")

    criticism: str
    nothing_to_change: bool
