"""`select` towards a target, by example and by difficulty: what its files hold, and what is wrong with them."""

from __future__ import annotations

import asyncio
import functools
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pytest
from numpy.typing import NDArray
from pydantic import ValidationError

from factory.data.formats.read import BadRow, read_records
from factory.data.formats.reference import reference_rows
from factory.data.record import Missing, Record, new_record
from factory.data.table import Table
from factory.errors import InputError, RunStopped
from factory.step import Context
from factory.steps.assemble.select_rows import Select


class WordEmbedder:
    """An `EmbeddingModel`: each text is its counts of a few words, and a little of its letters."""

    name = "words"

    async def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        rows = []
        for text in texts:
            counts = [float(text.lower().count(word)) for word in ("sum", "poem", "river", "诗")]
            letters = [text.count(letter) / 500 for letter in "aeiou"]
            rows.append([*counts, *letters, float("nan") if "unembeddable" in text else 0.01])
        return np.array(rows, np.float32)


@dataclass
class Told:
    """What the step gave and said."""

    records: list[Record]
    said: list[str] = field(default_factory=list)
    facts: dict[str, Any] = field(default_factory=dict)

    @property
    def chosen(self) -> list[str]:
        return [record.id for record in self.records if record.dropped is None]

    def dropped(self) -> Counter[str]:
        return Counter(record.dropped.kind for record in self.records if record.dropped is not None)


def select(records: Sequence[Record], seed: int = 0, **options: Any) -> Told:
    told = Told([])

    def nobody(name: str) -> Any:
        raise AssertionError("this step asks no chat model")

    def records_of(path: Path) -> Iterator[Record]:
        return (read for read in read_records(path) if not isinstance(read, BadRow))

    context = Context(
        "02-select", seed, get_chat=nobody, get_embedder=lambda name: WordEmbedder(),
        warn=told.said.append, tell=told.said.append, facts=told.facts,
        read_rows=functools.partial(reference_rows, warn=told.said.append), read_records=records_of,
    )  # fmt: skip
    step = Select(draws=5, **options)
    told.records = list(asyncio.run(step.run(Table.from_records(records), context)).records())
    return told


def lines(path: Path, *rows: Any) -> str:
    path.write_bytes(b"\n".join(orjson.dumps(row) for row in rows))
    return str(path)


def row(id: str, instruction: str, output: str) -> Record:
    return replace(new_record(instruction, output=output, source="seeds"), id=id)


STEPS = " Add both step by step, and check it by taking one of them away again at the end."
SUMS = [
    row(f"s{at:02}", f"What is the sum of {at} and {at + 3}?{STEPS}", f"It is {2 * at + 3}.")
    for at in range(20)
]
POEMS = [row(f"p{at:02}", f"Write a poem number {at}.", "Roses " * (at + 1)) for at in range(20)]


def test_a_target_of_sums_takes_the_sums(tmp_path: Path) -> None:
    target = lines(
        tmp_path / "gsm.jsonl", {"question": f"Find the sum of 900 and 5.{STEPS}", "answer": "905"}
    )
    many = [replace(poem, id=f"{poem.id}-{copy}") for poem in POEMS for copy in range(10)]
    for method, least in (("nearest", 10), ("dsir", 7)):
        found = select([*many, *SUMS], size=10, method=method, target=target)
        assert len(found.chosen) == 10
        assert sum(id.startswith("s") for id in found.chosen) >= least, method
        assert found.facts[f"{method}_found"]["items_of_the_target"] == 1, "a target of one row will do"
    assert found.facts["records_that_are_an_item_of_the_target"] == 0


def test_rows_that_are_no_nearer_to_the_target_than_random_ones_are_told(tmp_path: Path) -> None:
    target = lines(tmp_path / "far.jsonl", {"question": "Quels sont les fleuves d'Europe centrale ?"})
    told = "dsir: the rows drawn are no nearer to `target` than random ones"
    far = select([*POEMS, *SUMS], size=10, method="dsir", target=target)
    assert any(told in warning for warning in far.said), far.said
    near = lines(tmp_path / "near.jsonl", *({"question": f"Write a poem number {at}."} for at in range(20)))
    found = select([*POEMS, *SUMS], size=10, method="dsir", target=near)
    assert not any(told in warning for warning in found.said)


def test_each_item_of_a_target_has_its_turn(tmp_path: Path) -> None:
    target = lines(tmp_path / "mt.jsonl", {"question_id": 1, "turns": ["A sum?", "A poem?"]})
    found = select([*POEMS, *SUMS], size=10, method="nearest", target=[target])
    assert Counter(id[0] for id in found.chosen) == {"s": 5, "p": 5}


