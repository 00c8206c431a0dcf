"""Pieces of code that a problem is inspired by, and the two parts of a reply: the problem and its solution."""

from __future__ import annotations

import random
import re
from typing import Literal, NamedTuple, TypeAlias

from factory.data.record import Record

Field: TypeAlias = Literal["fenced", "prompt", "output"]
LEAST_LINES, MOST_LINES = 1, 15
"""Lines of a piece, as in the paper."""

_FENCED = re.compile(r"^[ \t]*(`{3,}|~{3,})[^\n`]*\n(.*?)^[ \t]*\1[ \t]*$", re.DOTALL | re.MULTILINE)
_HEADING = r"^[ \t#*_]*[\[【(（]?[ \t]*(?:{names})[ \t]*[\])】）]?[ \t]*[:：]?[*_ \t]*[:：]?[ \t]*$"
_PROBLEM = re.compile(
    _HEADING.format(names="problem(?: description)?|题目|題目|问题描述|問題描述"),
    re.IGNORECASE | re.MULTILINE,
)
_SOLUTION = re.compile(_HEADING.format(names="solution|解答|答案|参考解答"), re.IGNORECASE | re.MULTILINE)


class Parts(NamedTuple):
    """A problem and its solution."""

    problem: str
    solution: str


def code_of(record: Record, field: Field) -> str:
    """The code of a record: what stands between fences in its prompt and its answer, or all of the one or the other."""
    if field == "fenced":
        text = f"{record.prompt}\n{record.output}"
        return "\n".join(match[2].rstrip("\n") for match in _FENCED.finditer(text))
    return record.prompt if field == "prompt" else record.output


def piece(code: str, chance: random.Random) -> str:
    """1 to 15 lines in a row, from a line on that has something in it; `code` has such a line."""
    lines = code.splitlines()
    start = chance.choice([at for at, line in enumerate(lines) if line.strip()])
    return "\n".join(lines[start : start + chance.randint(LEAST_LINES, MOST_LINES)]).rstrip()


def parts(reply: str) -> Parts | None:
    """The two parts of a reply, each behind a line with its heading, or None."""
    problem = _PROBLEM.search(reply)
    solution = _SOLUTION.search(reply, problem.end()) if problem else None
    if problem is None or solution is None:
        return None
    return Parts(reply[problem.end() : solution.start()].strip(), reply[solution.end() :].strip())


def without_fences(text: str) -> str:
    """A text without the lines that open or close a fence."""
    return "\n".join(line for line in text.splitlines() if not line.lstrip().startswith(("```", "~~~")))
