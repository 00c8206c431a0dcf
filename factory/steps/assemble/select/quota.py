"""How many of each group: equal shares, what a small group leaves going to the others."""

from __future__ import annotations

from collections.abc import Mapping


def equal_quotas(counts: Mapping[str, int], size: int) -> dict[str, int]:
    """Quotas that sum to min(size, sum of counts), as equal as the counts allow (max-min fair).

    A group smaller than its share gives all it has, and the rest is shared among the others. What cannot be
    divided goes one each to the groups with most records, ties in the order of their names.
    """
    quotas: dict[str, int] = {}
    left = max(0, size)
    # Each share rounds down, so what cannot be divided is left to the groups that come last.
    groups = sorted(sorted(counts, reverse=True), key=lambda group: counts[group])
    for position, group in enumerate(groups):
        quotas[group] = min(counts[group], left // (len(groups) - position))
        left -= quotas[group]
    return quotas


def proportional_quotas(counts: Mapping[str, int], size: int) -> dict[str, int]:
    """Quotas that sum to min(size, sum of counts), each group's share of them that which it has of all.

    What cannot be divided goes to the largest remainders (Hamilton), of equals to the larger group, then in the order
    of the names.
    """
    total = sum(counts.values())
    size = min(max(0, size), total)
    quotas = {group: size * number // total if total else 0 for group, number in counts.items()}
    left = size - sum(quotas.values())
    by_remainder = sorted(
        counts, key=lambda group: (-(size * counts[group] % total if total else 0), -counts[group], group)
    )
    for group in by_remainder[:left]:
        quotas[group] += 1
    return quotas
