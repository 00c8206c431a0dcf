"""A semantic tree: the words of an instruction, each with its role and under what it belongs to."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Self

import orjson

from factory.data.record import Record
from factory.data.text import is_blank, shorten

COLUMN = "semantic_tree"
"""Under which name a record's `meta` keeps its tree."""

DEEPEST = 50
"""Of more levels no instruction is: what has more is a model that goes on for ever."""

ROLES = ("verb", "noun", "adjective", "adverb", "number", "other")
"""What a node's words are."""
_SPELLINGS: Mapping[str, str] = {
    **{role: role for role in ROLES},
    **dict.fromkeys(
        ("v", "verbs", "verb phrase", "vp", "action", "predicate", "root", "动词", "动作", "谓语"), "verb"
    ),
    **dict.fromkeys(
        (
            "n",
            "nouns",
            "noun phrase",
            "np",
            "proper noun",
            "pronoun",
            "object",
            "subject",
            "名词",
            "宾语",
            "主语",
            "代词",
        ),
        "noun",
    ),
    **dict.fromkeys(("adj", "adjectives", "modifier", "attribute", "形容词", "定语"), "adjective"),
    **dict.fromkeys(("adv", "adverbs", "adverbial", "副词", "状语"), "adverb"),
    **dict.fromkeys(("num", "numeral", "quantity", "数词", "数量", "数字"), "number"),
    **dict.fromkeys(
        ("preposition", "conjunction", "determiner", "particle", "其他", "其它", "介词", "连词"), "other"
    ),
}


class BadTree(ValueError):
    """What is written is no tree: says why in words."""


class Written(NamedTuple):
    """A node as it is written, behind the one that it stands under: its level is one more; 1 of the root."""

    level: int
    words: str
    role: str


class Node(NamedTuple):
    """A node: its words and role, the index of its parent (-1 of the root), and whether it was added."""

    words: str
    role: str
    parent: int
    added: bool = False


@dataclass(frozen=True, slots=True)
class SemanticTree:
    """Nodes in an order in which each stands behind its parent; the first is the root."""

    nodes: tuple[Node, ...]

    def __len__(self) -> int:
        return len(self.nodes)

    @property
    def added(self) -> tuple[Node, ...]:
        """The nodes that were added, in order."""
        return tuple(node for node in self.nodes if node.added)

    @property
    def depth(self) -> int:
        """How many nodes stand on the longest way from the root down."""
        depths: list[int] = []
        for node in self.nodes:
            depths.append(1 if node.parent < 0 else depths[node.parent] + 1)
        return max(depths, default=0)

    def children(self, index: int) -> list[int]:
        """The indices of the nodes right under one."""
        return [at for at, node in enumerate(self.nodes) if node.parent == index]

    def with_added(self, nodes: Sequence[Node]) -> Self:
        """This tree with further nodes behind its own; each names its parent by index."""
        return type(self)((*self.nodes, *(node._replace(added=True) for node in nodes)))

    def as_json(self) -> dict[str, Any]:
        """Plain JSON: `words`, `role`, `added` where it was, and `children`."""

        parts: list[dict[str, Any]] = []
        for node in self.nodes:
            part: dict[str, Any] = {"words": node.words, "role": node.role}
            parts.append({**part, "added": True, "children": []} if node.added else {**part, "children": []})
            if node.parent >= 0:
                parts[node.parent]["children"].append(parts[-1])
        return parts[0]

    @classmethod
    def from_json(cls, data: object) -> Self:
        """The tree that `as_json` wrote: the same nodes, each right behind its parent or its elder sibling's branch.

        Raises:
            BadTree: it is none.
        """
        nodes: list[Node] = []
        waiting = [(data, -1)]
        while waiting:
            part, parent = waiting.pop()
            if not isinstance(part, Mapping) or not isinstance(part.get("words"), str):
                raise BadTree("a node is a mapping with words")
            role, children = part.get("role"), part.get("children", [])
            if not isinstance(role, str) or not isinstance(children, Sequence) or isinstance(children, str):
                raise BadTree("a node has a role and a list of children")
            nodes.append(Node(part["words"], role, parent, part.get("added") is True))
            waiting += [(child, len(nodes) - 1) for child in reversed(children)]
        return cls(tuple(nodes))

    def lines(self, most: int | None = None) -> Iterator[str]:
        """The tree drawn with branches, a node a line, so many at the most; + before one that was added."""
        # Depth first, without calls within calls: a tree may be as deep as it has nodes.
        waiting: list[tuple[int, str, str]] = [(0, "", "")] if self.nodes else []
        drawn = 0
        while waiting:
            if drawn == most:
                yield f"and {len(self) - drawn} nodes more"
                return
            at, before, below = waiting.pop()
            drawn += 1
            node = self.nodes[at]
            yield f"{before}{'+ ' if node.added else ''}{node.words} ({node.role})"
            children = self.children(at)
            for number, child in reversed(list(enumerate(children))):
                last = number == len(children) - 1
                waiting.append(
                    (child, below + ("└─ " if last else "├─ "), below + ("   " if last else "│  "))
                )

    def numbered(self) -> str:
        """The tree as a model is shown it that adds to it: a node a line with its number, words, role and level."""
        lines: list[str] = []
        levels: list[int] = []
        for node in self.nodes:
            levels.append(levels[node.parent] + 1 if node.parent >= 0 else 0)
            lines.append(f"{'  ' * levels[-1]}{len(levels)} {node.words} ({node.role})")
        return "\n".join(lines)


def role_of(spelled: str) -> str | None:
    """The role that a model means, in English or Chinese; None where it is none."""
    return _SPELLINGS.get(spelled.strip().strip(".。").casefold())


def build_tree(written: Sequence[Written]) -> SemanticTree:
    """The tree of nodes that a model wrote.

    Raises:
        BadTree: there is no node, the first is no root or another one is, a level is left out or beyond `DEEPEST`, or a
            node has no words or an unknown role.
    """
    if not written:
        raise BadTree("it has no node")
    nodes: list[Node] = []
    branch: list[int] = []  # the indices of the nodes above the one that comes next
    for number, node in enumerate(written, start=1):
        role = role_of(node.role)
        if node.level < 1:
            raise BadTree(f"node {number} is on level {node.level}, and 1 is the first")
        if node.level == 1 and nodes:
            raise BadTree(f"node {number} is a second root")
        if node.level > len(branch) + 1:
            raise BadTree(
                f"node {number} is on level {node.level}, and nothing before it on level {node.level - 1}"
            )
        if node.level > DEEPEST:
            raise BadTree(f"it has more than {DEEPEST} levels")
        if is_blank(node.words):
            raise BadTree(f"node {number} has no words")
        if role is None:
            raise BadTree(f"node {number} has the unknown role {shorten(node.role, 40)!r}")
        del branch[node.level - 1 :]
        nodes.append(Node(" ".join(node.words.split()), role, branch[-1] if branch else -1))
        branch.append(len(nodes) - 1)
    return SemanticTree(tuple(nodes))


def tree_of(record: Record) -> SemanticTree | None:
    """The semantic tree that the step `tree` left on a record; None where it has none."""
    kept = record.meta.get(COLUMN)
    try:
        # An export that carries it writes it as JSON text.
        return SemanticTree.from_json(orjson.loads(kept) if isinstance(kept, str) else kept)
    except (BadTree, orjson.JSONDecodeError):
        return None


def draw_tree(record: Record) -> str:
    """A record's semantic tree as text, "" where it has none."""
    tree = tree_of(record)
    return "\n".join(tree.lines()) if tree is not None else ""
