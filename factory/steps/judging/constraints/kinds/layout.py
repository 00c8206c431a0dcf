"""Parts that an answer is laid out in: lists, sections, headings, highlighted parts, a title."""

from __future__ import annotations

import functools
import random
import re
from typing import ClassVar, Self

from pydantic import Field

from factory.steps.judging.constraints.constraint import (
    About,
    AnswerText,
    Category,
    Checked,
    Counted,
    Demands,
    Phrase,
    Relation,
    in_language,
    is_chinese,
)

_ASTERISK = re.compile(r"^[^\S\n]*\*[^*]", re.MULTILINE)
_HYPHEN = re.compile(r"^[^\S\n]*-", re.MULTILINE)
_ITEM = re.compile(r"^[ \t]{0,3}(\d{1,3})[.)、．][ \t]*(?=\S)(?!\d)", re.MULTILINE)
_HEADING = re.compile(r"^[ ]{0,3}#{1,6}[ \t]+\S", re.MULTILINE)
_SINGLE = re.compile(r"\*([^\n*]*)\*")
_DOUBLE = re.compile(r"\*\*([^\n*]*)\*\*")


class NumberBulletLists(Counted):
    """Exactly so many bullet points: lines that begin with an asterisk or a hyphen."""

    kind: ClassVar[str] = "detectable_format:number_bullet_lists"
    category: ClassVar[Category] = "format"
    unit: ClassVar[str] = "bullets"

    num_bullets: int = Field(ge=0)

    def wording(self, language: str) -> str:
        return in_language(
            language,
            f"Your answer must contain exactly {self.num_bullets} bullet points. Use the markdown bullet points such "
            "as:\n* This is point 1.\n* This is point 2",
            f"回答中要有正好 {self.num_bullets} 个要点，用 Markdown 列表符号，例如：\n* 第一点\n* 第二点",
        )

    def count(self, answer: AnswerText) -> int:
        asterisks = len(_ASTERISK.findall(answer.text)) if "*" in answer.text else 0
        return asterisks + (len(_HYPHEN.findall(answer.text)) if "-" in answer.text else 0)

    def bound(self) -> tuple[Relation, int]:
        return "exactly", self.num_bullets

    @classmethod
    def draw(cls, chance: random.Random, about: About) -> Self:
        return cls(num_bullets=chance.randint(2, 5))


class NumberedList(Counted):
    """A list of exactly so many items, numbered 1, 2, 3, ... one a line."""

    kind: ClassVar[str] = "detectable_format:numbered_list"
    category: ClassVar[Category] = "format"
    unit: ClassVar[str] = "items"

    num_items: int = Field(ge=1)

    def wording(self, language: str) -> str:
        return in_language(
            language,
            f"Include one numbered list with exactly {self.num_items} items, each on a line of its own: 1., 2., ...",
            f"回答中要有一个编号列表，正好 {self.num_items} 项，每项一行，依次编为 1.、2.……",
        )

    def count(self, answer: AnswerText) -> int:
        """The number of items; -1 where they are not numbered from 1 on, one after another."""
        numbers = [int(number) for number in _ITEM.findall(answer.text)]
        return len(numbers) if numbers == list(range(1, len(numbers) + 1)) else -1

    def found(self, answer: AnswerText) -> str:
        count = self.count(answer)
        return str(count) if count >= 0 else ""

    def bound(self) -> tuple[Relation, int]:
        return "exactly", self.num_items

    def refuses(self, text: str) -> bool:
        return _ITEM.search(text) is not None

    def demands(self) -> Demands:
        return Demands(texts=("1.",), unit="items", least=self.num_items)

    @classmethod
    def draw(cls, chance: random.Random, about: About) -> Self:
        return cls(num_items=chance.randint(3, 6))


class NumberHighlightedSections(Counted):
    """At least so many highlighted parts: *so* or **so**, within a line."""

    kind: ClassVar[str] = "detectable_format:number_highlighted_sections"
    category: ClassVar[Category] = "format"
    unit: ClassVar[str] = "highlights"

    num_highlights: int = Field(ge=0)

    def wording(self, language: str) -> str:
        return in_language(
            language,
            f"Highlight at least {self.num_highlights} sections in your answer with markdown, i.e. *highlighted "
            "section*.",
            f"用 Markdown 标出至少 {self.num_highlights} 处重点，即 *这样的重点*。",
        )

    def count(self, answer: AnswerText) -> int:
        if "*" not in answer.text:
            return 0
        single = sum(bool(part.strip()) for part in _SINGLE.findall(answer.text))
        return single + sum(bool(part.strip()) for part in _DOUBLE.findall(answer.text))

    def bound(self) -> tuple[Relation, int]:
        return "at least", self.num_highlights

    def demands(self) -> Demands:
        texts = ("*",) if self.num_highlights else ()
        return Demands(texts=texts, unit=self.unit, least=self.num_highlights)

    @classmethod
    def draw(cls, chance: random.Random, about: About) -> Self:
        return cls(num_highlights=chance.randint(1, 3))


