"""Sums of scores, such as "judge.quality + 0.5 * ifd": read by a parser of our own, never executed as code."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, NamedTuple

import numpy as np
from pydantic import AfterValidator

from factory.statistics.arrays import Floats

LONGEST = 1000
"""Characters of an expression."""
DEEPEST = 50
"""Brackets within brackets."""
_TOKEN = re.compile(
    r"\s*(?:(?P<number>(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?)(?![\w.])|(?P<name>[^\W\d][\w.]*)"
    r"|`(?P<quoted>[^`]+)`|(?P<sign>[-+*/(),]))"
)
_BINDS = {"+": 1, "-": 1, "*": 2, "/": 2}


class _Token(NamedTuple):
    kind: str
    text: str
    at: int


@dataclass(frozen=True, slots=True)
class Expression:
    """A sum, difference, product or quotient of scores and numbers.

    names: the scores in it, each once, in order
    """

    text: str
    names: tuple[str, ...]
    _steps: tuple[tuple[str, str], ...]

    @classmethod
    def parse(cls, text: str) -> Expression:
        """Read an expression: names of scores, numbers, + - * / and round brackets.

        A name that holds other signs than letters, digits, "_" and "." stands in backquotes: `my-score` * 2.

        Raises:
            ValueError: it is none; says at which character and why.
        """
        if len(text) > LONGEST:
            raise ValueError(f"has {len(text):,} characters, more than {LONGEST:,}")
        steps: list[tuple[str, str]] = []
        reader = _Reader(_tokens(text), text)
        reader.sum(steps, 0)
        reader.finish()
        names = tuple(dict.fromkeys(name for kind, name in steps if kind == "name"))
        if not names:
            raise ValueError(f"{text!r} holds no score")
        return cls(text, names, tuple(steps))

    def values(self, scores: Callable[[str], Floats]) -> Floats:
        """Its value for each row; NaN where a score of it is missing, or it divides by 0.

        scores: gives a score's column, shape (rows,), NaN where it is missing
        """
        stack: list[Floats] = []
        with np.errstate(all="ignore"):
            for kind, text in self._steps:
                if kind == "name":
                    stack.append(np.asarray(scores(text), np.float64))
                elif kind == "number":
                    stack.append(np.asarray(float(text)))
                elif kind == "negate":
                    stack.append(-stack.pop())
                else:
                    right, left = stack.pop(), stack.pop()
                    stack.append(_OPERATORS[text](left, right))
        value = stack.pop()
        return np.where(np.isfinite(value), value, np.nan)


def _parsed(text: str) -> str:
    """The text itself, where it is empty or can be read."""
    if text:
        Expression.parse(text)
    return text


SumOfScores = Annotated[str, AfterValidator(_parsed)]
"""An option that takes an expression, or nothing."""

_OPERATORS: dict[str, Callable[[Floats, Floats], Floats]] = {
    "+": np.add,
    "-": np.subtract,
    "*": np.multiply,
    "/": np.divide,
}


def _tokens(text: str) -> list[_Token]:
    found, at = [], 0
    end = len(text.rstrip())
    while at < end:
        match = _TOKEN.match(text, at)
        if match is None:
            at += len(text[at:]) - len(text[at:].lstrip())
            raise ValueError(f"{text!r}: character {at + 1} is {text[at]!r}, which no sum of scores holds")
        kind = match.lastgroup or ""
        found.append(_Token("name" if kind == "quoted" else kind, match[kind], match.start(kind)))
        at = match.end()
    return found


class _Reader:
    """Reads tokens into steps of a stack machine, by precedence."""

    def __init__(self, tokens: list[_Token], text: str) -> None:
        self.tokens, self.text, self.at = tokens, text, 0

    def next(self) -> _Token | None:
        return self.tokens[self.at] if self.at < len(self.tokens) else None

    def take(self, sign: str) -> bool:
        token = self.next()
        if token is None or token.kind != "sign" or token.text != sign:
            return False
        self.at += 1
        return True

    def sum(self, steps: list[tuple[str, str]], depth: int, binds: int = 1) -> None:
        self.value(steps, depth)
        while (token := self.next()) is not None and _BINDS.get(token.text, 0) >= binds:
            if token.kind != "sign":
                break
            self.at += 1
            self.sum(steps, depth, _BINDS[token.text] + 1)
            steps.append(("operator", token.text))

    def value(self, steps: list[tuple[str, str]], depth: int) -> None:
        negative = False
        while True:
            if self.take("-"):
                negative = not negative
            elif not self.take("+"):
                break
        token = self.next()
        if depth > DEEPEST:
            raise ValueError(f"{self.text!r} has brackets {DEEPEST} deep and deeper")
        if token is None:
            raise self.wrong("ends where a score or a number should follow", None)
        if self.take("("):
            self.sum(steps, depth + 1)
            if not self.take(")"):
                raise self.wrong("a closing bracket is missing", self.next())
        elif token.kind in ("name", "number"):
            self.at += 1
            steps.append((token.kind, token.text))
            after = self.next()
            if after is not None and after.kind == "sign" and after.text == "(":
                raise self.wrong(
                    f"{token.text!r} is called like a function: a sum of scores calls nothing", after
                )
        else:
            raise self.wrong(f"{token.text!r} stands where a score or a number should", token)
        if negative:
            steps.append(("negate", ""))

    def finish(self) -> None:
        token = self.next()
        if token is not None:
            raise self.wrong(f"{token.text!r} follows without a sign between (+, -, * or /)", token)

    def wrong(self, why: str, token: _Token | None) -> ValueError:
        at = len(self.text) if token is None else token.at + 1
        return ValueError(f"{self.text!r}: character {at}: {why}")
