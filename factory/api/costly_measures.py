"""The measures of a set that take more than counting: pairs of verb and noun, and those of embeddings."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from factory.data.table import Table
    from factory.engine.progress import RunProgress
    from factory.models.base import Vectors
    from factory.statistics.arrays import Ints

NAMED = 3
"""Pairs of verb and noun that are printed."""
ENGLISH = ("en", "eng", "english")
PARSED = 2000
"""English instructions that are parsed unasked: some ten seconds."""
VENDI = 200
VENDI_CHARACTERS = 1000
"""How much of an instruction the Vendi score reads: a long one costs as much time as many short ones."""
FEWEST_TO_HALVE = 20
"""Fewer instructions are taken as they are: their halves would say little."""


def verb_noun_of(table: Table, needed: bool) -> dict[str, Any]:
    """The verb-noun pairs of the English instructions; of a sample, or why there are none, unless `needed`.

    Raises:
        MissingDependency: spaCy or its model is not installed, and the pairs are needed.
    """
    from factory.errors import MissingDependency
    from factory.report.plain import visible
    from factory.report.run_files.rows import evenly
    from factory.statistics.verb_noun import verb_noun_pairs

    texts = [
        text
        for text, language in zip(table.texts("instruction"), table.values("lang"), strict=True)
        if language.lower().replace("_", "-").split("-")[0] in ENGLISH and text.strip()
    ]
    whole = needed or len(texts) <= PARSED
    try:
        pairs = verb_noun_pairs(texts if whole else [texts[at] for at in evenly(len(texts), PARSED)])
    except MissingDependency as error:
        if needed:
            raise
        return {"different": None, "texts": 0, "top": [], "said": f"not counted: {error}"}
    parsed = len(texts) if whole else PARSED
    top = sorted(pairs.items(), key=lambda item: (-item[1], item[0]))[:20]
    said = (
        f"{len(pairs):,} different in the {pairs.total():,} of {parsed:,} English instructions that have one"
    )
    said += "" if whole else ", evenly spaced (--verb-noun takes all)"
    if top:
        said += "; most often " + ", ".join(f"{' '.join(pair)} {number:,}" for pair, number in top[:NAMED])
    named = [[*pair, number] for pair, number in top]
    return {"different": len(pairs), "texts": parsed, "top": named, "said": visible(said)}


def embedded_of(
    table: Table, wanted: int, journal: Path | None, needed: bool, progress: RunProgress | None = None
) -> dict[str, dict[str, Any]]:
    """The Vendi score of so many instructions, NovelSum, k-NN distance, radius and log-determinant, by name.

    Why there is none, under "vendi", where it is not `needed`.

    Raises:
        FactoryError: the embedded model or the journal is not to be had, and the score is needed.
    """
    from factory.engine.outside import with_embedder
    from factory.errors import FactoryError
    from factory.report.run_files.rows import evenly

    texts = [text for text in table.texts("instruction") if text.strip()]
    texts = [texts[at][:VENDI_CHARACTERS] for at in evenly(len(texts), wanted)]
    if not texts:
        return {"vendi": {"score": None, "texts": 0, "said": "none: there is no instruction"}}
    try:
        vectors = with_embedder({}, journal, lambda embedder: embedder.embed(texts), progress)
    except FactoryError as error:
        if needed:
            raise
        return {"vendi": {"score": None, "texts": 0, "said": f"not measured: {error}"}}
    return {"vendi": _vendi(vectors), **(_spread(vectors) if len(texts) > 1 else {})}


def _vendi(vectors: Vectors) -> dict[str, Any]:
    from factory.statistics.vendi import SAMPLES, sampled_vendi

    rows = len(vectors)
    whole = rows < FEWEST_TO_HALVE
    found = sampled_vendi(vectors, rows if whole else rows // 2)
    of = "all" if whole else f"{SAMPLES} random samples of {found.size:,}"
    spread = "" if whole else f" ± {found.deviation:.1f}"
    said = (
        f"{found.score:.1f}{spread} of at most {max(1, found.size - 1):,}, centred, by the embedded model ({of} of "
        f"{rows:,} instructions; ±: standard deviation); where nothing is in common {found.null:.1f} ± "
        f"{found.null_deviation:.1f}; without centring {found.plain:.1f}"
    )
    return {**found._asdict(), "texts": rows, "said": said}


def _spread(vectors: Vectors) -> dict[str, dict[str, Any]]:
    """The other measures of the same vectors, each of the same samples' size."""
    from factory.statistics.dispersion import knn_distance, log_determinant, radius, sampled
    from factory.statistics.novelsum import novelsum

    rows = len(vectors)
    size = rows if rows < FEWEST_TO_HALVE else rows // 2
    found: dict[str, dict[str, Any]] = {}
    for name, measure, note in (
        ("novelsum", novelsum, "without density: there is no reference"),
        ("knn_distance", knn_distance, "cosine distance to the nearest other"),
        ("radius", radius, "geometric mean of the dimensions' deviations"),
        ("log_determinant", log_determinant, "of the cosines, for each row; 0 where all are at right angles"),
    ):
        of = sampled(functools.partial(_of_rows, measure, vectors), rows, size)
        spread = f" ± {of.deviation:.4f}" if size < rows else ""
        said = f"{of.mean:.4f}{spread} of {of.size:,} instructions, a number of the whole set ({note})"
        found[name] = {**of._asdict(), "texts": rows, "said": said}
    return found


def _of_rows(measure: Callable[[Vectors], float], vectors: Vectors, at: Ints) -> float:
    return measure(vectors[at])
