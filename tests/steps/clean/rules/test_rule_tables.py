"""Each rule finds its fault in the rows that have it, and not in near misses, in English and Chinese."""

from __future__ import annotations

import importlib
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rule_rows import Row, rows

from factory.data.record import Message, Record
from factory.data.text import detect_language
from factory.steps.clean.rules.gates import Gated, encoded
from factory.steps.clean.rules.registry import rules
from factory.steps.clean.rules.rule import RECORD, RecordRule, Rule
from factory.steps.clean.rules.view import View

ROWS = list(rows())
MODULES = sorted({rule.check.__module__ for rule in rules().values()})


@pytest.mark.slow
@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.rule}{row.text[:40]}")
def test_a_rule_finds_its_fault_and_passes_near_misses(row: Row) -> None:
    found = [one for one in rules()[row.rule].findings(View(row.record)) if one.turn == row.turn]
    assert bool(found) is row.fault, found


def test_each_rule_about_text_has_ten_rows_and_more_with_the_fault_and_as_many_near_misses() -> None:
    counts = Counter((row.rule, row.fault) for row in ROWS)
    about_text = [
        name for name, rule in rules().items() if isinstance(rule, Rule) and rule.group in ("text", "voice")
    ]
    fewest = {name: min(counts[name, True], counts[name, False]) for name in about_text}
    assert {name: number for name, number in fewest.items() if number < 10} == {}


def test_the_tables_are_in_english_and_chinese() -> None:
    languages = Counter((row.rule, detect_language(row.record.prompt)) for row in ROWS)
    for name in {row.rule for row in ROWS}:
        assert languages[name, "zh"] >= 4, name


@pytest.mark.parametrize("name", [name for name, rule in rules().items() if rule.needs is None])
def test_the_examples_of_a_rule_are_examples(name: str) -> None:
    rule = rules()[name]
    if isinstance(rule, RecordRule):
        return
    for example in rule.examples:
        asks = example.asked or "user" not in rule.roles
        turns = [Message("user", example.asked or "Go on."), Message("assistant", example.text)]
        record = Record("x", tuple(turns) if asks else (Message("user", example.text),))
        found = [one for one in rule.findings(View(record)) if one.turn == len(record.messages) - 1]
        assert bool(found) is example.fault, example


@pytest.mark.slow
def test_a_finding_lies_within_its_text() -> None:
    for row in ROWS:
        for name, rule in rules().items():
            if rule.needs is not None:
                continue
            for found in rule.findings(View(row.record)):
                assert found.rule == name
                if found.turn != RECORD:
                    text = row.record.messages[found.turn].content
                    assert 0 <= found.start <= found.end <= len(text), (found, text)


def test_a_gate_lets_every_text_pass_that_holds_its_pattern() -> None:
    texts = [turn.content for row in ROWS for turn in row.record.messages]
    gates = {
        (module.__name__, name): value
        for module in map(importlib.import_module, MODULES)
        for name, value in vars(module).items()
        if isinstance(value, Gated)
    }
    assert len(gates) > 10
    for name, gate in gates.items():
        for text in texts:
            if gate.pattern.search(text) is not None:
                assert gate.may_hold(encoded(text)), (name, text)


PATTERNS = (
    r"(?<=a)b(?!\w)",
    r"\ba\b",
    r"[\w中]{2,90}\s",
    r"[^\W\d_]+\Z",
    r"(?:a|b){3,}?(?=\s|\Z)",
    r"[\[\]\-)]{1,3}\.",
)


@given(st.text(alphabet="ab {}[]()\\.,\n中é1_-", max_size=30))
def test_what_re2_is_asked_is_wider_than_the_pattern(text: str) -> None:
    for pattern in PATTERNS:
        gate = Gated(pattern)
        if gate.pattern.search(text) is not None:
            assert gate.may_hold(encoded(text)), pattern
