"""Exploring a domain with a scripted model: the tree, the instructions, the plan, and when it stops."""

from __future__ import annotations

import asyncio
import json
import random
import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from step_context import Ask, ScriptedChat, scripted_context

from factory.data.formats.reference import reference_rows
from factory.data.prompt import load_prompt
from factory.data.record import Record, Tag, new_record
from factory.data.table import Table
from factory.data.text import normal_form
from factory.errors import InputError, RecordFailed, RunStopped
from factory.models.base import Reply
from factory.step import Context
from factory.steps.agents.explore import Explore
from factory.steps.agents.exploring.plan_file import read_plan

Said = str | Reply | Exception
LETTERS = "abcdefghijklmnopqrstuvwxyz"


def coined(*parts: object, words: int = 4) -> str:
    """Words that nobody else coins."""
    chance = random.Random(repr(parts))
    return " ".join("".join(chance.choices(LETTERS, k=7)) for _ in range(words))


@dataclass
class World:
    """A model that divides every task and writes any number of instructions; each reply may be replaced.

    asked: what was asked for, in order: the kind of prompt, the task, and what it was shown as existing
    """

    names: Callable[[str, int, int], Said] = lambda task, number, sample: json.dumps(
        {"tasks": [{"name": coined(task, sample, at), "reason": "why"} for at in range(number)]}
    )
    texts: Callable[[str, int, int], Said] = lambda task, number, sample: json.dumps(
        {"instructions": [coined("t", task, sample, at, words=6) for at in range(number)]}
    )
    answers: Callable[[str], Said] = lambda instruction: "Stir it slowly until the sugar has melted."
    asked: list[tuple[str, str, list[str]]] = field(default_factory=list)

    def __call__(self, ask: Ask) -> Said:
        if ask.schema is None:
            self.asked.append(("answer", ask.text, []))
            return self.answers(ask.text)
        task, existing, number = (
            re.search(rf"<{name}>\n(.*?)\n</{name}>", ask.text, re.DOTALL)[1]  # type: ignore[index]
            for name in ("task", "existing", "number")
        )
        kind = next(
            name
            for name in ("lookahead", "backtrack", "instructions")
            for language in ("en", "zh")
            if ask.messages[0].content == load_prompt(f"explore/{name}", language).turns[0][1]
        )
        shown = [line.removeprefix("- ") for line in existing.splitlines() if line != "-"]
        self.asked.append((kind, task, shown))
        reply = self.texts if kind == "instructions" else self.names
        return reply(task, int(number), ask.sample)

    def of(self, kind: str) -> list[str]:
        """The tasks that this kind of prompt was about."""
        return [task for asked, task, _ in self.asked if asked == kind]


@dataclass
class Made:
    """What came of a step: its records, kept and dropped, its context, and the plan that it handed out."""

    kept: list[Record]
    dropped: list[Record]
    context: Context
    chat: ScriptedChat

    @property
    def tree(self) -> dict[str, Any]:
        loaded: dict[str, Any] = yaml.safe_load(self.context.files["plan.yaml"])
        return loaded

    @property
    def rows(self) -> dict[str, dict[str, Any]]:
        return {row["task"].lstrip("· "): row for row in self.context.facts["plan"]}

    def kinds(self) -> Counter[str]:
        return Counter(record.dropped.kind for record in self.dropped if record.dropped)


def explored(
    script: Callable[[Ask], Said] | None = None,
    records: Sequence[Record] = (),
    *,
    limit: int | None = None,
    chat: ScriptedChat | None = None,
    **options: Any,
) -> Made:
    context, plain = scripted_context(script or World(), step="01-explore", seed=3)
    chat = chat or plain
    told: list[str] = []
    warned: list[str] = []
    context = Context(
        context.step,
        context.seed,
        lambda name: chat,
        context.get_embedder,
        warn=warned.append,
        tell=told.append,
        limit=limit,
        read_rows=lambda path: reference_rows(path, warned.append),
    )
    step = Explore(**{"domain": "home cooking", **options})
    table = asyncio.run(step.run(Table.from_records(records), context))
    live, dropped = table.split()
    # Where the loops were never used, or the machine is slow, it says that they are being compiled.
    context.facts["told"] = [sentence for sentence in told if "compiling" not in sentence]
    context.facts["warned"] = warned
    return Made(list(live.records())[len(records) :], list(dropped.records()), context, chat)


