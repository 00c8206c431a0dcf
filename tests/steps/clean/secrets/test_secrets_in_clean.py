"""What `clean` does with secrets: mended by placeholders, kept nowhere, shown by their shape alone."""

from __future__ import annotations

import json
import sys

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from secret_rows import FAULTS

from factory.data.record import Candidate, Event, Message, Record, ToolCall, new_record
from factory.errors import MissingDependency
from factory.steps.clean.clean import Clean
from factory.steps.clean.cleaning.tally import count, new_tally
from factory.steps.clean.rules.secrets import names
from factory.steps.clean.rules.secrets.cover import covered, shape
from factory.steps.clean.rules.secrets.rules import FINDS

MEND = Clean(rules={"secrets": "mend", "whitespace": "mend", "html_entities": "mend"}).cleaner
EVENT = Event("01-clean", "mend")


def cleaned(record: Record) -> Record:
    return MEND.clean(record, EVENT).record


def test_a_record_keeps_its_event_and_not_the_secret() -> None:
    record = cleaned(new_record("Ask wei.zhang88@163.com.", output="I wrote to wei.zhang88@163.com."))
    assert [turn.content for turn in record.messages] == ["Ask <EMAIL_1>.", "I wrote to <EMAIL_1>."]
    assert record.events == (EVENT,)
    assert "wei.zhang88" not in repr(record)


def test_beside_another_mend_the_old_text_is_kept_without_its_secret() -> None:
    record = cleaned(new_record("Q", output="Tom &amp; Ann: wei.zhang88@163.com"))
    assert record.output == "Tom & Ann: <EMAIL_1>"
    assert "Tom &amp; Ann: <EMAIL_1>" in json.dumps(record.meta)
    assert "wei.zhang88" not in repr(record)


def test_a_secret_that_another_mend_brings_to_light_is_not_kept_either() -> None:
    record = cleaned(new_record("Q", output="Write to wei.zhang88&#64;163.com, Tom &amp; Ann."))
    assert "wei.zhang88" not in repr(record)


def test_answers_that_are_not_chosen_hold_no_secret_either() -> None:
    answers = tuple(
        Candidate((Message("assistant", text),))
        for text in ("Ask lilei@pku.edu.cn.", "Ask wei.zhang88@163.com.", "Ask nobody.")
    )
    messages = (Message("user", "Who is at wei.zhang88@163.com?"), *answers[2].turns)
    for asked in (messages, (Message("user", "Who?"), *answers[2].turns)):
        record = cleaned(Record("r", asked, answers=answers, chosen=2))
        assert "@" not in repr(record)
        assert cleaned(record) == record
    one = cleaned(Record("r", messages, answers=answers, chosen=2))
    assert one.messages[0].content == "Who is at <EMAIL_1>?"
    assert [answer.text for answer in one.answers] == ["Ask <EMAIL_2>.", "Ask <EMAIL_1>.", "Ask nobody."]


def test_calls_are_mended_and_stay_json() -> None:
    turn = Message("assistant", "", calls=(ToolCall("call", '{"phone": 13971485263, "at": "x\\n李雷"}'),))
    record = cleaned(Record("r", (Message("user", "Ring 13971485263"), turn)))
    assert json.loads(record.messages[1].calls[0].arguments) == {"phone": "<PHONE_1>", "at": "x\n李雷"}


@given(
    st.lists(st.sampled_from([text for texts in FAULTS.values() for text in texts]), min_size=1, max_size=3)
)
def test_mending_again_changes_nothing(texts: list[str]) -> None:
    once = cleaned(new_record("Q", output=" / ".join(texts)))
    assert cleaned(once) == once


def test_an_example_shows_the_shape_of_a_secret() -> None:
    cleaner = Clean().cleaner
    tally = new_tally(cleaner.rules, cleaner.actions, "report")
    record = new_record("Q", output="Ask wei.zhang88@163.com or 13971485263.")
    count(tally, record, cleaner.clean(record, EVENT))
    shown = tally["rules"]["email"]["examples"][0]
    assert (shown["before"], shown["fault"], shown["after"]) == (
        "Ask ",
        "xxx.xxxxx00@000.xxx",
        " or 00000000000.",
    )
    assert "13971485263" not in json.dumps(tally)


def test_a_shape_has_the_signs_and_no_letter_of_the_text() -> None:
    assert shape("Ab-9/王é") == "Xx-0/某某"


@pytest.mark.parametrize("text", [text for texts in FAULTS.values() for text in texts])
def test_no_rule_finds_a_place_twice(text: str) -> None:
    for find in FINDS.values():
        ends = [place for start, end, _ in find(text) for place in (start, end)]
        assert ends == sorted(ends)


@given(st.sampled_from([text for texts in FAULTS.values() for text in texts]))
@example("C:/Users/Sofia/Desktop")
def test_what_is_covered_is_as_long_as_before(text: str) -> None:
    assert len(covered(text)) == len(text)
    assert covered(text) != text


def test_names_of_people_are_looked_for_only_where_they_are_asked_for() -> None:
    assert "person_name" not in Clean().cleaner.rules
    assert "person_name" not in Clean(rules={"secrets": "mend", "all": "report"}).cleaner.rules
    assert Clean(rules={"person_name": "mend"}).cleaner.actions["person_name"] == "mend"
    assert Clean(only=("person_name",)).cleaner.actions == {"person_name": "report"}


def test_without_presidio_a_run_that_asks_for_names_does_not_begin(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "presidio_analyzer", None)
    names.recogniser.cache_clear()
    Clean().check_ready()
    with pytest.raises(MissingDependency, match=r"pip install 'sft-factory\[presidio\]'"):
        Clean(rules={"person_name": "report"}).check_ready()
