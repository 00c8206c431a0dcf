"""Constraints that a model writes and a model judges, one kind for each of FollowBench's categories."""

from __future__ import annotations

from typing import ClassVar

from factory.steps.judging.constraints.constraint import Category, Judged


class JudgedContent(Judged):
    """What the answer is to treat, take up or leave out."""

    kind: ClassVar[str] = "judged:content"
    category: ClassVar[Category] = "content"


class JudgedSituation(Judged):
    """A situation, role or background that the answer has to fit."""

    kind: ClassVar[str] = "judged:situation"
    category: ClassVar[Category] = "situation"


class JudgedStyle(Judged):
    """Tone, voice, register or reader of the answer."""

    kind: ClassVar[str] = "judged:style"
    category: ClassVar[Category] = "style"


class JudgedFormat(Judged):
    """A form of the answer that no checker knows."""

    kind: ClassVar[str] = "judged:format"
    category: ClassVar[Category] = "format"


class JudgedExample(Judged):
    """An example whose pattern the answer has to follow."""

    kind: ClassVar[str] = "judged:example"
    category: ClassVar[Category] = "example"


class JudgedMixed(Judged):
    """Several of these in one."""

    kind: ClassVar[str] = "judged:mixed"
    category: ClassVar[Category] = "mixed"


KINDS = (JudgedContent, JudgedSituation, JudgedStyle, JudgedFormat, JudgedExample, JudgedMixed)
