"""Name the task of each instruction, by a model."""

from __future__ import annotations

import functools
from collections.abc import AsyncIterator, Mapping
from typing import Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field, create_model, field_validator

from factory.data.record import Missing, Record
from factory.data.text import prompt_language
from factory.errors import RecordFailed
from factory.models.base import Sampling
from factory.step import ChatModelName, Context, PerRecord

CATEGORIES: Mapping[str, tuple[str, str]] = {
    "open_qa": ("a question answered from general knowledge", "凭常识或知识回答的问题"),
    "closed_qa": ("a question answered from a text that is given", "根据给出的材料回答的问题"),
    "math": ("calculate, solve or prove", "计算、解题或证明"),
    "code": ("write, explain or mend program code", "编写、解释或修改代码"),
    "classification": ("assign labels, compare or choose among options", "分类、判断或从选项中选择"),
    "extraction": ("take facts or items out of a text that is given", "从给出的材料中提取信息"),
    "summarization": ("shorten a text that is given", "概括给出的材料"),
    "rewriting": ("rewrite, correct or polish a text that is given", "改写、纠正或润色给出的文字"),
    "translation": ("carry a text into another language", "翻译成另一种语言"),
    "brainstorming": ("list ideas, suggestions or examples", "列举想法、建议或例子"),
    "writing": ("write a new text: a story, poem, letter, article", "写新的文字：故事、诗歌、书信、文章"),
    "other": ("anything else, small talk too", "其他，包括闲聊"),
}
"""The default categories, each explained in English and in Chinese. Their names are the same in both."""


class LabelTask(PerRecord):
    """Name each record's task (question answering, code, rewriting, ...), by a model.

    The model chooses among `categories` and is shown what each means; a reply outside of them is asked for
    again. The names are the same for every language, so that a set of several is one whole. A record whose
    task cannot be had goes on without one: its history says "no_task", `missing` says why under "task", and the
    manifest and the report say how many there were.

    `task_by_example` does the same from labelled examples, without asking a chat model.

    Example:
        - task: {model: teacher}
    """

    name: ClassVar[str] = "task"

    model: ChatModelName = ""
    """The chat model that chooses."""
    categories: dict[str, str] = Field(default_factory=dict)
    """Categories of your own in place of the default dozen: each name with what it means."""
    replace: bool = False
    """Name the task anew where a record has one already."""
    max_tokens: int = Field(64, ge=1)
    """Most tokens of a reply."""

    @field_validator("categories")
    @classmethod
    def _enough(cls, categories: dict[str, str]) -> dict[str, str]:
        if len(categories) == 1:
            raise ValueError("one category says nothing: name two or more")
        if any(not name.strip() for name in categories):
            raise ValueError("a category has no name")
        return categories

    async def process(self, record: Record, context: Context) -> AsyncIterator[Record]:
        if record.task and not self.replace:
            yield record
            return
        choices = self.categories or explained(prompt_language(record.language))
        context.count("named", 0)
        try:
            if not record.prompt.strip():
                raise RecordFailed("no_instruction", "there is no user turn to name the task of")
            answer, event = await context.ask(
                self.model,
                "tag/task",
                record,
                Sampling(0.0, self.max_tokens),
                schema=task_schema(tuple(choices)),
                operation="task",
                categories="\n".join(f"- {name}: {means}" for name, means in choices.items()),
                instruction=record.prompt,
            )
        except RecordFailed as error:
            event = context.event("no_task", prompt=context.prompt("tag/task", record))
            yield record.with_task(Missing(error.kind, str(error)), event)
        else:
            context.count("named")
            yield record.with_task(answer.data.task, event)


class ChosenTask(BaseModel):
    """What the model replies; `task_schema` says which names there are."""

    model_config = ConfigDict(extra="forbid")

    task: str


@functools.lru_cache(maxsize=32)
def task_schema(names: tuple[str, ...]) -> type[ChosenTask]:
    """The schema of a reply: one of these names."""
    choice: Any = Literal[names]
    return create_model("OneTask", __base__=ChosenTask, task=(choice, ...))


def explained(language: str) -> dict[str, str]:
    """The default categories, explained in "en" or "zh"."""
    at = 1 if language == "zh" else 0
    return {name: texts[at] for name, texts in CATEGORIES.items()}
