"""ROUGE-L of two turns is rouge-score's, in any language."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from rouge_score.rouge_scorer import RougeScorer

from factory.data.text import rouge_tokens
from factory.steps.agents.conversing.likeness import rouge_l


class Words:
    def tokenize(self, text: str) -> list[str]:
        return rouge_tokens(text)


SCORER = RougeScorer(["rougeL"], tokenizer=Words())
TEXTS = st.lists(st.sampled_from(["a", "b", "c", "雨", "雪", "3", "!"]), max_size=40).map(" ".join)


@given(TEXTS, TEXTS)
def test_the_likeness_of_two_texts_is_what_rouge_score_gives(first: str, second: str) -> None:
    assert abs(rouge_l(first, second) - SCORER.score(first, second)["rougeL"].fmeasure) < 1e-12
    assert rouge_l(first, second) == rouge_l(second, first)


def test_a_text_is_like_itself_and_a_text_without_words_like_none() -> None:
    assert rouge_l("Where does rain come from?", "where does RAIN come from") == 1
    assert round(rouge_l("雨从哪里来？", "雪从哪里来？"), 9) == 0.8
    assert rouge_l("", "") == rouge_l("?!", "?!") == rouge_l("word", "") == 0
