"""How fast `find_leaks` is, and what an embedding finds of the items that it cannot see.

    python tests/bench/bench_leaks.py                    # 100,000 Alpaca rows against eight benchmarks
    python tests/bench/bench_leaks.py --rows 1000000     # that many: the same rows again and again
    python tests/bench/bench_leaks.py --embed 100        # so many translations and paraphrases, by embedding

Translations: instructions of Alpaca as the benchmark, the Chinese of the same ids as the leaks, among rows of
Chinese and English pools. Paraphrases: texts of Explore-Instruct as the benchmark, their paraphrases as the
leaks. Only the search for candidates is measured, by the packaged e5-small; the judge that decides on them is
not, since the packaged 135M model cannot judge: how many candidates it would be asked about is in the table.
"""

from __future__ import annotations

import argparse
import asyncio
import gzip
import itertools
import random
import resource
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

from factory.data.benchmark import Item, benchmark_items
from factory.steps.dedup.leaks.find import find_leaks

DATA = Path(__file__).parents[2] / "../shared/data"
Cosines = NDArray[np.float32]
THRESHOLDS = (0.84, 0.86, 0.88, 0.90, 0.92, 0.94)


def rows_of(name: str) -> list[dict[str, Any]]:
    with gzip.open(DATA / f"{name}.jsonl.gz") as lines:
        return [orjson.loads(line) for line in lines]


def speed(rows: int) -> None:
    benchmarks = {
        path.name.split(".")[0]: path for path in sorted((DATA / "eval_targets").glob("*.jsonl.gz"))
    }
    items = {
        name: [
            item
            for item in benchmark_items(name, enumerate(rows_of(f"eval_targets/{path.name[:-9]}"), 1))
            if isinstance(item, Item)
        ]
        for name, path in benchmarks.items()
    }
    three = [name for name in items if name.startswith(("gsm8k", "humaneval", "ifeval"))]
    pool = [
        (f"{row['instruction']}\n{row['input']}", row["output"])
        for row in rows_of("nc_optional/alpaca_en_52k")
    ]
    find_leaks([["a"]], items[three[0]])  # compiles
    print(
        f"{'benchmarks':>10} {'items':>7} {'rows':>10} {'CPU s':>7} {'rows/s':>8} {'records':>8} {'peak MB':>8}"
    )
    for names in (three, list(items)):
        wanted = [item for name in names for item in items[name]]
        records: Iterator[Sequence[str]] = itertools.islice(itertools.cycle(pool), rows)
        start = time.process_time()
        found = len({leak.record for leak in find_leaks(records, wanted)})
        seconds = time.process_time() - start
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(
            f"{len(names):>10} {len(wanted):>7,} {rows:>10,} {seconds:>7.1f} {rows / seconds:>8,.0f} "
            f"{found:>8,} {peak:>8,.0f}"
        )


def meaning(count: int) -> None:
    chance = random.Random(0)
    chinese = {
        row["id"]: row["instruction"] for row in rows_of("nc_optional/alpaca_zh_10k_raw") if not row["input"]
    }
    english = {
        row["id"]: row["instruction"]
        for row in rows_of("nc_optional/alpaca_en_52k")
        if not row["input"] and len(row["instruction"].split()) >= 6
    }
    both = sorted(chinese.keys() & english.keys())
    chance.shuffle(both)
    chosen, rest = both[:count], both[count:]
    explore = [row for row in rows_of("labels/explore_instruct_dev") if row["domain"].startswith("paraphras")]
    explore = [row for row in explore if len(row["input"].split()) >= 6 and row["output"].strip()]
    pairs = explore[:count]
    sets = {
        "translations": ([english[id] for id in chosen], [chinese[id] for id in chosen]),
        "paraphrases": ([row["input"] for row in pairs], [row["output"] for row in pairs]),
    }
    clean = [chinese[id] for id in rest[: 2 * count]]
    clean += [row["instruction"] for row in chance.sample(rows_of("pool/dolly_en"), 2 * count)]
    print(
        f"\n{len(clean):,} clean rows; recall: leaks whose own item is a candidate; asked: pairs for the judge"
    )
    start = time.process_time()
    texts = [*clean, *itertools.chain.from_iterable(part for pair in sets.values() for part in pair)]
    vectors = asyncio.run(_embed(texts))
    print(f"embedding {len(vectors):,} texts: {time.process_time() - start:.0f} CPU s")
    at = len(clean)
    for name, (items, leaks) in sets.items():
        of_items, of_leaks = vectors[at : at + len(items)], vectors[at + len(items) : at + 2 * len(items)]
        at += 2 * len(items)
        _report(name, items, leaks, of_leaks @ of_items.T, vectors[: len(clean)] @ of_items.T)


def _report(name: str, items: list[str], leaks: list[str], near: Cosines, far: Cosines) -> None:
    """near, far: cosines of each leak, and of each clean row, with each item."""
    own = np.diag(near)
    rank = (near > own[:, None]).sum(axis=1)
    named = [Item(name, str(at), text) for at, text in enumerate(items)]
    words = {
        leak.record
        for leak in find_leaks([[text] for text in leaks], named)
        if leak.item.id == str(leak.record)
    }
    recalls = "  ".join(f"recall@{k} {np.mean(rank < k):.3f}" for k in (1, 3, 5))
    print(f"\n{name}: {len(items):,} items; {recalls}; by words {len(words) / len(items):.3f}")
    print(f"{'cosine >=':>10} {'recall@3':>9} {'precision':>10} {'clean rows near':>16} {'asked@3':>8}")
    for threshold in THRESHOLDS:
        caught = int(((rank < 3) & (own >= threshold)).sum())
        alarms = int((far.max(axis=1) >= threshold).sum())
        asked = sum(int(np.minimum((part >= threshold).sum(axis=1), 3).sum()) for part in (near, far))
        precision = caught / max(1, caught + alarms)
        print(
            f"{threshold:>10.2f} {caught / len(items):>9.3f} {precision:>10.3f} "
            f"{alarms:>6,} ({alarms / len(far):>6.2%}) {asked:>8,}"
        )


async def _embed(texts: list[str]) -> Cosines:
    from factory.models.local_embeddings import LocalEmbeddings
    from factory.models.options import LocalEmbeddingOptions

    model = LocalEmbeddings(LocalEmbeddingOptions())
    # Texts of like length share a batch.
    order = sorted(range(len(texts)), key=lambda at: len(texts[at]))
    vectors = await model.embed([texts[at] for at in order])
    await model.close()
    result = np.empty_like(vectors)
    result[order] = vectors
    return result


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--embed", type=int, help="items, instead of the speed by words")
    wanted = parser.parse_args()
    if not DATA.is_dir():
        raise SystemExit("the shared data sets are not there")
    if wanted.embed:
        meaning(wanted.embed)
    else:
        speed(wanted.rows)


if __name__ == "__main__":
    main()
