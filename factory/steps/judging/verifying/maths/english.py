"""Numbers in English words: two and a half, three eighths, one-seventh, two dozen, forty-two, negative five."""

from __future__ import annotations

import re
from fractions import Fraction

_FIRST_TWENTY = (
    "zero|one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|thirteen|fourteen|fifteen|sixteen|"
    "seventeen|eighteen|nineteen"
)
_ONES = {word: at for at, word in enumerate(_FIRST_TWENTY.split("|"))}
_TENS_IN_ORDER = "twenty|thirty|forty|fifty|sixty|seventy|eighty|ninety"
_TENS = {word: at * 10 for at, word in enumerate(_TENS_IN_ORDER.split("|"), start=2)}
_SCALES = {"thousand": 10**3, "million": 10**6, "billion": 10**9}
_PARTS_IN_ORDER = "half|third|quarter|fifth|sixth|seventh|eighth|ninth|tenth|eleventh|twelfth"
_PARTS = {word: at for at, word in enumerate(_PARTS_IN_ORDER.split("|"), start=2)} | {
    "halve": 2,
    "fourth": 4,
    "twentieth": 20,
    "hundredth": 100,
    "thousandth": 1000,
}
_DOZEN = 12
_COUNT = "|".join(sorted([*_ONES, *_TENS, "hundred", *_SCALES], key=len, reverse=True))
_PART = "|".join(sorted(_PARTS, key=len, reverse=True))
_WORD = rf"(?:{_COUNT}|dozen)"
_WHOLE = rf"(?:an?\s+(?=hundred|thousand|million|billion|dozen))?{_WORD}(?:(?:\s+and\s+|[\s-]+){_WORD})*"
_AND_A_PART = re.compile(
    rf"\b(an?|{_WHOLE})\s+(hour|minute|mile|cup|year|day|week|month|kilo|kilogram|kilometer|kilometre|pound|dozen)s?"
    r"\s+and\s+(?:a\s+)?(half|quarter)\b",
    re.IGNORECASE,
)
_SAID = re.compile(
    rf"(?<!past )\b(?P<minus>(?:negative|minus)\s+)?(?:"
    rf"(?P<whole>{_WHOLE})\s+and\s+(?P<top>an?|one|two|three|four|five)[\s-]+(?P<bottom>{_PART})s?"
    rf"|(?P<above>{_WHOLE}|an?)[\s-]+(?P<below>{_PART})s?"
    rf"|(?P<half>half)(?:\s+an?(?:\s+(?P<dozen>dozen))?)?"
    rf"|(?P<count>{_WHOLE})"
    rf")\b(?!\s+past)",
    re.IGNORECASE,
)
# "One" is a number where a verb stands before it and nothing behind.
_LONE_ONE = re.compile(r"(?:^|\b(?:is|are|equals|be)\s+)$", re.IGNORECASE)
_VERB = re.compile(r"\b(?:is|are|was|be|equals?|takes?|has|have|gets?|costs?|to)\s+$", re.IGNORECASE)


def in_digits(text: str) -> str:
    """`text` with its numbers in words as digits (5/2, 3/8, -5); where it has digits, those behind a verb alone."""
    has_digits = bool(re.search(r"\d", text))
    text = _AND_A_PART.sub(_with_part, text) if not has_digits else text
    has_digits = bool(re.search(r"\d", text))

    def digits(found: re.Match[str]) -> str:
        value = _value(found)
        before, behind = text[: found.start()], text[found.end() :]
        lone = found["count"] is not None and found["count"].lower() == "one" and not found["minus"]
        if value is None or (has_digits and not _VERB.search(before)):
            return found[0]
        if lone and not (_LONE_ONE.search(before) and re.match(r"\W*$", behind)):
            return found[0]
        # A second, a third: an order, where nothing is divided.
        if (
            found["above"]
            and found["above"].lower() in ("a", "an")
            and not re.match(r"\W*(?:of\b|$)", behind)
        ):
            return found[0]
        return str(value)

    return _SAID.sub(digits, text)


def _with_part(found: re.Match[str]) -> str:
    """An hour and a quarter as 5/4 hour."""
    whole = 1 if found[1].lower() in ("a", "an") else _whole(found[1])
    return found[0] if whole is None else f"{whole + Fraction(1, _PARTS[found[3].lower()])} {found[2]}"


def english_number(text: str) -> str | None:
    """A number that all of `text` says in words, as digits; else None."""
    found = _SAID.fullmatch(text.strip(" .!"))
    value = None if found is None else _value(found)
    return None if value is None else str(value)


def _value(found: re.Match[str]) -> Fraction | None:
    if found["whole"]:
        whole, top = _whole(found["whole"]), _ONES.get(found["top"].lower(), 1)
        value = None if whole is None else whole + Fraction(top, _PARTS[found["bottom"].lower()])
    elif found["above"]:
        above = 1 if found["above"].lower() in ("a", "an") else _whole(found["above"])
        value = None if above is None else Fraction(above, _PARTS[found["below"].lower()])
    elif found["half"]:
        value = Fraction(_DOZEN if found["dozen"] else 1, 2)
    else:
        count = _whole(found["count"])
        value = None if count is None else Fraction(count)
    return None if value is None else -value if found["minus"] else value


def _whole(said: str) -> int | None:
    """A whole number in words; None where they stand in no order that makes one ("two three")."""
    total, part, last = 0, 0, 10**12
    for word in re.split(r"[\s-]+", said.lower()):
        if word in ("and", "a", "an"):
            continue
        if word == "dozen":
            return (total + part or 1) * _DOZEN
        if word == "hundred":
            part, last = (part or 1) * 100, 100
        elif word in _SCALES:
            total, part, last = total + (part or 1) * _SCALES[word], 0, _SCALES[word]
        else:
            value = _ONES.get(word, _TENS.get(word, 0))
            if value >= last or (last < 20) or (last < 100 and value >= 10):
                return None
            part, last = part + value, value if value else 1
    return total + part
