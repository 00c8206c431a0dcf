"""Self-Instruct with a scripted model: what is kept, what is let go and why, when it ends, and the laws."""

from __future__ import annotations

import asyncio
import json
import random
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from scripted_server import ScriptedServer, in_thread
from step_context import Ask, scripted_context

import factory as sft
from factory.data.record import Record, new_record
from factory.data.table import Table
from factory.engine.plan.rehearsal import dry_run
from factory.errors import FactoryError, RecordFailed, RunStopped
from factory.models.base import Reply
from factory.recipe.recipe import build_recipe
from factory.steps.agents.invent import Invent

WORDS = ("copper", "lantern", "harbour", "saffron", "violin", "glacier", "orchard", "compass", "anvil")
ZH = "铜灯港湾藏红花提琴冰川果园罗盘雷声羊皮纸草甸铁砧松林麦田竹筏陶罐石桥"
SEEDS = [
    new_record(text, output="An answer.", lang="en", source="seeds", occurrence=at)
    for at, text in enumerate(
        [
            "Why is the sea salty?",
            "Give three tips for a long walk.",
            "Translate the sentence into French.",
            "What does a notary do all day?",
            "Plan a dinner for six people.",
            "Sum up the speech in one line.",
            "Which animals sleep standing up?",
        ]
    )
]
SEEDS_ZH = [
    new_record(text, output="答案。", lang="zh", source="seeds")
    for text in ("海水为什么是咸的？", "推荐三种夏天的凉菜。", "把这句话改成疑问句。")
]


def task(number: int, chinese: bool = False) -> str:
    """A task unlike those of other numbers."""
    draw = random.Random(number)
    if chinese:
        return "请" + "".join(draw.sample(ZH, 12)) + "。"
    return f"Tell how {number} " + " ".join(f"{word}{number}" for word in draw.sample(WORDS, 5)) + " differ."


def numbered(tasks: Sequence[str]) -> str:
    return "\n".join(f"{at}. {one}" for at, one in enumerate(tasks, start=1))


@dataclass
class Inventor:
    """A script: the list of each call by its number, of each task whether it is a classification, its instance."""

    lists: Callable[[int], str | Reply | Exception] = lambda number: numbered(
        [task(10 * number + at) for at in range(4)]
    )
    classify: Callable[[str], bool] = lambda instruction: False
    instance: Callable[[str], str | Reply | Exception] = lambda instruction: json.dumps(
        {"input": "Some material.", "output": "A sound answer about it."}
    )
    seen: list[str] = field(default_factory=list)

    def __call__(self, ask: Ask) -> str | Reply | Exception:
        if ask.schema is None:
            self.seen.append("tasks")
            return self.lists(ask.sample)
        instruction = ask.text.split("<instruction>\n")[1].split("\n</instruction>")[0]
        if ask.schema.__name__ == "Kind":
            self.seen.append("classify")
            return json.dumps({"classification": self.classify(instruction)})
        self.seen.append(ask.schema.__name__)
        return self.instance(instruction)


@dataclass
class Outcome:
    seeds: list[Record]
    made: list[Record]
    told: list[str]
    warned: list[str]
    facts: dict[str, object]
    asks: list[Ask]

    @property
    def kept(self) -> list[Record]:
        return [record for record in self.made if record.dropped is None]

    @property
    def kinds(self) -> Counter[str]:
        return Counter(record.dropped.kind for record in self.made if record.dropped)


def invent(step: Invent, script: object, seeds: list[Record] | None = None, seed: int = 0) -> Outcome:
    seeds = SEEDS if seeds is None else seeds
    told: list[str] = []
    warned: list[str] = []
    context, chat = scripted_context(script, step="02-invent", seed=seed)  # type: ignore[arg-type]
    context = replace(context, tell=told.append, warn=warned.append)
    rows = list(asyncio.run(step.run(Table.from_records(seeds), context)).records())
    return Outcome(rows[: len(seeds)], rows[len(seeds) :], told, warned, context.facts, chat.asks)


