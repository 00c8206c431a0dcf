"""Language, case and punctuation of a whole answer."""

from __future__ import annotations

import difflib
import random
import re
from typing import Annotated, ClassVar, Self

from pydantic import AfterValidator, Field

from factory.data.text import detect_language, is_blank
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
from factory.steps.judging.constraints.languages import LANGUAGES, language_name

_OWN_SCRIPT = ("ja", "ko", "ru", "zh")


def _known_language(code: str) -> str:
    if code in LANGUAGES:
        return code
    named = (known for known, names in LANGUAGES.items() if code.lower() in (known, *map(str.lower, names)))
    closest = next(named, None) or difflib.get_close_matches(code, list(LANGUAGES), n=1, cutoff=0.0)[0]
    raise ValueError(f"must be the ISO 639-1 code of a language that can be told; did you mean {closest!r}?")


class ResponseLanguage(Checked):
    """The answer is in a language; one without letters is taken for so."""

    kind: ClassVar[str] = "language:response_language"
    category: ClassVar[Category] = "style"

    language: Annotated[str, AfterValidator(_known_language)]

    def wording(self, language: str) -> str:
        name = language_name(self.language, "zh" if is_chinese(language) else "en")
        return in_language(
            language,
            f"Your ENTIRE response should be in {name} language, no other language is allowed.",
            f"整个回答只用{name}，不得使用其他语言。",
        )

    def check(self, answer: AnswerText) -> bool:
        return answer.language in ("", self.language)

    def found(self, answer: AnswerText) -> str:
        return language_name(answer.language, "en")

    def demands(self) -> Demands:
        return Demands(frozenset({"language"}))

    def refuses(self, text: str) -> bool:
        script = detect_language(text)
        own = self.language if self.language in _OWN_SCRIPT else "en"
        return bool(script) and script != own

    @classmethod
    def draw(cls, chance: random.Random, about: About) -> Self:
        return cls(language="zh" if is_chinese(about.language) else "en")


class EnglishCapital(Checked):
    """The answer is in English and in capitals. One whose language cannot be told counts as English."""

    kind: ClassVar[str] = "change_case:english_capital"
    category: ClassVar[Category] = "style"

    def wording(self, language: str) -> str:
        return in_language(
            language,
            "Your entire response should be in English, and in all capital letters.",
            "整个回答要用英语，并且全部用大写字母。",
        )

    def check(self, answer: AnswerText) -> bool:
        return answer.text.isupper() and answer.language in ("", "en")

    def demands(self) -> Demands:
        return Demands(frozenset({"case", "language"}))

    def refuses(self, text: str) -> bool:
        return any(letter.islower() for letter in text) or detect_language(text) not in ("", "en")

    @classmethod
    def draw(cls, chance: random.Random, about: About) -> Self | None:
        return None if is_chinese(about.language) else cls()


class EnglishLowercase(Checked):
    """The answer is in English and without capitals. One whose language cannot be told counts as English."""

    kind: ClassVar[str] = "change_case:english_lowercase"
    category: ClassVar[Category] = "style"

    def wording(self, language: str) -> str:
        return in_language(
            language,
            "Your entire response should be in English, and in all lowercase letters. No capital letters are allowed.",
            "整个回答要用英语，并且全部用小写字母，不得出现大写字母。",
        )

    def check(self, answer: AnswerText) -> bool:
        return answer.text.islower() and answer.language in ("", "en")

    def demands(self) -> Demands:
        return Demands(frozenset({"case", "language"}))

    def refuses(self, text: str) -> bool:
        return any(letter.isupper() for letter in text) or detect_language(text) not in ("", "en")

    @classmethod
    def draw(cls, chance: random.Random, about: About) -> Self | None:
        return None if is_chinese(about.language) else cls()


