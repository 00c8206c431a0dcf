"""The step: what it asks for, what it sets aside, what it tells, and what it refuses."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from pydantic import ValidationError

from factory.data.record import Missing, Record, Tag, new_record
from factory.data.table import Table
from factory.errors import RecordFailed, RunStopped, TextsFailed
from factory.step import Context
from factory.steps.assemble.select.aiming import NEEDED_FILES
from factory.steps.assemble.select.registry import METHODS
from factory.steps.assemble.select_rows import Select


@dataclass
class Embedder:
    """Vectors that only the text decides; those of `failing` cannot be had, those of `nan` are no numbers."""

    name: str = "made"
    failing: set[str] = field(default_factory=set)
    nan: set[str] = field(default_factory=set)
    alike: bool = False
    asked: int = 0

    async def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        self.asked += len(texts)
        failed = {
            at: RecordFailed("context_length", "too long") for at, t in enumerate(texts) if t in self.failing
        }
        if failed:
            raise TextsFailed(failed, len(texts))
        vectors = np.array(
            [
                np.full(8, np.nan)
                if text in self.nan
                else np.ones(8)
                if self.alike
                else np.random.default_rng(list(text.encode())).standard_normal(8)
                for text in texts
            ],
            np.float32,
        )
        return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


@dataclass
class Done:
    records: list[Record]
    told: list[str]
    warned: list[str]
    facts: dict[str, Any]

    @property
    def chosen(self) -> list[str]:
        return [record.id for record in self.records if record.dropped is None]

    @property
    def kinds(self) -> dict[str, int]:
        kinds = [record.dropped.kind for record in self.records if record.dropped]
        return {kind: kinds.count(kind) for kind in kinds}


def pool(rows: int = 60) -> list[Record]:
    draw = random.Random(0)
    made = []
    for at in range(rows):
        zh = at % 3 == 0
        text = f"问题{at}是什么" if zh else f"Why is the number {at} odd"
        answer = ("因为" if zh else "because ") * draw.randint(1, 30)
        one = new_record(text, output=answer, lang="zh" if zh else "en", task=("maths", "code")[at % 2])
        tags = tuple(Tag(f"t{draw.randrange(12)}") for _ in range(draw.randrange(4)))
        made.append(
            replace(one, scores={"judge.quality": draw.randint(1, 5), "ifd": draw.random()}, tags=tags)
        )
    return made


def select(step: Select, records: Sequence[Record], embedder: Embedder | None = None, seed: int = 0) -> Done:
    told: list[str] = []
    warned: list[str] = []

    def nobody(name: str) -> Any:
        raise AssertionError("it asks no model")

    embedders: Any = nobody if embedder is None else lambda name: embedder
    context = Context("03-select", seed, nobody, embedders, warn=warned.append, tell=told.append)
    table = asyncio.run(step.run(Table.from_records(records), context))
    return Done(list(table.records()), told, warned, context.facts)


WITHOUT_FILES = [name for name, method in METHODS.items() if not method.needs & NEEDED_FILES.keys()]
"""Methods that need no more than the records."""


@pytest.mark.slow
@pytest.mark.parametrize("method", WITHOUT_FILES)
def test_every_method_chooses_so_many_and_drops_the_rest_with_numbers(method: Any) -> None:
    done = select(Select(size=20, method=method, threshold=1.0), pool(), Embedder())
    assert len(done.chosen) == 20
    assert done.kinds == {"not_selected": 40}
    drop = next(record.dropped for record in done.records if record.dropped)
    assert drop.reason.startswith(f"not among the 20 that {method} chose of 60")
    assert drop.numbers["chosen"] == 20
    assert ("rank" in drop.numbers) == ("score" in METHODS[method].needs)
    assert [row["pick"] for row in done.facts["beside_random_draws_and_the_longest"]][-1] == "all"
    assert any(f"{method} chooses 20 of 60 records" in sentence for sentence in done.told)


@pytest.mark.slow
@pytest.mark.parametrize("method", WITHOUT_FILES)
def test_the_order_of_the_file_does_not_matter_nor_does_a_second_run(method: Any) -> None:
    step = Select(size=15, method=method, threshold=1.0)
    records = pool()
    shuffled = records[::-1]
    once = select(step, records, Embedder())
    assert set(select(step, shuffled, Embedder()).chosen) == set(once.chosen)
    assert select(step, records, Embedder()).chosen == once.chosen


def test_chosen_rows_keep_the_order_of_the_set() -> None:
    records = pool()
    done = select(Select(size=15, method="longest"), records)
    assert [record.id for record in done.records] == [record.id for record in records]


def test_only_methods_that_embed_ask_an_embedder() -> None:
    select(Select(size=15, method="top"), pool())  # an embedder would raise
    assert list(Select(size=15, method="top").models_of("embedding")) == []
    assert list(Select(size=15).models_of("embedding")) == [("embedder", "")]
    named = select(Select(size=15, method="top", embedder="e"), pool(), Embedder())
    assert "nearest" in named.facts["beside_random_draws_and_the_longest"][0]


def test_the_manual_tells_what_each_method_does() -> None:
    manual = " ".join((Select.__doc__ or "").split())
    assert [name for name, method in METHODS.items() if f"- {name}: {method.summary}" not in manual] == []


def test_comparing_drops_nothing() -> None:
    done = select(Select(size=20, compare=("top", "coverage", "random")), pool(), Embedder())
    assert len(done.chosen) == 60
    picks = [row["pick"] for row in done.facts["beside_random_draws_and_the_longest"]]
    assert picks[:4] == ["top", "coverage", "random", "longest"]


def test_a_score_that_many_rows_lack_sets_them_aside_and_says_so() -> None:
    records = [
        replace(one, scores={}, missing={"judge.quality": Missing("bad_reply", "no number")})
        if at % 2
        else one
        for at, one in enumerate(pool())
    ]
    done = select(Select(size=10, method="top", score="judge.quality"), records)
    assert done.kinds == {"no_score": 30, "not_selected": 20}
    assert done.facts["set_aside_without_score"] == 30
    assert "30 of 60 records have no judge.quality" in done.warned[0]
    dropped = next(record.dropped for record in done.records if record.dropped and record.dropped.failed)
    assert dropped.reason == "judge.quality is missing: no number"


def test_the_only_judge_score_is_taken_and_told() -> None:
    done = select(Select(size=10, method="top"), pool())
    assert "03-select: chooses by judge.quality, the only score of a judge" in done.told


@pytest.mark.parametrize(
    ("options", "change", "said"),
    [
        ({"method": "top", "score": "qualty"}, {}, "no record has the score 'qualty' of `score: qualty`"),
        ({"method": "top", "score": "judge.qualty"}, {}, "did you mean 'judge.quality'?"),
        ({"method": "top"}, {"scores": {"a": 1.0, "b": 2.0}}, "top chooses by a score: give `score`"),
        ({"method": "top"}, {"scores": {"judge.quality": 4.0}}, "is 4 for all 60 records: choosing by it is chance"),
        ({"method": "mig"}, {"tags": ()}, "no record has a tag"),
        ({"method": "random", "stratify": "source", "size": 2}, {}, "60 groups cannot share 2 rows"),
        ({"method": "coverage", "clusters": 1000}, {}, "rows cannot make 1,000 clusters"),
    ],
)  # fmt: skip
def test_what_cannot_be_chosen_by_is_refused_in_a_sentence(
    options: dict[str, Any], change: dict[str, Any], said: str
) -> None:
    records = [replace(one, source=f"s{at}", **change) for at, one in enumerate(pool())]
    with pytest.raises(RunStopped) as caught:
        select(Select(**{"size": 10, **options}), records, Embedder())
    assert said in str(caught.value)
    assert str(caught.value).startswith("03-select: ")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({}, "give either `size` or `tokens`"),
        ({"size": 1, "tokens": 1}, "give either `size` or `tokens`"),
        ({"size": 1, "method": "best"}, "Input should be 'coverage', 'random'"),
        ({"size": 1, "method": "top", "compare": ["top"]}, "leave out `method`"),
        ({"size": 1, "score": "max(a, b)"}, "'max' is called like a function"),
    ],
)
def test_options_that_do_not_fit_are_refused(options: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError) as caught:
        Select(**options)
    assert said in str(caught.value)


def test_a_size_above_the_pool_keeps_all_and_asks_nobody() -> None:
    done = select(Select(size=1000), pool())
    assert len(done.chosen) == 60
    assert done.warned == [
        "03-select: size 1,000 is not below the 60 records there are to choose from: all of them are kept, and "
        "nothing is chosen"
    ]


def test_rows_without_an_embedding_are_set_aside_each_with_its_reason() -> None:
    records = [*pool(), new_record("", output="an answer to nothing")]
    prompts = [one.prompt for one in records]
    embedder = Embedder(failing={prompts[4]}, nan={prompts[7]})
    done = select(Select(size=10), records, embedder)
    assert done.kinds == {"context_length": 1, "no_vector": 1, "no_text": 1, "not_selected": 48}
    assert done.facts["set_aside_without_embedding"] == 3
    assert "3 of 61 records have no embedding" in done.warned[0]


def test_one_embedding_for_all_is_refused() -> None:
    with pytest.raises(RunStopped, match="all 60 records have the same embedding: choosing by it is chance"):
        select(Select(size=10), pool(), Embedder(alike=True))


def test_one_cluster_is_told() -> None:
    done = select(Select(size=10, clusters=1), pool(), Embedder())
    assert done.facts["coverage_found"]["clusters"] == 1
    assert any("one cluster" in sentence for sentence in done.warned)


def test_fewer_than_asked_for_says_why() -> None:
    done = select(Select(size=40, method="repr_filter", threshold=-0.5), pool(), Embedder())
    assert 0 < len(done.chosen) < 40
    assert "threshold" in done.warned[0]
    assert f"repr_filter chose {len(done.chosen)}, not 40" in done.warned[0]


def test_strata_keep_their_shares() -> None:
    done = select(Select(size=30, method="longest", stratify="lang"), pool())
    languages = [record.lang for record in done.records if record.dropped is None]
    assert (languages.count("zh"), languages.count("en")) == (10, 20)


def test_a_budget_of_tokens_is_kept() -> None:
    done = select(Select(tokens=600, method="longest"), pool())
    assert any("asked for were 600 tokens" in sentence for sentence in done.told)
    assert 5 < len(done.chosen) < 40


def test_nothing_in_nothing_out() -> None:
    assert select(Select(size=3), []).records == []