def every_name(task: dict[str, Any]) -> list[str]:
    """The names of a plan's tasks."""
    return [
        task.get("name") or task["domain"],
        *(name for one in task.get("tasks", ()) for name in every_name(one)),
    ]


def test_a_domain_becomes_a_tree_as_deep_and_broad_as_is_allowed_and_its_leaves_share_the_records() -> None:
    world = World()
    made = explored(world, size=13, depth=2, breadth=(3, 2))
    assert [len(made.tree["tasks"]), *(len(task["tasks"]) for task in made.tree["tasks"])] == [3, 2, 2, 2]
    leaves = [leaf for task in made.tree["tasks"] for leaf in task["tasks"]]
    assert sorted(leaf["count"] for leaf in leaves) == [2, 2, 2, 2, 2, 3]
    assert all(leaf["made"] == leaf["count"] and leaf["reason"] == "why" for leaf in leaves)
    assert len(made.kept) == 13
    assert Counter(record.task for record in made.kept) == {leaf["name"]: leaf["count"] for leaf in leaves}
    assert made.context.facts["told"] == ["01-explore: 13 of 13 planned records made, for 6 tasks"]
    assert not made.context.facts["warned"]


def test_a_record_knows_its_task_the_way_to_it_and_who_wrote_it() -> None:
    (record,) = explored(size=1, depth=1, breadth=(1,)).kept
    path = record.meta["explore"]["path"]
    assert path == ["home cooking", record.task]
    assert record.meta["explore"]["domain"] == "home cooking"
    assert (record.source, record.lang, record.output) == ("explore:home cooking", "en", "")
    (event,) = record.events
    assert (event.operation, event.prompt, event.round, event.parents) == (
        "instruct",
        "en/explore/instructions@1",
        1,
        (),
    )
    assert event.calls


def test_lookahead_goes_down_first_and_backtracking_then_shows_what_is_there() -> None:
    world = World()
    made = explored(world, size=1, depth=2, breadth=(3, 3), subtasks=2)
    kinds = [kind for kind, _, _ in world.asked if kind != "instructions"]
    ahead = kinds.index("backtrack")
    assert kinds[:ahead] == ["lookahead"] * 3  # the domain, then its first two tasks
    first, second = (task["name"] for task in made.tree["tasks"][:2])
    assert world.of("lookahead")[:3] == ["home cooking", first, second]
    assert world.asked[1][2] == [second]  # peers, not to be repeated
    backtracks = [asked for asked in world.asked if asked[0] == "backtrack"]
    assert backtracks[0][1:] == ("home cooking", [first, second])
    assert all(len(task["tasks"]) == 3 for task in made.tree["tasks"])


def test_leaves_that_get_no_record_are_told() -> None:
    made = explored(size=2, depth=1, breadth=(3,))
    assert made.context.facts["told"][0].startswith(
        "01-explore: 1 of 3 leaves of the tree are to get no record"
    )
    assert [task["count"] for task in made.tree["tasks"]] == [1, 1, 0]


def test_depth_0_asks_for_the_domain_alone() -> None:
    made = explored(size=4, depth=0)
    assert made.tree["count"] == made.tree["made"] == 4
    assert "tasks" not in made.tree


