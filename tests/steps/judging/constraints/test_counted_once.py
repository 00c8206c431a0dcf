"""What several checkers count of an answer is counted once, and told as if it were counted anew."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from factory.steps.judging.constraints.constraint import AnswerText, Checked, count_words
from factory.steps.judging.constraints.registry import make_constraint
from factory.steps.judging.constraints.stated import read_stated


@given(st.text("ab 我们。. !？1", max_size=80))
def test_the_longest_sentence_is_that_with_most_words(text: str) -> None:
    answer = AnswerText(text)
    assert answer.longest_sentence == max(map(count_words, answer.sentences), default=0)


def test_of_two_that_count_each_tells_its_own_number() -> None:
    words = make_constraint("length_constraints:number_words", {"relation": "at least", "num_words": 9})
    sentences = make_constraint(
        "length_constraints:number_sentences", {"relation": "at least", "num_sentences": 9}
    )
    assert isinstance(words, Checked)
    assert isinstance(sentences, Checked)
    answer = AnswerText("It is so. Is it?")
    assert not words.check(answer)
    assert not sentences.check(answer)
    assert (words.found(answer), sentences.found(answer), words.found(answer)) == ("5", "2", "5")


def test_arguments_that_are_changed_by_who_reads_them_stay_the_constraints_own() -> None:
    row = {"kind": "length_constraints:number_words", "arguments": {"relation": "at least", "num_words": 9}}
    read_stated(row).constraint.arguments()["num_words"] = 1
    assert read_stated(row).constraint.arguments() == {"relation": "at least", "num_words": 9}
