"""A judge's score as an expectation: how likely each level was at the place where it wrote one.

Source: G-Eval (arXiv 2303.16634), section 2: the score is the sum of the levels, each times its probability.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence

from factory.models.base import TokenLogprob
from factory.steps.judging.grading.parse_score import whole_number

_JSON_SCORE = re.compile(r'(?<!\\)"score"\s*:\s*([0-9]+)')
_AROUND = re.compile(r"\A\W*|\W*\Z")
_CONTEXT = 12
"""Characters before the score by which it is found among the tokens, whose text may differ further off."""


def json_score_place(text: str) -> tuple[int, int]:
    """Where the digits of the field "score" stand in a reply of JSON; (0, 0) where that cannot be told.

    A quotation mark inside the reason is escaped in JSON, so that no reason can pass for the field.
    """
    matches = list(_JSON_SCORE.finditer(text))
    return matches[-1].span(1) if matches else (0, 0)


def level_weights(
    text: str, place: tuple[int, int], tokens: Sequence[TokenLogprob], minimum: int, maximum: int
) -> dict[int, float] | None:
    """The probability of each level where the score stands in a reply, scaled to sum to 1.

    None where it cannot be told: the server gave no log-probabilities, the score's digits are not one token,
    or a level could be the beginning of another (1 of 10) and nothing shows that both are tokens.

    text, place: the reply, and where the digits of its score stand in it
    tokens: what was generated, those of reasoning and of the end among them
    """
    token = _token_at(text, place, tokens)
    if token is None or _level(token.token) != whole_number(text[place[0] : place[1]]):
        return None
    likely = {token.token: token.logprob, **dict(token.top)}
    weights: dict[int, float] = {}
    for written, logprob in likely.items():
        level = _level(written)
        if level is not None and minimum <= level <= maximum and logprob <= 1e-6:  # NaN is not
            weights[level] = weights.get(level, 0.0) + math.exp(logprob)
    total = sum(weights.values())
    if total <= 0 or (maximum >= 10 and max(weights) < 10):
        return None
    return {level: weight / total for level, weight in sorted(weights.items())}


def _token_at(text: str, place: tuple[int, int], tokens: Sequence[TokenLogprob]) -> TokenLogprob | None:
    """The token that holds the digits at `place`."""
    start, end = place
    if start == end:
        return None
    joined = "".join(token.token for token in tokens)
    before = min(start, _CONTEXT)
    at = joined.rfind(text[start - before :])
    if at < 0:
        before, at = 0, joined.rfind(text[start:])
    at += before if at >= 0 else 0
    for token in tokens if at >= 0 else ():
        if at < len(token.token):
            return token
        at -= len(token.token)
    return None


def _level(token: str) -> int | None:
    """The whole number that a token is, but for the marks and spaces around it."""
    said = _AROUND.sub("", token)
    return whole_number(said) if said else None


def mean_and_spread(weights: Mapping[int, float]) -> tuple[float, float]:
    """The expectation of a distribution over levels, and its standard deviation."""
    mean = sum(level * weight for level, weight in weights.items())
    variance = sum(weight * (level - mean) ** 2 for level, weight in weights.items())
    return mean, math.sqrt(max(0.0, variance))


def mixture(parts: Sequence[Mapping[int, float]]) -> dict[int, float]:
    """The distribution that draws one of `parts`, each as likely as the others, and then from it."""
    mixed: dict[int, float] = {}
    for part in parts:
        for level, weight in part.items():
            mixed[level] = mixed.get(level, 0.0) + weight / len(parts)
    return mixed
