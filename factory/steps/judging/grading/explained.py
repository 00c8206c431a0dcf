"""Whether what stands behind a number takes it back as a score: a scale explained, a sum, a second thought."""

from __future__ import annotations

import re

from factory.steps.judging.grading.numerals import NUMBER, whole_number

_GAP = r"[ \t*_`\"'“”」】\])）}$]{0,8}"
_UNIT = r"(?:分|points?\b|pts?\b|stars?\b)?"
# What gives a level its meaning; behind a grade it stands only where a scale is read out.
_MEANS = re.compile(
    rf"{_GAP}{_UNIT}{_GAP}(?:[=＝]"
    r"|(?:means?|being|denotes?|represents?|indicates?|corresponds?[ ]to|stands?[ ]for|signif(?:y|ies)|equals?)\b"
    r"|(?:only[ ])?(?:if|when|where|unless)\b|(?:for[ ](?:each|every)|per|each)\b"
    r"|表示|代表|意味|指|即|则|如果|若|当|的(?:回答|答案|标准|情况))"
    rf"|{_GAP}分{_GAP}(?:为(?![何什])|是(?!因)|[差好优劣坏])",
    re.IGNORECASE,
)
_SUM = re.compile(
    rf"{_GAP}{_UNIT}{_GAP}(?:[+＋×÷≤≥≠]|[<>][ \t]?(?=[0-9])|[x*][ \t]?(?=[0-9])"
    r"|(?:plus|minus|times|divided[ ]by)\b|[加减乘])",
    re.IGNORECASE,
)
# What may be a grade's own gloss ("4: good", "4 (good)"), and is a scale where another number has the same.
_GLOSS = re.compile(rf"{_GAP}{_UNIT}{_GAP}(?P<sign>[:：]|[(（]|[-–—](?=[ \t])|(?:for|is)\b)", re.IGNORECASE)
_SIGNS = {"：": "[:：]", ":": "[:：]", "(": "[(（]", "（": "[(（]", "-": "[-–—]", "–": "[-–—]", "—": "[-–—]"}
_LIST = re.compile(
    rf"{_GAP}{_UNIT}(?:{_GAP}[,，、;；|｜/]{_GAP}(?:(?:or|and)[ ]|或|和)?(?:{NUMBER}){_UNIT}){{2}}",
    re.IGNORECASE,
)
_SPAN = re.compile(
    rf"{_GAP}{_UNIT}{_GAP}(?:\.{{2,6}}|…{{1,2}}|(?:through|thru|up[ ]to)\b){_GAP}(?:{NUMBER})", re.IGNORECASE
)
_COUNTED = re.compile(
    rf"{_GAP}(?:criteri|requirement|item|fact|constraint|check|test|question|aspect|condition|rule|[条项个])",
    re.IGNORECASE,
)
_CHANGED = re.compile(
    r"(?:\b(?:no|wait|actually|sorry|correction|changed|lowered|raised|reduced|increased|adjusted|corrected"
    r"|revised|downgraded|upgraded|now|(?:should|would)[ ](?:be|say|give)|make[ ](?:it|that))\b"
    r"|不[，,对是]|改[为成到]|而是|调整[为到]|[降升提]高?低?[为到至]|其实|实际上|更正|应[为该])"
    r"[^\n0-9０-９]{0,20}(?P<number>[0-9０-９]{1,3}|[一二三四五六七八九十](?=分))"
    r"[ \t*_]{0,4}(?:分|/[0-9]{1,3})?[ \t*_]{0,4}(?:[.,;!?)）\]。，；！]|\n|\Z)",
    re.IGNORECASE,
)
_LESS = re.compile(r"\A[^\n.]{0,20}\b(?:minus|less)[ ](?:one|two|half|an?\b|[0-9])", re.IGNORECASE)


def taken_back(behind: str, value: int) -> str:
    """Why the number `value`, with `behind` on its line and below, is no grade, for "the reply states ..."; or "".

    It is a level of a scale that is explained ("1 = bad, 5 = good", "1 (bad) to 5 (good)", 1分表示差) or listed
    ("1, 2, 3"), has a condition ("5 if it is right"), is part of a sum ("3 + 1 = 4"), or is changed by what
    follows ("5, no wait, 3"). A gloss alone ("4 (good)") is none of these, nor is a scale in brackets behind a grade
    ("4 (1 = bad, 5 = good)").
    """
    if _MEANS.match(behind):
        return "what a level means, not a score"
    if _SUM.match(behind):
        return "a sum or a comparison, not a score"
    if _LIST.match(behind):
        return "several numbers"
    if _SPAN.match(behind):
        return "a range, not a score"
    gloss = _GLOSS.match(behind)
    if gloss is not None:
        sign = _SIGNS.get(gloss["sign"], gloss["sign"])
        line, _, below = behind.partition("\n")
        another = rf"(?<![0-9０-９.])(?P<number>{NUMBER}){_GAP}{_UNIT}{_GAP}{sign}"
        for text, pattern in ((line[gloss.end() :], another), (below, rf"\A[ \t]*[-*•]?[ \t]*{another}")):
            if any(
                whole_number(one["number"]) not in (None, value) for one in re.finditer(pattern, text, re.I)
            ):
                return "what the levels of a scale mean, not a score"
    changed = _CHANGED.search(behind.partition("\n")[0])
    less = _LESS.search(behind.partition("\n")[0])
    if less or (changed is not None and whole_number(changed["number"]) != value):
        return "a score and another in its place"
    return ""


def counts_things(behind: str) -> bool:
    """Whether "4 out of 5" goes on with what was counted ("criteria met"), so that it grades nothing."""
    return _COUNTED.match(behind) is not None
