"""Fit to a student: GRAPE and RSR by their formulas, which answer is chosen, and what has no fit."""

from __future__ import annotations

import asyncio
import math
import random
import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from factory.data.record import Candidate, Message, Missing, Record, new_record
from factory.errors import CannotScore, RecordFailed
from factory.models.base import ScoredAnswer
from factory.step import Context
from factory.steps.score.fit import Fits, lacking_words
from factory.steps.score.likelihood.fit import best, grape, rank_surprisal_ratio
from factory.steps.score.likelihood.passes import Unscored

TEXTS = st.text("ab c甲乙", max_size=12)


class Student:
    """A model that scores answers: a word's surprisal is its length, its rank the square of it.

    ranked: whether it tells ranks
    room: the words that its context holds
    template: what its chat template writes before an answer; None: it has none
    refused: a conversation that holds this the template does not take
    """

    name = "student"

    def __init__(
        self,
        *,
        ranked: bool = True,
        room: int = 10**9,
        failing: str = "\0",
        template: str | None = "",
        refused: str = "\0",
    ) -> None:
        self.ranked, self.room, self.failing = ranked, room, failing
        self.template, self.refused = template, refused
        self.asked: list[tuple[str, str]] = []
        self.opened: list[bool] = []

    async def answer_opening(self, messages: Sequence[Message]) -> str:
        text = "".join(f"{turn.content}\n" for turn in messages)
        if self.template is None or self.refused in text:
            raise RecordFailed("no_template", "the tokenizer has no chat template")
        return text + self.template

    async def score_answer(self, context: str, answer: str, *, opened: bool = False) -> ScoredAnswer:
        self.asked.append((context, answer))
        self.opened.append(opened)
        await asyncio.sleep(0)
        if self.failing in answer:
            raise RecordFailed("bad_request", "the server refused the request")
        before, words = re.findall(r"\S+", context), re.findall(r"\S+", answer)
        if len(before) + len(words) > self.room:
            raise RecordFailed("context_length", "the text does not fit the model's context")
        return ScoredAnswer(
            tuple(-float(len(word)) for word in words),
            tuple(len(word) ** 2 for word in words) if self.ranked else (),
            len(before),
            False,
            self.name,
            (f"call-{answer}",),
        )


def several(*texts: str, chosen: int = -1, question: str = "Name a city") -> Record:
    answers = tuple(Candidate((Message("assistant", text),)) for text in texts)
    record = replace(new_record(question), answers=answers)
    if chosen < 0:
        return record
    return replace(record, messages=(*record.messages, *answers[chosen].turns), chosen=chosen)


def fitted(record: Record, student: Any = None, **options: Any) -> tuple[Record, Context, list[str]]:
    warned: list[str] = []

    def no_embedder(name: str) -> Any:
        raise AssertionError("this step asks no embedding model")

    reader = student or Student()
    context = Context("01-fit", 0, lambda name: reader, no_embedder, warn=warned.append)

    async def collect() -> list[Record]:
        return [made async for made in Fits(**options).process(record, context)]

    (done,) = asyncio.run(collect())
    return done, context, warned


def test_grape_is_the_mean_log_probability_of_the_answers_tokens() -> None:
    assert grape([-1.0, -2.0, -6.0]) == pytest.approx(-3.0)


def test_rsr_is_the_mean_clipped_rank_over_the_mean_surprisal() -> None:
    assert rank_surprisal_ratio([-1.0, -3.0], [1, 7]) == pytest.approx((8 / 2) / (4 / 2))
    assert rank_surprisal_ratio([-1.0, -3.0], [1, 70_000]) == pytest.approx(101 / 4)
    assert rank_surprisal_ratio([-1.0, -3.0], [1, 70_000], clip=5) == pytest.approx(6 / 4)