def test_a_pruned_name_is_listed_and_nothing_is_ever_asked_for_it() -> None:
    def names(task: str, number: int, sample: int) -> str:
        if task == "home cooking":
            found = ["baking white bread at home", "cold soups for hot days"]
        else:  # within a level, across levels, and the domain itself
            found = ["cold soups for hot days", "baking bread at home", "home cooking"]
        return json.dumps({"tasks": [{"name": name} for name in found[:number]]})

    world = World(names=names)
    made = explored(world, size=6, breadth=(2, 3), subtasks=3)
    assert every_name(made.tree) == ["home cooking", "baking white bread at home", "cold soups for hot days"]
    pruned = {(one["name"], one["like"]) for one in made.tree["pruned"]}
    assert ("baking bread at home", "baking white bread at home") in pruned
    assert ("cold soups for hot days", "cold soups for hot days") in pruned
    assert ("home cooking", "home cooking") in pruned
    assert all(one["rouge_l"] > 0.7 for one in made.tree["pruned"])
    assert set(world.of("instructions")) == {"baking white bread at home", "cold soups for hot days"}
    # Named again and again, each is listed once.
    assert made.context.facts["subtasks"]["pruned"] > len(made.tree["pruned"]) == 3


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("", "empty"),
        ("!!", "empty"),
        ("w" * 81, "too_long"),
        ("I'm sorry, but I can't help with that request", "refusal"),
        ("煮汤", "other_language"),
        ("</existing> soups", "template_leak"),
    ],
)
def test_a_name_that_cannot_be_a_task_is_refused_and_counted(name: str, kind: str) -> None:
    script = World(names=lambda task, number, sample: json.dumps({"tasks": [{"name": name}]}))
    made = explored(script, size=1, depth=1, dry_rounds=5)
    assert made.context.facts["subtasks"][kind] == 5
    assert every_name(made.tree) == ["home cooking"]
    assert "no sub-task of 'home cooking' came" in made.context.facts["warned"][0]


@pytest.mark.parametrize(
    "reply",
    ["no JSON", '{"tasks": ', Reply('{"tasks": [{"name": "a b', finish_reason="length"), Reply("x", "flux")],
    ids=["words", "broken", "endless", "unknown end"],
)
def test_a_call_for_sub_tasks_that_fails_is_counted_told_and_given_up(reply: Said) -> None:
    script = World(names=lambda task, number, sample: reply)
    made = explored(script, size=2, depth=1, dry_rounds=3)
    assert made.context.facts["subtasks"]["failed_calls"] == 3
    assert "a call for sub-tasks failed" in made.context.facts["warned"][0]
    assert len(made.kept) == 2


def test_more_names_than_were_asked_for_are_counted_and_not_taken() -> None:
    script = World(
        names=lambda task, number, sample: json.dumps(
            {"tasks": [{"name": f"{at}. **{coined(task, sample, at)}**"} for at in range(9)]}
        )
    )
    made = explored(script, size=1, depth=1, breadth=(3,), subtasks=2)
    assert len(made.tree["tasks"]) == 3
    assert made.context.facts["subtasks"]["more_than_asked_for"] == 7 + 8
    assert not any("*" in name for name in every_name(made.tree))


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("", "empty"),
        ("?!", "empty"),
        ("Boil eggs.", "too_short"),
        ("word " * 151, "too_long"),
        ("home cooking", "unchanged"),
        ("- **Home  cooking**", "unchanged"),
        ("The home cooking", "unchanged"),
        ("I'm sorry, but I can't help with that.", "refusal"),
        ("请写一份红烧肉的菜谱，并说明每一步的火候。", "other_language"),
        ("Write a menu for <task>soups</task> and a shopping list.", "template_leak"),
        ("Explain how onions caramelise in a pan.", "duplicate"),
    ],
)
def test_an_instruction_that_is_none_is_let_go_with_its_kind_and_does_not_count(text: str, kind: str) -> None:
    def texts(task: str, number: int, sample: int) -> str:
        return json.dumps({"instructions": ["Explain how onions caramelise in a pan.", text][:number]})

    made = explored(World(texts=texts), size=2, depth=0)
    assert [record.prompt for record in made.kept] == ["Explain how onions caramelise in a pan."]
    assert made.kinds()[kind] >= 1
    assert set(made.kinds()) <= {kind, "duplicate"}
    assert made.context.facts["instructions"][kind] == made.kinds()[kind]
    assert "dry after 2 rounds: duplicate" in made.rows["home cooking"]["why"]
    assert "1 task has fewer records than planned: 'home cooking' 1 of 2" in made.context.facts["warned"][0]


@pytest.mark.parametrize("domain", ["home cooking", "家常菜"])
def test_a_reply_that_repeats_the_example_of_its_prompt_is_let_go(domain: str) -> None:
    made = explored(lambda ask: ask.messages[2].content, domain=domain, size=2, depth=1)
    assert every_name(made.tree) == [domain]
    assert made.context.facts["subtasks"]["template_leak"] >= 2
    assert not made.kept
    assert made.kinds() == {"template_leak": 4}


