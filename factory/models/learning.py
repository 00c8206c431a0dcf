"""What choosing towards a target asks: a model that learns for a moment, and tells which way an answer pulls it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from factory.models.base import ScoredAnswer, Usage

if TYPE_CHECKING:
    from factory.models.base import Vectors

GRADIENT_SIZE = 8192
"""Numbers that a gradient is hashed to, as many as LESS projects on (arXiv 2402.04333)."""


@dataclass(frozen=True, slots=True)
class AnswerGradient:
    """What a provider read of an answer behind its context: see `LearningModel.answer_gradient`.

    vector: shape (GRADIENT_SIZE,), each number one of float16, so that it is the same out of the journal
    """

    vector: Vectors
    usage: Usage = field(default_factory=Usage)


@runtime_checkable
class LearningModel(Protocol):
    """A model that can be trained for a moment on a few answers, and tell which way an answer would pull it.

    Every chat model that a run hands out is one; those that cannot learn raise RunStopped when they are asked to.
    """

    name: str

    async def score_answer(self, context: str, answer: str) -> ScoredAnswer:
        """See `ChatModel.score_answer`."""
        ...

    def after_training(self, examples: Sequence[tuple[str, str]]) -> LearningModel:
        """This model after a short training of small adapters (LoRA) on prompts and their answers.

        It is trained when it is first asked something that is not in the journal. This model stays as it is.

        Raises:
            RunStopped: the model cannot be trained here.
        """
        ...

    async def answer_gradient(self, context: str, answer: str) -> Vectors:
        """The direction in which training on `answer` behind `context` would pull the model's adapters.

        Returns:
            Shape (GRADIENT_SIZE,), of length 1, or all 0 where there is none: the gradient of the answer's mean loss,
            hashed, so that the product of two of them is about their cosine.

        Raises:
            RecordFailed: the answer has no token, or the text does not fit.
            RunStopped: the model cannot tell gradients.
        """
        ...
