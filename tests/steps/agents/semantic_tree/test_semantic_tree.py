"""Semantic trees: built, grown, drawn, kept; and what is no tree."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from factory.data.record import new_record
from factory.steps.agents.semantic_tree.tree import (
    COLUMN,
    DEEPEST,
    ROLES,
    BadTree,
    Node,
    SemanticTree,
    Written,
    build_tree,
    draw_tree,
    role_of,
    tree_of,
)

SEA = build_tree(
    [Written(1, "Explain", "verb", 0), Written(2, "sea", "noun", 1), Written(3, "salty", "adjective", 2)]
)


@st.composite
def written(draw: Any) -> list[Written]:
    """Any tree, its nodes numbered and ordered at will."""
    size = draw(st.integers(1, 12))
    numbers = draw(st.permutations(range(1, size + 1)))
    words = st.text(min_size=1, max_size=6).filter(str.strip)
    nodes = []
    for at in range(size):
        parent = numbers[draw(st.integers(0, at - 1))] if at else 0
        nodes.append(Written(numbers[at], draw(words), draw(st.sampled_from(ROLES)), parent))
    return list(draw(st.permutations(nodes)))


@given(written())
def test_a_tree_has_each_node_that_was_written_once_under_its_parent(nodes: list[Written]) -> None:
    tree = build_tree(nodes)
    words = {node.number: " ".join(node.words.split()) for node in nodes}
    wanted = Counter((words[n.number], n.role, words.get(n.parent, "")) for n in nodes)
    parents = ["" if n.parent < 0 else tree.nodes[n.parent].words for n in tree.nodes]
    assert Counter((n.words, n.role, above) for n, above in zip(tree.nodes, parents, strict=True)) == wanted
    assert all(node.parent < at for at, node in enumerate(tree.nodes))
    assert 1 <= tree.depth <= len(tree)


@given(written(), st.integers(0, 3))
def test_a_tree_goes_through_json_and_back_whole(nodes: list[Written], more: int) -> None:
    tree = build_tree(nodes)
    tree = tree.with_added([Node(f"new {n}", "noun", 0) for n in range(more)])
    again = SemanticTree.from_json(tree.as_json())
    assert again.as_json() == tree.as_json()
    assert (len(again), len(again.added), again.depth) == (len(tree), more, tree.depth)


@given(written())
def test_a_drawing_has_a_line_for_each_node(nodes: list[Written]) -> None:
    tree = build_tree([node._replace(words=f"w{node.number}") for node in nodes])
    lines = list(tree.lines())
    assert len(lines) == len(tree)
    assert sorted(line.split(" (")[0].split(" ")[-1] for line in lines) == sorted(n.words for n in tree.nodes)


def test_a_tree_is_drawn_with_branches_and_new_nodes_are_marked() -> None:
    grown = SEA.with_added([Node("rivers", "noun", 1), Node("compare", "verb", 0)])
    assert list(grown.lines()) == [
        "Explain (verb)",
        "├─ sea (noun)",
        "│  ├─ salty (adjective)",
        "│  └─ + rivers (noun)",
        "└─ + compare (verb)",
    ]
    assert list(grown.lines(most=2)) == ["Explain (verb)", "├─ sea (noun)", "and 3 nodes more"]
    assert grown.numbered().splitlines()[-1] == "+5 compare (verb, 1)"


@pytest.mark.parametrize(
    ("nodes", "said"),
    [
        ([], "no node"),
        ([(1, "a", "verb", 0), (1, "b", "noun", 1)], "two nodes have one number"),
        ([(1, "a", "verb", 0), (2, "b", "noun", 0)], "2 roots"),
        ([(1, "a", "verb", 2), (2, "b", "noun", 1)], "0 roots"),
        ([(1, "a", "verb", 0), (2, "b", "noun", 3), (3, "c", "noun", 2)], "in a ring"),
        ([(1, "a", "verb", 0), (2, "b", "noun", 2)], "in a ring"),
        ([(1, "a", "verb", 0), (2, "b", "noun", 9)], "under node 9, which is not there"),
        ([(1, "  ", "verb", 0)], "node 1 has no words"),
        ([(1, "a", "wizard", 0)], "unknown role 'wizard'"),
        ([(n, "a", "noun", n - 1) for n in range(1, DEEPEST + 2)], f"{DEEPEST} are the most"),
    ],
)
def test_what_is_no_tree_is_told_in_words(nodes: list[tuple[Any, ...]], said: str) -> None:
    with pytest.raises(BadTree, match=said):
        build_tree([Written(*node) for node in nodes])


@pytest.mark.parametrize(
    ("spelled", "role"),
    [("Noun", "noun"), (" n ", "noun"), ("动词", "verb"), ("ADJ", "adjective"), ("x", None)],
)
def test_a_role_is_read_as_models_spell_it(spelled: str, role: str | None) -> None:
    assert role_of(spelled) == role


@pytest.mark.parametrize(
    "data",
    [None, "a", [], {}, {"words": 1, "role": "noun"}, {"words": "a"}, {"words": "a", "role": "noun", "children": "x"},
     {"words": "a", "role": "noun", "children": [1]}],
)  # fmt: skip
def test_a_column_that_is_no_tree_is_none(data: object) -> None:
    record = new_record("Explain.", meta={COLUMN: data})
    assert tree_of(record) is None
    assert draw_tree(record) == ""


def test_a_record_shows_its_tree() -> None:
    record = replace(new_record("Explain."), meta={COLUMN: SEA.as_json()})
    assert tree_of(record) == SEA
    assert draw_tree(record) == "\n".join(SEA.lines())
