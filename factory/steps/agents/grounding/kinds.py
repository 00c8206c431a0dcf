"""The kinds of questions, and which of them each passage is asked for, with which facts and which other passage."""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple, TypeAlias, get_args

from factory.step import Context
from factory.steps.agents.grounding.passages import Fact, Passage, rank

Kind: TypeAlias = Literal[
    "single_fact",
    "several_facts",
    "multi_hop",
    "summary",
    "how_to",
    "comparison",
    "conversation",
    "unanswerable",
]
KINDS: tuple[Kind, ...] = get_args(Kind)
SHARES: Mapping[Kind, float] = {
    "single_fact": 0.3,
    "several_facts": 0.2,
    "multi_hop": 0.1,
    "summary": 0.1,
    "how_to": 0.1,
    "comparison": 0.05,
    "conversation": 0.1,
    "unanswerable": 0.05,
}
FACTS: Mapping[Kind, int] = {"single_fact": 1, "several_facts": 3, "comparison": 2, "conversation": 3}
"""Facts that a question is to need; of the other kinds all that the passage states are shown."""
LEAST: Mapping[Kind, int] = {
    "several_facts": 2,
    "comparison": 2,
    "summary": 2,
    "how_to": 2,
    "conversation": 2,
}
"""A passage with fewer facts is asked for `single_fact` in place of these kinds."""
COMMON = 5
"""An entity in more passages than these leads from one to another only where none is rarer."""


class Slot(NamedTuple):
    """One question that is to be asked. passages: that it is about, the first one's turn it is; facts: of the first.

    entity: that a question over several passages goes by
    """

    kind: Kind
    number: int
    passages: tuple[Passage, ...]
    facts: tuple[Fact, ...]
    entity: str = ""


class Entities:
    """Which passages name which entities: the graph over which a question goes from one passage to another."""

    def __init__(self, passages: Sequence[Passage]) -> None:
        self._named: defaultdict[tuple[str, str], list[Passage]] = defaultdict(list)
        for passage in passages:
            for name in {name for fact in passage.facts for name in fact.entities}:
                self._named[passage.language, name].append(passage)

    def partner(self, passage: Passage, number: int, seed: int) -> tuple[Passage, str] | None:
        """Another passage that names an entity of this one, and the entity; None where there is none.

        Drawn by ranks, so that passages that come or go change the draw only where they had won it.
        """
        own = {name for fact in passage.facts for name in fact.entities}
        shared = {name: len(self._named[passage.language, name]) for name in own}
        usable = [name for name, number in shared.items() if number > 1]
        rare = [name for name in usable if shared[name] <= COMMON] or usable
        if not rare:
            return None
        entity = min(rare, key=lambda name: rank(seed, passage.id, number, name))
        others = [one for one in self._named[passage.language, entity] if one.id != passage.id]
        return min(others, key=lambda one: rank(seed, passage.id, number, one.id)), entity


def slots(
    passage: Passage,
    shares: Mapping[Kind, float],
    numbers: range,
    entities: Entities,
    seed: int,
    context: Context,
) -> list[Slot]:
    """The questions of these numbers that a passage is asked for.

    Kinds are drawn systematically, so that a passage has each about as often as its share says. Facts go round, so
    that no two questions need the same ones as long as there are others. Both hang on the passage's text alone.
    """
    found = []
    chance = context.random("facts", passage.id)
    order = chance.sample(passage.facts, len(passage.facts))
    used = numbers.start * max(1, len(order) // 2)  # later rounds begin with others
    for number, drawn in zip(numbers, drawn_kinds(passage, shares, numbers, context), strict=True):
        kind = drawn
        if len(order) < LEAST.get(kind, 1):
            kind = "single_fact"
            context.count("asked_for_a_single_fact_since_it_has_few")
        others: tuple[Passage, ...] = ()
        entity = ""
        if kind == "multi_hop":
            partner = entities.partner(passage, number, seed)
            if partner is None:
                context.count("multi_hop_without_another_passage")
                continue
            others, entity = (partner[0],), partner[1]
        most = min(FACTS.get(kind, len(order)), len(order))
        facts = tuple(itertools.islice(itertools.cycle(order), used % len(order), used % len(order) + most))
        used += FACTS.get(kind, 0)
        found.append(Slot(kind, number, (passage, *others), facts, entity))
    return found


def drawn_kinds(
    passage: Passage, shares: Mapping[Kind, float], numbers: range, context: Context
) -> list[Kind]:
    """A kind for each number: systematic draws over the shares from a random start, in random order."""
    names = [kind for kind in KINDS if shares.get(kind, 0) > 0]
    ends = list(itertools.accumulate(shares[kind] for kind in names))
    chance = context.random("kinds", passage.id, numbers.start)
    start = chance.random()
    drawn: list[Kind] = []
    for at in range(len(numbers)):
        place = (at + start) / len(numbers) * ends[-1]
        drawn.append(
            next(name for name, end in zip(names, ends, strict=True) if place < end or end == ends[-1])
        )
    chance.shuffle(drawn)
    return drawn
