"""What becomes of a model's thoughts in an export: cut at a budget of tokens, or written with and without them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace

from factory.data.record import Message, Record
from factory.data.text import estimate_tokens
from factory.statistics.interval import percent, wilson

TWIN_FORMATS = ("messages", "parquet", "preference", "dpo", "prompt_completion", "kto")
"""The formats that hold template arguments, by which a row with thoughts is told from its twin without."""
ARGUMENT = "enable_thinking"
NO_THINK = "-no-think"
"""What the id of a twin without thoughts ends in."""
_END = re.compile(r"[.!?。！？…](?=\s|$)|[。！？]|\n")


@dataclass(slots=True)
class Thoughts:
    """Records as they are written, made anew and counted anew each time that they are gone through.

    tokens: most tokens of a thought, about (`text.estimate_tokens`); the rest of it is cut off, at the end of a
        sentence where one ends in the latter half. The answer stays. None: no thought is cut.
    twins: each record that has thoughts comes a second time without any, its id ending in `NO_THINK`; the template
        argument `enable_thinking` tells the two apart. It is false too in a record that has no thoughts, unless that
        says otherwise itself.
    """

    records: Iterable[Record]
    tokens: int | None = None
    twins: bool = False
    thoughts: int = 0
    cut: int = 0
    with_thoughts: int = 0
    rows: int = 0

    def __iter__(self) -> Iterator[Record]:
        self.thoughts = self.cut = self.with_thoughts = self.rows = 0
        for record in self.records:
            self.rows += 1
            made = _rethought(record, self._cut) if self.tokens is not None else record
            thinks = any(turn.reasoning for turn in _turns(made))
            self.with_thoughts += thinks
            if not self.twins:
                yield made
                continue
            if not thinks:
                yield replace(made, template_arguments={ARGUMENT: False, **made.template_arguments})
                continue
            yield replace(made, template_arguments={**made.template_arguments, ARGUMENT: True})
            quiet = _rethought(made, lambda thought: "")
            arguments = {**made.template_arguments, ARGUMENT: False}
            yield replace(quiet, id=made.id + NO_THINK, template_arguments=arguments)

    def _cut(self, thought: str) -> str:
        assert self.tokens is not None
        self.thoughts += 1
        short = cut_thought(thought, self.tokens)
        self.cut += short != thought
        return short

    def counts(self) -> dict[str, int]:
        """The same as counts, by name."""
        cut = {"thoughts": self.thoughts, "thoughts_cut": self.cut} if self.tokens is not None else {}
        return {**cut, **({"records_written_twice": self.with_thoughts} if self.twins else {})}

    def told(self) -> list[str]:
        """What was done to the thoughts, a sentence each, once the records were gone through."""
        said = []
        if self.tokens is not None:
            share = (
                percent(self.cut / self.thoughts, wilson(self.cut, self.thoughts))
                if self.thoughts
                else "none"
            )
            said.append(f"of {self.thoughts:,} thoughts {share} were cut at about {self.tokens:,} tokens")
        if self.twins:
            thinking = f"{self.with_thoughts:,} of {self.rows:,} records have thoughts"
            said.append(f"{thinking} and are written a second time without them ({ARGUMENT}: false)")
        return said


def cut_thought(thought: str, tokens: int) -> str:
    """The beginning of a thought that takes at most so many tokens, about, as a whole sentence where that costs little.

    A thought that fits is returned as it is.
    """
    if estimate_tokens(thought) <= tokens:
        return thought
    low, high = 0, len(thought)
    while low < high:  # the longest beginning that fits
        middle = (low + high + 1) // 2
        if estimate_tokens(thought[:middle]) <= tokens:
            low = middle
        else:
            high = middle - 1
    ends = [found.end() for found in _END.finditer(thought, 0, low)]
    at = ends[-1] if ends and ends[-1] > low // 2 else low
    return thought[:at].rstrip()


def _turns(record: Record) -> Iterator[Message]:
    yield from record.messages
    for answer in record.answers:
        yield from answer.turns


def _rethought(record: Record, change: Callable[[str], str]) -> Record:
    """The record with each of its thoughts changed; one that stands in several turns is one."""
    changed = {turn.reasoning: "" for turn in _turns(record) if turn.reasoning}
    if not changed:
        return record
    changed = {thought: change(thought) for thought in changed}

    def turned(turn: Message) -> Message:
        return turn._replace(reasoning=changed[turn.reasoning]) if turn.reasoning else turn

    answers = tuple(answer._replace(turns=tuple(map(turned, answer.turns))) for answer in record.answers)
    return replace(record, messages=tuple(map(turned, record.messages)), answers=answers)
