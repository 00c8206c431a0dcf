"""Sentences of English and Chinese text, split by rule: no model, no download, microseconds for an answer.

IFEval (arXiv 2311.07911) counts with NLTK's Punkt and its English parameters. The rules here are Punkt's for a text
that is given (Kiss and Strunk 2006, section 3 and 4: abbreviations, initials, ordinals, ellipses, and the case of the
word that follows), with short lists in place of trained parameters, and the full stops of Chinese and Japanese.
"""

from __future__ import annotations

import re

_ABBREVIATED = """
    adm al apr aug ave bros ca capt cf co col conn corp cos ct dec dept dr e.g eq esp est etc ext fig fri
    ft gen gov i.e inc jan jr jul jun lt ltd maj messrs mg mon mr mrs ms mt nov oct okla p.s p.p.s ph.d
    prof pp rep sat sen sep sept sgt sr st sun thu thur tue tues univ viz vol vs wed yr feb
"""
_ABBREVIATIONS = frozenset(_ABBREVIATED.split())
_STARTING = """
    a according after also although among an and are as at because before both but by can could despite
    did do does don't each even every finally first for from had has have he her here his how however i if
    in indeed instead is it its let many may maybe meanwhile moreover most my nevertheless next no
    nonetheless nor not now of on once one only our perhaps please separately she should similarly since
    so some such that the their then there therefore these they this those though through thus to under
    until was we well were what when where which while who why will with would yes yet you your
"""
_STARTERS = frozenset(_STARTING.split())
"""Words that begin a sentence where they are capitalised behind an abbreviation or an ellipsis."""

# An end is a run of marks, then what may close a quotation or bracket, then more text. The marks of Chinese and
# Japanese need no white space behind them. No part is tried twice, so that a long run of marks costs no more. That the
# pattern begins with a set of characters lets `re` pass over all others at once.
_END = re.compile(
    r"""[.?!。！？](?:(?<=[.?!])(?P<more>[.?!]*+)(?P<close>["'\])}*_”’»]*+)|[。！？!?.…]*+[”’」』）)】"'*]*+)"""
)
_NEXT = re.compile(r"\s*+(\S{1,40})")
_CHINESE = "\u3001"
"""From here on lie the letters and marks of Chinese and Japanese, before which no space is written."""
_OPENING = "\"'([{*_“‘«#>-"
_INITIAL = re.compile(r"[^\W\d_]")
_DOTTED = re.compile(r"(?:[^\W\d_]\.)+[^\W\d_]")
_NUMBER = re.compile(r"[-−]?[.,]?\d[\d,.\-]*")


def split_sentences(text: str) -> list[str]:
    """The sentences of a text, stripped, none of them empty. A line break alone ends none."""
    found, begin = [], 0
    said = len(text.rstrip())
    for match in _END.finditer(text):
        end = match.end()
        if match["more"] is not None and not (end < said and _ends(text, match, end)):
            continue
        if sentence := text[begin:end].strip():
            found.append(sentence)
        begin = end
    if rest := text[begin:].strip():
        found.append(rest)
    return found


def _ends(text: str, match: re.Match[str], end: int) -> bool:
    """Whether marks of Latin script end a sentence."""
    marks, closed = text[match.start() : match.end("more")], bool(match["close"])
    spaced = text[end].isspace()
    if "?" in marks or "!" in marks:
        # "What?!" is one end; "Yahoo!, that" and "a?b" are none.
        return spaced or closed or text[end] in "([{:;@" or text[end] >= _CHINESE
    if not (spaced or closed or text[end] in "([{"):
        return False
    before = _token(text, match.start())
    word = before.lower()
    if len(marks) == 1 and word.isalpha() and len(word) > 1 and word not in _ABBREVIATIONS:
        return True
    following = _NEXT.match(text, end)
    assert following is not None
    if len(marks) > 1 or _INITIAL.fullmatch(before) or _DOTTED.fullmatch(before):
        # "J. Smith" is a name; "as plan B. The rest" is two sentences.
        return _starts_sentence(following[1])
    if word in _ABBREVIATIONS or word.rsplit("-", 1)[-1] in _ABBREVIATIONS:
        return _starts_sentence(following[1])
    if _NUMBER.fullmatch(before):
        return not following[1][0].islower()
    return True


def _token(text: str, end: int) -> str:
    """The last characters before `end` that no white space divides, without what opens a quotation."""
    before = text[max(0, end - 40) : end]
    return before.rsplit(None, 1)[-1].lstrip(_OPENING) if before and not before[-1].isspace() else ""


def _starts_sentence(word: str) -> bool:
    bare = word.lstrip(_OPENING)
    return bare[:1].isupper() and bare.rstrip(".,;:!?\"')]}*_").lower() in _STARTERS
