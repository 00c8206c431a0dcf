"""What models reply about trees, and what is wrong with it."""

from __future__ import annotations

import functools
import re
from collections.abc import Sequence

from pydantic import BaseModel, ConfigDict, Field, create_model

from factory.data.prompt import Prompt
from factory.data.text import normal_form, shorten
from factory.statistics.flaws.flaw import Flaw
from factory.statistics.flaws.language import language_flaw
from factory.statistics.flaws.repetition import repeated
from factory.steps.agents.flaws.eliminate import instruction_flaw
from factory.steps.agents.semantic_tree.tree import (
    ROLES,
    BadTree,
    Node,
    SemanticTree,
    Written,
    build_tree,
    role_of,
)
from factory.steps.agents.semantic_tree.words import holds, more_often, new_terms, share_held

WORDS_CHARACTERS, MOST_NODES = 40, 40
"""Bounds of a node's words and of a tree where the server decodes by the schema: a small model may go on for ever."""

_LEAK = re.compile(
    r"\b(?:new|added?|adding|extra|original|old)\s+(?:\w+\s+)?nodes?\b|\bsemantic\s+trees?\b|\btree-?[12]\b"
    r"|</?(?:new_words|tree|count)(?:-[0-9a-f]{8})?>|\bnodes?\s+\d|\badd(?:ing)?\s+(?:three|\d+)\s+(?:new\s+)?(?:nodes?|words?)\b"
    r"|(?:新增|新加|添加|增加|加入|原有|语义)的?(?:\w{0,3})(?:节点|结点|语义树)|语义树|节点\s*\d",
    re.IGNORECASE,
)


class ParsedNode(BaseModel):
    """A node of a parsed instruction, behind the one that it stands under; the root is on level 1."""

    model_config = ConfigDict(extra="forbid")

    level: int
    words: str = Field(json_schema_extra={"maxLength": WORDS_CHARACTERS})
    role: str = Field(json_schema_extra={"enum": list(ROLES)})


class ParsedTree(BaseModel):
    """What a model replies that parses an instruction. Its bounds are for a server that decodes by the schema."""

    model_config = ConfigDict(extra="forbid")

    nodes: list[ParsedNode] = Field(json_schema_extra={"minItems": 1, "maxItems": MOST_NODES})


class NewNode(BaseModel):
    """A node to add; its role is one of two."""

    model_config = ConfigDict(extra="forbid")

    words: str = Field(json_schema_extra={"maxLength": WORDS_CHARACTERS})
    role: str = Field(json_schema_extra={"enum": ["noun", "verb"]})
    parent: int


class NewNodes(BaseModel):
    """What a model replies that adds nodes; `new_nodes` says how many they are to be."""

    model_config = ConfigDict(extra="forbid")

    added: list[NewNode]


@functools.lru_cache(maxsize=64)
def new_nodes(count: int) -> type[NewNodes]:
    """The schema of a reply that adds so many nodes; another number is read, and told (`added_flaw`)."""
    field = Field(json_schema_extra={"minItems": count, "maxItems": count})
    return create_model("CountedNodes", __base__=NewNodes, added=(list[NewNode], field))


def parsed(reply: ParsedTree, instruction: str, least: float) -> SemanticTree | Flaw:
    """The tree of an instruction, or what is wrong with it.

    Its words are the instruction's own: none is made up or stands in more nodes than in the instruction, and of the
    instruction's content words at least a share of `least` is there. An empty, broken or invented tree is "bad_tree".
    """
    try:
        tree = build_tree([Written(node.level, node.words, node.role) for node in reply.nodes])
    except BadTree as error:
        return Flaw("bad_tree", f"the tree of the instruction is none: {error}", {"nodes": len(reply.nodes)})
    said = "\n".join(node.words for node in tree.nodes)
    if more := more_often(said, instruction):
        named = shorten(", ".join(more), 60)
        return Flaw("bad_tree", f"the tree holds {named!r}, which the instruction has not, or not as often")
    share = share_held(instruction, said)
    if share < least:
        reason = f"the tree holds {share:.0%} of the instruction's content words, and {least:.0%} are needed"
        return Flaw("bad_tree", reason, {"share": share, "least": least})
    return tree


def grown(tree: SemanticTree, reply: NewNodes, count: int, instruction: str) -> SemanticTree | Flaw:
    """The tree with exactly `count` nodes more, or what is wrong with them.

    A node is a noun or a verb in the instruction's language with a content word that neither the instruction nor
    another new node has, under a node that stands before it. The old nodes stay by construction: only new ones are
    read.
    """
    if len(reply.added) != count:
        reason = f"{len(reply.added)} nodes were added in place of {count}"
        return Flaw("wrong_count", reason, {"added": len(reply.added), "asked": count})
    known = instruction
    nodes: list[Node] = []
    for number, written in enumerate(reply.added, start=1):
        words, role = " ".join(written.words.split()), role_of(written.role)
        why = ""
        if role not in ("noun", "verb"):
            why = f"it is {written.role!r}, neither noun nor verb"
        elif not 1 <= written.parent <= len(tree) + len(nodes):
            why = f"it stands under node {written.parent}, which does not stand before it"
        elif len(words) > WORDS_CHARACTERS:
            why = f"it has more than {WORDS_CHARACTERS} characters"
        elif not new_terms(words, known):
            why = "it brings no new content word"
        elif _LEAK.search(words):
            why = "it speaks of nodes or trees"
        if why:
            told = f"new node {number} ({shorten(words, 40)!r}): {why}"
            return Flaw("bad_node", told, {"node": number})
        if (flaw := language_flaw(words, instruction, f"new node {number}")) is not None:
            return flaw
        nodes.append(Node(words, role or "noun", written.parent - 1))
        known += f"\n{words}"
    return tree.with_added(nodes)


def written_flaw(text: str, instruction: str, prompt: Prompt, least: float) -> Flaw | None:
    """What is wrong with an instruction written from a grown tree, apart from its new nodes.

    As of an evolved one (empty, unchanged, a leak of the prompt, a refusal); that it speaks of the tree, is in another
    language, goes round in a loop, or holds less than a share of `least` of the old instruction's content words.
    """
    flaw = instruction_flaw(text, instruction, prompt)
    if flaw is not None:
        return flaw
    leak = _LEAK.search(text)
    if leak is not None and normal_form(leak[0]) not in normal_form(instruction):
        return Flaw("template_leak", f"the new instruction speaks of its making: {shorten(leak[0], 60)!r}")
    if (flaw := language_flaw(text, instruction, "the new instruction")) is not None:
        return flaw
    if loop := repeated(text, instruction):
        return Flaw("repetition", f"the new instruction repeats {shorten(loop, 60)!r} three times and more")
    share = share_held(instruction, text)
    if share < least:
        reason = f"the new instruction holds {share:.0%} of the old one's content words, and {least:.0%} are needed"
        return Flaw("word_lost", reason, {"share": share, "least": least})
    return None


def missing_nodes(text: str, nodes: Sequence[Node]) -> Flaw | None:
    """That the words of new nodes are not in the instruction written from them."""
    missing = [node.words for node in nodes if not holds(text, node.words)]
    if not missing:
        return None
    named = shorten(", ".join(missing), 80)
    reason = f"{len(missing)} of {len(nodes)} new nodes are not in the new instruction: {named}"
    return Flaw("node_missing", reason, {"missing": len(missing), "nodes": len(nodes)})
