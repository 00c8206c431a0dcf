"""A closed tag set: which of its tags a query is shown, and which of them a reply means."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from factory.data.record import Tag
from factory.errors import InputError
from factory.steps.tags.tag_sets.tag_map import MapRow, TagMap

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from factory.models.base import EmbeddingModel, Vectors


class Vocabulary:
    """The tags that may be used, and the other names they go by.

    tag_map: a map from names to tags, as `normalize_tags` writes it. A name that is in it, or shares its stem
        with one that is, means the tag that it is mapped to.
    """

    def __init__(self, tag_map: TagMap) -> None:
        self._map = tag_map
        self.names = tag_map.names()
        self._vectors: Vectors | None = None

    @classmethod
    def read(cls, rows: Iterable[tuple[int, Mapping[str, Any]]], file: str) -> Vocabulary:
        """The tag set in a file: a tag map (`raw` and `final`), or rows with a `tag` alone.

        Raises:
            InputError: a row is neither, or there is no tag.
        """
        mapped: list[tuple[int, Mapping[str, Any]]] = []
        for line, row in rows:
            name = row.get("tag")
            if "raw" not in row and not (isinstance(name, str) and name.strip()):
                raise InputError(
                    f'{file}:{line}: a row of a tag set says {{"tag": "a tag"}}, or raw and final as a tag map does'
                )
            mapped.append((line, row if "raw" in row else {"raw": name, "final": name}))
        found = cls(TagMap.read(mapped, file))
        if not found.names:
            raise InputError(f"{file}: holds no tag: every row's final is empty")
        return found

    @classmethod
    def of(cls, names: Iterable[str]) -> Vocabulary:
        """The tag set of these names."""
        return cls(TagMap.of(MapRow(name, name) for name in names))

    async def near(self, query: str, most: int, embedder: EmbeddingModel) -> Sequence[str]:
        """The `most` tags nearest to a query in meaning, sorted."""
        if self._vectors is None:
            self._vectors = await embedder.embed(self.names)
        cosines = self._vectors @ (await embedder.embed([query]))[0]
        nearest = cosines.argsort(kind="stable")[::-1][:most]
        return sorted(self.names[at] for at in nearest.tolist())

    def chosen(self, tags: Iterable[Tag]) -> tuple[tuple[Tag, ...], list[str]]:
        """The tags of the set that are meant, each once, and the names that fit none of them."""
        kept: dict[str, Tag] = {}
        unknown = []
        for tag in tags:
            final = self._map.final(tag.name)
            if final:
                kept.setdefault(final, Tag(final, tag.explanation))
            else:
                unknown.append(tag.name)
        return tuple(kept.values()), unknown
