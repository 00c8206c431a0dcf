"""How well tasks are named from labelled examples: accuracy by five-fold cross-validation.

    python tests/bench/bench_task.py            # a sample of 500 rows of each labelled set
    python tests/bench/bench_task.py --rows 0   # all rows (minutes: each text is embedded on the processor)

Embeddings are those of the embedded model, kept in a journal so that a second run is quick.
"""

from __future__ import annotations

import argparse
import gzip
import json
import random
from pathlib import Path

from factory.data.record import new_record
from factory.engine.outside import with_embedder
from factory.statistics.classify import Method, cross_validate
from factory.steps.tags.task_by_example import FEWEST, task_text

DATA = Path(__file__).parents[2] / "../shared/data"
METHODS: tuple[Method, ...] = ("centroid", "ridge", "logistic")


def rows_of(name: str) -> list[dict[str, str]]:
    with gzip.open(DATA / f"{name}.jsonl.gz", "rt", encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def labelled(name: str) -> list[tuple[str, str]]:
    """Text and label of each row of a labelled set."""
    rows = rows_of(f"labels/{name}")
    if name == "dolly_category_dev":
        pool = {row["id"]: row for row in rows_of("pool/dolly_en")}
        rows = [{**pool[row["id"]], "label": row["category"]} for row in rows if row["id"] in pool]
    elif name == "belle_class_dev_zh":
        rows = [{"instruction": row["question"], "input": "", "label": row["class"]} for row in rows]
    else:
        rows = [{**row, "label": row["domain"]} for row in rows]
    texts = [task_text(new_record(row["instruction"], input=row["input"])) for row in rows]
    labels = [row["label"] for row in rows]
    pairs = list(zip(texts, labels, strict=True))
    return [pair for pair in pairs if labels.count(pair[1]) >= FEWEST]


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, default=500, help="rows of each set; 0 takes all")
    parser.add_argument("--journal", type=Path, default=Path("outputs/bench_task.db"))
    options = parser.parse_args()
    print(
        f"{'set':<22}{'rows':>6}{'labels':>8}{'majority':>10}", *(f"{name:>10}{'F1':>6}" for name in METHODS)
    )
    for name in ("dolly_category_dev", "belle_class_dev_zh", "explore_instruct_dev"):
        if not (DATA / f"labels/{name}.jsonl.gz").exists():
            print(f"{name}: not here")
            continue
        pairs = labelled(name)
        if options.rows and len(pairs) > options.rows:
            pairs = random.Random(0).sample(pairs, options.rows)
        texts, labels = [list(column) for column in zip(*pairs, strict=True)]
        vectors = with_embedder({}, options.journal, lambda embedder, texts=texts: embedder.embed(texts))
        found = [cross_validate(vectors, labels, method) for method in METHODS]
        cells = (f"{v.accuracy:>10.1%}{v.macro_f1:>6.2f}" for v in found)
        print(f"{name:<22}{len(texts):>6}{found[0].labels:>8}{found[0].majority:>10.1%}", *cells, flush=True)


if __name__ == "__main__":
    main()
