"""Tags that come together: association rules between two tags, and the merges that follow from them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from factory.steps.tags.tag_sets.rules import most_used

BLOCK = 512
"""Tags whose companions are counted at a time, so that memory does not grow with the square of the tags."""


class Rule(NamedTuple):
    """Records with `tag` have `implied` too.

    support: how many records have both
    confidence: the share of the records with `tag` that have `implied`
    """

    tag: str
    implied: str
    support: int
    confidence: float


class Pair(NamedTuple):
    """Two tags, in the order of their characters, and how many records have both."""

    first: str
    second: str
    records: int


def tag_pairs(tag_lists: Iterable[Sequence[str]], min_support: int) -> Iterator[Pair]:
    """All pairs of tags that at least `min_support` records have together. A tag counts once in a record.

    These are the frequent item sets of two, which is what FP-Growth (Han, Pei, Yin, SIGMOD 2000) finds when it
    is held to that length; counted as a sparse product, since longer sets are not asked for.
    """
    lists = [set(tags) for tags in tag_lists]
    counts = Counter(tag for tags in lists for tag in tags)
    names = sorted(tag for tag, count in counts.items() if count >= min_support)
    if len(names) < 2:
        return
    from scipy.sparse import csr_array

    places = {name: at for at, name in enumerate(names)}
    rows = [sorted(places[tag] for tag in tags if tag in places) for tags in lists]
    offsets = np.concatenate([[0], np.cumsum([len(row) for row in rows])])
    columns = np.fromiter((at for row in rows for at in row), np.int32, int(offsets[-1]))
    has = csr_array((np.ones(len(columns), np.int32), columns, offsets), shape=(len(rows), len(names)))
    by_tag = has.T.tocsr()
    for start in range(0, len(names), BLOCK):
        together = (by_tag[start : start + BLOCK] @ has).tocoo()
        first, second = together.coords
        wanted = (first + start < second) & (together.data >= min_support)
        found = zip(first[wanted] + start, second[wanted], together.data[wanted], strict=True)
        for one, other, records in sorted((int(a), int(b), int(n)) for a, b, n in found):
            yield Pair(names[one], names[other], records)


def association_rules(
    tag_lists: Sequence[Sequence[str]], min_support: int, min_confidence: float
) -> list[Rule]:
    """The rules "who has this tag has that tag" of enough support and confidence, in the order of the tags."""
    counts = Counter(tag for tags in tag_lists for tag in set(tags))
    rules = []
    for first, second, records in tag_pairs(tag_lists, min_support):
        for tag, implied in ((first, second), (second, first)):
            confidence = records / counts[tag]
            if confidence >= min_confidence:
                rules.append(Rule(tag, implied, records, confidence))
    return sorted(rules)


def merge_by_association(
    rules: Iterable[Rule], counts: Mapping[str, int], *, one_way: bool = False
) -> dict[str, str]:
    """The merges that rules ask for: {tag: the tag that stays}.

    Tags that imply each other are one: their groups are brought together under the most used tag, chains too,
    whatever the order of the rules. With `one_way`, a tag that implies another one-sidedly goes into it as
    well: into the one it implies most surely, and only into a more used one, so that two common tags are never
    joined by a rarer one that implies both.

    The paper (InsTag, arXiv 2308.07074) does not say which way a rule merges; this is our reading.
    """
    chosen = {(rule.tag, rule.implied): rule for rule in rules}
    stays: dict[str, str] = {}

    def last(tag: str) -> str:
        while tag in stays:
            tag = stays[tag]
        return tag

    for tag, implied in sorted(chosen):
        one, other = last(tag), last(implied)
        if (implied, tag) in chosen and one != other:
            winner = most_used(counts, [one, other])
            stays[other if winner == one else one] = winner
    if one_way:
        wanted: dict[str, Rule] = {}
        for rule in chosen.values():
            group = last(rule.tag)
            best = wanted.get(group)
            if counts[last(rule.implied)] > counts[group] and (best is None or _surer(rule, best, counts)):
                wanted[group] = rule
        # A group goes into one of a larger count only, so that no chain comes back to where it began.
        stays |= {group: last(rule.implied) for group, rule in wanted.items()}
    return {tag: last(tag) for tag in sorted(stays)}


def _surer(rule: Rule, other: Rule, counts: Mapping[str, int]) -> bool:
    def rank(rule: Rule) -> tuple[float, int, str]:
        return (-rule.confidence, -counts[rule.implied], rule.implied)

    return rank(rule) < rank(other)
