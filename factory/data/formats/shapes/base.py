"""What a shape of rows is: how a row is told, read as a conversation, and written again."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from factory.data.record import Candidate, Message, Record, Tag

Row = dict[str, Any]
"""One row as plain JSON: what a line of a file holds."""


class BadShape(ValueError):
    """The row cannot be a record; the message says why and how to mend it."""


@dataclass(slots=True)
class Parsed:
    """A row understood, by its shape first and then by what all shapes have in common.

    Fields of a record's names mean what they mean there.

    meta: the keys of the row that nothing else holds
    form: how the row was spelled, as plain JSON ("shape" and what that shape needs to write it the same)
    told: what a person should know of the row, though it is kept, in few words that fit behind "in 12 rows:" and
        name no row ("two user turns in a row")
    exact: whether the shape knows that `write` gives this row again; where it does not know, that is tried, and what
        comes out otherwise is kept in `form` (see `source`)
    """

    messages: tuple[Message, ...]
    input_chars: int = 0
    source: str = ""
    lang: str = ""
    task: str = ""
    tags: tuple[Tag, ...] = ()
    meta: Mapping[str, Any] = field(default_factory=dict)
    tools: tuple[Mapping[str, Any], ...] = ()
    template_arguments: Mapping[str, Any] = field(default_factory=dict)
    answers: tuple[Candidate, ...] = ()
    chosen: int = -1
    license: str = ""
    form: Mapping[str, Any] = field(default_factory=dict)
    told: tuple[str, ...] = ()
    exact: bool = False


class Shape(ABC):
    """One way in which people's tools spell a row of training data."""

    name: ClassVar[str]

    @abstractmethod
    def matches(self, row: Mapping[str, Any]) -> bool:
        """Whether a row looks like this shape, by its keys and the kinds of their values; cheap."""

    @abstractmethod
    def read(self, row: Row) -> Parsed:
        """The conversation of a row of plain JSON; takes out of the row what it reads, what stays is `meta`.

        The row may be changed, the lists and objects in it may not: with them the row is compared that `write` makes.
        Nothing vanishes: a key of a turn that has no field in `Message` goes to its `extra`.

        Raises:
            BadShape: the row cannot be a record.
        """

    @abstractmethod
    def write(self, record: Record, form: Mapping[str, Any], lost: Counter[str]) -> Row:
        """A record as a row of this shape, spelled as `form` says where it says something.

        What the shape cannot hold is counted in `lost` by its name ("reasoning", "media"); a record that cannot
        be a row at all raises. The user's own columns (`meta`) are no part of the row.

        Raises:
            BadShape: the shape cannot hold the record.
        """
