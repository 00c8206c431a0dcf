"""The options of a multiple choice question that an answer names: A, (A), A. text, 选A, 故选：B、D, ②③."""

from __future__ import annotations

import re

from factory.steps.judging.verifying.maths.final_answer import Found

_REFERENCE = re.compile(
    r"(?:故|应)?选?(?:项|择)?\s*[:：]?\s*[(（\[]?([A-J]{1,6})[)）\]]?(?:[.．、:：)]\s*\S.{0,400})?[.。]?",
    re.DOTALL,
)
_BETWEEN_LETTERS = re.compile(r"(?<=\b[A-J])\s*(?:[,，、&和与]|,?\s*\band\b)\s*(?=[A-J](?:\b|[,，、&和与]))")
_BRACKETED = re.compile(r"[(（\[]([a-j])[)）\]]")
_LETTER = r"[(（\[]?[A-J](?![A-Za-z'’])[)）\]]?"
_RUN = rf"{_LETTER}(?:(?:\s*[,，、和与&]\s*|\s+and\s+|\s*,\s*and\s+)?{_LETTER})*"
_JOINED = r"(?<![A-Za-z])[A-J]{2,6}(?![A-Za-z])"
_FIRST = re.compile(
    rf"\W{{0,6}}(?i:the\s+)?(?i:correct\s+)?(?i:options?\b|choices?\b|letter\b|选项|选)?\s*[:：]?\s*({_JOINED}|{_RUN})"
)
_ANYWHERE = re.compile(
    rf"(?:只有|仅有?|选择|应选|选项应?[是为]?|选|正确的?(?:选项|[^。；;，,]{{0,6}})?[有是为]"
    r"|\b(?:[Oo]ption|[Cc]hoice)s?(?:\s+(?:is|are))?|\b[Cc]hoo?se|\b[Gg]o(?:ing)? (?:with|for)|\b[Pp]ick"
    r"|\b[Ss]elect|\b[Ll]eav(?:ing|es))"
    rf"\s*[:：]?\s*({_JOINED}|{_RUN})|[(（]([A-J])[)）]"
)
_CIRCLED = r"[\u2460-\u2473](?:[\s,，、和与]*[\u2460-\u2473])*"
_RIGHT_ONES = re.compile(
    rf"(?:正确|符合|成立|答案|序号|选)[^\u2460-\u2473。；;]{{0,8}}({_CIRCLED})(?!\s*(?:不|错))"
)
_ARE_RIGHT = re.compile(rf"({_CIRCLED})\s*(?:都|均|是)?(?:正确|对|成立|符合)")
_ARE_TRUE = re.compile(
    rf"(?<![A-Za-z])({_JOINED}|{_RUN})(?:\s+(?:is|are)\s+(?:the\s+)?(?:both\s+|all\s+|only\s+)?(?:true|correct|right)\b"
    r"|(?:选项|说法|项)?\s*(?:都|均|才)?是?(?:正确|对|符合题意))"
)
# "A" and "I" before a word in small letters are words.
_ARTICLE = re.compile(r"\s+[a-z]")


def reference_options(reference: str) -> frozenset[str] | None:
    """The options that a reference names; None where it is no multiple choice."""
    text = reference.strip().strip("*$ ").replace("\\text{", "").rstrip("}")
    if re.fullmatch(_CIRCLED, text):
        return _circled(text)
    if match := _BRACKETED.fullmatch(text):
        return frozenset(match[1].upper())
    match = _REFERENCE.fullmatch(_BETWEEN_LETTERS.sub("", text))
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
    phrase = _narrow(found.phrase)
    phrase = re.sub(r"\\(?:text|mathrm|textbf|mathbf)\s*\{([^{}]*)\}", r"\1", phrase).replace("$", "")
    match = _FIRST.match(phrase)
    is_word = match is not None and match[1] in ("A", "I") and _ARTICLE.match(phrase, match.end(1))
    anywhere = [match[1] or match[2] for match in _ANYWHERE.finditer(phrase)] or _ARE_TRUE.findall(phrase)
    # A项偏小，所以正确选项是C: what is said at last, where nothing marks the beginning.
    if match is not None and not is_word and (found.how != "last_line" or not anywhere):
        return _letters(match[1])
    if anywhere:
        return _letters(anywhere[-1])
    lone = re.fullmatch(r"\W*([a-j])\W*", phrase) if found.how != "last_line" else None
    return frozenset(lone[1].upper()) if lone else None


def _narrow(text: str) -> str:
    return "".join(chr(ord(one) - 0xFEE0) if "Ａ" <= one <= "Ｚ" else one for one in text)


def _letters(said: str) -> frozenset[str]:
    return frozenset(re.findall(r"[A-J]", re.sub(r"\band\b", "", said)))