def test_an_answer_that_surprises_by_tokens_it_nearly_chose_has_the_lower_rsr() -> None:
    familiar, informative, strange = ([-0.1] * 3, [1] * 3), ([-1.5] * 3, [2] * 3), ([-9.0] * 3, [5000] * 3)
    ratios = [rank_surprisal_ratio(*tokens) for tokens in (familiar, informative, strange)]
    assert min(ratios) == ratios[1]


def test_an_answer_that_the_student_is_sure_of_has_no_rsr() -> None:
    with pytest.raises(Unscored, match="sure of every token"):
        rank_surprisal_ratio([0.0, 0.0], [1, 1])


def test_each_answer_has_its_scores_and_the_record_those_of_its_own() -> None:
    done, context, _ = fitted(several("aa bb", "abcd", chosen=1))
    assert [dict(answer.scores) for answer in done.answers] == [
        {"grape": -2.0, "rsr": pytest.approx(8 / 4)},
        {"grape": -4.0, "rsr": pytest.approx(16 / 4)},
    ]
    assert done.scores == {"grape": -4.0, "rsr": pytest.approx(4.0)}
    assert (done.chosen, done.output) == (1, "abcd")
    assert done.events[-1].calls == ("call-aa bb", "call-abcd")
    assert context.facts["answers_scored"] == 2


def test_a_record_with_one_output_is_scored_and_gets_no_list_of_answers() -> None:
    student = Student()
    done, _, _ = fitted(new_record("Name a city", input="in France", output="Paris"), student)
    assert (done.scores["grape"], done.answers) == (-5.0, ())
    assert student.asked == [("Name a city\n\nin France\n", "Paris")]


@pytest.mark.parametrize(("by", "wanted"), [("grape", "a b c"), ("rsr", "a b c"), ("none", "abcdef")])
def test_the_answer_that_fits_best_becomes_the_records(by: str, wanted: str) -> None:
    done, context, _ = fitted(several("ab cd", "a b c", "abcdef", chosen=2), choose=by)
    assert (done.output, done.answers[done.chosen].text) == (wanted, wanted)
    assert len(done.answers) == 3
    assert context.facts.get("another_answer_chosen", 0) == (by != "none")


def test_scores_that_answers_have_of_their_own_go_with_the_chosen_answer() -> None:
    record = several("abcd", "a", chosen=0)
    answers = tuple(
        answer._replace(scores={"judge.quality": value})
        for answer, value in zip(record.answers, (5.0, 2.0), strict=True)
    )
    record = replace(record, answers=answers, scores={"judge.quality": 5.0, "deita.complexity": 3.0})
    done, _, _ = fitted(record, choose="grape")
    assert (done.scores["judge.quality"], done.scores["deita.complexity"]) == (2.0, 3.0)
    assert done.answers[0].scores["judge.quality"] == 5.0


def test_an_answer_that_stands_in_the_conversation_alone_joins_the_others_where_one_is_chosen() -> None:
    record = replace(several("ab", "a"), messages=new_record("Name a city", output="abcd").messages)
    done, _, _ = fitted(record, choose="grape")
    assert (done.output, [answer.text for answer in done.answers]) == ("a", ["ab", "a", "abcd"])
    assert done.answers[2].scores["grape"] == -4.0
    done, _, _ = fitted(record)
    assert (done.output, len(done.answers), done.scores["grape"]) == ("abcd", 2, -4.0)


def test_of_equals_the_first_is_chosen_and_the_same_text_is_asked_for_once() -> None:
    student = Student()
    done, context, _ = fitted(several("abc", "ab", "ba", "ab"), student, choose="grape")
    assert done.chosen == 1
    assert [answer for _, answer in student.asked] == ["abc", "ab", "ba"]
    assert context.facts["answers_equal_to_another"] == 1


def test_an_empty_answer_is_never_chosen_and_is_counted() -> None:
    done, context, _ = fitted(several("", " \n", "abc", chosen=0), choose="rsr")
    assert (done.output, context.facts["answers_empty"]) == ("abc", 2)
    assert "2 of 3 answers have none: there is no answer to score" in done.notes["grape"]


