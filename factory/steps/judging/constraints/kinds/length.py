"""How long an answer is: words, characters, sentences, paragraphs."""

from __future__ import annotations

import random
import re
from typing import ClassVar, Self

from pydantic import Field, model_validator

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

_BLANK_LINE = re.compile(r"\n[^\S\n]*\n")


class NumberWords(Counted):
    """A number of words; in Chinese, of characters and words of other scripts."""

    kind: ClassVar[str] = "length_constraints:number_words"
    category: ClassVar[Category] = "content"
    unit: ClassVar[str] = "words"

    relation: Relation
    num_words: int = Field(ge=0)

    def wording(self, language: str) -> str:
        number = compared(self.relation, self.num_words, language)
        return in_language(language, f"Answer with {number} words.", f"回答{number}字。")

    def count(self, answer: AnswerText) -> int:
        return answer.words

    def bound(self) -> tuple[Relation, int]:
        return self.relation, self.num_words

    @classmethod
    def draw(cls, chance: random.Random, about: About) -> Self:
        if chance.random() < 0.5:
            return cls(relation="at least", num_words=chance.randrange(40, 201, 10))
        return cls(relation="less than", num_words=chance.randrange(50, 301, 10))


class NumberCharacters(Counted):
    """A number of characters that show something, white space not counted."""

    kind: ClassVar[str] = "length_constraints:number_characters"
    category: ClassVar[Category] = "content"
    unit: ClassVar[str] = "characters"

    relation: Relation
    num_characters: int = Field(ge=0)

    def wording(self, language: str) -> str:
        number = compared(self.relation, self.num_characters, language)
        return in_language(
            language,
            f"Use {number} characters, not counting white space.",
            f"回答{number}个字符，标点计算在内，空白不算。",
        )

    def count(self, answer: AnswerText) -> int:
        return len("".join(answer.text.split()))

    def bound(self) -> tuple[Relation, int]:
        return self.relation, self.num_characters

    @classmethod
    def draw(cls, chance: random.Random, about: About) -> Self:
        scale = 1 if is_chinese(about.language) else 4
        return cls(
            relation=chance.choice(("at least", "at most")),
            num_characters=scale * chance.randrange(60, 301, 20),
        )


class NumberSentences(Counted):
    """A number of sentences, as `split_sentences` finds them."""

    kind: ClassVar[str] = "length_constraints:number_sentences"
    category: ClassVar[Category] = "content"
    unit: ClassVar[str] = "sentences"

    relation: Relation
    num_sentences: int = Field(ge=0)

    def wording(self, language: str) -> str:
        number = compared(self.relation, self.num_sentences, language)
        return in_language(
            language, f"Your response should contain {number} sentences.", f"回答{number}句话。"
        )

    def count(self, answer: AnswerText) -> int:
        return len(answer.sentences)

    def bound(self) -> tuple[Relation, int]:
        return self.relation, self.num_sentences

    @classmethod
    def draw(cls, chance: random.Random, about: About) -> Self:
        return cls(relation=chance.choice(("at least", "less than")), num_sentences=chance.randint(3, 10))


class SentenceLength(Checked):
    """No sentence longer than so many words; in Chinese, characters."""

    kind: ClassVar[str] = "length_constraints:sentence_length"
    category: ClassVar[Category] = "style"

    num_words: int = Field(ge=1)

    def wording(self, language: str) -> str:
        return in_language(
            language,
            f"Write short sentences: none may have more than {self.num_words} words.",
            f"句子要短，每句不超过 {self.num_words} 个字。",
        )

    def check(self, answer: AnswerText) -> bool:
        return answer.longest_sentence <= self.num_words

    def found(self, answer: AnswerText) -> str:
        return str(answer.longest_sentence)

    def refuses(self, text: str) -> bool:
        return any(AnswerText(line).longest_sentence > self.num_words for line in text.splitlines())

    @classmethod
    def draw(cls, chance: random.Random, about: About) -> Self:
        return cls(num_words=chance.randrange(20, 41, 5))


