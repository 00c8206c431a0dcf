"""An evolving prompt that shows the conversation before the turn that is evolved."""

from __future__ import annotations

from dataclasses import replace

from factory.data.prompt import Prompt
from factory.data.record import Message, Record
from factory.steps.judging.grading.grader import transcript


def earlier_turns(record: Record) -> tuple[Message, ...]:
    """What was said before the last user turn; nothing where there is no more than a system turn."""
    before = record.messages[: max(record.last_user, 0)]
    return before if any(turn.role != "system" for turn in before) else ()


def conversation_before(record: Record) -> str:
    """`earlier_turns` as text, with the name of each role."""
    return transcript(earlier_turns(record), record.language)


def in_conversation(prompt: Prompt, conversation: Prompt) -> Prompt:
    """`prompt` with the rules of `conversation` behind its own, and the conversation before its last turn.

    One prompt, so that a tag of either in the data marks the tags of both.
    """
    (_, rules), *examples, (role, last) = prompt.turns
    (_, more), (_, shown) = conversation.turns
    turns = (("system", f"{rules}\n\n{more}"), *examples, (role, f"{shown}\n\n{last}"))
    inputs = (*conversation.inputs, *prompt.inputs)
    return replace(
        prompt, name=f"{prompt.name}+{conversation.name.split('/')[-1]}", inputs=inputs, turns=turns
    )