# As NLTK's word tokenizer cuts, where a cut changes how many parts are in capitals: brackets and marks apart, a comma
# or colon but in a number, a dash of hyphens, and what an apostrophe shortens ("IT'S", "DON'T").
_PART = re.compile(r"""[^\s()\[\]{}<>;@#$%&?!"`“”‘’«»,:]+(?:[,:](?=\d)[^\s()\[\]{}<>;@#$%&?!"`“”‘’«»,:]+)*""")
_SHORTENED = re.compile(r"(?<=.)(?:n't|'(?:s|m|d|ll|re|ve))$", re.IGNORECASE)


class CapitalWordFrequency(Counted):
    """So many words in capitals; a word with hyphens is one, as "I" and "A" are."""

    kind: ClassVar[str] = "change_case:capital_word_frequency"
    category: ClassVar[Category] = "style"
    unit: ClassVar[str] = "capital words"

    capital_relation: Relation
    capital_frequency: int = Field(ge=0)

    def wording(self, language: str) -> str:
        number = compared(self.capital_relation, self.capital_frequency, language)
        return in_language(
            language,
            f"In your response, words with all capital letters should appear {number} times.",
            f"全部大写的英文单词在回答中出现{number}次。",
        )

    def count(self, answer: AnswerText) -> int:
        if answer.text.islower():
            return 0
        number = 0
        for part in _PART.findall(answer.text.replace("--", " ")):
            shortened = _SHORTENED.search(part) if "'" in part else None
            if shortened is None:
                number += part.isupper()
            else:
                number += part[: shortened.start()].isupper() + shortened[0].isupper()
        return number

    def bound(self) -> tuple[Relation, int]:
        return self.capital_relation, self.capital_frequency

    def demands(self) -> Demands:
        least, most = self.limits()
        return Demands(frozenset({"case"}), ("A",) if least else (), unit=self.unit, least=least, most=most)

    @classmethod
    def draw(cls, chance: random.Random, about: About) -> Self | None:
        if is_chinese(about.language):
            return None
        return cls(
            capital_relation=chance.choice(("at least", "less than")), capital_frequency=chance.randint(2, 6)
        )


class NoComma(Checked):
    """No comma, neither the Latin nor the Chinese one."""

    kind: ClassVar[str] = "punctuation:no_comma"
    category: ClassVar[Category] = "style"

    def wording(self, language: str) -> str:
        return in_language(
            language,
            "In your entire response, refrain from the use of any commas.",
            "整个回答都不要使用逗号。",
        )

    def check(self, answer: AnswerText) -> bool:
        return "," not in answer.text and "，" not in answer.text

    def refuses(self, text: str) -> bool:
        return not self.check(AnswerText(text))

    @classmethod
    def draw(cls, chance: random.Random, about: About) -> Self:
        return cls()


def _one_mark(text: str) -> str:
    if len(text) != 1 or text.isalnum() or is_blank(text):
        raise ValueError("must be one punctuation mark each")
    return text


class ForbiddenMarks(Checked):
    """None of these punctuation marks."""

    kind: ClassVar[str] = "punctuation:forbidden_marks"
    category: ClassVar[Category] = "style"

    marks: Annotated[tuple[Annotated[Phrase, AfterValidator(_one_mark)], ...], Field(min_length=1)]

    def wording(self, language: str) -> str:
        marks = listed(self.marks, language)
        return in_language(
            language, f"Do not use these punctuation marks: {marks}.", f"不要使用这些标点符号：{marks}。"
        )

    def check(self, answer: AnswerText) -> bool:
        return not any(mark in answer.text for mark in self.marks)

    def found(self, answer: AnswerText) -> str:
        return " ".join(mark for mark in self.marks if mark in answer.text)

    def refuses(self, text: str) -> bool:
        return not self.check(AnswerText(text))

    @classmethod
    def draw(cls, chance: random.Random, about: About) -> Self:
        pairs = (("！", "!"), ("？", "?"), ("；", ";"), ("（", "）")) if is_chinese(about.language) else (
            ("!",), ("?",), (";",), ("(", ")"),
        )  # fmt: skip
        return cls(marks=chance.choice(pairs))


KINDS = (
    ResponseLanguage,
    EnglishCapital,
    EnglishLowercase,
    CapitalWordFrequency,
    NoComma,
    ForbiddenMarks,
)