class NumberParagraphs(Counted):
    """Exactly so many paragraphs, divided by three asterisks; none between two dividers is empty."""

    kind: ClassVar[str] = "length_constraints:number_paragraphs"
    category: ClassVar[Category] = "format"

    num_paragraphs: int = Field(ge=1)

    def wording(self, language: str) -> str:
        return in_language(
            language,
            f"There should be {self.num_paragraphs} paragraphs. Paragraphs are separated with the markdown divider: "
            "***",
            f"共写 {self.num_paragraphs} 段，段与段之间用 Markdown 分隔线 *** 隔开。",
        )

    def count(self, answer: AnswerText) -> int:
        """The number of paragraphs; -1 where one between two dividers is empty."""
        parts = [part.strip() for part in answer.text.split("***")]
        if not all(parts[1:-1]):
            return -1
        return sum(map(bool, parts))

    def found(self, answer: AnswerText) -> str:
        count = self.count(answer)
        return str(count) if count >= 0 else ""

    def bound(self) -> tuple[Relation, int]:
        return "exactly", self.num_paragraphs

    def refuses(self, text: str) -> bool:
        return "***" in text

    def demands(self) -> Demands:
        return Demands(frozenset({"paragraphs"}), unit="paragraphs", least=self.num_paragraphs)

    @classmethod
    def draw(cls, chance: random.Random, about: About) -> Self:
        return cls(num_paragraphs=chance.randint(2, 4))


class BlankLineParagraphs(Counted):
    """A number of paragraphs, divided by blank lines."""

    kind: ClassVar[str] = "length_constraints:blank_line_paragraphs"
    category: ClassVar[Category] = "format"

    relation: Relation
    num_paragraphs: int = Field(ge=1)

    def wording(self, language: str) -> str:
        number = compared(self.relation, self.num_paragraphs, language)
        return in_language(
            language,
            f"Write {number} paragraphs, with a blank line between one and the next.",
            f"回答{number}段，段与段之间空一行。",
        )

    def count(self, answer: AnswerText) -> int:
        return sum(bool(part.strip()) for part in _BLANK_LINE.split(answer.text))

    def bound(self) -> tuple[Relation, int]:
        return self.relation, self.num_paragraphs

    def demands(self) -> Demands:
        return Demands(frozenset({"paragraphs"}), unit="paragraphs", least=self.limits()[0])

    @classmethod
    def draw(cls, chance: random.Random, about: About) -> Self:
        return cls(relation="exactly", num_paragraphs=chance.randint(2, 4))


class NthParagraphFirstWord(Checked):
    """So many paragraphs divided by a blank line, the n-th of which begins with a word. Case does not count.

    The first word ends at white space or at one of . , ? ! ' " and, in Chinese, is what the paragraph begins with.
    """

    kind: ClassVar[str] = "length_constraints:nth_paragraph_first_word"
    category: ClassVar[Category] = "format"

    num_paragraphs: int = Field(ge=1)
    nth_paragraph: int = Field(ge=1)
    first_word: Phrase

    @model_validator(mode="after")
    def _within(self) -> Self:
        if self.nth_paragraph > self.num_paragraphs:
            raise ValueError(
                f"nth_paragraph ({self.nth_paragraph}) is more than num_paragraphs ({self.num_paragraphs})"
            )
        return self

    def wording(self, language: str) -> str:
        return in_language(
            language,
            f"There should be {self.num_paragraphs} paragraphs, separated by two line breaks. Paragraph "
            f"{self.nth_paragraph} must start with the word {self.first_word}.",
            f"共写 {self.num_paragraphs} 段，段与段之间空一行，"
            f"其中第 {self.nth_paragraph} 段以“{self.first_word}”开头。",
        )

    def check(self, answer: AnswerText) -> bool:
        parts = [part.strip() for part in answer.text.split("\n\n")]
        if sum(map(bool, parts)) != self.num_paragraphs or not (paragraph := parts[self.nth_paragraph - 1]):
            return False
        wanted = self.first_word.lower().strip()
        if not wanted.isascii() and paragraph.lower().lstrip("“「'\"").startswith(wanted):
            return True
        first = paragraph.split()[0].lstrip("'").lstrip('"').lower()
        return re.split(r"""[.,?!'"]""", first, maxsplit=1)[0] == wanted

    def refuses(self, text: str) -> bool:
        return "\n\n" in text.strip()

    def demands(self) -> Demands:
        owned = {"paragraphs", *({"start"} if self.nth_paragraph == 1 else ())}
        return Demands(frozenset(owned), (self.first_word,), unit="paragraphs", least=self.num_paragraphs)

    @classmethod
    def draw(cls, chance: random.Random, about: About) -> Self | None:
        if not about.words:
            return None
        number = chance.randint(2, 4)
        return cls(
            num_paragraphs=number,
            nth_paragraph=chance.randint(2, number),
            first_word=chance.choice(about.words),
        )


KINDS = (
    NumberWords,
    NumberCharacters,
    NumberSentences,
    SentenceLength,
    NumberParagraphs,
    BlankLineParagraphs,
    NthParagraphFirstWord,
)