def test_a_duplicate_says_of_which_record_whatever_its_task() -> None:
    same = json.dumps({"instructions": ["Explain how onions caramelise in a pan."]})
    made = explored(World(texts=lambda *_: same), size=2, depth=1, breadth=(2,))
    (kept,) = made.kept
    assert {record.dropped.against for record in made.dropped if record.dropped} == {kept.id}
    assert len({record.id for record in [kept, *made.dropped]}) == 1 + len(made.dropped)


@pytest.mark.parametrize(
    "reply",
    [
        "no JSON",
        '{"instructions": [',
        Reply('{"instructions": ["a', finish_reason="length"),
        Reply("x", "flux"),
    ],
    ids=["words", "broken", "endless", "unknown end"],
)
def test_a_call_for_instructions_that_fails_is_a_failed_record_of_its_task(reply: Said) -> None:
    made = explored(World(texts=lambda *_: reply), size=2, depth=0)
    assert not made.kept
    assert [record.dropped and record.dropped.failed for record in made.dropped] == [True, True]
    assert "no instructions for 'home cooking'" in str(made.dropped[0].dropped)
    assert made.context.facts["instructions"]["failed_calls"] == 2


def test_what_no_call_can_survive_ends_the_step() -> None:
    with pytest.raises(RunStopped, match="no credit"):
        explored(World(texts=lambda *_: RunStopped("no credit")), size=2, depth=0)


def test_fewer_than_were_asked_for_are_asked_for_again_and_more_are_let_go() -> None:
    few = explored(
        World(texts=lambda task, n, sample: json.dumps({"instructions": [coined(task, sample, words=6)]})),
        size=4,
        depth=0,
    )
    assert len(few.kept) == 4
    assert few.context.facts["instructions"]["rounds"] == 4
    many = explored(
        World(
            texts=lambda task, n, sample: json.dumps(
                {"instructions": [coined(task, sample, at, words=6) for at in range(n + 3)]}
            )
        ),
        size=4,
        depth=0,
    )
    assert len(many.kept) == 4
    assert many.kinds() == {"not_needed": 3}
    assert many.context.facts["instructions"]["more_than_asked_for"] == 3


def test_once_asks_each_task_one_time_and_says_that_the_rounds_are_over() -> None:
    one = World(texts=lambda task, n, sample: json.dumps({"instructions": [coined(task, sample, words=6)]}))
    made = explored(one, size=4, depth=0, until="once")
    assert len(made.kept) == 1
    assert made.rows["home cooking"]["why"] == "asked once: nothing came"


def test_a_task_that_lacks_many_is_asked_in_several_calls_of_a_round_and_shown_some_of_its_own() -> None:
    world = World()
    made = explored(world, size=23, depth=0, instructions=10)
    assert len(world.of("instructions")) == 3
    assert made.context.facts["instructions"]["rounds"] == 1
    again = World(
        texts=lambda task, n, sample: json.dumps(
            {"instructions": [coined("more", sample, at, words=6) for at in range(n)]}
        )
    )
    more = explored(again, made.kept, size=30, depth=0, instructions=10)
    assert len(more.kept) == 7
    assert all(len(shown) == 6 for _, _, shown in again.asked)
    assert more.rows["home cooking"] == {
        "task": "home cooking",
        "planned": 30,
        "there": 23,
        "made": 7,
        "why": "",
    }


def test_what_is_in_the_set_already_is_not_made_again() -> None:
    there = new_record("Explain how onions caramelise in a pan.", lang="en")
    script = World(
        texts=lambda *_: json.dumps({"instructions": ["Explain how onions caramelise in the pan."]})
    )
    made = explored(script, [there], size=1, depth=0)
    assert made.kinds() == {"duplicate": 2}
    assert made.rows["home cooking"]["planned"] == 1  # it is of no task, so it does not count


def test_an_answer_that_is_none_does_not_count_and_is_asked_for_anew() -> None:
    bad = {"refused": "I'm sorry, but I can't help with that.", "empty": "..."}
    said = iter([bad["refused"], bad["empty"], Reply("half", finish_reason="length"), Reply("x", "flux")])
    world = World(answers=lambda text: next(said, "Slowly, in butter, for forty minutes."))
    made = explored(world, size=2, depth=0, answer=True, dry_rounds=3)
    assert [record.output for record in made.kept] == ["Slowly, in butter, for forty minutes."] * 2
    assert made.kinds() == {"refusal": 1, "empty_answer": 1, "truncated": 1, "unknown_end": 1}
    assert [event.operation for event in made.kept[0].events] == ["instruct", "answer"]


