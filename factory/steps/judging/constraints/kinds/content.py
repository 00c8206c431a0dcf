"""What an answer holds beside its matter: placeholders, a postscript, numbers, a date, the request again."""

from __future__ import annotations

import datetime
import random
import re
from collections.abc import Mapping
from typing import ClassVar, Literal, Self, TypeAlias

from pydantic import Field

from factory.data.text import shorten
from factory.steps.judging.constraints.constraint import (
    About,
    AnswerText,
    Category,
    Checked,
    Counted,
    Demands,
    Phrase,
    Relation,
    compared,
    in_language,
    is_chinese,
)


class NumberPlaceholders(Counted):
    """At least so many placeholders in square brackets, within a line."""

    kind: ClassVar[str] = "detectable_content:number_placeholders"
    category: ClassVar[Category] = "content"
    unit: ClassVar[str] = "placeholders"

    num_placeholders: int = Field(ge=0)

    def wording(self, language: str) -> str:
        return in_language(
            language,
            f"The response must contain at least {self.num_placeholders} placeholders represented by square brackets, "
            "such as [address].",
            f"回答中要有至少 {self.num_placeholders} 个用方括号表示的占位符，例如 [地址]。",
        )

    def count(self, answer: AnswerText) -> int:
        if "[" not in answer.text:
            return 0
        return sum(map(_bracketed, answer.text.split("\n")))

    def bound(self) -> tuple[Relation, int]:
        return "at least", self.num_placeholders

    def demands(self) -> Demands:
        texts = ("[]",) if self.num_placeholders else ()
        return Demands(texts=texts, unit=self.unit, least=self.num_placeholders)

    @classmethod
    def draw(cls, chance: random.Random, about: About) -> Self:
        return cls(num_placeholders=chance.randint(1, 4))


def _bracketed(line: str) -> int:
    """How many parts of a line stand in square brackets."""
    number, at = 0, line.find("[")
    while at >= 0 and (end := line.find("]", at)) >= 0:
        number, at = number + 1, line.find("[", end)
    return number


_MARKERS: Mapping[str, re.Pattern[str]] = {
    "P.S.": re.compile(r"p\.\s?s\."),
    "P.P.S": re.compile(r"p\.\s?p\.\s?s"),
}


class Postscript(Checked):
    """A postscript that begins with a marker, in any case; within P.S. and P.P.S there may be white space."""

    kind: ClassVar[str] = "detectable_content:postscript"
    category: ClassVar[Category] = "format"

    postscript_marker: Phrase

    def wording(self, language: str) -> str:
        return in_language(
            language,
            f"At the end of your response, please explicitly add a postscript starting with {self.postscript_marker}",
            f"在回答末尾加一段附言，以“{self.postscript_marker}”开头。",
        )

    def check(self, answer: AnswerText) -> bool:
        marker = self.postscript_marker.strip()
        pattern = _MARKERS.get(marker)
        if pattern is None:
            return marker.lower() in answer.lowered
        return pattern.search(answer.lowered) is not None

    def demands(self) -> Demands:
        return Demands(frozenset({"end"}), (self.postscript_marker,))

    @classmethod
    def draw(cls, chance: random.Random, about: About) -> Self:
        markers = ("附言：", "又及：") if is_chinese(about.language) else ("P.S.", "P.P.S")
        return cls(postscript_marker=chance.choice(markers))


class RepeatPrompt(Checked):
    """The answer begins with a text, in any case: the request, word for word."""

    kind: ClassVar[str] = "combination:repeat_prompt"
    category: ClassVar[Category] = "format"

    prompt_to_repeat: Phrase

    def wording(self, language: str) -> str:
        return in_language(
            language,
            "First repeat the request word for word without change, then give your answer (1. do not say any words "
            "or characters before repeating the request; 2. the request you need to repeat is the text in front of "
            "this sentence, without any other requirement)",
            "先一字不改地重复上面的请求，再作答（1. 重复之前不要写任何字；2. 要重复的只是这些要求之前的请求本身）。",
        )

    def check(self, answer: AnswerText) -> bool:
        return answer.stripped.lower().startswith(self.prompt_to_repeat.strip().lower())

    def demands(self) -> Demands:
        return Demands(frozenset({"start"}), (self.prompt_to_repeat,))

    @classmethod
    def draw(cls, chance: random.Random, about: About) -> Self | None:
        # Repeating a long request is no test of following it.
        return cls(prompt_to_repeat=about.instruction) if 0 < len(about.instruction) <= 300 else None


