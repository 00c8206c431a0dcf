"""Which operation a round takes: those there are, how likely each is, and which are left at a limit."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from typing import Literal, NamedTuple, TypeAlias, get_args

from factory.data.text import word_count
from factory.errors import nearest
from factory.statistics.flaws.flaw import Flaw
from factory.steps.agents.flaws.demands import demand_count
from factory.steps.option_types import OneOrSeveral

Operation: TypeAlias = Literal[
    "add_constraints", "deepen", "concretize", "increase_reasoning", "complicate_input", "breadth"
]
CodeOperation: TypeAlias = Literal[
    "code_constraints", "code_rarer", "code_reasoning", "code_misdirect", "code_complexity"
]
Named: TypeAlias = Literal[
    "add_constraints",
    "deepen",
    "concretize",
    "increase_reasoning",
    "complicate_input",
    "breadth",
    "code_constraints",
    "code_rarer",
    "code_reasoning",
    "code_misdirect",
    "code_complexity",
    "depth",
    "code",
]
"""An operation, or the name of several: `depth` is the five of in-depth evolving, `code` those of WizardCoder."""
Mix: TypeAlias = OneOrSeveral[str] | dict[str, float]
"""Operations to choose from by `Named` names: each as likely as the others, or by weight."""

OPERATIONS: tuple[Operation, ...] = get_args(Operation)
"""Five operations of in-depth evolving, and in-breadth evolving."""
CODE_OPERATIONS: tuple[CodeOperation, ...] = get_args(CodeOperation)
"""The five heuristics of WizardCoder (arXiv 2306.08568), in its order."""
SELDOM = 0.25
"""How often `code` asks for a better complexity, beside 1 for each other: the paper says "not frequently"."""
SHRINKS: frozenset[str] = frozenset({"breadth"})
"""What need not grow: the rest is left out where an instruction has all the words that it may have."""
ADDS_DEMANDS: frozenset[str] = frozenset({"add_constraints", "code_constraints", "code_complexity"})
"""What is left out where an instruction makes all the demands that it may make."""

_SEVERAL: dict[str, tuple[tuple[str, float], ...]] = {
    "depth": tuple((name, 1.0) for name in OPERATIONS if name != "breadth"),
    "code": tuple((name, SELDOM if name == "code_complexity" else 1.0) for name in CODE_OPERATIONS),
}


def weighted(mix: Mix) -> list[tuple[str, float]]:
    """The operations of a mix, each with its weight; a name of several shares its weight among them."""
    pairs = mix.items() if isinstance(mix, dict) else ((name, None) for name in mix)
    found: list[tuple[str, float]] = []
    for name, weight in pairs:
        several = _SEVERAL.get(name, ((name, 1.0),))
        total = sum(share for _, share in several) if weight is not None else 1.0
        found += [(one, share / total * (1.0 if weight is None else weight)) for one, share in several]
    return found


def check_mix(mix: Mix) -> Mix:
    """`mix` itself.

    Raises:
        ValueError: it is empty, there is no operation of a name, or a weight is no number above 0.
    """
    if not mix:
        raise ValueError("name at least one operation")
    known = get_args(Named)
    for name in mix:
        if name not in known:
            raise ValueError(f"there is no operation {name!r}{nearest(name, known)}")
    if isinstance(mix, dict):
        for name, weight in mix.items():
            if not (math.isfinite(weight) and weight > 0):
                raise ValueError(f"the weight of {name} is a number above 0, not {weight:g}")
    return mix


def choose(mix: Mix, without: frozenset[str], chance: random.Random) -> str | None:
    """An operation of the mix, drawn by its weight, none of `without`; None where there is no other."""
    left = [pair for pair in weighted(mix) if pair[0] not in without]
    if not left:
        return None
    names: Sequence[str] = [name for name, _ in left]
    weights = [weight for _, weight in left]
    # As ever where all are alike: another draw would ask models anew.
    return chance.choice(names) if len(set(weights)) == 1 else chance.choices(names, weights)[0]


class Limits(NamedTuple):
    """How far instructions may grow, None without bound: so many words, or Chinese characters; so many demands."""

    words: int | None = None
    demands: int | None = None

    def without(self, instruction: str) -> frozenset[str]:
        """The operations that an instruction which has all it may have is not evolved by."""
        found: frozenset[str] = frozenset()
        if self.words is not None and word_count(instruction) >= self.words:
            found |= frozenset({*OPERATIONS, *CODE_OPERATIONS}) - SHRINKS
        if self.demands is not None and demand_count(instruction) >= self.demands:
            found |= ADDS_DEMANDS
        return found

    def flaw(self, instruction: str) -> Flaw | None:
        """That an evolved instruction is beyond a limit."""
        if self.words is not None and (words := word_count(instruction)) > self.words:
            reason = f"the evolved instruction has {words} words, and {self.words} are the most (`max_words`)"
            return Flaw("too_long", reason, {"words": words, "most": self.words})
        if self.demands is not None and (demands := demand_count(instruction)) > self.demands:
            reason = (
                f"the evolved instruction makes {demands} demands by count, and {self.demands} are the most "
                "(`max_demands`)"
            )
            return Flaw("too_many_demands", reason, {"demands": demands, "most": self.demands})
        return None
