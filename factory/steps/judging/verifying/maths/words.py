"""A reference in words: the same words are the same answer; yes and no are read; other words may say the same."""

from __future__ import annotations

import re
from typing import Literal

from factory.steps.judging.verifying.maths.quantity import plain

_YES = re.compile(
    r"(?:是的?|对的?|能够?|会|可以|正确|成立|相等|真|有|存在|yes|true|correct)(?![A-Za-z])", re.IGNORECASE
)
_NO = re.compile(
    r"(?:不是|不对|不能够?|不会|不可以|不可能|不行|不正确|不成立|不相等|不存在|没有|否|错误?的?|假|no|not|false|incorrect)(?![A-Za-z])",
    re.IGNORECASE,
)
_VERB = re.compile("可以|可能|正确|成立|相等|存在|能|会")


def same_words(phrase: str, reference: str) -> bool | None:
    """Whether a final answer says what a reference in words says; None: no rule can tell."""
    wanted = _polarity(plain(reference), whole=True)
    if wanted is not None:
        said = _polarity(plain(phrase), whole=False) or _in_clause(plain(phrase), plain(reference))
        return None if said is None else said == wanted
    ours = re.findall(r"\w+", plain(reference).casefold())
    first = re.split(r"[,，;；.。:：]", plain(phrase))[0]
    # Behind the last verb too: 10天后是星期三.
    result = re.split(r"(?<!不)(?:是|为)", first)[-1]
    theirs = [re.findall(r"\w+", text.casefold()) for text in (plain(phrase), first, result)]
    if ours and ours in theirs:
        return True
    if len(ours) == 1 and re.search(rf"[\u4e00-\u9fff]{re.escape(ours[0])}$", first):
        return True if len(ours[0]) > 1 and not re.search("[不没非未]", first) else None
    if len(ours) == 1 and ours[0] not in plain(phrase).casefold():
        return False
    return None


def _polarity(text: str, *, whole: bool) -> Literal["yes", "no"] | None:
    """Yes or no: all of a reference, or what a final answer begins with; None where it is neither."""
    text = text.strip(" .。!！")
    for said, pattern in (("no", _NO), ("yes", _YES)):
        if pattern.fullmatch(text) if whole else pattern.match(text):
            return "no" if said == "no" else "yes"
    return None


def _in_clause(text: str, reference: str) -> Literal["yes", "no"] | None:
    """Yes or no by the verb of the reference in the first clause of an answer: 三根小棒不能拼成三角形."""
    verb = _VERB.search(reference)
    clause = re.split(r"[,，;；.。]", text)[0]
    said = {bool(found[1]) for found in re.finditer(rf"(不是?)?{verb[0]}", clause)} if verb else set()
    return None if len(said) != 1 else "no" if said.pop() else "yes"
