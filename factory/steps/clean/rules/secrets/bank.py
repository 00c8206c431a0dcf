"""Numbers of bank cards and of bank accounts (IBAN)."""

from __future__ import annotations

import re
from collections.abc import Iterator

from factory.steps.clean.rules.secrets.examples import TEST_CARDS, TEST_IBANS
from factory.steps.clean.rules.secrets.hit import Hit, digits_of, has_number, is_filler, luhn, plain
from factory.steps.clean.rules.secrets.identity import find_identity_numbers

_CARD = re.compile(
    r"(?<![A-Za-z0-9_.+-])(?:[2-6][0-9]{12,18}|[2-6][0-9]{3}(?:([ -])[0-9]{4}){3}(?:\1[0-9]{1,3})?"
    r"|3[0-9]{3}([ -])[0-9]{6}\2[0-9]{4,5})(?![A-Za-z0-9_]|[.-][0-9])"
)
_ISSUER = re.compile(
    r"4[0-9]{12}(?:[0-9]{3}){0,2}|(?:5[1-5]|2(?:22[1-9]|2[3-9]|[3-6]|7[01]|720))[0-9]*|3[47][0-9]{13}"
    r"|6(?:011|5[0-9]{2}|4[4-9][0-9])[0-9]{12,15}|35(?:2[89]|[3-8][0-9])[0-9]{12}|3(?:0[0-5]|[68][0-9])[0-9]{11}"
    r"|6(?:2|0|3)[0-9]{14,17}|9[0-9]{15,18}"
)
_TOLD = re.compile(
    r"card|visa|mastercard|amex|debit|credit|account|卡号|银行卡|信用卡|储蓄卡|借记卡|账号|帐号|账户|银联|尾号|打款|转账",
    re.IGNORECASE,
)
_CONTEXT = 60
_IBAN = re.compile(
    r"(?<![A-Za-z0-9_])[A-Z]{2}[0-9]{2}(?:[A-Z0-9]{11,30}|(?: [A-Z0-9]{4}){2,7}(?: [A-Z0-9]{1,3})?)(?![A-Za-z0-9_])"
)
_IBAN_LENGTHS = {
    code: int(length)
    for code, length in re.findall(
        r"([A-Z]{2})(\d\d)",
        "AD24AE23AL28AT20AZ28BA20BE16BG22BH22BI27BR29BY28CH21CR22CY28CZ24DE22DJ27DK18DO28EE20EG29ES24FI18FK18FO18FR27"
        "GB22GE22GI23GL18GR27GT28HR21HU28IE22IL23IQ23IS26IT27JO30KW30KZ20LB28LC32LI21LT20LU20LV21LY25MC27MD24ME22MK19"
        "MN20MR27MT31MU30NI28NL18NO15OM23PK24PL28PS29PT25QA29RO24RS22RU33SA24SC31SD18SE24SI19SK24SM27SO23ST25SV28TL23"
        "TN24TR26UA29VA22VG24XK20YE30",
    )
}


def find_bank_cards(text: str) -> Iterator[Hit]:
    """Each number of a bank card: an issuer's prefix and length, and Luhn's check digit (ISO/IEC 7812).

    One number in ten passes the check by chance, so that bare digits count near a word such as "card" or 卡号 alone,
    and groups by themselves. Told apart: the test numbers of payment services, runs of one digit, numbers of
    identity cards.
    """
    text = plain(text)
    if not has_number(text):
        return
    people: list[Hit] | None = None
    for match in _CARD.finditer(text):
        digits = digits_of(match[0])
        if not 13 <= len(digits) <= 19 or digits in TEST_CARDS or is_filler(digits) or len(set(digits)) < 4:
            continue
        if not _ISSUER.fullmatch(digits) or not luhn(digits):
            continue
        grouped = match.lastindex is not None
        around = text[max(0, match.start() - _CONTEXT) : match.end() + _CONTEXT // 2]
        if not grouped and not _TOLD.search(around):
            continue
        people = list(find_identity_numbers(text)) if people is None else people
        if not any(hit.start <= match.start() < hit.end for hit in people):
            yield Hit(*match.span(), "bank_card")


def find_ibans(text: str) -> Iterator[Hit]:
    """Each IBAN: its country's length, and 1 modulo 97 (ISO 13616). Told apart: the registry's examples."""
    text = plain(text)
    if not has_number(text):
        return
    for match in _IBAN.finditer(text):
        number = match[0].replace(" ", "")
        length = _IBAN_LENGTHS.get(number[:2], 0)
        end = match.end()
        if len(number) > length > 0:  # a word in capitals may follow
            place, count = match.start(), 0
            while count < length:
                count += text[place] != " "
                place += 1
            if place < len(text) and text[place] != " ":
                continue
            number, end = number[:length], place
        if len(number) == length and number not in TEST_IBANS and _is_iban(number):
            yield Hit(match.start(), end, "iban")


def _is_iban(number: str) -> bool:
    return int("".join(str(int(sign, 36)) for sign in number[4:] + number[:4])) % 97 == 1
