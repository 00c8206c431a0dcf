"""Each schedule, read back in order from the files that it is exported to."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from factory.data.formats.write import write_dataset
from factory.data.record import Message, Record, Tag, new_record
from factory.data.table import Table
from factory.errors import RunStopped
from factory.step import Context
from factory.steps.assemble.schedule import Schedule
from factory.steps.assemble.scheduling.orders import Tags, distance, quotas, replay
from factory.steps.assemble.scheduling.router import Router, evaluate


class Embedder:
    """The k-th unit vector for a prompt that begins with the k-th letter, and a little of its number."""

    name, identity = "scripted", "scripted:letters"

    async def embed(self, texts: Sequence[str]) -> Any:
        rows = np.zeros((len(texts), 30), np.float32)
        for at, text in enumerate(texts):
            rows[at, ord(text[0]) - ord("a")] = 1
            rows[at, 26 + hash(text[-1]) % 4] = 0.1
        return rows


def run(step: Schedule, records: Sequence[Record], seed: int = 0) -> tuple[list[Record], list[str], Context]:
    told: list[str] = []
    context = Context(
        "06-schedule", seed, None, lambda name: Embedder(), warn=told.append, tell=told.append  # type: ignore[arg-type, return-value]
    )  # fmt: skip
    result = asyncio.run(step.run(Table.from_records(records), context))
    orjson.dumps([context.facts, context.tables])  # as the manifest and the step's folder hold them
    return list(result.records()), told, context


def read_back(records: Sequence[Record], folder: Path) -> dict[str, list[str]]:
    """The prompts of each file, in the order of its rows."""
    write_dataset([record for record in records if record.dropped is None], folder, ["messages"])
    return {
        path.stem: [orjson.loads(line)["messages"][0]["content"] for line in path.read_bytes().splitlines()]
        for path in sorted((folder / "messages").iterdir())
    }


def row(at: int, letter: str = "q", **more: Any) -> Record:
    return replace(new_record(f"{letter}uestion {at}", output=f"answer {at}", lang="en"), **more)


def scored(number: int) -> list[Record]:
    values = np.random.default_rng(0).permutation(number).tolist()
    return [row(at, scores={"ifd": float(value)}) for at, value in enumerate(values)]


def test_a_curriculum_in_stages_goes_from_easy_to_hard(tmp_path: Path) -> None:
    records = scored(30)
    found, told, context = run(Schedule(method="curriculum", score="ifd", stages=3), records)
    ifd = {record.prompt: record.scores["ifd"] for record in records}
    files = read_back(found, tmp_path)
    assert {name: sorted(ifd[one] for one in rows) for name, rows in files.items()} == {
        "stage_1": list(range(10)), "stage_2": list(range(10, 20)), "stage_3": list(range(20, 30))
    }  # fmt: skip
    assert [ifd[one] for one in files["stage_1"]] != sorted(ifd[one] for one in files["stage_1"]), (
        "drawn within"
    )
    plan = orjson.loads(context.files["plan.json"])
    assert [stage["rows"] for stage in plan["stages"]] == [10, 10, 10]
    assert "LLaMA-Factory" in plan["keeps_the_order_of_rows"]
    assert "train on one stage's file after the other" in told[-1]


@pytest.mark.parametrize("hard_first", [False, True])
def test_a_smooth_curriculum_is_one_file_in_order_and_says_who_shuffles(
    tmp_path: Path, hard_first: bool
) -> None:
    records = scored(20)
    step = Schedule(method="curriculum", score="2 * ifd", stages=1, hard_first=hard_first)
    found, told, _ = run(step, records)
    ifd = {record.prompt: record.scores["ifd"] for record in records}
    (rows,) = read_back(found, tmp_path).values()
    assert [ifd[one] for one in rows] == sorted(ifd.values(), reverse=hard_first)
    assert "disable_shuffling: true" in told[-1]


def test_a_record_without_the_score_is_neither_easy_nor_hard() -> None:
    found, told, _ = run(Schedule(method="curriculum", score="ifd", stages=2), [*scored(6), row(99)])
    (dropped,) = [record for record in found if record.dropped is not None]
    assert dropped.prompt == "question 99"
    assert dropped.dropped is not None
    assert dropped.dropped.kind == "no_score"
    assert "1 of 7 records have no ifd" in told[0]


def tasks() -> list[Record]:
    return [row(at, task=("math", "code", "chat", "chat")[at % 4]) for at in range(400)]


def test_dual_stage_has_the_specialised_first_then_the_general_with_a_share_of_them(tmp_path: Path) -> None:
    records = tasks()
    found, told, _ = run(Schedule(method="dual_stage", first=("math", "code"), share=0.05), records)
    task = {record.prompt: record.task for record in records}
    files = read_back(found, tmp_path)
    assert Counter(task[one] for one in files["stage_1"]) == {"math": 100, "code": 100}
    counts = Counter(task[one] for one in files["stage_2"])
    assert counts["chat"] == 200
    assert counts["math"] + counts["code"] == 10
    assert "stage 2 (general) 210 rows, 10 of them again" in told[0]
    again = [record for record in found if record.events]
    assert len({record.id for record in found}) == len(found) == 410
    originals = {record.id: record for record in records}
    for record in again:
        assert originals[record.events[-1].parents[0]].messages == record.messages
        assert record.meta["stage"] == 2


def test_the_share_of_dual_stage_is_one_in_256_and_one_row_at_least() -> None:
    found, _, _ = run(Schedule(method="dual_stage", first=("math",)), tasks())
    assert len(found) == 401


def test_replay_by_share_takes_alike_from_each_earlier_set(tmp_path: Path) -> None:
    records = [row(at, source="abc"[at // 100]) for at in range(300)]
    found, _, _ = run(Schedule(method="replay", by="source", share=0.1, order=("c", "a", "b")), records)
    source = {record.prompt: record.source for record in records}
    files = {name: Counter(source[one] for one in rows) for name, rows in read_back(found, tmp_path).items()}
    assert files == {
        "stage_1": {"c": 100}, "stage_2": {"a": 100, "c": 10}, "stage_3": {"b": 100, "c": 5, "a": 5}
    }  # fmt: skip


@pytest.mark.slow
def test_inscl_replays_more_of_the_less_similar_and_what_says_most(tmp_path: Path) -> None:
    def tagged(at: int, letter: str, source: str) -> Record:
        # The first 300 of each set have a rare tag.
        names = [f"rare{at}"] if at < 300 else ["common"]
        return row(at, letter, source=source, tags=tuple(map(Tag, names)))

    records = [tagged(at, "a", "near") for at in range(400)] + [tagged(at, "b", "far") for at in range(400)]
    records += [row(at, "a" if at % 4 else "b", source="now", tags=(Tag("common"),)) for at in range(400)]
    found, told, context = run(Schedule(method="replay", by="source", order=("near", "far", "now")), records)
    plan = orjson.loads(context.files["plan.json"])["stages"]
    assert plan[1]["replayed"] == {"near": 200}
    given = plan[2]["replayed"]
    assert sum(given.values()) == 400
    assert given["far"] > 2 * given["near"]
    again = [record for record in found if record.meta["stage"] == 2 and record.source == "near"]
    assert all(record.tags[0].name.startswith("rare") for record in again)
    assert any("lies" in sentence for sentence in told)


def test_experts_have_a_set_each_and_a_router_that_is_evaluated(tmp_path: Path) -> None:
    records = [row(at, "abc"[at % 3], task=("math", "写作", "")[at % 3]) for at in range(90)]
    found, told, context = run(Schedule(method="experts"), records)
    files = read_back(found, tmp_path)
    assert {name: len(rows) for name, rows in files.items()} == {
        "expert_general": 30, "expert_math": 30, "expert_写作": 30
    }  # fmt: skip
    assert all(prompt.startswith("a") for prompt in files["expert_math"])
    assert context.facts["router"]["accuracy"] == 1.0
    assert context.facts["router"]["majority"] == pytest.approx(1 / 3)
    rule = orjson.loads(context.files["router.json"])
    assert rule["embedder"] == "scripted:letters"
    (vector,) = asyncio.run(Embedder().embed(["b new prompt"]))
    scores = {
        line["expert"]: float((vector - np.array(rule["mean"])) @ np.array(line["centre"]))
        for line in context.tables["routing"]
    }
    assert max(scores, key=lambda name: scores[name]) == "写作"
    assert "100.0% (95 % interval" in told[0]


def test_a_router_no_surer_than_the_largest_expert_is_warned_of() -> None:
    random = np.random.default_rng(0)
    vectors = random.standard_normal((200, 8)).astype(np.float32)
    labels = ["a" if flag else "b" for flag in random.random(200) < 0.5]
    routed = evaluate(vectors, labels, np.arange(200), 0)
    assert routed.interval[0] <= routed.majority
    assert Router.of(vectors, labels).names == ["a", "b"]


def test_prompts_of_one_lineage_are_never_on_both_sides_of_a_fold() -> None:
    """Five copies each of prompts whose labels are noise: seen ones would be routed by heart."""
    random = np.random.default_rng(1)
    base = random.standard_normal((40, 200)).astype(np.float32)
    vectors = np.repeat(base, 5, axis=0)
    labels = np.repeat(np.where(random.random(40) < 0.5, "a", "b"), 5).tolist()
    seen = evaluate(vectors, labels, np.arange(200), 0).accuracy
    unseen = evaluate(vectors, labels, np.repeat(np.arange(40), 5), 0).accuracy
    assert seen > 0.8
    assert unseen < 0.7


@pytest.mark.parametrize("place", ["template", "system", "column"])
def test_a_condition_and_its_weight_are_in_the_file(tmp_path: Path, place: Any) -> None:
    records = [row(0, source="gpt4"), row(1, source="gpt35")]
    step = Schedule(method="conditioned", weights={"gpt4": 1.0, "gpt35": 0.1}, place=place)
    found, told, context = run(step, records)
    write_dataset(found, tmp_path, ["messages"], carry=["condition"])
    rows = [orjson.loads(line) for line in (tmp_path / "messages" / "train.jsonl").read_bytes().splitlines()]
    assert [one["messages"][-1]["weight"] for one in rows] == [1.0, 0.1]
    assert [one["condition"] for one in rows] == ["gpt4", "gpt35"]
    if place == "template":
        assert [one["chat_template_kwargs"]["condition"] for one in rows] == ["gpt4", "gpt35"]
    if place == "system":
        assert [one["messages"][0]["content"] for one in rows] == ["gpt4", "gpt35"]
    assert context.facts["best_condition"] == "gpt4"
    assert "the condition to ask for is gpt4" in told[-1]


def test_a_turn_that_is_not_to_be_learned_stays_so() -> None:
    turns = (
        Message("user", "a"),
        Message("assistant", "b", weight=0.0),
        Message("user", "c"),
        Message("assistant", "d"),
    )
    found, _, _ = run(
        Schedule(method="conditioned", weights={"s": 0.5}), [row(0, source="s", messages=turns)]
    )
    assert [turn.weight for turn in found[0].messages] == [None, 0.0, None, 0.5]


def test_what_split_held_out_is_in_no_stage_and_never_repeated(tmp_path: Path) -> None:
    records = [
        replace(one, meta={"split": "test" if at % 10 == 0 else "train"}) for at, one in enumerate(tasks())
    ]
    found, told, _ = run(Schedule(method="dual_stage", first=("math",), share=0.5), records)
    files = read_back(found, tmp_path)
    assert files["test"] == [f"question {at}" for at in range(0, 400, 10)]
    assert not set(files["test"]) & {one for name in files if name != "test" for one in files[name]}
    assert "held out or let go 40" in told[0]


def test_the_same_seed_gives_the_same_order_and_another_one_another() -> None:
    step = Schedule(method="dual_stage", first=("math",))
    orders = [[record.id for record in run(step, tasks(), seed)[0]] for seed in (1, 1, 2)]
    assert orders[0] == orders[1] != orders[2]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("options", "said"),
    [
        (
            {"method": "dual_stage", "first": ("maths",)},
            r"no record is of task 'maths'; did you mean 'math'\?",
        ),
        ({"method": "dual_stage", "first": ("math", "code", "chat")}, r"stage 2 \(general\) would be empty"),
        ({"method": "curriculum", "score": "idf"}, "no record has the score 'idf'"),
        ({"method": "curriculum", "score": "ifd"}, "ifd is 1 for all 400 records: it orders nothing"),
        (
            {"method": "curriculum", "score": "ifd + 0 * n", "stages": 500},
            r"stage 401 \(none\) would be empty",
        ),
        ({"method": "replay", "order": ("math", "code")}, "`order` leaves out task chat"),
        ({"method": "replay", "by": "sorce"}, "no record has a 'sorce'; known are id, lang, task"),
        ({"method": "experts", "by": "lang"}, "all records are of one lang: there is nothing to route"),
        (
            {"method": "conditioned", "by": "task", "weights": {"math": 1}},
            "task 'code', 'chat' has no weight",
        ),
    ],
)
def test_what_cannot_be_scheduled_stops_with_a_sentence(options: dict[str, Any], said: str) -> None:
    records = [replace(one, scores={"ifd": 1.0, "n": float(at)}) for at, one in enumerate(tasks())]
    if "n" in str(options.get("score")):
        records = [replace(one, scores={"ifd": float(at), "n": 1.0}) for at, one in enumerate(records)]
    with pytest.raises(RunStopped, match=said):
        run(Schedule(**options), records)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"method": "curriculum"}, "needs `score`"),
        ({"method": "dual_stage"}, "needs `first`"),
        ({"method": "conditioned", "weights": {"a": 2.0}}, "weights are from 0 to 1"),
        ({"method": "conditioned", "weights": {"a": -1.0}}, "weights are from 0 to 1"),
        (
            {"method": "curriculum", "score": "ifd", "share": 0.1},
            "has no `share`: it heeds hard_first, score, stages",
        ),
        ({"method": "curriculum", "score": "import os"}, "character 8"),
        ({"method": "dual_stage", "first": "math", "share": 2.0}, "at most 1"),
    ],
)
def test_options_that_do_not_fit_are_refused(options: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        Schedule(**options)


@settings(deadline=None)
@given(
    st.integers(0, 80),
    st.lists(st.tuples(st.floats(0, 5), st.integers(0, 30)), min_size=1, max_size=6),
)
def test_quotas_by_weight_sum_to_what_there_is_and_ask_none_for_more(
    total: int, sets: list[tuple[float, int]]
) -> None:
    weights, rows = [weight for weight, _ in sets], [number for _, number in sets]
    given_ = quotas(total, weights, rows)
    assert sum(given_) == min(total, sum(rows))
    assert all(0 <= mine <= number for mine, number in zip(given_, rows, strict=True))


def test_a_distance_is_that_of_the_best_transport() -> None:
    one = np.eye(4, dtype=np.float32)
    assert distance(one, one[::-1], np.random.default_rng(0)) == (0.0, None)
    far, sure = distance(one[:2], one[2:], np.random.default_rng(0))
    assert (far, sure) == (1.0, None)
    drawn, sure = distance(one[:1].repeat(50, axis=0), one[1:2].repeat(40, axis=0), np.random.default_rng(0))
    assert drawn == pytest.approx(1.0)
    assert sure is not None


def test_information_is_the_sum_of_log_of_rows_over_document_frequency() -> None:
    found = Tags.of([["a", "b"], ["a"], [], ["a", "a"]]).information(np.arange(4))
    assert found.tolist() == pytest.approx([np.log(4 / 3) + np.log(4), np.log(4 / 3), 0, np.log(4 / 3)])


def test_information_is_that_of_the_sets_that_came_before() -> None:
    """In the first two rows "b" is rarer than "a"; in all it is not: what comes later does not count."""
    tags = Tags.of([["a"], ["a"], ["b"], ["b"], ["b"], ["b"]])
    assert tags.information(np.arange(3)).tolist() == pytest.approx(
        [np.log(1.5), np.log(1.5), np.log(3), 0, 0, 0]
    )
    sets = {"first": np.arange(3), "second": np.arange(3, 6)}
    stages = replay(sets, [0, 1], [[], [1.0]], tags, np.random.default_rng(0))
    assert stages[1].rows[stages[1].again].tolist() == [2]


def test_fewer_rows_to_repeat_than_asked_for_are_told() -> None:
    found, told, _ = run(Schedule(method="replay", share=3.0), tasks())
    assert sum(record.meta["stage"] == 2 for record in found) == 200
    assert any("stage 2 (code) 100 of 300" in sentence for sentence in told)
    told = run(Schedule(method="replay", share=0.1), tasks())[1]
    assert not any("fewer rows come again" in sentence for sentence in told)
