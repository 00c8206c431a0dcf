"""Each rule of secrets and persons finds what it says and leaves what is near to it."""

from __future__ import annotations

import json

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from secret_rows import BODY, FAULTS, MIXED, NEAR_MISSES

from factory.data.record import Message, Record, ToolCall
from factory.steps.clean.rules.rule import Finding
from factory.steps.clean.rules.secrets.placeholders import WORDS, Json
from factory.steps.clean.rules.secrets.rules import RULES
from factory.steps.clean.rules.view import View

BY_NAME = {rule.name: rule for rule in RULES if rule.name != "person_name"}


def findings(rule: str, text: str) -> list[Finding]:
    return list(BY_NAME[rule].findings(View(Record("r", (Message("user", text),)))))


def mended(text: str) -> str:
    """The text with what every rule finds replaced, as long as any finds something."""
    for name in BY_NAME:
        for found in reversed(findings(name, text)):
            assert found.replacement is not None
            text = text[: found.start] + found.replacement + text[found.end :]
    return text


def test_every_rule_has_a_table_in_both_languages() -> None:
    for name in BY_NAME:
        for table in (FAULTS, NEAR_MISSES):
            assert len(table[name]) >= 10
            assert sum(not text.isascii() for text in table[name]) >= 3
            assert sum(text.isascii() for text in table[name]) >= 3


@pytest.mark.parametrize(("rule", "text"), [(name, text) for name in BY_NAME for text in FAULTS[name]])
def test_it_is_found(rule: str, text: str) -> None:
    assert findings(rule, text)


@pytest.mark.parametrize(("rule", "text"), [(name, text) for name in BY_NAME for text in NEAR_MISSES[name]])
def test_what_is_near_is_left(rule: str, text: str) -> None:
    assert findings(rule, text) == []


@pytest.mark.parametrize("rule", sorted(BY_NAME))
def test_a_rules_own_examples_hold(rule: str) -> None:
    for shown in BY_NAME[rule].examples:
        assert bool(findings(rule, shown.text)) == shown.fault


@pytest.mark.parametrize("text", [text for name in BY_NAME for text in FAULTS[name]])
def test_what_is_mended_once_is_mended_for_good(text: str) -> None:
    once = mended(text)
    assert once != text
    assert mended(once) == once


_PIECES = [text for table in (FAULTS, NEAR_MISSES) for texts in table.values() for text in texts]


@given(st.lists(st.sampled_from(_PIECES) | st.text(max_size=20), max_size=4).map("\n".join))
@example("<EMAIL_1>")
def test_mending_is_idempotent_and_leaves_what_has_no_fault(text: str) -> None:
    once = mended(text)
    assert mended(once) == once
    if not any(findings(name, text) for name in BY_NAME):
        assert once == text


@given(st.sampled_from(sorted(BY_NAME)), st.text())
def test_places_lie_in_the_text_in_order_and_apart(rule: str, text: str) -> None:
    end = 0
    for found in findings(rule, text):
        assert end <= found.start < found.end <= len(text)
        end = found.end


def test_the_same_value_has_the_same_placeholder_over_turns_reasoning_and_calls() -> None:
    record = Record(
        "r",
        (
            Message("user", "Write to Wei.Zhang88@163.com, my number is 13971485263."),
            Message(
                "assistant",
                "",
                "The address is wei.zhang88@163.com; a second one is lilei@pku.edu.cn.",
                (ToolCall("send", '{"to": "wei.zhang88@163.com", "cc": ["lilei@pku.edu.cn"]}'),),
            ),
            Message("tool", "sent to lilei@pku.edu.cn"),
        ),
    )
    view = View(record)
    given = [
        (found.turn, found.where, found.replacement)
        for name in ("email", "phone")
        for found in BY_NAME[name].findings(view)
    ]
    assert given == [
        (0, "content", "<EMAIL_1>"),
        (1, "reasoning", "<EMAIL_1>"),
        (1, "reasoning", "<EMAIL_2>"),
        (1, "call0", "<EMAIL_1>"),
        (1, "call0", "<EMAIL_2>"),
        (2, "content", "<EMAIL_2>"),
        (0, "content", "<PHONE_1>"),
    ]


def test_a_placeholder_that_stands_there_already_is_not_given_to_another() -> None:
    (found,) = findings("email", "Between <EMAIL_1>, <EMAIL_7> and wei.zhang88@163.com.")
    assert found.replacement == "<EMAIL_8>"


def test_a_number_is_the_same_with_its_countrys_code_and_without() -> None:
    found = findings("phone", "13971485263 或 +86 139-7148-5263")
    assert [one.replacement for one in found] == ["<PHONE_1>", "<PHONE_1>"]


@pytest.mark.parametrize(
    ("arguments", "after"),
    [
        ('{"text": "call me\\nwei.zhang88@163.com"}', {"text": "call me\n<EMAIL_1>"}),
        ('{"path": "C:\\\\Users\\\\Margaret\\\\x"}', {"path": "C:\\Users\\<USER_1>\\x"}),
        ('{"to": "wei.zhang88\\u0040163.com", "n": 1}', {"to": "<EMAIL_1>", "n": 1}),
        ('{"phone": 13971485263, "n": [13971485263]}', {"phone": "<PHONE_1>", "n": ["<PHONE_1>"]}),
        ('{"api_key": "' + MIXED + '"}', {"api_key": "<KEY_1>"}),
        ('{"内容": "电话：13971485263"}', {"内容": "电话：<PHONE_1>"}),
    ],
)
def test_the_arguments_of_a_call_stay_json(arguments: str, after: dict[str, object]) -> None:
    for name in BY_NAME:
        turn = Message("assistant", "", calls=(ToolCall("f", arguments),))
        for found in reversed(list(BY_NAME[name].findings(View(Record("r", (turn,)))))):
            arguments = arguments[: found.start] + str(found.replacement) + arguments[found.end :]
    assert json.loads(arguments) == after


@given(st.text())
def test_json_is_read_without_its_escapes_each_sign_in_its_place(text: str) -> None:
    for written in (json.dumps(text), json.dumps(text, ensure_ascii=False)):
        read = Json(written)
        assert json.loads('"' + written[1:-1] + '"') == text
        assert read.text[1:-1].encode("utf-16", "surrogatepass") == text.encode("utf-16", "surrogatepass")
        places = [read.place(at) for at in range(len(read.text))]
        assert places == sorted(set(places))


def test_only_the_name_in_a_path_is_replaced() -> None:
    assert mended("open /home/liwei/a.txt") == "open /home/<USER_1>/a.txt"


@pytest.mark.slow
@pytest.mark.parametrize(
    "piece",
    ["sk-", "eyJ", "a@", "@a.", "1 ", "1-", "+1", "::", "1.1.1.", "/home/a", "key=", "://a:",
     "-----BEGIN PRIVATE KEY-----", "密钥：", "A1", "(((", "Bearer ", '"\\u0031', "电话1", "a.b-", "GB52 WEST "],
)  # fmt: skip
def test_no_text_of_one_piece_again_and_again_holds_a_rule_up(piece: str) -> None:
    for name in BY_NAME:
        findings(name, piece * (200_000 // len(piece)))


def test_every_placeholder_has_a_word() -> None:
    assert {rule.name for rule in RULES} == set(WORDS)
    assert BODY
