"""Growing semantic trees with a scripted model: every way a reply may be, and the laws of what comes out."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from step_context import Ask, process, scripted_context

from factory.data.prompt import load_prompt
from factory.data.record import Message, Record, new_record
from factory.errors import RecordFailed, RunStopped
from factory.models.base import Reply
from factory.steps.agents.semantic_tree.replies import (
    ParsedTree,
    grown,
    missing_nodes,
    new_nodes,
    parsed,
    written_flaw,
)
from factory.steps.agents.semantic_tree.tree import COLUMN, SemanticTree, tree_of
from factory.steps.agents.tree import Tree

SEED = new_record("Explain why the sea is salty.", output="Rivers.", lang="en", source="seeds.jsonl")
SEED_ZH = new_record("介绍苏州的园林。", output="……", lang="zh")
WORDS = ("rivers", "minerals", "lakes", "rain", "ships", "divers", "crystals", "depth", "icebergs", "pupils")
Said = str | Reply | Exception


def tree_json(*nodes: tuple[int, str, str]) -> str:
    listed = [{"level": level, "words": words, "role": role} for level, words, role in nodes]
    return json.dumps({"nodes": listed}, ensure_ascii=False)


def nodes_json(*nodes: tuple[str, str, int]) -> str:
    return json.dumps(
        {"added": [{"words": w, "role": r, "parent": p} for w, r, p in nodes]}, ensure_ascii=False
    )


PARSED = tree_json((1, "Explain", "verb"), (2, "sea", "noun"), (3, "salty", "adjective"))
PARSED_ZH = tree_json((1, "介绍", "动词"), (2, "园林", "名词"), (3, "苏州", "名词"))


def between(text: str, tag: str) -> str:
    return text.rsplit(f"<{tag}>\n", 1)[-1].split(f"\n</{tag}>", 1)[0]


def good_nodes(ask: Ask) -> str:
    return nodes_json(*((word, "noun", 2) for word in WORDS[: int(between(ask.text, "count"))]))


def good_text(ask: Ask) -> str:
    new = between(ask.text, "new_words").splitlines()
    return f"{between(ask.text, 'instruction')[:-1]}, with what is known of {', '.join(new)}."


def good_paper(ask: Ask) -> str:
    n = ask.text.count("known of") + 1
    return f"{between(ask.text, 'instruction')[:-1]}, with what is known of topic{n}, matter{n}, area{n}."


@dataclass
class Grower:
    """A script for `Tree`: what is said at each stage."""

    parse: Callable[[Ask], Said] = lambda ask: PARSED
    add: Callable[[Ask], Said] = good_nodes
    write: Callable[[Ask], Said] = good_text
    paper: Callable[[Ask], Said] = good_paper
    answer: Callable[[Ask], Said] = lambda ask: "Rivers carry salts into the sea."
    seen: list[str] = field(default_factory=list)

    def __call__(self, ask: Ask) -> Said:
        if ask.schema is not None:
            stage = "parse" if issubclass(ask.schema, ParsedTree) else "add"
        elif "<new_words>" in ask.text:
            stage = "write"
        else:
            stage = "paper" if "<count>" in ask.text else "answer"
        self.seen.append(stage)
        said: Said = getattr(self, stage)(ask)
        return said


def run(script: Any, record: Record = SEED, *, seed: int = 0, **options: Any) -> list[Record]:
    context, _ = scripted_context(script, step="02-tree", seed=seed)
    return process(Tree(**options), record, context)


def kind(record: Record) -> str | None:
    return record.dropped.kind if record.dropped else None


# -- what goes well -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("count", [1, 2, 3, 6, 10])
def test_a_child_has_exactly_so_many_nodes_more_and_their_words(count: int) -> None:
    parent, child = run(Grower(), nodes=count)
    assert parent is SEED
    assert child.dropped is None
    tree = tree_of(child)
    assert tree is not None
    assert (len(tree), [node.words for node in tree.added]) == (3 + count, list(WORDS[:count]))
    assert all(word in child.instruction for word in WORDS[:count])
    assert child.output == "Rivers carry salts into the sea."
    assert (child.scores["tree.nodes"], child.scores["tree.added"]) == (3 + count, count)
    assert child.scores["tree.new_words"] == count + 1  # "known" is a new word too
    assert child.scores["tree.depth"] == 3


def test_the_history_tells_each_stage_and_what_it_was_made_from() -> None:
    context, chat = scripted_context(Grower(), step="02-tree")
    (child,) = process(Tree(keep_parents=False), SEED, context)
    assert [event.operation for event in child.events] == ["parse", "add", "add_3_nodes", "answer"]
    assert [event.prompt for event in child.events][:3] == [
        "en/tree/parse@1",
        "en/tree/add@1",
        "en/tree/write@1",
    ]
    assert [event.parents for event in child.events] == [(), (), (SEED.id,), ()]
    assert child.round == 1
    assert [call for event in child.events for call in event.calls] == [f"call-{n}" for n in (1, 2, 3, 4)]
    assert [ask.temperature for ask in chat.asks] == [0, 1, 1, 1]


def test_a_list_of_numbers_gives_a_child_for_each_of_one_parsed_tree() -> None:
    script = Grower()
    children = run(script, nodes=[3, 6, 10], keep_parents=False)
    assert [child.scores["tree.added"] for child in children] == [3, 6, 10]
    assert script.seen.count("parse") == 1
    assert {event.parents for child in children for event in child.events if event.parents} == {(SEED.id,)}


def test_a_chinese_record_is_asked_and_checked_in_chinese() -> None:
    script = Grower(
        parse=lambda ask: PARSED_ZH,
        add=lambda ask: nodes_json(("借景", "名词", 2), ("门票", "名词", 2), ("比较", "动词", 1)),
        write=lambda ask: "介绍苏州的园林，说明借景的手法，并比较各处的门票。",
        answer=lambda ask: "拙政园以水景见长。",
    )
    (child,) = run(script, SEED_ZH, keep_parents=False)
    assert child.dropped is None
    assert [event.prompt[:3] for event in child.events] == ["zh/"] * 4


def test_the_input_goes_along_and_is_no_part_of_the_tree() -> None:
    record = new_record("Shorten this notice.", input="Closed on Monday.", lang="en")
    script = Grower(parse=lambda ask: tree_json((1, "Shorten", "verb"), (2, "notice", "noun")))
    (child,) = run(script, record, keep_parents=False)
    assert child.input == "Closed on Monday."
    assert "Closed" not in json.dumps(child.meta[COLUMN])


def test_the_turns_before_and_the_users_columns_stay() -> None:
    history = (Message("system", "Be brief."), Message("user", "Hi"), Message("assistant", "Hello"))
    record = new_record(SEED.instruction, history=history, lang="en", meta={"id": 7})
    (child,) = run(Grower(), record, keep_parents=False)
    assert child.messages[:3] == history
    assert child.meta["id"] == 7


def test_a_column_of_the_users_that_has_the_trees_name_is_told() -> None:
    warned: list[str] = []
    context, _ = scripted_context(Grower(), step="02-tree")
    object.__setattr__(context, "warn", warned.append)
    _, child = process(Tree(), replace(SEED, meta={COLUMN: "mine"}), context)
    assert context.facts["columns_replaced"] == 1
    assert "column semantic_tree of their own" in warned[0]
    process(Tree(), child, context)
    assert context.facts["columns_replaced"] == 1, "a tree of ours is no column of the user's"


# -- what goes wrong at each stage --------------------------------------------------------------------------

BAD_TREES: dict[str, Said] = {
    "invented": tree_json((1, "Explain", "verb"), (2, "ocean", "noun"), (3, "salty", "adjective")),
    "two roots": tree_json((1, "Explain", "verb"), (1, "sea", "noun")),
    "a level left out": tree_json((1, "Explain", "verb"), (3, "sea", "noun"), (2, "salty", "noun")),
    "a word twice": tree_json(
        (1, "Explain", "verb"), (2, "sea", "noun"), (3, "salty", "noun"), (3, "seas", "noun")
    ),
    "too little": tree_json((1, "Explain", "verb")),
    "none": '{"nodes": []}',
}


@pytest.mark.parametrize("said", BAD_TREES.values(), ids=BAD_TREES)
def test_a_tree_that_is_none_is_asked_for_again_and_then_lets_the_child_go(said: Said) -> None:
    script = Grower(parse=lambda ask: said)
    context, chat = scripted_context(script, step="02-tree")
    parent, child = process(Tree(attempts=3), SEED, context)
    assert parent.dropped is None
    assert kind(child) == "bad_tree"
    assert script.seen == ["parse"] * 3
    assert [ask.sample for ask in chat.asks] == [0, 1, 2]
    assert context.facts["rejected_parse_bad_tree"] == 3
    assert [e.operation for e in child.events] == ["rejected_parse", "rejected_parse", "add_3_nodes"]
    assert child.events[-1].parents == (SEED.id,)


@pytest.mark.parametrize(
    ("nodes", "expected"),
    [
        ([], "wrong_count"),
        ([("rivers", "noun", 2)], "wrong_count"),
        ([(word, "noun", 2) for word in WORDS[:4]], "wrong_count"),
        ([("rivers", "noun", 2), ("river", "noun", 2), ("rain", "noun", 2)], "bad_node"),
        ([("rivers", "noun", 2), ("the sea", "noun", 2), ("rain", "noun", 2)], "bad_node"),
        ([("rivers", "noun", 2), ("blue", "adjective", 2), ("rain", "noun", 2)], "bad_node"),
        ([("rivers", "noun", 2), ("rain", "noun", 6), ("ships", "noun", 2)], "bad_node"),
        ([("rivers", "noun", 0), ("rain", "noun", 2), ("ships", "noun", 2)], "bad_node"),
        ([("rivers", "noun", 2), ("", "noun", 2), ("ships", "noun", 2)], "bad_node"),
        ([("rivers", "noun", 2), ("new node", "noun", 2), ("ships", "noun", 2)], "bad_node"),
        ([("rivers " * 9, "noun", 2), ("rain", "noun", 2), ("ships", "noun", 2)], "bad_node"),
        ([("河流", "noun", 2), ("rain", "noun", 2), ("ships", "noun", 2)], "other_language"),
    ],
)
def test_new_nodes_are_counted_and_each_is_new(nodes: list[tuple[str, str, int]], expected: str) -> None:
    (child,) = run(Grower(add=lambda ask: nodes_json(*nodes)), keep_parents=False, attempts=1)
    assert kind(child) == expected
    assert COLUMN not in child.meta


def test_a_new_node_may_stand_under_another_new_one() -> None:
    chain = [("rivers", "noun", 2), ("minerals", "noun", 4), ("crystals", "noun", 5)]
    (child,) = run(Grower(add=lambda ask: nodes_json(*chain)), keep_parents=False)
    assert child.scores["tree.depth"] == 5


GROWN = "Explain why the sea is salty, with what is known of rivers, minerals, lakes"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "empty"),
        (SEED.instruction, "unchanged"),
        ("I'm sorry, but I can't help with that.", "refusal"),
        ("Explain why the sea is salty and speak of rivers and minerals.", "node_missing"),
        ("Speak of rivers, minerals and lakes.", "word_lost"),
        ("说说海水为什么是咸的，讲到河流、矿物和湖泊。", "other_language"),
        (f"{GROWN}, using the new nodes.", "template_leak"),
        (f"{GROWN}. <new_words>", "template_leak"),
        (
            f"{GROWN}. Use every new word, and keep all words with meaning of the old instruction.",
            "template_leak",
        ),
        (f"{GROWN} " + "and say it to all of the pupils " * 4, "repetition"),
        (Reply(f"{GROWN} and so on and", "length"), "truncated"),
    ],
)
def test_the_new_instruction_is_checked(text: str | Reply, expected: str) -> None:
    context, _ = scripted_context(Grower(write=lambda ask: text), step="02-tree")
    (child,) = process(Tree(keep_parents=False, attempts=2), SEED, context)
    assert kind(child) == expected
    assert context.facts[f"rejected_write_{expected}"] == 2
    assert tree_of(child) is not None, "the tree that was to be written is kept to look at"


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ("Sorry, I cannot help with that.", "refusal"),
        ("It is.", "empty_answer"),
        (Reply("Rivers carry", "length"), "truncated"),
        ("河流把盐带进大海。", "other_language"),
    ],
)
def test_the_answer_is_checked_as_evolves_is(answer: str | Reply, expected: str) -> None:
    (child,) = run(Grower(answer=lambda ask: answer), keep_parents=False)
    assert kind(child) == expected


def test_a_stage_that_passes_at_last_goes_on_and_its_failures_are_in_the_history() -> None:
    replies = iter([BAD_TREES["two roots"], BAD_TREES["none"], PARSED])
    context, _ = scripted_context(Grower(parse=lambda ask: next(replies)), step="02-tree")
    (child,) = process(Tree(keep_parents=False), SEED, context)
    assert child.dropped is None
    assert [e.operation for e in child.events][:3] == ["rejected_parse", "rejected_parse", "parse"]
    assert context.facts["rejected_parse_bad_tree"] == 2


@pytest.mark.parametrize("stage", ["parse", "add"])
def test_json_that_is_broken_is_asked_for_again_and_fails_the_child(stage: str) -> None:
    script = Grower(**{stage: lambda ask: '{"nodes": [{'})
    (child,) = run(script, keep_parents=False, attempts=2)
    assert child.dropped is not None
    assert (child.dropped.kind, child.dropped.failed) == ("bad_reply", True)
    assert script.seen.count(stage) == 2


def test_a_call_that_failed_is_not_made_again() -> None:
    script = Grower(parse=lambda ask: RecordFailed("call_failed", "no reply"))
    (child,) = run(script, keep_parents=False)
    assert child.dropped is not None
    assert (child.dropped.kind, child.dropped.failed, script.seen) == ("call_failed", True, ["parse"])
    assert child.events[-1].parents == (SEED.id,)


def test_an_answer_that_failed_costs_one_child_only() -> None:
    script = Grower(
        answer=lambda ask: RecordFailed("call_failed", "no reply") if "rain" not in ask.text else "Salt."
    )
    first, second = run(script, keep_parents=False, nodes=[3, 6])
    assert (kind(first), kind(second)) == ("call_failed", None)


def test_a_stopped_run_is_not_mistaken_for_a_failed_record() -> None:
    with pytest.raises(RunStopped):
        run(Grower(parse=lambda ask: RunStopped("the key was refused")))


def test_a_record_without_an_instruction_has_no_tree() -> None:
    with pytest.raises(RecordFailed, match="no user turn"):
        run(Grower(), new_record("  "))


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"nodes": 0}, "from 1 to 50"),
        ({"nodes": [3, 99]}, "from 1 to 50"),
        ({"nodes": []}, "at least one number"),
        ({"nodes": [3, 3]}, "stands twice"),
        ({"method": "magic"}, "checked"),
        ({"attempts": 0}, "greater than or equal"),
    ],
)
def test_a_wrong_option_is_refused_in_a_sentence(options: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        Tree(**options)


# -- the paper's way ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("count", "portions"), [(3, ["3"]), (6, ["3", "3"]), (10, ["3", "3", "3", "1"]), (2, ["2"])]
)
def test_the_papers_prompt_adds_three_and_is_repeated_on_what_it_gave(
    count: int, portions: list[str]
) -> None:
    context, chat = scripted_context(Grower(), step="02-tree")
    (child,) = process(Tree(method="paper", nodes=count, keep_parents=False), SEED, context)
    asked = [ask for ask in chat.asks if "<count>" in ask.text]
    assert [between(ask.text, "count") for ask in asked] == portions
    assert child.dropped is None
    assert between(asked[-1].text, "instruction").count("known of") == len(portions) - 1
    assert child.instruction.count("known of") == len(portions)
    assert COLUMN not in child.meta
    assert child.scores.keys() == {"tree.added_words", "tree.new_words"}
    assert [event.parents for event in child.events if event.parents] == [(SEED.id,)]


def test_the_papers_way_ends_where_a_rewriting_fails() -> None:
    script = Grower(
        paper=lambda ask: good_paper(ask) if "known of" not in ask.text else between(ask.text, "instruction")
    )
    (child,) = run(script, method="paper", nodes=9, keep_parents=False, attempts=2)
    assert kind(child) == "unchanged"
    assert script.seen == ["paper"] * 3


# -- laws ---------------------------------------------------------------------------------------------------


def moody(seed: int) -> Grower:
    """A model that does well, copies, breaks off, refuses or says nothing, as the seed has it."""

    def either(good: Callable[[Ask], Said], *others: Said) -> Callable[[Ask], Said]:
        def say(ask: Ask) -> Said:
            chance = random.Random(repr((seed, ask.text, ask.sample, ask.schema is None)))
            return good(ask) if chance.random() < 0.6 else chance.choice(others)

        return say

    sorry = "I'm sorry, but I can't help with that."
    return Grower(
        parse=either(lambda ask: PARSED, *BAD_TREES.values(), "no JSON"),
        add=either(good_nodes, nodes_json(), nodes_json(("sea", "noun", 1)), "{"),
        write=either(good_text, "", sorry, SEED.instruction, Reply("Explain", "length")),
        answer=either(lambda ask: "Salt.", sorry, "", RecordFailed("call_failed", "no reply")),
    )


@given(
    st.integers(0, 10**6),
    st.lists(st.integers(1, 10), min_size=1, max_size=3, unique=True),
    st.integers(1, 3),
)
def test_all_that_was_asked_is_kept_or_let_go_and_every_kept_child_holds_its_nodes(
    seed: int, counts: list[int], attempts: int
) -> None:
    context, _ = scripted_context(moody(seed), step="02-tree")
    step = Tree(nodes=tuple(counts), attempts=attempts)
    parent, *children = process(step, SEED, context)
    assert parent is SEED
    assert len(children) == len(counts)
    assert len({child.id for child in children}) == len(counts)
    facts = context.facts
    assert facts["children_asked"] == len(counts)
    assert facts["children_kept"] == sum(child.dropped is None for child in children)
    assert facts["children_kept"] == len(counts) - sum(facts.get("children_let_go", {}).values())
    prompt = load_prompt("tree/write", "en")
    for child, count in zip(children, counts, strict=True):
        assert [e.parents for e in child.events if e.parents] == [(SEED.id,)]
        assert child.round == SEED.round + 1
        if child.dropped is None:
            tree = tree_of(child)
            assert tree is not None
            assert len(tree.added) == count
            assert missing_nodes(child.instruction, tree.added) is None
            assert written_flaw(child.instruction, SEED.instruction, prompt, 0.8) is None
    context, _ = scripted_context(moody(seed), step="02-tree")
    assert process(step, SEED, context) == [parent, *children]


@pytest.mark.parametrize("language", ["en", "zh"])
def test_the_prompts_own_examples_pass_the_checks(language: str) -> None:
    """An example that breaks a rule teaches to break it."""
    shown = {
        name: load_prompt(f"tree/{name}", language).turns[1:-1] for name in ("parse", "add", "write", "paper")
    }
    trees: dict[str, SemanticTree] = {}
    for (_, asked), (_, said) in zip(shown["parse"][::2], shown["parse"][1::2], strict=True):
        instruction = between(asked, "instruction")
        tree = parsed(ParsedTree.model_validate_json(said), instruction, 0.7)
        assert isinstance(tree, SemanticTree), tree
        trees[instruction] = tree
    for (_, asked), (_, said) in zip(shown["add"][::2], shown["add"][1::2], strict=True):
        instruction, count = between(asked, "instruction"), int(between(asked, "count"))
        assert between(asked, "tree") == trees[instruction].numbered()
        reply = new_nodes(count).model_validate_json(said)
        assert isinstance(grown(trees[instruction], reply, count, instruction), SemanticTree)
    other = load_prompt("tree/parse", language)
    for (_, asked), (_, said) in zip(shown["write"][::2], shown["write"][1::2], strict=True):
        new = tuple(between(asked, "new_words").splitlines())
        assert written_flaw(said, between(asked, "instruction"), other, 0.99) is None
        assert (
            missing_nodes(
                said, [trees[between(asked, "instruction")].nodes[0]._replace(words=w) for w in new]
            )
            is None
        )
    for (_, asked), (_, said) in zip(shown["paper"][::2], shown["paper"][1::2], strict=True):
        assert written_flaw(said, between(asked, "instruction"), other, 0.99) is None
