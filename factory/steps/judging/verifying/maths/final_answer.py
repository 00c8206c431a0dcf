"""Where a response says its final answer.

In this order: the last \\boxed{...}; the last line "#### ..."; behind the last "the answer is", "Answer:", 答案是, 答：
and the like; else the last line that says something.
"""

from __future__ import annotations

import re
from typing import NamedTuple

_MOST, _BOXES = 2000, 20
_BOXED = re.compile(r"\\(?:boxed|fbox)\s*\{")
_HASHES = re.compile(r"^[ \t]*####[ \t]*(\S[^\n]*)$", re.MULTILINE)
_MARK = re.compile(
    r"\banswer(?:\s+(?:to|for)\s[^.\n:=]{1,80}?)?\s*(?:\bis\b|\b(?:should|must|would|will) be\b|[:：=])(?:\s*[:：])?"
    r"|(?:答案|答|最[终后]的?结果)\s*(?:应该|应当|应|就|选|即)?\s*(?:是|为|[:：=])\s*[:：]?"
    r"|【\s*答案\s*】\s*[:：]?"
    r"|(?:故|应|因此|所以)\s*选(?:择)?\s*[:：]?",
    re.IGNORECASE,
)
# A full stop ends a sentence where no digit follows; 3.5 goes on.
_SENTENCE = re.compile(r"[。！？!?\n]|\.(?=\s|$|[A-Z])")


class Found(NamedTuple):
    """A final answer.

    phrase: the words that hold it
    how: "boxed", "hashes", "marked", or "last_line" where nothing says that it is the answer
    """

    phrase: str
    how: str


def final_answer(text: str) -> Found | None:
    """The final answer of a response; None where it says nothing. Thoughts before </think> do not count."""
    _, _, text = text.rpartition("</think>")
    if (boxed := _last_boxed(text)) is not None:
        return Found(boxed[:_MOST], "boxed")
    hashes = _last(_HASHES, text)
    if hashes is not None:
        return Found(hashes[1].strip()[:_MOST], "hashes")
    clean = text.replace("**", "").replace("__", "")
    mark = _last(_MARK, clean)
    if mark is not None and (phrase := _sentence(clean[mark.end() :])):
        return Found(phrase[:_MOST], "marked")
    lines = [line for line in clean.splitlines() if re.search(r"\w", line)]
    return Found(lines[-1].strip()[-_MOST:], "last_line") if lines else None


def _last(pattern: re.Pattern[str], text: str) -> re.Match[str] | None:
    found = None
    for match in pattern.finditer(text):
        found = match
    return found


def _last_boxed(text: str) -> str | None:
    """What the last box that is closed, and not empty, holds; of a flood of them the last twenty are looked at."""
    for match in reversed(list(_BOXED.finditer(text))[-_BOXES:]):
        depth, at = 1, match.end()
        for brace in re.finditer(r"\\?[{}]", text[at : at + _MOST]):
            if len(brace[0]) == 2:
                continue
            depth += 1 if brace[0] == "{" else -1
            if depth == 0:
                inside = text[at : at + brace.start()].strip()
                if inside:
                    return inside
                break
    return None


def _sentence(rest: str) -> str:
    """The first sentence of what stands behind a mark, at the latest the next line that says something."""
    rest = rest.lstrip(" \t:：\n")
    end = _SENTENCE.search(rest)
    return (rest[: end.start()] if end else rest).strip()
