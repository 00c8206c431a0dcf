"""DEITA: expectations over 1 to 6, their product, summed over the turns."""

from __future__ import annotations

import asyncio
import math
from typing import Any

import pytest

from factory.data.record import Message, Record, new_record
from factory.errors import RecordFailed, RunStopped
from factory.models.base import Answer, Sampling, TokenLogprob
from factory.step import Context
from factory.steps.score.deita import Deita, expected_level


def place(**weights: float) -> TokenLogprob:
    """A token whose likeliest alternatives are these digits: d1=0.5 is a probability of a half for "1"."""
    top = tuple((name[1:], math.log(weight)) for name, weight in weights.items())
    return TokenLogprob(top[0][0], top[0][1], top)


class Grader:
    """Gives the places it was made with, in turn."""

    name = "grader"

    def __init__(self, *places: TokenLogprob) -> None:
        self.places = list(places)
        self.asked: list[str] = []

    async def ask(self, messages: Any, sampling: Sampling, **options: Any) -> Answer[None]:
        assert (sampling.temperature, sampling.logprobs) == (0.0, 20)
        self.asked.append(messages[-1].content)
        return Answer("?", "m", (f"call-{len(self.asked)}",), logprobs=(self.places.pop(0),))


def run(record: Record, grader: Grader, **options: Any) -> Record:
    def chat(name: str) -> Any:
        return grader

    context = Context("01-deita", 0, chat, chat)

    async def collect() -> list[Record]:
        return [made async for made in Deita(**options).process(record, context)]

    (done,) = asyncio.run(collect())
    return done


def test_a_level_is_the_mean_of_the_six_weighed_by_their_probabilities() -> None:
    assert expected_level([place(d1=0.5, d6=0.5)]) == pytest.approx(3.5)
    assert expected_level([TokenLogprob(" ", 0.0), place(d2=0.3, d4=0.3)]) == pytest.approx(3)
    spaced = TokenLogprob(
        " 5", math.log(0.6), ((" 5", math.log(0.6)), ("5", math.log(0.2)), ("7", math.log(0.2)))
    )
    assert expected_level([spaced]) == pytest.approx(5)
    assert expected_level([TokenLogprob("4", -0.1)]) == pytest.approx(4)


@pytest.mark.parametrize("places", [[], [place(dThe=0.9, d5=0.1)], [place(d0=0.6, d7=0.4)], [place(d12=1.0)]])
def test_no_answer_to_the_question_is_no_level(places: list[TokenLogprob]) -> None:
    with pytest.raises(RecordFailed, match="levels 1 to 6"):
        expected_level(places)


def test_complexity_times_quality_is_summed_over_the_turns() -> None:
    turns = (Message("user", "a"), Message("assistant", "b"), Message("user", "c"), Message("assistant", "d"))
    grader = Grader(place(d2=1.0), place(d3=1.0), place(d4=1.0), place(d5=1.0))
    done = run(Record("x", turns), grader)
    assert done.scores == {"deita.complexity": 3, "deita.quality": 4, "deita": 2 * 3 + 4 * 5}
    assert len(done.events) == 1
    assert done.events[0].calls == ("call-1", "call-2", "call-3", "call-4")
    assert "<instruction>\nc\n</instruction>\n<answer>\nd\n</answer>" in grader.asked[3]


def test_what_could_not_be_scored_is_missing_with_its_reason() -> None:
    done = run(new_record("a", output="b"), Grader(place(d2=1.0), place(dno=1.0)))
    assert done.scores == {}
    assert set(done.missing) == {"deita", "deita.complexity", "deita.quality"}
    assert "levels 1 to 6" in done.missing["deita"].reason
    unanswered = run(new_record("a"), Grader())
    assert unanswered.missing["deita"].reason == "there is no answered question to score"
    dropped = run(new_record("a"), Grader(), keep=">= 9").dropped
    assert dropped is not None
    assert dropped.kind == "no_score"


def test_chinese_is_asked_in_chinese() -> None:
    grader = Grader(place(d2=1.0), place(d3=1.0))
    run(new_record("写一首诗", output="好"), grader)
    assert "复杂度" in grader.asked[0]


def test_a_model_that_tells_no_log_probabilities_stops_the_run_and_the_way_out_is_named() -> None:
    class Silent(Grader):
        """Replies as a server does that knows of no log-probabilities."""

        async def ask(self, messages: Any, sampling: Sampling, **options: Any) -> Answer[None]:
            return Answer("4", "m", ("call-1",))

    with pytest.raises(RunStopped, match=r"does not tell the log-probabilities.*use `judge`"):
        run(new_record("x", output="y"), Silent())
