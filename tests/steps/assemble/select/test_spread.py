"""Choices by embeddings: k-center, facility location, QDIT, DEITA's filter, D2, clusters."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_pools import noise_pool, unit

from factory.errors import RunStopped
from factory.steps.assemble.select.coverage import choose_cluster_quality, choose_coverage
from factory.steps.assemble.select.d2 import d2_prune
from factory.steps.assemble.select.facility import choose_qdit, facility_location, location_value
from factory.steps.assemble.select.k_center import k_center
from factory.steps.assemble.select.means import spherical_means
from factory.steps.assemble.select.neighbours import Graph, neighbour_graph
from factory.steps.assemble.select.pool import Pool, Settings
from factory.steps.assemble.select.repr_filter import choose_repr_filter, first_apart

seeds = st.integers(0, 10_000)


def random_rows(rows: int, seed: int, dimensions: int = 3) -> np.ndarray:
    return unit(np.random.default_rng(seed).standard_normal((rows, dimensions)))


def dense(graph: Graph) -> np.ndarray:
    matrix = np.zeros((len(graph.starts) - 1,) * 2)
    for row in range(len(matrix)):
        others, cosines = graph.of(row)
        matrix[row, others] = cosines
    return matrix


@pytest.mark.slow
@settings(deadline=None, max_examples=30)
@given(st.integers(1, 30), st.integers(1, 12), seeds)
def test_the_graph_joins_each_row_to_its_nearest_both_ways(rows: int, neighbours: int, seed: int) -> None:
    vectors = random_rows(rows, seed)
    matrix = dense(neighbour_graph(vectors, neighbours))
    cosines = vectors @ vectors.T
    assert np.array_equal(matrix, matrix.T)
    assert not matrix.diagonal().any()
    wanted = min(neighbours, rows - 1)
    for row in range(rows):
        others = np.delete(cosines[row], row)
        if wanted:
            kth = np.sort(others)[-wanted]
            assert (np.delete(matrix[row] != 0, row) >= (others > kth + 1e-6)).all()
    assert np.allclose(matrix[matrix != 0], cosines[matrix != 0], atol=1e-6)


@pytest.mark.slow
def test_the_graph_within_clusters_finds_nearly_all_and_tells_how_many() -> None:
    centres = random_rows(20, 0, 16)[np.random.default_rng(1).integers(20, size=3000)]
    vectors = unit(centres + 0.2 * random_rows(3000, 2, 16))
    found = neighbour_graph(vectors, 5, exact=100)
    exact = dense(neighbour_graph(vectors, 5)) != 0
    share = ((dense(found) != 0) & exact).sum() / exact.sum()
    assert share > 0.9
    assert abs(found.recall - share) < 0.1


def test_many_equal_rows_are_joined_without_comparing_all() -> None:
    graph = neighbour_graph(np.repeat(random_rows(3, 0), 1500, axis=0), 4, exact=100)
    assert (np.diff(graph.starts) >= 4).all()


@settings(deadline=None, max_examples=25)
@given(st.integers(4, 9), st.integers(1, 4), seeds)
def test_k_center_is_within_twice_the_best_radius(rows: int, size: int, seed: int) -> None:
    vectors = random_rows(rows, seed)
    chosen, radius = k_center(vectors, min(size, rows))
    distances = np.sqrt(np.maximum(2 - 2 * vectors @ vectors.T, 0))
    best = min(
        distances[:, list(some)].min(axis=1).max()
        for some in itertools.combinations(range(rows), len(chosen))
    )
    assert radius == pytest.approx(distances[:, chosen].min(axis=1).max(), abs=2e-3)
    assert radius <= 2 * best + 2e-3


@settings(deadline=None, max_examples=20)
@given(st.integers(5, 60), seeds)
def test_k_center_takes_the_farthest_row_each_time(rows: int, seed: int) -> None:
    vectors = random_rows(rows, seed)
    chosen, _ = k_center(vectors, rows // 2)
    distances = np.sqrt(np.maximum(2 - 2 * vectors @ vectors.T, 0))
    for at in range(1, len(chosen)):
        nearest = distances[:, chosen[:at]].min(axis=1)
        assert nearest[chosen[at]] >= nearest.max() - 2e-3


@settings(deadline=None, max_examples=25)
@given(st.integers(4, 10), st.integers(1, 4), st.integers(1, 9), seeds)
def test_facility_location_is_within_its_bound_of_the_best(
    rows: int, size: int, neighbours: int, seed: int
) -> None:
    graph = neighbour_graph(random_rows(rows, seed), neighbours)
    taken = facility_location(graph, size)
    best = max(
        location_value(graph, np.array(some)) for some in itertools.combinations(range(rows), len(taken.rows))
    )
    value = location_value(graph, taken.rows)
    assert value >= (1 - 1 / np.e) * best - 1e-9
    assert value == pytest.approx(taken.gains.sum())
    assert (np.diff(taken.gains) <= 1e-9).all()  # no gain grows


@pytest.mark.slow
@settings(deadline=None, max_examples=25)
@given(st.integers(3, 25), seeds)
def test_the_lazy_choice_is_that_of_computing_every_gain(rows: int, seed: int) -> None:
    graph = neighbour_graph(random_rows(rows, seed), 4)
    likeness = np.maximum(dense(graph), 0) + np.eye(rows)
    nearest, taken = np.zeros(rows), facility_location(graph, rows // 2 + 1)
    left = set(range(rows))
    for row, gain in zip(taken.rows.tolist(), taken.gains.tolist(), strict=True):
        gains = np.maximum(likeness - nearest[:, None], 0).sum(axis=0)
        assert gain == pytest.approx(gains[row])
        assert gain >= max(gains[list(left)]) - 1e-9
        nearest = np.maximum(nearest, likeness[:, row])
        left.remove(row)


def test_facility_location_gains_what_submodlib_gains() -> None:
    # submodlib-py 0.0.3, FacilityLocationFunction(mode="dense"), LazyGreedy, on the same 30 rows.
    gains = [10.64261302, 7.24575973, 2.66176954, 1.57816702, 1.10117811, 1.04533204, 0.98593670, 0.79919629]
    graph = neighbour_graph(random_rows(30, 7, 4), 29)
    taken = facility_location(graph, 8)
    assert taken.rows[:6].tolist() == [2, 24, 13, 17, 1, 7]  # two rows tie for the seventh place in float32
    assert np.allclose(taken.gains, gains, atol=1e-6)


@pytest.mark.parametrize("seed", range(3))
def test_qdit_goes_from_the_most_diverse_choice_to_the_best_scored(seed: int) -> None:
    pool = noise_pool(150, seed)
    found = [
        choose_qdit(pool, 30, np.random.default_rng(0), Settings(alpha=alpha)) for alpha in (0.0, 0.5, 1.0)
    ]
    diversity, quality = (
        [one.facts[name] for one in found] for name in ("diversity_of_its_best", "quality_of_its_best")
    )
    assert diversity[0] == 1
    assert quality[2] == 1
    assert diversity[0] >= diversity[1] >= diversity[2]
    assert quality[0] <= quality[1] <= quality[2]
    assert min(diversity[1], quality[1]) > max(
        diversity[2], quality[0]
    )  # half of each is near the best of both


@settings(deadline=None, max_examples=25)
@given(st.integers(1, 60), st.floats(0.1, 0.99), seeds)
def test_the_filter_keeps_no_pair_too_close_and_passes_over_none_without_cause(
    rows: int, threshold: float, seed: int
) -> None:
    vectors = random_rows(rows, seed)
    order = np.random.default_rng(seed).permutation(rows)
    taken, passed = first_apart(vectors, order, threshold, rows)
    cosines = vectors[taken] @ vectors[taken].T - 2 * np.eye(len(taken))
    assert cosines.max() <= threshold + 1e-6
    assert len(taken) + passed == rows
    place = {row: at for at, row in enumerate(order.tolist())}
    for row in set(range(rows)) - set(taken.tolist()):
        before = [one for one in taken.tolist() if place[one] < place[row]]
        assert (vectors[before] @ vectors[row]).max() > threshold - 1e-6


def test_the_filter_measures_against_what_is_chosen_not_against_what_was_passed_over() -> None:
    angles = np.radians([0, 20, 40])
    vectors = unit(np.stack([np.cos(angles), np.sin(angles)], axis=1))
    # The second is too close to the first; the third is close to the second alone, which is not in the set.
    taken, _ = first_apart(vectors, np.arange(3), np.cos(np.radians(30)), 3)
    assert taken.tolist() == [0, 2]


@settings(deadline=None, max_examples=20)
@given(st.integers(2, 40), seeds)
def test_a_higher_threshold_never_chooses_fewer_of_two_rows_in_a_line(rows: int, seed: int) -> None:
    pool = noise_pool(rows, seed)
    sizes = [
        len(first_apart(pool.known_vectors, np.arange(rows), threshold, rows)[0]) for threshold in (-1, 1.01)
    ]
    assert sizes == [1, rows]


def test_the_filter_says_why_it_chose_fewer() -> None:
    pool = noise_pool(50)
    choice = choose_repr_filter(pool, 40, np.random.default_rng(0), Settings(threshold=-0.5))
    assert len(choice.rows) < 40
    assert "threshold" in choice.why_fewer


def test_d2_by_hand() -> None:
    # Two rows side by side (cosine 1, distance 0), one apart from both.
    graph = Graph(np.array([0, 1, 2, 2]), np.array([1, 0]), np.array([1.0, 1.0]), 1.0)
    rows, forward = d2_prune(graph, np.array([1.0, 0.6, 0.5]), 3, gamma=1.0)
    assert forward.tolist() == [1.6, 1.6, 0.5]  # each lends the other all it has
    assert rows.tolist() == [0, 2, 1]  # the twin of the first is at 0 then
    rows, _ = d2_prune(graph, np.array([1.0, 0.6, 0.5]), 3, gamma=0.0)
    assert rows.tolist() == [0, 2, 1]


def test_d2_lets_a_message_back_fade_with_gamma() -> None:
    graph = Graph(np.array([0, 1, 2, 2]), np.array([1, 0]), np.array([0.5, 0.5]), 1.0)  # distance 1
    _, forward = d2_prune(graph, np.array([1.0, 0.6, 0.6]), 1, gamma=1.0)
    assert np.allclose(forward, [1 + 0.6 / np.e, 0.6 + 1 / np.e, 0.6])
    assert d2_prune(graph, np.array([1.0, 0.6, 0.6]), 3, gamma=1.0)[0].tolist() == [0, 2, 1]
    assert d2_prune(graph, np.array([1.0, 0.6, 0.6]), 3, gamma=5.0)[0].tolist() == [0, 1, 2]


def clustered(sizes: tuple[int, ...] = (60, 30, 10)) -> Pool:
    random = np.random.default_rng(0)
    centres = np.eye(len(sizes), 8)[np.repeat(np.arange(len(sizes)), sizes)]
    rows = sum(sizes)
    return Pool(
        random.integers(50, 60, size=rows),
        ["en"] * rows,
        [""] * rows,
        random.standard_normal(rows),
        unit(centres + 0.05 * random.standard_normal((rows, 8))),
    )


def test_coverage_gives_each_cluster_its_share_and_the_rows_nearest_to_its_centre() -> None:
    pool = clustered()
    settings = Settings(clusters=3, length_floor=0, quality_floor=0)
    choice = choose_coverage(pool, 20, np.random.default_rng(0), settings)
    own = np.repeat(np.arange(3), (60, 30, 10))
    assert np.bincount(own[choice.rows]).tolist() == [12, 6, 2]
    for cluster in range(3):
        members = np.flatnonzero(own == cluster)
        centre = pool.known_vectors[members].mean(axis=0)
        near = pool.known_vectors @ (centre / np.linalg.norm(centre))
        inside = np.isin(members, choice.rows)
        assert near[members[inside]].min() >= near[members[~inside]].max() - 1e-5


def test_coverage_leaves_out_the_shortest_of_each_language_and_the_lowest_scored() -> None:
    pool = noise_pool(200)
    choice = choose_coverage(
        pool, 100, np.random.default_rng(0), Settings(length_floor=0.2, quality_floor=0.2)
    )
    languages = np.array(pool.languages)
    for language in ("en", "zh"):
        own = np.flatnonzero(languages == language)
        floor = np.sort(pool.lengths[own])[int(0.2 * len(own))]
        assert pool.lengths[np.intersect1d(own, choice.rows)].min() >= floor
    assert pool.known_score[choice.rows].min() >= np.sort(pool.known_score)[40]
    assert choice.facts["below_the_floors"] >= 60


def test_floors_give_way_where_they_would_leave_too_few() -> None:
    choice = choose_coverage(noise_pool(100), 99, np.random.default_rng(0), Settings())
    assert len(choice.rows) == 99
    assert choice.facts["floors_that_gave_way"] == "length and quality"


def test_more_clusters_than_rows_are_refused() -> None:
    with pytest.raises(RunStopped, match="50 rows cannot make 100,000 clusters"):
        spherical_means(noise_pool(50).known_vectors, 100_000, np.random.default_rng(0))


def test_cluster_quality_takes_the_best_of_each_cluster_and_then_the_best_of_all() -> None:
    pool = clustered()
    choice = choose_cluster_quality(pool, 10, np.random.default_rng(0), Settings(clusters=3))
    own, score = np.repeat(np.arange(3), (60, 30, 10)), pool.known_score
    best = {int(np.flatnonzero(own == at)[score[own == at].argmax()]) for at in range(3)}
    assert set(choice.rows[:3].tolist()) == best
    rest = [row for row in np.argsort(-score).tolist() if row not in best][:7]
    assert choice.rows[3:].tolist() == rest


def test_facility_location_takes_the_rows_that_submodlib_and_apricot_take() -> None:
    submodlib = pytest.importorskip("submodlib", reason="pip install submodlib-py")
    apricot = pytest.importorskip("apricot", reason="pip install apricot-select")
    vectors = random_rows(300, 1, dimensions=12)
    graph = neighbour_graph(vectors, len(vectors) - 1)
    whole = np.maximum(dense(graph), 0) + np.eye(len(vectors))
    ours = facility_location(graph, 40).rows.tolist()
    peer = submodlib.FacilityLocationFunction(n=len(vectors), mode="dense", separate_rep=False, sijs=whole)
    taken = peer.maximize(budget=40, optimizer="LazyGreedy", show_progress=False)
    assert [row for row, _ in taken] == ours
    lazy = apricot.FacilityLocationSelection(40, metric="precomputed", optimizer="lazy").fit(whole)
    assert lazy.ranking.tolist() == ours
