"""What the tags of a set say of it: diversity, complexity, coverage, what is common and what is rare."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from factory.statistics.interval import Interval, difference_interval, share_interval
from factory.steps.tags.tag_sets.association import Pair, tag_pairs
from factory.steps.tags.tag_sets.rules import stemmed

TagLists = Sequence[Sequence[str]]
"""The tags of each record; none for a record that could not be tagged."""
Lineages = Sequence[int] | None
"""A number for each record, the same for those that were made from one seed."""

PAIR_TAGS = 1000
"""Pairs are looked for among so many of the most used tags."""


def tag_counts(tag_lists: Iterable[Sequence[str]]) -> Counter[str]:
    """How many records have each tag."""
    return Counter(tag for tags in tag_lists for tag in set(tags))


def diversity(tags: Collection[str], pool: Collection[str]) -> float | None:
    """The share of the pool's tags that a set has; None where the pool has none.

    The denominator is the pool's, not the set's own: a set measured against itself has 1.
    Source: #InsTag (arXiv 2308.07074), section 4.
    """
    pool = set(pool)
    return len(pool.intersection(tags)) / len(pool) if pool else None


def complexity(tag_lists: Iterable[Sequence[str]]) -> float | None:
    """The mean number of tags of a record; None where none is tagged.

    A record without tags is one that could not be tagged: it is left out, not counted as 0.
    Source: #InsTag (arXiv 2308.07074), section 4.
    """
    numbers = [len(set(tags)) for tags in tag_lists if tags]
    return sum(numbers) / len(numbers) if numbers else None


class CurvePoint(NamedTuple):
    """A random subset of so many tagged records has so many of the set's tags, on average."""

    records: int
    tags: float


def coverage_curve(tag_lists: Sequence[Sequence[str]], points: int = 20) -> list[CurvePoint]:
    """How many tags a random subset of a set has, for `points` sizes up to the whole set.

    Exact, without drawing: a tag of c of N records is missed by n of them with the chance
    C(N - c, n) / C(N, n). A curve that is still steep at its end says that more records would bring more tags.
    Source: rarefaction (Hurlbert, Ecology 1971).
    """
    from scipy.special import gammaln

    tagged = sum(map(bool, tag_lists))
    if not tagged:
        return []
    uses, tags = np.unique(list(tag_counts(tag_lists).values()), return_counts=True)
    sizes = np.unique(np.linspace(1, tagged, min(points, tagged)).round().astype(np.int64))

    def log_choose(n: NDArray[np.int64], k: int) -> NDArray[np.float64]:
        result: NDArray[np.float64] = gammaln(n + 1) - gammaln(k + 1) - gammaln(n - k + 1)
        return result

    curve = []
    for size in sizes.tolist():
        may_miss = tagged - uses >= size
        missed = np.zeros(len(uses))
        whole = log_choose(np.array([tagged]), size)
        missed[may_miss] = np.exp(log_choose((tagged - uses)[may_miss], size) - whole)
        curve.append(CurvePoint(size, float((tags * (1 - missed)).sum())))
    return curve


@dataclass(frozen=True, slots=True)
class TagSummary:
    """A set, or one source of it, by its tags.

    tagged: records that have a tag; the others could not be tagged
    tags: different tags; uses: tags over all records
    once: tags of one record only
    diversity, complexity: see the functions of these names; None where there is nothing to measure
    """

    name: str
    records: int
    tagged: int
    tags: int
    uses: int
    once: int
    diversity: float | None
    complexity: float | None


def summarize(name: str, tag_lists: TagLists, pool: Collection[str]) -> TagSummary:
    """The measures of a set against the tags of a pool."""
    counts = tag_counts(tag_lists)
    return TagSummary(
        name,
        records=len(tag_lists),
        tagged=sum(map(bool, tag_lists)),
        tags=len(counts),
        uses=counts.total(),
        once=sum(count == 1 for count in counts.values()),
        diversity=diversity(counts, pool),
        complexity=complexity(tag_lists),
    )


