"""The step that brings different names of one intention together."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, ClassVar, Literal

from pydantic import Field

from factory.data.record import Missing, Record
from factory.data.table import Table
from factory.data.text import detect_language, shorten
from factory.step import Context, EmbeddingModelName, WholeSet
from factory.steps.tags.tag_sets.normalization import Normalization
from factory.steps.tags.tag_sets.tag_map import TagMap, renamed

FEW_TAGGED = 20
"""With fewer tagged records, nothing is said of shares."""


class NormalizeTags(WholeSet):
    """Bring different names of one intention together, and drop rare tags (InsTag).

    Four stages, each left out where its option says so: rare tags go; spellings (case, special characters,
    word stems) become one; names of one meaning become one (DBSCAN over their embeddings); tags that always
    come together become one (association rules of two tags). The most used name stays. The result depends on
    no order. No record is dropped; one whose tags all went is left untagged, and counted.

    What became of each tag and by which rule is the table `tag_map` beside the step's records; the counts
    after each stage are in the manifest. An edited map is applied by `map`: then the stages are left out, and
    another set gets the same tags, which makes the two comparable.

    The paper's numbers, 20 uses and a support of 40, were for 306,044 records: `min_share` keeps the first in
    proportion. A cosine distance means different things to different models: 0.05, the paper's, suits the
    embedded one (multilingual e5-small), for which unrelated tags lie at about 0.17 and names of one intention
    in two languages at 0.07 and above: those are joined by hand, in the map.

    Source: #InsTag (arXiv 2308.07074), section 3.

    Example:
        - normalize_tags: {min_count: 2}
    """

    name: ClassVar[str] = "normalize_tags"

    min_share: float = Field(
        6.5e-5, ge=0, le=1, description="drop tags of a smaller share of the tagged records"
    )
    min_count: int | None = Field(
        None, ge=1, description="drop tags of fewer records than this, in place of min_share"
    )
    rules: bool = Field(True, description="bring spellings together: case, special characters, word stems")
    semantic: float | None = Field(
        0.05, ge=0, lt=1, description="largest cosine distance of two names of one meaning; null: left out"
    )
    association: Literal["mutual", "one_way", "none"] = Field(
        "mutual",
        description="join tags that imply each other (mutual), or also a tag to a more used one that it implies "
        "(one_way)",
    )
    min_support: int = Field(40, ge=2, description="fewest records that two associated tags have together")
    min_confidence: float = Field(
        0.99, gt=0.5, le=1, description="smallest share of a tag's records that have the other tag too"
    )
    map: Path | None = Field(
        None, description="a tag map (JSON lines of raw and final) to apply in place of the stages"
    )
    unknown: Literal["keep", "drop"] = Field("keep", description="what to do with tags that the map lacks")
    model: EmbeddingModelName = Field(
        "", description="the embedding model; by default the only one, else the embedded one"
    )

    def inputs(self) -> Sequence[Path]:
        """See `Step.inputs`."""
        return () if self.map is None else (self.map,)

    def models_of(self, kind: str) -> Iterator[tuple[str, str]]:
        """See `Step.models_of`: names of one meaning alone are found by an embedding."""
        needed = self.map is None and self.semantic is not None
        return super().models_of(kind) if needed else iter(())

    async def run(self, table: Table, context: Context) -> Table:
        """See `WholeSet.run`."""
        normal = Normalization([[tag["name"] for tag in tags] for tags in table.values("tags")])
        facts = context.facts
        context.count("records", len(table))
        if not normal.counts:
            context.warn(
                f"{context.step}: no record has tags, so there is nothing to normalise: tag them first, or give "
                'each row a list of them, "tags": ["sql", "joins"]'
            )
            facts["stages"] = [stage._asdict() for stage in normal.stages]
            return table
        if self.map is not None:
            tag_map = TagMap.read(context.read_rows(self.map), str(self.map))
            facts["unknown"] = normal.apply_map(tag_map, keep_unknown=self.unknown == "keep")
        else:
            await self._stages(normal, context)
        facts["stages"] = [stage._asdict() for stage in normal.stages]
        context.tables["tag_map"] = [row._asdict() for row in normal.rows()]
        _tell(normal, len(table), context)
        return await asyncio.to_thread(lambda: Table.from_records(_renamed(table, normal, context)))

    async def _stages(self, normal: Normalization, context: Context) -> None:
        facts = context.facts
        normal.drop_unusable()
        tagged = normal.stages[-1].records
        least = self.min_count if self.min_count is not None else max(1, math.ceil(self.min_share * tagged))
        facts["min_count"] = least
        normal.drop_rare(least)
        if self.rules:
            await asyncio.to_thread(normal.merge_spellings)
        if self.semantic is not None and len(names := normal.names()) > 1:
            vectors = await context.embedder(self.model).embed(names)
            largest = await asyncio.to_thread(normal.merge_meanings, names, vectors, self.semantic)
            facts["largest_family"] = largest
            if largest > max(10, len(names) // 10):
                context.warn(
                    f"{context.step}: names of one meaning were chained into a family of {largest:,} of "
                    f"{len(names):,} tags: lower `semantic`"
                )
        if self.association != "none":
            one_way = self.association == "one_way"
            facts["association_rules"] = await asyncio.to_thread(
                lambda: normal.merge_associated(self.min_support, self.min_confidence, one_way=one_way)
            )


def _tell(normal: Normalization, records: int, context: Context) -> None:
    """Say what of the outcome asks for a look."""
    given, last = normal.stages[0], normal.stages[-1]
    if given.records < records:
        context.warn(f"{context.step}: {records - given.records:,} of {records:,} records came without tags")
    if last.records < given.records:
        context.warn(
            f"{context.step}: {given.records - last.records:,} records have no tag left: all of theirs were "
            f"{why_dropped(normal)}"
        )
    if normal.counts and last.records >= FEW_TAGGED:
        tag, uses = min(normal.counts.items(), key=lambda item: (-item[1], item[0]))
        if uses > last.records / 2:
            context.warn(
                f"{context.step}: the tag {shorten(tag, 60)!r} is on {uses:,} of {last.records:,} tagged "
                "records: it tells little"
            )
    languages: dict[str, Any] = {}
    for tag in normal.counts:
        language = detect_language(tag)
        languages[language or "none"] = languages.get(language or "none", 0) + 1
    context.facts["tag_languages"] = dict(sorted(languages.items()))
    if languages.get("zh") and languages.get("en"):
        context.tell(
            f"{context.step}: {languages['en']:,} tags are English and {languages['zh']:,} Chinese: names of one "
            "intention in both are joined by hand, in the tag map"
        )


def why_dropped(normal: Normalization) -> str:
    """Why a tag went, as the end of a sentence."""
    by_map = normal.stages[-1].name == "map"
    return "dropped by the tag map" if by_map else "rare or could not be used"


def _renamed(table: Table, normal: Normalization, context: Context) -> Iterator[Record]:
    finals = normal.finals()
    event = context.event("normalize_tags")
    for record in table.records():
        tags = renamed(record.tags, finals)
        if tags != record.tags:
            gone = Missing("no_tag_left", f"all of its tags were {why_dropped(normal)}")
            record = record.with_tags(tags or gone, event)
        yield record
