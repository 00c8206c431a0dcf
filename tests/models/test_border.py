"""Where an answer begins among a server's tokens, whatever a server says of a part of a character."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from factory.errors import RecordFailed
from factory.models.base import TokenLogprobs
from factory.models.border import answer_logprobs, token_starts

TEXT = st.text("ab \n甲é🦉", max_size=12)


def as_bytes(text: str, spelling: str) -> list[str]:
    """A token for each byte; one that is a part of a character is spelled in one of the ways that servers have."""
    tokens = []
    for letter in text:
        size = len(letter.encode())
        last = letter if spelling == "last" else spelling
        tokens += [letter] if size == 1 else [*["" if spelling == "last" else spelling] * (size - 1), last]
    return tokens


def read(
    tokens: list[str], context: str, answer: str, ranked: bool = True
) -> tuple[list[float | None], int, bool]:
    """What is the answer's, as the numbers of its tokens."""
    numbers = [None, *(-float(at) for at in range(1, len(tokens)))]
    ranks = [None, *range(1, len(tokens))] if ranked else []
    found = answer_logprobs(TokenLogprobs(tuple(tokens), tuple(numbers)), ranks, context, answer)
    if ranked and found.before:
        assert [-float(rank) for rank in found.ranks] == list(found.logprobs)
    return list(found.logprobs), found.before, found.merged


def test_the_answers_tokens_are_those_that_begin_behind_the_context() -> None:
    assert read(["Say", " it\n", "yes", " sir"], "Say it\n", "yes sir") == ([-2.0, -3.0], 2, False)


def test_a_token_that_both_share_is_none_of_the_answers() -> None:
    assert read(["Say", "\n\n", "yes"], "Say\n", "\nyes") == ([-2.0], 2, True)
    assert read(["Say", "\n\n"], "Say\n", "\n") == ([], 2, True)


def test_a_token_that_the_tokenizer_puts_before_a_text_is_not_looked_for_in_it() -> None:
    assert read(["<s>", "Say", "\n", "yes"], "Say\n", "yes") == ([-3.0], 3, False)


def test_words_whose_token_lacks_the_space_before_them_are_found() -> None:
    assert read(["Say", "it", "\n", "yes", "sir"], "Say it\n", "yes sir") == ([-3.0, -4.0], 3, False)


def test_without_ranks_there_are_none() -> None:
    scores = TokenLogprobs(("a", "\n", "b"), (None, -1.0, -2.0))
    assert answer_logprobs(scores, (), "a\n", "b").ranks == ()
    assert answer_logprobs(scores, (None, 1, None), "a\n", "b").ranks == ()


@pytest.mark.parametrize("tokens", [["Say", "no", "\n", "yes"], ["Say", "\n", "no"]])
def test_tokens_that_spell_another_text_are_no_guess(tokens: list[str]) -> None:
    with pytest.raises(RecordFailed, match="do not spell the text") as caught:
        read(tokens, "Say\n", "yes")
    assert caught.value.kind == "unscored"


@pytest.mark.parametrize("spelling", ["\ufffd", "", "last"])
@given(context=TEXT, answer=TEXT)
def test_parts_of_characters_do_not_move_the_border(spelling: str, context: str, answer: str) -> None:
    tokens = as_bytes(f"{context}:{answer}", spelling)
    if tokens:
        assert read(tokens, f"{context}:", answer)[1] == len(as_bytes(f"{context}:", spelling))


@given(text=TEXT)
def test_tokens_that_are_the_text_begin_where_they_stand(text: str) -> None:
    tokens = re.findall(r"\S+\s*|^\s+", text)
    starts = token_starts(tokens, text)
    assert starts is not None
    assert [text[start : start + len(token)] for start, token in zip(starts, tokens, strict=True)] == tokens
