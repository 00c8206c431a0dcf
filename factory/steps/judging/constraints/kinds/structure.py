"""The form of a whole answer: JSON, YAML, a table, a code block, two responses, one of several choices."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Sequence
from typing import Annotated, ClassVar, Self

import yaml
from pydantic import Field

from factory.data.text import normal_form
from factory.steps.judging.constraints.constraint import (
    About,
    AnswerText,
    Category,
    Checked,
    Demands,
    Phrase,
    count_words,
    in_language,
    listed,
)

_WHOLE = frozenset({"whole", "start", "end"})
# Reads all as texts and lists: no merging of mappings, by which a few lines would become millions of keys.
_LOADER: type[yaml.CBaseLoader] | type[yaml.BaseLoader] = getattr(yaml, "CBaseLoader", yaml.BaseLoader)


class JSONFormat(Checked):
    """The whole answer is JSON, in a fence of three backticks or without one."""

    kind: ClassVar[str] = "detectable_format:json_format"
    category: ClassVar[Category] = "format"

    def wording(self, language: str) -> str:
        return in_language(
            language,
            "The entire output should be in JSON format; you can put it between markdown ticks such as ```.",
            "整个回答都要写成 JSON 格式，可以放在 ``` 代码块里。",
        )

    def check(self, answer: AnswerText) -> bool:
        text = answer.stripped
        for fence in ("```json", "```Json", "```JSON", "```"):
            text = text.removeprefix(fence)
        try:
            json.loads(text.removesuffix("```").strip())
        except (ValueError, RecursionError):
            return False
        return True

    def demands(self) -> Demands:
        return Demands(_WHOLE, ('{"": "", "": ""}',))

    @classmethod
    def draw(cls, chance: random.Random, about: About) -> Self:
        return cls()


class YAMLFormat(Checked):
    """The whole answer is a YAML mapping or list, in a fence of three backticks or without one."""

    kind: ClassVar[str] = "detectable_format:yaml_format"
    category: ClassVar[Category] = "format"

    def wording(self, language: str) -> str:
        return in_language(
            language,
            "Give the whole answer as YAML with keys and values, and nothing else.",
            "整个回答只用 YAML 格式，写成键和值，不要有别的内容。",
        )

    def check(self, answer: AnswerText) -> bool:
        text = _FENCE.fullmatch(answer.stripped)
        inner = answer.stripped if text is None else text["code"]
        try:
            found = yaml.load(inner, _LOADER)
        except (yaml.YAMLError, RecursionError, ValueError):
            return False
        return isinstance(found, (dict, list)) and bool(found)

    def demands(self) -> Demands:
        return Demands(_WHOLE, (": ", "\n"))

    @classmethod
    def draw(cls, chance: random.Random, about: About) -> Self:
        return cls()


_FENCE = re.compile(r"```(?P<language>[\w+#.-]*)[ \t]*\n(?P<code>.*?)\n?```", re.DOTALL)


class CodeBlock(Checked):
    """Exactly one code block in a fence of three backticks, of this language where one is named."""

    kind: ClassVar[str] = "detectable_format:code_block"
    category: ClassVar[Category] = "format"

    code_language: str = ""

    def wording(self, language: str) -> str:
        named = f" {self.code_language}" if self.code_language else ""
        return in_language(
            language,
            f"Put all code into exactly one{named} code block, fenced by three backticks"
            + (f" and the name {self.code_language}." if named else "."),
            f"所有代码放进正好一个{named}{' ' if named else ''}代码块，用三个反引号围起来"
            + (f"，并注明语言 {self.code_language}。" if named else "。"),
        )

    def check(self, answer: AnswerText) -> bool:
        block = _FENCE.search(answer.text) if answer.text.count("```") == 2 else None
        if block is None or not block["code"].strip():
            return False
        return not self.code_language or block["language"].lower() == self.code_language.lower()

    def refuses(self, text: str) -> bool:
        return "```" in text

    def demands(self) -> Demands:
        return Demands(texts=(f"```{self.code_language}",))


class Table(Checked):
    """A Markdown table with so many columns: a head, a line of dashes, and a row at least."""

    kind: ClassVar[str] = "detectable_format:table"
    category: ClassVar[Category] = "format"

    num_columns: int = Field(ge=1)

    def wording(self, language: str) -> str:
        return in_language(
            language,
            f"Include a Markdown table with exactly {self.num_columns} columns.",
            f"回答中要有一个正好 {self.num_columns} 列的 Markdown 表格。",
        )

    def check(self, answer: AnswerText) -> bool:
        if "|" not in answer.text:
            return False
        lines = [line.strip() for line in answer.text.splitlines()]
        return any(
            "|" in head
            and "|" in row
            and _RULE.fullmatch(rule) is not None
            and {len(_cells(line)) for line in (head, rule, row)} == {self.num_columns}
            for head, rule, row in zip(lines, lines[1:], lines[2:], strict=False)
        )

    def demands(self) -> Demands:
        return Demands(texts=("|---|",), unit="words", least=2 * self.num_columns)

    @classmethod
    def draw(cls, chance: random.Random, about: About) -> Self:
        return cls(num_columns=chance.randint(2, 4))


_RULE = re.compile(r"\|?[ \t]*:?-+:?[ \t]*(?:\|[ \t]*:?-+:?[ \t]*)*\|?")


def _cells(line: str) -> Sequence[str]:
    return re.split(r"(?<!\\)\|", line.removeprefix("|").removesuffix("|"))


class ConstrainedResponse(Checked):
    """The answer holds "My answer is yes.", "My answer is no." or "My answer is maybe."."""

    kind: ClassVar[str] = "detectable_format:constrained_response"
    category: ClassVar[Category] = "format"
    options: ClassVar[tuple[str, ...]] = ("My answer is yes.", "My answer is no.", "My answer is maybe.")
    chinese: ClassVar[tuple[str, ...]] = ("我的回答是肯定的。", "我的回答是否定的。", "我的回答是不确定。")

    def wording(self, language: str) -> str:
        return in_language(
            language,
            f"Answer with one of the following options: {listed(self.options, 'en')}.",
            f"用下列选项之一回答：{listed(self.chinese, 'zh')}。",
        )

    def check(self, answer: AnswerText) -> bool:
        return any(option in answer.text for option in (*self.options, *self.chinese))

    def demands(self) -> Demands:
        return Demands(frozenset({"whole"}), ("My answer is",), any_case=False)


class Choices(Checked):
    """The answer is one of the options and nothing else; case, white space and a mark at the end do not count."""

    kind: ClassVar[str] = "detectable_content:choices"
    category: ClassVar[Category] = "content"

    options: Annotated[tuple[Phrase, ...], Field(min_length=2)]

    def wording(self, language: str) -> str:
        options = listed(self.options, language)
        return in_language(
            language,
            f"Answer with exactly one of these options and nothing else: {options}.",
            f"只回答下列选项中的一个，不写别的：{options}。",
        )

    def check(self, answer: AnswerText) -> bool:
        said = _bare(answer.text)
        return any(_bare(option) == said for option in self.options)

    def demands(self) -> Demands:
        most = max(map(count_words, self.options))
        return Demands(_WHOLE | {"paragraphs"}, unit="words", most=most)


def _bare(text: str) -> str:
    return normal_form(text).strip("\"'“”‘’*`()[] ").rstrip(".。!！,，;；:： ").strip("\"'“”‘’*`()[] ")


class TwoResponses(Checked):
    """Two different responses, divided by six asterisks."""

    kind: ClassVar[str] = "combination:two_responses"
    category: ClassVar[Category] = "format"

    def wording(self, language: str) -> str:
        return in_language(
            language,
            "Give two different responses. Responses and only responses should be separated by 6 asterisk symbols: "
            "******.",
            "给出两个不同的回答，两个回答之间（且仅在此处）用六个星号 ****** 隔开。",
        )

    def check(self, answer: AnswerText) -> bool:
        parts = [part.strip() for part in answer.text.split("******")]
        if not all(parts[1:-1]):
            return False
        said = [part for part in parts if part]
        return len(said) == 2 and said[0] != said[1]

    def demands(self) -> Demands:
        return Demands(frozenset({"paragraphs"}), ("******",))

    def refuses(self, text: str) -> bool:
        return "******" in text

    @classmethod
    def draw(cls, chance: random.Random, about: About) -> Self:
        return cls()


KINDS = (JSONFormat, YAMLFormat, CodeBlock, Table, ConstrainedResponse, Choices, TwoResponses)
