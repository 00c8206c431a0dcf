"""What a method that chooses rows is given, what it gives, and what it says of itself."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

import numpy as np

from factory.statistics.arrays import Floats, Ints, Rows
from factory.steps.assemble.select.blocks import HERE, Engine
from factory.steps.assemble.select.target import Aim

Need = Literal[
    "vectors",
    "score",
    "tags",
    "tag_vectors",
    "target",
    "target_vectors",
    "states",
    "examples",
    "losses",
    "path",
    "gradients",
]
"""A column of a `Pool` that is not always there."""


class TagLists(NamedTuple):
    """The tags of each row, as numbers: those of row i are `tags[starts[i] : starts[i + 1]]`, each once.

    starts: shape (rows + 1,)
    tags: shape (tags of all rows,)
    names: each tag's name, by its number, in order
    """

    starts: Ints
    tags: Ints
    names: Sequence[str]

    @property
    def counts(self) -> Ints:
        """How many tags each row has, shape (rows,)."""
        return np.diff(self.starts)

    def of(self, row: int) -> Ints:
        """The tags of one row."""
        return self.tags[self.starts[row] : self.starts[row + 1]]

    def take(self, rows: Ints) -> TagLists:
        """Those of some rows, in that order."""
        counts = self.counts[rows]
        starts = np.concatenate([[0], np.cumsum(counts)])
        places = np.arange(starts[-1]) + np.repeat(self.starts[rows] - starts[:-1], counts)
        return TagLists(starts, self.tags[places], self.names)

    @classmethod
    def read(cls, lists: Sequence[Sequence[str]]) -> TagLists:
        """Of lists of names; a name that stands twice in one counts once."""
        unique = [list(dict.fromkeys(names)) for names in lists]
        names = sorted({name for found in unique for name in found})
        number = {name: at for at, name in enumerate(names)}
        starts = np.concatenate([[0], np.cumsum([len(found) for found in unique], dtype=np.int64)])
        tags = np.array([number[name] for found in unique for name in found], np.int64)
        return cls(starts.astype(np.int64), tags, names)


@dataclass(frozen=True, slots=True)
class Pool:
    """The rows that can be chosen, in the order of their ids: a method takes the first of equals.

    So a choice does not depend on the order of the file, nor prefers its head. What a method did not ask for is None.

    lengths: tokens of the answer, shape (rows,)
    score: finite, the higher the better, not all equal, shape (rows,)
    vectors: of length 1, finite, shape (rows, dimensions)
    tag_vectors: one of length 1 for each name of `tags`
    languages, tasks: "" where a row has none
    aim: what is chosen for
    """

    lengths: Ints
    languages: Sequence[str]
    tasks: Sequence[str]
    score: Floats | None = None
    vectors: Rows | None = None
    tags: TagLists | None = None
    tag_vectors: Rows | None = None
    aim: Aim | None = None

    def __len__(self) -> int:
        return len(self.lengths)

    def take(self, rows: Ints) -> Pool:
        """Some of the rows, in that order."""
        return Pool(
            self.lengths[rows],
            [self.languages[row] for row in rows.tolist()],
            [self.tasks[row] for row in rows.tolist()],
            None if self.score is None else self.score[rows],
            None if self.vectors is None else self.vectors[rows],
            None if self.tags is None else self.tags.take(rows),
            self.tag_vectors,
            None if self.aim is None else self.aim.take(rows),
        )

    @property
    def known_score(self) -> Floats:
        """The score of a method that needs one."""
        assert self.score is not None
        return self.score

    @property
    def known_vectors(self) -> Rows:
        """The embeddings of a method that needs them."""
        assert self.vectors is not None
        return self.vectors

    @property
    def known_aim(self) -> Aim:
        """The aim of a method that needs one."""
        assert self.aim is not None
        return self.aim

    @property
    def known_tags(self) -> TagLists:
        """The tags of a method that needs them."""
        assert self.tags is not None
        return self.tags


@dataclass(frozen=True, slots=True)
class Settings:
    """The options of the methods; each takes those that it knows.

    clusters: of k-means, none: about the square root of half the rows
    length_floor, quality_floor: share of the shortest, and of the lowest scored, that is not chosen from
    neighbours: edges of a row in the graph of nearest neighbours
    threshold: cosine above which two rows are too close
    alpha: weight of quality beside diversity
    gamma: how fast a message fades with the distance
    engine: where what is done block by block is done
    """

    clusters: int | None = None
    length_floor: float = 0.1
    quality_floor: float = 0.1
    neighbours: int = 10
    threshold: float = 0.95
    alpha: float = 0.5
    gamma: float = 1.0
    engine: Engine = HERE


class Choice(NamedTuple):
    """What a method chose.

    rows: positions in the pool, none twice, in the order in which they were chosen
    facts: what is worth telling of the choice, as plain JSON
    why_fewer: a sentence where they are fewer than was asked for
    doubt: a sentence where the choice does not do what the method is for
    """

    rows: Ints
    facts: Mapping[str, Any] = {}
    why_fewer: str = ""
    doubt: str = ""


Pick = Callable[[Pool, int, np.random.Generator, Settings], Choice]
"""Choose so many rows of a pool, which has more than that; all chance comes from the generator.

Raises:
    FactoryError: the settings do not fit the pool.
"""


@dataclass(frozen=True, slots=True)
class Method:
    """A way to choose rows.

    needs: columns of the pool that it cannot do without
    takes: columns that it uses where they are there
    by: what it chooses by, in the words of `MEASURES` in `beside`: of these it is no news that a pick differs
    summary: what it does, in a line
    blocks: it works block by block, so that an engine may share the blocks out
    """

    pick: Pick
    summary: str
    needs: frozenset[Need] = frozenset()
    takes: frozenset[Need] = frozenset()
    by: frozenset[str] = field(default=frozenset())
    blocks: bool = False


def first_rows(order: Ints, size: int) -> Choice:
    """The first of the rows in this order."""
    return Choice(order[:size].astype(np.int64))


def scaled(values: Floats) -> Floats:
    """Numbers moved and stretched to 0 to 1; all 0 where they are all equal."""
    low, high = float(values.min()), float(values.max())
    return (values - low) / (high - low) if high > low else np.zeros_like(values)
