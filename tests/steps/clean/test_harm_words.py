"""Words of harm: a small screen, and lists of one's own."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from factory.data.record import Event, new_record
from factory.errors import RecipeError
from factory.steps.clean.clean import Clean
from factory.steps.clean.rules.harm.rules import RULES, screen
from factory.steps.clean.rules.harm.words import Entry, WordList, read_entries
from factory.steps.clean.rules.view import View

FAULTS = [
    "Tell me how to make a bomb at home.",
    "He wanted to kill himself.",
    "Sell me heroin.",
    "It is easy to launder money.",
    "They call them subhuman.",
    "She was raped.",
    "Write a phishing email to a bank's customers.",
    "KILL YOURSELF",
    "a mass-shooting, and a mass  shooting",
    "He downloads pornography.",
    "怎样自制枪支？",
    "他说他想死。",
    "教我制毒",
    "这是种族灭绝",
    "如何洗钱不被发现",
    "儿童色情内容",
    "写一个勒索软件",
    "他在学校投毒。",
    "买海洛因",
    "他们策划恐怖袭击",
]
NEAR_MISSES = [
    "How do I kill a process in Linux?",
    "A bath bomb fizzes.",
    "Rapeseed oil is yellow.",
    "He grapes and drapes.",
    "The methane burns.",
    "Method and metho.",
    "Bombay is now Mumbai.",
    "a torturer of strings? no, a torturous road",
    "The heroine of the novel wins.",
    "Take a shot in the dark.",
    "枪乌贼是什么动物？",
    "怎样洗衣服？",
    "制作蛋糕",
    "他想去跳水",
    "种子的种类",
    "杀毒软件",
    "炸鸡块怎么做",
    "绑定手机号",
    "毒理学",
    "木马和特洛伊",
]


def kinds(text: str) -> list[str]:
    return [found.note for found in RULES[1].findings(View(new_record("q", output=text)))]


@pytest.mark.parametrize("text", FAULTS)
def test_the_screen_finds(text: str) -> None:
    assert kinds(text)


@pytest.mark.parametrize("text", NEAR_MISSES)
def test_the_screen_leaves(text: str) -> None:
    assert kinds(text) == []


def test_a_finding_says_its_kind() -> None:
    assert kinds("heroin 与 自杀") == ["drugs", "self_harm"]


@pytest.mark.parametrize("example", RULES[1].examples)
def test_its_own_examples_hold(example: object) -> None:
    assert bool(kinds(example.text)) == example.fault  # type: ignore[attr-defined]


def found(entries: str, text: str) -> list[str]:
    return [text[start:end] for start, end, _ in WordList(read_entries(entries, "list")).find(text)]


@pytest.mark.parametrize(
    ("entries", "text", "words"),
    [
        ("bad", "Bad, bad; badly", ["Bad", "bad"]),
        ("bad*", "Bad, badly", ["Bad", "badly"]),
        ("very bad*", "very badly, very-bad", ["very badly", "very-bad"]),
        ("坏", "真坏，坏人", ["坏", "坏"]),
        ("坏\n坏人", "坏人坏", ["坏人", "坏"]),
        ("VX毒气", "用vx毒气", ["vx毒气"]),
        ("плохо", "Плохо!", ["Плохо"]),
        ("c++", "", []),
        ("bad # a remark\n\n# another", "bad", ["bad"]),
        ("bad", "İ bad", ["bad"]),
        ("bad", "这很bad啊", ["bad"]),
    ],
)
def test_entries_are_whole_words_where_a_script_has_spaces(entries: str, text: str, words: list[str]) -> None:
    assert found(entries, text) == words


@given(
    st.lists(st.sampled_from(["bad", "very bad", "坏", "坏人", "ill*", "x"]), min_size=1),
    st.text("badvery il坏人x-, ", max_size=40),
)
def test_places_are_in_order_apart_and_hold_an_entry(entries: list[str], text: str) -> None:
    end = 0
    for start, stop, _ in WordList(read_entries("\n".join(entries), "list")).find(text):
        assert end <= start < stop <= len(text)
        assert any(
            text[start:stop].replace("-", " ").split() == e.split() or text[start:].startswith(e.rstrip("*"))
            for e in entries
        )
        end = stop


def test_a_section_gives_its_kind() -> None:
    assert read_entries("one\n[Slur]\nTwo*", "list") == [Entry("one"), Entry("two", "slur", True)]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "list: holds no word"),
        ("good\n!!!", "list:2: '!!!' is no word"),
        ("x" * 300, "list:1: .* 200 characters"),
    ],
)
def test_what_is_no_list_is_told_with_its_line(text: str, problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        read_entries(text, "list")


def test_a_list_of_ones_own_is_named_in_the_step_or_a_profile(tmp_path: Path) -> None:
    words = tmp_path / "words.txt"
    words.write_text("[house]\nfrobnicate\n蠢货\n", encoding="utf-8")
    profile = tmp_path / "mine.yaml"
    profile.write_text(f"rules: {{harm_words: drop}}\nharm_words: {words}\n", encoding="utf-8")
    for step in (Clean(harm_words=words, rules={"harm_words": "drop"}), Clean(profile=str(profile))):
        assert words in step.inputs()
        for text in ("Frobnicate it.", "你这个蠢货"):
            cleaned = step.cleaner.clean(new_record("q", output=text), Event("clean", "mend"))
            assert cleaned.dropped_by is not None
            assert cleaned.dropped_by.note == "house"


def test_without_a_list_the_rule_is_not_there() -> None:
    assert "harm_words" not in Clean().cleaner.rules
    assert "harm_screen" in Clean().cleaner.rules


def test_a_list_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match=r"none\.txt: cannot be read: No such file"):
        Clean(harm_words=tmp_path / "none.txt")


@pytest.mark.slow
def test_a_long_list_is_searched_at_once() -> None:
    words = WordList(Entry(f"word{at} tail") for at in range(20_000))
    assert [
        stop - start for start, stop, _ in words.find("word7 tail and word19999-tail, word20000 tail")
    ] == [10, 14]
    assert screen() is screen()


@given(
    st.lists(st.sampled_from(["bad", "very bad", "坏", "坏人", "ill*", "x", "c++", "a b.c"]), min_size=1),
    st.text("badvery il坏人x-, İKſ+.", max_size=40),
)
def test_one_pass_over_a_text_passes_over_no_entry(entries: list[str], text: str) -> None:
    asked, each = (WordList(read_entries("\n".join(entries), "list")) for _ in range(2))
    each._gate = None  # as if there were no such pass
    assert list(asked.find(text)) == list(each.find(text))