def test_new_tasks_are_kept_with_an_input_and_an_output_until_there_are_enough() -> None:
    script = Inventor()
    done = invent(Invent(size=6, per_call=4), script)
    assert [record.dropped for record in done.seeds] == [None] * 7
    assert [record.instruction for record in done.kept] == [task(n) for n in (0, 1, 2, 3, 10, 11)]
    assert {(record.input, record.output) for record in done.kept} == {
        ("Some material.", "A sound answer about it.")
    }
    assert done.kinds == {"beyond_size": 2}
    assert script.seen.count("tasks") == 2
    assert script.seen.count("InputFirst") == 6
    assert not done.warned
    assert done.told[-1].startswith("02-invent: kept 6 of 6 tasks, 100% (95 % interval ")
    assert done.told[-1].endswith("6 wanted; 1 round, 2 calls for tasks, 2 more than needed")


def test_a_classification_is_written_label_first() -> None:
    script = Inventor(classify=lambda instruction: instruction == task(1))
    done = invent(Invent(size=4, per_call=4), script)
    operations = [[event.operation for event in record.events] for record in done.kept]
    assert operations[1] == ["invent", "classify", "output_first"]
    assert operations[0] == operations[2] == ["invent", "classify", "input_first"]
    schemas = [ask.schema for ask in done.asks if ask.schema is not None]
    order = {schema.__name__: list(schema.model_fields) for schema in schemas}
    assert order["OutputFirst"] == ["output", "input"]
    assert order["InputFirst"] == ["input", "output"]


def test_without_answers_tasks_go_on_as_they_are_and_nothing_else_is_asked() -> None:
    script = Inventor()
    done = invent(Invent(size=4, per_call=4, answer=False), script)
    assert [record.output for record in done.kept] == [""] * 4
    assert script.seen == ["tasks"]


def test_a_call_shows_six_seeds_and_two_tasks_invented_before_once_there_are_some() -> None:
    done = invent(Invent(size=12, per_call=4, calls=1, answer=False), Inventor())
    shown = [ask.text.split("<tasks>\n")[1].split("\n</tasks>")[0].splitlines() for ask in done.asks]
    human = {f"- {record.instruction}" for record in SEEDS}
    assert [sum(line in human for line in lines) for lines in shown] == [7, 6, 6]
    assert [len(lines) for lines in shown] == [7, 8, 8]
    assert set(shown[1]) - human <= {f"- {task(n)}" for n in range(4)}
    assert done.asks[0].text.endswith("<count>\n4\n</count>")


def test_a_task_goes_back_to_the_seeds_it_was_shown_and_the_first_of_its_parents_is_one() -> None:
    done = invent(Invent(size=12, per_call=4, calls=1), Inventor())
    seeds = {record.id for record in SEEDS}
    known = set(seeds)
    for record in done.made:
        (made, *_) = record.events
        assert made.parents[0] in seeds
        assert set(made.parents) <= known
        assert made.operation == "invent"
        assert made.prompt == "en/invent/tasks@1"
        assert made.round in (1, 2, 3)
        known.add(record.id)
    assert len(known) == len(SEEDS) + len(done.made)
    assert {record.source for record in done.made} == {"seeds"}


LONG = "Explain in simple words how copper lantern harbour saffron violin glacier orchard compass differ."


@pytest.mark.parametrize(
    ("listed", "kinds"),
    [
        ("Why is the sea salty?", {"near_duplicate": 1}),  # a copy of a seed
        ("Why, then, is the sea so salty?", {"near_duplicate": 1}),
        (LONG, {}),
        ("Name rivers.", {"length": 1}),
        ("Describe the picture of the harbour.", {"not_text": 1}),
        ("Write a program that counts anchors.", {"program": 1}),
        ("«Sea» in five other words.", {"opening": 1}),
        ("请说明铜灯和提琴有什么不同之处。", {"other_language": 1}),
        ("As an AI language model, I cannot think of another task.", {"refusal": 1}),
        ("Make each one different from every line of the list and from yours.", {"template_leak": 1}),
        ("You invent tasks for AI assistants.", {"template_leak": 1}),  # a whole sentence, however short
        ("<tasks> Tell how copper and lanterns differ.", {"template_leak": 1}),
        ("***", {"empty": 1}),
    ],
)
def test_what_a_tasks_text_is_let_go_for(listed: str, kinds: dict[str, int]) -> None:
    step = Invent(size=4, per_call=4, patience=1, answer=False)
    done = invent(step, Inventor(lists=lambda number: f"1. {listed}"))
    first = [record for record in done.made if record.events[0].round == 1]
    assert Counter(record.dropped.kind for record in first if record.dropped) == kinds