def test_a_record_without_any_answer_goes_on_and_says_why_it_has_no_fit() -> None:
    for record in (new_record("Name a city"), several("", chosen=0)):
        done, context, _ = fitted(record, choose="grape")
        assert {name: why.kind for name, why in done.missing.items()} == {
            "grape": "no_answer",
            "rsr": "no_answer",
        }
        assert (done.scores, done.dropped, context.facts["no_answer_to_choose"]) == ({}, None, 1)


def test_of_answers_of_which_none_is_the_records_each_has_its_scores_and_the_record_says_so() -> None:
    done, _, _ = fitted(several("ab", "abc"))
    assert "none of the answers is the record's" in done.missing["grape"].reason
    assert [answer.scores["grape"] for answer in done.answers] == [-2.0, -3.0]


def test_a_model_without_ranks_gives_grape_alone_and_names_those_that_tell_them() -> None:
    done, context, warned = fitted(several("ab", "a", chosen=0), Student(ranked=False), choose="rsr")
    assert done.scores == {"grape": -2.0}
    assert (done.missing["rsr"].kind, done.chosen) == ("no_ranks", 0)
    assert (context.facts["answers_without_ranks"], context.facts["no_answer_to_choose"]) == (2, 1)
    (sentence,) = warned
    assert "provider transformers, provider vllm and a vLLM server tell them" in sentence
    assert "`choose: grape` needs none" in sentence
    assert fitted(several("ab", "a", chosen=0), Student(ranked=False), choose="grape")[0].output == "a"


def test_an_answer_that_fails_has_no_fit_and_no_other_loses_its_own() -> None:
    done, context, _ = fitted(several("a!", "abc", chosen=0), Student(failing="!"), choose="grape")
    assert (done.output, context.facts["answers_not_scored"]) == ("abc", 1)
    assert "refused the request" in done.notes["grape"]
    alone, _, _ = fitted(several("a!", "abc", chosen=0), Student(failing="!"))
    assert alone.missing["grape"] == Missing("bad_request", "the server refused the request")


def test_a_server_that_tells_no_log_probabilities_loses_no_answer_and_is_told_once_with_who_tells_them() -> (
    None
):
    class Mute(Student):
        async def score_answer(self, context: str, answer: str, *, opened: bool = False) -> ScoredAnswer:
            raise CannotScore("it does not tell the log-probabilities of a given text")

    done, context, (sentence,) = fitted(several("a", "b", chosen=1), Mute(), choose="rsr")
    assert [answer.text for answer in done.answers] == ["a", "b"]
    assert (done.output, done.missing["grape"].kind, done.missing["rsr"].kind) == (
        "b",
        "no_log_probabilities",
        "no_log_probabilities",
    )
    assert context.facts["answers_without_log_probabilities"] == context.facts["answers_not_scored"] == 2
    assert "vLLM does, and `provider: transformers` needs no server" in sentence
    assert "keeps the answer that it has" in sentence


@pytest.mark.parametrize("room", [10**9, 3000])
def test_an_answer_of_32_thousand_tokens_is_scored_by_those_that_count_and_counted(room: int) -> None:
    student = Student(room=room)
    done, context, _ = fitted(several("ab " * 32_000, "abc", chosen=0), student, max_length=4000)
    assert done.scores["grape"] == -2.0
    assert context.facts["answers_cut"] == 1
    assert "only the first 4,000 tokens at most count" in done.notes["grape"]
    assert all(len(answer) < 32_000 for _, answer in student.asked)


def test_a_prompt_that_leaves_no_room_is_a_reason_and_not_a_number() -> None:
    done, context, _ = fitted(several("abc", chosen=0, question="word " * 500), max_length=50)
    assert "the prompt leaves no room for the answer in the 50 tokens" in done.missing["grape"].reason
    assert context.facts["answers_not_scored"] == 1
    done, _, _ = fitted(several("abc", chosen=0, question="word " * 60), Student(room=20), max_length=4000)
    assert done.missing["grape"].kind == "context_length"


