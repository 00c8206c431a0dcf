"""The process of a verifier, seen from inside: reads a job a line, writes what came of it a line.

Formulas are read by math-verify's LaTeX grammar alone: its other reading hands text to Python's `eval`, and is not
used.
"""

from __future__ import annotations

import json
import logging
import os
import signal
import sys
from collections.abc import Callable
from typing import Any

MEMORY = 2 << 30
"""Bytes of address space that a job may take."""
MOST_ERRORS = 3
_KEPT = 300


def main() -> None:
    """Do the jobs on standard input until it ends."""
    # Nothing that a library prints gets between the replies.
    replies = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    logging.disable(logging.CRITICAL)
    for line in sys.stdin.buffer:
        job = json.loads(line)
        seconds = float(job["seconds"])
        try:
            # Should the parent be gone, the kernel ends a job that hangs: its default deed, which no library can catch.
            signal.signal(signal.SIGALRM, signal.SIG_DFL)
            signal.setitimer(signal.ITIMER_REAL, 2 * seconds + 60 if job["task"] == "load" else seconds)
            told = _TASKS[job["task"]](job)
        except MemoryError:
            told = {"error": "memory"}
        except RecursionError:
            told = {"error": "it is nested too deeply"}
        except Exception as error:
            told = {"error": f"{type(error).__name__}: {error}"[:_KEPT]}
        signal.setitimer(signal.ITIMER_REAL, 0)
        replies.write(json.dumps(told) + "\n")
        replies.flush()


def _load(job: dict[str, Any]) -> dict[str, Any]:
    """Import what a kind of job needs, which takes longer than the job."""
    if job["kind"] == "formula":
        import math_verify  # noqa: F401
    else:
        import jsonschema  # noqa: F401
    _bound_memory()
    return {}


def _bound_memory() -> None:
    import resource

    hard = resource.getrlimit(resource.RLIMIT_AS)[1]
    most = MEMORY if hard == resource.RLIM_INFINITY else min(MEMORY, hard)
    resource.setrlimit(resource.RLIMIT_AS, (most, hard))


def _formula(job: dict[str, Any]) -> dict[str, Any]:
    """Whether two formulas are the same: {"gold": read, "answer": read, "equal": ...}."""
    from math_verify import LatexExtractionConfig, parse, verify

    def read(said: str) -> list[Any]:
        config = [LatexExtractionConfig()]
        found = parse(f"${said}$", config, fallback_mode="no_fallback", parsing_timeout=None)
        return list(found)

    gold = read(job["gold"])
    answer = read(job["answer"]) if gold else []
    equal = bool(gold and answer) and verify(gold, answer, timeout_seconds=None)
    return {"gold": bool(gold), "answer": bool(answer), "equal": bool(equal)}


def _schema(job: dict[str, Any]) -> dict[str, Any]:
    """Where a value does not fit a JSON schema: {"errors": [...]}, or {"bad_schema": why} where that is none."""
    import jsonschema
    from referencing import Registry

    schema, value = job["schema"], job["value"]
    kind = jsonschema.validators.validator_for(schema, default=jsonschema.Draft202012Validator)
    try:
        kind.check_schema(schema)
    except jsonschema.SchemaError as error:
        return {"bad_schema": error.message[:_KEPT]}
    # An empty registry: a `$ref` to an address is an error, and never fetched.
    validator = kind(schema, registry=Registry())
    errors = []
    try:
        for flaw in validator.iter_errors(value):
            errors.append({"at": flaw.json_path[:_KEPT], "said": flaw.message[:_KEPT]})
            if len(errors) == MOST_ERRORS:
                break
    except Exception as error:
        if type(error).__name__ in ("_WrappedReferencingError", "Unresolvable", "PointerToNowhere", "error"):
            return {"bad_schema": f"{error}"[:_KEPT]}
        raise
    return {"errors": errors}


_TASKS: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
    "load": _load,
    "formula": _formula,
    "schema": _schema,
}
