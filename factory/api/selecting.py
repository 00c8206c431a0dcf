"""Choices of rows side by side, in a notebook."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, cast

from factory.data.run_manifest import BESIDE, OVERLAPS
from factory.report.as_text import AsText
from factory.report.page.facts import facts_lines
from factory.report.page.markup import Html, h
from factory.report.page.selection import LEAD, selection

if TYPE_CHECKING:
    from factory.api.dataset import Dataset

_STYLE = """
.factory-choices .scroll { overflow-x: auto; }
.factory-choices .grid { display: grid; grid-template-columns: repeat(auto-fill, minmax(280px, 1fr)); gap: 16px; }
.factory-choices .bars { list-style: none; margin: 0; padding: 0; display: grid; gap: 4px 10px;
  grid-template-columns: fit-content(60%) minmax(40px, 1fr) max-content; }
.factory-choices .bars li { display: grid; grid-column: 1 / -1; grid-template-columns: subgrid; align-items: center; }
.factory-choices svg.bar { display: block; width: 100%; height: 10px; }
.factory-choices rect.kept { fill: #4a8577; }
.factory-choices rect.plain { fill: #6c87ab; }
.factory-choices rect.band { fill: #8aa0bd55; }
"""
"""What the page's own sheet says of these parts, for a notebook, whose cells share one page."""


class Selections(AsText):
    """What methods of `select` would choose, side by side; a notebook draws it, elsewhere it is a table.

    rows: the table, a row for each choice, for random draws (their mean, and where chance ends), and for all records
    overlaps: what share of the rows of each choice each other one has
    """

    __slots__ = ("_facts",)

    def __init__(self, facts: dict[str, Any]) -> None:
        self._facts = facts

    @property
    def rows(self) -> list[dict[str, Any]]:
        """See the class."""
        return list(self._facts.get(BESIDE, ()))

    @property
    def overlaps(self) -> list[dict[str, Any]]:
        """See the class."""
        return list(self._facts.get(OVERLAPS, ()))

    def as_text(self) -> str:
        """What `factory select --compare` prints."""
        return "\n".join(facts_lines(self._facts))

    def _repr_html_(self) -> str:
        page = selection(self._facts, "choices")
        return h("div", h("style", Html(_STYLE)), h("p", LEAD), page, class_="factory-choices")


class Selecting:
    """Gives a `Dataset` what compares choices of its rows."""

    def compare_selections(
        self, methods: Sequence[str], *, size: int | None = None, seed: int = 0, **options: Any
    ) -> Selections:
        """What `select` would choose by each of these methods, beside random draws and the longest; nothing is dropped.

        Runs what is pending. The options are those of `select`.

        Raises:
            RecipeError: there is no such method or option.
            RunStopped: a method cannot choose from these records.
        """
        dataset = cast("Dataset", self)
        done = (
            dataset.run(seed=seed).then("select", compare=list(methods), size=size, **options).run(seed=seed)
        )
        assert done.progress is not None
        return Selections(dict(done.progress.steps[-1].facts))
