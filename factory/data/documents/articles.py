"""Headings of documents that mark none: 第三条 押金, "Article 5 Deposit", each in a line of its own."""

from __future__ import annotations

import re
from collections.abc import Sequence

from factory.data.document import Heading

_NUMBER = "[0-9０-９〇零一二三四五六七八九十百千]+"
_ZH = re.compile(
    rf"[ \t\u3000]*(第{_NUMBER}([编篇章节条])(?:[ \t\u3000：:]*[^。！？；，,;\n]{{0,40}})?)[ \t\u3000]*"
)
_EN = re.compile(
    r"[ \t]*((Part|Chapter|Section|Article|Appendix|Annex|Schedule)[ ]+(?:\d{1,3}(?:\.\d{1,3})*|[IVXLC]{1,7}|[A-Z])"
    r"(?:[.:]|[ ]*[\u2013\u2014-])?(?:[ ]+[^.!?;\n]{1,80})?)[ \t]*"
)
_LONGEST = 60  # characters of a title
_ENDS = ".!?;:,。！？；：，、"
_LEVELS = {
    "编": 1, "篇": 1, "part": 1, "章": 2, "chapter": 2, "appendix": 2, "annex": 2, "schedule": 2, "节": 3, "section": 3,
    "条": 4, "article": 4,
}  # fmt: skip


def numbered_headings(text: str) -> list[Heading]:
    """The lines of a text that are the numbered titles of its parts, in its order; levels by their words alone.

    A line that ends as a sentence does is text, and so is one that goes on with a clause (第三条 甲方应当……，).
    """
    found, at = list[Heading](), 0
    for line in text.splitlines(keepends=True):
        said = line.rstrip("\r\n\f")
        if len(said) <= 120 and (title := _ZH.fullmatch(said) or _EN.fullmatch(said)):
            found.append(Heading(at, _LEVELS[title[2].lower()], " ".join(title[1].split())))
        at += len(line)
    return found


def title_above(text: str, headings: Sequence[Heading]) -> str:
    """The first line of a text, where it stands above its first numbered title, is short and ends no sentence."""
    first = text[: headings[0].at].strip().partition("\n")[0].strip() if headings else ""
    return "" if len(first) > _LONGEST or first[-1:] in _ENDS else first
