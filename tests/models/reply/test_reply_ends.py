"""Every provider's word for the end of a reply means what its documentation says."""

from __future__ import annotations

from enum import Enum

import pytest
from hypothesis import given
from hypothesis import strategies as st

from factory.models.reply.ends import (
    CALLS,
    CUT,
    FILTERED,
    MISHAP,
    REFUSED,
    REPEATS,
    UNKNOWN,
    WHOLE,
    kind_of_end,
    normal_end,
    told_end,
)

WORDS = {
    WHOLE: "stop STOP Stop end_turn END_TURN eos eos_token eosFound end_id stop_sequence STOP_SEQUENCE stop_str"
    " stop_words COMPLETE complete completed FINISH FINISHED STOP_CRITERIA_MET endoftext normal stopStringFound"
    " FinishReason.STOP FINISH_REASON_STOP FINISH_REASON_UNSPECIFIED null",
    CUT: "length LENGTH Length max_tokens MAX_TOKENS maxTokens max-tokens model_length max_output_tokens max_new_tokens"
    " token_limit context_window model_context_window_exceeded FinishReason.MAX_TOKENS FINISH_REASON_MAX_TOKENS"
    " maxPredictedTokensReached contextLengthReached ERROR_LIMIT max_length incomplete limit_reached output_truncated",
    CALLS: "tool_calls tool_call TOOL_CALL tool_use function_call pause_turn toolCalls",
    FILTERED: "content_filter content_filtered CONTENT_FILTERED SAFETY RECITATION BLOCKLIST PROHIBITED_CONTENT SPII"
    " LANGUAGE IMAGE_SAFETY MODEL_ARMOR guardrail_intervened sensitive ERROR_TOXIC content_policy_violation",
    REFUSED: "refusal REFUSAL model_refused",
    REPEATS: "repetition repetition_truncation REPETITION repeat_detected",
    MISHAP: "error ERROR abort aborted cancelled canceled USER_CANCEL network_error insufficient_system_resource"
    " timeout TIMEOUT time_limit MALFORMED_FUNCTION_CALL malformed_model_output OTHER model_error internal_server_error"
    " load not_finished modelUnloaded failed upstream_disconnect",
    UNKNOWN: "flux 1 zzz_top !!",
}


@pytest.mark.parametrize(
    ("kind", "word"), [(kind, word) for kind, words in WORDS.items() for word in words.split()]
)
def test_a_providers_word_has_its_meaning(kind: str, word: str) -> None:
    assert kind_of_end(told_end(word)) == kind


class Reason(Enum):
    MAX_TOKENS = 2


@pytest.mark.parametrize(
    ("told", "kind"),
    [
        (None, WHOLE),
        ("", WHOLE),
        ({"type": "length", "length": 64}, CUT),  # SGLang's own
        ({"type": "stop", "matched": 128001}, WHOLE),
        ({}, WHOLE),
        (Reason.MAX_TOKENS, CUT),
        (3, UNKNOWN),
    ],
)
def test_an_end_may_be_told_as_an_object(told: object, kind: str) -> None:
    assert kind_of_end(told_end(told)) == kind


@given(st.sampled_from([word for words in WORDS.values() for word in words.split()]), st.data())
def test_case_and_separators_say_nothing(word: str, data: st.DataObject) -> None:
    if not word[0].isalpha() or "." in word or word.lower().startswith("finish_reason"):
        return
    shown = "".join(data.draw(st.sampled_from((letter.lower(), letter.upper()))) for letter in word)
    shown = shown.replace("_", data.draw(st.sampled_from(["_", "-", " ", ""])))
    assert kind_of_end(shown) == kind_of_end(word)


@given(st.text(max_size=40))
def test_no_word_that_is_not_known_is_whole(word: str) -> None:
    known = {"".join(c for c in w.lower() if c.isalnum()) for w in WORDS[WHOLE].split()}
    if kind_of_end(told_end(word)) == WHOLE and word.strip():
        bare = "".join(c for c in word.casefold() if c.isalnum())
        assert any(bare in other or other in bare for other in known)


@given(st.text(max_size=30))
def test_one_spelling_stays_as_it_is(word: str) -> None:
    assert normal_end(normal_end(word)) == normal_end(word)
    assert kind_of_end(normal_end(word)) == kind_of_end(word)
