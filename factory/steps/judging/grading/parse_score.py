"""Reading a score out of a judge's free text: strictly, or not at all."""

from __future__ import annotations

import re
from typing import NamedTuple

from factory.data.text import shorten

_NUMERALS = dict(zip("零一二两三四五六七八九", (0, 1, 2, 2, 3, 4, 5, 6, 7, 8, 9), strict=True))
_HAN = f"[{''.join(_NUMERALS)}十点]"
# ASCII and full-width digits alone: `\d` would take those of every script.
_DIGIT = "[0-9０-９]"
_NUMBER = rf"[-+−]?{_DIGIT}+(?:[.,，．]{_DIGIT}+)?|{_HAN}+"
_WHOLE = re.compile(rf"([-+−]?)({_DIGIT}{{1,9}})")
_LABEL = r"(?:(?<![A-Za-z_])(?:score|rating|grade)|分数|评分|得分|打分|总分)"
# All on one line: behind a line break stands a score only where it is alone on its line, or a numbered list
# below "Score:" would be one. Every repetition is bounded, so that no reply takes time that grows with its
# square.
_MARKUP = r"[ \t*_`\"'“”「」【】\[\]()（）]{0,8}"
_SCORE = re.compile(
    rf"""
    (?: {_LABEL} {_MARKUP} (?:is|of|为|是)? {_MARKUP} [:：=]           # "**Score:** 4", "评分：4"
        (?: {_MARKUP} | {_MARKUP} \s{{0,8}} (?={_DIGIT}+ [ \t*_]{{0,8}} (?:\n|\Z)) )
      | \[result\] [ \t]{{0,8}}                                          # Prometheus
      | \[\[ (?=[^\[\]]{{1,12}}\]\])                                 # MT-bench
    )
    (?P<number>{_NUMBER})
    """,
    re.IGNORECASE | re.VERBOSE,
)
_BARE = re.compile(rf"[\s*_`]*(?P<number>{_NUMBER})")
_GAP = r"[ \t]{0,8}"
# What may stand behind a score: "/5", " points out of 5", "(on a scale of 1 to 5)", "分（满分5分）", "（5分制）".
_UNIT = r"(?:分|points?\b|pts?\b|stars?\b)?"
_SCALE = (
    r"[/／]|(?:out[ ])?of\b(?:[ ]a[ ](?:possible|total[ ]of|maximum[ ]of))?|on[ ]a[ ]scale[ ](?:of|from|to)\b"
    r"|满分[为是]?"
)
_OUT_OF = re.compile(
    rf"{_GAP}{_UNIT}{_GAP}[（(，,]?{_GAP}"
    rf"(?:(?:{_SCALE}){_GAP}(?:[01]{_GAP}(?:[-–~～到至]|to\b){_GAP})?(?P<most>{_NUMBER})(?:{_GAP}分)?"
    rf"|(?P<system>{_NUMBER}){_GAP}分制)"
    rf"(?:{_GAP}[)）])?",
    re.IGNORECASE,
)
_ANOTHER = re.compile(
    rf"{_GAP}分?{_GAP}(?:[-–—~～、]|to\b|or\b|and\b|到|至|或|和){_GAP}(?:{_NUMBER})", re.IGNORECASE
)
# "3, 4" and "4 | 5", where the line then ends; "4. 2 facts are wrong" is a score and a sentence.
_SEVERAL = re.compile(rf"{_GAP}(?:[,，;；&|｜]|[ \t]){_GAP}(?:{_NUMBER}){_GAP}[.。]?{_GAP}(?:\n|\Z)")
_BEHIND = re.compile(rf"(?!分)[\w%％°+＋±]|[-−](?=\s|\Z)|[.．/／]{_DIGIT}")


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

    A score stands behind a label ("Score: 4", "[RESULT] 4", "评分：四分"), in double brackets ("[[4]]"), or is
    the whole reply. Nothing is guessed: a number without a label, two scores that differ, a range, a
    fraction, a percentage, another scale ("8/10" where the highest level is 5) and a number outside the scale
    are no score. Nothing is clamped, and no digit is taken out of a longer number (a reply of "Score: 728"
    passed as a 7 in one published filter). Takes time in proportion to the length of the reply.
    """
    if not reply.strip():
        return ParsedScore(None, "is empty")
    matches = list(_SCORE.finditer(reply))
    if not matches:
        bare = _BARE.match(reply)
        if bare is None or _tail(reply, bare.end()).strip(" \t\r\n*_`.。分"):
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


def _tail(reply: str, at: int) -> str:
    """What stands behind a score, without the scale it names."""
    out_of = _OUT_OF.match(reply, at)
    return reply[out_of.end() if out_of else at :]


def _read(reply: str, match: re.Match[str], minimum: int, maximum: int) -> ParsedScore:
    said, end = match["number"], match.end()
    shown = shorten(said, 20)
    another = _ANOTHER.match(reply, end)
    if another is not None:
        return ParsedScore(None, f"states a range, not a score: {shorten(said + another[0], 30)!r}")
    out_of = _OUT_OF.match(reply, end)
    if out_of is not None:
        most = out_of["most"] or out_of["system"]
        if whole_number(most) != maximum:
            return ParsedScore(None, f"states {shown!r} on a scale to {shorten(most, 20)}, not {maximum}")
        end = out_of.end()
    several = _SEVERAL.match(reply, end)
    if several is not None:
        return ParsedScore(None, f"states several numbers: {shorten(said + several[0], 30)!r}")
    if _BEHIND.match(reply, end):
        around = reply[match.start("number") : end + 8]
        return ParsedScore(None, f"states what is no plain number: {shorten(around, 30)!r}")
    value = whole_number(said)
    if value is None:
        return ParsedScore(None, f"states {shown!r}, not a whole number")
    if not minimum <= value <= maximum:
        return ParsedScore(None, f"states {shown!r}, which is not on the scale from {minimum} to {maximum}")
    return ParsedScore(value, "", match.start("number"), match.end("number"))


def whole_number(said: str) -> int | None:
    """The whole number that these digits or Chinese numerals (to 99) are, or None."""
    plain = _WHOLE.fullmatch(said)
    return _chinese(said) if plain is None else (-1 if plain[1] in ("-", "−") else 1) * int(plain[2])


def _chinese(said: str) -> int | None:
    if said in _NUMERALS:
        return _NUMERALS[said]
    tens, ten, ones = said.partition("十")
    if not ten or (tens and tens not in _NUMERALS) or (ones and ones not in _NUMERALS):
        return None
    return 10 * _NUMERALS.get(tens, 1) + _NUMERALS.get(ones, 0)
