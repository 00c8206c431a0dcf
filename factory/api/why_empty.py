"""Why a set has no record, where it has none."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from factory.data.record import IN_REFERENCE
from factory.report.plain import counts

if TYPE_CHECKING:
    import pyarrow as pa


def why_empty(dropped: pa.Table) -> str:
    """Why no record is left, and what to do about it; `dropped` holds those that were let go."""
    kinds: Counter[str] = Counter()
    known = failed = 0
    for drop in dropped.column("dropped").to_pylist():
        kinds[drop["kind"]] += 1
        failed += drop["failed"]
        known += dict(drop["numbers"] or ()).keys() >= IN_REFERENCE.keys()
    total, unread = kinds.total(), kinds["bad_row"]
    if not total:
        return "there was none to begin with"
    if unread == total:
        return f"none of the {total:,} rows could be read: mend them first"
    rows = f" ({unread:,} rows could not be read)" if unread else ""
    if known + unread == total:
        return f"all {known:,} records are in the reference: nothing is new{rows}"
    among = f"; {known:,} are in the reference" if known else ""
    mend = "mend what made them fail" if failed == total else "loosen the steps that dropped them"
    return f"all {total:,} were let go ({counts(kinds)}{among}): {mend}"
