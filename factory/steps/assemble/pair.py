"""Make a pair of a record's answers: one chosen, one rejected."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from typing import ClassVar, Literal, NamedTuple, Self

from pydantic import Field, model_validator

from factory.data.answers import PAIR, answers_of, said, with_chosen
from factory.data.record import Candidate, Record
from factory.data.text import word_count
from factory.statistics.interval import percent, wilson
from factory.step import Context, PerRecord

MARGIN = "pair.margin"
_GOOD = frozenset({"true", "met", "passed", "pass", "correct", "yes", "good"})
_BAD = frozenset({"false", "failed", "fail", "wrong", "incorrect", "no", "bad"})


class Pair(PerRecord):
    """Make a pair of each record's answers, by a score or a verdict: the better chosen, the worse rejected.

    The answers are those that `respond: {samples: 4}`, `until: verified` or a file brought, each with scores and
    verdicts of its own: "judge.quality" of `respond: {choose: best}`, "respond.agreement", "verify.ssr", "grape" or
    "rsr" of `fit`, or the verdict "constraints". Of all pairs that are allowed the one with the greatest difference is
    made; of equals the one whose chosen, then whose rejected answer comes first. Allowed are two answers that both have
    the score, that do not say the same (white space, case and width apart; what was thought does not count), that lie
    at least `margin` apart, never equal, and whose lengths in words are at most `length_ratio` to one. A judge likes
    long answers, and a model learns that from pairs: matched lengths are the plain way against it.

    The chosen answer ends the conversation. All others stay among the record's answers; the two have the verdict "pair"
    ("chosen", "rejected"), by which the formats preference, dpo, openai_preference and kto know them. "pair.margin" is
    the difference. A record without a pair is dropped, unless `unpaired` keeps it as it is: "one_answer" (with that
    score), "same_answer", "tie", "too_close" (within the margin), "length_mismatch". The first of these that lets no
    pair through is the reason.

    Source: best and worst of several answers by a score, as UltraFeedback (arXiv 2310.01377) and RLHFlow (2405.07863)
    pair them.

    Example:
        - pair: {score: judge.quality, margin: 1, length_ratio: 1.5}
        - pair: {verdict: constraints, unpaired: keep}
    """

    name: ClassVar[str] = "pair"

    score: str = ""
    """The answers' score to pair by, such as judge.quality; this or `verdict`."""
    verdict: str = ""
    """The answers' verdict to pair by, such as label or constraints: true, met, passed, correct, yes or good is better
    than false, failed, wrong, incorrect, no or bad; any other is none."""
    better: Literal["highest", "lowest"] = "highest"
    """Which scores are better."""
    margin: float = Field(0.0, ge=0)
    """The least difference of the two scores; they always differ."""
    length_ratio: float | None = Field(None, ge=1)
    """How many times as long as the shorter of the two, in words, the longer may be; without it all may pair."""
    unpaired: Literal["drop", "keep"] = "drop"
    """What becomes of a record whose answers make no pair."""

    @model_validator(mode="after")
    def _one_measure(self) -> Self:
        if bool(self.score) == bool(self.verdict):
            raise ValueError("give either `score` or `verdict`")
        if self.verdict and (self.margin > 1 or self.better == "lowest"):
            raise ValueError("`margin` and `better` are for a `score`: a `verdict` is good or bad")
        return self

    async def process(self, record: Record, context: Context) -> AsyncIterator[Record]:
        """See `PerRecord.process`."""
        answers, own = answers_of(record)
        values = [self._value(answer) for answer in answers]
        found = best_pair(
            answers,
            values,
            margin=self.margin,
            length_ratio=self.length_ratio,
        )
        if isinstance(found, Unpaired):
            context.count(f"unpaired_{found.kind}")
            record = _unmarked(record)
            drop = context.drop(found.kind, f"{found.reason}, by {self.score or self.verdict}", found.numbers)
            yield record if self.unpaired == "keep" else replace(record, dropped=drop)
            return
        context.count("paired")
        context.count("paired_with_another_answer_chosen", found.chosen != own)
        context.count("chosen_is_longer", _words(answers[found.chosen]) > _words(answers[found.rejected]))
        marks = {found.chosen: "chosen", found.rejected: "rejected"}
        marked = tuple(_marked(answer, marks.get(at, "")) for at, answer in enumerate(answers))
        made = with_chosen(record, marked, found.chosen)
        yield made.with_score(MARGIN, found.margin, context.event(self.name))

    def _value(self, answer: Candidate) -> float | None:
        """What ranks an answer: higher is better; None where that is not known."""
        if self.verdict:
            verdict = answer.verdicts.get(self.verdict, "").strip().lower()
            return 1.0 if verdict in _GOOD else 0.0 if verdict in _BAD else None
        value = answer.scores.get(self.score)
        if value is None or value != value:
            return None
        return value if self.better == "highest" else -value

    def finish(self, context: Context) -> None:
        """See `PerRecord.finish`: how often the chosen answer is the longer one, which a model would learn."""
        pairs, longer = context.facts.get("paired", 0), context.facts.get("chosen_is_longer", 0)
        if pairs:
            share = percent(longer / pairs, wilson(longer, pairs))
            context.tell(f"{context.step}: the chosen answer is the longer one in {share} of {pairs:,} pairs")


