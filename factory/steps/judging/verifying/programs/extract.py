"""The code in an answer: what its fenced blocks hold, or all of it where it is code without a fence."""

from __future__ import annotations

import re

_FENCE = re.compile(r"^[ \t]*(```+|~~~+)[ \t]*([^\n`]*)$", re.MULTILINE)
_PYTHON = ("", "python", "py", "python3", "py3", "python 3")
_CODE = re.compile(
    r"^(?:from\s+\w[\w.]*\s+import\b|import\s+\w|def\s+\w|async\s+def\s|class\s+\w|@\w)", re.MULTILINE
)
_PROMPT = re.compile(r"^>>> ", re.MULTILINE)
_IMPORT = re.compile(r"^(?:from\s+\w[\w.]*\s+import\s[^\n(]+|import\s[^\n]+)$", re.MULTILINE)


def defines(code: str, name: str) -> bool:
    """Whether `code` defines a function of this name that is no method."""
    return re.search(rf"^(?:async\s+)?def\s+{re.escape(name)}\s*\(", code, re.MULTILINE) is not None


def code_of(answer: str, name: str = "") -> str:
    """The Python code of an answer, "" where it has none.

    Fenced blocks marked as Python, or not marked, count; sessions (">>> ") do not. Of several those that define a
    function of this name are meant, the last of them; without one, all in order. A fence that is not closed goes to the
    end. Without a fence it is all of an answer that begins a line with a definition or an import, from there on.
    """
    _, _, answer = answer.rpartition("</think>")
    blocks = [block for label, block in _blocks(answer) if label in _PYTHON and not _PROMPT.search(block)]
    if blocks:
        defining = [block for block in blocks if name and defines(block, name)]
        if not defining:
            return "\n".join(blocks)
        # A function that is named in a later block only by its use needs the blocks before it no more.
        return defining[-1]
    if _FENCE.search(answer):
        return ""
    begins = _CODE.search(answer)
    return answer[begins.start() :].rstrip() if begins else ""


def _blocks(answer: str) -> list[tuple[str, str]]:
    """Each fenced block: its label in small letters, and what it holds."""
    found: list[tuple[str, str]] = []
    opened: re.Match[str] | None = None
    for fence in _FENCE.finditer(answer):
        if opened is None:
            opened = fence
        elif fence[1].startswith(opened[1]) and not fence[2].strip():
            found.append((opened[2].strip().lower(), answer[opened.end() + 1 : fence.start()]))
            opened = None
    if opened is not None:
        found.append((opened[2].strip().lower(), answer[opened.end() + 1 :]))
    return found


def with_prompt(code: str, answer: str, prompt: str, name: str) -> str:
    """`code` as a whole program where the prompt begins it, as HumanEval's do.

    Where the prompt defines the function and the answer does not, the answer is its body; else the prompt's imports go
    before the code.
    """
    own = code_of(prompt, name)
    if not name or not defines(own, name):
        return code
    if code and defines(code, name):
        return "\n".join([*_IMPORT.findall(own), code])
    body = code or answer
    if not body.strip():
        return ""
    # An answer that was stripped lost the indent of its first line.
    body = body if body[:1].isspace() else "    " + body
    return f"{own.rstrip()}\n{body}"
