"""What is run in the sandbox, within which limits, and what came of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

Tier = Literal["first", "second"]
Verdict = Literal["passed", "failed", "raised", "timeout", "memory", "refused", "killed"]

JSON = Any
"""None, a bool, a number, a text, or lists and mappings of these."""


@dataclass(frozen=True, slots=True)
class Program:
    """Python code, and what is done with it once it has run.

    code: runs first
    tests: run next, in the code's namespace; an AssertionError in them is "failed"
    call, arguments: then the function of this name is called with these; what it returns is the outcome's value
    """

    code: str
    tests: str = ""
    call: str = ""
    arguments: tuple[JSON, ...] = ()

    def __post_init__(self) -> None:
        if self.call and not self.call.isidentifier():
            raise ValueError(f"{self.call!r} is no name of a function")


@dataclass(frozen=True, slots=True)
class Limits:
    """How much a program may take.

    seconds: by the clock; in the first tier for each of the code, its tests and the call
    memory: bytes; in the second tier of address space, of which an empty interpreter takes about 30 MiB
    output: bytes of what it prints that are kept; what is beyond is counted, and past 256 times as much it is ended
    files: bytes that it may write into its folder (second tier)
    """

    seconds: float = 5.0
    memory: int = 512 << 20
    output: int = 64 << 10
    files: int = 16 << 20

    @property
    def flood(self) -> int:
        """Bytes of output after which a program is ended."""
        return self.output * 256


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a program.

    verdict:
        "passed": it ran to its end, and so did its tests and the call
        "failed": an assertion of its tests does not hold
        "raised": it, or its tests or the call, raised something else, or ended itself
        "timeout", "memory": it took more than it may
        "refused": it was not run, or not to the end, since this tier cannot; `error` says why
        "killed": a signal ended it, such as one for a fault of memory, or it flooded its output
    value: what the call returned, as JSON gives it back (tuples are lists)
    error: one line, "" where it passed
    stdout: what it printed, as far as it was kept; `cut` counts the bytes that were not
    seconds: by the clock; no two runs have the same

    Whatever did not pass may have chosen for itself under which of these names: code can raise a TimeoutError.
    """

    verdict: Verdict
    tier: Tier
    value: JSON = None
    error: str = ""
    stdout: str = ""
    cut: int = 0
    seconds: float = 0.0

    @property
    def passed(self) -> bool:
        """Whether it ran to its end and all held."""
        return self.verdict == "passed"
