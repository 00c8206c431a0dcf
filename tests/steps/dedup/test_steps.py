"""The duplicate steps over a set: what they drop, in which order, and what they say of it."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from pydantic import ValidationError
from scripted_server import Say, ScriptedServer, refuse
from step_context import scripted_context

import factory as sft
from factory.data.record import Drop, Event, Media, Message, Record, new_record
from factory.data.table import Table
from factory.errors import InputError, RunStopped
from factory.step import Context, WholeSet
from factory.steps.dedup.exact import DedupExact
from factory.steps.dedup.minhash.step import DedupMinHash
from factory.steps.dedup.rouge.step import DedupRouge
from factory.steps.dedup.semantic.step import DedupSemantic

ANGLES = {
    "How do I sort a list?": 0,
    "What is the way to sort a list?": 10,
    "How does one sort?": 20,
    "怎样给列表排序？": 5,
    "Name a river.": 80,
    "说出一条河。": 85,
    "Name a mountain.": 120,
}
"""Texts and the direction, in degrees, that the scripted embedder gives them."""


@dataclass
class ScriptedEmbedder:
    """An `EmbeddingModel` in the plane; `asked` keeps what it was asked."""

    name: str = "scripted"
    asked: list[str] = field(default_factory=list)

    async def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """One direction for each text; both parts of a pair count as its first line."""
        assert all(text.strip() for text in texts), "servers refuse a blank text"
        self.asked.extend(texts)
        angles = np.radians([ANGLES[text.splitlines()[0]] for text in texts])
        return np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)


def run(
    step: WholeSet,
    records: Sequence[Record],
    embedder: ScriptedEmbedder | None = None,
    *,
    files: Mapping[str, Sequence[Record]] = {},
    warnings: list[str] | None = None,
) -> list[Record]:
    """The set after the step; `files` are those it may read."""

    def nobody(name: str) -> object:
        raise AssertionError("this step asks no such model")

    def embedding_model(name: str) -> object:
        return embedder if embedder is not None else nobody(name)

    context = Context(
        "03-dedup",
        0,
        get_chat=nobody,  # type: ignore[arg-type]
        get_embedder=embedding_model,  # type: ignore[arg-type]
        warn=[].append if warnings is None else warnings.append,
        tell=[].append if warnings is None else warnings.append,
        read_records=lambda path: iter(files[str(path)]),
    )
    result = asyncio.run(step.run(Table.from_records(records), context))
    return list(result.records())


def asked(*instructions: str) -> list[Record]:
    return [new_record(text, occurrence=at) for at, text in enumerate(instructions)]


def kept(records: Sequence[Record]) -> list[int]:
    return [at for at, record in enumerate(records) if record.dropped is None]


def test_a_word_for_word_duplicate_is_dropped_with_the_record_it_repeats() -> None:
    records = asked(
        "Write a short poem about the sea.",
        "Name three rivers.",
        "Write a short poem about the moon.",
    )
    result = run(DedupRouge(threshold=0.7), records)
    assert kept(result) == [0, 1]
    assert result[2].dropped == Drop(
        "03-dedup",
        "near_duplicate",
        f"ROUGE-L 0.86 with {records[0].id} (Write a short poem about the sea.)",
        {"rouge_l": pytest.approx(6 / 7)},
        against=records[0].id,
    )
    assert [record.id for record in result] == [record.id for record in records]


def test_a_chinese_duplicate_is_dropped_character_by_character() -> None:
    records = asked("请写一首关于大海的短诗。", "请说出三条河流的名字。", "请写一首关于月亮的短诗。")
    result = run(DedupRouge(threshold=0.7), records)
    assert kept(result) == [0, 1]
    assert result[2].dropped is not None
    assert records[0].id in result[2].dropped.reason
    assert "请写一首关于大海的短诗。" in result[2].dropped.reason
    assert result[2].dropped.numbers["rouge_l"] == pytest.approx(9 / 11)


@pytest.mark.parametrize("step", [DedupExact(), DedupMinHash(), DedupRouge(), DedupSemantic()])
def test_conversations_that_end_in_the_same_words_are_told_apart_by_the_turns_before(step: WholeSet) -> None:
    def conversation(first: str, reply: str, system: str = "") -> Record:
        turns = [Message("system", system)] if system else []
        turns += [Message("user", first), Message("assistant", reply)]
        return new_record("继续", history=turns, occurrence=len(system))

    records = [
        conversation("Name a river.", "The Danube"),
        conversation("How do I sort a list?", "By sorted()"),
        conversation("Name a river.", "The Danube", system="Be brief."),
    ]
    result = run(step, records, ScriptedEmbedder())
    assert kept(result) == [0, 1]
    assert result[2].dropped is not None
    assert "Name a river." in result[2].dropped.reason


@pytest.mark.parametrize("step", [DedupRouge(), DedupSemantic()])
def test_the_first_of_equal_records_is_kept_whatever_comes_between(step: WholeSet) -> None:
    records = asked("Name a river.", "How do I sort a list?", "Name a river.", "Name a river.")
    result = run(step, records, ScriptedEmbedder())
    assert kept(result) == [0, 1]
    assert all(records[0].id in result[at].dropped.reason for at in (2, 3))  # type: ignore[union-attr]


def test_a_dropped_record_drops_no_other() -> None:
    """10 degrees lie between neighbours: the second is too close to the first, the third to the second alone."""
    records = asked("How do I sort a list?", "What is the way to sort a list?", "How does one sort?")
    result = run(DedupSemantic(threshold=0.96), records, ScriptedEmbedder())
    assert kept(result) == [0, 2]


def test_the_same_meaning_is_dropped_across_languages() -> None:
    records = asked(
        "How do I sort a list?", "怎样给列表排序？", "Name a river.", "说出一条河。", "Name a mountain."
    )
    result = run(DedupSemantic(threshold=0.95), records, ScriptedEmbedder())
    assert kept(result) == [0, 2, 4]
    assert result[3].dropped == Drop(
        "03-dedup",
        "same_meaning",
        f"cosine 0.996 with {records[2].id} (Name a river.)",
        {"cosine": pytest.approx(np.cos(np.radians(5)))},
        against=records[2].id,
    )


def test_the_field_says_which_text_is_compared() -> None:
    records = [
        new_record("Name a river.", input="a", output="How do I sort a list?"),
        new_record("Name a river.", input="b", output="Name a mountain."),
        new_record("Name a mountain.", input="b", output="How do I sort a list?"),
    ]
    for field_name, expected in (
        ("instruction", [0, 2]),
        ("prompt", [0, 1, 2]),  # one instruction for two inputs
        ("output", [0, 1]),
        ("both", [0, 2]),
    ):
        embedder = ScriptedEmbedder()
        result = run(DedupSemantic(threshold=0.95, field=field_name), records, embedder)  # type: ignore[arg-type]
        assert kept(result) == expected
        assert embedder.asked == Table.from_records(records).texts(field_name)


@pytest.mark.parametrize("step", [DedupRouge(field="output"), DedupSemantic(field="output")])
def test_records_that_wait_for_an_answer_are_not_duplicates_of_each_other(step: WholeSet) -> None:
    records = [
        new_record("a"),
        new_record("b", output="Name a river."),
        new_record("c"),
        new_record("d", output=" \n"),
        new_record("e", output="Name a river."),
    ]
    assert kept(run(step, records, ScriptedEmbedder())) == [0, 1, 2, 3]


@pytest.mark.parametrize("step", [DedupRouge(), DedupSemantic()])
def test_an_empty_set_stays_empty_and_asks_no_model(step: WholeSet) -> None:
    assert run(step, []) == []


def test_a_set_of_blank_texts_asks_no_model() -> None:
    assert kept(run(DedupSemantic(field="output"), asked("a", "b"))) == [0, 1]


@pytest.mark.parametrize("step", [DedupRouge(), DedupSemantic()])
def test_a_long_or_hostile_text_is_one_short_line_in_the_reason(step: WholeSet) -> None:
    text = "Name a river.\n\x1b[31m" + "长" * 500
    result = run(step, asked(text, text), ScriptedEmbedder())
    assert result[1].dropped is not None
    assert result[1].dropped.reason.isprintable()
    assert len(result[1].dropped.reason) < 120


@pytest.mark.parametrize("step", [DedupRouge(), DedupSemantic()])
def test_a_second_pass_over_what_was_kept_drops_nothing(step: WholeSet) -> None:
    records = asked(*ANGLES, *ANGLES)
    first = [record for record in run(step, records, ScriptedEmbedder()) if record.dropped is None]
    assert 1 < len(first) < len(records)
    assert run(step, first, ScriptedEmbedder()) == first


def test_what_a_reference_holds_is_dropped_and_named() -> None:
    seeds = asked("Write a short poem about the sea.")
    release = asked("Name three rivers.", "")
    records = asked("Write a short poem about the moon.", "Name three cities.", "Name three rivers.", "Why?")
    step = DedupRouge(reference=("seeds.jsonl", "release.jsonl"))
    assert step.inputs() == [Path("seeds.jsonl"), Path("release.jsonl")]
    result = run(step, records, files={"seeds.jsonl": seeds, "release.jsonl": release})
    assert kept(result) == [1, 3]
    assert result[0].dropped is not None
    assert result[0].dropped.reason == (
        f"ROUGE-L 0.86 with {seeds[0].id} of the reference seeds (Write a short poem about the sea.)"
    )
    assert result[2].dropped is not None
    assert release[0].id in result[2].dropped.reason
    assert kept(run(DedupRouge(), records)) == [0, 1, 2, 3]


@pytest.mark.parametrize("name", ["dedup_rouge", "dedup_exact"])
def test_the_shipped_seeds_are_a_reference_by_their_name(name: str, tmp_path: Path) -> None:
    rows = [{"instruction": sft.load("factory:seeds")[0].prompt.upper()}, {"instruction": "Name a river."}]
    left = sft.load(rows).then(name, field="prompt", reference="factory:seeds").run(journal=tmp_path / "j.db")
    assert [record.instruction for record in left] == ["Name a river."]
    assert " of the reference factory:seeds (" in left.dropped[0].dropped.reason  # type: ignore[union-attr]


@pytest.mark.parametrize("name", ["~nobody-of-this-name/seeds.jsonl", "absent.jsonl"])
def test_a_reference_that_is_not_there_is_told_by_its_name(name: str, tmp_path: Path) -> None:
    data = sft.load([{"instruction": "a"}]).then("dedup_rouge", reference=name)
    with pytest.raises(InputError, match=rf"^{name} does not exist"):
        data.run(journal=tmp_path / "j.db")


def test_within_a_task_records_are_compared_with_those_of_their_task_alone() -> None:
    records = [
        new_record("Name a river.", task=task, occurrence=at)
        for at, task in enumerate(["fact", "code", "fact", "", "code", ""])
    ]
    assert kept(run(DedupRouge(scope="task"), records)) == [0, 1, 3]
    assert kept(run(DedupRouge(), records)) == [0]
    files = {"known.jsonl": [new_record("Name a river.", task="code")]}
    step = DedupRouge(scope="task", reference="known.jsonl")
    assert kept(run(step, records, files=files)) == [0, 3]


def test_a_scope_of_tasks_that_no_record_has_is_told() -> None:
    warnings: list[str] = []
    named = [new_record("Name a river.", task="fact")]
    for records, told in ((asked("a", "b"), 1), (named, 0), ([], 0)):
        warnings.clear()
        run(DedupRouge(scope="task"), records, warnings=warnings)
        assert len(warnings) == told
    run(DedupRouge(scope="task"), asked("a"), warnings=warnings)
    assert "no record has a task, so all are compared with all" in warnings[0]


def test_the_best_of_a_family_is_kept_and_one_without_the_score_goes() -> None:
    texts = "Name a river.", "说出一条河。", "Name a river.", "How do I sort a list?"
    event = Event("02-judge", "judge")
    records = [
        record if score is None else record.with_score("judge.quality", score, event)
        for record, score in zip(asked(*texts), (None, 3.0, 4.0, 1.0), strict=True)
    ]
    step = DedupSemantic(threshold=0.95, keep="best", score="judge.quality")
    result = run(step, records, ScriptedEmbedder())
    assert kept(result) == [2, 3]
    assert all(records[2].id in result[at].dropped.reason for at in (0, 1))  # type: ignore[union-attr]
    blank = replace(records[1], messages=(), input_chars=0)
    assert kept(run(step, [blank, *records], ScriptedEmbedder())) == [0, 3, 4]


def test_a_score_that_no_record_has_stops_the_run_with_the_names_there_are() -> None:
    records = [asked("Name a river.")[0].with_score("ifd", 0.5, Event("02-ifd", "ifd"))]
    step = DedupSemantic(keep="best", score="judge.quality")
    with pytest.raises(RunStopped, match=r"judge\.quality.*there are: ifd"):
        run(step, records, ScriptedEmbedder())


@pytest.mark.parametrize(
    "options",
    [
        {"keep": "best"},
        {"score": "ifd"},
        {"method": "semdedup", "approximate": True},
        {"method": "semdedup", "keep": "best", "score": "ifd"},
        {"semdedup_keep": "easy"},
        {"semdedup_rows": 5},
    ],
)
def test_options_that_say_two_things_are_refused(options: dict[str, object]) -> None:
    with pytest.raises(ValidationError, match=r"go(es)? "):
        DedupSemantic.model_validate(options)


@pytest.mark.parametrize("options", [{}, {"approximate": True}, {"method": "semdedup"}])
def test_a_text_that_the_model_does_not_take_is_set_aside_and_the_others_are_compared(
    options: dict[str, object], server: ScriptedServer, tmp_path: Path
) -> None:
    def answer(request: dict[str, Any]) -> Say:
        if any(len(text) > 100 for text in request["input"]):
            return refuse(400, "This model's maximum context length is 100 tokens.")
        rows = [{"index": at, "embedding": server.vector(text)} for at, text in enumerate(request["input"])]
        return Say(body={"data": rows})

    server.embed = answer
    texts = ["Name a river.", "很长" * 100, "Why do cats purr?", "Name a river.", "very long " * 100]
    embedder = sft.model("openai_embeddings", base_url=server.base_url, model="scripted")
    left = sft.load([{"instruction": text} for text in texts]).dedup_semantic(model=embedder, **options)
    result = left.run(journal=tmp_path / "j.db")
    assert [record.instruction for record in result] == ["Name a river.", "Why do cats purr?"]
    assert [record.dropped and record.dropped.kind for record in result.dropped] == [
        "context_length",
        "same_meaning",
        "context_length",
    ]
    long = result.dropped[0].dropped
    assert long is not None
    assert long.failed
    assert long.reason.startswith("the prompt does not fit the model's context: ")


def test_the_approximate_search_tells_its_recall() -> None:
    warnings: list[str] = []
    records = asked("Name a river.", "How do I sort a list?", "Name a river.")
    step = DedupSemantic(approximate=True)
    assert kept(run(step, records, ScriptedEmbedder(), warnings=warnings)) == [0, 1]
    assert len(warnings) == 1
    assert "100.0%" in warnings[0]
    run(step, asked("Name a river."), ScriptedEmbedder(), warnings=warnings)
    assert "no duplicate" in warnings[1]


def test_semdedup_keeps_one_of_equal_records() -> None:
    records = asked("Name a river.", "Name a river.", "How do I sort a list?")
    context = replace(scripted_context(lambda ask: "")[0], get_embedder=lambda name: ScriptedEmbedder())
    step = DedupSemantic(method="semdedup", semdedup_rows=2)
    done = asyncio.run(step.run(Table.from_records(records), context))
    assert kept(list(done.records())) == [0, 2]
    assert context.facts["clusters"] == {"number": 2, "trained_on": 2}
    assert kept(run(DedupSemantic(method="semdedup"), records[:1], ScriptedEmbedder())) == [0]


SAME_INSTRUCTION = [
    ("Translate the following word to French", "sea"),
    ("Translate the following word to French", "mountain"),
    ("Translate the following word to French", "Sea"),
    ("Translate this following word to French", "sea"),
    ("把下面的词翻译成英语", "大海"),
    ("把下面的词翻译成英语", "高山"),
]


@pytest.mark.parametrize(
    "step",
    [
        DedupExact(),
        DedupRouge(),
        DedupMinHash(shingle=2, threshold=0.4),
        DedupSemantic(threshold=0.5),
        DedupSemantic(threshold=0.5, approximate=True),
        DedupSemantic(threshold=0.5, method="semdedup"),
    ],
    ids=lambda step: f"{step.name} {step.model_dump().get('method')} {step.model_dump().get('approximate')}",
)
def test_one_instruction_for_two_inputs_stays_twice_by_default(step: WholeSet) -> None:
    rows = [new_record(instruction, input=input) for instruction, input in SAME_INSTRUCTION]
    context = replace(scripted_context(lambda ask: "")[0], get_embedder=lambda name: Alike())
    done = list(asyncio.run(step.run(Table.from_records(rows), context)).records())
    dropped = [record.dropped is not None for record in done]
    assert dropped == [False, False, True, not isinstance(step, DedupExact), False, False]


def test_an_input_that_two_instructions_share_does_not_make_them_alike() -> None:
    text = "The reading room will be closed on Monday while the new shelves are put up. " * 4
    rows = [
        new_record("Summarise it in one line", input=text),
        new_record("Translate this to French", input=text),
    ]
    for step in (DedupRouge(), DedupMinHash()):
        done = asyncio.run(step.run(Table.from_records(rows), scripted_context(lambda ask: "")[0]))
        assert not any(record.dropped for record in done.records())


@pytest.mark.parametrize(
    "step", [DedupRouge(), DedupMinHash(), DedupSemantic(threshold=0.5)], ids=lambda step: step.name
)
def test_one_question_about_two_pictures_stays_twice(step: WholeSet) -> None:
    def shown(picture: str, text: str = "What can be seen in this picture?") -> Record:
        turn = Message("user", text, media=(Media("image", f"https://pictures.example/{picture}"),))
        return replace(new_record(text, source=picture), messages=(turn,))

    rows = [shown("a.png"), shown("b.png"), shown("a.png"), new_record("What can be seen in this picture?")]
    context = replace(scripted_context(lambda ask: "")[0], get_embedder=lambda name: Alike())
    done = asyncio.run(step.run(Table.from_records(rows), context))
    assert [record.dropped is not None for record in done.records()] == [False, False, True, False]


class Alike:
    """An `EmbeddingModel` to which all texts mean the same."""

    name = "alike"

    async def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        return np.ones((len(texts), 1), np.float32)