@functools.lru_cache(maxsize=1024)
def _section(splitter: str) -> re.Pattern[str]:
    return re.compile(rf"{re.escape(splitter)}\s?\d+")


class MultipleSections(Counted):
    """At least so many sections, each begun by a word and a number: "Section 1"."""

    kind: ClassVar[str] = "detectable_format:multiple_sections"
    category: ClassVar[Category] = "format"
    unit: ClassVar[str] = "sections"

    section_spliter: Phrase
    """The word that begins a section, under the name that IFEval gives it."""
    num_sections: int = Field(ge=1)

    def wording(self, language: str) -> str:
        word = self.section_spliter.strip()
        return in_language(
            language,
            f"Your response must have {self.num_sections} sections. Mark the beginning of each section with {word} X, "
            f"such as:\n{word} 1\n[content of section 1]\n{word} 2\n[content of section 2]",
            f"回答要分成 {self.num_sections} 节，每节以“{word} 序号”开头，例如：\n{word} 1\n[第一节内容]\n{word} 2\n"
            "[第二节内容]",
        )

    def count(self, answer: AnswerText) -> int:
        return len(_section(self.section_spliter.strip()).findall(answer.text))

    def bound(self) -> tuple[Relation, int]:
        return "at least", self.num_sections

    def demands(self) -> Demands:
        return Demands(
            texts=(f"{self.section_spliter.strip()} 1",),
            any_case=False,
            unit=self.unit,
            least=self.num_sections,
        )

    @classmethod
    def draw(cls, chance: random.Random, about: About) -> Self:
        words = ("部分", "章节") if is_chinese(about.language) else ("Section", "SECTION")
        return cls(section_spliter=chance.choice(words), num_sections=chance.randint(2, 4))


class Headings(Counted):
    """Exactly so many Markdown headings."""

    kind: ClassVar[str] = "detectable_format:headings"
    category: ClassVar[Category] = "format"
    unit: ClassVar[str] = "headings"

    num_headings: int = Field(ge=0)

    def wording(self, language: str) -> str:
        return in_language(
            language,
            f"Divide the answer by exactly {self.num_headings} Markdown headings, each on a line that begins with #.",
            f"回答中要有正好 {self.num_headings} 个 Markdown 标题，每个标题单独一行，以 # 开头。",
        )

    def count(self, answer: AnswerText) -> int:
        return len(_HEADING.findall(answer.text))

    def bound(self) -> tuple[Relation, int]:
        return "exactly", self.num_headings

    def demands(self) -> Demands:
        texts = ("# ",) if self.num_headings else ()
        return Demands(texts=texts, unit=self.unit, least=self.num_headings)

    def refuses(self, text: str) -> bool:
        # Its own texts are no headings by themselves.
        return _HEADING.search(text) is not None

    @classmethod
    def draw(cls, chance: random.Random, about: About) -> Self:
        return cls(num_headings=chance.randint(2, 4))


class Title(Checked):
    """A title in double angular brackets."""

    kind: ClassVar[str] = "detectable_format:title"
    category: ClassVar[Category] = "format"

    def wording(self, language: str) -> str:
        return in_language(
            language,
            "Your answer must contain a title, wrapped in double angular brackets, such as <<poem of joy>>.",
            "回答要有一个标题，放在双尖括号里，例如 <<欢乐颂>>。",
        )

    def check(self, answer: AnswerText) -> bool:
        if "<<" not in answer.text:
            return False
        # From the first pair of brackets of a line to the last.
        lines = ((line, line.find("<<"), line.rfind(">>")) for line in answer.text.split("\n"))
        return any(
            line[begin:end].lstrip("<").rstrip(">").strip() for line, begin, end in lines if 0 <= begin < end
        )

    def demands(self) -> Demands:
        return Demands(texts=("<<>>",))

    @classmethod
    def draw(cls, chance: random.Random, about: About) -> Self:
        return cls()


KINDS = (
    NumberBulletLists,
    NumberedList,
    NumberHighlightedSections,
    MultipleSections,
    Headings,
    Title,
)
