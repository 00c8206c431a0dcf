"""Where in a text's tokens an answer begins, as far as the tokens' own letters tell it."""

from __future__ import annotations

from collections.abc import Sequence

from factory.errors import RecordFailed
from factory.models.base import AnswerLogprobs, TokenLogprobs

_UNKNOWN = "\N{REPLACEMENT CHARACTER}"
"""What stands in a token that holds a part of a character."""


def answer_logprobs(
    scores: TokenLogprobs, ranks: Sequence[int | None], context: str, answer: str
) -> AnswerLogprobs:
    """What a server said of `context` and `answer` as one text, for the answer's own tokens.

    ranks: of each of the tokens, None where nothing precedes it; or none at all

    Raises:
        RecordFailed: the tokens do not spell the text, so that nobody knows where the answer begins.
    """
    starts = token_starts(scores.tokens, context + answer)
    if starts is None:
        raise RecordFailed(
            "unscored", "the server's tokens do not spell the text, so that the answer's are not known"
        )
    border = len(context)
    first = next((at for at, start in enumerate(starts) if start >= border), len(starts))
    merged = first > 0 and starts[first - 1] + len(scores.tokens[first - 1]) > border
    own = ranks[first:]
    known = tuple(rank for rank in own if rank is not None)
    return AnswerLogprobs(
        scores.logprobs[first:], known if len(known) == len(own) else (), first, merged, scores.usage
    )


def token_starts(tokens: Sequence[str], text: str) -> list[int] | None:
    """The character of `text` at which each token begins; None where they do not spell it.

    A token may be a part of a character (spelled with a replacement character, or not at all), may lack the space
    before its word, and the first may be one that the tokenizer puts before every text.
    """
    starts: list[int] = []
    at = 0
    for number, token in enumerate(tokens):
        found = at if not token or _UNKNOWN in token else _next(text, token, at)
        if found is None:
            if number:
                return None
            found = 0  # a token of the tokenizer's own
        elif token and _UNKNOWN not in token:
            at = found + len(token)
        starts.append(found)
    return starts


def _next(text: str, token: str, at: int) -> int | None:
    """Where `token` stands, from `at` on, behind nothing but white space and letters that may be of several tokens."""
    while not text.startswith(token, at):
        if at >= len(text) or not (text[at].isspace() or ord(text[at]) > 127):
            return None
        at += 1
    return at