def test_chinese_seeds_are_shown_to_the_chinese_prompt_and_novelty_is_by_characters() -> None:
    replies = [
        "请" + ZH[:12] + "。",
        "海水为什么是这么咸的？",
        "写一首诗。",
        "Tell how copper and violin differ.",
    ]
    done = invent(
        Invent(size=1, per_call=4, calls=1, answer=False, patience=1),
        Inventor(lists=lambda number: numbered(replies)),
        SEEDS_ZH,
    )
    assert [record.lang for record in done.kept] == ["zh"]
    assert done.made[0].events[0].prompt == "zh/invent/tasks@1"
    kinds = [record.dropped.kind if record.dropped else None for record in done.made]
    assert kinds == [None, "beyond_size", "length", "other_language"]
    more = invent(
        Invent(size=9, per_call=4, calls=1, answer=False, patience=1),
        Inventor(lists=lambda number: numbered(replies)),
        SEEDS_ZH,
    )
    close = more.made[1].dropped
    assert close is not None
    assert (close.kind, close.against) == ("near_duplicate", SEEDS_ZH[0].id)
    assert close.numbers["rouge_l"] == pytest.approx(2 * 8 / (8 + 10))


def test_a_task_too_close_to_another_names_it_and_how_close() -> None:
    done = invent(
        Invent(size=2, per_call=2, calls=1, answer=False, patience=1),
        Inventor(lists=lambda number: numbered([LONG, LONG.replace("copper", "silver")])),
    )
    first, second = done.made[:2]
    assert first.dropped is None
    assert second.dropped is not None
    assert (second.dropped.kind, second.dropped.against) == ("near_duplicate", first.id)
    assert second.dropped.numbers["rouge_l"] == pytest.approx(13 / 14)
    assert LONG[:40] in second.dropped.reason


@pytest.mark.parametrize(
    ("reply", "kinds"),
    [
        ("I cannot help with that request.", {"refusal": 1}),
        ("What a lovely list.", {"no_list": 1}),
        ("", {"no_list": 1}),
        (Reply(numbered([task(1), task(2)]), "length"), {"truncated": 1}),
        (RecordFailed("timeout", "no answer in time"), {"timeout": 1}),
        (numbered([task(n) for n in range(9)]), {"surplus": 5}),
        ("1. " + "on and on " * 500, {"length": 1}),  # endless
    ],
)
def test_what_a_reply_is_let_go_for(reply: str | Reply | Exception, kinds: dict[str, int]) -> None:
    step = Invent(size=9, per_call=4, calls=1, patience=1, answer=False)
    done = invent(step, Inventor(lists=lambda number: reply))
    own = [record for record in done.made if record.events[0].round == 1]
    assert Counter(record.dropped.kind for record in own if record.dropped) == kinds
    assert all(record.dropped.failed for record in own if record.dropped and record.dropped.kind == "timeout")


@pytest.mark.parametrize(
    ("instance", "kind", "failed"),
    [
        (json.dumps({"input": "", "output": ""}), "empty_answer", False),
        (json.dumps({"input": "the same", "output": "The same"}), "same_as_input", False),
        (json.dumps({"input": "", "output": "The steps are:"}), "unfinished", False),
        (json.dumps({"input": "", "output": "Sorry, I can't assist with that."}), "refusal", False),
        ('{"input": "", "outp', "bad_reply", True),
        ('{"output": "no input"}', "bad_reply", True),
        (RecordFailed("timeout", "no answer in time"), "timeout", True),
    ],
)
def test_what_an_instance_is_let_go_for(instance: str | Exception, kind: str, failed: bool) -> None:
    script = Inventor(instance=lambda _: instance)
    done = invent(Invent(size=4, per_call=4, calls=1, patience=1), script)
    assert done.kinds == {kind: 4}
    assert {record.dropped.failed for record in done.made if record.dropped} == {failed}


def test_a_task_whose_instance_failed_stays_one_that_others_must_differ_from() -> None:
    script = Inventor(lists=lambda number: numbered([LONG]), instance=lambda _: '{"input": "", "output": ""}')
    done = invent(Invent(size=1, per_call=1, calls=1, patience=2), script)
    assert [record.dropped.kind for record in done.made if record.dropped] == [
        "empty_answer",
        "near_duplicate",
    ]


