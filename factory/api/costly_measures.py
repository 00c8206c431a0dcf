"""The measures of a set that take more than counting: pairs of verb and noun, and the Vendi score."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from factory.data.table import Table
    from factory.engine.progress import RunProgress

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


def vendi_of(
    table: Table, wanted: int, journal: Path | None, needed: bool, progress: RunProgress | None = None
) -> dict[str, Any]:
    """The Vendi score of so many instructions; why there is none, where it is not `needed`.

    Raises:
        FactoryError: the embedded model or the journal is not to be had, and the score is needed.
    """
    from factory.engine.outside import with_embedder
    from factory.errors import FactoryError
    from factory.report.run_files.rows import evenly
    from factory.statistics.vendi import SAMPLES, sampled_vendi

    texts = [text for text in table.texts("instruction") if text.strip()]
    texts = [texts[at][:VENDI_CHARACTERS] for at in evenly(len(texts), wanted)]
    if not texts:
        return {"score": None, "texts": 0, "said": "none: there is no instruction"}
    try:
        vectors = with_embedder({}, journal, lambda embedder: embedder.embed(texts), progress)
    except FactoryError as error:
        if needed:
            raise
        return {"score": None, "texts": 0, "said": f"not measured: {error}"}
    whole = len(texts) < FEWEST_TO_HALVE
    found = sampled_vendi(vectors, len(texts) if whole else len(texts) // 2)
    of = "all" if whole else f"{SAMPLES} random samples of {found.size:,}"
    spread = "" if whole else f" ± {found.deviation:.1f}"
    said = (
        f"{found.score:.1f}{spread} of at most {max(1, found.size - 1):,}, centred, by the embedded model ({of} of "
        f"{len(texts):,} instructions; ±: standard deviation); where nothing is in common {found.null:.1f} ± "
        f"{found.null_deviation:.1f}; without centring {found.plain:.1f}"
    )
    return {**found._asdict(), "texts": len(texts), "said": said}
