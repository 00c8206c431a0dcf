"""Asking one or several judges for a grade, and making one number of what they reply."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Literal, TypeAlias

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, create_model

from factory.data.prompt import Prompt, load_prompt
from factory.data.record import Message
from factory.data.text import prompt_language, shorten, turn_text
from factory.errors import RecordFailed
from factory.models.base import Answer, Sampling
from factory.step import Context
from factory.steps.judging.grading.expectation import (
    json_score_place,
    level_weights,
    mean_and_spread,
    mixture,
)
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

    score: the mean over judges and samples, None where no judge gave one
    spread: standard deviation of what they gave; None where one level was stated once, which tells of none
    reason: a judge's reason, or why there is no score
    kind: of what went wrong where there is no score, as in `Missing`
    """

    score: float | None
    spread: float | None
    reason: str
    answers: tuple[GradeAnswer, ...] = ()
    kind: str = ""


@dataclass(slots=True)
class _Opinion:
    """What one judge said: a distribution over levels for each sample that could be read."""

    weights: list[Mapping[int, float]]
    reasons: list[str]
    problem: str
    answers: list[GradeAnswer]
    expected: bool = False
    kind: str = ""


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

    def prompt(self, language: str) -> Prompt:
        """The prompt that the judges are sent."""
        return load_prompt("judge/absolute" if self.reply == "json" else "judge/absolute_line", language)

    async def grade(
        self, conversation: Sequence[Message], answer: str, language: str, context: Context
    ) -> Grade:
        """The grade of `answer` to the last turn of `conversation`; a failure is a grade without a score."""
        rubric = self.rubric(language)
        messages = self.prompt(language).render(
            rubric=rubric.text,
            conversation=transcript(conversation, language),
            answer=answer if rubric.judges_answer else "",
        )
        opinions = await asyncio.gather(
            *(self._opinion(model, messages, rubric, context) for model in self.models)
        )
        answers = tuple(answer for opinion in opinions for answer in opinion.answers)
        given = [opinion for opinion in opinions if opinion.weights]
        if not given:
            problems = list(dict.fromkeys(opinion.problem for opinion in opinions))
            return Grade(None, None, "; ".join(problems), answers, opinions[0].kind)
        # Each judge counts alike, however many of its samples could be read.
        mixed = mixture([mixture(opinion.weights) for opinion in given])
        score, spread = mean_and_spread(mixed)
        reason = next((reason for opinion in given for reason in opinion.reasons if reason), "")
        if len(given) < len(opinions):
            problem = next(opinion.problem for opinion in opinions if not opinion.weights)
            reason = f"{reason} ({len(given)} of {len(opinions)} judges gave a score: {problem})"
            context.count("graded_by_some_judges_only")
        drawn = sum(len(opinion.weights) for opinion in given)
        tells = drawn > 1 or all(opinion.expected for opinion in given)
        return Grade(score, spread if tells else None, reason, answers)

    async def _opinion(
        self, model: str, messages: tuple[Message, ...], rubric: Rubric, context: Context
    ) -> _Opinion:
        try:
            answers = await self._answers(model, messages, rubric, context)
        except RecordFailed as error:
            return _Opinion([], [], str(error), [], kind=error.kind)
        opinion = _Opinion([], [], "", answers, expected=True)
        for answer in answers:
            parsed, reason = self._read(answer, rubric)
            if parsed.value is None:
                opinion.problem = f"the reply of {answer.model} {parsed.problem}"
                opinion.kind = "truncated" if answer.finish_reason == "length" else "bad_reply"
                context.count("replies_without_score")
                continue
            told = level_weights(
                answer.text, (parsed.start, parsed.end), answer.logprobs, rubric.minimum, rubric.maximum
            )
            opinion.expected &= told is not None
            opinion.weights.append(told or {parsed.value: 1.0})
            opinion.reasons.append(reason)
        return opinion

    def _read(self, answer: GradeAnswer, rubric: Rubric) -> tuple[ParsedScore, str]:
        if answer.data is not None:
            place = json_score_place(answer.text)
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
            if error.kind != "bad_reply":
                raise
            failure = error
        # One sample does not fit its schema; all are in the journal, and those that do fit count.
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
