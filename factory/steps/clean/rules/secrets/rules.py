"""The rules of secrets and persons: each a detector, mended by a placeholder."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from types import MappingProxyType

from factory.steps.clean.rules.rule import ROLES, Example, Found, Rule
from factory.steps.clean.rules.secrets.bank import find_bank_cards, find_ibans
from factory.steps.clean.rules.secrets.email import find_emails
from factory.steps.clean.rules.secrets.hit import Hit
from factory.steps.clean.rules.secrets.home import find_home_paths
from factory.steps.clean.rules.secrets.identity import find_identity_numbers
from factory.steps.clean.rules.secrets.keys import find_api_keys, find_private_keys
from factory.steps.clean.rules.secrets.names import find_names, require_recogniser
from factory.steps.clean.rules.secrets.network import find_ip_addresses
from factory.steps.clean.rules.secrets.phone import find_phones
from factory.steps.clean.rules.secrets.placeholders import Json, Placeholders
from factory.steps.clean.rules.view import Part

GROUP = "secrets"
Find = Callable[[str], Iterable[Hit]]
FINDS: Mapping[str, Find] = MappingProxyType(
    {
        "email": find_emails,
        "phone": find_phones,
        "identity_number": find_identity_numbers,
        "bank_card": find_bank_cards,
        "iban": find_ibans,
        "ip_address": find_ip_addresses,
        "api_key": find_api_keys,
        "private_key": find_private_keys,
        "home_path": find_home_paths,
    }
)
"""The detectors that need nothing but the text, by rule."""


def _rule(
    name: str, finds: str, find: Find, fault: str, near: str, needs: Callable[[], None] | None = None
) -> Rule:
    def check(part: Part) -> Iterator[Found]:
        json = Json(part.text) if part.kind == "call" else None
        text = part.text if json is None else json.text
        for start, end, kind in find(text):
            given = _placeholders(part).of(name, text[start:end])
            if json is None:
                yield Found(start, end, kind, given)
            else:
                place = json.place(start)
                yield Found(place, json.place(end), kind, given if json.in_text(place) else f'"{given}"')

    return Rule(
        name,
        GROUP,
        finds,
        check,
        roles=ROLES,
        where=("content", "reasoning", "call"),
        mends=True,
        examples=(Example(fault, True), Example(near, False)),
        hides=True,
        needs=needs,
    )


def _placeholders(part: Part) -> Placeholders:
    known = part.view.memo.get(GROUP)
    if not isinstance(known, Placeholders):
        texts = [other.text for other in part.view.parts]
        texts += [answer.text for answer in part.view.record.answers]
        known = part.view.memo[GROUP] = Placeholders(texts)
    return known


RULES = (
    _rule(
        "email",
        "E-mail addresses, but those for documents (example.com).",
        FINDS["email"],
        "Write to wei.zhang88@163.com today.",
        "Write to you@example.com today.",
    ),
    _rule(
        "phone",
        "Telephone numbers of China, North America and, with their code, of other countries; none that are toll-free.",
        FINDS["phone"],
        "我的手机号是13971485263。",
        "全国统一客服热线：400-820-8820。",
    ),
    _rule(
        "identity_number",
        "Numbers of identity cards that their check digit or form proves: China, Hong Kong, Taiwan, US, Brazil.",
        FINDS["identity_number"],
        "身份证号：330106198807153216。",
        "订单号：330106198813153216。",
    ),
    _rule(
        "bank_card",
        "Numbers of bank cards: issuer, Luhn's digit, and groups or a word that says so.",
        FINDS["bank_card"],
        "Card: 4539 1488 0343 6467.",
        "Test with 4242 4242 4242 4242.",
    ),
    _rule(
        "iban",
        "Numbers of bank accounts (IBAN): their country's length, and their check digits.",
        FINDS["iban"],
        "Transfer to DE75 5121 0800 1245 1261 99.",
        "Transfer to DE89 3704 0044 0532 0130 00.",
    ),
    _rule(
        "ip_address",
        "Public IPv4 and IPv6 addresses; none that are private, for documents, or versions.",
        FINDS["ip_address"],
        "Log in at 123.57.90.141.",
        "Log in at 192.168.1.1.",
    ),
    _rule(
        "api_key",
        "Keys and tokens by their look, or by the name that they stand under.",
        FINDS["api_key"],
        "token: hf_" + "aB3xY9zQ7w" * 3,
        "token: ${HF_TOKEN}",
    ),
    _rule(
        "private_key",
        "Blocks of private keys.",
        FINDS["private_key"],
        "-----BEGIN PRIVATE KEY-----\n" + "MIIEvQIBADANBgkq" * 8 + "\n-----END PRIVATE KEY-----",
        "-----BEGIN PRIVATE KEY-----\n...\n-----END PRIVATE KEY-----",
    ),
    _rule(
        "home_path",
        "Names of people in the paths of their home folders.",
        FINDS["home_path"],
        "cd /home/liwei/project",
        "cd /home/user/project",
    ),
    _rule(
        "person_name",
        "Names of people, by presidio and a spaCy model; needs the extra `presidio`.",
        find_names,
        "Ask Margaret Thornton about it.",
        "Ask the librarian about it.",
        require_recogniser,
    ),
)