def test_chinese_is_explored_in_chinese() -> None:
    def texts(task: str, number: int, sample: int) -> str:
        return json.dumps(
            {"instructions": ["请解释为什么炖汤要先焯水。", "How long must rice soak before cooking?"]}
        )

    names = iter(["煮面", "凉菜", "Photoshop"])
    world = World(
        names=lambda task, n, sample: json.dumps(
            {"tasks": [{"name": next(names, "凉菜")} for _ in range(n)]}
        ),
        texts=texts,
    )
    made = explored(world, domain="家常菜", size=3, depth=1, breadth=(3,))
    assert every_name(made.tree) == ["家常菜", "煮面", "凉菜", "Photoshop"]
    assert made.tree["language"] == "zh"
    assert [record.lang for record in made.kept] == ["zh"]
    assert made.kinds()["other_language"] >= 1
    assert made.kept[0].events[0].prompt == "zh/explore/instructions@1"


# -- plans -------------------------------------------------------------------------------------------------


def plan_file(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "plan.yaml"
    path.write_text(text)
    return path


def test_a_plan_is_taken_as_it_is_and_filled_to_its_counts(tmp_path: Path) -> None:
    path = plan_file(
        tmp_path,
        "domain: home cooking\ncount: 1\ntasks:\n- {name: soups, count: 2, tasks: [cold soups]}\n- bread\n",
    )
    world = World()
    made = explored(world, plan=path, domain="", size=7)
    assert not world.of("lookahead")
    assert {name: (row["planned"], row["made"]) for name, row in made.rows.items()} == {
        "home cooking": (1, 1),
        "soups": (2, 2),
        "cold soups": (2, 2),
        "bread": (2, 2),
    }
    assert "soups > cold soups" in world.of("instructions")


def test_a_plan_that_is_handed_out_is_gone_on_from_and_what_was_made_counts(tmp_path: Path) -> None:
    first = explored(size=4, depth=1, breadth=(2,))
    path = plan_file(tmp_path, first.context.files["plan.yaml"].replace("count: 2", "count: 3"))
    more = explored(World(), first.kept, plan=path, domain="")
    assert len(more.kept) == 2
    assert sorted((row["planned"], row.get("there"), row["made"]) for row in more.rows.values()) == [
        (0, 0, 0),
        (3, 2, 1),
        (3, 2, 1),
    ]


def test_grow_explores_a_plan_further_and_new_leaves_share_what_is_left(tmp_path: Path) -> None:
    path = plan_file(tmp_path, "domain: home cooking\ntasks:\n- {name: soups, count: 2}\n")
    made = explored(plan=path, domain="", grow=True, depth=1, breadth=(3,), size=6)
    assert [task["count"] for task in made.tree["tasks"]] == [2, 2, 2]
    assert made.tree["tasks"][0]["name"] == "soups"


def test_counts_beyond_the_size_are_refused_and_a_size_beyond_the_counts_is_told(tmp_path: Path) -> None:
    path = plan_file(tmp_path, "domain: home cooking\ntasks:\n- {name: soups, count: 5}\n")
    with pytest.raises(InputError, match=r"plan\.yaml: its counts come to 5, more than `size` \(4\)"):
        explored(plan=path, domain="", size=4)
    made = explored(plan=path, domain="", size=9)
    assert "`size` is 9, and the counts of the plan come to 5" in made.context.facts["warned"][0]
    assert len(made.kept) == 5


def test_a_limit_lowers_the_counts_evenly(tmp_path: Path) -> None:
    path = plan_file(
        tmp_path, "domain: home cooking\ntasks:\n- {name: soups, count: 5}\n- {name: bread, count: 5}\n"
    )
    made = explored(plan=path, domain="", limit=3)
    assert [task["count"] for task in made.tree["tasks"]] == [2, 1]
    assert (
        made.context.facts["told"][0]
        == "01-explore: of all that is planned, the 3 records that the run takes"
    )


# -- tags --------------------------------------------------------------------------------------------------


def tagged(*tags: str) -> Record:
    from dataclasses import replace

    record = new_record(coined(tags, words=5), lang="en")
    return replace(record, tags=tuple(Tag(tag) for tag in tags))


def test_the_gaps_of_a_tagged_pool_are_planned_and_filled() -> None:
    pool = [tagged("soups"), tagged("soups", "bread"), tagged("soups"), tagged("grilling")]
    made = explored(World(), pool, plan_from="tags", domain="", size=3)
    assert {name: row["planned"] for name, row in made.rows.items() if row["planned"]} == {
        "bread": 2,
        "grilling": 1,
    }
    assert Counter(record.task for record in made.kept) == {"bread": 2, "grilling": 1}
    assert made.tree["domain"] == "what people ask an AI assistant"
    assert made.context.facts["planned_records_of_a_tag_at_least"] == 2


def test_the_map_of_normalize_tags_tells_the_gaps_without_the_pool(tmp_path: Path) -> None:
    path = tmp_path / "tag_map.jsonl"
    rows = [
        {"raw": "soups", "final": "soups", "rule": "", "records": 9},
        {"raw": "b", "final": "bread", "records": 2},
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    made = explored(plan_from="tags", tags=path, size=4)
    assert {name: row["planned"] for name, row in made.rows.items() if row["planned"]} == {"bread": 4}
    assert Explore(plan_from="tags", tags=path).begins()
    assert not Explore(plan_from="tags").begins()


def test_a_pool_without_tags_has_no_gaps_that_could_be_told() -> None:
    with pytest.raises(
        InputError, match="01-explore: no record has tags, so there is no gap to fill: put `tag`"
    ):
        explored(World(), [new_record("Why?")], plan_from="tags")
    with pytest.raises(InputError, match="none of the pool's 1 tags can name a task"):
        explored(World(), [tagged("x" * 90)], plan_from="tags")


# -- options -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({}, "`domain` is empty: say what to explore, such as `domain: home cooking`"),
        ({"domain": " \u200b"}, "`domain` is empty"),
        ({"domain": "a" * 81}, "a name of 80 characters at the most"),
        ({"domain": "a", "plan": "p.yaml"}, "`plan` names its own domain: leave `domain` out"),
        ({"plan": "p.yaml", "plan_from": "tags"}, "`plan` and `plan_from` both say the plan"),
        ({"domain": "a", "tags": "map.jsonl"}, "set `plan_from: tags` with it"),
        ({"domain": "a", "grow": True}, "name the `plan`, or leave `grow` out"),
        ({"domain": "a", "breadth": (0,)}, "numbers from 1 to 100"),
        ({"domain": "a", "depth": 8}, "allow a tree of 2,687,385 tasks, and 20,000 is the most"),
        ({"domain": "a", "size": 0}, "greater than or equal to 1"),
        ({"domain": "a", "size": -3}, "greater than or equal to 1"),
    ],
)
def test_options_that_do_not_go_together_are_one_sentence(options: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValidationError) as caught:
        Explore(**options)
    assert sentence in str(caught.value)


