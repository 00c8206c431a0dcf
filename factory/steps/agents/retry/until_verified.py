"""Answering until the answer meets its constraints: the model is told which it does not meet, and asked again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from factory.data.prompt import Prompt
from factory.data.record import Candidate, Drop, Message, Record
from factory.data.text import is_blank, shorten
from factory.errors import RecordFailed
from factory.models.base import Answer, Sampling
from factory.statistics.flaws.placeholders import placeholder
from factory.step import Context
from factory.steps.agents.flaws.eliminate import echo_flaw
from factory.steps.judging.constraints.constraint import is_chinese
from factory.steps.judging.constraints.stated import Stated
from factory.steps.judging.constraints.verdicts import Verified, verify_answer
from factory.steps.judging.verify import HARD, SOFT, with_verdicts


@dataclass(frozen=True, slots=True)
class Try:
    """One answer: the record with it and its verdicts, the model's reply, and what it was verified to be."""

    record: Record
    answer: Answer[None]
    verified: Verified

    @property
    def met(self) -> bool:
        """Whether it meets all constraints."""
        return self.verified.satisfied == len(self.verified.stated)


@dataclass(slots=True)
class Tries:
    """All whole answers to one record; where there are none, the first that was cut or empty, as it was let go."""

    made: list[Try] = field(default_factory=list)
    unusable: Record | None = None

    @property
    def best(self) -> Try:
        """The first that meets all, else the first of those that meet the most."""
        return max(self.made, key=lambda one: one.verified.satisfied)


async def tries_until_verified(
    record: Record,
    stated: Sequence[Stated],
    context: Context,
    *,
    messages: Sequence[Message],
    prompt: Prompt | None,
    model: str,
    judge: str,
    sampling: Sampling,
    tries: int,
    rehearsing: bool = False,
) -> Tries:
    """Answer `record` until an answer meets its constraints, or lacks a verdict alone, `tries` times at the most.

    A try whose answer is cut, empty or no answer counts as one; the next goes on from the last whole answer.

    Args:
        messages: what the model is sent at first; then its answer and what it does not meet are put behind.
        prompt: the prompt that was put before the conversation, if one was.
        rehearsing: make all tries, whatever the answers are.

    Raises:
        RecordFailed: no try gave an answer, not even half of one; with the reason of the first.
    """
    done = Tries()
    failure: RecordFailed | None = None
    sent = tuple(messages)
    for number in range(tries):
        if number:
            context.count("asked_again")
        try:
            answer = await context.chat(model).ask(
                sent,
                sampling,
                sample=number,
                tools=record.tools,
                template_arguments=record.template_arguments,
            )
        except RecordFailed as error:
            failure = failure or error
            continue
        text = answer.text.strip()
        event = context.event("respond", answer, prompt=prompt, round=number + 1 if number else 0)
        made = record.with_output(text, event, reasoning=answer.reasoning, calls=answer.calls)
        if (drop := unusable(answer, record, sampling, context)) is not None:
            done.unusable = done.unusable or made.but(dropped=drop)
            continue
        verified = await verify_answer(made, stated, context, model=judge)
        done.made.append(Try(with_verdicts(made, verified), answer, verified))
        if not verified.failed and not rehearsing:
            return done
        told = _told(verified.failed or verified.stated, record.language)
        asked_again = context.prompt("respond/again", record).render(failed=told)
        sent = (*messages, Message("assistant", text), *asked_again)
    if failure is not None and not done.made and done.unusable is None:
        raise failure
    return done


def unusable(answer: Answer[None], record: Record, sampling: Sampling, context: Context) -> Drop | None:
    """Why an answer is let go that is empty, the prompt again, a placeholder, or cut; None where it is whole."""
    if is_blank(answer.text) and not answer.calls:
        return context.drop("empty_answer", "the model's answer is empty")
    if answer.finish_reason != "length":
        if not answer.calls and (flaw := echo_flaw(answer.text, record.prompt)) is not None:
            return context.drop(flaw.kind, flaw.reason)
        if left := placeholder(answer.text, f"{record.system}\n{record.prompt}"):
            said = shorten(left, 40)
            return context.drop("placeholder", f"the answer holds {said!r} in place of what was asked")
        return None
    limit = sampling.max_tokens
    return context.drop("truncated", f"the answer was cut at {limit} tokens", {"max_tokens": limit})


def _told(failed: Sequence[Stated], language: str) -> str:
    """The constraints that an answer does not meet, as the model that wrote it is told."""
    lines = []
    for one in failed:
        said = one.words(language)
        if one.found:
            said += f"（实际：{one.found}）" if is_chinese(language) else f" (found: {one.found})"
        lines.append(f"- {said}")
    return "\n".join(lines)


def with_tries(record: Record, done: Tries) -> Record:
    """The record answered by the best of the tries, with all of them as its answers where there are several."""
    best = done.best
    events = [event for one in done.made for event in one.record.events[len(record.events) :]]
    made = best.record.but(events=(*record.events, *events))
    if len(done.made) == 1:
        return made
    begins = len(record.conversation)
    candidates = [as_candidate(one.record, one.verified, one.answer.model, begins) for one in done.made]
    chosen = len(record.answers) + next(at for at, one in enumerate(done.made) if one is best)
    return made.but(answers=(*record.answers, *candidates), chosen=chosen)


def as_candidate(made: Record, verified: Verified, model: str, begins: int) -> Candidate:
    """The answer of a record that was verified, as one of several; `begins`: where in its conversation it begins."""
    scores: Mapping[str, float] = {name: made.scores[name] for name in (HARD, SOFT) if name in made.scores}
    said = "met" if verified.satisfied == len(verified.stated) else "failed" if verified.failed else "unknown"
    return Candidate(made.messages[begins:], model, scores, {"constraints": said})
