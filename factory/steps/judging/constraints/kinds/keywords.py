"""Words and letters that an answer has, has not, or has so often."""

from __future__ import annotations

import functools
import random
import re
import string
from typing import Annotated, ClassVar, Self

from pydantic import Field, StringConstraints

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
    listed,
)

Phrases = Annotated[tuple[Phrase, ...], Field(min_length=1)]


class Existence(Checked):
    """All keywords stand in the answer, in any case, also inside of words."""

    kind: ClassVar[str] = "keywords:existence"
    category: ClassVar[Category] = "content"

    keywords: Phrases

    def wording(self, language: str) -> str:
        words = listed(self.keywords, language)
        return in_language(
            language, f"Include the keywords {words} in the response.", f"回答中要出现这些词：{words}。"
        )

    def check(self, answer: AnswerText) -> bool:
        return not self._lacking(answer)

    def found(self, answer: AnswerText) -> str:
        return ", ".join(self._lacking(answer))

    def _lacking(self, answer: AnswerText) -> list[str]:
        return [word for word in self.keywords if word.lower() not in answer.lowered]

    def demands(self) -> Demands:
        return Demands(texts=self.keywords)

    @classmethod
    def draw(cls, chance: random.Random, about: About) -> Self | None:
        if len(about.words) < 2:
            return None
        return cls(keywords=tuple(chance.sample(about.words, 2)))


class Frequency(Counted):
    """A keyword stands so often in the answer, in any case, also inside of words."""

    kind: ClassVar[str] = "keywords:frequency"
    category: ClassVar[Category] = "content"

    relation: Relation
    keyword: Phrase
    frequency: int = Field(ge=0)

    def wording(self, language: str) -> str:
        number = compared(self.relation, self.frequency, language)
        return in_language(
            language,
            f'In your response, the word "{self.keyword}" should appear {number} times.',
            f"“{self.keyword}”这个词在回答中出现{number}次。",
        )

    def count(self, answer: AnswerText) -> int:
        return answer.lowered.count(self.keyword.strip().lower())

    def bound(self) -> tuple[Relation, int]:
        return self.relation, self.frequency

    def demands(self) -> Demands:
        least = int(self.limits()[0])
        return Demands(texts=(self.keyword,) * min(least, 20), unit="keyword", least=least)

    @classmethod
    def draw(cls, chance: random.Random, about: About) -> Self | None:
        if not about.words:
            return None
        relation: Relation = chance.choice(("at least", "less than"))
        return cls(relation=relation, keyword=chance.choice(about.words), frequency=chance.randint(2, 3))


class ForbiddenWords(Checked):
    """None of the words stands in the answer as a word of its own, in any case; of a Chinese word, anywhere."""

    kind: ClassVar[str] = "keywords:forbidden_words"
    category: ClassVar[Category] = "content"

    forbidden_words: Phrases

    def wording(self, language: str) -> str:
        words = listed(self.forbidden_words, language)
        return in_language(
            language,
            f"Do not include the keywords {words} in the response.",
            f"回答中不要出现这些词：{words}。",
        )

    def check(self, answer: AnswerText) -> bool:
        return _any_word(self.forbidden_words).search(answer.text) is None

    def found(self, answer: AnswerText) -> str:
        match = _any_word(self.forbidden_words).search(answer.text)
        return match[0] if match else ""

    def refuses(self, text: str) -> bool:
        # Also inside of a longer word: "include art, but not the word art".
        return any(word.lower() in text.lower() for word in self.forbidden_words)

    @classmethod
    def draw(cls, chance: random.Random, about: About) -> Self | None:
        free = [word for word in about.words if word.lower() not in about.instruction.lower()]
        return cls(forbidden_words=tuple(chance.sample(free, 2))) if len(free) > 1 else None


@functools.lru_cache(maxsize=4096)
def _any_word(words: tuple[str, ...]) -> re.Pattern[str]:
    """A pattern of any of these words, bounded where they begin and end with a letter of a spaced script."""
    return re.compile("|".join(map(_bounded, words)), re.IGNORECASE)


def _bounded(word: str) -> str:
    bounds = [r"\b" if character.isalnum() and not _unspaced(character) else "" for character in word]
    return f"{bounds[0]}{re.escape(word)}{bounds[-1]}"


def _unspaced(character: str) -> bool:
    return "\u0e00" <= character <= "\u0e7f" or "\u3040" <= character <= "\u9fff" or character > "\uf900"


class LetterFrequency(Counted):
    """A letter, or another character, stands so often in the answer, in any case."""

    kind: ClassVar[str] = "keywords:letter_frequency"
    category: ClassVar[Category] = "content"

    let_relation: Relation
    letter: Annotated[str, StringConstraints(min_length=1, max_length=1)]
    let_frequency: int = Field(ge=0)

    def wording(self, language: str) -> str:
        number = compared(self.let_relation, self.let_frequency, language)
        return in_language(
            language,
            f"In your response, the letter {self.letter} should appear {number} times.",
            f"“{self.letter}”这个字符在回答中出现{number}次。",
        )

    def count(self, answer: AnswerText) -> int:
        return answer.lowered.count(self.letter.lower())

    def bound(self) -> tuple[Relation, int]:
        return self.let_relation, self.let_frequency

    def demands(self) -> Demands:
        least = int(self.limits()[0])
        return Demands(texts=(self.letter,) * min(least, 1), unit="characters", least=least)

    @classmethod
    def draw(cls, chance: random.Random, about: About) -> Self:
        if is_chinese(about.language):
            letter, most = chance.choice("的是在人和一不有"), 6
        else:
            letter, most = chance.choice(string.ascii_lowercase), 12
        relation: Relation = "less than" if letter in "jqxz" else "at least"
        return cls(let_relation=relation, letter=letter, let_frequency=chance.randint(2, most))


KINDS = (Existence, Frequency, ForbiddenWords, LetterFrequency)
