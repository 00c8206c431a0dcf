"""Rules about structure that does not close: fences, formulas, programs that were cut."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator

from factory.steps.clean.rules.rule import Example, Found, Rule
from factory.steps.clean.rules.view import Part


def _fences(part: Part) -> Iterator[Found]:
    for start, _, _, closed in part.fences:
        if not closed and part.whole:
            end = part.text.find("\n", start)
            yield Found(start, end if end >= 0 else len(part.text), "a fence that is not closed")


_BEGIN = re.compile(r"\\(begin|end)\s?\{([A-Za-z]+\*?)\}")
_DISPLAY = re.compile(r"(?<!\\)\\([\[\]()])")
_MATHS_WORD = re.compile(
    r"\\(?:frac|sum|int|sqrt|begin|left|cdot|times|pi|alpha|beta|theta|lim|text|mathbb|mathrm|leq|geq|infty)\b|[=^_+]"
)
_SIDE = re.compile(r"\\(left|right)(?![a-zA-Z])")
_ABOUT_LATEX = re.compile(r"(?i)\bregex|regular expression|escape|正则|转义")


def _latex(part: Part) -> Iterator[Found]:
    if not part.whole:
        return
    text = part.uncoded
    opened: Counter[str] = Counter()
    last: dict[str, re.Match[str]] = {}
    for match in _BEGIN.finditer(text):
        opened[match[2]] += 1 if match[1] == "begin" else -1
        last[match[2]] = match
    for name, count in opened.items():
        if count:
            yield Found(*last[name].span(), f"\\begin and \\end of {name} do not pair")
    if _ABOUT_LATEX.search(part.view.said[:5000]) or part.is_code:
        return
    if "\\[" in text or "\\(" in text or "\\]" in text or "\\)" in text:
        marks = list(_DISPLAY.finditer(text))
        for begin, end in ("[]", "()"):
            counts = Counter(match[1] for match in marks)
            if counts[begin] != counts[end] and _MATHS_WORD.search(text):
                first = next(match for match in marks if match[1] in (begin, end))
                yield Found(*first.span(), f"\\{begin} and \\{end} do not pair")
    if part.is_code or part.view.about_code:
        return
    if text.count("$$") % 2:
        at = text.rfind("$$")
        if not text[at - 1 : at].isalnum() and _MATHS_WORD.search(text[max(0, at - 120) : at + 120]):
            yield Found(at, at + 2, "$$ does not pair")
    sides = Counter(match[1] for match in _SIDE.finditer(text))
    if sides["left"] != sides["right"]:
        match = next(_SIDE.finditer(text))
        yield Found(*match.span(), "\\left and \\right do not pair")


_STRINGS = re.compile(
    r"\"\"\".*?\"\"\"|'''.*?'''|`[^`]{0,2000}`|\"(?:[^\"\\\n]|\\.){0,500}\"|'(?:[^'\\\n]|\\.){0,500}'",
    re.DOTALL,
)
_COMMENTS = re.compile(
    r"(?m)/\*.*?\*/|(?:^|(?<=[;{},)\s]))(?://[^\n]*|#(?=[\s!A-Z])[^\n]*|--\s[^\n]*)", re.DOTALL
)
_PAIRS = {")": "(", "]": "[", "}": "{"}
_OPEN_END = re.compile(
    r"(?:[=(\[{+*/]|\b(?:def|class|return|if|for|while|import|from|and|or|not|in|new|else if))\Z"
)
_HEAD_END = re.compile(r"(?:^|\n)[ \t]*(?:def|class|if|for|while|elif|else|try|except|with)\b[^\n]{0,200}:\Z")
_SHOWS_PART = re.compile(r"(?:\.\.\.|…|# ?(?:TODO|your code|rest)|// ?(?:TODO|\.\.\.))", re.IGNORECASE)


def _cut_code(part: Part) -> Iterator[Found]:
    if not part.whole:
        return
    if part.fences:
        start, end, info, closed = part.fences[-1]
        if closed and end < len(part.text.rstrip()):
            return
        code = part.text[start:end]
        first = code.find("\n") + 1
        code, offset = code[first:], start + first
        if closed:
            code = code[: code.rstrip().rfind("\n") + 1] if "\n" in code.rstrip() else code
        if info.lower().split(" ")[0] in ("text", "txt", "markdown", "md", "", "console", "output", "diff"):
            return
    elif part.view.about_code and part.is_code:
        code, offset = part.text, 0
    else:
        return
    if len(code) > 50_000 or _SHOWS_PART.search(code):
        return
    balanced = sum(map(code.count, "([{")) == sum(map(code.count, ")]}"))
    text = _STRINGS.sub(lambda match: "s" * len(match[0]), code)
    bare = _COMMENTS.sub(lambda match: " " * len(match[0]), text).rstrip()
    if any(quote in bare for quote in "\"'`"):
        return  # a string of another kind: not read as code is
    if bare.strip() and (
        _OPEN_END.search(bare) or ((part.fences or "\n" in bare.strip()) and _HEAD_END.search(bare))
    ):
        yield Found(
            offset + max(0, len(bare) - 20), offset + len(bare), "the code ends in the midst of a statement"
        )
        return
    if balanced:
        return
    stack: list[tuple[str, int]] = []
    for at, mark in enumerate(bare):
        if mark in "([{":
            stack.append((mark, at))
        elif mark in ")]}":
            if not stack or stack[-1][0] != _PAIRS[mark]:
                return  # not read as code is
            stack.pop()
    if stack:
        yield Found(
            offset + stack[-1][1], offset + stack[-1][1] + 1, f"{stack[-1][0]} in the code is never closed"
        )


RULES = (
    Rule(
        "unclosed_fence",
        "text",
        "A fenced block of code that is opened and never closed.",
        _fences,
        triggers=("```", "~~~"),
        examples=(
            Example("Run this:\n```python\nprint(1)\n", True),
            Example("代码如下：\n```\nls", True),
            Example("```python\nprint(1)\n```", False),
            Example("Use ``` to open a fence.", False),
        ),
    ),
    Rule(
        "unbalanced_latex",
        "text",
        "Formulas that do not close: \\begin without \\end, \\[ without \\], an odd $$, \\left without \\right.",
        _latex,
        where=("content", "reasoning"),
        triggers=("\\", "$$"),
        examples=(
            Example("Thus \\[ x = \\frac{1}{2}", True),
            Example("因此 $$a^2 + b^2 = c^2", True),
            Example("Thus \\[ x = 1 \\] and \\(y\\).", False),
            Example("It costs $$ a lot.", False),
        ),
    ),
    Rule(
        "cut_code",
        "text",
        "A program that stops in the midst of a statement, or whose last brackets never close.",
        _cut_code,
        roles=("assistant",),
        examples=(
            Example("```python\ndef f(x):\n    return max(x,\n```", True, asked="Write code."),
            Example("```java\nclass A { void f() {\n```", True, asked="写一段代码。"),
            Example("```python\nprint([1, 2])\n```", False, asked="Write code."),
            Example("Smile :( and go.", False),
        ),
    ),
)
