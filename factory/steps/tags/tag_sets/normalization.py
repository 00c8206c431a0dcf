"""The stages that bring tags together, one after the other, each counted and each merge recorded."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from factory.steps.tags.tag import TAG_CHARACTERS
from factory.steps.tags.tag_sets.association import association_rules, merge_by_association
from factory.steps.tags.tag_sets.rules import folded, merge_by_key, plain_words, stemmed
from factory.steps.tags.tag_sets.semantic import merge_by_meaning
from factory.steps.tags.tag_sets.tag_map import MapRow, TagMap

if TYPE_CHECKING:
    from factory.models.base import Vectors


class Stage(NamedTuple):
    """The tags after a stage.

    tags: different names; uses: names over all records, each once in a record; records: those that have a tag
    """

    name: str
    tags: int
    uses: int
    records: int


class Normalization:
    """Tag lists on their way from given names to final ones.

    Each method is one stage and may be left out; their order is the paper's. `lists` are the tags as they
    stand, `counts` how many records have each (blank names are none), `stages` the counts after each stage.

    Source: #InsTag (arXiv 2308.07074), section 3.
    """

    def __init__(self, tag_lists: Iterable[Sequence[str]]) -> None:
        self.lists: list[list[str]] = [
            [tag for tag in dict.fromkeys(tags) if tag.strip()] for tags in tag_lists
        ]
        self.counts = Counter(tag for tags in self.lists for tag in tags)
        self.stages: list[Stage] = []
        self._given = dict(self.counts)
        self._final = {tag: tag for tag in self.counts}
        self._rules: dict[str, list[str]] = {tag: [] for tag in self.counts}
        self._note("given")

    def drop_unusable(self) -> None:
        """Drop what is too long to be a tag (TAG_CHARACTERS)."""
        long = {tag for tag in self.counts if len(tag) > TAG_CHARACTERS}
        self._apply(dict.fromkeys(long, ""), "too long")
        self._note("usable")

    def drop_rare(self, min_count: int) -> None:
        """Drop tags that fewer than `min_count` records have; spellings that differ by case count together."""
        records = Counter(name for tags in self.lists for name in {folded(tag) for tag in tags})
        rare = {tag: "" for tag in self.counts if records[folded(tag)] < min_count}
        self._apply(rare, "rare")
        self._note("frequency")

    def merge_spellings(self) -> None:
        """Bring together names that differ by case, then by special characters, then by their stems alone."""
        for key, rule in ((folded, "case"), (plain_words, "characters"), (stemmed, "stem")):
            self._apply(merge_by_key(self.counts, key), rule)
        self._note("rules")

    def names(self) -> list[str]:
        """The tags as they stand, sorted."""
        return sorted(self.counts)

    def merge_meanings(self, names: Sequence[str], vectors: Vectors, distance: float) -> int:
        """Bring names of one meaning together; returns the size of the largest family. See `merge_by_meaning`."""
        merged = merge_by_meaning(self.counts, names, vectors, distance)
        self._apply(merged, "semantic")
        self._note("semantic")
        return max(Counter(merged.values()).values(), default=0) + 1

    def merge_associated(self, min_support: int, min_confidence: float, *, one_way: bool = False) -> int:
        """Bring tags together that come together; returns the number of rules. See `merge_by_association`."""
        rules = association_rules(self.lists, min_support, min_confidence)
        self._apply(merge_by_association(rules, self.counts, one_way=one_way), "association")
        self._note("association")
        return len(rules)

    def apply_map(self, tag_map: TagMap, *, keep_unknown: bool) -> int:
        """Rename tags as a map says; returns how many it does not know, which stay or are dropped."""
        finals = {tag: tag_map.final(tag) for tag in self.counts}
        unknown = [tag for tag, final in finals.items() if final is None]
        self._apply({tag: final for tag, final in finals.items() if final is not None}, "map")
        if not keep_unknown:
            self._apply(dict.fromkeys(unknown, ""), "not in the map")
        self._note("map")
        return len(unknown)

    def rows(self) -> list[MapRow]:
        """What became of each given tag: the final tags in their order, the dropped ones last."""
        rows = [
            MapRow(raw, self._final[raw], ", ".join(self._rules[raw]), count)
            for raw, count in self._given.items()
        ]
        return sorted(rows, key=lambda row: (not row.final, row.final, -row.records, row.raw))

    def finals(self) -> Mapping[str, str]:
        """{given tag: final tag}, "" where it was dropped."""
        return self._final

    def _apply(self, changes: Mapping[str, str], rule: str) -> None:
        changes = {old: new for old, new in changes.items() if old != new}
        if not changes:
            return
        for raw, at in self._final.items():
            if at in changes:
                self._final[raw] = changes[at]
                self._rules[raw].append(rule)
        self.lists = [
            list(dict.fromkeys(new for tag in tags if (new := changes.get(tag, tag)))) for tags in self.lists
        ]
        self.counts = Counter(tag for tags in self.lists for tag in tags)

    def _note(self, stage: str) -> None:
        tagged = sum(map(bool, self.lists))
        self.stages.append(Stage(stage, len(self.counts), self.counts.total(), tagged))
