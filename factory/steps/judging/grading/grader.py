"""Asking one or several judges for a grade, and making one number of what they reply."""

from __future__ import annotations

import asyncio
import functools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Literal, TypeAlias

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, create_model

from factory.data.prompt import Prompt, load_prompt
from factory.data.record import Message
from factory.data.text import prompt_language, shorten, turn_text
from factory.errors import RecordFailed
from factory.models.base import Answer, Sampling
from factory.models.reply.read import UNUSABLE
from factory.step import Context
from factory.steps.judging.grading.expectation import (
    json_score_place,
    level_weights,
    mean_and_spread,
    mixture,
    selectit,
)
from factory.steps.judging.grading.numerals import whole_number
from factory.steps.judging.grading.parse_score import ParsedScore, parse_score
from factory.steps.judging.grading.rubric import Rubric

REASON_CHARACTERS = 400
"""Bound of a reason where the server keeps to the schema: a small model may go on for ever."""

MOST_LOGPROBS = 20
"""So many likeliest tokens OpenAI and vLLM tell at the most."""

_ROLES = {
    "en": {"system": "System", "user": "User", "assistant": "Assistant", "tool": "Tool"},
    "zh": {"system": "系统", "user": "用户", "assistant": "助手", "tool": "工具"},
}


class Verdict(BaseModel):
    """What a judge replies; `verdict_schema` adds the rubric's bounds."""

    model_config = ConfigDict(extra="forbid")

    # The bound is for a server that decodes by the schema; a longer reason is as good
    # and not asked for again.
    reason: str = Field(json_schema_extra={"maxLength": REASON_CHARACTERS})
    score: int


GradeAnswer: TypeAlias = Answer[Verdict | None]
"""A judge's reply: a verdict, or a text to read a score from."""


@functools.lru_cache(maxsize=64)
def verdict_schema(rubric: Rubric) -> type[Verdict]:
    """The schema of a reply by `rubric`: reason, then a whole number within the rubric's scale."""
    level = Annotated[int, Field(ge=rubric.minimum, le=rubric.maximum), BeforeValidator(_not_bool)]
    return create_model("BoundedVerdict", __base__=Verdict, score=(level, ...))


def _not_bool(value: object) -> object:
    if isinstance(value, bool):
        raise ValueError("must be a whole number")
    return value


def transcript(conversation: Sequence[Message], language: str) -> str:
    """The turns as a judge reads them: a single turn as it is, several with the name of each role."""
    if len(conversation) == 1:
        return turn_text(conversation[0])
    roles = _ROLES[prompt_language(language)]
    return "\n\n".join(f"{roles.get(turn.role, turn.role)}: {turn_text(turn)}" for turn in conversation)


@dataclass(frozen=True, slots=True)
class Grade:
    """What the judges made of one answer.

    score: what ranks answers: the mean over judges and samples of the expectation over the levels where a judge
        tells log-probabilities, else of the levels stated; None where it cannot be told
    level: what a threshold decides by, whatever a server tells: the mean over judges and samples of the levels
        stated; None where no judge stated one
    spread: standard deviation of what they gave; None where one level was stated once, which tells of none
    reason: a judge's reason, or why there is no score
    kind: of what went wrong where there is no score, as in `Missing`
    expected: whether a judge told log-probabilities, so that score and level may differ
    selectit: the likeliest level weighed by how sure the judges are of it (`expectation.selectit`); None without
        log-probabilities
    """

    score: float | None
    level: float | None
    spread: float | None
    reason: str
    answers: tuple[GradeAnswer, ...] = ()
    kind: str = ""
    expected: bool = False
    selectit: float | None = None


@dataclass(slots=True)
class _Opinion:
    """What one judge said: the level and a distribution over levels for each sample that could be read.

    told: whether it told log-probabilities; a sample whose distribution cannot be told has a level alone
    problem, kind: why a sample has no level, or else why it has no distribution
    """

    answers: list[GradeAnswer] = field(default_factory=list)
    levels: list[int] = field(default_factory=list)
    weights: list[Mapping[int, float]] = field(default_factory=list)
    reasons: list[str] = field(default_factory=list)
    problem: str = ""
    kind: str = ""
    told: bool = False


