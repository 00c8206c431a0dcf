"""Decisions of the ROUGE-L join, held against rouge-score itself."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from factory.data.text import rouge_tokens
from factory.statistics.bound import interval
from factory.steps.dedup.rouge.join import rouge_join
from factory.steps.dedup.rouge.rows import Near, Rows

NEAR = 0.8
"""Two kept records are a near miss where their F is greater than this share of the threshold."""
TRIES = 8
"""Records that are looked at for each near miss or pair wanted."""
CONFIDENCE = 0.95


class Decision(NamedTuple):
    """That a record was dropped for another, or kept beside it.

    kind: "drop", "near_miss" or "kept_pair"
    f: the ROUGE-L F that the join found; None for a pair that it told apart without
    """

    kind: str
    row: int
    other: int
    f: float | None


class Agreement(NamedTuple):
    """How rouge-score decides on the same pairs.

    disagreements: the decisions that are other ones by rouge-score, and its F
    wanted: how many decisions were asked for
    drops: how many records were dropped in all
    """

    decisions: Sequence[Decision]
    disagreements: Sequence[tuple[Decision, float]]
    wanted: int
    drops: int

    @property
    def agreed(self) -> int:
        """How many it decides alike."""
        return len(self.decisions) - len(self.disagreements)

    @property
    def full(self) -> bool:
        """Whether there was something to decide, and it decides all of it alike."""
        return bool(self.decisions) and not self.disagreements

    @property
    def interval(self) -> tuple[float, float]:
        """The 95% interval of the share that agrees (Clopper-Pearson)."""
        return interval(self.agreed, len(self.decisions), CONFIDENCE)

    def facts(self) -> dict[str, Any]:
        """The counts, as a run's manifest holds them."""
        kinds = [decision.kind for decision in self.decisions]
        low, high = self.interval
        return {
            "wanted": self.wanted,
            "decisions": len(kinds),
            "agreed": self.agreed,
            "interval_95": [round(low, 4), round(high, 4)],
            "drops": kinds.count("drop"),
            "near_misses": kinds.count("near_miss"),
            "kept_pairs": kinds.count("kept_pair"),
        }

    def sentence(self) -> str:
        """The counts in words."""
        facts, (low, high) = self.facts(), self.interval
        return (
            f"rouge-score itself decides {self.agreed:,} of {len(self.decisions):,} random decisions alike "
            f"(drops: {facts['drops']:,}, near misses: {facts['near_misses']:,}, other pairs of kept records: "
            f"{facts['kept_pairs']:,}); 95% interval {low:.1%} to {high:.1%}{self._why_fewer()}"
        )

    def _why_fewer(self) -> str:
        """Why there are fewer decisions than were asked for; "" where there are not."""
        if len(self.decisions) >= self.wanted:
            return ""
        drops = sum(decision.kind == "drop" for decision in self.decisions)
        half = " (half of what is asked for, at most)" if drops < self.drops else ""
        return (
            f"; {self.wanted:,} were asked for, and the set is too small: {drops:,} of its {self.drops:,} drops{half}, "
            f"and all pairs of kept records that were found in {TRIES} tries for each and that their words alone part"
        )


def check_decisions(
    rows: Rows,
    groups: Sequence[Sequence[int]],
    drops: Mapping[int, Near],
    threshold: float,
    number: int,
    chance: random.Random,
) -> Agreement:
    """Hold so many random decisions against rouge-score: half of them drops where there are as many.

    The others are pairs of kept records, half of them near misses where enough are found. Pairs that inputs or
    signs part are none of rouge-score's decisions, and are left out.

    groups: the records that were compared with each other, by number, those of the reference first
    """
    chosen = [
        Decision("drop", row, *drops[row])
        for row in chance.sample(sorted(drops), min(len(drops), -(-number // 2)))
    ]
    kept = [[row for row in group if row not in drops] for group in groups]
    kept = [group for group in kept if len(group) > 1 and group[-1] >= rows.references]
    wanted = -(-(number - len(chosen)) // 2)
    near = list(_near_misses(rows, kept, threshold, TRIES * wanted, chance))
    chosen += chance.sample(near, min(len(near), wanted))
    chosen += _kept_pairs(rows, kept, number - len(chosen), chance, {frozenset(one[1:3]) for one in chosen})
    disagreements = []
    for decision in chosen:
        f = rouge_score_f(rows.texts[decision.row], rows.texts[decision.other])
        as_said = decision.f is None or decision.f == f
        if not as_said or (f > threshold) != (decision.kind == "drop"):
            disagreements.append((decision, f))
    return Agreement(chosen, disagreements, number, len(drops))


def rouge_score_f(one: str, other: str) -> float:
    """The ROUGE-L F of two texts by rouge-score, without a stemmer.

    Its own tokenizer knows ASCII alone: where either text has more, it is given `rouge_tokens`.
    """
    from rouge_score.rouge_scorer import RougeScorer

    tokenizer = None if one.isascii() and other.isascii() else _Tokenizer()
    return float(RougeScorer(["rougeL"], tokenizer=tokenizer).score(other, one)["rougeL"].fmeasure)


class _Tokenizer:
    """`rouge_tokens` as rouge-score takes it."""

    def tokenize(self, text: str) -> list[str]:
        return rouge_tokens(text)


def _near_misses(
    rows: Rows, kept: Sequence[Sequence[int]], threshold: float, most: int, chance: random.Random
) -> Iterator[Decision]:
    """Of so many random kept records, those with another whose F is just not above the threshold."""
    all_kept = [row for group in kept for row in group if row >= rows.references]
    sample = set(chance.sample(all_kept, min(len(all_kept), most)))
    for group in kept if threshold < 1 else ():
        asked = [row for row in group if row in sample]
        order = [*(row for row in group if row not in sample), *asked]
        before = len(order) - len(asked)
        found = rouge_join(
            [rows.tokens(row) for row in asked],
            NEAR * threshold,
            reference=[rows.tokens(row) for row in order[:before]],
            signs=rows.signs.take(order),
        )
        for at in (found.nearest >= 0).nonzero()[0].tolist():
            other = order[int(found.nearest[at]) + (0 if found.in_reference[at] else before)]
            yield Decision("near_miss", asked[at], other, float(found.f[at]))


def _kept_pairs(
    rows: Rows,
    kept: Sequence[Sequence[int]],
    number: int,
    chance: random.Random,
    seen: set[frozenset[int]],
) -> Iterator[Decision]:
    """So many random pairs of kept records, fewer where too few are parted by their words alone."""
    weights = [len(group) for group in kept]
    for _ in range(TRIES * number if kept else 0):
        if number <= 0:
            return
        (group,) = chance.choices(kept, weights)
        row, other = chance.sample(group, 2)
        row, other = max(row, other), min(row, other)
        if row >= rows.references and {row, other} not in seen and rows.compared_by_words(row, other):
            seen.add(frozenset((row, other)))
            number -= 1
            yield Decision("kept_pair", row, other, None)
