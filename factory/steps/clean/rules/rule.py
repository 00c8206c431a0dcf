"""What a rule of `clean` is: its name, what it finds, examples, and the function that finds it.

A rule is a `Rule` with a function over one text (`Part`) or, for what hangs on no single text, over the whole record
(`View`). It gives places (`Found`), never a changed text: what is done about them is the step's business.

A package of yours adds one by the entry point group `factory.clean_rules`:

    def shouts(part: Part) -> Iterator[Found]:
        for word in re.finditer(r"\\b[A-Z]{12,}\\b", part.prose):
            yield Found(word.start(), word.end(), "capitals")

    SHOUTING = Rule("shouting", "own", "Words of a dozen capitals and more.", shouts, roles=("assistant",),
                    examples=(Example("Use AUTHENTICATIONTOKEN.", True), Example("Use the NASA site.", False)))
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from factory.steps.clean.rules.view import Part, View, Where

Action = Literal["off", "report", "mark", "mend", "drop"]
ACTIONS: tuple[Action, ...] = ("off", "report", "mark", "mend", "drop")
ROLES = ("system", "user", "assistant", "tool")
RECORD = -1
"""The turn of a finding about the record as a whole, such as its licence."""


class Found(NamedTuple):
    """A fault in a text: characters `start` to `end` of it.

    note: what is told of it, in a few words; "" where the characters say enough
    replacement: what stands there once it is mended, where that is certain; None where it is not
    """

    start: int
    end: int
    note: str = ""
    replacement: str | None = None


class Finding(NamedTuple):
    """A fault in a record: `Found`, with the rule that found it and the text that it is in.

    turn: index of the message, `RECORD` where the fault is of the record as a whole
    where: the text of the turn: "content", "reasoning", or "call" and its number ("call0": arguments of the first)
    """

    rule: str
    turn: int
    where: Where
    start: int
    end: int
    note: str = ""
    replacement: str | None = None


class Example(NamedTuple):
    """A text that shows what a rule finds, or what is near and is none.

    asked: the prompt before it, where the fault hangs on it; the text is an assistant's turn then
    """

    text: str
    fault: bool
    asked: str = ""


@dataclass(frozen=True)
class Rule:
    """A named rule.

    group: "text", "voice", "licence", ...; a profile may name a group in place of each of its rules
    finds: what it finds, one sentence
    check: gives the faults of one text; see `of_record`
    languages: those of the texts that it understands; () is all. Told, and not held against a text.
    roles: whose turns it reads
    where: which texts of a turn it reads, any of "content", "reasoning", "call"
    triggers: it is asked only where one of these small-letter words stands in the text's small letters; () is always
    mends: some of what it finds has a certain replacement
    examples: texts with the fault, and near misses
    hides: what it finds is nobody's to read: it is shown in part, and not kept once it is mended
    needs: raises where what it needs is not installed; such a rule is off unless a profile names it by its own name
    """

    name: str
    group: str
    finds: str
    check: Callable[[Part], Iterable[Found]]
    languages: tuple[str, ...] = ()
    roles: tuple[str, ...] = ("user", "assistant")
    where: tuple[str, ...] = ("content",)
    triggers: tuple[str, ...] = ()
    mends: bool = False
    examples: Sequence[Example] = field(default=(), repr=False)
    hides: bool = False
    needs: Callable[[], None] | None = None

    def findings(self, view: View) -> Iterator[Finding]:
        """The faults of a record, in the order of its turns."""
        for part in view.parts:
            if part.role not in self.roles or part.kind not in self.where:
                continue
            if self.triggers and not part.holds(self.triggers):
                continue
            for found in self.check(part):
                yield Finding(self.name, part.turn, part.where, *found)


@dataclass(frozen=True)
class RecordRule:
    """A rule about a record as a whole, such as its licence; as `Rule`, but that it reads no text.

    check: gives notes, one for each fault
    """

    name: str
    group: str
    finds: str
    check: Callable[[View], Iterable[str]]
    languages: tuple[str, ...] = ()
    mends: bool = False
    examples: Sequence[Example] = field(default=(), repr=False)
    hides: bool = False
    needs: Callable[[], None] | None = None

    def findings(self, view: View) -> Iterator[Finding]:
        """The faults of a record."""
        for note in self.check(view):
            yield Finding(self.name, RECORD, "content", 0, 0, note)


AnyRule = Rule | RecordRule