def by_source(tag_lists: TagLists, sources: Sequence[str], pool: Collection[str]) -> list[TagSummary]:
    """The measures of each source, the largest first."""
    parts: dict[str, list[Sequence[str]]] = {}
    for tags, source in zip(tag_lists, sources, strict=True):
        parts.setdefault(source, []).append(tags)
    ordered = sorted(parts.items(), key=lambda part: (-len(part[1]), part[0]))
    return [summarize(source, lists, pool) for source, lists in ordered]


def top_tags(counts: Counter[str], number: int = 20) -> list[tuple[str, int]]:
    """The most used tags, with how many records have them; equals in the order of their characters."""
    return sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:number]


def rare_tags(counts: Counter[str], number: int = 20) -> list[tuple[str, int]]:
    """The least used tags; equals in the order of their characters."""
    return sorted(counts.items(), key=lambda item: (item[1], item[0]))[:number]


def top_pairs(tag_lists: TagLists, number: int = 20, min_support: int = 2) -> list[Pair]:
    """The pairs of tags that most records have together, among the PAIR_TAGS most used tags."""
    common = {tag for tag, _ in top_tags(tag_counts(tag_lists), PAIR_TAGS)}
    lists = [[tag for tag in tags if tag in common] for tags in tag_lists]
    pairs = tag_pairs(lists, min_support)
    return sorted(pairs, key=lambda pair: (-pair.records, pair.first, pair.second))[:number]


def other_spellings(first: Collection[str], second: Collection[str]) -> list[tuple[str, str]]:
    """Tags of one set only that the other has under another spelling: by case, special characters or stem."""
    own, others = set(first).difference(second), set(second).difference(first)
    by_stem = {stemmed(tag): tag for tag in sorted(others, reverse=True)}
    return [(tag, by_stem[stem]) for tag in sorted(own) if (stem := stemmed(tag)) in by_stem]


class Difference(NamedTuple):
    """A tag and its share of the tagged records of two sets.

    interval: of `first - second`, 95 %, of this tag alone
    """

    tag: str
    first: float
    second: float
    interval: Interval

    @property
    def told_apart(self) -> bool:
        """Whether the interval leaves no doubt of the sign."""
        return self.interval[0] > 0 or self.interval[1] < 0


def differences(
    first: TagLists,
    second: TagLists,
    number: int = 20,
    lineages: tuple[Lineages, Lineages] = (None, None),
) -> list[Difference]:
    """The tags whose shares of the tagged records differ most between two sets; none that are the same.

    Empty where a set has no tagged record, which has no shares.

    lineages: of each set the lineage of its records, shape (records,); by default each is one of its own
    """
    counts = tag_counts(first), tag_counts(second)
    tagged = [sum(map(bool, lists)) for lists in (first, second)]
    if not all(tagged):
        return []
    shares = [
        (tag, counts[0][tag] / tagged[0], counts[1][tag] / tagged[1])
        for tag in counts[0].keys() | counts[1].keys()
    ]
    unequal = [row for row in shares if row[1] != row[2]]
    most = sorted(unequal, key=lambda row: (-abs(row[1] - row[2]), row[0]))[:number]
    names = {tag for tag, *_ in most}
    sure = [
        _share_intervals(lists, groups, names)
        for lists, groups in zip((first, second), lineages, strict=True)
    ]
    return [
        Difference(tag, one, other, difference_interval(one, sure[0][tag], other, sure[1][tag]))
        for tag, one, other in most
    ]


def _share_intervals(lists: TagLists, lineages: Lineages, names: Collection[str]) -> dict[str, Interval]:
    """Of each of these tags the interval of its share of the tagged records."""
    rows = [at for at, tags in enumerate(lists) if tags]
    flags = {name: np.zeros(len(rows)) for name in names}
    for place, at in enumerate(rows):
        for tag in lists[at]:
            if tag in flags:
                flags[tag][place] = 1
    groups = None if lineages is None else np.asarray(lineages, np.int64)[rows]
    return {name: share_interval(found, groups) or (0.0, 1.0) for name, found in flags.items()}
