"""How an answer begins and ends."""

from __future__ import annotations

import random
from typing import ClassVar, Self

from factory.steps.judging.constraints.constraint import (
    About,
    AnswerText,
    Category,
    Checked,
    Demands,
    Phrase,
    in_language,
    is_chinese,
)

_ENDINGS = (
    ("Any other questions?", "还有其他问题吗？"),
    ("Is there anything else I can help with?", "还有什么可以帮您的吗？"),
)
_BEGINNINGS = (
    ("In short,", "简单来说，"),
    ("Here is what matters:", "要点如下："),
    ("As I see it,", "在我看来，"),
)


class FirstPhrase(Checked):
    """The answer begins with a phrase, in any case."""

    kind: ClassVar[str] = "startend:first_phrase"
    category: ClassVar[Category] = "format"

    first_phrase: Phrase

    def wording(self, language: str) -> str:
        return in_language(
            language,
            f'Begin your response with this exact phrase: "{self.first_phrase}"',
            f"回答必须以这句话开头：“{self.first_phrase}”",
        )

    def check(self, answer: AnswerText) -> bool:
        return answer.stripped.lower().startswith(self.first_phrase.strip().lower())

    def demands(self) -> Demands:
        return Demands(frozenset({"start"}), (self.first_phrase,))

    @classmethod
    def draw(cls, chance: random.Random, about: About) -> Self:
        return cls(first_phrase=chance.choice(_BEGINNINGS)[is_chinese(about.language)])


class EndChecker(Checked):
    """The answer ends with a phrase, in any case; double quotation marks around the answer do not count."""

    kind: ClassVar[str] = "startend:end_checker"
    category: ClassVar[Category] = "format"

    end_phrase: Phrase

    def wording(self, language: str) -> str:
        return in_language(
            language,
            f'Finish your response with this exact phrase: "{self.end_phrase}" No other words should follow this '
            "phrase.",
            f"回答必须以这句话结尾：“{self.end_phrase}”后面不要再写任何内容。",
        )

    def check(self, answer: AnswerText) -> bool:
        return answer.stripped.strip('"').lower().endswith(self.end_phrase.strip().lower())

    def demands(self) -> Demands:
        return Demands(frozenset({"end"}), (self.end_phrase,))

    @classmethod
    def draw(cls, chance: random.Random, about: About) -> Self:
        return cls(end_phrase=chance.choice(_ENDINGS)[is_chinese(about.language)])


class Quotation(Checked):
    """The whole answer stands in double quotation marks: straight ones, or the Chinese pair."""

    kind: ClassVar[str] = "startend:quotation"
    category: ClassVar[Category] = "format"

    def wording(self, language: str) -> str:
        return in_language(
            language, "Wrap your entire response with double quotation marks.", "把整个回答放在一对双引号里。"
        )

    def check(self, answer: AnswerText) -> bool:
        text = answer.stripped
        return len(text) > 1 and (text[0], text[-1]) in (('"', '"'), ("“", "”"))

    def demands(self) -> Demands:
        return Demands(frozenset({"start", "end"}), ('"',))

    @classmethod
    def draw(cls, chance: random.Random, about: About) -> Self:
        return cls()


KINDS = (FirstPhrase, EndChecker, Quotation)
