"""How long each method of `select` that asks no model takes, how much memory, and how that grows with the rows.

    python tests/bench/bench_select.py                # 10,000 to 1,000,000 rows, 1,000 of them chosen
    python tests/bench/bench_select.py --rows 100000  # up to that many
    python tests/bench/bench_select.py --only k_center --only mig
    python tests/bench/bench_select.py --dimensions 384

Where apricot is installed (pip install apricot-select), its facility location stands beside as well.

The rows are synthetic: numbers around 200 centres, a score, up to eight of 5,000 tags. On the smallest size the
plain way in numpy and scikit-learn stands beside, where there is one, with what it chose of the same rows.
"""

from __future__ import annotations

import argparse
import importlib.util
import math
from collections.abc import Callable

import numpy as np
from bench_rouge import timed
from numpy.typing import NDArray

from factory.steps.assemble.select.aiming import NEEDED_FILES
from factory.steps.assemble.select.neighbours import neighbour_graph
from factory.steps.assemble.select.pool import Pool, Settings, TagLists
from factory.steps.assemble.select.registry import METHODS

SIZE = 1000
DIMENSIONS = 64
CENTRES = 200
TAGS = 5000
Chosen = NDArray[np.int64]


def synthetic(rows: int, dimensions: int = DIMENSIONS) -> Pool:
    """Rows around centres, whose scores, lengths and tags have nothing to do with where they lie."""
    random = np.random.default_rng(0)
    centres = random.standard_normal((CENTRES, dimensions), np.float32)
    vectors = centres[random.integers(CENTRES, size=rows)]
    for start in range(0, rows, 1 << 16):  # so that the highest memory is that of the method
        part = vectors[start : start + (1 << 16)]
        part += np.float32(0.8) * random.standard_normal(part.shape, np.float32)
        part /= np.linalg.norm(part, axis=1, keepdims=True)
    counts = random.integers(0, 9, size=rows)
    starts = np.concatenate([[0], np.cumsum(counts)])
    tags = (random.zipf(1.3, size=starts[-1]) % TAGS).astype(np.int64)
    named = random.standard_normal((TAGS, dimensions), np.float32)
    named /= np.linalg.norm(named, axis=1, keepdims=True)
    return Pool(
        random.integers(1, 500, size=rows),
        ["en"] * rows,
        [f"task {row % 20}" for row in range(rows)],
        random.standard_normal(rows),
        vectors,
        TagLists(starts, tags, [str(tag) for tag in range(TAGS)]),
        named,
    )


def plain_k_center(pool: Pool) -> Chosen:
    """Every row against every new centre."""
    vectors = pool.known_vectors
    chosen = [int((vectors @ vectors.mean(axis=0)).argmax())]
    nearest = vectors @ vectors[chosen[0]]
    while len(chosen) < SIZE:
        chosen.append(int(nearest.argmin()))
        np.maximum(nearest, vectors @ vectors[chosen[-1]], out=nearest)
    return np.array(chosen)


def plain_facility_location(pool: Pool) -> Chosen:
    """All gains computed anew for each row taken, over all pairs; 50 rows of `SIZE`, as it takes that long."""
    likeness = np.maximum(pool.known_vectors @ pool.known_vectors.T, 0)
    nearest, chosen = np.zeros(len(likeness), np.float32), []
    for _ in range(50):
        gains = np.array([np.maximum(part - nearest, 0).sum() for part in likeness])
        chosen.append(int(gains.argmax()))
        np.maximum(nearest, likeness[chosen[-1]], out=nearest)
    return np.array(chosen)


