"""Gradients, and the losses of a model that was trained for a moment, go through the journal as replies do."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from factory.engine.calls.chat import JournalledChat
from factory.engine.calls.usage import Gate, ModelUsage
from factory.engine.journal.journal import Journal
from factory.errors import RunStopped
from factory.models.base import AnswerLogprobs, ChatRequest, Reply, TokenLogprobs, Usage
from factory.models.learning import GRADIENT_SIZE, AnswerGradient, LearningModel

pytestmark = pytest.mark.anyio


class Student:
    """Learns: each training makes every token likelier. Counts what reaches it, its trained ones included."""

    concurrency = 4

    def __init__(self, trained: int = 0, asked: list[str] | None = None) -> None:
        self.identity = f"test:student{trained}"
        self.trained = trained
        self.asked: list[str] = [] if asked is None else asked

    async def send(self, request: ChatRequest) -> Reply:
        return Reply("hi")

    async def score_text(self, text: str) -> TokenLogprobs:
        return TokenLogprobs((), ())

    async def score_answer(self, context: str, answer: str) -> AnswerLogprobs:
        self.asked.append(f"loss {answer}")
        return AnswerLogprobs((-2.0 + self.trained,), usage=Usage(3, 0))

    def after_training(self, examples: Sequence[tuple[str, str]]) -> Student:
        return Student(self.trained + len(examples), self.asked)

    async def answer_gradient(self, context: str, answer: str) -> AnswerGradient:
        self.asked.append(f"gradient {answer}")
        vector = np.zeros(GRADIENT_SIZE, np.float32)
        vector[len(answer)] = 1
        return AnswerGradient(vector, Usage(3, 0))

    async def close(self) -> None:
        return None


class Talker:
    """Cannot learn."""

    identity = "test:talker"
    concurrency = 4

    async def send(self, request: ChatRequest) -> Reply:
        return Reply("hi")

    async def close(self) -> None:
        return None


def model(provider: Student | Talker, journal: Journal) -> JournalledChat:
    return JournalledChat("m", provider, journal, ModelUsage(), Gate())


async def test_what_was_read_once_is_read_from_the_journal_and_a_trained_model_has_keys_of_its_own(
    tmp_path: Path,
) -> None:
    provider, journal = Student(), Journal(tmp_path / "j.db")
    for _ in range(2):
        base = model(provider, journal)
        assert isinstance(base, LearningModel)
        trained = base.after_training([("q", "a")])
        assert (await base.score_answer("q", "ab")).logprobs == (-2.0,)
        assert (await trained.score_answer("q", "ab")).logprobs == (-1.0,)
        assert (await trained.answer_gradient("q", "ab"))[2] == 1
        assert (await base.answer_gradient("q", "abc")).argmax() == 3
    assert provider.asked == ["loss ab", "loss ab", "gradient ab", "gradient abc"]
    journal.close()


async def test_what_a_trained_model_is_asked_counts_for_the_model(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "j.db")
    base = model(Student(), journal)
    await base.after_training([("q", "a")]).answer_gradient("q", "a")
    assert (base.usage.calls, base.usage.prompt_tokens) == (1, 3)
    journal.close()


async def test_a_gradient_that_was_damaged_is_read_anew(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "j.db")
    provider = Student()
    short = AnswerGradient(np.ones(3, np.float32))

    async def cut(context: str, answer: str) -> AnswerGradient:
        return short

    provider.answer_gradient = cut  # type: ignore[method-assign]
    assert len(await model(provider, journal).answer_gradient("q", "a")) == 3
    again = Student()
    assert len(await model(again, journal).answer_gradient("q", "a")) == GRADIENT_SIZE
    assert again.asked == ["gradient a"]
    journal.close()


async def test_a_model_that_cannot_learn_says_which_can(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "j.db")
    talker = model(Talker(), journal)
    with pytest.raises(RunStopped, match=r"cannot be trained for a moment.*provider: transformers"):
        talker.after_training([("q", "a")])
    with pytest.raises(RunStopped, match="nor tell gradients"):
        await talker.answer_gradient("q", "a")
    journal.close()
