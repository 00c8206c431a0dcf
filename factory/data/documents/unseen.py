"""What Markdown holds that its reader does not see: comments, and lines of tags and pictures alone, such as badges."""

from __future__ import annotations

import re

_CODE = r"(?P<code>^[ \t>]*(?P<fence>`{3,}|~{3,})[^\n]*$.*?(?:^[ \t>]*(?P=fence)[`~]*[ \t]*$|\Z)"
_CODE += r"|(?P<ticks>(?<!`)`+(?!`))(?:(?!\n[ \t]*\n).)+?(?<!`)(?P=ticks)(?!`))"
_COMMENT = r"(?P<lines>^[ ]{0,3}<!--(?:>|->|.*?-->)[ \t]*\n)|<!--(?:>|->|.*?-->)"
_COMMENTS = re.compile(f"{_CODE}|{_COMMENT}", re.DOTALL | re.MULTILINE)
_PICTURE = r"!\[[^\[\]\n]*\](?:\([^()\n]*\)|\[[^\[\]\n]*\])"
_LINKED = rf"\[\s*{_PICTURE}\s*\](?:\([^()\n]*\)|\[[^\[\]\n]*\])"
_TAG = r"</?[A-Za-z][A-Za-z0-9-]*(?:\s[^<>\n]*)?/?>"
_NO_TEXT = re.compile(f"{_LINKED}|{_PICTURE}|{_TAG}")
_TITLE = re.compile(r"[ ]{0,3}<h([1-6])(?:\s[^<>\n]*)?>([^\n]+?)</h\1>[ \t]*", re.IGNORECASE)
_FENCE = re.compile(r"[ \t>]*(`{3,}|~{3,})")

COMMENTS = "comments left out"
PICTURES = "lines of pictures or tags alone left out"


def without_unseen(text: str) -> tuple[str, dict[str, int]]:
    """A Markdown text without what is not seen of it, and how many of each kind were left out; code stays as it is.

    A title that is written as a tag of HTML (<h1 align="center">) becomes a heading of Markdown.
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
    lines, fence, pictures = [], "", 0
    for line in text.splitlines(keepends=True):
        opening = _FENCE.match(line)
        if fence:
            if opening and opening[1].startswith(fence) and not line.strip(" \t\r\n>`~"):
                fence = ""
        elif opening:
            fence = opening[1]
        elif "<" in line or "![" in line:
            said = line.rstrip()
            if said and not _NO_TEXT.sub("", said).strip(" \t|\u00b7\u2022"):
                pictures += 1
                continue
            if title := _TITLE.fullmatch(said):
                words = " ".join(_NO_TEXT.sub(" ", title[2]).split())
                line = f"{'#' * int(title[1])} {words}\n"
        lines.append(line)
    odd[PICTURES] = pictures
    return "".join(lines), {what: number for what, number in odd.items() if number}
