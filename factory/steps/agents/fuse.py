"""Instruction Fusion: make one new task of two."""

from __future__ import annotations

import re
from typing import ClassVar

from factory.data.record import Record, new_record
from factory.data.text import detect_language, normal_form
from factory.errors import FactoryError, RecordFailed
from factory.models.base import Sampling
from factory.statistics.flaws.flaw import Flaw
from factory.step import Context
from factory.steps.agents.flaws.clean import clean_instruction
from factory.steps.agents.inventing.bootstrap import MakesTasks, Write
from factory.steps.agents.inventing.pool import Pool, made_from
from factory.steps.agents.inventing.single import answered_task, task_flaw

_INVALID = re.compile(r"\W*INVALID(?:[ _]PROMPT)?\W*", re.IGNORECASE)


class Fuse(MakesTasks):
    """Fuse two tasks into one that needs both, and answer it (Instruction Fusion).

    Two records of one language are drawn at random, and the model writes one instruction that joins what both ask
    for, about as long as either; it is answered by the same model. Where they cannot be joined the model says so
    ("not_fusable"). A fusion is let go, marked with its reason, where it sets the two behind each other word for word
    ("glued"), is too close to one of them or to any other task ("near_duplicate"), is empty, cut, a refusal, in another
    language, or copied from the prompt; or where its answer is cut, empty ("empty_answer") or a refusal.

    It works in rounds and ends as `invent` does. Its parents are the two records.

    Differs from the paper, which fuses programming tasks alone and does not compare: any tasks may be fused, and
    novelty is that of Self-Instruct (arXiv 2212.10560).

    Source: Instruction Fusion (arXiv 2312.15692).

    Example:
        - fuse: {model: teacher, size: 500}
    """

    name: ClassVar[str] = "fuse"

    def examples(self) -> list[Record]:
        """See `MakesTasks.examples`."""
        texts = ("Say in two sentences why a lake freezes from the top.", "Plan a dinner for six people.")
        return [new_record(text, lang="en") for text in texts]

    async def writer(self, records: list[Record], pool: Pool, context: Context) -> Write:
        """See `MakesTasks.writer`."""
        groups = {language: own for language, own in sorted(pool.seeds.items()) if len(own) > 1}
        usable = sum(map(len, groups.values()))
        if not usable:
            raise FactoryError(
                f"{context.step}: no two records of one language that come in have an instruction: "
                "read two at least before this step, such as `- read: {path: factory:seeds}`"
            )
        context.count("records_not_fused", len(records) - usable)

        async def write(number: int, round: int) -> list[Record]:
            chance = context.random("pair", number)
            (language,) = chance.choices(list(groups), [len(own) for own in groups.values()])
            first, second = chance.sample(groups[language], 2)
            return [await self._fused(first, second, number, round, context)]

        return write

    async def _fused(
        self, first: Record, second: Record, number: int, round: int, context: Context
    ) -> Record:
        """The task that a call makes of two records, marked where its text alone lets it go."""
        prompt = context.prompt("fuse/merge", first)
        texts = _words(first), _words(second)
        try:
            answer, event = await context.ask(
                self.model,
                "fuse/merge",
                first,
                Sampling(self.temperature, self.max_tokens, self.top_p),
                sample=number,
                round=round,
                first=texts[0],
                second=texts[1],
            )
        except RecordFailed as error:
            event = context.event(context.step_name, prompt=prompt, round=round)
            return made_from((first, second), "", event, str(number)).drop(
                context.step, error.kind, str(error), failed=True
            )
        task = clean_instruction(answer.text)
        made = made_from((first, second), task, event, str(number))
        flaw: Flaw | None
        if _INVALID.fullmatch(task):
            flaw = Flaw("not_fusable", "the model saw no sensible way to fuse the two")
        else:
            flaw = task_flaw(task, answer, texts, set(map(detect_language, texts)), prompt)
        if flaw is None and all(normal_form(text) in normal_form(task) for text in texts):
            flaw = Flaw("glued", "it holds both tasks word for word")
        return made if flaw is None else made.drop(context.step, *flaw)

    async def answered(self, task: Record, context: Context) -> Record:
        """See `MakesTasks.answered`."""
        sampling = Sampling(self.temperature, self.answer_max_tokens, self.top_p)
        return await answered_task(task, self.model, sampling, context)


def _words(record: Record) -> str:
    """What is fused: all words of the last user turn, its input among them."""
    return record.asked.content.strip() if record.asked is not None else ""
