"""A reply that is one new task: what is wrong with its text, and the task answered as a user would have it."""

from __future__ import annotations

from collections.abc import Sequence

from factory.data.prompt import Prompt
from factory.data.record import Record
from factory.data.text import detect_language, normal_form, rouge_tokens, shorten
from factory.errors import RecordFailed
from factory.models.base import Answer, Sampling
from factory.statistics.flaws.flaw import Flaw
from factory.statistics.flaws.refusals import refusal
from factory.statistics.flaws.repetition import loop_flaw
from factory.step import Context
from factory.steps.agents.flaws.answer import checked_answer
from factory.steps.agents.flaws.eliminate import sentence_leak, tag_leak, template_leak, truncation_flaw


def task_flaw(
    task: str,
    reply: Answer[object],
    given: Sequence[str],
    languages: set[str],
    prompt: Prompt,
    what: str = "task",
) -> Flaw | None:
    """What is wrong with a task that a reply holds, or with what else it is, by its text alone.

    Cut by the token limit ("truncated"), without words ("empty"), a refusal ("refusal"), in none of the `languages`
    (`detect_language`) that may be ("other_language"), copied from the prompt, and not from what was given with it
    ("template_leak"), or a loop ("repetition").
    """
    if flaw := truncation_flaw(reply, f"the {what}"):
        return flaw
    if not rouge_tokens(task):
        return Flaw("empty", f"the {what} is empty")
    said = "\n".join(given)
    if refused := refusal(task, said):
        return Flaw("refusal", f"the {what} says {refused!r}")
    if detect_language(task) not in languages | {""}:
        return Flaw("other_language", "it is written in another language than what it was made from")
    return leak_flaw(task, said, prompt, what) or loop_flaw(task, said, f"the {what}")


def copy_flaw(task: str, given: str, what: str = "task") -> Flaw | None:
    """That a task is no more than what it was to be made from."""
    if normal_form(task) != normal_form(given):
        return None
    return Flaw("unchanged", f"the {what} is what it was to be made from")


def leak_flaw(text: str, said: str, prompt: Prompt, what: str = "task") -> Flaw | None:
    """That a text copies the prompt that asked for it, and not what was `said` with it: words in a row, a tag."""
    leak = tag_leak(text, said, prompt) or template_leak(text, said, prompt) or sentence_leak(text, prompt)
    if not leak:
        return None
    return Flaw("template_leak", f"the {what} copies {shorten(leak, 60)!r} from the prompt that asked for it")


async def answered_task(task: Record, model: str, sampling: Sampling, context: Context) -> Record:
    """The task answered by a model, or marked where the answer is none (see `checked_answer`), or the call failed."""
    try:
        made, flaw = await checked_answer(task, model, sampling, context)
    except RecordFailed as error:
        return task.drop(context.step, error.kind, str(error), failed=True)
    return made if flaw is None else made.drop(context.step, *flaw)
