"""OSS-Instruct: a piece of code inspires a programming problem and its solution."""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar, Literal

from factory.data.prompt import Prompt
from factory.data.record import Message, Record, new_record
from factory.data.text import normal_form, prompt_language
from factory.errors import FactoryError, RecordFailed
from factory.models.base import Answer, Sampling
from factory.statistics.flaws.flaw import Flaw
from factory.step import Context
from factory.steps.agents.flaws.eliminate import answer_flaw
from factory.steps.agents.inventing.bootstrap import MakesTasks, Write
from factory.steps.agents.inventing.pool import Pool, made_from
from factory.steps.agents.inventing.single import leak_flaw, task_flaw
from factory.steps.agents.inventing.snippets import Field, Parts, code_of, parts, piece, without_fences


class FromCode(MakesTasks):
    """Have pieces of real code inspire programming problems with their solutions (OSS-Instruct).

    From the code of one record after the other, in random order and again from the start, 1 to 15 lines in a row are
    drawn. The model writes a problem that they make it think of, complete in itself, and its solution, in one reply of
    at most `max_tokens` and `answer_max_tokens` together. One is let go, marked with its reason, where

    - the reply has not both parts ("no_parts") or was cut by the token limit ("truncated");
    - the problem is empty, a refusal, in another language, copied from the prompt, nothing but the piece of code
      ("copied"), or too close to a record's instruction or another problem ("near_duplicate");
    - the solution is empty ("empty_answer") or a refusal.

    It works in rounds and ends as `invent` does. The piece is the record's `code` among what its source carried
    along; its parent is the record of the code. Nothing is run: whether a solution is right is not known, and
    `decontaminate` removes problems of benchmarks, as the paper did.

    Differs from the paper, which removes near duplicates afterwards by MinHash, and samples at temperature 0: with
    several problems of one record here is the temperature of the other steps.

    Source: OSS-Instruct (Magicoder, arXiv 2312.02120).

    Example:
        - from_code: {model: teacher, size: 500}
        - from_code: {model: teacher, size: 500, field: prompt, language: zh}
    """

    name: ClassVar[str] = "from_code"

    field: Field = "fenced"
    """Which text of a record is code: what stands between fences (```), all of its prompt, or all of its output."""
    language: Literal["en", "zh"] | None = None
    """The language of the problems; that of the record, if not given."""

    def examples(self) -> list[Record]:
        """See `MakesTasks.examples`."""
        code = "\n".join("    total[row['day']] += row['km']" for _ in range(8))
        fenced = f"```python\n{code}\n```"
        return [
            new_record(fenced if self.field == "fenced" else code, output=code, lang=self.language or "en")
        ]

    async def writer(self, records: list[Record], pool: Pool, context: Context) -> Write:
        """See `MakesTasks.writer`."""
        found = [(record, code_of(record, self.field)) for record in records]
        codes = [(record, code) for record, code in found if code.strip()]
        if not codes:
            what = {"fenced": "code between fences (```)", "prompt": "a prompt", "output": "an output"}[
                self.field
            ]
            raise FactoryError(
                f"{context.step}: no record that comes in has {what}: read code before this step, and say with `field` "
                "where it stands (`field: prompt` where a row's instruction is the code)"
            )
        context.count("records_without_code", len(records) - len(codes))
        context.random("order").shuffle(codes)

        async def write(number: int, round: int) -> list[Record]:
            record, code = codes[number % len(codes)]
            drawn = piece(code, context.random("piece", number))
            return [await self._problem(record, drawn, number, round, context)]

        return write

    async def _problem(self, record: Record, code: str, number: int, round: int, context: Context) -> Record:
        """The problem that a piece of a record's code inspires, with its solution, or marked with what is wrong."""
        language = self.language or prompt_language(record.language)
        asked = new_record(code, lang=language)
        prompt = context.prompt("from_code/problem", asked)
        meta = {"code": code}
        try:
            reply, event = await context.ask(
                self.model,
                "from_code/problem",
                asked,
                Sampling(self.temperature, self.max_tokens + self.answer_max_tokens, self.top_p),
                sample=number,
                round=round,
                snippet=code,
            )
        except RecordFailed as error:
            event = context.event(context.step_name, prompt=prompt, round=round)
            failed = made_from((record,), "", event, str(number), language=language)
            return replace(failed, meta=meta).drop(context.step, error.kind, str(error), failed=True)
        both = parts(reply.text)
        made = made_from(
            (record,), both.problem if both else reply.text.strip(), event, str(number), language=language
        )
        made = replace(made, meta=meta)
        if both and self.answer:
            made = replace(made, messages=(*made.messages, Message("assistant", both.solution)))
        flaw = self._flaw(both, code, reply, language, prompt)
        return made if flaw is None else made.drop(context.step, *flaw)

    def _flaw(
        self, both: Parts | None, code: str, reply: Answer[object], language: str, prompt: Prompt
    ) -> Flaw | None:
        """What is wrong with a problem and its solution by their texts alone."""
        if both is None and reply.finish_reason != "length":
            return Flaw("no_parts", "the reply has not a problem and a solution, each behind its heading")
        if flaw := task_flaw(both.problem if both else "", reply, [code], {language}, prompt, "problem"):
            return flaw
        assert both is not None
        if normal_form(without_fences(both.problem)) in normal_form(code):
            return Flaw("copied", "the problem is nothing but the piece of code")
        if not self.answer:
            return None
        leak = leak_flaw(both.solution, f"{code}\n{both.problem}", prompt, "solution")
        return leak or answer_flaw(both.solution, both.problem)

    async def answered(self, task: Record, context: Context) -> Record:
        """See `MakesTasks.answered`: the solution came with the problem."""
        return task
