"""What a drafted row is let go for by its words, and by the words that it quotes: no model is asked."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from factory.data.prompt import Prompt
from factory.data.record import Record
from factory.data.text import detect_language, rouge_tokens, shorten
from factory.statistics.flaws.flaw import Flaw
from factory.statistics.flaws.language import language_flaw
from factory.statistics.flaws.refusals import refusal
from factory.statistics.flaws.repetition import loop_flaw
from factory.steps.agents.flaws.eliminate import answer_flaw
from factory.steps.agents.grounding.drafts import Draft, Turn
from factory.steps.agents.grounding.passages import SPANS, Passage
from factory.steps.agents.grounding.wording import speaks_of_text, wording_flaw
from factory.steps.agents.inventing.single import leak_flaw

COPIED_WORDS = {"en": 40, "zh": 60}
"""An answer of so many words, or Chinese characters, that stands in the passage as it is was copied, not given."""
COPIED_QUESTION = 8
"""A question of so many words that stands in the passage as it is was not asked."""


def words_flaw(draft: Draft, prompt: Prompt, in_context: bool) -> Flaw | None:
    """What is wrong with a draft by its words alone.

    in_context: the row shows its passages, so that an answer may speak of them
    """
    if draft.cut:
        return Flaw("truncated", "the reply was cut by the token limit")
    passages = draft.slot.passages
    text = "\n".join(passage.text for passage in passages)
    given = "\n".join([text, *(p.headings for p in passages), *(fact.statement for fact in draft.slot.facts)])
    for at, turn in enumerate(draft.turns):
        flaw = _question_flaw(turn.question, passages, text, given, prompt, first=not at)
        flaw = flaw or _answer_flaw(turn, draft.slot.kind == "unanswerable", passages, given, prompt)
        if flaw is None and not in_context and (said := speaks_of_text(turn.answer, text)):
            flaw = Flaw("speaks_of_the_text", f"the answer says {said!r}, and its reader has no such text")
        if flaw is not None:
            return flaw
    return None


def _question_flaw(
    question: str, passages: Sequence[Passage], text: str, given: str, prompt: Prompt, *, first: bool
) -> Flaw | None:
    words = rouge_tokens(question)
    if not words:
        return Flaw("empty", "the question is empty")
    if refused := refusal(question, given):
        return Flaw("refusal", f"the question says {refused!r}")
    if detect_language(question) not in {detect_language(passage.text) for passage in passages} | {""}:
        return Flaw("other_language", "the question is written in another language than the passage")
    if flaw := leak_flaw(question, given, prompt, "question") or loop_flaw(question, given, "the question"):
        return flaw
    if said := speaks_of_text(question, text):
        return Flaw("speaks_of_the_text", f"it says {said!r}, and its reader has no such text")
    if first and (flaw := wording_flaw(question, text)):
        return flaw
    if len(words) >= COPIED_QUESTION and any(passage.searched.find(question) for passage in passages):
        return Flaw("copied", "the question stands in the passage as it is")
    return None


def _answer_flaw(
    turn: Turn, declines: bool, passages: Sequence[Passage], given: str, prompt: Prompt
) -> Flaw | None:
    answer = turn.answer
    words = rouge_tokens(answer)
    if not words:
        return Flaw("empty_answer", "the answer is empty")
    # One that declines is meant to say that it cannot.
    if not declines and (flaw := answer_flaw(answer, turn.question)):
        return flaw
    named = any(passage.searched.holds(answer) for passage in passages)  # such as a part's number
    if not named and (flaw := language_flaw(answer, turn.question, "the answer")):
        return flaw
    said = f"{given}\n{turn.question}"
    if flaw := leak_flaw(answer, said, prompt, "answer") or loop_flaw(answer, said, "the answer"):
        return flaw
    if len(words) >= COPIED_WORDS[prompt.language] and any(p.searched.find(answer) for p in passages):
        return Flaw("copied", f"the answer is {len(words)} words of the passage as they stand")
    return None


def spanned(draft: Draft) -> tuple[Record, Flaw | None]:
    """The draft's row with the places of the words that it quotes, or what is wrong with them.

    Each quotation must stand in its passage word for word (`spans.Searched`), and each answer have one; one over
    several passages has one of each.
    """
    spans: list[dict[str, Any]] = []
    flaw: Flaw | None = None
    for at, turn in enumerate(draft.turns):
        for number, (passage, quotes) in enumerate(zip(draft.slot.passages, turn.quotes, strict=False)):
            if not quotes:
                several = len(draft.slot.passages) > 1
                kind = "one_passage_alone" if several else "no_span"
                which = f"passage {number + 1}" if several else "the passage"
                flaw = flaw or Flaw(kind, f"no words of {which} are quoted in support of the answer")
            for quote in quotes:
                place = passage.searched.find(quote)
                if place is None:
                    flaw = flaw or Flaw(
                        "span_not_found",
                        f"the words {shorten(quote, 60)!r} do not stand in the passage word for word",
                    )
                elif (span := {**passage.span(place), "turn": at}) not in spans:
                    spans.append(span)
    row = draft.record
    return row.but(meta={**row.meta, SPANS: spans}), flaw
