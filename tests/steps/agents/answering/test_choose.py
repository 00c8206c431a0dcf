"""Choosing one of several answers: by length and by vote."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from factory.data.record import Candidate, Message
from factory.steps.agents.answering.choose import AGREEMENT, FINAL, longest, voted


def answer(text: str, reasoning: str = "", **known: object) -> Candidate:
    return Candidate((Message("assistant", text, reasoning),), **known)  # type: ignore[arg-type]


def test_the_longest_has_the_most_words_of_reasoning_and_answer_together() -> None:
    assert longest([answer("one two three"), answer("one", "four words of thought"), answer("one two")]) == 1


def test_of_answers_as_long_the_first_is_the_longest() -> None:
    assert longest([answer("one"), answer("a b"), answer("c d")]) == 1


def test_chinese_characters_count_as_words() -> None:
    assert longest([answer("three words here"), answer("长江很长")]) == 1


def test_the_majority_says_the_same_final_answer_however_it_is_written() -> None:
    told, at = voted(
        [
            answer("So it is 7."),
            answer(r"\boxed{\frac{1}{2}}"),
            answer("答案是二分之一。"),
            answer("The answer is 0.5."),
        ]
    )
    assert at == 1
    assert [one.scores[AGREEMENT] for one in told] == [0.25, 0.75, 0.75, 0.75]
    assert [one.verdicts[FINAL] for one in told] == ["7", "1/2", "1/2", "1/2"]


def test_of_final_answers_with_as_many_votes_the_first_wins() -> None:
    _, at = voted([answer("4"), answer("5"), answer("5"), answer("4")])
    assert at == 0


def test_an_answer_without_a_final_one_has_no_vote() -> None:
    told, at = voted([answer("I do not know."), answer("Nor do I."), answer("42")])
    assert at == 2
    assert AGREEMENT not in told[0].scores
    assert told[2].scores == {AGREEMENT: 1 / 3}


def test_where_none_has_a_final_answer_it_is_the_first() -> None:
    told, at = voted([answer("Yes."), answer("No.")])
    assert (at, told) == (0, [answer("Yes."), answer("No.")])


def test_a_vote_of_an_earlier_choice_is_gone() -> None:
    old = answer("none", scores={AGREEMENT: 1.0, "ifd": 0.5}, verdicts={FINAL: "3"})
    told, _ = voted([old, answer("4")])
    assert (told[0].scores, told[0].verdicts) == ({"ifd": 0.5}, {})


@given(st.lists(st.sampled_from(["1", "2", "3", "none"]), min_size=1, max_size=9), st.randoms())
def test_a_clear_majority_wins_in_any_order(finals: list[str], random: object) -> None:
    counts = sorted((finals.count(one) for one in {*finals} - {"none"}), reverse=True)
    shuffled = list(finals)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    (told, at), (_, other) = voted([*map(answer, finals)]), voted([*map(answer, shuffled)])
    if len(counts) == 1 or (len(counts) > 1 and counts[0] > counts[1]):
        assert finals[at] == shuffled[other]
    shares = {one.verdicts[FINAL]: one.scores[AGREEMENT] for one in told if FINAL in one.verdicts}
    assert all(share == finals.count(final) / len(finals) for final, share in shares.items())


@given(st.lists(st.text(max_size=20), min_size=1, max_size=6), st.randoms())
def test_the_longest_is_as_long_in_any_order(texts: list[str], random: object) -> None:
    shuffled = list(texts)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    from factory.data.text import word_count

    first, second = longest([*map(answer, texts)]), longest([*map(answer, shuffled)])
    assert word_count(texts[first]) == word_count(shuffled[second]) == max(map(word_count, texts))