@dataclass(frozen=True)
class Grader:
    """Grades an answer by a rubric. The options are those of the step `judge`, which says what they mean."""

    rubrics: Mapping[str, Rubric]
    models: tuple[str, ...] = ("",)
    samples: int = 1
    temperature: float = 0.0
    max_tokens: int = 1024
    reply: Literal["json", "line"] = "json"
    expected: bool = False

    def rubric(self, language: str) -> Rubric:
        """The rubric for records of this language."""
        return self.rubrics[prompt_language(language)]

    def prompt(self, language: str, reference: str = "") -> Prompt:
        """The prompt that the judges are sent, with a reference answer or without."""
        name = "judge/absolute" if self.reply == "json" else "judge/absolute_line"
        return load_prompt(f"{name}_reference" if reference else name, language)

    async def grade(
        self,
        conversation: Sequence[Message],
        answer: str,
        language: str,
        context: Context,
        reference: str = "",
    ) -> Grade:
        """The grade of `answer` to the last turn of `conversation`; a failure is a grade without a score.

        reference: an answer that is known to be right, "" where there is none
        """
        rubric = self.rubric(language)
        values = {
            "rubric": rubric.text,
            "conversation": transcript(conversation, language),
            "answer": answer if rubric.judges_answer else "",
            **({"reference": reference} if reference else {}),
        }
        messages = self.prompt(language, reference).render(**values)
        asked = [self._opinion(model, messages, rubric, context) for model in self.models]
        # A task of its own costs as much as reading the reply: one judge needs none.
        opinions = [await asked[0]] if len(asked) == 1 else await asyncio.gather(*asked)
        answers = tuple(answer for opinion in opinions for answer in opinion.answers)
        expected = any(opinion.told for opinion in opinions)
        # Each judge counts alike, however many of its samples could be read.
        levels = [sum(opinion.levels) / len(opinion.levels) for opinion in opinions if opinion.levels]
        level = math.fsum(levels) / len(levels) if levels else None
        given = [opinion for opinion in opinions if opinion.weights]
        if not given:
            problems = list(dict.fromkeys(opinion.problem for opinion in opinions))
            return Grade(None, level, None, "; ".join(problems), answers, opinions[0].kind, expected)
        score, spread = mean_and_spread(mixture([mixture(opinion.weights) for opinion in given]))
        reason = next((reason for opinion in given for reason in opinion.reasons if reason), "")
        if len(given) < len(opinions):
            problem = next(opinion.problem for opinion in opinions if not opinion.weights)
            reason = f"{reason} ({len(given)} of {len(opinions)} judges gave a score: {problem})"
            context.count("graded_by_some_judges_only")
        tells = sum(len(opinion.weights) for opinion in given) > 1 or all(opinion.told for opinion in given)
        # Without expectations the mean of the levels as it is, not with the rounding of a sum of shares.
        score = score if expected or level is None else level
        sure = [part for opinion in given if opinion.told for part in opinion.weights]
        weighed = selectit(sure, rubric.minimum, rubric.maximum)
        return Grade(score, level, spread if tells else None, reason, answers, "", expected, weighed)

    async def _opinion(
        self, model: str, messages: tuple[Message, ...], rubric: Rubric, context: Context
    ) -> _Opinion:
        try:
            answers = await self._answers(model, messages, rubric, context)
        except RecordFailed as error:
            return _Opinion(problem=str(error), kind=error.kind)
        opinion = _Opinion(answers)
        for answer in answers:
            parsed, reason = self._read(answer, rubric)
            if parsed.value is None:
                opinion.problem = f"the reply of {answer.model} {parsed.problem}"
                opinion.kind = "truncated" if answer.finish_reason == "length" else "bad_reply"
                context.count("replies_without_score")
                continue
            opinion.levels.append(parsed.value)
            weights: Mapping[int, float] = {parsed.value: 1.0}
            if self.expected and answer.logprobs:
                opinion.told = True
                place = parsed.start, parsed.end
                weights, problem = level_weights(
                    answer.text, place, answer.logprobs, rubric.minimum, rubric.maximum
                )
                if not weights:
                    opinion.problem = f"of the reply of {answer.model} no expectation can be told: {problem}"
                    opinion.kind = "no_expectation"
                    context.count("replies_without_expectation")
                    context.warn(
                        f"{context.step}: of some replies no expectation over the levels can be told, such as where "
                        f"{problem}; their score is missing, never the level in its place (`expected: false` takes "
                        "the levels)"
                    )
                    continue
            opinion.weights.append(weights)
            opinion.reasons.append(reason)
        return opinion

    def _read(self, answer: GradeAnswer, rubric: Rubric) -> tuple[ParsedScore, str]:
        if answer.data is not None:
            place = json_score_place(answer.text)
            if whole_number(answer.text[slice(*place)]) != answer.data.score:
                place = (0, 0)
            return ParsedScore(answer.data.score, "", *place), answer.data.reason.strip()
        if answer.finish_reason == "length":
            return ParsedScore(None, f"was cut at {self.max_tokens} tokens"), ""
        parsed = parse_score(answer.text, rubric.minimum, rubric.maximum)
        return parsed, shorten(answer.text, 4 * REASON_CHARACTERS)

    async def _answers(
        self, model: str, messages: tuple[Message, ...], rubric: Rubric, context: Context
    ) -> list[GradeAnswer]:
        """The samples of one judge, with log-probabilities where they are wanted and it tells them."""
        if not self.expected:
            return await self._samples(model, messages, rubric, context, None)
        levels = rubric.maximum - rubric.minimum + 1
        logprobs = min(MOST_LOGPROBS, max(5, 2 * levels))
        answers = await self._samples(model, messages, rubric, context, logprobs)
        name = next((answer.model for answer in answers if answer.text and not answer.logprobs), None)
        if name is not None:
            context.warn(
                f"{context.step}: {name} does not tell log-probabilities; the level that it states counts, and the "
                "spread is missing (several `samples` at a temperature have one)"
            )
        return answers

    async def _samples(
        self,
        model: str,
        messages: tuple[Message, ...],
        rubric: Rubric,
        context: Context,
        logprobs: int | None,
    ) -> list[GradeAnswer]:
        chat = context.chat(model)
        schema = verdict_schema(rubric) if self.reply == "json" else None
        sampling = Sampling(self.temperature, self.max_tokens, logprobs=logprobs)
        if self.samples == 1:
            return [await chat.ask(messages, sampling, schema=schema)]
        try:
            return await chat.ask_many(messages, sampling, n=self.samples, schema=schema)
        except RecordFailed as error:
            if error.kind not in UNUSABLE:
                raise
            failure = error
        # One sample is no answer; all are in the journal, and those that do fit count.
        answers = []
        for sample in range(self.samples):
            try:
                answers.append(await chat.ask(messages, sampling, schema=schema, sample=sample))
            except RecordFailed as error:
                context.count("replies_without_score")
                failure = error
        if not answers:
            raise failure
        return answers
