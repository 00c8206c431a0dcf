"""The decontaminate step: what it drops and says, what it asks, what it refuses."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pytest
from numpy.typing import NDArray
from pydantic import ValidationError
from step_context import Ask, scripted_context

import factory as sft
from factory.data.formats.reference import reference_rows
from factory.data.record import Drop, Event, Message, Record, new_record
from factory.data.table import Table
from factory.data.text import shorten
from factory.errors import InputError, OutputError, RecipeError, RecordFailed, TextsFailed
from factory.recipe.overrides import option_value
from factory.report.page.page import write_report
from factory.steps.dedup.leaks.step import Decontaminate

ITEM = (
    "A baker makes 12 loaves each morning and sells them for 4 dollars apiece. "
    "On Sundays she gives a third of them away. How much does she earn in a week?"
)
REPHRASED = "Work out the weekly income of someone who bakes a dozen breads daily."
OTHER = "Why do cats purr when somebody strokes them behind the ears?"
DIRECTIONS = {ITEM: 0, REPHRASED: 10, OTHER: 90}


class PlaneEmbedder:
    """An `EmbeddingModel` that gives each text a direction in the plane."""

    name = "plane"

    async def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        angles = np.radians([DIRECTIONS.get(text, 170) for text in texts])
        return np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)


def benchmark(folder: Path, *rows: dict[str, Any], name: str = "math.jsonl") -> Path:
    path = folder / name
    path.write_bytes(b"\n".join(orjson.dumps(row) for row in rows or ({"question": ITEM, "answer": "..."},)))
    return path


def reference_rows_quiet(path: Path) -> Iterator[tuple[int, Mapping[str, Any]]]:
    return reference_rows(path, warn=print)


def run(
    step: Decontaminate, records: Sequence[Record], says: Any = None
) -> tuple[list[Record], list[Ask], list[str]]:
    """The set after the step, what was asked of the judge, and the warnings."""

    def unasked(ask: Ask) -> str:
        raise AssertionError("this step asks no judge")

    warned: list[str] = []
    context, chat = scripted_context(says or unasked, step="04-decontaminate")
    context = replace(
        context,
        get_embedder=lambda name: PlaneEmbedder(),
        warn=warned.append,
        tell=warned.append,
        read_rows=functools.partial(reference_rows, warn=warned.append),
    )
    result = asyncio.run(step.run(Table.from_records(records), context))
    return list(result.records()), chat.asks, warned


@pytest.mark.slow
def test_a_leaked_record_is_dropped_with_benchmark_item_words_and_numbers(tmp_path: Path) -> None:
    records = [
        new_record("Name a river.", output="The Rhine."),
        new_record(f"Solve this. {ITEM}", output="304 dollars."),
        new_record("Make up a problem.", output=ITEM.replace("12", "20").replace("third", "tiny part")),
    ]
    step = Decontaminate(against={"gsm": str(benchmark(tmp_path))})
    result, _, warned = run(step, records)
    assert [record.dropped is None for record in result] == [True, False, False]
    first, second = result[1].dropped, result[2].dropped
    assert first is not None
    assert second is not None
    assert first.kind == second.kind == "leak"
    assert first.reason.startswith("gsm 1: 31 of its own 31 words, 31 in a row, in the user turn: ")
    assert first.numbers == {"coverage": 1, "run": 31, "edits": 0, "n": 13}
    assert first.against == second.against == "gsm#1", "the item, since no record of the set won"
    assert second.reason.startswith(
        "gsm 1: near, all but 3 of its 31 words, 15 in a row ('loaves each morning and "
    )
    assert "in the assistant turn: A baker makes 20 loaves" in second.reason
    assert second.numbers["edits"] == 3, "two words, and another number"
    assert warned == [
        "gsm: 1 of its 1 items, 100.0% (95 % interval 20.7% to 100.0%), stood in 2 records, which are dropped"
    ]


@pytest.mark.slow
def test_every_turn_is_searched_and_a_field_narrows_the_search(tmp_path: Path) -> None:
    turns = ("Hello.", ITEM, "Name a river.", "The Rhine.")
    roles = ("user", "assistant", "user", "assistant")
    early = replace(new_record("x"), messages=tuple(map(Message, roles, turns)))
    records = [early, new_record(ITEM, output="a"), new_record("b", output=ITEM), new_record("c", input=ITEM)]
    path = str(benchmark(tmp_path))
    for field, kept in {
        "all": [],
        "instruction": [0, 2, 3],
        "prompt": [0, 2],
        "output": [0, 1, 3],
        "both": [0],
    }.items():
        result, _, _ = run(Decontaminate(against={"b": path}, field=field), records)  # type: ignore[arg-type]
        assert [at for at, record in enumerate(result) if record.dropped is None] == kept


@pytest.mark.slow
def test_an_item_is_named_by_its_id_and_several_files_are_told_apart(tmp_path: Path) -> None:
    one = benchmark(tmp_path, {"task_id": "T/9\x1b[31m", "prompt": ITEM}, name="a.jsonl")
    two = benchmark(tmp_path, {"question_id": 3, "turns": [OTHER, "And what of dogs?"]}, name="b.jsonl")
    result, _, warned = run(
        Decontaminate(against={"one": str(one), "two": str(two)}), [new_record(OTHER), new_record(ITEM)]
    )
    first, second = (record.dropped for record in result)
    assert first is not None
    assert second is not None
    assert first.reason.startswith("two 3/turn 1: ")
    assert second.reason.startswith("one T/9 [31m: ")
    assert (first.against, second.against) == ("two#3/turn 1", "one#T/9\x1b[31m")
    assert second.reason.isprintable()
    assert len(warned) == 2


def test_an_empty_set_and_records_without_words_pass(tmp_path: Path) -> None:
    step = Decontaminate(against={"b": str(benchmark(tmp_path))}, rephrased="similar")
    assert run(step, [])[0] == []
    blank = [new_record("?!"), new_record(" ", output="…"), Record("x", ())]
    assert [record.dropped for record in run(step, blank)[0]] == [None] * 3


def test_embedding_alone_drops_what_is_near_enough(tmp_path: Path) -> None:
    path = str(benchmark(tmp_path))
    records = [new_record(REPHRASED), new_record(OTHER), new_record(ITEM)]
    result, _, _ = run(Decontaminate(against={"b": path}, rephrased="similar", similarity=0.95), records)
    drops = [record.dropped for record in result]
    assert [drop and drop.kind for drop in drops] == ["rephrased_leak", None, "leak"]
    assert drops[0] is not None
    assert drops[0].reason == f"close to b 1 in meaning, cosine 0.985, in the prompt: {REPHRASED}"
    assert drops[0].numbers == {"cosine": pytest.approx(np.cos(np.radians(10)), abs=1e-6)}


def test_what_cannot_be_embedded_is_told_and_set_aside(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = PlaneEmbedder.embed

    async def embed(self: PlaneEmbedder, texts: Sequence[str]) -> NDArray[np.float32]:
        failed = {
            at: RecordFailed("context_length", "it is too long")
            for at, text in enumerate(texts)
            if len(text) > 1000
        }
        if failed:
            raise TextsFailed(failed, len(texts))
        return await plain(self, texts)

    monkeypatch.setattr(PlaneEmbedder, "embed", embed)
    path = benchmark(tmp_path, {"question": "long " * 300}, {"question": ITEM})
    records = [new_record("longer " * 300), new_record(REPHRASED), new_record(OTHER)]
    step = Decontaminate(against={"b": str(path)}, rephrased="similar", similarity=0.95)
    result, _, warned = run(step, records)
    first, second, third = (record.dropped for record in result)
    assert first == Drop("04-decontaminate", "context_length", "it is too long", failed=True)
    assert second is not None
    assert second.reason == f"close to b 2 in meaning, cosine 0.985, in the prompt: {REPHRASED}"
    assert third is None
    assert warned[0] == "1 items of the benchmarks cannot be looked for by their meaning: it is too long"


@pytest.mark.parametrize("same", [True, False])
def test_the_judge_is_asked_about_near_records_alone_and_its_word_counts(tmp_path: Path, same: bool) -> None:
    step = Decontaminate(against={"b": str(benchmark(tmp_path))}, rephrased="judged", similarity=0.9)
    reply = orjson.dumps({"reason": "Same sum.", "same": same}).decode()
    result, asks, _ = run(
        step, [new_record(REPHRASED), new_record(OTHER), new_record(ITEM)], lambda ask: reply
    )
    (ask,) = asks
    assert f"<benchmark_item>\n{ITEM}\n</benchmark_item>" in ask.text
    assert f"<training_text>\n{REPHRASED}\n</training_text>" in ask.text
    drop = result[0].dropped
    assert (drop is not None) == same
    if drop is not None:
        assert drop.reason == (
            f"close to b 1 in meaning, cosine 0.985, in the prompt: {REPHRASED} (the judge: Same sum.)"
        )
    assert [event.operation for event in result[0].events] == ["judge"]
    assert result[0].events[0].prompt == "en/decontaminate/same_problem@1"
    assert result[1].dropped is None
    assert result[1].events == ()


def test_a_record_that_could_not_be_judged_is_set_aside_as_failed(tmp_path: Path) -> None:
    step = Decontaminate(against={"b": str(benchmark(tmp_path))}, rephrased="judged")
    result, _, _ = run(
        step, [new_record(REPHRASED)], lambda ask: RecordFailed("call_failed", "no answer came")
    )
    drop = result[0].dropped
    assert drop is not None
    assert (drop.kind, drop.reason, drop.failed) == ("call_failed", "no answer came", True)


def test_rows_without_a_question_are_told_and_a_file_of_them_is_an_error(tmp_path: Path) -> None:
    some = benchmark(tmp_path, {"question": ITEM}, {"score": 1}, name="some.jsonl")
    result, _, warned = run(Decontaminate(against={"b": str(some)}), [new_record(OTHER)])
    assert result[0].dropped is None
    assert warned == [
        f"{some}: 1 of its rows are not looked for: its row 2 has no question, only score: "
        "name its column 'question' or 'prompt'"
    ]
    none = benchmark(tmp_path, {"score": 1, "label": "x"}, name="none.jsonl")
    with pytest.raises(InputError, match=r"none.jsonl is no benchmark .* only score, label"):
        run(Decontaminate(against={"b": str(none)}), [new_record(OTHER)])


@pytest.mark.parametrize("against", [{}, {"b": ""}, {" ": "x.jsonl"}, "x.jsonl", ["x.jsonl"], None])
def test_a_step_without_benchmarks_is_refused(against: Any) -> None:
    with pytest.raises(ValidationError, match="name at least one benchmark with its file, such as"):
        Decontaminate(against=against)


def test_two_benchmarks_of_one_name_are_refused_at_the_command_line() -> None:
    with pytest.raises(RecipeError, match="the key 'gsm' is given twice"):
        option_value("{gsm: a.jsonl, gsm: b.jsonl}")
    assert option_value("{gsm: a.jsonl, code: [b, b]}") == {"gsm": "a.jsonl", "code": ["b", "b"]}


def test_a_bare_no_is_what_yaml_makes_of_it() -> None:
    for word in ("no", "'no'", "similar"):
        step = Decontaminate(against={"b": "x.jsonl"}, rephrased=option_value(word))
        assert step.rephrased == word.strip("'")
    with pytest.raises(ValidationError, match="'no', 'similar' or 'judged'"):
        Decontaminate(against={"b": "x.jsonl"}, rephrased=option_value("yes"))


def test_items_too_short_to_be_looked_for_are_told(tmp_path: Path) -> None:
    rows = [{"question": text} for text in ("2+2?", "好吗", "?!", "Why is it so?")]
    path = benchmark(tmp_path, *rows)
    records = [new_record(row["question"]) for row in rows]
    result, _, warned = run(Decontaminate(against={"b": str(path)}), records)
    assert [record.dropped is None for record in result] == [True, True, True, False]
    assert warned[0] == ("b: 3 of its 4 items, of fewer than 3 words, cannot be looked for by their words")


@pytest.mark.slow
def test_what_was_found_of_each_benchmark_is_kept_with_the_run(tmp_path: Path) -> None:
    rows = [{"instruction": text, "output": "a"} for text in (ITEM, f"Hm. {ITEM}", OTHER)]
    pool = benchmark(tmp_path, *rows, name="pool.jsonl")
    gsm = benchmark(tmp_path, {"question": ITEM}, {"question": REPHRASED})
    none = benchmark(tmp_path, {"question": REPHRASED}, name="none.jsonl")
    steps = [
        {"read": {"path": str(pool)}},
        {"decontaminate": {"against": {"gsm": str(gsm), "<none>": str(none)}}},
    ]
    result = sft.run({"name": "clean", "steps": steps}, out=tmp_path / "run", journal=tmp_path / "journal.db")
    assert result.manifest["steps"][1]["facts"]["benchmarks"] == [
        {"benchmark": "gsm", "items": 2, "found": 1, "in_records": 2},
        {"benchmark": "<none>", "items": 1, "found": 0, "in_records": 0},
    ]
    page = write_report(tmp_path / "run").read_text(encoding="utf-8")
    assert "&lt;none&gt;" in page
    assert "<none>" not in page


def test_the_answer_of_an_item_is_not_looked_for(tmp_path: Path) -> None:
    solution = (
        "She bakes 84 loaves a week and gives four of Sunday's twelve away, so she sells 80 for 320 dollars."
    )
    path = benchmark(tmp_path, {"question": ITEM, "answer": solution})
    result, _, _ = run(Decontaminate(against={"b": str(path)}), [new_record("Show a sum.", output=solution)])
    assert result[0].dropped is None


def recipe(pool: Path, against: Path) -> dict[str, Any]:
    return {
        "name": "clean",
        "steps": [{"read": {"path": str(pool)}}, {"decontaminate": {"against": {"gsm": str(against)}}}],
    }


@pytest.mark.slow
def test_a_run_names_the_benchmark_among_its_inputs_and_sees_that_it_changed(tmp_path: Path) -> None:
    pool = benchmark(
        tmp_path,
        {"instruction": ITEM, "output": "a"},
        {"instruction": OTHER, "output": "b"},
        name="pool.jsonl",
    )
    path = benchmark(tmp_path)
    options: dict[str, Any] = {"out": tmp_path / "run", "journal": tmp_path / "journal.db"}
    result = sft.run(recipe(pool, path), **options)
    assert [Path(entry["path"]).name for entry in result.manifest["inputs"]] == ["pool.jsonl", "math.jsonl"]
    assert (result.kept, result.dropped) == (1, 1)
    written = b"".join(
        file.read_bytes() for file in (tmp_path / "run" / "dataset").rglob("*") if file.is_file()
    )
    assert b"loaves" not in written
    path.write_bytes(orjson.dumps({"question": OTHER}))
    with pytest.raises(OutputError, match="input files that have changed"):
        sft.run(recipe(pool, path), **options)


def test_a_missing_or_empty_benchmark_stops_a_run_before_it_begins(tmp_path: Path) -> None:
    pool = benchmark(tmp_path, {"instruction": OTHER, "output": "b"}, name="pool.jsonl")
    empty = tmp_path / "empty.jsonl"
    empty.write_bytes(b"")
    for path, why in ((tmp_path / "absent.jsonl", "does not exist"), (empty, "is empty")):
        with pytest.raises(InputError, match=rf"{path.name} {why}"):
            sft.run(recipe(pool, path), out=tmp_path / "run", journal=tmp_path / "journal.db")
        assert not (tmp_path / "run").exists()


def test_a_notebook_cleans_a_set_in_a_line(tmp_path: Path) -> None:
    rows = [{"instruction": ITEM, "output": "a"}, {"instruction": OTHER, "output": "b"}]
    left = sft.load(rows).decontaminate(against={"b": str(benchmark(tmp_path))}).run()
    assert [record.instruction for record in left] == [OTHER]


PASSAGE = " ".join(ITEM.split()[:14])


def children(seed: Record, count: int) -> list[Record]:
    """So many records evolved one from another, each with the passage that the seed has."""
    made = [seed]
    for at in range(count):
        event = Event("02-evolve", "deepen", parents=(made[-1].id,), round=at + 1)
        made.append(made[-1].child(f"{PASSAGE} Version {at} of {seed.id}.", event, output="a"))
    return made


def test_records_made_from_one_seed_do_not_hide_its_leak(tmp_path: Path) -> None:
    seeds = [new_record(f"{PASSAGE} And {at}?", output="a") for at in range(3)]
    records = [record for seed in seeds for record in children(seed, 14)]
    records = [record for at in range(15) for record in records[at::15]]  # lineages need not lie together
    step = Decontaminate(against={"gsm": str(benchmark(tmp_path))})
    result, _, _ = run(step, records)
    assert all(record.dropped is not None for record in result)
    few, _, warned = run(step.model_copy(update={"common": 2}), records)
    assert all(record.dropped is None for record in few)
    assert "more than 2 lineages" in warned[0]


@pytest.mark.parametrize("respelled", [str, str.upper, lambda text: text.replace(" ", "  ") + "?"])
def test_copies_of_one_prompt_do_not_hide_its_leak(tmp_path: Path, respelled: Callable[[str], str]) -> None:
    prompt = f"{PASSAGE} And then?"
    copies = [new_record(respelled(prompt) if at % 2 else prompt, output=f"a {at}") for at in range(14)]
    step = Decontaminate(against={"gsm": str(benchmark(tmp_path))})
    assert all(record.dropped is not None for record in run(step, copies)[0])
    # A child of one of the copies is of their lineage too.
    more = [*copies, *children(copies[3], 14)]
    assert all(record.dropped is not None for record in run(step, more)[0])


def test_what_is_let_pass_as_a_phrase_is_counted_and_listed_with_its_text(tmp_path: Path) -> None:
    records = [new_record(f"{PASSAGE} And {at}?", output="a") for at in range(11)]
    context, _ = scripted_context(lambda ask: "", step="04-decontaminate")
    warned: list[str] = []
    context = replace(context, warn=warned.append, read_rows=reference_rows_quiet)
    step = Decontaminate(against={"gsm": str(benchmark(tmp_path))})
    result = asyncio.run(step.run(Table.from_records(records), context))
    assert all(record.dropped is None for record in result.records())
    assert context.facts["passages_let_pass_as_phrases"] == 11
    row = context.tables["forgiven"][0]
    assert (row["record"], row["benchmark"], row["item"], row["lineages"]) == (records[0].id, "gsm", "1", 11)
    assert row["text"].startswith("A baker makes 12 loaves")
    assert warned == [
        "11 records hold passages of 1 benchmark items that count as phrases, since records of more than 10 lineages "
        f"have them, such as {shorten(PASSAGE.rstrip('.'), 80)!r} (in 11): they stay; look at the table forgiven, and "
        "set `common` higher to drop them"
    ]
    kept = replace(context, facts={}, tables={})
    dropped = asyncio.run(step.model_copy(update={"common": 11}).run(Table.from_records(records), kept))
    assert all(record.dropped is not None for record in dropped.records())
    assert kept.tables == {}
    assert kept.facts["passages_let_pass_as_phrases"] == 0


@pytest.mark.slow
def test_prompt_and_output_are_embedded_each_by_itself(tmp_path: Path) -> None:
    records = [
        new_record(OTHER, output=REPHRASED),
        new_record(REPHRASED, output="It is 304 dollars."),
        new_record(OTHER, output="They are content."),
    ]
    path = str(benchmark(tmp_path))
    for field, kinds in {"all": [True, True, False], "prompt": [False, True, False]}.items():
        step = Decontaminate(
            against={"b": path},
            rephrased="similar",
            similarity=0.95,
            field=field,  # type: ignore[arg-type]
        )
        result, _, _ = run(step, records)
        assert [record.dropped is not None for record in result] == kinds
    first = run(Decontaminate(against={"b": path}, rephrased="similar", similarity=0.95), records)[0][
        0
    ].dropped
    assert first is not None
    assert first.reason == f"close to b 1 in meaning, cosine 0.985, in the output: {REPHRASED}"


def test_the_judge_is_asked_of_each_text_that_is_near_the_nearest_first(tmp_path: Path) -> None:
    reply = orjson.dumps({"reason": "No.", "same": False}).decode()
    step = Decontaminate(against={"b": str(benchmark(tmp_path))}, rephrased="judged", similarity=0.9)
    nearer = f"{REPHRASED} "
    record = new_record(REPHRASED, output=nearer)
    DIRECTIONS[nearer] = 5
    for neighbours, texts in ((3, [nearer, REPHRASED]), (1, [nearer])):
        some = step.model_copy(update={"neighbours": neighbours})
        _, asks, _ = run(some, [record], lambda ask: reply)
        assert all(f"<training_text>\n{text}\n" in ask.text for text, ask in zip(texts, asks, strict=True))
        context, chat = scripted_context(lambda ask: reply, step="04-decontaminate")
        asyncio.run(some.rehearse(record, context))
        assert len(chat.asks) == neighbours, "an estimate is a bound"
