"""A judge's score as an expectation: how likely each level was at the place where it wrote one.

Source: G-Eval (arXiv 2303.16634), section 2: the score is the sum of the levels, each times its probability. The
levels must have half of the probability together, as for DEITA (arXiv 2312.15685): else it was no answer.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from factory.models.base import TokenLogprob
from factory.steps.judging.grading.numerals import whole_number

LEAST_MASS = 0.5
"""The least probability that the levels must have together where the score stands."""

_JSON_SCORE = re.compile(r"""(?<!\\)["'“”]score["'“”]\s*[:：]\s*["'“]?([-+−]?[0-9０-９]+)""")
_CONTEXT = 12
"""Characters before the score by which it is found among the tokens, whose text may differ further off."""
_ASCII = str.maketrans("０１２３４５６７８９−", "0123456789-")
_BEGINS = re.compile(r"[^\w+-]*\+?(-?)(\d*)(.*)", re.DOTALL | re.ASCII)
_GOES_ON = re.compile(r"()(\d*)(.*)", re.DOTALL | re.ASCII)
_ZEROS = re.compile(r"[.]0+(?!\d)", re.ASCII)


class Levels(NamedTuple):
    """The probability of each level, scaled to sum to 1; none, and why, where that cannot be told."""

    weights: Mapping[int, float]
    problem: str = ""


def json_score_place(text: str) -> tuple[int, int]:
    """Where the digits of the field "score" stand in a reply of JSON; (0, 0) where that cannot be told.

    A quotation mark inside the reason is escaped in JSON, so that no reason can pass for the field.
    """
    matches = list(_JSON_SCORE.finditer(text))
    return matches[-1].span(1) if matches else (0, 0)


def level_weights(
    text: str, place: tuple[int, int], tokens: Sequence[TokenLogprob], minimum: int, maximum: int
) -> Levels:
    """How likely each level was where the score stands in a reply.

    A level may take several tokens ("1", "0"; "-", "2"): those that were written are followed to their end. Of
    a token that was not written and could begin several levels ("1" of 1 and of 10) nobody knows how it would have
    gone on: its probability counts for none of them, unless another token at the place shows that a number of
    several digits is one token.

    text, place: the reply, and where the digits of its score stand in it
    tokens: what was generated, those of reasoning and of the end among them
    """
    at = _token_at(text, place, tokens)
    stated = whole_number(text[slice(*place)]) if at is not None else None
    if at is None or stated is None or _read(tokens[at].token, "", maximum)[0] == "":
        return Levels({}, "its score was not found among the tokens")
    if not str(stated).startswith(_read(tokens[at].token, "", maximum)[0]):
        return Levels({}, "its score is not what the tokens say")
    found = {
        level: weight
        for level, weight in sorted(_walk(tokens, at, "", minimum, maximum).items())
        if minimum <= level <= maximum
    }
    total = math.fsum(found.values())
    if not total >= LEAST_MASS - 1e-9:
        return Levels({}, f"it gave the levels {minimum} to {maximum} a probability of {total:.2f} in all")
    return Levels({level: weight / total for level, weight in found.items()})


def _walk(
    tokens: Sequence[TokenLogprob], at: int, before: str, minimum: int, maximum: int
) -> dict[int, float]:
    """The probability of each whole number that begins with `before` and goes on at the token at this index."""
    if at == len(tokens):
        return {int(before): 1.0}
    token = tokens[at]
    likely = {token.token: token.logprob, **dict(token.top)}
    read = {written: _read(written, before, maximum) for written in likely}
    whole = not before and any(len(said.lstrip("-")) > 1 for said, _ in read.values())
    found: dict[int, float] = {}
    going_on = 0.0
    for written, logprob in likely.items():
        said, closed = read[written]
        if said == before or not logprob <= 1e-6:  # NaN is not
            continue
        weight = math.exp(logprob)
        going_on += weight
        open_ended = not closed and _goes_on(said, minimum, maximum)
        if open_ended and written == token.token:
            for level, share in _walk(tokens, at + 1, said, minimum, maximum).items():
                found[level] = found.get(level, 0.0) + weight * share
        elif said != "-" and (whole or not open_ended):
            found[int(said)] = found.get(int(said), 0.0) + weight
    if before not in ("", "-"):  # whatever is no digit ends the number
        found[int(before)] = found.get(int(before), 0.0) + max(0.0, 1 - going_on)
    return found


def _read(written: str, before: str, maximum: int) -> tuple[str, bool]:
    """The number that a token makes of the digits before it, and whether the token ends it.

    "" where it begins none; what stood before where it does not go on.
    """
    plain = written.translate(_ASCII)
    match = (_GOES_ON if before.strip("-") else _BEGINS).fullmatch(plain)
    assert match is not None
    sign, digits, rest = match.groups()
    if digits or (sign and not rest):
        if digits and re.match(r"[A-Za-z_]", rest):
            return before, True  # "4th"
        if digits and rest[:1] == "." and rest[1:2].isdigit() and not _ZEROS.match(rest):
            return before, True  # "4.5"
        said = before + sign + digits
        return (said if said == "-" or _plain(said) else before), bool(rest)
    numeral = None if before or maximum > 10 else whole_number(re.sub(r"\A\W*|\W*\Z", "", written))
    return (before, True) if numeral is None else (str(numeral), True)


def _plain(said: str) -> bool:
    return bool(re.fullmatch(r"-?(?:0|[1-9]\d{0,8})", said))


def _goes_on(said: str, minimum: int, maximum: int) -> bool:
    """Whether a level begins with `said` and has more digits."""
    if said == "-":
        return minimum < 0
    number = int(said)
    if number == 0:
        return False
    for power in range(1, len(str(max(abs(minimum), abs(maximum)))) + 1):
        near, far = number * 10**power, (number + (1 if number > 0 else -1)) * 10**power
        low, high = (near, far - 1) if number > 0 else (far + 1, near)
        if low <= maximum and high >= minimum:
            return True
    return False


def _token_at(text: str, place: tuple[int, int], tokens: Sequence[TokenLogprob]) -> int | None:
    """The index of the token that holds the first digit at `place`."""
    start, end = place
    if start == end:
        return None
    joined = "".join(token.token for token in tokens)
    before = min(start, _CONTEXT)
    at = joined.rfind(text[start - before :])
    if at < 0:
        before, at = 0, joined.rfind(text[start:])
    if at < 0:
        return None
    at += before
    for index, token in enumerate(tokens):
        if at < len(token.token):
            return index
        at -= len(token.token)
    return None


SELECTIT_ALPHA = 0.2
"""How much the spread over samples and judges takes from a score of SelectIT's, as in the paper."""