def plain_coverage(pool: Pool) -> Chosen:
    """scikit-learn's k-means, and of each cluster its share, nearest first."""
    from sklearn.cluster import KMeans

    clusters = math.isqrt(len(pool) // 2)
    means = KMeans(clusters, n_init=1, random_state=0).fit(pool.known_vectors)
    far = np.linalg.norm(pool.known_vectors - means.cluster_centers_[means.labels_], axis=1)
    return np.concatenate(
        [
            members[np.argsort(far[members])][: round(SIZE * len(members) / len(pool))]
            for members in (np.flatnonzero(means.labels_ == cluster) for cluster in range(clusters))
        ]
    )


def plain_repr_filter(pool: Pool) -> Chosen:
    """One row after another against the chosen ones."""
    chosen: list[int] = []
    for row in np.argsort(-pool.known_score).tolist():
        if not chosen or (pool.known_vectors[chosen] @ pool.known_vectors[row]).max() <= Settings().threshold:
            chosen.append(row)
            if len(chosen) == SIZE:
                break
    return np.array(chosen)


def apricots_facility_location(pool: Pool) -> Chosen:
    """Its lazy greedy choice on the same graph, whose making is counted too."""
    from apricot import FacilityLocationSelection
    from scipy.sparse import csr_matrix, identity

    graph = neighbour_graph(pool.known_vectors, Settings().neighbours)
    likeness = np.maximum(graph.cosines, 0).astype(np.float64)
    matrix = csr_matrix((likeness, graph.rows, graph.starts), shape=(len(pool), len(pool)))
    whole = (matrix + identity(len(pool))).tocsr()
    found = FacilityLocationSelection(SIZE, metric="precomputed", optimizer="lazy").fit(whole)
    return np.array(found.ranking)


PEERS: dict[str, Callable[[Pool], Chosen]] = (
    {"facility_location": apricots_facility_location} if importlib.util.find_spec("apricot") else {}
)
PLAIN: dict[str, Callable[[Pool], Chosen]] = {
    "coverage": plain_coverage,
    "k_center": plain_k_center,
    "facility_location": plain_facility_location,
    "repr_filter": plain_repr_filter,
}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, default=1_000_000, help="synthetic rows at most")
    parser.add_argument("--only", action="append", choices=list(METHODS), help="these methods alone")
    parser.add_argument("--dimensions", type=int, default=DIMENSIONS, help="of the embeddings")
    wanted = parser.parse_args()
    sizes = sorted({min(size, wanted.rows) for size in (10_000, 100_000, wanted.rows)})
    whole = synthetic(sizes[-1], wanted.dimensions)
    pools = {size: whole if size == len(whole) else whole.take(np.arange(size)) for size in sizes}
    print(f"{SIZE:,} rows chosen; wall seconds, processor seconds, and GB at most\n")
    print(
        f"{'method':<26}" + "".join(f"{f'{size:,}':>24}" for size in sizes) + f"{'grows as':>12}", flush=True
    )
    for name, method in METHODS.items():
        if (wanted.only and name not in wanted.only) or method.needs & NEEDED_FILES.keys():
            continue  # those towards a target are timed by bench_target.py
        method.pick(
            pools[sizes[0]].take(np.arange(2000)), 500, np.random.default_rng(0), Settings()
        )  # compiled now
        cells, walls, first = [], [], np.zeros(0, np.int64)
        for size, pool in pools.items():
            choice, took = timed(
                lambda pool=pool, method=method: method.pick(pool, SIZE, np.random.default_rng(0), Settings())
            )
            first = choice.rows if size == sizes[0] else first
            walls.append(took.wall)
            cells.append(f"{took.wall:>9.2f} {took.cpu:>8.2f} {took.memory:>5.2f}")
        grows = f"rows^{math.log(walls[-1] / walls[0], sizes[-1] / sizes[0]):.2f}" if len(sizes) > 1 else ""
        print(f"{name:<26}{''.join(cells)}{grows:>12}", flush=True)
        for way, ways in (("plain way", PLAIN), ("apricot", PEERS)):
            if name not in ways:
                continue
            chosen, took = timed(lambda ways=ways, name=name: ways[name](pools[sizes[0]]))
            same = np.isin(chosen, first).mean()
            print(
                f"  {way}: {took.wall:.2f} s, {took.cpu:.2f} s of the processor for {len(chosen):,} rows; "
                f"{same:.0%} of them chosen by both",
                flush=True,
            )


if __name__ == "__main__":
    main()