def test_a_token_that_the_student_holds_impossible_is_a_reason() -> None:
    class Sure(Student):
        async def score_answer(self, context: str, answer: str, *, opened: bool = False) -> ScoredAnswer:
            return ScoredAnswer((-math.inf,), (9,), 1, False, "m", ())

    done, _, _ = fitted(several("a", chosen=0), Sure())
    assert "impossible" in done.missing["grape"].reason


def test_what_was_thought_is_read_with_the_answer_unless_it_is_not_to_be() -> None:
    turn = Message("assistant", "Paris", "hm {x}")
    record = replace(new_record("Name a city"), answers=(Candidate((turn,)),))
    for reasoning, text in ((True, "<think>\nhm {x}\n</think>\n\nParis"), (False, "Paris")):
        student = Student()
        fitted(record, student, reasoning=reasoning)
        assert student.asked == [("Name a city\n", text)]


def test_with_the_alpaca_template_the_scores_have_names_of_their_own() -> None:
    student = Student()
    done, _, _ = fitted(several("ab", "a", chosen=0), student, template="alpaca", choose="grape")
    assert sorted(done.scores) == sorted(done.answers[0].scores) == ["grape.alpaca", "rsr.alpaca"]
    assert done.output == "a"
    assert student.asked[0][0].endswith("### Instruction:\nName a city\n\n### Response:")


@given(
    st.lists(TEXTS, min_size=1, max_size=6),
    st.randoms(use_true_random=False),
    st.sampled_from(["grape", "rsr"]),
)
def test_the_order_of_the_answers_has_no_say_in_the_fit_of_the_chosen_one(
    texts: list[str], draw: Any, by: Any
) -> None:
    shuffled = draw.sample(texts, len(texts))
    one, other = (fitted(several(*order), choose=by)[0] for order in (texts, shuffled))
    assert one.scores.get(by) == other.scores.get(by)
    ranks = {text: dict(answer.scores) for record in (one, other) for text, answer in zip(
        texts if record is one else shuffled, record.answers, strict=True)}  # fmt: skip
    assert all(ranks[text] == dict(answer.scores) for text, answer in zip(texts, one.answers, strict=True))


@given(st.lists(TEXTS, min_size=2, max_size=6), st.data())
def test_taking_an_answer_away_changes_no_other_answers_fit(texts: list[str], data: Any) -> None:
    gone = data.draw(st.integers(0, len(texts) - 1))
    whole, less = fitted(several(*texts))[0], fitted(several(*texts[:gone], *texts[gone + 1 :]))[0]
    kept = [answer.scores for at, answer in enumerate(whole.answers) if at != gone]
    assert kept == [answer.scores for answer in less.answers]


@given(st.lists(st.one_of(st.floats(-9, 9), st.just(Missing("unscored", "why"))), max_size=8), st.booleans())
def test_the_best_is_the_first_of_the_best_numbers(values: list[Any], highest: bool) -> None:
    numbers = [value for value in values if not isinstance(value, Missing)]
    found = best(values, highest=highest)
    if found is None:
        assert not numbers
    else:
        assert found == values.index(max(numbers) if highest else min(numbers))


def test_answers_are_read_behind_the_students_own_chat_template() -> None:
    student = Student(template="<|assistant|>")
    done, _, warned = fitted(several("aa", "bb"), student, choose="grape")
    assert student.asked == [("Name a city\n<|assistant|>", "aa"), ("Name a city\n<|assistant|>", "bb")]
    assert (student.opened, done.chosen, warned) == ([True, True], 0, [])