def test_chance_decides_which_items_have_a_turn_where_there_are_too_many(tmp_path: Path) -> None:
    items = [{"question": "A sum?"}] * 30 + [{"question": "A poem?"}] * 30
    target = lines(tmp_path / "many.jsonl", *items)
    found = select([*POEMS, *SUMS], size=10, method="nearest", target=target)
    assert found.facts["nearest_found"]["items_without_a_turn"] == 50
    assert {id[0] for id in found.chosen} == {"s", "p"}, "not the head of the file alone"


def test_the_choice_does_not_depend_on_the_order_of_the_file_but_on_the_seed(tmp_path: Path) -> None:
    target = lines(tmp_path / "t.jsonl", {"question": "sum poem"})
    for method in ("nearest", "dsir"):
        one, turned, other = (
            set(select(rows, seed, size=7, method=method, target=target).chosen)
            for rows, seed in (([*POEMS, *SUMS], 0), ([*SUMS[::-1], *POEMS], 0), ([*POEMS, *SUMS], 1))
        )
        assert one == turned
        assert (one == other) == (method == "nearest")


def test_a_target_in_the_pool_is_told(tmp_path: Path) -> None:
    target = lines(
        tmp_path / "t.jsonl",
        {"question": f"what is the SUM of 4 and 7?{STEPS}"},
        {"question": "Anything else"},
    )
    found = select([*POEMS, *SUMS], size=5, method="nearest", target=target)
    assert found.facts["records_that_are_an_item_of_the_target"] == 1
    assert any("teach the test" in sentence and "decontaminate" in sentence for sentence in found.said)


def test_an_item_without_an_embedding_is_left_out_and_told(tmp_path: Path) -> None:
    target = lines(tmp_path / "t.jsonl", {"question": "a sum"}, {"question": "unembeddable"})
    found = select([*POEMS, *SUMS], size=5, method="nearest", target=target)
    assert found.facts["items_of_the_target_without_embedding"] == 1
    assert any("1 of 2 items of the target have no embedding" in sentence for sentence in found.said)
    only = lines(tmp_path / "o.jsonl", {"question": "unembeddable"})
    with pytest.raises(RunStopped, match="none of the 1 items of the target has an embedding"):
        select([*POEMS, *SUMS], size=5, method="nearest", target=only)


def test_a_target_that_holds_nothing_is_one_sentence(tmp_path: Path) -> None:
    wrong = lines(tmp_path / "wrong.jsonl", {"score": 3})
    with pytest.raises(InputError, match=r"wrong\.jsonl holds no target: its row 1 has no question"):
        select(SUMS, size=5, method="dsir", target=wrong)
    empty = tmp_path / "empty.jsonl"
    empty.write_text("")
    with pytest.raises(InputError, match=r"empty\.jsonl"):
        select(SUMS, size=5, method="dsir", target=str(empty))
    some = lines(tmp_path / "some.jsonl", {"score": 3}, {"question": "A sum?"})
    found = select(SUMS, size=5, method="dsir", target=some)
    assert any("1 of its rows are no part of the target" in sentence for sentence in found.said)


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"method": "nearest"}, "nearest needs `target`: name a file"),
        ({"method": "dsir"}, "dsir needs `target`"),
        ({"method": "classifier", "good": "x.jsonl"}, "classifier needs `good` and `bad`"),
        ({"method": "s2l"}, "s2l needs `losses`"),
        (
            {"method": "nearest", "target": "x.jsonl", "field": "output"},
            "set `field` to prompt or instruction",
        ),
    ],
)
def test_a_file_that_a_method_needs_is_asked_for_beforehand(options: dict[str, Any], problem: str) -> None:
    with pytest.raises(ValidationError, match=problem):
        Select(size=5, **options)


def test_the_files_are_inputs_of_the_step(tmp_path: Path) -> None:
    paths = [lines(tmp_path / f"{name}.jsonl", {"question": "x"}) for name in "abc"]
    assert list(map(str, Select(size=5, method="nearest", target=paths[:2]).inputs())) == paths[:2]
    by_example = Select(size=5, method="classifier", good=paths[1], bad=paths[2])
    assert list(map(str, by_example.inputs())) == paths[1:]


