"""The options of a multiple choice question that an answer names: A, (A), A. text, 选A, 故选：B、D, ②③."""

from __future__ import annotations

import re

from factory.steps.judging.verifying.maths.final_answer import Found

_REFERENCE = re.compile(
    r"(?:故|应)?选?(?:项|择)?\s*[:：]?\s*[(（\[]?([A-J]{1,6})[)）\]]?(?:[.．、:：)]\s*\S.{0,400})?[.。]?",
    re.DOTALL,
)
_BRACKETED = re.compile(r"[(（\[]([a-j])[)）\]]")
_LETTER = r"[(（\[]?[A-J](?![A-Za-z'’])[)）\]]?"
_RUN = rf"{_LETTER}(?:(?:\s*[,，、和与&]\s*|\s+and\s+|\s*,\s*and\s+)?{_LETTER})*"
_JOINED = r"(?<![A-Za-z])[A-J]{2,6}(?![A-Za-z])"
_FIRST = re.compile(
    rf"\W{{0,6}}(?i:the\s+)?(?i:correct\s+)?(?i:options?\b|choices?\b|letter\b|选项|选)?\s*[:：]?\s*({_JOINED}|{_RUN})"
)
_ANYWHERE = re.compile(
    rf"(?:选择|应选|选项[是为]?|选|正确的(?:选项)?[有是为]|\b[Oo]ptions?|\b[Cc]hoices?|\b[Cc]hoose)\s*[:：]?\s*({_JOINED}|{_RUN})|[(（]([A-J])[)）]"
)
_CIRCLED = r"[\u2460-\u2473](?:[\s,，、和与]*[\u2460-\u2473])*"
_RIGHT_ONES = re.compile(
    rf"(?:正确|符合|成立|答案|序号|选)[^\u2460-\u2473。；;]{{0,8}}({_CIRCLED})(?!\s*(?:不|错))"
)
_ARE_RIGHT = re.compile(rf"({_CIRCLED})\s*(?:都|均|是)?(?:正确|对|成立|符合)")
# "A" and "I" before a word in small letters are words.
_ARTICLE = re.compile(r"\s+[a-z]")


def reference_options(reference: str) -> frozenset[str] | None:
    """The options that a reference names; None where it is no multiple choice."""
    text = reference.strip().strip("*$ ").replace("\\text{", "").rstrip("}")
    if re.fullmatch(_CIRCLED, text):
        return _circled(text)
    if match := _BRACKETED.fullmatch(text):
        return frozenset(match[1].upper())
    match = _REFERENCE.fullmatch(text)
    if match is None or list(match[1]) != sorted(set(match[1])):
        return None
    return frozenset(match[1])


def named_circled(found: Found) -> frozenset[str] | None:
    """The statements ①, ② and so on that a final answer names as the right ones; None where it names none."""
    runs = (
        _RIGHT_ONES.findall(found.phrase)
        or _ARE_RIGHT.findall(found.phrase)
        or re.findall(_CIRCLED, found.phrase)
    )
    return _circled(runs[-1]) if runs else None


def _circled(said: str) -> frozenset[str]:
    return frozenset(re.findall(r"[\u2460-\u2473]", said))


def named_options(found: Found) -> frozenset[str] | None:
    """The options that a final answer names; None where it names none."""
    phrase = re.sub(r"\\(?:text|mathrm|textbf|mathbf)\s*\{([^{}]*)\}", r"\1", found.phrase).replace("$", "")
    match = _FIRST.match(phrase)
    is_word = match is not None and match[1] in ("A", "I") and _ARTICLE.match(phrase, match.end(1))
    if match is not None and not is_word:
        return _letters(match[1])
    anywhere = [match[1] or match[2] for match in _ANYWHERE.finditer(phrase)]
    if anywhere:
        return _letters(anywhere[-1])
    lone = re.fullmatch(r"\W*([a-j])\W*", phrase) if found.how != "last_line" else None
    return frozenset(lone[1].upper()) if lone else None


def _letters(said: str) -> frozenset[str]:
    return frozenset(re.findall(r"[A-J]", re.sub(r"\band\b", "", said)))
