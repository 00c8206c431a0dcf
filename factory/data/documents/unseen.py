"""What Markdown holds that is no text: comments, lines of tags and pictures alone, such as badges, and links within."""

from __future__ import annotations

import re
from collections import Counter

_CODE = r"(?P<code>^[ \t>]*(?P<fence>`{3,}|~{3,})[^\n]*$.*?(?:^[ \t>]*(?P=fence)[`~]*[ \t]*$|\Z)"
_CODE += r"|(?P<ticks>(?<!`)`+(?!`))(?:(?!\n[ \t]*\n).)+?(?<!`)(?P=ticks)(?!`))"
_COMMENT = r"(?P<lines>^[ ]{0,3}<!--(?:>|->|.*?-->)[ \t]*\n)|<!--(?:>|->|.*?-->)"
_COMMENTS = re.compile(f"{_CODE}|{_COMMENT}", re.DOTALL | re.MULTILINE)
_PICTURE = r"!\[[^\[\]\n]*\](?:\([^()\n]*\)|\[[^\[\]\n]*\])"
_LINKED = rf"\[\s*{_PICTURE}\s*\](?:\([^()\n]*\)|\[[^\[\]\n]*\])"
_TAG = r"</?[A-Za-z][A-Za-z0-9-]*(?:\s[^<>\n]*)?/?>"
_NO_TEXT = re.compile(f"{_LINKED}|{_PICTURE}|{_TAG}")
_WHOLE = re.compile(
    r"[ \t]*<(h[1-6]|p|div|center|summary|dt|dd)(?:\s[^<>\n]*)?>([^\n]+?)</\1>[ \t]*", re.IGNORECASE
)
_JUMP = re.compile(r"[ \t]*(?:[-*+]|\d{1,3}[.)])[ \t]+\[[^\[\]\n]+\]\(#[^()\s]*\)[ \t]*")
_FENCE = re.compile(r"[ \t>]*(`{3,}|~{3,})")

COMMENTS = "comments left out"
PICTURES = "lines of pictures or tags alone left out"
JUMPS = "links to headings of the same document left out"


def without_unseen(text: str) -> tuple[str, dict[str, int]]:
    """A Markdown text without what is no text of it, and how many of each kind were left out; code stays as it is.

    A line in tags of HTML becomes one without them, and a heading where they say so (<h1 align="center">). A list of
    links to the document's own headings, its table of contents, is left out.
    """
    odd: dict[str, int] = {}
    if "<!--" in text:
        odd[COMMENTS] = 0

        def left(found: re.Match[str]) -> str:
            if found["code"] is not None:
                return found[0]
            odd[COMMENTS] += 1
            return ""

        text = _COMMENTS.sub(left, text)
    lines, fence, removed = [], "", Counter[str]()
    for line in text.splitlines(keepends=True):
        opening = _FENCE.match(line)
        if fence:
            if opening and opening[1].startswith(fence) and not line.strip(" \t\r\n>`~"):
                fence = ""
        elif opening:
            fence = opening[1]
        elif "<" in line or "![" in line or "](#" in line:
            said = line.rstrip()
            if _JUMP.fullmatch(said):
                removed[JUMPS] += 1
                continue
            if said and not _NO_TEXT.sub("", said).strip(" \t|\u00b7\u2022"):
                removed[PICTURES] += 1
                continue
            if whole := _WHOLE.fullmatch(said):
                words = " ".join(_NO_TEXT.sub(" ", whole[2]).split())
                level = int(whole[1][1]) if whole[1][1:].isdigit() else 0
                line = f"{'#' * level} {words}\n" if level else f"{words}\n"
        lines.append(line)
    return "".join(lines), {what: number for what, number in {**odd, **removed}.items() if number}
