"""Placeholders that a model leaves where its answer was to stand."""

from __future__ import annotations

import re

_THING = r"(?:answer|response|reply|output|solution|explanation|essay|story|poem|summary|translation|text|content|code)"
_PLACEHOLDER = re.compile(
    rf"[\[<{{(【（]\s?(?:(?:insert|put|write|enter|add|place|type)\s+)?(?:your|the|an?)?\s*(?:\w+\s+)?{_THING}\s+"
    r"(?:goes\s+|comes\s+|would\s+go\s+)?here\s?[.…]{0,3}\s?[\]>})】）](?!\()"
    r"|[\[【（(]\s?(?:请)?(?:在)?此处?(?:填写|输入|插入|写)?(?:你的|您的)?(?:答案|回答|内容|回复|输出|译文|代码)\s?[\]】）)]"
    r"|[\[【（(]\s?(?:你的|您的)(?:答案|回答)\s?[\]】）)]",
    re.IGNORECASE,
)
_WHOLE = re.compile(rf"\W*(?:\[\s?(?:your\s+|the\s+)?{_THING}\s?\]|【(?:答案|回答|内容)】)\W*", re.IGNORECASE)
_ASKED = re.compile(r"template|placeholder|fill[- ]in|\bform\b|\[\w|模板|模版|占位|填空|表单", re.IGNORECASE)


def placeholder(answer: str, asked: str) -> str:
    """The words that stand where an answer was to ("[Your answer here]"), or "".

    "[Your name]" in a letter is none: it is for its reader to fill in. Nor is one where what was asked is a template,
    or holds such.
    """
    if not any(bracket in answer for bracket in "[<{(【（"):
        return ""
    found = _PLACEHOLDER.search(answer) or _WHOLE.fullmatch(answer)
    return "" if found is None or _ASKED.search(asked) else found[0].strip()