def selectit(parts: Sequence[Mapping[int, float]], minimum: int, maximum: int) -> float | None:
    """SelectIT's score: the likeliest level, times how far it stands above the others; less where samples differ.

    Of each distribution S = k (1 / (K - 1)) sum over i of |P(i) - P(k)|, k its likeliest level of K (of equals the
    lowest), counted from 1 as in the paper, whatever the scale: else the surest verdict of a level 0 or below would
    weigh nothing, or less. Of several mean / (1 + alpha std). None without a distribution.

    Source: SelectIT (arXiv 2402.16705), sections 3.1 and 3.2; the authors draw over rephrased prompts where this has
    samples and judges.
    """
    if not parts:
        return None
    levels = maximum - minimum + 1
    found = []
    for part in parts:
        likeliest = min(part, key=lambda level: (-part[level], level))
        # Levels that were not among the likeliest tokens have none.
        apart = math.fsum(abs(part[likeliest] - weight) for weight in part.values())
        apart += (levels - len(part)) * part[likeliest]
        found.append((likeliest - minimum + 1) * apart / (levels - 1))
    mean = math.fsum(found) / len(found)
    spread = math.sqrt(math.fsum((one - mean) ** 2 for one in found) / len(found))
    return mean / (1 + SELECTIT_ALPHA * spread)


def mean_and_spread(weights: Mapping[int, float]) -> tuple[float, float]:
    """The expectation of a distribution over levels, and its standard deviation."""
    mean = math.fsum(level * weight for level, weight in weights.items())
    variance = math.fsum(weight * (level - mean) ** 2 for level, weight in weights.items())
    return mean, math.sqrt(max(0.0, variance))


def mixture(parts: Sequence[Mapping[int, float]]) -> dict[int, float]:
    """The distribution that draws one of `parts`, each as likely as the others, and then from it."""
    mixed: dict[int, float] = {}
    for part in parts:
        for level, weight in part.items():
            mixed[level] = mixed.get(level, 0.0) + weight / len(parts)
    return mixed
