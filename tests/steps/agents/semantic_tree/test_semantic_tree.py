"""Semantic trees: built, grown, drawn, kept; and what is no tree."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from factory.data.record import new_record
from factory.data.text import is_blank
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

SEA = build_tree([Written(1, "Explain", "verb"), Written(2, "sea", "noun"), Written(3, "salty", "adjective")])


@st.composite
def written(draw: Any) -> list[Written]:
    """Any tree: after each node one a level deeper, or on any level above but the first."""
    words = st.text(min_size=1, max_size=6).filter(lambda text: not is_blank(text))
    nodes = [Written(1, draw(words), draw(st.sampled_from(ROLES)))]
    for _ in range(draw(st.integers(0, 11))):
        level = draw(st.integers(2, nodes[-1].level + 1))
        nodes.append(Written(level, draw(words), draw(st.sampled_from(ROLES))))
    return nodes


@given(written())
def test_a_tree_has_each_node_that_was_written_in_order_and_on_its_level(nodes: list[Written]) -> None:
    tree = build_tree(nodes)
    levels: list[int] = []
    for at, node in enumerate(tree.nodes):
        assert node.parent < at
        levels.append(levels[node.parent] + 1 if at else 1)
    assert [(n.words, n.role) for n in tree.nodes] == [(" ".join(n.words.split()), n.role) for n in nodes]
    assert levels == [node.level for node in nodes]
    assert tree.depth == max(levels)


@given(written(), st.integers(0, 3))
def test_a_tree_goes_through_json_and_back_whole(nodes: list[Written], more: int) -> None:
    tree = build_tree(nodes)
    tree = tree.with_added([Node(f"new {n}", "noun", 0) for n in range(more)])
    again = SemanticTree.from_json(tree.as_json())
    assert again.as_json() == tree.as_json()
    assert more or again == tree
    assert (len(again), len(again.added), again.depth) == (len(tree), more, tree.depth)


@given(written())
def test_a_drawing_has_a_line_for_each_node(nodes: list[Written]) -> None:
    tree = build_tree([node._replace(words=f"w{at}") for at, node in enumerate(nodes)])
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
    assert grown.numbered().splitlines()[-1] == "  5 compare (verb)"


@pytest.mark.parametrize(
    ("nodes", "said"),
    [
        ([], "no node"),
        ([(2, "a", "verb")], "node 1 is on level 2, and nothing before it on level 1"),
        ([(0, "a", "verb")], "node 1 is on level 0, and 1 is the first"),
        ([(1, "a", "verb"), (1, "b", "noun")], "node 2 is a second root"),
        ([(1, "a", "verb"), (3, "b", "noun")], "node 2 is on level 3, and nothing before it on level 2"),
        ([(1, "a", "verb"), (2, "b", "noun"), (4, "c", "noun")], "nothing before it on level 3"),
        ([(1, "  ", "verb")], "node 1 has no words"),
        ([(1, "a", "wizard")], "unknown role 'wizard'"),
        ([(n, "a", "noun") for n in range(1, DEEPEST + 2)], f"more than {DEEPEST} levels"),
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
    [None, "a", "[", "[]", [], {},
     {"words": 1, "role": "noun"}, {"words": "a"}, {"words": "a", "role": "noun", "children": "x"},
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
    carried = replace(record, meta={COLUMN: json.dumps(SEA.as_json())})
    assert tree_of(carried) == SEA, "as an export writes it"
