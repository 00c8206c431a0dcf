"""What a constraint is: kind, category, arguments, wording; one that code can check, and one that a model judges."""

from __future__ import annotations

import math
import random
import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, ClassVar, Generic, Literal, Self, TypeAlias, TypeVar, get_args

from pydantic import AfterValidator, BaseModel, ConfigDict

from factory.data.text import is_blank, prompt_language
from factory.steps.judging.constraints.languages import language_of
from factory.steps.judging.constraints.sentences import split_sentences

Category: TypeAlias = Literal["content", "situation", "style", "format", "example", "mixed"]
CATEGORIES: tuple[Category, ...] = get_args(Category)
"""FollowBench's categories (arXiv 2310.20410)."""

Relation: TypeAlias = Literal["at least", "less than", "at most", "more than", "exactly"]
"""How a number compares. IFEval has the first two."""

_RELATIONS: Mapping[Relation, tuple[str, str]] = {
    "at least": ("at least {}", "至少{}"),
    "less than": ("less than {}", "少于{}"),
    "at most": ("at most {}", "不超过{}"),
    "more than": ("more than {}", "多于{}"),
    "exactly": ("exactly {}", "正好{}"),
}


_PLAIN = frozenset({int, str, float, bool})
_Value = TypeVar("_Value")


def _shows_something(text: str) -> str:
    if is_blank(text):
        raise ValueError("must not be empty")
    return text


Phrase = Annotated[str, AfterValidator(_shows_something)]
"""A text that shows something."""

# A run of \w as IFEval counts words; a Chinese or Japanese character is a word of its own.
_CJK = "\u3041-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U000323af"
# In ASCII text all else becomes a space: to split at spaces takes a third of the time of a pattern.
_ASCII_WORDS = "".join(at if at.isalnum() or at == "_" else " " for at in map(chr, range(128)))
_CJK_RUN = re.compile(rf"[{_CJK}]+")
_OTHER_WORD = re.compile(rf"[^\W{_CJK}]+")


def count_words(text: str) -> int:
    """Number of runs of letters, digits and underscores, of which each Chinese or Japanese character is one."""
    if text.isascii():
        return len(text.translate(_ASCII_WORDS).split())
    return len("".join(_CJK_RUN.findall(text))) + len(_OTHER_WORD.findall(text))


class _once(Generic[_Value]):
    """A property that is read once, as functools.cached_property without its lock, which costs more than most."""

    def __init__(self, read: Callable[[Any], _Value]) -> None:
        self._read, self._name, self.__doc__ = read, read.__name__, read.__doc__

    def __get__(self, owner: object, kind: type | None = None) -> _Value:
        value = owner.__dict__[self._name] = self._read(owner)
        return value


class AnswerText:
    """An answer, with what several checkers count of it counted once."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.counted: tuple[Counted | None, int] = None, 0
        """The last checker that counted something of it, and how many: it will tell what it found."""

    @_once
    def stripped(self) -> str:
        """The text without white space around it."""
        return self.text.strip()

    @_once
    def lowered(self) -> str:
        """The text in lower case."""
        return self.text.lower()

    @_once
    def words(self) -> int:
        """Number of words (`count_words`)."""
        return count_words(self.text)

    @_once
    def sentences(self) -> list[str]:
        """The sentences, none of them empty."""
        return split_sentences(self.text)

    @_once
    def longest_sentence(self) -> int:
        """Number of words of the sentence that has most."""
        # No sentence has more words than characters, so that most need not be counted.
        longest = 0
        for sentence in sorted(self.sentences, key=len, reverse=True):
            if len(sentence) <= longest:
                break
            longest = max(longest, count_words(sentence))
        return longest

    @_once
    def language(self) -> str:
        """The language that most of it is in; "" where it has no letter."""
        return language_of(self.text)


class CannotCheck(Exception):
    """A checker cannot decide: the verdict is missing. `kind` groups such failures, as `Missing.kind` does."""

    def __init__(self, kind: str, reason: str) -> None:
        super().__init__(reason)
        self.kind = kind


@dataclass(frozen=True, slots=True)
class Demands:
    """What a constraint needs of an answer, so that those which contradict each other are never put together.

    owns: parts and properties that it decides alone: "start", "end", "whole" (the form of all of it), "paragraphs",
        "case", "language"
    texts: what must stand in the answer
    any_case: whether its texts may stand there in capitals or in small letters too
    unit: what it counts ("words", "sentences", ...), "" where it counts nothing that others count too
    least, most: how many of the unit there are to be
    """

    owns: frozenset[str] = frozenset()
    texts: tuple[str, ...] = ()
    any_case: bool = True
    unit: str = ""
    least: float = 0
    most: float = math.inf


@dataclass(frozen=True, slots=True)
class About:
    """What a constraint is drawn for: the language it is worded in, and the instruction that it is added to."""

    language: str
    instruction: str
    words: tuple[str, ...] = field(default=())
    """Words that a keyword may be: they fit most instructions."""


class Constraint(BaseModel, ABC):
    """One constraint on an answer: a frozen set of validated arguments."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    __slots__ = ("_given",)

    kind: ClassVar[str]
    """Its name, such as "length_constraints:number_words"."""
    category: ClassVar[Category]

    @abstractmethod
    def wording(self, language: str) -> str:
        """The constraint as a sentence of an instruction, in Chinese where `language` is, else in English."""

    def demands(self) -> Demands:
        """What it needs of an answer."""
        return Demands()

    def refuses(self, text: str) -> bool:
        """Whether no answer that holds `text` can meet it."""
        return False

    def arguments(self) -> dict[str, Any]:
        """Its arguments as plain JSON."""
        given: dict[str, Any] | None = getattr(self, "_given", None)
        if given is None:
            given = self._dumped()
            object.__setattr__(self, "_given", given)
        return given.copy()

    def _dumped(self) -> dict[str, Any]:
        # What pydantic's dump gives, at a third of its time, where the arguments are numbers and texts.
        given: dict[str, Any] = {}
        for name, value in self.__dict__.items():
            kind = type(value)
            if kind in _PLAIN:
                given[name] = value
            elif kind is tuple and _PLAIN.issuperset(map(type, value)):
                given[name] = list(value)
            elif value is not None:
                return self.model_dump(mode="json", exclude_none=True)
        return given

    @classmethod
    def draw(cls, chance: random.Random, about: About) -> Self | None:
        """One with arguments drawn by `chance`; None where the kind does not fit, or is never drawn."""
        return None


