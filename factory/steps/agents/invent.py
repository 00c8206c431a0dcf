"""Self-Instruct: invent tasks from seeds, round by round, keep those that are new, and answer them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import ClassVar

from pydantic import Field

from factory.data.prompt import Prompt
from factory.data.record import Event, Message, Record, join_input, new_record
from factory.data.text import detect_language, prompt_language, rouge_tokens
from factory.errors import FactoryError, RecordFailed
from factory.models.base import Sampling
from factory.statistics.flaws.flaw import Flaw
from factory.statistics.flaws.refusals import refusal
from factory.step import Context
from factory.steps.agents.flaws.clean import clean_instruction
from factory.steps.agents.inventing.bootstrap import MakesTasks, Write
from factory.steps.agents.inventing.instances import InputFirst, Kind, OutputFirst, instance_flaw
from factory.steps.agents.inventing.lists import listed
from factory.steps.agents.inventing.pool import Examples, Pool, made_from
from factory.steps.agents.inventing.single import leak_flaw
from factory.steps.agents.inventing.text_rules import RULES, Rule, text_flaw


class Invent(MakesTasks):
    """Invent new tasks from seeds, round by round, and answer them (Self-Instruct).

    Each call shows the model `seeds` tasks drawn from the records that come in and `invented` of those invented
    before, all of one language, and asks for `per_call` new ones; languages are drawn as often as they have seeds.
    The calls of a round are made side by side. Their tasks are then looked at in a fixed order, and one is kept where

    - it passes the paper's rules on its text: `length` (4 to 150 words, 5 to 250 Chinese characters), `not_text`
      (images, graphs, files, maps, drawing, going somewhere), `program` (begins with "Write a program"), `opening`
      (begins with punctuation, or in English with what is no ASCII);
    - it is in the language of the examples, as far as the script tells ("other_language"), no refusal ("refusal"),
      not copied from the prompt ("template_leak"), not cut by the token limit ("truncated"), and not one more than the
      call asked for ("surplus") or the step ("beyond_size");
    - its ROUGE-L F with every seed and every task taken before is below `threshold` ("near_duplicate").

    The model then tells whether the task is a classification, and writes an instance: the label first and then the
    input for a classification, else the input first ("" where it needs none) and then the output. A task whose
    instance is empty ("empty_answer"), the same as its input ("same_as_input"), ends in a colon ("unfinished"),
    refuses or copies the prompt is dropped, and stays one that others must differ from. With `answer` off the tasks
    go on without an answer, for `respond`.

    It ends when `size` tasks were kept, or, saying why, after `patience` rounds in a row that kept none, or when
    `overask` times the calls were made that would do if every task were kept. Nothing is lost: each task that is
    not kept goes on marked with its reason and, where it was too close to another, with that one's id. The
    report has a row for each round.

    Differs from the paper: a task has one instance, as in Alpaca, the model chats, and Chinese counts by characters. It
    is sampled at Alpaca's temperature of 1 (the paper: 0.7 with top_p 0.5 and a presence penalty of 2). Prompts are
    shown as they are, in none of the paper's thirteen templates.

    Source: Self-Instruct (arXiv 2212.10560); Alpaca for one instance a task.

    Example:
        - invent: {model: teacher, size: 1000}
        - invent: {model: teacher, size: 200, answer: false, rules: [length, not_text]}
    """

    name: ClassVar[str] = "invent"

    per_call: int = Field(8, ge=1, le=50)
    """New tasks that one call asks for."""
    seeds: int = Field(6, ge=1)
    """Seeds that a call shows."""
    invented: int = Field(2, ge=0)
    """Tasks invented before that a call shows; until there are as many, seeds stand in for them."""
    rules: tuple[Rule, ...] = RULES
    """The paper's rules on a task's text that are applied."""

    @property
    def tasks_of_a_call(self) -> int:
        """See `MakesTasks.tasks_of_a_call`."""
        return self.per_call

    def examples(self) -> list[Record]:
        """See `MakesTasks.examples`."""
        return [
            new_record("Say in two sentences why a lake freezes from the top.", lang="en", occurrence=number)
            for number in range(self.seeds + self.invented)
        ]

    async def writer(self, records: list[Record], pool: Pool, context: Context) -> Write:
        """See `MakesTasks.writer`."""
        usable = sum(map(len, pool.seeds.values()))
        if not usable:
            raise FactoryError(
                f"{context.step}: no record that comes in has an instruction to invent from: "
                "read seeds before this step, such as `- read: {path: factory:seeds}`"
            )
        context.count("seeds_without_instruction", len(records) - usable)
        context.count("text_outside_lists", 0)

        async def write(number: int, round: int) -> list[Record]:
            shown = pool.draw(context.random("call", number), self.seeds, self.invented)
            return await _tasks(self, shown, number, context, round=round)

        return write

    async def answered(self, task: Record, context: Context) -> Record:
        """See `MakesTasks.answered`: an instance, its label first where the task is a classification."""
        return await _with_instance(self, task, context)


async def _tasks(
    step: Invent, shown: Examples, number: int, context: Context, round: int = 0
) -> list[Record]:
    """The tasks that call `number` lists, each marked where its text alone tells that it is not kept."""
    prompt = context.prompt("invent/tasks", shown.records[0])

    def made(task: str, event: Event, place: int) -> Record:
        return made_from(shown.records, task, event, str(number), str(place), language=shown.language)

    try:
        answer, event = await context.ask(
            step.model,
            "invent/tasks",
            shown.records[0],
            Sampling(step.temperature, step.max_tokens, step.top_p),
            sample=number,
            round=round,
            tasks="\n".join(f"- {text}" for text in shown.texts),
            count=str(step.per_call),
        )
    except RecordFailed as error:
        event = context.event(context.step_name, prompt=prompt, round=round)
        return [made("", event, 0).drop(context.step, error.kind, str(error), failed=True)]
    items, outside = listed(answer.text)
    context.count("text_outside_lists", outside)
    if not items:
        refused = refusal(answer.text)
        flaw = Flaw("refusal", f"the reply says {refused!r}") if refused else None
        flaw = flaw or Flaw("no_list", "the reply holds no list of tasks")
        return [made(answer.text.strip(), event, 0).drop(context.step, *flaw)]
    scripts = {detect_language(text) for text in shown.texts}
    tasks = []
    for place, item in enumerate(items, start=1):
        task = clean_instruction(item)
        if place > step.per_call:
            found: Flaw | None = Flaw("surplus", f"it is number {place} of {step.per_call} asked for")
        elif answer.finish_reason == "length" and place == len(items):
            found = Flaw("truncated", "the list was cut by the token limit, and this is its last task")
        else:
            found = _task_flaw(task, scripts, shown, prompt, step.rules)
        record = made(task, event, place)
        tasks.append(record if found is None else record.drop(context.step, *found))
    return tasks


def _task_flaw(
    task: str, scripts: set[str], shown: Examples, prompt: Prompt, rules: Sequence[Rule]
) -> Flaw | None:
    """What is wrong with an invented task by its text alone."""
    if not rouge_tokens(task):
        return Flaw("empty", "the task is empty")
    if refused := refusal(task):
        return Flaw("refusal", f"the task says {refused!r}")
    if detect_language(task) not in scripts | {""}:
        return Flaw("other_language", "it is written in another language than the tasks it was shown")
    if leak := leak_flaw(task, "\n".join(shown.texts), prompt):
        return leak
    return text_flaw(task, prompt_language(shown.language), rules)


async def _with_instance(step: Invent, task: Record, context: Context) -> Record:
    """The task with an input and an output, or marked with what is wrong with them."""
    try:
        kind, told = await context.ask(
            step.model,
            "invent/classification",
            task,
            Sampling(0.0, step.answer_max_tokens),
            schema=Kind,
            operation="classify",
            instruction=task.instruction,
        )
        schema: type[InputFirst | OutputFirst] = OutputFirst if kind.data.classification else InputFirst
        name = "output_first" if kind.data.classification else "input_first"
        task = task.with_event(told)
        answer, event = await context.ask(
            step.model,
            f"invent/{name}",
            task,
            Sampling(step.temperature, step.answer_max_tokens, step.top_p),
            schema=schema,
            operation=name,
            instruction=task.instruction,
        )
    except RecordFailed as error:
        return task.drop(context.step, error.kind, str(error), failed=True)
    instance: InputFirst | OutputFirst = answer.data
    input, output = instance.input.strip(), instance.output.strip()
    turns = (Message("user", join_input(task.instruction, input)), Message("assistant", output))
    answered = replace(task, messages=turns, input_chars=len(input), events=(*task.events, event))
    flaw = instance_flaw(task.instruction, input, output, context.prompt(f"invent/{name}", task))
    return answered if flaw is None else answered.drop(context.step, *flaw)
