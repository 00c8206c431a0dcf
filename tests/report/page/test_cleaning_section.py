"""What `clean` found, on a run's page and on a terminal: text from data cannot become markup or move a terminal."""

from __future__ import annotations

from factory.data.record import Event, new_record
from factory.data.run_manifest import CLEANING, StepFacts
from factory.report.cleaning import cleaning_lines
from factory.report.page.cleaning import cleaning_section
from factory.report.page.facts import facts_lines, facts_section
from factory.steps.clean.clean import Clean
from factory.steps.clean.cleaning.tally import Tally, count, new_tally


def tally() -> Tally:
    cleaner = Clean(profile="strict").cleaner
    found = new_tally(cleaner.rules, cleaner.actions, "strict")
    rows = [new_record(f"Q{at}?", output="It&#39;s <b>x\x1b[1m</b>.", source="<script>") for at in range(30)]
    rows += [
        new_record(f"怎样 {at}？", output="抱歉，我无法回答这个问题。", source="forum") for at in range(30)
    ]
    for row in rows:
        count(found, row, cleaner.clean(row, Event("01-clean", "mend")))
    return found


def test_the_page_has_the_rules_their_examples_and_what_groups_lose() -> None:
    page = str(cleaning_section([StepFacts(label="01-clean", facts={CLEANING: tally()})]))
    assert "html_entities" in page
    assert "&lt;b&gt;" in page
    assert "<b>x" not in page
    assert "<script>" not in page
    assert page.count("<svg") >= 4
    assert "forum" in page


def test_there_is_no_section_without_a_cleaning() -> None:
    assert str(cleaning_section([StepFacts(label="01-read", facts={})])) == ""
    assert CLEANING not in str(facts_section([StepFacts(label="01-clean", facts={CLEANING: tally()})]))


def test_the_terminal_shows_what_is_invisible_and_marks_groups_that_lose_more() -> None:
    lines = list(cleaning_lines(tally()))
    assert lines[0].startswith("60 rows: 60 have a fault by a rule (100.0%)")
    assert all("\x1b" not in line for line in lines)
    (forum,) = [line for line in lines if line.strip().startswith("source forum")]
    assert forum.endswith("*")
    assert list(facts_lines({CLEANING: tally()})) == lines


def test_shares_of_a_sample_have_their_interval() -> None:
    found = tally() | {"sampled_of": 1000}
    lines = list(cleaning_lines(found))
    assert "a sample of 60 of 1,000 rows" in lines[0]
    assert any("50.0% (37.7% to 62.3%)" in line for line in lines)
