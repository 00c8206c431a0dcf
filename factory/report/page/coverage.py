"""What of the documents is in the set, as a page shows it: bars, why parts have no row, a table of files."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from factory.report.coverage import COVERAGE, MEASURES, FileCoverage, Part
from factory.report.page.charts import bar_list, stacked_bar
from factory.report.page.facts import fact_table
from factory.report.page.markup import Html, h, join
from factory.report.plain import count

LEAD = (
    "What of the documents has a row in the set. A chunk or a fact counts where a kept row rests on words of it, a "
    "heading or a page where a chunk below or on it does."
)


def coverage_section(files: Sequence[FileCoverage]) -> Html:
    """Bars of what is covered, the reasons for what is not, and a row for each file; nothing without documents."""
    if not files:
        return join()
    lines = []
    for name in MEASURES:
        parts = [one.parts.get(name, Part()) for one in files]
        there, covered = sum(part.there for part in parts), sum(part.covered for part in parts)
        if there:
            bar = stacked_bar([("kept", covered), ("band", there - covered)], there)
            number = f"{count(covered)} of {count(there)}, {covered / there:.0%}"
            lines.append(h("li", h("span", name, class_="label"), bar, h("span", number, class_="number")))
    why: Counter[str] = Counter()
    for one in files:
        why.update(one.why)
    cards = [h("div", h("h3", "with a row"), h("ul", *lines, class_="bars"), class_="card")]
    if why:
        cards.append(
            h("div", h("h3", "why chunks, or files, have none"), bar_list(why), class_="card"),
        )
    worst = sorted(files, key=lambda one: (_share(one), one.file))
    rows = [
        {
            "file": one.file,
            "rows": one.rows,
            **{name: _of(one.parts.get(name, Part())) for name in MEASURES},
            "why chunks have none": ", ".join(f"{kind} {number:,}" for kind, number in one.why.most_common()),
        }
        for one in worst
    ]
    table = fact_table(f"each file, the least covered first ({COVERAGE} has all)", rows)
    return join(
        h("p", LEAD, class_="lead"), h("div", *cards, class_="grid"), h("div", table, class_="card wide")
    )


def _share(one: FileCoverage) -> float:
    part = one.parts.get("chunks", Part())
    return part.covered / part.there if part.there else 0.0


def _of(part: Part) -> str:
    return f"{count(part.covered)} of {count(part.there)}" if part.there else ""