class Made(NamedTuple):
    """The places of two answers, and by how much the chosen one is better."""

    chosen: int
    rejected: int
    margin: float


class Unpaired(NamedTuple):
    """Why answers make no pair."""

    kind: str
    reason: str
    numbers: dict[str, float]


def best_pair(
    answers: Sequence[Candidate],
    values: Sequence[float | None],
    *,
    margin: float = 0.0,
    length_ratio: float | None = None,
) -> Made | Unpaired:
    """The allowed pair with the greatest difference of values; of equals the first, by chosen, then by rejected.

    Args:
        values: of each answer, higher is better; None: it cannot be paired.
        margin: the least difference.
        length_ratio: most words of the longer for each of the shorter.
    """
    known = [(at, value) for at, value in enumerate(values) if value is not None and answers[at].turns]
    if len(known) < 2:
        return Unpaired("one_answer", f"{len(known)} of {len(answers)} answers can be ranked", {})
    texts = {at: said(answers[at]) for at, _ in known}
    words = {at: _words(answers[at]) for at, _ in known} if length_ratio is not None else {}
    best: Made | None = None
    widest, allowed = -1.0, 0  # how far the pair got that got furthest
    for at, value in known:
        for other, less in known:
            if value < less or texts[at] == texts[other]:
                continue
            apart = value - less
            widest = max(widest, apart)
            # A difference of 0.3 is, as a binary fraction, a little less.
            if apart <= 0 or apart < margin - 1e-9:
                continue
            allowed += 1
            if length_ratio is not None and _ratio(words[at], words[other]) > length_ratio:
                continue
            if best is None or apart > best.margin:  # of equals the first
                best = Made(at, other, apart)
    if best is not None:
        return best
    if widest < 0:
        return Unpaired("same_answer", f"all {len(known)} answers that can be ranked say the same", {})
    numbers = {"difference": widest}
    if not widest:
        return Unpaired("tie", f"the {len(known)} answers that can be ranked are equal", numbers)
    if not allowed:
        return Unpaired("too_close", f"no two answers are {margin:g} apart, at most {widest:g}", numbers)
    why = f"no two answers that differ enough are within {length_ratio:g} to one in length"
    return Unpaired("length_mismatch", why, numbers)


def _words(answer: Candidate) -> int:
    return word_count(answer.text)


def _ratio(one: int, other: int) -> float:
    shorter, longer = sorted((one, other))
    return longer / shorter if shorter else float("inf") if longer else 1.0


def _marked(answer: Candidate, mark: str) -> Candidate:
    """The answer with this mark, or without any."""
    verdicts = {name: verdict for name, verdict in answer.verdicts.items() if name != PAIR}
    return answer._replace(verdicts={**verdicts, PAIR: mark} if mark else verdicts)


def _unmarked(record: Record) -> Record:
    """A record without the marks of an earlier pair."""
    if not any(PAIR in answer.verdicts for answer in record.answers):
        return record
    return replace(record, answers=tuple(_marked(answer, "") for answer in record.answers))
