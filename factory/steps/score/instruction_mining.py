"""Instruction Mining: a loss predicted from quality features, by the regression that its authors fitted."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import ClassVar

from pydantic import Field

from factory.data.record import Record
from factory.step import Context, PerRecord
from factory.steps.keep import Condition, keep_where, lacks_score

INTERCEPT = 0.0274
COEFFICIENTS = {"reward": -0.0078, "understandability": 0.4421, "naturalness": -0.3212, "coherence": -0.1520}


def predicted_log_loss(features: dict[str, float]) -> float:
    """Natural logarithm of the loss that the regression predicts; lower is better.

    log L = 0.0274 - 0.0078 reward + 0.4421 understandability - 0.3212 naturalness - 0.1520 coherence

    Args:
        features: one number for each of `COEFFICIENTS`: a reward model's score, and UniEval's
            understandability, naturalness and coherence, 0 to 1.

    Source: Instruction Mining (arXiv 2307.06290); its R squared is 0.522.
    """
    return INTERCEPT + sum(weight * features[name] for name, weight in COEFFICIENTS.items())


class InstructionMining(PerRecord):
    """Predict the loss of a model trained on records like this one, from scores that they have already.

    A linear regression, named as what it is: fitted by its authors on features of a reward model and of UniEval
    (see `predicted_log_loss`), with the odd outcome that understandable text is predicted to train worse. The
    coefficients say what went together in their runs and nothing of causes; features on another scale than
    theirs give numbers that mean nothing. Stored as "instruction_mining", the logarithm of the loss: low is
    good. Where a feature is missing so is the score, and `missing` says which.

    Source: Instruction Mining (arXiv 2307.06290), the regression on naturalness, coherence, understandability
    and reward.

    Example:
        - instruction_mining: {reward: reward, naturalness: unieval.naturalness,
            coherence: unieval.coherence, understandability: unieval.understandability}
    """

    name: ClassVar[str] = "instruction_mining"

    reward: str = Field(min_length=1)
    """The score that holds a reward model's reward of the answer."""
    understandability: str = Field(min_length=1)
    """The score that holds UniEval's understandability, 0 to 1."""
    naturalness: str = Field(min_length=1)
    """The score that holds UniEval's naturalness, 0 to 1."""
    coherence: str = Field(min_length=1)
    """The score that holds UniEval's coherence, 0 to 1."""
    keep: Condition | None = None
    """Condition that a score must meet for its record to be kept, such as "< 0"; without it all are kept."""

    async def process(self, record: Record, context: Context) -> AsyncIterator[Record]:
        names = {feature: getattr(self, feature) for feature in COEFFICIENTS}
        lacking = [name for name in names.values() if name not in record.scores]
        event = context.event(self.name)
        if lacking:
            scored = record.with_score(self.name, lacks_score(lacking[0]), event)
        else:
            features = {feature: record.scores[name] for feature, name in names.items()}
            scored = record.with_score(self.name, predicted_log_loss(features), event)
        yield keep_where(scored, self.name, self.keep, context.step)
