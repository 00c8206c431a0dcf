"""Learning percentage: the formula, its edges, and the published perplexities of Mekala et al."""

from __future__ import annotations

import asyncio
import csv
import functools
import gzip
import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from step_context import process, scripted_context

from factory.data.record import Drop, Record, new_record
from factory.data.table import Table
from factory.errors import RecordFailed, TextsFailed
from factory.statistics.correlation import spearman
from factory.step import Context
from factory.steps.keep import Condition
from factory.steps.score.clusters.hardest import hardest_in_clusters
from factory.steps.score.clusters.meaning import cluster_count, clusters_of
from factory.steps.score.instruction_mining import InstructionMining, predicted_log_loss
from factory.steps.score.learning_percentage import LearningPercentage, learning_percentage

ORACLES = Path(__file__).parents[3] / "../shared/data/oracles"


@functools.cache
def published(name: str) -> dict[str, NDArray[np.float64]]:
    path = ORACLES / f"small2large_{name}_perplexity.csv.gz"
    if not path.is_file():
        pytest.skip(f"{path.name} is not beside the repository")
    with gzip.open(path, "rt") as lines:
        rows = csv.reader(lines)
        header = next(rows)
        table = np.array([[float(cell) for cell in row] for row in rows])
    return {column: table[:, at] for at, column in enumerate(header)}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("data", "model", "rho", "rho_approximation", "rho_before"),
    [
        ("alpaca", "opt-350m", 0.712, 0.801, 0.794),
        ("alpaca", "llama2-7b", 0.958, 0.974, 0.970),
        ("dolly", "opt-350m", 0.699, 0.655, None),
        ("dolly", "llama2-7b", 0.939, 0.963, None),
    ],
)
def test_a_small_models_ranking_agrees_with_a_large_ones_as_much_as_was_published(
    data: str, model: str, rho: float, rho_approximation: float, rho_before: float | None
) -> None:
    columns = published(data)

    def perplexities(name: str) -> list[NDArray[np.float64]]:
        return [columns[f"{name}.epoch_{epoch}"] for epoch in ("pre", "1", "3")]

    small, large = perplexities(model), perplexities("llama2-13b")
    assert spearman(learning_percentage(*small), learning_percentage(*large)) == pytest.approx(rho, abs=6e-4)
    approximations = [learning_percentage(*some[:2]) for some in (small, large)]
    assert spearman(*approximations) == pytest.approx(rho_approximation, abs=6e-4)
    if rho_before is not None:
        assert spearman(small[0], large[0]) == pytest.approx(rho_before, abs=6e-4)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("model", "medians", "forms_alike"),
    [("opt-350m", (11.74, 4.83, 3.92), 0.81), ("llama2-13b", (4.17, 1.75, 1.07), 0.85)],
)
def test_both_forms_of_the_published_learning_percentage_rank_alike(
    model: str, medians: tuple[float, ...], forms_alike: float
) -> None:
    columns = published("alpaca")
    before, after, end = (columns[f"{model}.epoch_{epoch}"] for epoch in ("pre", "1", "3"))
    assert [np.median(column) for column in (before, after, end)] == pytest.approx(medians, abs=0.0055)
    both = spearman(learning_percentage(before, after, end), learning_percentage(before, after))
    assert both == pytest.approx(forms_alike, abs=0.0055)


