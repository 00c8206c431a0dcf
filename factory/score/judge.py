"""Have a model grade each record by a rubric."""

from __future__ import annotations

import functools
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Annotated, ClassVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PrivateAttr, create_model

from factory.errors import RecordFailed
from factory.prompt import load_prompt
from factory.record import Message, Record
from factory.score.keep import Condition, keep_where
from factory.score.rubric import Rubric, load_rubric
from factory.step import ChatModelName, Context, PerRecord
from factory.text import detect_language, prompt_language

REASON_CHARACTERS = 400
"""Bound of a reason where the server keeps to the schema: a small model may go on for ever."""

_ROLES = {
    "en": {"system": "System", "user": "User", "assistant": "Assistant", "tool": "Tool"},
    "zh": {"system": "系统", "user": "用户", "assistant": "助手", "tool": "工具"},
}


class Judge(PerRecord):
    """Grade each record by a rubric, by a model, as a whole number on the rubric's scale.

    The judge reads the rubric, the conversation up to the last user turn, and the answer. It gives its reason
    first, then the score, so that the score follows from the reason. The score is stored as "judge.<rubric>"
    on the scale in the rubric's header (minimum to maximum; the shipped ones: 1 to 5), the reason as the note
    of that name.

    A score outside the scale is not a score: the judge is asked again, and where that does not help, the
    score is missing and the note says why. It is never clamped and never replaced by a default. With
    `keep`, a record whose score does not meet the condition is dropped ("low_score"), and one whose score
    is missing is set aside as failed ("no_score").

    Source: AlpaGasus (arXiv 2307.08701) for filtering by an absolute grade, Prometheus (arXiv 2310.08491) for
    rubrics with a description of each level.

    Example:
        - judge: {model: teacher, rubric: quality, keep: ">= 4"}
        - judge: {model: teacher, rubric: complexity}
    """

    name: ClassVar[str] = "judge"

    model: ChatModelName = ""
    """The chat model that grades."""
    rubric: str = "quality"
    """A shipped rubric (accuracy, complexity, harmlessness, helpfulness, quality), or the path of a rubric
    file that ends in .md; one that rates the instruction, as complexity does, needs no answer."""
    keep: Condition | None = None
    """Condition that a score must meet for its record to be kept, such as ">= 4"; without it all are kept."""
    temperature: float = Field(0.0, ge=0)
    """Sampling temperature; 0 gives the same grade each time."""
    max_tokens: int = Field(1024, ge=1)
    """Most tokens of the reason and the score together."""

    _rubrics: Mapping[str, Rubric] = PrivateAttr()

    def model_post_init(self, context: object) -> None:
        # Read once, with the recipe: a rubric that is wrong is found before any record, and stays the same.
        self._rubrics = {language: load_rubric(self.rubric, language) for language in ("en", "zh")}

    async def process(self, record: Record, context: Context) -> AsyncIterator[Record]:
        language = record.lang or detect_language(record.prompt)
        rubric = self._rubrics[prompt_language(language)]
        score = f"judge.{rubric.name}"
        prompt = load_prompt("judge/absolute", language)
        if rubric.judges_answer and not record.output.strip():
            judged = record.with_score(score, None, context.event(score), "there is no answer to judge")
            yield keep_where(judged, score, self.keep, context.step)
            return
        messages = prompt.render(
            rubric=rubric.text,
            conversation=transcript(record.conversation, language),
            answer=record.output if rubric.judges_answer else "",
        )
        try:
            answer = await context.chat(self.model).ask(
                messages,
                temperature=self.temperature,
                max_tokens=self.max_tokens,
                schema=verdict_schema(rubric),
            )
        except RecordFailed as error:
            judged = record.with_score(score, None, context.event(score, prompt=prompt), str(error))
        else:
            assert isinstance(answer.data, Verdict)
            event = context.event(score, answer, prompt=prompt)
            judged = record.with_score(score, float(answer.data.score), event, answer.data.reason.strip())
        yield keep_where(judged, score, self.keep, context.step)


class Verdict(BaseModel):
    """What a judge replies; `verdict_schema` adds the rubric's bounds."""

    model_config = ConfigDict(extra="forbid")

    # The bound is for a server that decodes by the schema; a longer reason is as good
    # and not asked for again.
    reason: str = Field(json_schema_extra={"maxLength": REASON_CHARACTERS})
    score: int


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
        return conversation[0].content
    roles = _ROLES[prompt_language(language)]
    return "\n\n".join(f"{roles.get(role, role)}: {content}" for role, content in conversation)
