"""Reading a score out of a judge's free text: strictly, or not at all."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from factory.data.text import shorten
from factory.steps.judging.grading.explained import counts_things, taken_back
from factory.steps.judging.grading.numerals import NUMBER, whole_number

_LABEL = (
    r"(?:(?<![A-Za-z_])(?:score|rating|grade|verdict)(?![A-Za-z])"
    r"|(?:分数|评分|得分|打分|总分|评级|分值|等级)(?:结果)?)"
)
# Every repetition is bounded, so that no reply takes time that grows with its square.
_MARK = r"[ \t*_`\"'“”「」【】\[\]()（）{}$#]{0,8}"
_GAP = r"[ \t*_`\"'”」】\])）}$]{0,8}"
_RANGE = r"[-–—~～到至]|to\b"
_ALONE = rf"(?={_MARK}(?:{NUMBER})[^\n]{{0,40}}(?:\n|\Z))"
# The scale in brackets that a label may have: "Score (1-5):", "评分（满分5分）：".
_BRACKET = r"(?:[ \t*_]{0,4}[（(\[](?P<scale>[^()（）\[\]\n]{1,40})[)）\]])?"
# A label and a colon, an arrow, a table's bar; or the next line, where the score is all that it has: a numbered list
# below "Score:" is none.
_LABELLED = re.compile(
    rf"{_LABEL}{_BRACKET}{_MARK}(?:is|of|为|是)?{_MARK}"
    rf"(?:(?:[:：=|–—]|->|→|[ \t]-(?=[ \t])){_MARK}|[:：]?{_MARK}\n\s{{0,8}}{_MARK}(?P<below>)|[ \t]{{1,8}}(?P<bare>))"
    rf"(?P<number>{NUMBER})",
    re.IGNORECASE,
)
_MARKED = re.compile(
    rf"(?:\[result\][ \t]{{0,8}}{_MARK}|\[\[[ \t]?(?=[^\[\]]{{1,12}}\]\])|\\boxed\{{[ ]?"
    rf"|<(?P<tag>score|rating|grade|分数|评分|得分)>\s{{0,8}}{_MARK})(?P<number>{NUMBER})",
    re.IGNORECASE,
)
_IT = r"(?:it|this|(?:the|this)[ ](?:answer|response))"
# Sentences: what follows must end the thought, and nothing before may doubt it.
_SAID = re.compile(
    rf"(?:{_LABEL}{_BRACKET}{_MARK}(?:(?:that[ ])?(?:I|we)[ ](?:would[ ]|will[ ])?(?:assign|give|award)[ ])?"
    rf"(?:is|was|would[ ]be|will[ ]be|should[ ]be|comes[ ]to|为|是|应为|应该是|定为)"
    rf"(?:[ ](?:therefore|thus|hence|then))?"
    rf"|(?:gives?|gave|giving|assign(?:s|ed)?|award(?:s|ed)?|deserves|earns|merits|receives|gets)[ ]"
    rf"(?:[^\n.。:：;；0-9]{{0,40}}?[ ])?(?:a|an)?[ ]?(?:final[ ]|overall[ ])?(?:score|rating|grade|mark)[ ]of"
    rf"|(?:rate|rated|rates|grade|graded|score|scored)[ ]{_IT}(?:[ ](?:as|at|with))?(?:[ ]an?)?"
    rf"|(?:gives?|gave|giving)[ ]{_IT}(?:[ ]an?)?(?=[ \t*_]{{1,8}}[0-9])"
    rf"|(?:评定?为|打|给出?|获得?|应得|得(?!分)|给予)(?:这个|该|此|其|它|这|回答|答案|[ \t]){{0,4}}(?P<points>))"
    rf"{_MARK}[ \t]{{0,4}}(?P<number>{NUMBER})",
    re.IGNORECASE,
)
_DOUBT = re.compile(
    r"\b(?:not|no|never|nor|cannot|if|unless|to|for|could|might|would(?![ ](?:be|give|rate|assign|award|grade|score))"
    r"|must|than|instead|neither|either|why|whether|maybe|perhaps|almost|nearly|about)\b|n't\b|n’t\b"
    r"|[不没未无非]|如果|[若才]|假如|要[想求得]|为了|可能|也许|或许|几乎|接近|大约|低于|高于|超过|之前|原[来本]|别人",
    re.IGNORECASE,
)
_ENDS = re.compile(
    rf"{_GAP}分?{_GAP}(?:[.。!！,，;；<]|\n|\Z|(?:because|since|as|due|for|overall)\b|因为|理由)",
    re.IGNORECASE,
)
_BARE = re.compile(rf"\s{{0,20}}{_MARK}\s{{0,20}}(?P<number>{NUMBER})")
# What may stand behind a score: "/5", " points out of 5", "(on a scale of 1 to 5)", "分（满分5分）", "（5分制）".
_UNIT = r"(?:分|points?\b|pts?\b|stars?\b)?"
_SCALE = (
    r"[/／]|(?:out[ ])?of\b(?:[ ]a[ ](?:possible|total[ ]of|maximum[ ]of))?|on[ ]an?\b"
    r"|on[ ]a[ ]scale[ ](?:of|from|to)\b|满分[为是]?|max(?:imum)?\b[ ]?[:=]?|scale\b[ ]?[:=]?"
)
_OUT_OF = re.compile(
    rf"{_GAP}{_UNIT}{_GAP}[（(，,\[]?{_GAP}"
    rf"(?:(?:{_SCALE}){_GAP}(?:[01]{_GAP}(?:{_RANGE}){_GAP})?{_MARK}(?P<most>{NUMBER})"
    rf"(?:{_GAP}分|[- ]points?(?:[ ]scale)?|[ ]scale)?"
    rf"|(?P<system>{NUMBER}){_GAP}分制"
    rf"|(?<=[（(\[])[ \t]?[01]{_GAP}(?:{_RANGE}){_GAP}(?P<top>{NUMBER})(?:{_GAP}分)?)"
    rf"(?:{_GAP}[)）\]])?",
    re.IGNORECASE,
)
_INSIDE = re.compile(
    rf"(?<![0-9０-９])(?P<most>{NUMBER})[ \t]?(?:分|points?|pts?)?[ \t]?(?:制|满分|max)?[ \t.]*\Z",
    re.IGNORECASE,
)
_ANOTHER = re.compile(
    rf"{_GAP}{_UNIT}{_GAP}(?:[-–—~～、]|->|→|=>|(?:to|or|and)\b|到|至|或|和"
    rf"|[（(,，;；][ \t]?(?:or|maybe|perhaps|possibly|could[ ]be|或|也许|可能)"
    rf"[^\n0-9０-９]{{0,20}})[ \t]{{0,4}}{_MARK}(?:{NUMBER})",
    re.IGNORECASE,
)
# "3, 4" and "4 | 5", where the line then ends; "4. 2 facts are wrong" is a score and a sentence.
_SEVERAL = re.compile(rf"{_GAP}(?:[,，;；&|｜]|[ \t]){_GAP}(?:{NUMBER}){_GAP}[.。]?{_GAP}(?:\n|\Z)")
_BEHIND = re.compile(
    r"(?!分)[\w%％°+＋±?？]|[-−](?=\s|\Z)|[.．/／][0-9０-９]|[ \t]?分?(?:半|多|以[上下内]|左右|上下|不到|制|之|钟)"
    r"|[ \t*_]{0,4}(?:is|was|would|seems|more|less|percent|points?[ ](?:below|above|lower|higher|less|more))\b",
    re.IGNORECASE,
)
_QUALIFIER = re.compile(r"(?:final|overall|total|my|the|综合|最终|总体|整体|最后)[ \t]?", re.IGNORECASE)
_LINE = 200
"""Characters behind a score that are searched, on its line, for another one."""


class ParsedScore(NamedTuple):
    """What was read of a reply.

    value: the score, None where there is none that can be trusted
    problem: why there is none, the end of a sentence that begins "the reply ..."; "" where there is one
    start, end: where the score's digits stand in the reply
    """

    value: int | None
    problem: str = ""
    start: int = 0
    end: int = 0


def parse_score(reply: str, minimum: int, maximum: int) -> ParsedScore:
    """The one score that a reply states, a whole number on the scale from `minimum` to `maximum`.

    A score stands behind a label ("Score: 4", "Score (1-5): 4", "[RESULT] 4", "评分：四分"), in brackets or a tag of
    its own ("[[4]]", "<score>4</score>"), in a sentence that says no more ("The final score is 4.", "最终评分为4分"),
    or is the whole reply. Nothing is guessed: a number without a label, two scores that differ, a range, a
    fraction, a percentage, another scale ("8/10" where the highest level is 5), a score that is denied or
    supposed ("not 4", "to get a score of 5"), a level of a scale that is explained ("1 = bad, 5 = good"), a score that
    is then changed ("5, no wait, 3"; see `taken_back`), and a number outside the scale are no score. Nothing is
    clamped, and no digit is taken out of a longer number (a reply of "Score: 728" passed as a 7 in one published
    filter). Takes time in proportion to the length of the reply.
    """
    if not reply.strip():
        return ParsedScore(None, "is empty")
    matches = list(_statements(reply))
    if not matches:
        bare = _BARE.match(reply)
        if bare is None or _tail(reply, bare.end()).strip(" \t\r\n*_`.。分\"'“”「」【】[]()（）{}$"):
            return ParsedScore(None, f"states no score: {shorten(reply, 60)!r}")
        matches = [bare]
    read = [_read(reply, match, minimum, maximum) for match in matches]
    wrong = next((one for one in read if one.value is None), None)
    if wrong is not None:
        return wrong
    values = list(dict.fromkeys(one.value for one in read))
    if len(values) > 1:
        return ParsedScore(None, f"states {len(values)} scores: {', '.join(map(str, values[:5]))}")
    return read[-1]


def _statements(reply: str) -> Iterator[re.Match[str]]:
    """Where the reply states a score, in order, each once."""
    found: dict[int, re.Match[str]] = {}
    for pattern in (_LABELLED, _MARKED, _SAID):
        for match in pattern.finditer(reply):
            if match.start("number") not in found and _stated(reply, match, pattern):
                found[match.start("number")] = match
    return iter(found[at] for at in sorted(found))


def _stated(reply: str, match: re.Match[str], pattern: re.Pattern[str]) -> bool:
    """Whether what looks like a score is said as one."""
    behind = match.end()
    out_of = _OUT_OF.match(reply, behind)
    ended = _ENDS.match(reply, out_of.end() if out_of else behind) is not None
    if pattern is _MARKED:
        return (
            not match["tag"]
            or re.match(rf"[^\n<]{{0,20}}</{match['tag']}>", reply[behind : behind + 60], re.I) is not None
        )
    if pattern is _LABELLED:
        line = reply[max(0, match.start() - 40) : match.start()].rpartition("\n")[2]
        if match["below"] is not None:
            rest = reply[out_of.end() if out_of else behind :][:40].partition("\n")[0]
            return not rest.strip(" \t\r*_`.。分\"'”」】])）}$")
        return match["bare"] is None or (ended and not _QUALIFIER.sub("", line).strip(" \t*_`#-(（[【“\"'"))
    # A unit is what tells "给4分" from "给4个理由".
    if match["points"] is not None and not re.match(
        r"[ \t*_]{0,4}(?:分(?!钟|之|制|别|析|类|为|成)|[/／])", reply[behind : behind + 8]
    ):
        return False
    clause = re.split(
        r"[.。!！?？;；\n]|[,，](?![^,，]*(?:not|不))",
        reply[max(0, match.start() - 80) : match.start("number")],
    )[-1]
    return ended and _DOUBT.search(clause) is None


def _tail(reply: str, at: int) -> str:
    """What stands behind a score, without the scale or the unit that it names."""
    out_of = _OUT_OF.match(reply, at)
    if out_of is None:
        unit = re.compile(rf"{_GAP}{_UNIT}", re.IGNORECASE).match(reply, at)
        return reply[unit.end() if unit else at :]
    return reply[out_of.end() :]


def _read(reply: str, match: re.Match[str], minimum: int, maximum: int) -> ParsedScore:
    said, end = match["number"], match.end()
    shown = shorten(said, 20)
    scale = match.groupdict().get("scale")
    if scale and (named := _INSIDE.search(scale)) and whole_number(named["most"]) != maximum:
        return ParsedScore(
            None, f"states {shown!r} on a scale to {shorten(named['most'], 20)}, not {maximum}"
        )
    another = _ANOTHER.match(reply, end)
    if another is not None:
        return ParsedScore(None, f"states a range, not a score: {shorten(said + another[0], 30)!r}")
    out_of = _OUT_OF.match(reply, end)
    if out_of is not None:
        most = out_of["most"] or out_of["system"] or out_of["top"]
        if whole_number(most) != maximum:
            return ParsedScore(None, f"states {shown!r} on a scale to {shorten(most, 20)}, not {maximum}")
        end = out_of.end()
        if counts_things(reply[end : end + _LINE]):
            return ParsedScore(None, f"states how many of {most}, not a score")
    several = _SEVERAL.match(reply, end)
    if several is not None:
        return ParsedScore(None, f"states several numbers: {shorten(said + several[0], 30)!r}")
    if _BEHIND.match(reply, end):
        around = reply[match.start("number") : end + 8]
        return ParsedScore(None, f"states what is no plain number: {shorten(around, 30)!r}")
    value = whole_number(said)
    if value is None:
        return ParsedScore(None, f"states {shown!r}, not a whole number")
    behind = reply[end : end + _LINE]
    line = behind.partition("\n")[0]
    if problem := taken_back(behind, value):
        return ParsedScore(None, f"states {problem}: {shorten(said + line, 30)!r}")
    for other in re.finditer(
        rf"(?<![0-9０-９.])({NUMBER})[ ]?(?:[/／]|out of)[ ]?({NUMBER})", line, re.IGNORECASE
    ):
        if whole_number(other[2]) == maximum and whole_number(other[1]) != value:
            return ParsedScore(None, f"states several numbers: {shorten(said + line, 30)!r}")
    if not minimum <= value <= maximum:
        return ParsedScore(None, f"states {shown!r}, which is not on the scale from {minimum} to {maximum}")
    return ParsedScore(value, "", match.start("number"), match.end("number"))
