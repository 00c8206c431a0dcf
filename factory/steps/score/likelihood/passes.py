"""How likely a model holds the answer of a record, given a context: the ground of `ifd` and `perplexity`."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import NamedTuple

from factory.data.text import estimate_tokens
from factory.errors import RecordFailed
from factory.models.base import ChatModel, ScoredText

CUTS = (2.0, 1.0, 0.5, 0.25)
"""How much text is sent for each token wanted, by the estimate; less where the model's context has no room."""


class Unscored(Exception):
    """There is no token to score; the message says why. The score is missing, and the record goes on.

    kind: that of the missing score
    """

    def __init__(self, reason: str, kind: str = "unscored") -> None:
        super().__init__(reason)
        self.kind = kind


class Passes(NamedTuple):
    """Log-probabilities of the same tokens of an answer after two contexts.

    conditioned, direct: natural logarithms, of equal length, at least 1
    truncated: the answer goes on after the last of them
    first_left_out: the answer's first token has a probability in both, and is left out as where it has none
    """

    conditioned: tuple[float, ...]
    direct: tuple[float, ...]
    truncated: bool
    first_left_out: bool = False


class Scored(NamedTuple):
    """The two scored texts of a record, cut at the same character of the answer.

    direct_prefix: how many tokens the direct context alone has
    cut: whether anything was cut off
    """

    conditioned: ScoredText
    direct: ScoredText
    direct_prefix: int
    cut: bool


async def score_after(
    model: ChatModel, context: str, direct_context: str, answer: str, max_length: int
) -> Scored:
    """Score `answer` after both contexts, each text in one call.

    Text that lies surely beyond `max_length` tokens is not sent: the model is causal, so that it does not change
    what comes before. Where the model's own context has less room, less is sent.

    Raises:
        RecordFailed: the texts could not be scored.
    """
    whole = context + answer
    problem: RecordFailed | None = None
    for share in CUTS:
        length = characters_of(whole, max_length * share)
        if problem is not None and length >= len(whole):
            continue  # was sent and did not fit
        kept = answer[: max(0, length - len(context))]
        try:
            conditioned = await model.score_text(whole[:length])
            direct = await model.score_text(direct_context + kept)
            prefix = await model.score_text(direct_context)
        except RecordFailed as error:
            if error.kind != "context_length":
                raise
            problem = error
            continue
        return Scored(conditioned, direct, len(prefix.tokens), length < len(whole))
    assert problem is not None
    raise problem


def characters_of(text: str, tokens: float) -> int:
    """How many characters at the beginning of `text` make about so many tokens by the estimate, or all of them."""
    if estimate_tokens(text) <= tokens:
        return len(text)
    low, high = 0, len(text)
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if estimate_tokens(text[:middle]) <= tokens else (low, middle - 1)
    # Not between a letter and its accent, nor in the middle of a word where a space is near.
    space = text.rfind(" ", max(0, low - 40), low)
    return space if space > 0 else low


def align(scored: Scored, max_length: int) -> Passes:
    """The tokens of the answer that both texts have in common, with their log-probabilities in each.

    Both texts end with the answer, so its tokens are the longest common ending of the two token lists: a token
    that straddles the border of context and answer in either text is counted in neither. The first token of an
    answer that stands alone has no probability where the tokenizer puts no token of its own before it (BOS); it is
    counted in neither, whether it has one or not, so that the scores of both kinds of tokenizers are of one scale.
    Of each text the first `max_length` tokens count.

    Raises:
        Unscored: no token of the answer is left.
    """
    first, second = scored.conditioned, scored.direct
    most = min(len(second.tokens) - scored.direct_prefix, len(first.tokens))
    shared = 0
    while shared < most and first.tokens[-1 - shared] == second.tokens[-1 - shared]:
        shared += 1
    if not shared and len(second.tokens) - scored.direct_prefix > 1:
        raise Unscored("prompt and answer share all of their tokens, so that the answer has none of its own")
    over = max(0, len(first.tokens) - max_length, len(second.tokens) - max_length)
    if over >= max(1, shared):
        raise Unscored(f"the prompt fills all of the {max_length} tokens that are read")
    pairs = [
        (one, other)
        for one, other in zip(_ending(first, shared, over), _ending(second, shared, over), strict=True)
        if one is not None and other is not None
    ]
    # Alone, the answer begins behind the token that the tokenizer puts before every text.
    alone = (
        scored.direct_prefix == 0
        and shared == len(second.tokens) - 1
        and second.logprobs[0] is None
        and first.tokens[0] == second.tokens[0]
    )
    pairs = pairs[1:] if alone else pairs
    if not pairs:
        if scored.cut:
            raise Unscored(
                f"the prompt leaves no room for the answer in the {max_length} tokens that are read"
            )
        raise Unscored("the answer is a single token, and nothing comes before it that could predict it")
    conditioned, direct = zip(*pairs, strict=True)
    if not all(math.isfinite(value) for value in (*conditioned, *direct)):
        raise Unscored("the model holds a token of the answer impossible, so that its loss is infinite")
    return Passes(conditioned, direct, scored.cut or over > 0, alone)


_CONTROL = re.compile(r"<[^<>\s]+>|\[[A-Z]+\]")


def text_logprobs(text: str, scored: ScoredText) -> tuple[tuple[float, ...], bool]:
    """Log-probabilities of the tokens of a text that stands alone, and whether its first one was left out.

    The first token of the text has none where the tokenizer puts no token of its own (BOS) before it. It never counts,
    so that the scores of both kinds of tokenizers are of one scale; where it has one, it was left out. A token of its
    own is a control mark, such as `<s>`, with which the text does not begin.
    """
    own = len(scored.tokens) > 1 and _CONTROL.fullmatch(scored.tokens[0]) is not None
    if own and text.lstrip().startswith(scored.tokens[0]):
        # Hostile or honest text that begins with the mark itself: it stands twice where the tokenizer has put one.
        own = "".join(scored.tokens[1:]).lstrip().startswith(scored.tokens[0])
    return tuple(value for value in scored.logprobs[2 if own else 1 :] if value is not None), own


def _ending(text: ScoredText, tokens: int, less: int) -> tuple[float | None, ...]:
    """The log-probabilities of the last so many tokens, without the last `less` of them."""
    end = len(text.tokens)
    return text.logprobs[end - tokens : end - less]


def mean_loss(logprobs: Sequence[float]) -> float:
    """Mean negative log-likelihood of the tokens, in nats."""
    return -math.fsum(logprobs) / len(logprobs)
