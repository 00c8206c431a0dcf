"""What the grades by checklists say of the judges: place in the list, length of the answer, and their own answers.

Source: MT-bench (arXiv 2306.05685) for the three biases. The order of the criteria is drawn anew for each record, so
that what differs between the first and the second half of the lists is the place's doing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import combinations
from typing import Any, NamedTuple

import numpy as np

from factory.data.record import Candidate
from factory.data.text import word_count
from factory.statistics.interval import difference, difference_interval, percent, share_interval, wilson
from factory.steps.judging.checklists.checklist import Criterion
from factory.steps.judging.checklists.grade import AnswerVerdicts


class Share(NamedTuple):
    """A share with the records that it was seen in, so that its interval can be told."""

    flags: list[float]
    groups: list[int]

    def words(self) -> str:
        """The share in words, with its 95 % interval."""
        mean = sum(self.flags) / len(self.flags)
        return percent(mean, share_interval(self.flags, np.array(self.groups, np.int64)))


def _share() -> Share:
    return Share([], [])


@dataclass(slots=True)
class Biases:
    """What one run saw.

    early, late: of the verdicts in the first and the second half of the lists, whether the criterion is met
    longer: of the pairs of a record's answers with different scores and lengths, whether the longer one has the higher
    own: by judge, of the pairs of one of its own answers and another's to which it gave different scores, whether its
        own has the higher
    told_apart: of the harder criteria, whether some answers of their record meet it and some do not
    """

    records: int = 0
    early: Share = field(default_factory=_share)
    late: Share = field(default_factory=_share)
    longer: Share = field(default_factory=_share)
    own: dict[str, Share] = field(default_factory=dict)
    own_graded: int = 0
    told_apart: list[bool] = field(default_factory=list)

    def add(
        self,
        answers: Sequence[Candidate],
        criteria: Sequence[Criterion],
        verdicts: Sequence[AnswerVerdicts],
        scores: Sequence[float | None],
        orders: Sequence[Sequence[int]],
    ) -> None:
        """Count what was said of one record's answers.

        orders: for each list that the judges were shown, in which order they saw it; together all criteria
        """
        number = self.records
        self.records += 1
        begin = 0
        for order in orders:
            for place, at in enumerate(order):
                half = (
                    self.early
                    if 2 * place + 1 < len(order)
                    else self.late
                    if 2 * place + 1 > len(order)
                    else None
                )
                for opinion in (one for verdict in verdicts for one in verdict.opinions):
                    if half is not None:
                        half.flags.append(float(opinion.met[begin + at]))
                        half.groups.append(number)
            begin += len(order)
        self._pairs(answers, criteria, verdicts, scores, number)
        known = [one.shares() for one in verdicts if one.opinions]
        for at, criterion in enumerate(criteria):
            if criterion.harder and len(known) > 1:
                self.told_apart.append(len({shares[at] for shares in known}) > 1)

    def _pairs(
        self,
        answers: Sequence[Candidate],
        criteria: Sequence[Criterion],
        verdicts: Sequence[AnswerVerdicts],
        scores: Sequence[float | None],
        number: int,
    ) -> None:
        words = [word_count(answer.text) for answer in answers]
        by_judge: list[dict[str, float]] = [
            {
                one.judge: sum(
                    criterion.weight * met for criterion, met in zip(criteria, one.met, strict=True)
                )
                for one in verdict.opinions
            }
            for verdict in verdicts
        ]
        for answer, told in zip(answers, by_judge, strict=True):
            self.own_graded += answer.model in told
        for one, other in combinations(range(len(answers)), 2):
            first, second = scores[one], scores[other]
            if first is not None and second is not None and first != second and words[one] != words[other]:
                self.longer.flags.append(float((first > second) == (words[one] > words[other])))
                self.longer.groups.append(number)
            for mine, others in ((one, other), (other, one)):
                judge = answers[mine].model
                if answers[others].model == judge or judge not in by_judge[mine]:
                    continue
                if judge in by_judge[others] and by_judge[mine][judge] != by_judge[others][judge]:
                    share = self.own.setdefault(judge, _share())
                    share.flags.append(float(by_judge[mine][judge] > by_judge[others][judge]))
                    share.groups.append(number)

    def facts(self) -> dict[str, Any]:
        """What the run's manifest and report tell."""
        told: dict[str, Any] = {}
        if self.early.flags and self.late.flags:
            told["met_in_the_first_half_of_the_list"] = self.early.words()
            told["met_in_the_second_half_of_the_list"] = self.late.words()
            told["first_half_less_second_in_points"] = self._place()
        if self.longer.flags:
            told["longer_answer_scores_higher"] = (
                f"{self.longer.words()} of {len(self.longer.flags):,} pairs with different scores and lengths"
            )
        for judge, share in sorted(self.own.items()):
            told[f"own_answer_scores_higher.{judge}"] = f"{share.words()} of {len(share.flags):,} pairs"
        if self.told_apart:
            met = sum(self.told_apart)
            share_met = percent(met / len(self.told_apart), wilson(met, len(self.told_apart)))
            told["harder_criteria_that_tell_answers_apart"] = f"{share_met} of {len(self.told_apart):,}"
        return told

    def _place(self) -> str:
        first, second = (float(np.mean(half.flags)) for half in (self.early, self.late))
        edges = [
            share_interval(half.flags, np.array(half.groups, np.int64)) for half in (self.early, self.late)
        ]
        assert edges[0] is not None
        assert edges[1] is not None
        return difference(first - second, difference_interval(first, edges[0], second, edges[1]))

    def sentence(self) -> str:
        """The biases in words; "" where there is nothing to tell."""
        parts = []
        if self.early.flags and self.late.flags:
            parts.append(
                "criteria in the first half of a list are met by "
                f"{self._place()} points of a hundred more than those in the second"
            )
        if self.longer.flags:
            parts.append(
                f"the longer of two answers scores higher in {self.longer.words()} of "
                f"{len(self.longer.flags):,} pairs that differ in both"
            )
        for judge, share in sorted(self.own.items()):
            parts.append(
                f"an answer of {judge} scores higher than another's, by its own verdicts, in {share.words()} of "
                f"{len(share.flags):,} pairs"
            )
        return "; ".join(parts)