class Checked(Constraint):
    """A constraint that code can check."""

    @abstractmethod
    def check(self, answer: AnswerText) -> bool:
        """Whether the answer meets it.

        Raises:
            CannotCheck: that cannot be decided.
        """

    def found(self, answer: AnswerText) -> str:
        """What was found in its place, shortly, such as a number; "" where there is nothing to tell."""
        return ""


class Counted(Checked):
    """A checker that counts something and compares the number."""

    unit: ClassVar[str] = ""
    """What it counts, where other kinds count the same or something that is made of it."""

    @abstractmethod
    def count(self, answer: AnswerText) -> int:
        """How many the answer has."""

    @abstractmethod
    def bound(self) -> tuple[Relation, int]:
        """How the number is to compare, and with what."""

    def check(self, answer: AnswerText) -> bool:
        """See `Checked.check`."""
        relation, number = self.bound()
        counted = self.count(answer)
        answer.counted = self, counted
        return holds(counted, relation, number)

    def found(self, answer: AnswerText) -> str:
        """See `Checked.found`."""
        by, counted = answer.counted
        return str(counted if by is self else self.count(answer))

    def limits(self) -> tuple[float, float]:
        """The smallest and the largest number that meet it."""
        relation, number = self.bound()
        least = {"at least": number, "more than": number + 1, "exactly": number}.get(relation, 0)
        most = {"less than": number - 1, "at most": number, "exactly": number}.get(relation, math.inf)
        return least, most

    def demands(self) -> Demands:
        """See `Constraint.demands`."""
        return Demands(unit=self.unit, least=self.limits()[0], most=self.limits()[1])

    def refuses(self, text: str) -> bool:
        """See `Constraint.refuses`: whether the text alone has too many."""
        return self.count(AnswerText(text)) > self.limits()[1]


class Judged(Constraint):
    """A constraint that a model judges: its requirement in words, as it stands in the instruction.

    It may have checkers that a model wrote (the step `write_checkers`), as Python code: they are run in the sandbox
    alone, and judge in the model's place.
    """

    requirement: Phrase
    checkers: tuple[str, ...] | None = None

    def wording(self, language: str) -> str:
        """See `Constraint.wording`: the requirement itself, in the language that it was written in."""
        return self.requirement


def holds(number: float, relation: Relation, bound: float) -> bool:
    """Whether `number` is, say, at least `bound`."""
    if relation == "at least":
        return number >= bound
    if relation == "less than":
        return number < bound
    if relation == "at most":
        return number <= bound
    return number > bound if relation == "more than" else number == bound


def compared(relation: Relation, number: int, language: str) -> str:
    """A relation in words: "at least 3", "至少 3"."""
    chinese = is_chinese(language)
    said = _RELATIONS[relation][chinese]
    return said.format(f" {number} " if chinese else number)


def is_chinese(language: str) -> bool:
    """Whether records of this language are spoken to in Chinese."""
    return prompt_language(language) == "zh"


def in_language(language: str, english: str, chinese: str) -> str:
    """The wording that serves the language."""
    return chinese if is_chinese(language) else english


def listed(items: tuple[str, ...], language: str) -> str:
    """Texts in quotation marks, in a row."""
    if is_chinese(language):
        return "、".join(f"“{item}”" for item in items)
    return ", ".join(f'"{item}"' for item in items)