@pytest.mark.parametrize(("template", "opened"), [("bare", "Name a city\n"), ("alpaca", "Below is an")])
def test_another_template_is_read_whatever_the_student_has_and_named_in_the_scores(
    template: str, opened: str
) -> None:
    student = Student(template="<|assistant|>")
    done, _, _ = fitted(several("aa", chosen=0), student, template=template)
    assert student.asked[0][0].startswith(opened)
    assert student.opened == [False]
    assert done.scores.keys() == {f"grape.{template}", f"rsr.{template}"}


def test_a_student_without_a_template_reads_the_bare_prompt_and_says_so() -> None:
    student = Student(template=None)
    done, context, warned = fitted(several("aa", chosen=0), student)
    assert student.asked == [("Name a city\n", "aa")]
    assert (done.scores["grape"], student.opened) == (-2.0, [False])
    assert context.facts["prompts_without_chat_template"] == 1
    assert re.search("read behind the bare prompt, since .* no chat template", warned[0])


def test_a_conversation_that_the_template_does_not_take_has_no_fit() -> None:
    done, context, warned = fitted(several("aa", chosen=0), Student(refused="Name"))
    assert done.missing["grape"].kind == done.missing["rsr"].kind == "no_template"
    assert (context.facts["answers_not_scored"], warned) == (1, [])


def test_an_answer_with_a_thought_of_its_own_stands_in_place_of_the_templates_empty_one() -> None:
    student = Student(template="<a>\n<think>\n\n</think>\n\n")
    thought = Candidate((Message("assistant", "aa", "b c"),))
    fitted(replace(several("bb"), answers=(thought, Candidate((Message("assistant", "bb"),)))), student)
    assert student.asked == [
        ("Name a city\n<a>\n", "<think>\nb c\n</think>\n\naa"),
        ("Name a city\n<a>\n<think>\n\n</think>\n\n", "bb"),
    ]


def test_tools_that_the_template_is_not_given_are_counted() -> None:
    _, context, _ = fitted(replace(several("aa", chosen=0), tools=({"name": "f"},)))
    assert context.facts["prompts_without_their_tools"] == 1


def test_prompt_uncertainty_is_how_far_the_answer_moves_when_words_are_left_out() -> None:
    class Counting(Student):
        """Holds an answer the likelier, the more words come before it."""

        async def score_answer(self, context: str, answer: str, *, opened: bool = False) -> ScoredAnswer:
            self.asked.append((context, answer))
            words = len(context.split())
            return ScoredAnswer((-1.0 / words,), (1,), words, False, self.name, ())

    question = "one two three four five six seven eight nine ten"
    student = Counting()
    done, _, _ = fitted(new_record(question, output="aa"), student, perturbations=4)
    (whole, _), *perturbed = student.asked
    assert whole == f"{question}\n"
    assert len(perturbed) == 4
    assert len({context for context, _ in perturbed}) > 1
    moved = [abs(math.exp(-1 / len(context.split())) - math.exp(-1 / 10)) for context, _ in perturbed]
    assert done.scores["prompt_uncertainty"] == pytest.approx(sum(moved) / 4)
    assert done.output == "aa"
    assert done.messages[0].content == question


def test_prompt_uncertainty_costs_nothing_where_it_is_not_asked_for_and_is_missing_with_the_fit() -> None:
    student = Student()
    assert "prompt_uncertainty" not in fitted(several("aa", chosen=0), student)[0].scores
    assert len(student.asked) == 1
    done, _, _ = fitted(several("", chosen=0), perturbations=2)
    assert done.missing["prompt_uncertainty"].kind == "no_answer"


@given(st.text("ab 法国\n", max_size=40), st.randoms())
def test_what_is_left_of_a_prompt_are_some_of_its_words_in_order(text: str, draw: Any) -> None:
    left = lacking_words(text, draw)
    letters = iter(text)
    assert all(letter in letters for letter in left)


def test_about_a_fifth_of_the_words_is_left_out_in_chinese_too() -> None:
    for text in ("word " * 1000, "法" * 1000):
        left = len(lacking_words(text, random.Random(3))) / len(text)
        assert 0.75 < left < 0.85
