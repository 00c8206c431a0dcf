"""A reference in words: the same words are the same answer; yes and no are read; other words may say the same."""

from __future__ import annotations

import re
from typing import Literal

from factory.steps.judging.verifying.maths.dates import named_weekday, read_weekday
from factory.steps.judging.verifying.maths.quantity import plain

_YES = re.compile(
    r"(?:是的?|对的?|能够?|会|可以|正确|成立|相等|真|有|存在|yes|true|correct)(?![A-Za-z])", re.IGNORECASE
)
_NO = re.compile(
    r"(?:不是|不对|不能够?|不会|不可以|不可能|不行|不正确|不成立|不相等|不存在|没有|否|错误?的?|假|no|not|false|incorrect)(?![A-Za-z])",
    re.IGNORECASE,
)
# What a reference says that has no solution; \emptyset and "empty set" are spelled 空集.
_NOTHING = re.compile(
    r"空集|(?:无|没有)(?:实数?)?(?:解|根)|\bno (?:real |integer |such )*(?:solutions?|roots?)\b",
    re.IGNORECASE,
)
_JUDGED = re.compile(
    r"(不|没有?|\bnot\s+)?(正确|错误|对|错|\btrue|\bfalse|\bcorrect|\bincorrect|\bwrong)\s*的?\s*$",
    re.IGNORECASE,
)
_PEOPLE = "甲乙丙丁戊己"
_NOT_OF_IT = re.compile(r"[不没非未比错]|\b(?:not|than|or|and|never|neither)\b|n't|[和与或、,，]")
_HAN_NAME = re.compile(r"[\u4e00-\u9fff]{2,4}$")
_VERB = re.compile("可以|可能|正确|成立|相等|存在|能|会")


def same_words(phrase: str, reference: str) -> bool | None:
    """Whether a final answer says what a reference in words says; None: no rule can tell."""
    wanted = _polarity(plain(reference), whole=True)
    if wanted is not None:
        said = _polarity(plain(phrase), whole=False) or _in_clause(plain(phrase), plain(reference))
        return None if said is None else said == wanted
    if _NOTHING.search(plain(reference)):
        return bool(_NOTHING.search(plain(phrase))) and not re.search(r"不[是为]|\bnot\b", plain(phrase))
    if (day := read_weekday(plain(reference))) is not None:
        said_day = named_weekday(plain(phrase))
        return None if said_day is None else said_day == day
    if plain(reference) in _PEOPLE:
        named = set(re.findall(f"[{_PEOPLE}]", plain(phrase)))
        return named == {plain(reference)} if len(named) == 1 else None
    ours = re.findall(r"\w+", plain(reference).casefold())
    first = re.split(r"[,，;；.。:：]", plain(phrase))[0]
    # Behind the last verb too: 10天后是星期三.
    result = re.split(r"(?<!不)(?:是|为)", first)[-1]
    theirs = [re.findall(r"\w+", text.casefold()) for text in (plain(phrase), first, result)]
    if ours and ours in theirs:
        return True
    # "Alice is the tallest", 小红最高: what it says is of the one it begins with.
    behind = plain(phrase)[len(plain(reference)) :]
    if len(ours) == 1 and theirs[0][:1] == ours and not _NOT_OF_IT.search(behind):
        return True
    if (
        plain(phrase).startswith(plain(reference))
        and _HAN_NAME.match(plain(reference))
        and not _NOT_OF_IT.search(behind)
    ):
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
    if verb is None and (judged := _JUDGED.search(clause)):
        wrong = bool(judged[2] in ("错", "错误", "false", "incorrect", "wrong"))
        return "no" if wrong != bool(judged[1]) else "yes"
    said = {bool(found[1]) for found in re.finditer(rf"(不是?)?{verb[0]}", clause)} if verb else set()
    return None if len(said) != 1 else "no" if said.pop() else "yes"