# -- laws --------------------------------------------------------------------------------------------------


class Unhurried(ScriptedChat):
    """Replies come in an order of their own."""

    chance: random.Random

    async def ask(self, *args: Any, **options: Any) -> Any:
        for _ in range(self.chance.randrange(9)):
            await asyncio.sleep(0)
        return await super().ask(*args, **options)


def whimsical(seed: int) -> World:
    """A model that names and writes anything: new, copied, empty, foreign, too many, none, broken."""

    def some(kind: str, key: str, task: str, number: int, sample: int) -> Said:
        chance = random.Random(repr((seed, kind, task, sample)))
        if chance.random() < 0.2:
            return chance.choice(["{", "nothing", json.dumps({key: []})])
        texts = [
            chance.choice(
                [
                    coined(kind, task, sample, at, words=5),
                    coined(kind, at % 2, words=5),
                    task,
                    "",
                    "煮一锅汤",
                    "I'm sorry, but I can't help with that.",
                ]
            )
            for at in range(chance.randrange(number + 3))
        ]
        return json.dumps({key: texts if key == "instructions" else [{"name": text} for text in texts]})

    return World(
        names=lambda *asked: some("name", "tasks", *asked),
        texts=lambda *asked: some("text", "instructions", *asked),
    )


@pytest.mark.slow
@given(
    st.integers(0, 10**6),
    st.integers(1, 12),
    st.integers(0, 3),
    st.lists(st.integers(1, 4), min_size=1, max_size=2),
    st.integers(1, 3),
    st.integers(1, 3),
    st.booleans(),
)
def test_whatever_the_model_says(
    seed: int, size: int, depth: int, breadth: list[int], dry: int, at_once: int, once: bool
) -> None:
    options = {
        "size": size,
        "depth": depth,
        "breadth": tuple(breadth),
        "dry_rounds": dry,
        "instructions": at_once,
    }
    options |= {"subtasks": at_once, "until": "once" if once else "full"}
    world = whimsical(seed)
    made = explored(world, **options)
    plan = read_plan(made.context.files["plan.yaml"], "plan.yaml")  # a tree, with no name twice
    in_tree = {normal_form(task.name) for _, task in plan.walk()}
    # Nothing was asked for what was pruned or refused.
    asked = {normal_form(task.split(" > ")[-1]) for task in world.of("instructions")}
    assert asked <= in_tree
    # Counts are never above the plan, and what is short says why.
    rows = made.context.facts["plan"]
    assert sum(row["planned"] for row in rows) == size
    assert all(
        row["made"] <= row["planned"] and bool(row["why"]) == (row["made"] < row["planned"]) for row in rows
    )
    assert sum(row["made"] for row in rows) == len(made.kept)
    assert Counter(record.task for record in made.kept) == Counter(
        {row["task"].lstrip("· "): row["made"] for row in rows if row["made"]}
    )
    # All that was written is kept or dropped with a reason, and every id is its own.
    counts = made.context.facts["instructions"]
    assert counts.get("written", 0) + counts.get("failed_calls", 0) == len(made.kept) + len(made.dropped)
    assert len({record.id for record in [*made.kept, *made.dropped]}) == len(made.kept) + len(made.dropped)
    # No more calls than a rehearsal foresees.
    foreseen = rehearsed(Explore(domain="home cooking", **options))
    assert len(world.of("lookahead")) + len(world.of("backtrack")) + len(world.of("instructions")) <= foreseen
    # The order in which replies come does not matter.
    chat = Unhurried(whimsical(seed))
    chat.chance = random.Random(seed)
    again = explored(chat=chat, **options)
    assert again.context.files == made.context.files
    assert [(record.id, record.dropped) for record in again.kept + again.dropped] == [
        (record.id, record.dropped) for record in made.kept + made.dropped
    ]


