"""A checker that a model wrote, asked of an answer: Python code with `evaluate(response)`, run in the sandbox alone."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import NamedTuple

from factory.steps.judging.sandbox.program import Limits, Outcome, Program, Tier
from factory.steps.judging.sandbox.run import run_program
from factory.steps.judging.written.cross_validation import ENOUGH

FUNCTION = "evaluate"
LIMITS = Limits(seconds=5.0, memory=128 << 20)
"""Five seconds an answer, as AutoIF's published code gives."""


class Said(NamedTuple):
    """What one checker says of an answer: yes, no, or None and why it says nothing."""

    meets: bool | None
    why: str = ""


class Verdict(NamedTuple):
    """Whether an answer meets a requirement by its checkers, and how many of them say so.

    meets: None where no checker said anything; `found` then says why
    """

    meets: bool | None
    found: str


async def ask_checker(code: str, answer: str, tier: Tier = "first") -> Said:
    """What a checker says of an answer."""
    outcome = await run_program(Program(code, call=FUNCTION, arguments=(answer,)), tier, LIMITS)
    return read_outcome(outcome)


def read_outcome(outcome: Outcome) -> Said:
    """What an outcome says: only True and False are an answer, nothing that counts as one."""
    if not outcome.passed:
        return Said(None, f"{outcome.verdict}: {outcome.error}")
    if not isinstance(outcome.value, bool):
        return Said(None, f"it returned a {type(outcome.value).__name__} in place of True or False")
    return Said(outcome.value)


async def check_answer(checkers: Sequence[str], answer: str, tier: Tier = "first") -> Verdict:
    """Whether more than half of the checkers say that the answer meets the requirement; one that fails says no.

    Source: AutoIF (arXiv 2406.13542), section 3.3, which keeps a response of more than 0.5.
    """
    said = await asyncio.gather(*(ask_checker(code, answer, tier) for code in checkers))
    if all(one.meets is None for one in said):
        why = said[0].why if said else "there are none"
        return Verdict(None, f"none of its {len(said)} checkers says anything ({why})")
    yes = sum(one.meets is True for one in said)
    return Verdict(yes > ENOUGH * len(said), f"{yes} of {len(said)} checkers say yes")