def test_where_an_instance_fails_the_next_task_of_the_same_round_takes_its_place() -> None:
    bad = json.dumps({"input": "", "output": ""})
    good = json.dumps({"input": "", "output": "A sound answer."})
    script = Inventor(instance=lambda instruction: bad if instruction == task(0) else good)
    done = invent(Invent(size=2, per_call=4), script)
    kinds = [record.dropped.kind if record.dropped else None for record in done.made]
    assert kinds == ["empty_answer", None, None, "beyond_size"]
    assert len(done.facts["rounds"]) == 1  # type: ignore[arg-type]


def test_it_ends_after_rounds_that_keep_nothing_and_says_why() -> None:
    same = numbered([task(n) for n in range(4)])
    done = invent(
        Invent(size=40, per_call=4, calls=1, patience=3, answer=False), Inventor(lists=lambda _: same)
    )
    assert len(done.kept) == 4
    assert [row["kept"] for row in done.facts["rounds"]] == [4, 0, 0, 0]  # type: ignore[attr-defined]
    (warned,) = done.warned
    assert "kept 4 of 16 tasks, 25% (95 % interval " in warned
    assert "it ended after 3 rounds in a row that kept none (near_duplicate: 12): look at" in warned
    assert done.kinds == {"near_duplicate": 12}


def test_it_ends_when_it_asked_for_many_times_what_would_do_and_says_why() -> None:
    def one_new(number: int) -> str:
        return numbered([task(number), *SEEDS_TEXTS])

    done = invent(Invent(size=40, per_call=4, overask=2, answer=False), Inventor(lists=one_new))
    assert len(done.asks) == 20
    assert len(done.kept) == 20
    assert "it ended after 20 calls for tasks, 2 times what would do" in done.warned[0]


SEEDS_TEXTS = [record.instruction for record in SEEDS[:3]]


def test_later_rounds_ask_for_as_much_more_as_the_share_kept_so_far_asks_for() -> None:
    def half(number: int) -> str:
        return numbered([task(number), task(1000 + number), *SEEDS_TEXTS[:2]])

    done = invent(Invent(size=16, per_call=4, calls=100, answer=False), Inventor(lists=half))
    rows = done.facts["rounds"]
    assert [(row["calls"], row["tasks"], row["kept"]) for row in rows] == [(4, 16, 8), (4, 16, 8)]  # type: ignore[attr-defined]
    assert rows[0]["dropped"] == "near_duplicate 8"  # type: ignore[index]


def test_what_is_written_beside_the_lists_is_counted() -> None:
    done = invent(
        Invent(size=4, per_call=4, answer=False),
        Inventor(
            lists=lambda n: "Of course!\n" + numbered([task(n * 9 + at) for at in range(4)]) + "\n\nEnjoy!"
        ),
    )
    assert done.facts["text_outside_lists"] == 2


def test_seeds_without_an_instruction_are_counted_and_stay() -> None:
    blank = new_record("", lang="en")
    done = invent(Invent(size=1, per_call=1, answer=False), Inventor(), [blank, *SEEDS])
    assert done.facts["seeds_without_instruction"] == 1
    assert done.seeds[0].id == blank.id


def test_without_keep_seeds_they_are_marked_and_not_lost() -> None:
    done = invent(Invent(size=1, per_call=1, answer=False, keep_seeds=False), Inventor())
    assert {record.dropped.kind for record in done.seeds if record.dropped} == {"seed"}
    assert len(done.kept) == 1


@pytest.mark.parametrize("seeds", [[], [new_record("", lang="en")]])
def test_without_a_seed_it_says_what_to_put_before_it(seeds: list[Record]) -> None:
    with pytest.raises(FactoryError, match=r"no record that comes in has an instruction .*read seeds before"):
        invent(Invent(), Inventor(), seeds)


def test_a_model_that_cannot_go_on_stops_the_run() -> None:
    with pytest.raises(RunStopped, match="no credit"):
        invent(Invent(size=4), Inventor(lists=lambda _: RunStopped("no credit")))


