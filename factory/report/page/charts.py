"""Small charts as inline SVG: bars that share a scale, columns of a distribution."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from factory.report.page.markup import Html, h
from factory.report.plain import count

if TYPE_CHECKING:
    from numpy.typing import NDArray

MOST_BARS = 10
MOST_VALUES = 11
"""Up to this many different values each get a column of their own; more are put into bins."""
BINS = 20
WIDTH, HEIGHT = 264, 84
GAP = 0.16
FEWEST_SLOTS = 8


def stacked_bar(parts: Sequence[tuple[str, int]], whole: int) -> Html:
    """One horizontal bar: parts as (class, number), on a scale where `whole` is the full width."""
    rects, x = [], 0.0
    for kind, number in parts:
        width = 100 * number / whole if whole else 0.0
        if width:
            rects.append(
                h("rect", class_=kind, x=f"{x:.3f}", y="0", width=f"{max(width, 0.25):.3f}", height="1")
            )
        x += width
    return h("svg", *rects, class_="bar", viewBox="0 0 100 1", preserveAspectRatio="none", aria_hidden="true")


def bar_list(counts: Mapping[str, int], *, in_order: bool = False) -> Html:
    """Counts as labelled bars, the largest first or in their order; what is past the tenth is summed up.

    The sum has no bar: of a long tail it would make every other bar a dot.
    """
    items = list(counts.items())
    if not in_order:
        items.sort(key=lambda item: (-item[1], item[0]))
    total = sum(counts.values())
    rest = items[MOST_BARS:]
    shown = [(label, number, number) for label, number in items[:MOST_BARS]]
    widest = max((number for _, number, _ in shown), default=0)
    if rest:
        shown.append((f"{count(len(rest))} others", sum(number for _, number in rest), 0))
    rows = [
        h(
            "li",
            h("span", label or "(none)", class_="label", dir="auto", title=label or None),
            stacked_bar([("plain", bar)], widest),
            h("span", count(number), class_="number", title=f"{number / total:.1%}" if total else None),
        )
        for label, number, bar in shown
    ]
    return h("ul", *rows, class_="bars")


def distribution(values: NDArray[np.float64]) -> Html:
    """The distribution of a number: a column for each value where they are few, else equal bins."""
    if not len(values):
        return h("p", "no values", class_="soft")
    low, high = float(values.min()), float(values.max())
    if high - low <= 1e-9 * max(abs(low), abs(high)):
        values = np.full(len(values), low)  # numbers that differ by rounding alone have no bins between them
    different, numbers = np.unique(values, return_counts=True)
    if len(different) <= MOST_VALUES:
        labels = [f"{value:.4g}" for value in different]
        return _columns(numbers, labels, labels)
    numbers, edges = np.histogram(values, bins=BINS)
    names = [f"{low:.3g} to {high:.3g}" for low, high in itertools.pairwise(edges)]
    return _columns(numbers, names, [f"{edges[0]:.3g}", *[""] * (BINS - 2), f"{edges[-1]:.3g}"])


def length_distribution(words: NDArray[np.int64]) -> Html:
    """The distribution of lengths; each column spans twice the one before: 1, 2 to 3, 4 to 7, ..."""
    if not len(words):
        return h("p", "no text", class_="soft")
    powers = np.floor(np.log2(np.maximum(words, 1))).astype(np.int64)
    first, last = int(powers.min()), int(powers.max())
    numbers = np.bincount(powers - first, minlength=last - first + 1)
    starts = [1 << power for power in range(first, last + 1)]
    names = [f"{count(start)} to {count(2 * start - 1)} words" for start in starts]
    return _columns(numbers, names, [str(s) if s < 1024 else f"{s // 1024}k" for s in starts])


def _columns(numbers: NDArray[np.int64], names: Sequence[str], labels: Sequence[str]) -> Html:
    """Columns from the left, each with its label below it and its name and number to hover over."""
    # Few columns keep to a modest width, so that two values do not look like two walls.
    slot = WIDTH / max(len(numbers), FEWEST_SLOTS)
    highest = int(numbers.max())
    columns = []
    for at, (number, name, label) in enumerate(zip(numbers.tolist(), names, labels, strict=True)):
        tall = max(HEIGHT * number / highest, 1.0 if number else 0.0)
        x = at * slot
        # The labels of narrow columns stand at the chart's two ends only, and stay inside it.
        end = None if slot >= WIDTH / MOST_VALUES else "first" if at == 0 else "last"
        label_x = {None: x + slot / 2, "first": 0.0, "last": float(WIDTH)}[end]
        columns.append(
            h(
                "g",
                h("title", f"{name}: {count(number)}"),
                _rect(x + GAP * slot / 2, HEIGHT - tall, slot * (1 - GAP), tall, "plain"),
                _rect(x, 0, slot, HEIGHT, "touch"),
                h("text", label, class_=end, x=f"{label_x:.2f}", y=f"{HEIGHT + 14}") if label else "",
            )
        )
    ground = _rect(0, HEIGHT, WIDTH, 0.7, "ground")
    return h("svg", *columns, ground, class_="columns", viewBox=f"0 0 {WIDTH} {HEIGHT + 20}", role="img")


def _rect(x: float, y: float, width: float, height: float, kind: str) -> Html:
    return h("rect", class_=kind, x=f"{x:.2f}", y=f"{y:.2f}", width=f"{width:.2f}", height=f"{height:.2f}")
