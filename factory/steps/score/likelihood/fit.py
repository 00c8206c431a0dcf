"""How well an answer fits a student: GRAPE and the rank-surprisal ratio (RSR) of its tokens."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from factory.data.record import Missing
from factory.errors import CannotScore, RecordFailed
from factory.models.base import ChatModel, ScoredAnswer
from factory.steps.score.likelihood.passes import CUTS, Unscored, characters_of, mean_loss

NO_RANKS = (
    "the model tells no ranks of tokens: provider transformers, provider vllm and a vLLM server tell them"
)

NO_LOGPROBS = Missing(
    "no_log_probabilities",
    "the student's server does not tell the log-probabilities of a given text: vLLM does, and `provider: transformers` "
    "needs no server",
)


class Fit(NamedTuple):
    """How well one answer fits the student, and what it was read from.

    grape: mean log-probability of its tokens, in nats; at most 0, high fits well
    rsr: mean rank, clipped, over mean surprisal; low fits well
    read: what was asked for it; None where nothing could be
    truncated: the answer goes on behind the tokens that count
    """

    grape: float | Missing
    rsr: float | Missing
    read: ScoredAnswer | None = None
    truncated: bool = False


def without(why: Missing) -> Fit:
    """The fit of an answer that has none."""
    return Fit(why, why)


def grape(logprobs: Sequence[float]) -> float:
    """The mean log-probability of an answer's tokens (GRAPE, arXiv 2502.04194)."""
    return -mean_loss(logprobs)


def rank_surprisal_ratio(logprobs: Sequence[float], ranks: Sequence[int], clip: int = 100) -> float:
    """The mean rank of an answer's tokens, each at most `clip`, over their mean surprisal (RSR, arXiv 2601.14249).

    Raises:
        Unscored: the model was sure of every token, so that there is nothing to divide by.
    """
    surprisal = -math.fsum(logprobs)
    if surprisal <= 0:
        raise Unscored("the model is sure of every token of the answer: their surprisal is 0")
    return sum(min(rank, clip) for rank in ranks) / surprisal


async def fit_of(
    model: ChatModel, context: str, answer: str, max_length: int, rank_clip: int, *, opened: bool = False
) -> Fit:
    """The fit of `answer` behind `context`, of which together the first `max_length` tokens count.

    opened: the context comes of `ChatModel.answer_opening`

    Text that lies surely beyond them is not sent, and less where the model's own context has no room. A failure of
    this answer is its reason to have no fit, and no other's.
    """
    whole = context + answer
    problem: RecordFailed | None = None
    for share in CUTS:
        length = characters_of(whole, max_length * share)
        if problem is not None and length >= len(whole):
            continue  # was sent and did not fit
        if length <= len(context):
            return without(Missing("unscored", _full(max_length)))
        try:
            part = answer[: length - len(context)]
            read = await (
                model.score_answer(context, part, opened=True)
                if opened
                else model.score_answer(context, part)
            )
        except CannotScore:
            return without(NO_LOGPROBS)
        except RecordFailed as error:
            if error.kind != "context_length":
                return without(Missing(error.kind, str(error)))
            problem = error
            continue
        return _fit(read, length < len(whole), max_length, rank_clip)
    assert problem is not None
    return without(Missing(problem.kind, str(problem)))


def _fit(read: ScoredAnswer, cut: bool, max_length: int, rank_clip: int) -> Fit:
    room = max(0, max_length - read.before)
    truncated = cut or len(read.logprobs) > room
    logprobs, ranks = read.logprobs[:room], read.ranks[:room]
    known = [value for value in logprobs if value is not None]
    if not known:
        why = "the answer has no token of its own that anything comes before"
        return without(Missing("unscored", why if room else _full(max_length)))._replace(read=read)
    if not all(map(math.isfinite, known)):
        why = "the model holds a token of the answer impossible, so that its surprisal is infinite"
        return without(Missing("unscored", why))._replace(read=read)
    rsr: float | Missing = Missing("no_ranks", NO_RANKS)
    if len(ranks) == len(known):
        try:
            rsr = rank_surprisal_ratio(known, ranks, rank_clip)
        except Unscored as why_not:
            rsr = Missing(why_not.kind, str(why_not))
    return Fit(grape(known), rsr, read, truncated)


def _full(max_length: int) -> str:
    return f"the prompt leaves no room for the answer in the {max_length:,} tokens that are read"


def best(values: Sequence[float | Missing], *, highest: bool) -> int | None:
    """The place of the highest value, or of the lowest; of equal ones the first, None where there is none."""
    found: int | None = None
    for at, value in enumerate(values):
        if isinstance(value, Missing):
            continue
        held = None if found is None else values[found]
        if held is None or (value > held if highest else value < held):  # type: ignore[operator]
            found = at
    return found