@functools.cache
def topics() -> NDArray[np.int64]:
    """Alpaca's rows in 1,000 clusters by topic, made as the authors make theirs (cluster_alpaca.py)."""
    return np.load(Path(__file__).parent / "alpaca_clusters.npz")["clusters"].astype(np.int64)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("model", "approximate", "percent", "overlap"),
    [
        ("opt-350m", False, 10, 0.370),
        ("llama2-7b", False, 10, 0.735),
        ("opt-350m", True, 10, 0.441),
        ("llama2-7b", True, 10, 0.776),
        ("opt-350m", False, 1, 0.200),
        ("llama2-7b", False, 1, 0.596),
    ],
)
def test_the_hardest_rows_of_each_topic_are_shared_with_a_large_model_as_published(
    model: str, approximate: bool, percent: int, overlap: float
) -> None:
    """As near as clusters allow that were not published: of six makings none was farther (see cluster_alpaca.py)."""
    columns = published("alpaca")

    def picks(name: str, clusters: NDArray[np.int64]) -> set[int]:
        perplexities = [columns[f"{name}.epoch_{epoch}"] for epoch in ("pre", "1", "3")]
        percentage = learning_percentage(*perplexities[: 2 if approximate else 3])
        return set(hardest_in_clusters(percentage, clusters, percent).tolist())

    def shared(clusters: NDArray[np.int64]) -> float:
        small, large = picks(model, clusters), picks("llama2-13b", clusters)
        assert len(small) == len(large)
        return len(small & large) / len(small)

    # Of 52,002 rows: 5,667 and 1,038 in the published picks, since each cluster gives a little more than its share.
    published_size = {10: 5_667, 1: 1_038}[percent]
    assert len(picks(model, topics())) == pytest.approx(published_size, abs=30)
    assert shared(topics()) == pytest.approx(overlap, abs=0.008 if percent == 10 else 0.025)
    if percent == 10:
        everything = np.zeros(len(topics()), np.int64)
        assert abs(shared(everything) - overlap) > abs(shared(topics()) - overlap), (
            "without clusters it is another"
        )


def test_a_drop_that_came_whole_in_the_first_epoch_is_one_and_no_drop_is_zero() -> None:
    before, after, end = np.array([4.0, 4, 4, np.nan]), np.array([2.0, 3, 4, 1]), np.array([2.0, 2, 4, 1])
    got = learning_percentage(before, after, end)
    assert got[:3].tolist() == [1.0, 0.5, 0.0]
    assert math.isnan(got[3])
    assert learning_percentage(before, after)[:3].tolist() == [0.5, 0.25, 0.0]


def test_every_cluster_gives_its_lowest_rows_and_at_least_one() -> None:
    percentage = np.array([0.9, 0.1, 0.5, 0.4, 0.3, 0.2, 0.7])
    clusters = np.array([0, 0, 0, 1, 1, 1, 2])
    assert hardest_in_clusters(percentage, clusters, 33).tolist() == [1, 5, 6]
    assert hardest_in_clusters(percentage, clusters, 50).tolist() == [1, 2, 4, 5, 6]
    assert hardest_in_clusters(percentage[:0], clusters[:0], 10).tolist() == []


def scored(**scores: float) -> Record:
    return replace(new_record("问", output="答"), scores={k.replace("_", "."): v for k, v in scores.items()})


def of(
    step: LearningPercentage, records: Sequence[Record], embed: Any = None
) -> tuple[list[Record], Context]:
    context, chat = scripted_context(lambda ask: "", step="05-learning_percentage")

    class Embedder:
        name = "embedder"

        async def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
            return np.asarray(embed(texts), np.float32)

    context = replace(context, get_embedder=lambda name: Embedder())
    result = asyncio.run(step.run(Table.from_records(records), context))
    assert chat.asks == []
    return list(result.records()), context


def test_the_step_reads_the_perplexities_it_is_told_and_says_which_is_missing() -> None:
    step = LearningPercentage(before="ppl.0", after="ppl.1", end="ppl.3")
    (done, lacking), _ = of(step, [scored(ppl_0=4.0, ppl_1=3.0, ppl_3=2.0), scored(ppl_0=4.0, ppl_1=3.0)])
    assert done.scores["learning_percentage"] == 0.5
    assert done.dropped is None
    assert "learning_percentage" not in lacking.scores
    assert lacking.missing["learning_percentage"] == ("lacks_score", "there is no score 'ppl.3'")
    kept, _ = of(step.model_copy(update={"keep": Condition.parse("< 0.4")}), [done])
    assert kept[0].dropped is not None


def pool() -> list[Record]:
    """Two topics of ten records: all of the first are learned late, all of the second early."""
    made = []
    for topic in (0, 1):
        for at in range(10):
            one = new_record(
                f"{'river' if topic == 0 else 'sums'} {at}",
                output="a",
                task=f"t{topic}",
                meta={"mine": topic},
            )
            made.append(replace(one, scores={"ppl.0": 10.0, "ppl.1": 9.0 - 5 * topic - at / 10}))
    return made


def by_topic(texts: Sequence[str]) -> list[list[float]]:
    assert all(text.startswith("Instruction: ") and text.endswith(" Response: a") for text in texts)
    return [[1.0, 0.0] if "river" in text else [0.0, 1.0] for text in texts]


