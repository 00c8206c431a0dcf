"""The target shares of a mixture: given, or by a rule from what there is, within bounds."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple

from factory.data.text import shorten
from factory.errors import RunStopped, nearest
from factory.steps.assemble.mixing.shares import NEAR, balanced, bounded, capped, proportional
from factory.steps.assemble.mixing.telling import SHOWN

RULES = ("proportional", "temperature", "capped", "balanced")
ShareRule = dict[str, float] | Literal["proportional", "temperature", "capped", "balanced"]
Bound = dict[str, float] | float


class Rule(NamedTuple):
    """How the target shares are found; the fields are those of `mixture`.

    names: the groups that there can be, where that is known: of a score, the names of its ranges
    """

    shares: ShareRule
    temperature: float
    cap: int | None
    minimum: Bound
    maximum: Bound
    names: Sequence[str]

    def of(
        self, there: Mapping[str, int], rows: Mapping[str, int], by: str, where: str, *, filling: bool
    ) -> dict[str, float]:
        """The share of each group that is to have one; they sum to 1.

        there: what each group can give, in rows or tokens; rows: its records, answered or not
        by: what the groups are; where: the step; both for what is said
        filling: a group without a record may get some yet

        Raises:
            RunStopped: a group that is to have a share cannot give anything, there is no group, or the bounds cannot
                be held.
        """
        if isinstance(self.shares, dict):
            shares = {group: share for group, share in self.shares.items() if share > 0}
            for group, share in shares.items():
                self._check(group, share, there, rows, by, where, filling=filling)
        else:
            amounts = {group: float(number) for group, number in there.items() if number}
            if not amounts:
                if filling:
                    return {}
                raise RunStopped(f"{where}: no record has an answer and a {by}, so there is nothing to mix")
            shares = self._by_rule(amounts)
        least = self._bound("minimum", self.minimum, shares, where)
        most = self._bound("maximum", self.maximum, shares, where)
        low, high = math.fsum(least.values()), math.fsum(most.values())
        crossed = next((group for group in shares if least[group] > most[group]), None)
        if low > 1 + NEAR or high < 1 - NEAR or crossed is not None:
            raise RunStopped(
                f"{where}: `minimum` and `maximum` cannot be held: over {len(shares):,} groups the least sum to "
                f"{low:g} and the largest to {high:g}, and 1 must lie between"
                + (f"; of {crossed!r} the least is above the largest" if crossed is not None else "")
            )
        if any(not least[group] - NEAR <= share <= most[group] + NEAR for group, share in shares.items()):
            return bounded(shares, least, most)
        return shares

    def _by_rule(self, amounts: Mapping[str, float]) -> dict[str, float]:
        if self.shares == "balanced":
            return balanced(amounts)
        if self.shares == "capped":
            return capped(amounts, float(self.cap or 0))
        return proportional(amounts, self.temperature if self.shares == "temperature" else 1.0)

    def _check(
        self,
        group: str,
        share: float,
        there: Mapping[str, int],
        rows: Mapping[str, int],
        by: str,
        where: str,
        *,
        filling: bool,
    ) -> None:
        if there.get(group) or (filling and (not self.names or group in self.names)):
            return
        if rows.get(group):
            raise RunStopped(
                f"{where}: none of the {rows[group]:,} records of {group!r} has an answer: put `respond` before this "
                "step, or take the group out of `shares`"
            )
        known = sorted(there, key=lambda name: (-there[name], name))
        shown = ", ".join(f"{shorten(name, 30)} ({rows[name]:,})" for name in known[:SHOWN])
        near = nearest(group, known)
        raise RunStopped(
            f"{where}: no record has {by} {group!r}, which is to have a share of {share:.0%}; there "
            f"are: {shown or 'none'}; where a step before let all of it go, `factory report` shows which"
            f"{near if 'did you mean' in near else ''}"
        )

    @staticmethod
    def _bound(name: str, bound: Bound, shares: Mapping[str, float], where: str) -> dict[str, float]:
        if not isinstance(bound, dict):
            return dict.fromkeys(shares, bound)
        for group in bound:
            if group not in shares:
                raise RunStopped(
                    f"{where}: `{name}` names the group {group!r}, which no record has{nearest(group, list(shares))}"
                )
        return {group: bound.get(group, 0.0 if name == "minimum" else 1.0) for group in shares}
