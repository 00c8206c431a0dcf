"""Repair one, repair all: a mend that was decided on one row, shown on all rows with the same fault, and applied."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from factory.api.dataset import Dataset
from factory.data.record import Event
from factory.data.table import Table

if TYPE_CHECKING:
    from factory.data.record import Record
    from factory.steps.clean.cleaning.repair import Preview


def preview_repair(
    data: Dataset | Table,
    rule: str | Sequence[str] = (),
    *,
    find: str = "",
    regex: str = "",
    replace: str | None = None,
    ignore_case: bool = False,
    roles: Sequence[str] = ("system", "user", "assistant"),
    show: int = 20,
) -> Preview:
    """How many rows a repair would change, and the first `show` changes with the text before and after.

    Args:
        rule: one or several rules of `clean` that mend, or groups of them
        find, regex: in place of rules: words, or a pattern as RE2 reads it, of which `replace` may take groups (\\1)
        replace: what stands in place of each; "" takes it out
        ignore_case: small letters and capitals are alike
        roles: whose turns are read, for `find` and `regex`

    Raises:
        RecipeError: there is no such rule, it has no certain mend, or the pattern is wrong.
    """
    from factory.steps.clean.cleaning.repair import preview, repair_rules

    names = (rule,) if isinstance(rule, str) else tuple(rule)
    chosen = repair_rules(
        names, find=find, regex=regex, replace=replace, ignore_case=ignore_case, roles=roles
    )
    return preview(_records(data), chosen, show)


def apply_repair(
    data: Dataset | Table,
    rule: str | Sequence[str] = (),
    *,
    find: str = "",
    regex: str = "",
    replace: str | None = None,
    ignore_case: bool = False,
    roles: Sequence[str] = ("system", "user", "assistant"),
) -> Table:
    """The rows with the repair that `preview_repair` shows, as a table; a repaired row keeps what it said before.

    Rows keep their ids and their order. See `preview_repair` for the arguments.

    Raises:
        RecipeError: as `preview_repair`.
    """
    from factory.steps.clean.cleaning.repair import REPAIR, repair_rules, repaired

    names = (rule,) if isinstance(rule, str) else tuple(rule)
    chosen = repair_rules(
        names, find=find, regex=regex, replace=replace, ignore_case=ignore_case, roles=roles
    )
    return Table.from_records(repaired(_records(data), chosen, Event(REPAIR, REPAIR)))


def _records(data: Dataset | Table) -> Iterable[Record]:
    return data.records() if isinstance(data, Table) else iter(data)
