"""AutoIF's cross-validation: functions and cases that a model wrote are kept where enough of the others agree."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

ENOUGH = 0.5
"""The share that must be exceeded, of functions for a case and of cases for a function."""


@dataclass(frozen=True, slots=True)
class CrossValidated:
    """What is left, as places in what was given, in order.

    functions, cases: those kept; none where `reason` is not ""
    shares: of each function kept, the share of the kept cases that it gets right
    reason: why nothing is kept: "no_function" (none runs), "no_case" (the functions agree with none), "one_sided" (the
        cases left all meet the requirement, or none does) or "no_agreement" (no function gets enough of them right)
    """

    functions: tuple[int, ...] = ()
    cases: tuple[int, ...] = ()
    shares: tuple[float, ...] = ()
    reason: str = ""


def cross_validate(
    said: Sequence[Sequence[bool | None]], meets: Sequence[bool], enough: float = ENOUGH
) -> CrossValidated:
    """Keep the cases that more than `enough` of the functions get right, then the functions that get more than
    `enough` of those cases right.

    A function that says nothing of any case does not run, and counts no more; one that says nothing of a case (it
    raised, or took too long) gets it wrong.

    Beside the paper's four criteria the cases that are left must be of both kinds: where all meet the requirement, a
    function that always says yes would be kept.

    Args:
        said: for each function, what it says of each case; None where it says nothing
        meets: for each case, whether it is to meet the requirement

    Source: AutoIF (arXiv 2406.13542), section 3.2. The published code lets a case count that one function gets right,
    and asks 0.8 of a function; the paper's 0.5 holds here for both.
    """
    running = [at for at, row in enumerate(said) if any(one is not None for one in row)]
    if not running:
        return CrossValidated(reason="no_function")
    cases = [
        case
        for case, right in enumerate(meets)
        if sum(said[at][case] is right for at in running) > enough * len(running)
    ]
    if not cases:
        return CrossValidated(reason="no_case")
    if len({meets[case] for case in cases}) < 2:
        return CrossValidated(reason="one_sided")
    shares = {at: sum(said[at][case] is meets[case] for case in cases) / len(cases) for at in running}
    functions = [at for at in running if shares[at] > enough]
    if not functions:
        return CrossValidated(reason="no_agreement")
    return CrossValidated(tuple(functions), tuple(cases), tuple(shares[at] for at in functions))
