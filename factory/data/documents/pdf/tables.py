"""Tables from the rules that are drawn around their cells: lines that cross make a grid, and a grid is a table."""

from __future__ import annotations

from bisect import bisect_right
from typing import NamedTuple

_THIN = 3.0  # points: what is thinner is a rule
_LONG = 6.0  # points: what is longer is one
_NEAR = 3.0  # points that rules may lie apart and meet
_MOST_CELLS = 5000


class Box(NamedTuple):
    """A rectangle in points from the lower left corner of the page."""

    left: float
    bottom: float
    right: float
    top: float

    def touches(self, other: Box) -> bool:
        """Whether the two overlap or lie `_NEAR` each other."""
        return (
            self.left <= other.right + _NEAR
            and other.left <= self.right + _NEAR
            and self.bottom <= other.top + _NEAR
            and other.bottom <= self.top + _NEAR
        )

    def holds(self, x: float, y: float) -> bool:
        """Whether a point lies in it."""
        return self.left <= x <= self.right and self.bottom <= y <= self.top

    def inside(self, other: Box) -> bool:
        """Whether it lies in another, and is not about all of it."""
        width, height = other.right - other.left, other.top - other.bottom
        whole = self.right - self.left > 0.95 * width and self.top - self.bottom > 0.9 * height
        return not whole and other.touches(self)


class Grid(NamedTuple):
    """Where the rules of a table lie: `xs` from left to right, `ys` from the lowest up."""

    xs: list[float]
    ys: list[float]

    @property
    def columns(self) -> int:
        """How many columns it has."""
        return len(self.xs) - 1

    @property
    def rows(self) -> int:
        """How many rows it has."""
        return len(self.ys) - 1

    @property
    def box(self) -> Box:
        """What it encloses."""
        return Box(self.xs[0], self.ys[0], self.xs[-1], self.ys[-1])

    def cell(self, x: float, y: float) -> tuple[int, int]:
        """Row (from the top) and column of a point in it."""
        row = self.rows - min(max(bisect_right(self.ys, y), 1), self.rows)
        return row, min(max(bisect_right(self.xs, x), 1), self.columns) - 1


def find_grids(boxes: list[Box]) -> list[Grid]:
    """The tables that lines and rectangles draw: rules that meet, in at least two rows and two columns."""
    across: list[Box] = []
    down: list[Box] = []
    for box in boxes:
        width, height = box.right - box.left, box.top - box.bottom
        if height <= _THIN and width >= _LONG:
            across.append(box)
        elif width <= _THIN and height >= _LONG:
            down.append(box)
        elif width >= _LONG and height >= _LONG:  # a cell's frame: its four edges
            across += [box._replace(top=box.bottom), box._replace(bottom=box.top)]
            down += [box._replace(right=box.left), box._replace(left=box.right)]
    if len(across) < 3 or len(down) < 3 or len(across) * len(down) > 4_000_000:
        return []
    grids = []
    for group in _meeting(across, down):
        xs = _places([x for box in group.down for x in (box.left, box.right)])
        ys = _places([y for box in group.across for y in (box.bottom, box.top)])
        if len(xs) > 2 and len(ys) > 2 and len(xs) * len(ys) <= _MOST_CELLS:
            grids.append(Grid(xs, ys))
    return grids


class _Group(NamedTuple):
    across: list[Box]
    down: list[Box]


def _meeting(across: list[Box], down: list[Box]) -> list[_Group]:
    """Rules that meet, directly or by others."""
    parent = list(range(len(across) + len(down)))

    def root(at: int) -> int:
        while parent[at] != at:
            parent[at] = parent[parent[at]]
            at = parent[at]
        return at

    for first, rule in enumerate(across):
        for second, post in enumerate(down, len(across)):
            if rule.touches(post):
                parent[root(first)] = root(second)
    groups: dict[int, _Group] = {}
    for at, box in enumerate([*across, *down]):
        group = groups.setdefault(root(at), _Group([], []))
        (group.across if at < len(across) else group.down).append(box)
    return [group for group in groups.values() if group.across and group.down]


def _places(values: list[float]) -> list[float]:
    """Values in order, those that lie near each other as one."""
    found: list[float] = []
    for value in sorted(values):
        if not found or value - found[-1] > _NEAR:
            found.append(value)
    return found
