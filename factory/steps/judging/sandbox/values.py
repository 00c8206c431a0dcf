"""Values that cross the wall of the sandbox: plain JSON."""

from __future__ import annotations

import json

from factory.steps.judging.sandbox.program import JSON

MOST = 1 << 20
"""Characters of a value as JSON, at the most."""


class NotPlain(Exception):
    """A value is no JSON, or too much of it."""


def plain(value: object) -> JSON:
    """A value as JSON gives it back: tuples are lists, keys are text.

    Raises:
        NotPlain: it is no JSON, or longer than a mebibyte.
    """
    try:
        said = json.dumps(value)
    except (TypeError, ValueError, RecursionError):
        raise NotPlain(f"it returned a {type(value).__name__}, which is no JSON") from None
    if len(said) > MOST:
        raise NotPlain(f"it returned {len(said):,} characters, more than {MOST:,}")
    return json.loads(said)
