"""Runs programs in the sandbox: many at once, as many at a time as there are cores."""

from __future__ import annotations

import asyncio
import functools
import os
from concurrent.futures import ThreadPoolExecutor

from factory.steps.judging.sandbox.first import run_first
from factory.steps.judging.sandbox.program import Limits, Outcome, Program, Tier
from factory.steps.judging.sandbox.second import run_second

LIMITS = Limits()


@functools.cache
def _workers() -> ThreadPoolExecutor:
    # A thread waits for a process that does the work.
    return ThreadPoolExecutor(os.cpu_count() or 1, thread_name_prefix="factory-sandbox")


async def run_program(program: Program, tier: Tier, limits: Limits = LIMITS) -> Outcome:
    """Run a program in a tier of the sandbox: "first" (Monty, see `first.py`) or "second" (CPython, `second.py`).

    Where the machine has no second tier the outcome is "refused", with a sentence that says why. Nothing that a
    program does raises here. A program whose caller is cancelled runs on to its own end, within its limits.
    """
    runner = run_first if tier == "first" else run_second
    return await asyncio.get_running_loop().run_in_executor(_workers(), runner, program, limits)
