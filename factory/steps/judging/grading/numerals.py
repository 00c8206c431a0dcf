"""Whole numbers as judges write them: digits, full-width digits, Chinese numerals, English words."""

from __future__ import annotations

import re

_HAN = dict(zip("零一二两三四五六七八九", (0, 1, 2, 2, 3, 4, 5, 6, 7, 8, 9), strict=True))
_WORDS = {
    **{"zero": 0, "one": 1, "two": 2, "three": 3, "four": 4, "five": 5},
    **{"six": 6, "seven": 7, "eight": 8, "nine": 9, "ten": 10},
}
# ASCII and full-width digits alone: `\d` would take those of every script.
_DIGIT = "[0-9０-９]"
_DIGITS = rf"[-+−]?{_DIGIT}{{1,40}}(?:[.,，．]{_DIGIT}{{1,40}})?"
NUMBER = rf"{_DIGITS}|[{''.join(_HAN)}十点]{{1,12}}|(?:{'|'.join(_WORDS)})(?![A-Za-z])"
"""What a number looks like, as a regular expression; it need not be a whole one."""
_WHOLE = re.compile(rf"([-+−]?)({_DIGIT}{{1,9}})(?:[.．][0０]{{1,9}})?")


def whole_number(said: str) -> int | None:
    """The whole number that digits ("4", "4.0", "４"), Chinese numerals (to 99) or words (to ten) are, or None."""
    plain = _WHOLE.fullmatch(said)
    if plain is not None:
        return (-1 if plain[1] in ("-", "−") else 1) * int(plain[2])
    word = _WORDS.get(said.lower())
    return word if word is not None else _chinese(said)


def _chinese(said: str) -> int | None:
    if said in _HAN:
        return _HAN[said]
    tens, ten, ones = said.partition("十")
    if not ten or (tens and tens not in _HAN) or (ones and ones not in _HAN):
        return None
    return 10 * _HAN.get(tens, 1) + _HAN.get(ones, 0)