# What may not stand before is looked for behind the first digit, so that `re` passes over all else at once.
_NUMBER = re.compile(r"\d(?<![\d.,]\d)\d*(?:[.,]\d+)*")


class NumberNumerals(Counted):
    """So many numbers in digits; 1,250.5 is one."""

    kind: ClassVar[str] = "detectable_content:number_numerals"
    category: ClassVar[Category] = "content"
    unit: ClassVar[str] = "numerals"

    relation: Relation
    num_numerals: int = Field(ge=0)

    def wording(self, language: str) -> str:
        number = compared(self.relation, self.num_numerals, language)
        if self.limits()[1] == 0:
            return in_language(language, "Do not write any number in digits.", "不要出现任何阿拉伯数字。")
        return in_language(
            language,
            f"Mention {number} numbers, written in digits.",
            f"回答中写出{number}个用阿拉伯数字表示的数。",
        )

    def count(self, answer: AnswerText) -> int:
        return len(_NUMBER.findall(answer.text))

    def bound(self) -> tuple[Relation, int]:
        return self.relation, self.num_numerals

    def demands(self) -> Demands:
        least = int(self.limits()[0])
        return Demands(texts=("1",) if least else (), unit=self.unit, least=least, most=self.limits()[1])

    @classmethod
    def draw(cls, chance: random.Random, about: About) -> Self:
        if chance.random() < 0.5:
            return cls(relation="at most", num_numerals=0)
        return cls(relation="at least", num_numerals=chance.randint(1, 4))


DateForm: TypeAlias = Literal["YYYY-MM-DD", "DD/MM/YYYY", "MM/DD/YYYY", "Month D, YYYY", "YYYY年M月D日"]

_MONTH_NAMES = "January February March April May June July August September October November December"
_MONTHS = _MONTH_NAMES.split()
_DATES: Mapping[DateForm, re.Pattern[str]] = {
    "YYYY-MM-DD": re.compile(r"(?P<year>\d(?<!\d\d)\d{3})-(?P<month>\d\d)-(?P<day>\d\d)(?!\d)"),
    "DD/MM/YYYY": re.compile(r"(?P<day>\d(?<!\d\d)\d)/(?P<month>\d\d)/(?P<year>\d{4})(?!\d)"),
    "MM/DD/YYYY": re.compile(r"(?P<month>\d(?<!\d\d)\d)/(?P<day>\d\d)/(?P<year>\d{4})(?!\d)"),
    "Month D, YYYY": re.compile(
        rf"\b(?P<month>{'|'.join(_MONTHS)}) (?P<day>[1-9]\d?), (?P<year>\d{{4}})(?!\d)", re.IGNORECASE
    ),
    "YYYY年M月D日": re.compile(
        r"(?P<year>\d(?<!\d\d)\d{3})\s?年\s?(?P<month>\d{1,2})\s?月\s?(?P<day>\d{1,2})\s?日"
    ),
}


class Date(Checked):
    """A date of the calendar in one form."""

    kind: ClassVar[str] = "detectable_content:date"
    category: ClassVar[Category] = "content"

    date_form: DateForm

    def wording(self, language: str) -> str:
        return in_language(
            language,
            f"Mention at least one date, written as {self.date_form}.",
            f"至少写出一个日期，格式为 {self.date_form}。",
        )

    def check(self, answer: AnswerText) -> bool:
        return any(map(_is_date, _DATES[self.date_form].finditer(answer.text)))

    def found(self, answer: AnswerText) -> str:
        return ", ".join(shorten(match[0], 40) for match in _DATES[self.date_form].finditer(answer.text))

    def demands(self) -> Demands:
        return Demands(texts=("May 12, 2024" if self.date_form.startswith("Month") else "2024-11-12",))

    @classmethod
    def draw(cls, chance: random.Random, about: About) -> Self:
        forms: tuple[DateForm, ...] = (
            "YYYY-MM-DD",
            "YYYY年M月D日" if is_chinese(about.language) else "Month D, YYYY",
        )
        return cls(date_form=chance.choice(forms))


def _is_date(match: re.Match[str]) -> bool:
    month = match["month"]
    try:
        number = int(month) if month.isdigit() else _MONTHS.index(month.capitalize()) + 1
        datetime.date(int(match["year"]), number, int(match["day"]))
    except ValueError:
        return False
    return True


KINDS = (NumberPlaceholders, Postscript, RepeatPrompt, NumberNumerals, Date)
