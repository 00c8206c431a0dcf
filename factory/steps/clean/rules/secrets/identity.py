"""Numbers of identity cards, each with what proves it: a check digit, or a form that most numbers do not have."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date

from factory.steps.clean.rules.secrets.examples import EXAMPLE_IDS
from factory.steps.clean.rules.secrets.hit import Hit, digits_of, has_number, plain

_BEFORE, _AFTER = r"(?<![A-Za-z0-9_.-])", r"(?![A-Za-z0-9_]|[.-][A-Za-z0-9])"
_CN = re.compile(rf"{_BEFORE}[1-9][0-9]{{5}}(?:19|20)[0-9]{{2}}[01][0-9][0-3][0-9][0-9]{{3}}[0-9Xx]{_AFTER}")
_SSN = re.compile(rf"{_BEFORE}(?!000|666|9)[0-9]{{3}}-(?!00)[0-9]{{2}}-(?!0000)[0-9]{{4}}{_AFTER}")
_TAIWAN = re.compile(rf"{_BEFORE}[A-Z][12][0-9]{{8}}{_AFTER}")
_HONG_KONG = re.compile(r"(?<![A-Za-z0-9_])[A-Z]{1,2}[0-9]{6}\([0-9A]\)(?![A-Za-z0-9_])")
_CPF = re.compile(rf"{_BEFORE}[0-9]{{3}}\.[0-9]{{3}}\.[0-9]{{3}}-[0-9]{{2}}{_AFTER}")

_PROVINCES = re.compile(r"1[1-5]|2[1-3]|3[1-7]|4[1-6]|5[0-4]|6[1-5]|71|8[123]")
_WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
_TAIWAN_LETTERS = "ABCDEFGHJKLMNPQRSTUVXYWZIO"


def find_identity_numbers(text: str) -> Iterator[Hit]:
    """Each number of an identity card, in the order of the text.

    China (GB 11643: province, a date of birth, ISO 7064 mod 11-2), Hong Kong and Taiwan (mod 11, mod 10), the social
    security number of the United States (its areas; it has no check digit), the CPF of Brazil (mod 11). Told apart:
    examples of standards, numbers withdrawn.
    """
    text = plain(text)
    if not has_number(text):
        return
    found = [
        Hit(*match.span(), kind)
        for pattern, kind, proves in (
            (_CN, "id_cn", _is_chinese),
            (_SSN, "id_us", _is_social_security),
            (_TAIWAN, "id_tw", _is_taiwanese),
            (_HONG_KONG, "id_hk", _is_of_hong_kong),
            (_CPF, "id_br", _is_brazilian),
        )
        for match in pattern.finditer(text)
        if match[0].upper() not in EXAMPLE_IDS and digits_of(match[0]) not in EXAMPLE_IDS and proves(match[0])
    ]
    yield from sorted(found)


def _is_chinese(number: str) -> bool:
    if not _PROVINCES.match(number):
        return False
    try:
        born = date(int(number[6:10]), int(number[10:12]), int(number[12:14]))
    except ValueError:
        return False
    total = sum(int(digit) * weight for digit, weight in zip(number[:17], _WEIGHTS, strict=True))
    return born.year >= 1900 and "10X98765432"[total % 11] == number[17].upper()


def _is_social_security(number: str) -> bool:
    return not number.startswith("987-65-432")


def _is_taiwanese(number: str) -> bool:
    code = _TAIWAN_LETTERS.index(number[0]) + 10
    digits = [code // 10, code % 10, *map(int, number[1:])]
    weights = (1, 9, 8, 7, 6, 5, 4, 3, 2, 1, 1)
    return sum(digit * weight for digit, weight in zip(digits, weights, strict=True)) % 10 == 0


def _is_of_hong_kong(number: str) -> bool:
    letters, digits, check = number[:-9], number[-9:-3], number[-2]
    values = (
        [36] * (2 - len(letters))
        + [ord(letter) - 55 for letter in letters]
        + [int(digit) for digit in digits]
    )
    total = sum(value * weight for value, weight in zip(values, range(9, 1, -1), strict=True))
    return (total + (10 if check == "A" else int(check))) % 11 == 0


def _is_brazilian(number: str) -> bool:
    digits = [int(digit) for digit in digits_of(number)]

    def check(count: int) -> int:
        rest = (
            sum(digit * weight for digit, weight in zip(digits[:count], range(count + 1, 1, -1), strict=True))
            % 11
        )
        return 0 if rest < 2 else 11 - rest

    return len(set(digits)) > 1 and (check(9), check(10)) == (digits[9], digits[10])