@pytest.mark.parametrize(
    "options", [{"size": 0}, {"threshold": 0}, {"threshold": 1.1}, {"seeds": 0}, {"rules": ["wit"]}]
)
def test_options_that_mean_nothing_are_refused(options: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        Invent(**options)


replies = st.lists(
    st.sampled_from(
        [task(n) for n in range(12)] + SEEDS_TEXTS + ["Name rivers.", "请说出一条河的名字。", ""]
    ),
    min_size=0,
    max_size=7,
)


@pytest.mark.slow
@settings(max_examples=60)
@given(st.lists(replies, min_size=1, max_size=6), st.integers(1, 9), st.integers(1, 5), st.integers(0, 3))
def test_the_laws(lists: list[list[str]], size: int, per_call: int, bad: int) -> None:
    """Whatever is said: it ends, every task is kept or dropped, ids differ, the kept are new, the same comes again."""

    def instance(instruction: str) -> str:
        good = bad == 0 or len(instruction) % (bad + 1)
        return json.dumps({"input": "", "output": "A sound answer." if good else ""})

    step = Invent(size=size, per_call=per_call, calls=2, patience=2)
    script = Inventor(lists=lambda number: numbered(lists[number % len(lists)]), instance=instance)
    done = invent(step, script)
    rows = done.facts["rounds"]
    assert isinstance(rows, list)
    assert len(done.kept) <= size
    assert sum(row["tasks"] for row in rows) == len(done.made)
    assert sum(row["kept"] for row in rows) == len(done.kept) == len(done.made) - done.kinds.total()
    assert (len(done.kept) < size) == bool(done.warned)
    everyone = [*done.seeds, *done.made]
    assert len({record.id for record in everyone}) == len(everyone)
    assert len({record.instruction for record in (*done.seeds, *done.kept)}) == 7 + len(done.kept)
    for record in done.made:
        if record.dropped and record.dropped.against:
            assert record.dropped.against in {other.id for other in everyone}
    again = invent(step, Inventor(lists=script.lists, instance=instance))
    assert again.made == done.made


@pytest.mark.slow
def test_the_order_in_which_replies_come_changes_nothing(tmp_path: Path) -> None:
    def server_script(delays: random.Random) -> Callable[[dict[str, object]], object]:
        inventor = Inventor()

        async def reply(request: dict[str, object]) -> str:
            await asyncio.sleep(delays.random() / 50)
            turns = request["messages"]
            said = turns[-1]["content"]  # type: ignore[index]
            wanted = request.get("response_format")
            if not wanted:
                draw = random.Random(said)
                return numbered([task(draw.randrange(40)) for _ in range(4)])
            properties = wanted["json_schema"]["schema"]["properties"]  # type: ignore[index]
            if "classification" in properties:
                return json.dumps({"classification": len(said) % 2 == 0})
            answer = inventor.instance(said)
            assert isinstance(answer, str)
            fields = json.loads(answer)
            return json.dumps({name: fields[name] for name in properties})

        return reply

    outcomes = []
    for seed in (1, 2):
        with in_thread(ScriptedServer(server_script(random.Random(seed)))) as server:  # type: ignore[arg-type]
            recipe = build_recipe(
                {
                    "name": "bootstrapped",
                    "models": {"m": {"provider": "openai", "base_url": server.base_url, "model": "scripted"}},
                    "steps": [
                        {"read": {"path": "factory:seeds"}},
                        {"invent": {"size": 20, "per_call": 4, "calls": 4}},
                    ],
                },
                "bootstrapped",
            )
            journal = tmp_path / f"{seed}.db"
            result = sft.run(recipe, out=tmp_path / f"run{seed}", journal=journal)
            asked = len(server.requests)
            replayed = sft.run(recipe, out=tmp_path / f"again{seed}", journal=journal)
            assert len(server.requests) == asked  # a replay asks nothing
        outcomes.append(
            [
                (folder / "steps/02-invent" / name).read_bytes()
                for folder in (result.folder, replayed.folder)
                for name in ("kept.parquet", "dropped.parquet")
            ]
        )
        assert outcomes[-1][:2] == outcomes[-1][2:]
    assert outcomes[0] == outcomes[1]


def test_an_estimate_counts_all_that_it_could_ask_at_the_most() -> None:
    recipe = build_recipe(
        {
            "name": "bootstrapped",
            "models": {"m": {"provider": "openai", "base_url": "http://127.0.0.1:1/v1", "model": "x"}},
            "steps": [{"read": {"path": "factory:seeds"}}, {"invent": {"size": 10, "per_call": 4}}],
        },
        "bootstrapped",
    )
    plan = asyncio.run(dry_run(recipe, 5))
    calls = 3 * 4
    assert plan.steps[1].once["m"].calls == calls + 2 * calls * 4
    assert plan.made == 10