@pytest.mark.slow
def test_rows_like_good_examples_are_chosen_where_the_classifier_can_tell(tmp_path: Path) -> None:
    good = lines(
        tmp_path / "g.jsonl", *({"instruction": f"What is the sum {at}?", "output": "x"} for at in range(15))
    )
    bad = lines(
        tmp_path / "b.jsonl", *({"instruction": f"Write a poem {at}.", "output": "x"} for at in range(15))
    )
    found = select([*POEMS, *SUMS], size=8, method="classifier", good=good, bad=bad)
    assert all(id.startswith("s") for id in found.chosen)
    assert "95 % interval" in found.facts["classifier_found"]["accuracy_on_unseen_examples"]
    with pytest.raises(RunStopped, match="cannot tell `good` from `bad`: it is right for"):
        select([*POEMS, *SUMS], size=8, method="classifier", good=good, bad=good)
    few = lines(tmp_path / "f.jsonl", {"instruction": "A poem", "output": "x"})
    with pytest.raises(RunStopped, match="10 bad examples or more, and there are 1"):
        select([*POEMS, *SUMS], size=8, method="classifier", good=good, bad=few)


def test_s1_draws_tasks_alike_among_what_no_reference_model_solves() -> None:
    rows = []
    for at, record in enumerate([*SUMS, *POEMS]):
        task = "maths" if record.id.startswith("s") else "poetry"
        scores = {"small.right": float(at % 4 == 0), "large.right": float(at % 4 == 1)}
        rows.append(replace(record, task=task, scores=scores))
    rows[2] = replace(
        rows[2], scores={"small.right": 0.0}, missing={"large.right": Missing("cut", "it was cut")}
    )
    found = select(rows, size=10, method="s1", solved=["small.right", "large.right"])
    assert len(found.chosen) == 10
    assert found.dropped() == {"solved": 20, "no_verdict": 1, "not_selected": 9}
    assert found.facts["set_aside_as_solved"] == 20
    assert 2 <= sum(id.startswith("s") for id in found.chosen) <= 8
    with pytest.raises(RunStopped, match=r"no record has the score 'large\.wrong' of `solved`"):
        select(rows, size=10, method="s1", solved="large.wrong")
    with pytest.raises(RunStopped, match="no record has a task: put `task` before it"):
        select(SUMS, size=10, method="s1")
    with pytest.raises(RunStopped, match="nothing is left to choose from"):
        select(
            [replace(one, scores={"small.right": 1.0}) for one in rows],
            size=10,
            method="s1",
            solved="small.right",
        )


def test_s2l_reads_losses_by_id_and_says_what_it_cannot_use(tmp_path: Path) -> None:
    rows = [
        replace(record, source="maths" if record.id.startswith("s") else "verse")
        for record in [*SUMS, *POEMS]
    ]
    losses = [{"id": one.id, "losses": [3.0, 2.0, 1.0 + (one.id < "p10")]} for one in rows[1:]]
    bad = [
        {"id": "x", "losses": [1.0]}, {"id": "y", "losses": [1.0, None, 2.0]}, {"losses": [1.0]}, {"id": "z"},
    ]  # fmt: skip
    found = select(rows, size=10, method="s2l", losses=lines(tmp_path / "l.jsonl", *losses, *bad))
    assert Counter(id[0] for id in found.chosen) == {"s": 5, "p": 5}
    assert found.dropped()["no_losses"] == 1
    assert found.facts["rows_of_losses_not_read"] == 4
    assert any("it has 1 losses, and the first row has 3" in sentence for sentence in found.said)
    assert any("1 of 40 records have no losses" in sentence for sentence in found.said)
    with pytest.raises(InputError, match="holds the losses of none of the 40 records"):
        select(
            rows, size=10, method="s2l", losses=lines(tmp_path / "n.jsonl", {"id": "nobody", "losses": [1.0]})
        )


def test_methods_are_compared_side_by_side_and_stratified(tmp_path: Path) -> None:
    target = lines(tmp_path / "t.jsonl", {"question": "the sum of 1 and 2"})
    compared = select([*POEMS, *SUMS], size=6, compare=["nearest", "dsir", "random"], target=target)
    assert not compared.dropped()
    rows = [replace(record, task=record.id[0]) for record in [*POEMS, *SUMS]]
    within = select(rows, size=6, method="nearest", target=target, stratify="task")
    assert Counter(id[0] for id in within.chosen) == {"s": 3, "p": 3}


def test_a_target_of_one_item_is_told(tmp_path: Path) -> None:
    target = lines(tmp_path / "one.jsonl", {"question": "What is the sum of 1 and 2?"})
    found = select([*POEMS, *SUMS], size=5, method="nearest", target=target)
    assert any(
        "the target is one item" in sentence and "ten items or more" in sentence for sentence in found.said
    )