def rehearsed(step: Explore) -> int:
    """How many calls `step` says that it makes at the most."""
    total, weight = 0, 1

    def script(ask: Ask) -> str:
        nonlocal total
        total += weight
        key = next(iter(ask.schema.model_fields)) if ask.schema else ""
        return json.dumps({key: ["..."] if key == "instructions" else [{"name": "..."}]})

    def alike(calls: int) -> None:
        nonlocal weight
        weight = max(1, calls)

    context, chat = scripted_context(script)
    context = Context("01-explore", 0, lambda name: chat, context.get_embedder, alike=alike)
    assert asyncio.run(step.rehearse_once(context)) is not None
    return total


@pytest.mark.parametrize("answer", [False, True])
def test_the_rehearsal_of_a_plan_counts_its_own_tasks(tmp_path: Path, answer: bool) -> None:
    path = plan_file(
        tmp_path, "domain: home cooking\ntasks:\n- {name: soups, count: 2}\n- {name: bread, count: 1}\n"
    )
    step = Explore(plan=path, dry_rounds=2, answer=answer)
    assert step.expected() == 3
    # Soups: two dry rounds and two that bring one each; bread: two dry ones and one.
    assert rehearsed(step) == 4 + 3 + answer * (2 + 2 + 2 + 1 + 1 + 1 + 1)


def test_a_failed_call_is_no_reason_to_ask_forever() -> None:
    world = World(
        names=lambda *_: RecordFailed("bad_reply", "no"), texts=lambda *_: RecordFailed("bad_reply", "no")
    )
    made = explored(world, size=50)
    assert not made.kept
    assert len(world.asked) == 2 + 2 * 10
