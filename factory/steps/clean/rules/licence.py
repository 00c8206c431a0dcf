"""The rule about licences: rows whose licence is not allowed."""

from __future__ import annotations

import fnmatch
from collections.abc import Iterator

from factory.data.formats.licenses import license_id
from factory.steps.clean.rules.rule import RecordRule
from factory.steps.clean.rules.view import View


def license_of(view: View) -> str:
    """A row's licence as the Hub spells it; "" where none is named."""
    record = view.record
    named = record.license or next(
        (str(record.meta[name]) for name in ("license", "licence") if record.meta.get(name)), ""
    )
    return license_id(named)


def _denied(view: View) -> Iterator[str]:
    wanted = view.settings.get("licenses")
    if not wanted:
        return
    found = license_of(view)
    allow, deny = wanted.get("allow") or (), wanted.get("deny") or ()
    if not found:
        if allow:
            yield "no licence is named"
        return
    if any(_fits(found, pattern) for pattern in deny):
        yield f"{found} is denied"
    elif allow and not any(_fits(found, pattern) for pattern in allow):
        yield f"{found} is not among those allowed"


def _fits(found: str, pattern: str) -> bool:
    """Whether a licence is the one named, in any spelling, or fits a pattern such as "cc-by-nc*"."""
    if "*" in pattern or "?" in pattern:
        return fnmatch.fnmatchcase(found, pattern.strip().lower())
    return found == license_id(pattern)


RULES = (
    RecordRule(
        "license_denied",
        "licence",
        "A row whose licence the profile's `licenses` denies, or does not allow.",
        _denied,
    ),
)