@pytest.mark.parametrize(
    ("options", "taken"),
    [
        ({"clusters": 2}, [0, 1, 10, 11]),
        ({"within": "set"}, [0, 1, 2, 3]),
        ({"within": "task"}, [0, 1, 10, 11]),
        ({"within": "mine"}, [0, 1, 10, 11]),
    ],
    ids=["clusters", "set", "task", "column"],
)
def test_the_hardest_of_each_cluster_are_kept_and_of_the_set_where_that_is_wanted(
    options: dict[str, Any], taken: list[int]
) -> None:
    step = LearningPercentage(before="ppl.0", after="ppl.1", share=0.2, **options)
    result, context = of(step, pool(), by_topic)
    assert [at for at, record in enumerate(result) if record.dropped is None] == taken
    gone = result[9].dropped
    assert gone is not None
    assert (gone.kind, gone.numbers) == ("not_top", {"learning_percentage": pytest.approx(0.19)})
    assert context.facts["chosen"] == 4


def test_a_record_without_the_score_or_an_embedding_is_set_aside_and_takes_no_place() -> None:
    records = [*pool(), scored(ppl_0=1.0)]

    def embed(texts: Sequence[str]) -> list[list[float]]:
        failed = {
            at: RecordFailed("context_length", "too long")
            for at, text in enumerate(texts)
            if "river 0" in text
        }
        if failed:
            raise TextsFailed(failed, len(texts))
        return by_topic(texts)

    step = LearningPercentage(before="ppl.0", after="ppl.1", share=0.2, clusters=2)
    result, _ = of(step, records, embed)
    drops = [record.dropped for record in result]
    assert drops[0] == Drop("05-learning_percentage", "context_length", "too long", failed=True)
    assert drops[20] is not None
    assert (drops[20].kind, drops[20].failed) == ("no_score", True)
    assert [at for at, drop in enumerate(drops) if drop is None] == [1, 2, 10, 11]


def test_a_column_that_no_record_has_is_told_and_the_set_is_taken_as_a_whole() -> None:
    warned: list[str] = []
    context, _ = scripted_context(lambda ask: "")
    step = LearningPercentage(before="ppl.0", after="ppl.1", share=0.2, within="topik")
    result = asyncio.run(step.run(Table.from_records(pool()), replace(context, warn=warned.append)))
    assert sum(record.dropped is None for record in result.records()) == 4
    assert "no record has a value in 'topik', so the share is of the whole set" in warned[0]


@pytest.mark.parametrize("records", [0, 1])
def test_a_set_of_one_record_or_none_is_kept(records: int) -> None:
    step = LearningPercentage(before="ppl.0", after="ppl.1", share=0.1)
    assert [record.dropped for record in of(step, pool()[:records], by_topic)[0]] == [None] * records


@pytest.mark.slow
def test_clusters_are_those_of_the_directions_and_the_same_each_time() -> None:
    chance = np.random.default_rng(0)
    centres = np.eye(8)[:5]
    vectors = np.repeat(centres, 40, axis=0) + chance.normal(scale=0.05, size=(200, 8))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    found = clusters_of(vectors.astype(np.float32), 5, seed=3)
    assert all(len(set(part.tolist())) == 1 for part in np.split(found, 5))
    assert len(set(found.tolist())) == 5
    assert (found == clusters_of(vectors.astype(np.float32), 5, seed=3)).all()
    assert [cluster_count(rows) for rows in (0, 1, 78, 52_002)] == [1, 1, 2, 1000]


def test_the_regression_of_instruction_mining_is_the_papers() -> None:
    features = {"reward": 2.0, "understandability": 0.5, "naturalness": 0.25, "coherence": 0.125}
    assert predicted_log_loss(features) == pytest.approx(0.0274 - 0.0156 + 0.22105 - 0.0803 - 0.019)
    context, _ = scripted_context(lambda ask: "")
    step = InstructionMining(reward="r", understandability="u", naturalness="n", coherence="c")
    (done,) = process(step, scored(r=2.0, u=0.5, n=0.25, c=0.125), context)
    assert done.scores["instruction_mining"] == pytest.approx(predicted_log_loss(features))
    (lacking,) = process(step, scored(r=2.0), context)
    assert lacking.scores == {"r": 2.0}
