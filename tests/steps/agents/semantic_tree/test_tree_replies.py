"""Whatever a model writes is a tree, or a flaw that says why not: never an error."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from factory.data.prompt import load_prompt
from factory.data.text import is_blank
from factory.statistics.flaws.flaw import Flaw
from factory.steps.agents.semantic_tree.replies import (
    MOST_NODES,
    NewNodes,
    ParsedTree,
    grown,
    missing_nodes,
    new_nodes,
    parsed,
    written_flaw,
)
from factory.steps.agents.semantic_tree.tree import ROLES, SemanticTree, Written, build_tree

SAID = "Explain why the sea is salty."
SEA = build_tree([Written(1, "Explain", "verb"), Written(2, "sea", "noun"), Written(3, "salty", "adjective")])
words = st.sampled_from(
    ["Explain", "sea", "seas", "salty", "", " ", "rivers", "河流", "new node", "\u200b"]
) | st.text(max_size=9)
roles = st.sampled_from([*ROLES, "Noun", "动词"]) | st.text(max_size=6)
numbers = st.integers(-2, 6) | st.integers()


@given(st.lists(st.fixed_dictionaries({"level": numbers, "words": words, "role": roles}), max_size=6))
def test_any_nodes_are_a_tree_of_the_instructions_words_or_a_flaw(nodes: list[dict[str, object]]) -> None:
    reply = ParsedTree.model_validate({"nodes": nodes})
    tree = parsed(reply, SAID, 0.5)
    if isinstance(tree, Flaw):
        assert tree.kind == "bad_tree"
        assert "\n" not in tree.reason
        return
    assert len(tree) == len(nodes)
    held = " ".join(node.words for node in tree.nodes).casefold()
    assert "sea" in held or "salty" in held
    json.dumps(tree.as_json())


@given(
    st.lists(st.fixed_dictionaries({"words": words, "role": roles, "parent": numbers}), max_size=4),
    st.integers(1, 3),
)
def test_any_new_nodes_are_exactly_so_many_new_nouns_and_verbs_or_a_flaw(
    nodes: list[dict[str, object]], count: int
) -> None:
    tree = grown(SEA, NewNodes.model_validate({"added": nodes}), count, SAID)
    if isinstance(tree, Flaw):
        assert tree.kind == ("wrong_count" if len(nodes) != count else tree.kind)
        assert tree.kind in {"wrong_count", "bad_node", "other_language"}
        return
    assert tree.nodes[: len(SEA)] == SEA.nodes, "the old nodes stay"
    assert len(tree.added) == len(nodes) == count
    assert all(node.role in ("noun", "verb") and not is_blank(node.words) for node in tree.added)
    assert missing_nodes(SAID, tree.added) is not None, "each brings what the instruction has not"
    assert isinstance(SemanticTree.from_json(tree.as_json()), SemanticTree)


@given(st.text(max_size=200) | st.lists(st.sampled_from(SAID.split()), max_size=40).map(" ".join))
def test_any_text_passes_or_has_a_flaw_in_one_line(text: str) -> None:
    flaw = written_flaw(text, SAID, load_prompt("tree/write", "en"), 0.8)
    assert flaw is None or "\n" not in flaw.reason


def test_the_schema_asks_a_server_for_exactly_so_many_nodes_and_reads_any_number() -> None:
    schema = new_nodes(4).model_json_schema()["properties"]["added"]
    assert (schema["minItems"], schema["maxItems"]) == (4, 4)
    assert new_nodes(4).model_validate({"added": []}).added == []
    assert ParsedTree.model_json_schema()["properties"]["nodes"]["maxItems"] == MOST_NODES
    long = {"nodes": [{"level": 1, "words": "w" * 500, "role": "verb"}]}
    assert ParsedTree.model_validate(long).nodes[0].words == "w" * 500
