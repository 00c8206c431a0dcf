"""A semantic tree: the words of an instruction, each with its role and under what it belongs to."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Self

from factory.data.record import Record

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
    """A node as it is written: its number, and its parent's, 0 of the root."""

    number: int
    words: str
    role: str
    parent: int


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
        """The tree that `as_json` wrote: the same nodes, each level behind the one above it.

        Raises:
            BadTree: it is none.
        """
        nodes: list[Node] = []
        waiting = [(data, -1)]
        for part, parent in waiting:
            if not isinstance(part, Mapping) or not isinstance(part.get("words"), str):
                raise BadTree("a node is a mapping with words")
            role, children = part.get("role"), part.get("children", [])
            if not isinstance(role, str) or not isinstance(children, Sequence) or isinstance(children, str):
                raise BadTree("a node has a role and a list of children")
            nodes.append(Node(part["words"], role, parent, part.get("added") is True))
            waiting += [(child, len(nodes) - 1) for child in children]
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
        """The tree as a model is shown it: a node a line with its number, words, role and parent's number."""
        return "\n".join(
            f"{'+' if node.added else ''}{at} {node.words} ({node.role}, {node.parent + 1})"
            for at, node in enumerate(self.nodes, start=1)
        )


def role_of(spelled: str) -> str | None:
    """The role that a model means, in English or Chinese; None where it is none."""
    return _SPELLINGS.get(spelled.strip().strip(".。").casefold())


def build_tree(written: Sequence[Written]) -> SemanticTree:
    """The tree of nodes that a model wrote, in any order.

    Raises:
        BadTree: there is no node, a number stands twice, there is not one root, a parent is not there, nodes stand
            under one another in a ring or deeper than `DEEPEST`, or a node has no words or an unknown role.
    """
    if not written:
        raise BadTree("it has no node")
    by_number = {node.number: node for node in written}
    if len(by_number) < len(written):
        raise BadTree("two nodes have one number")
    roots = [node for node in written if node.parent == 0]
    if len(roots) != 1:
        raise BadTree(f"it has {len(roots)} roots in place of one")
    for node in written:
        if not node.words.strip():
            raise BadTree(f"node {node.number} has no words")
        if role_of(node.role) is None:
            raise BadTree(f"node {node.number} has the unknown role {node.role!r}")
        if node.parent != 0 and node.parent not in by_number:
            raise BadTree(f"node {node.number} stands under node {node.parent}, which is not there")
    under: dict[int, list[Written]] = {}
    for node in written:
        under.setdefault(node.parent, []).append(node)
    nodes: list[Node] = []
    waiting = [(roots[0], -1)]
    for node, parent in waiting:
        nodes.append(Node(" ".join(node.words.split()), role_of(node.role) or "other", parent))
        waiting += [(child, len(nodes) - 1) for child in under.get(node.number, ())]
    if len(nodes) < len(written):
        raise BadTree("some of its nodes stand under one another in a ring")
    tree = SemanticTree(tuple(nodes))
    if tree.depth > DEEPEST:
        raise BadTree(f"it is {tree.depth} levels deep, and {DEEPEST} are the most")
    return tree


def tree_of(record: Record) -> SemanticTree | None:
    """The semantic tree that the step `tree` left on a record; None where it has none."""
    try:
        return SemanticTree.from_json(record.meta.get(COLUMN))
    except BadTree:
        return None


def draw_tree(record: Record) -> str:
    """A record's semantic tree as text, "" where it has none."""
    tree = tree_of(record)
    return "\n".join(tree.lines()) if tree is not None else ""
